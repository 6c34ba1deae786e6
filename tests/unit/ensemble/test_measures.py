"""Marks and events become managers, tasks and times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.ensemble.measures import Measures, measure, measured
from hangprobe.ensemble.records import TaskState
from hangprobe.ensemble.traces import WorkerLog, worker_log
from hangprobe.model import RankState, Tier
from hangprobe.result import Finding, RankResult

BEGAN = 1000.0


def event(name: str, t: float, **facts: object) -> dict[str, Any]:
    """Return a line of events.jsonl."""
    return {"t": BEGAN + t, "event": name, **facts}


def manager(host: str, registered: float, uid: str = "", said: str | None = None) -> dict[str, Any]:
    """Return a manager as the event `managers` tells it."""
    uid = uid or host
    return {"host": host, "uid": uid, "workers": 2, "registered": BEGAN + registered, "start_method_said": said}


def rank(number: int, host: str, pid: int, state: RankState, **detail: str) -> RankResult:
    """Return a worker or manager as the watchdog saw it."""
    return RankResult(number, host, pid, 7, None, None, state, detail=detail)


def log(host: str, pid: int, *lines: str, place: int = 0, manager_pid: int = 9) -> WorkerLog:
    """Return a worker's log."""
    return worker_log(host, pid, 7, [f"W {place} 0 2 {manager_pid} {host}", *lines])


EVENTS = [
    event("started", 0.1, parsl="1", python="3", pid=1),
    event("managers", 2.0, managers=[manager("a", 1.5)]),
    event("managers", 3.0, managers=[manager("a", 1.5), manager("b", 2.5, said="spawn")]),
    event("submitted", 3.0, tasks=[0, 1]),
]
LOGS = [
    log("a", 21, "B 1003.5 0 noop", "E 1003.6 0 ok", manager_pid=20),
    log("b", 31, "B 1003.25 1 noop", place=1, manager_pid=30),
]
RANKS = [
    rank(0, "a", 21, RankState.PROGRESSING, manager="0", worker="0", start_method="spawn"),
    rank(3, "b", 31, RankState.LEAK, manager="1", worker="3", start_method="fork", task="1"),
    rank(4, "a", 20, RankState.PROGRESSING, manager="0", began="1000.5"),
    rank(5, "b", 30, RankState.PROGRESSING, manager="1"),
]


def usual(*more: dict[str, Any], ranks: list[RankResult] | None = None) -> Measures:
    """Return what is measured of the two managers and two tasks above."""
    return measured([*EVENTS, *more], LOGS, (2, 2), BEGAN, RANKS if ranks is None else ranks)


def test_times_count_from_the_trials_start() -> None:
    found = usual(event("task", 4.0, task=0, state="done", error=None), event("task", 5.0, task=1, state="done"))
    assert (found.registered_s, found.first_task_s) == (2.5, 3.25)
    assert (found.makespan_s, found.throughput) == (2.0, 1.0)


def test_without_every_manager_there_is_no_time_to_all_registered() -> None:
    found = measured(EVENTS[:2], [], (2, 2), BEGAN)
    assert (found.registered_s, [each.host for each in found.managers]) == (None, ["a"])


def test_without_every_result_there_is_no_makespan() -> None:
    found = usual(event("task", 4.0, task=0, state="done", error=None))
    assert (found.makespan_s, found.throughput) == (None, None)
    failed = usual(event("task", 4.0, task=0, state="done"), event("task", 5.0, task=1, state="failed", error="E: x"))
    assert failed.makespan_s is None


def test_a_task_is_hung_if_its_worker_is_and_only_then() -> None:
    assert [each.state for each in usual().tasks] == [TaskState.DONE, TaskState.HUNG]
    for state, becomes in (
        (RankState.PROVEN, TaskState.HUNG),
        (RankState.STALLED, TaskState.RUNNING),
        (RankState.PROGRESSING, TaskState.RUNNING),
        (RankState.EXITED, TaskState.LOST),
    ):
        ranks = [rank(3, "b", 31, state, manager="1", worker="3", task="1")]
        assert usual(ranks=ranks).tasks[1].state is becomes
    reborn = [RankResult(3, "b", 31, 8, None, None, RankState.LEAK, detail={"worker": "3", "task": "1"})]
    assert usual(ranks=reborn).tasks[1].state is TaskState.RUNNING


