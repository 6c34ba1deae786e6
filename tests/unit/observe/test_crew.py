"""Workers of an ensemble take the place of ranks: from the marks of their tasks, and only while they run one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.model import Launcher, ProcessId, RankView, Worker
from hangprobe.observe.crew import TICKS_PER_S, Crew, Places, confirmed, sizes, writer
from hangprobe.observe.patience import Patience

HOST = "node02"
MANAGER, FIRST, SECOND, CHILD, OTHER = 50, 60, 61, 70, 80
IDS = {pid: ProcessId(HOST, pid, pid * 10) for pid in (MANAGER, FIRST, SECOND, CHILD, OTHER)}
PARENTS: dict[int, int | None] = {MANAGER: 1, FIRST: MANAGER, SECOND: MANAGER, CHILD: FIRST, OTHER: MANAGER}
RANK = RankView(1, Launcher.HYDRA, IDS[MANAGER], IDS[MANAGER], tuple(IDS.values()), size=3)


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    (tmp_path / "ensemble").write_text("nodes 3\nworkers 2\n")
    (tmp_path / "workers" / HOST).mkdir(parents=True)
    return tmp_path


def log(marks: Path, pid: int, text: str) -> None:
    with (marks / "workers" / HOST / f"{pid}-{pid * 10}.log").open("a") as file:
        file.write(text)


def ranks(crew: Crew) -> dict[int, RankView]:
    crew.read()
    return {rank.rank: rank for rank in Places(crew, PARENTS, IDS).placed((RANK,))}


def test_a_worker_stands_for_a_rank_and_what_it_has_started_is_its_tree(marks: Path) -> None:
    log(marks, FIRST, "W 0 0 2 50 pool\nB 1.5 7 noop\n")
    log(marks, SECOND, "W 1 0 2 50 pool\n")
    found = ranks(Crew(marks, HOST))
    assert found[2].worker == Worker(2, 1, 7, "noop")
    assert (found[2].main, found[2].top, found[2].launcher) == (IDS[FIRST], IDS[MANAGER], Launcher.HYDRA)
    assert set(found[2].members) == {IDS[FIRST], IDS[CHILD]}
    assert (found[3].worker, found[3].main) == (Worker(3, 1), IDS[SECOND])


def test_the_manager_comes_after_all_workers_and_keeps_what_is_below_none_of_them(marks: Path) -> None:
    log(marks, FIRST, "W 0 0 2 50 pool\n")
    found = ranks(Crew(marks, HOST, wall=lambda: 1000.0, since_boot=lambda: 7.0))
    assert found[7].worker == Worker(None, 1, began=1000.0 - 7.0 + 500 / TICKS_PER_S)
    assert set(found[7].members) == {IDS[MANAGER], IDS[SECOND], IDS[OTHER]}
    assert found[7].size is None


def test_the_number_that_the_launcher_gave_stays_known(marks: Path) -> None:
    log(marks, FIRST, "W 0 0 2 50 pool\n")
    found = ranks(Crew(marks, HOST))
    assert {rank.given for rank in found.values()} == {1}
    assert RANK.given == 1


def test_before_the_ensemble_has_begun_ranks_are_the_launcher_s(tmp_path: Path) -> None:
    assert Places(Crew(tmp_path, HOST), PARENTS, IDS).placed((RANK,)) == (RANK,)


def test_a_command_without_ranks_is_the_job_until_its_workers_come(marks: Path) -> None:
    lone = RankView(0, Launcher.NONE, IDS[MANAGER], IDS[MANAGER], tuple(IDS.values()))
    crew = Crew(marks, HOST)
    crew.read()
    assert Places(crew, PARENTS, IDS).placed((lone,)) == (lone,)
    log(marks, FIRST, "W 0 0 2 50 pool\n")
    crew.read()
    assert [rank.main for rank in Places(crew, PARENTS, IDS).placed((lone,))] == [IDS[FIRST]]


def test_of_a_second_block_managers_and_workers_have_numbers_of_their_own(marks: Path) -> None:
    log(marks, FIRST, "W 0 1 2 50 pool\n")
    (worker,) = (rank for rank in ranks(Crew(marks, HOST)).values() if rank.main == IDS[FIRST])
    assert worker.worker == Worker(2 * (3 + 1), 3 + 1)


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("W 0 0 2 50 p\n", None),
        ("W 0 0 2 50 p\nB 1.0 3 noop\n", 3),
        ("W 0 0 2 50 p\nB 1.0 3 noop\nE 1.1 3 ok\n", None),
        ("W 0 0 2 50 p\nB 1.0 3 noop\nE 1.1 3 o", 3),  # its end is only half written
        ("W 0 0 2 50 p\nB 1.0 3 noop\nE 1.1 3 ok\nB 1.2 14 noop\n", 14),
        ("W - - - - -\nB 1.0 3 noop\n", 3),
    ],
)
def test_a_worker_runs_the_task_that_it_has_begun_and_not_ended(marks: Path, text: str, task: int | None) -> None:
    log(marks, FIRST, text)
    crew = Crew(marks, HOST)
    crew.read()
    assert [member.task for member in crew.members.values()] == [task]


@given(st.lists(st.booleans(), max_size=300), st.text("abc", min_size=1, max_size=60))
def test_of_long_logs_the_end_is_enough(tmp_path_factory: pytest.TempPathFactory, ends: list[bool], name: str) -> None:
    folder = tmp_path_factory.mktemp("marks")
    (folder / "ensemble").write_text("nodes 3\nworkers 2\n")
    (folder / "workers" / HOST).mkdir(parents=True)
    lines = ["W 0 0 2 50 pool\n"]
    for number, has_ended in enumerate(ends):
        lines.append(f"B 1.0 {number} {name}\n")
        lines += [f"E 1.0 {number} ok\n"] if has_ended or number < len(ends) - 1 else []
    log(folder, FIRST, "".join(lines))
    crew = Crew(folder, HOST)
    crew.read()
    expected = len(ends) - 1 if ends and not ends[-1] else None
    assert [member.task for member in crew.members.values()] == [expected]


@pytest.mark.parametrize("text", ["", "W 0 0", "nonsense\n", "W\n"])
def test_a_log_whose_first_line_is_not_whole_is_read_again(marks: Path, text: str) -> None:
    log(marks, FIRST, text)
    crew = Crew(marks, HOST)
    assert crew.has_newcomers() is False
    (marks / "workers" / HOST / f"{FIRST}-{FIRST * 10}.log").write_text("W 0 0 2 50 pool\n")
    assert crew.has_newcomers() is True
    assert crew.has_newcomers() is False


def test_a_manager_has_begun_when_it_was_first_seen_to_have_whatever_becomes_of_the_clock(marks: Path) -> None:
    clock = iter([1000.0, 2000.0])
    crew = Crew(marks, HOST, wall=lambda: next(clock), since_boot=lambda: 7.0)
    assert crew.began(IDS[MANAGER]) == crew.began(IDS[MANAGER])


def test_a_log_that_comes_in_the_same_tick_as_another_is_seen_too(marks: Path) -> None:
    folder, crew = marks / "workers" / HOST, Crew(marks, HOST)
    log(marks, FIRST, "W 0 0 2 50 pool\n")
    changed = folder.stat()
    assert crew.has_newcomers() is True
    log(marks, SECOND, "W 1 0 2 50 pool\n")
    os.utime(folder, ns=(changed.st_atime_ns, changed.st_mtime_ns))  # as a coarse clock would have it
    assert crew.has_newcomers() is True
    assert crew.has_newcomers() is False


def test_while_the_marks_cannot_be_read_no_worker_is_in_a_task(marks: Path) -> None:
    class Dead(Patience):
        def get(self, job: object) -> None:
            """Answer as a dead file system does."""

    log(marks, FIRST, "W 0 0 2 50 pool\nB 1.0 1 noop\n")
    crew = Crew(marks, HOST)
    crew.read()
    before = Places(crew, PARENTS, IDS).placed((RANK,))
    assert [rank.worker.task for rank in before if rank.worker] == [1, None]
    crew.patience = Dead()
    assert (crew.read(), crew.has_newcomers()) == (False, False)
    assert [rank.worker.task for rank in confirmed(crew, before) if rank.worker] == [None, None]
    assert confirmed(crew, before)[1] is before[1]  # the manager's


@pytest.mark.parametrize("text", ["", "nodes 3\n", "nodes three\nworkers 2\n", "nodes\nworkers\n"])
def test_sizes_that_nobody_has_said_or_not_so_that_they_can_be_read_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "ensemble").write_text(text)
    assert sizes(tmp_path) == (0, 0)
    assert sizes(tmp_path / "nothing") == (0, 0)


def test_a_log_is_of_the_worker_that_its_name_says(marks: Path) -> None:
    assert writer(marks / HOST / "60-600.log") == ProcessId(HOST, 60, 600)
    assert [writer(marks / HOST / name) for name in ("60-.log", "x-600.log", "60.log", "60-600.swp")] == [None] * 4


def test_files_of_other_names_and_of_other_nodes_are_nobody_s(marks: Path) -> None:
    log(marks, FIRST, "W 0 0 2 50 pool\n")
    (marks / "workers" / HOST / "notes.log").write_text("W 0 0 2 50 pool\n")
    (marks / "workers" / HOST / "60-600.log.swp").write_text("W 0 0 2 50 pool\n")
    (marks / "workers" / "node03").mkdir()
    (marks / "workers" / "node03" / "61-610.log").write_text("W 0 0 2 50 pool\n")
    crew = Crew(marks, HOST)
    crew.read()
    assert list(crew.members) == [IDS[FIRST]]


def test_a_pid_that_another_process_has_now_is_no_worker(marks: Path) -> None:
    log(marks, FIRST, "W 0 0 2 50 pool\n")
    crew = Crew(marks, HOST)
    crew.read()
    ids = {**IDS, FIRST: ProcessId(HOST, FIRST, 999)}
    assert [rank.main.pid for rank in Places(crew, PARENTS, ids).placed((RANK,))] == [MANAGER]


def test_an_ensemble_within_a_task_belongs_to_the_worker_that_runs_it(marks: Path) -> None:
    log(marks, FIRST, "W 0 0 2 50 pool\nB 1.0 1 ensemble\n")
    log(marks, CHILD, "W 0 0 1 60 other\n")
    members = {rank.main: set(rank.members) for rank in ranks(Crew(marks, HOST)).values()}
    assert members[IDS[FIRST]] == {IDS[FIRST], IDS[CHILD]}


def test_a_job_of_ranks_that_a_task_has_started_changes_no_number(marks: Path) -> None:
    log(marks, FIRST, "W 0 0 2 50 pool\nB 1.0 1 mpi-task\n")
    crew = Crew(marks, HOST)
    crew.read()
    places = Places(crew, PARENTS, IDS)
    assert {pid for pid, owner in places.owner.items() if owner is not None} == {FIRST, CHILD}
    without = RANK.but(members=tuple(each for pid, each in IDS.items() if places.owner[pid] is None))
    assert places.placed((without,)) == places.placed((RANK,))


def test_whoever_has_begun_or_ended_a_task_during_a_look_has_none_in_it(marks: Path) -> None:
    log(marks, FIRST, "W 0 0 2 50 pool\nB 1.0 1 noop\n")
    log(marks, SECOND, "W 1 0 2 50 pool\nB 1.0 2 noop\n")
    crew = Crew(marks, HOST)
    crew.read()
    before = Places(crew, PARENTS, IDS).placed((RANK,))
    log(marks, FIRST, "E 2.0 1 ok\nB 2.0 3 noop\n")
    after = {rank.main: rank.worker for rank in confirmed(crew, before)}
    assert (after[IDS[FIRST]], after[IDS[SECOND]]) == (Worker(2, 1, None, "noop"), Worker(3, 1, 2, "noop"))
