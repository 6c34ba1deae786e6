"""An observer at work, without a network and without a job: what it tells, obeys and concludes."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hangprobe.agent.link.messages import Alive, Answer, End, Hello, LookAgain, NameVictims, Welcome
from hangprobe.agent.observer import observing
from hangprobe.agent.observer.observing import ALIVE_S, ALONE_S, NOBODY, ORPHANED_TERM_S, OVER_S, Observer, starter_of
from hangprobe.agent.observer.registry import RankAt, Registry
from hangprobe.launch.proctree import Process
from hangprobe.model import ProcessId
from hangprobe.observe.roots import Roots
from tests.unit.observe.tree import HOST, ProcTree

TERM_S = 2.0


class Line:
    """The connection to a head that says what a test has it say."""

    def __init__(self) -> None:
        self.is_connected = True
        self.is_gone = False
        self.said: list[Any] = []
        self.inbox: list[Any] = []
        self.is_new = False
        self.is_closed = False

    def fileno(self) -> int:
        return -1

    def send(self, body: object) -> None:
        self.said.append(body)

    def receive(self, timeout_s: float) -> list[Any]:
        taken, self.inbox = self.inbox, []
        return taken

    def has_reconnected(self) -> bool:
        is_new, self.is_new = self.is_new, False
        return is_new

    def is_head_gone(self) -> bool:
        return self.is_gone

    def close(self) -> None:
        self.is_closed = True


class Job:
    """What the job has on the node."""

    tag = "tag-1"

    def __init__(self) -> None:
        self.alive: list[Process] = [process(20, 10)]
        self.ended: list[float] = []
        self.left: list[Process] = []

    def see(self, seen: object) -> None:
        pass

    def find(self) -> list[Process]:
        return self.alive

    def end(self, signum: int, linger_s: float, term_s: float, parents: Collection[object]) -> list[Process]:
        self.ended.append(term_s)
        return self.left


def process(pid: int, parent: int, name: str = "python", start: int = 7) -> Process:
    return Process(pid, parent, start, "S", 1, name)


class At:
    """An observer, with all that it is connected to and a clock that goes on only when a test says so."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.now_s = 100.0
        self.line, self.job = Line(), Job()
        self.link = folder / "link"
        self.link.write_text("")
        made = Observer(
            cast("Any", self.line), self.link, cast("Any", self.job), Registry(None), HOST, lambda: self.now_s, **more
        )
        made._alone_s = self.now_s
        self.observer = made

    def pass_by(self, seconds: float) -> bool:
        """Let the observer go its rounds; return whether the job was over within that time."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += 0.25
            self.observer._tick()
            if self.observer._is_over():
                return True
        return False


@pytest.fixture
def at(tmp_path: Path) -> At:
    return At(tmp_path)


# when the job is over


def test_while_the_head_is_heard_it_is_not_over_though_nothing_of_it_is_here(at: At) -> None:
    at.job.alive, at.line.is_gone = [], True
    at.link.unlink()
    assert not at.pass_by(60)


def test_a_head_that_is_only_silent_or_cannot_be_reached_changes_nothing(at: At) -> None:
    at.line.is_connected = False
    assert not at.pass_by(3600)


def test_that_the_head_refuses_is_not_enough_while_its_file_is_there(at: At) -> None:
    at.line.is_connected, at.line.is_gone = False, True
    assert not at.pass_by(60)


def test_that_the_file_is_gone_is_not_enough_while_the_head_does_not_refuse(at: At) -> None:
    at.line.is_connected = False
    at.link.unlink()
    assert not at.pass_by(60)


def test_if_the_head_refuses_and_its_file_is_gone_the_job_is_over(at: At) -> None:
    at.line.is_connected, at.line.is_gone = False, True
    at.link.unlink()
    assert at.pass_by(2 * OVER_S)


def test_alone_with_nothing_left_to_watch_the_observer_leaves_after_a_while(at: At) -> None:
    at.line.is_connected, at.job.alive = False, []
    assert not at.pass_by(ALONE_S - 1)
    assert at.pass_by(3)


def test_who_was_alone_for_a_moment_begins_to_count_anew(at: At) -> None:
    at.line.is_connected, at.job.alive = False, []
    assert not at.pass_by(ALONE_S - 1)
    at.line.is_connected = True
    assert not at.pass_by(60)
    at.line.is_connected = False
    assert not at.pass_by(ALONE_S - 1)


def test_what_the_job_has_here_is_ended_when_it_is_over(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    at.line.is_connected, at.line.is_gone = False, True
    at.link.unlink()
    monkeypatch.setattr(Observer, "_wait", lambda self, pause_s: None)
    at.observer.run()
    assert at.job.ended == [ORPHANED_TERM_S]
    assert at.line.said[-1] == Answer(NOBODY)
    assert at.line.is_closed


# what is said and obeyed


def test_the_first_word_is_hello_and_so_it_is_on_every_new_connection(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = iter([True, False, True])

    def reconnect(self: Observer, pause_s: float) -> None:
        at.line.is_new = next(rounds, False)
        at.line.inbox = [End(3, TERM_S)] if not at.line.is_new and len(at.line.said) >= 2 else []

    monkeypatch.setattr(Observer, "_wait", reconnect)
    at.observer.run()
    assert [type(body) for body in at.line.said[:2]] == [Hello, Hello]
    assert at.line.said[0].pid == os.getpid()


def test_the_order_to_end_is_obeyed_and_what_is_left_is_told(at: At) -> None:
    at.job.left = [process(77, 1)]
    at.observer._obey(End(5, TERM_S))
    assert at.job.ended == [TERM_S]
    assert at.line.said == [Answer(5, None, ("77 python (S)",))]
    assert at.observer._is_done


@pytest.mark.parametrize("request_", [LookAgain(4), NameVictims(4, "0-999")])
def test_who_does_not_watch_yet_answers_that_nothing_is_known(at: At, request_: object) -> None:
    at.observer._obey(request_)
    assert at.line.said == [Answer(4, None)]


def test_who_does_not_watch_says_now_and_then_that_it_is_alive(at: At) -> None:
    at.observer._say(Hello(1, 1))
    at.pass_by(3 * ALIVE_S + 1)
    assert at.line.said[1:] == [Alive()] * 3


def test_one_without_eyes_does_not_begin_to_watch(tmp_path: Path) -> None:
    at = At(tmp_path, has_eyes=False)
    at.observer._obey(Welcome(0.25, 60.0, False))
    assert at.observer.watchdog is None


def watched(**more: Any) -> Any:
    fields: dict[str, Any] = {
        "judgement": None,
        "running": {0},
        "ranks": (1,),
        "findings": (),
        "contexts": {},
        "interval_s": 0.25,
    }
    fields |= {"roots": SimpleNamespace(without=set()), "tick": lambda: False, "identities": list}
    return SimpleNamespace(**{**fields, **more})


def test_only_what_has_changed_is_told(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "Told", lambda digest: "told")
    monkeypatch.setattr(observing, "digest_with_locks", lambda watchdog, locks: None)
    at.observer.watchdog = watchdog = watched()
    at.pass_by(1.0)
    assert at.line.said == ["told"]
    watchdog.running = set()
    at.pass_by(1.0)
    assert at.line.said == ["told", "told"]
    at.pass_by(ALIVE_S)
    assert at.line.said == ["told", "told", Alive()]


# who has started a rank


class Node:
    """Processes of a node and their environments."""

    def __init__(self, tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tree = tree
        self.table: dict[int, Process] = {}
        monkeypatch.setattr(observing, "read_process", lambda pid: self.table.get(pid))

    def add(self, pid: int, parent: int, name: str, **environment: str) -> None:
        self.table[pid] = process(pid, parent, name)
        self.tree.write(f"{pid}/environ", "".join(f"{key}={value}\0" for key, value in environment.items()))

    def starter(self, pid: int, start: int = 7) -> int | None:
        found = starter_of(self.tree.reader(), ProcessId(HOST, pid, start))
        return None if found is None else found.pid


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    return ProcTree(tmp_path / "proc")


@pytest.fixture
def node(tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node(tree, monkeypatch)
    made.add(1, 0, "systemd")
    made.add(10, 1, "sshd")
    return made


def test_the_proxy_above_a_rank_has_started_it(node: Node) -> None:
    node.add(20, 10, "hydra_pmi_proxy")
    node.add(30, 20, "python", PMI_RANK="3")
    assert node.starter(30) == 20


def test_a_shell_and_a_timeout_with_the_rank_s_number_are_part_of_it(node: Node) -> None:
    node.add(20, 10, "hydra_pmi_proxy")
    node.add(30, 20, "bash", PMI_RANK="3")
    node.add(31, 30, "timeout", PMI_RANK="3")
    node.add(32, 31, "python", PMI_RANK="3")
    assert node.starter(32) == 20


def test_a_launcher_is_no_part_of_a_rank_though_it_has_its_number(node: Node) -> None:
    node.add(20, 10, "slurmstepd", SLURM_PROCID="0", SLURM_STEP_ID="0")
    node.add(21, 20, "hydra_pmi_proxy", PMI_RANK="0")
    node.add(30, 21, "python", PMI_RANK="0")
    assert node.starter(30) == 21


def test_what_has_another_number_is_no_part_of_a_rank(node: Node) -> None:
    node.add(20, 10, "perl", PMI_RANK="1")
    node.add(30, 20, "python", PMI_RANK="0")
    assert node.starter(30) == 20


def test_above_a_job_of_gnu_parallel_stands_the_perl_that_was_sent_along(node: Node) -> None:
    node.add(20, 10, "perl")
    node.add(30, 20, "bash", PARALLEL_SEQ="2")
    node.add(31, 30, "python", PARALLEL_SEQ="2")
    assert node.starter(31) == 20


def test_without_a_number_the_parent_has_started_it(node: Node) -> None:
    node.add(20, 10, "bash")
    node.add(30, 20, "python")
    assert node.starter(30) == 20


def test_a_rank_that_has_gone_and_another_process_with_its_pid_have_no_starter(node: Node) -> None:
    node.add(30, 10, "python", PMI_RANK="0")
    assert node.starter(99) is None
    assert node.starter(30, start=8) is None


def test_init_is_no_part_of_a_rank(node: Node) -> None:
    node.add(1, 0, "python", PMI_RANK="0")
    node.add(30, 1, "python", PMI_RANK="0")
    assert node.starter(30) == 1


def test_a_parent_s_rank_has_orphans_of_its_own_number_only(node: Node, tmp_path: Path, tree: ProcTree) -> None:
    node.add(20, 10, "python")
    node.add(30, 20, "python", PMI_RANK="1", HANGPROBE_JOB="tag-1")
    at = At(tmp_path, parent=cast("Any", object()))
    roots = Roots(tag="tag-1")
    at.observer.watchdog = watched(roots=roots, reader=tree.reader())
    at.observer._meet(RankAt(20, 30, 7))
    assert roots.owns({"HANGPROBE_JOB": "tag-1", "PMI_RANK": "1"})
    assert not roots.owns({"HANGPROBE_JOB": "tag-1", "PMI_RANK": "0"})
    assert not roots.owns({"HANGPROBE_JOB": "tag-2", "PMI_RANK": "1"})