def test_a_worker_that_stalled_because_of_a_knot_in_its_tree_is_hung_in_its_task() -> None:
    stalled = [rank(3, "b", 31, RankState.STALLED, manager="1", worker="3", task="1")]
    for tier, ranks, becomes in (
        (Tier.PROVEN, "2-3", TaskState.HUNG),
        (Tier.PROVEN, "2", TaskState.RUNNING),
        (Tier.BLOCKED, "3", TaskState.RUNNING),
    ):
        found = Finding("fork-orphaned-lock", tier, False, ranks, (), (), {}, "")
        assert measured(EVENTS, LOGS, (2, 2), BEGAN, stalled, [found]).tasks[1].state is becomes


def test_what_a_hung_task_does_while_its_trial_is_ended_says_nothing() -> None:
    ended = event("task", 9.0, task=1, state="failed", error="OSError: its standard input was closed")
    assert usual(ended).tasks[1].state is TaskState.HUNG


def test_a_hung_worker_has_hung_in_one_task_and_not_in_those_before() -> None:
    events = [event("submitted", 1.0, tasks=[0, 1])]
    logs = [log("b", 31, "B 1001 0 x", "E 1002 0 ok", "B 1003 1 x")]
    ranks = [rank(3, "b", 31, RankState.LEAK, manager="1", worker="3", task="1")]
    found = measured(events, logs, (1, 1), BEGAN, ranks).tasks
    assert [each.state for each in found] == [TaskState.DONE, TaskState.HUNG]


def test_a_task_has_its_workers_number_as_the_watchdog_gave_it_or_by_its_manager() -> None:
    assert [each.worker for each in usual().tasks] == [0, 3]
    assert [each.worker for each in usual(ranks=RANKS[2:]).tasks] == [0, 3]
    assert [each.worker for each in usual(ranks=[]).tasks] == [None, None]


def test_a_task_that_never_began_is_lost_and_has_no_place() -> None:
    found = measured([event("submitted", 1.0, tasks=[5])], [], (1, 1), BEGAN).tasks[0]
    assert (found.state, found.host, found.began_s) == (TaskState.LOST, None, None)


def test_a_failed_task_has_the_drivers_words_else_the_class_that_its_worker_wrote() -> None:
    events = [event("submitted", 1.0, tasks=[0, 1]), event("task", 3.0, task=0, state="failed", error="ValueError: 7")]
    logs = [log("a", 1, "B 1001 0 x", "E 1002 0 ValueError", "B 1003 1 x", "E 1004 1 OSError")]
    found = measured(events, logs, (1, 1), BEGAN).tasks
    assert [(each.state, each.why) for each in found] == [
        (TaskState.FAILED, "ValueError: 7"),
        (TaskState.FAILED, "OSError"),
    ]


def test_a_task_that_was_given_to_a_second_worker_is_there_where_it_ran_last() -> None:
    logs = [log("a", 1, "B 1001 0 x"), log("b", 2, "B 1005 0 x", "E 1006 0 ok")]
    found = measured([event("submitted", 1.0, tasks=[0])], logs, (2, 1), BEGAN).tasks
    assert [(each.host, each.state) for each in found] == [("b", TaskState.DONE)]


def test_managers_have_the_launchers_number_and_what_was_seen_beside_what_was_said() -> None:
    found = usual().managers
    assert [(each.index, each.host, each.registered_s) for each in found] == [(0, "a", 1.5), (1, "b", 2.5)]
    assert (found[1].start_methods, found[1].start_method_said) == ({"fork": 1}, "spawn")
    assert [each.started_s for each in found] == [0.5, None]


def test_a_manager_that_lives_and_has_not_registered_is_told() -> None:
    found = measured(EVENTS[:2], [], (2, 2), BEGAN, RANKS).managers
    assert [(each.host, each.registered_s) for each in found] == [("a", 1.5), ("b", None)]


def test_two_managers_of_one_node_are_told_apart_by_the_workers_that_know_theirs() -> None:
    events = [event("managers", 2.0, managers=[manager("a", 1.0, "second"), manager("a", 2.0, "first")])]
    logs = [worker_log("a", 51, 7, ["W 0 0 2 50 second"])]
    ranks = [
        rank(2, "a", 40, RankState.PROGRESSING, manager="0"),
        rank(3, "a", 50, RankState.PROGRESSING, manager="1"),
    ]
    found = measured(events, logs, (2, 1), BEGAN, ranks).managers
    assert [(each.index, each.registered_s) for each in found] == [(0, 2.0), (1, 1.0)]


def test_managers_that_the_watchdog_did_not_see_are_there_by_their_registration() -> None:
    assert [(each.index, each.host) for each in usual(ranks=[]).managers] == [(0, "a"), (1, "b")]


def test_that_managers_are_started_beside_the_driver_is_told() -> None:
    assert usual(event("loaded", 0.5, is_here=True)).is_here
    assert not usual(event("loaded", 0.5, is_here=False)).is_here


def test_the_launchers_words_come_after_its_joblog() -> None:
    output = event("block-output", 5.0, joblog="Seq\tHost\n1\tnode02", stdout="\n", stderr="parallel: no\n")
    assert usual(output).words == ("Seq\tHost", "1\tnode02", "parallel: no")


def test_ends_of_the_driver_are_told() -> None:
    found = usual(
        event("block-ended", 5.0, block="0", status="FAILED (exit 255)"),
        event("config-refused", 5.0, errors=["NameError"]),
        event("failed", 5.0, error="OSError: x"),
    )
    assert (found.block_ended, found.refused) == ("FAILED (exit 255)", ("NameError",))
    assert (found.failed, found.expected) == ("OSError: x", 2)


def write(folder: Path, logs: dict[str, bytes], events: bytes) -> None:
    """Write a trial's folder."""
    workers = folder / "marks" / "workers" / "a"
    workers.mkdir(parents=True)
    (folder / "marks" / "ensemble").write_text("nodes 1\nworkers 2\n")
    for name, text in logs.items():
        (workers / name).write_bytes(text)
    (folder / "events.jsonl").write_bytes(events)


def test_files_are_read_as_far_as_they_are_whole(tmp_path: Path) -> None:
    lines = b"".join(msgspec.json.encode(each) + b"\n" for each in EVENTS)
    half = b'{"t": 1004.0, "event": "task", "ta'
    write(tmp_path, {"21-7.log": b"W 0 0 2 9 a\nB 1003.5 0 noop\nE 1003.6 0 o"}, lines + half)
    found = measure(tmp_path, BEGAN)
    assert [(each.state, each.began_s) for each in found.tasks] == [(TaskState.RUNNING, 3.5), (TaskState.LOST, None)]


def test_a_folder_without_anything_in_it_is_measured_as_nothing(tmp_path: Path) -> None:
    assert measure(tmp_path, BEGAN) == Measures()


@pytest.mark.parametrize("said", [["W - - - 9 -"], ["W"], []])
def test_a_worker_of_an_old_parsl_says_less(said: list[str]) -> None:
    found = worker_log("a", 1, 7, [*said, "B 1001 0 noop", "E 1002 0 ok"])
    assert (found.place, found.pool, len(found.tasks)) == (None, None, 1)


words = st.sampled_from(["W", "B", "E", "1001", "7", "x", "-", "", "ok"])


@given(st.lists(st.lists(words, max_size=7).map(" ".join)))
def test_damaged_lines_of_a_log_are_passed_over(lines: list[str]) -> None:
    good = worker_log("a", 1, 7, [*lines, "B 1001 99999999999 noop", "E 1002 99999999999 ok"])
    assert good.tasks[-1].outcome == "ok"
