"""What a job has on a node, from a table of processes: by descent from what was seen, by tag, and never ourselves."""

from __future__ import annotations

import os
import signal
import time

import pytest

from hangprobe.agent.observer import nodejob
from hangprobe.agent.observer.nodejob import NodeJob
from hangprobe.launch import proctree
from hangprobe.launch.ending import Outcome
from hangprobe.launch.proctree import Process

ITSELF = os.getpid()
RANK, CHILD, GRANDCHILD, ESCAPED, DEPUTY, OTHER, PROXY = 20, 21, 22, 30, 40, 50, 60


class Table:
    """Processes that may be added and ended; sees who was sent what."""

    def __init__(self) -> None:
        self.processes: dict[int, Process] = {}
        self.commands: dict[int, bytes] = {}
        self.tagged: set[int] = set()
        self.sent: list[tuple[int, int]] = []
        self.obeys: dict[int, int] = {}
        """Who ends of which signal; everybody of SIGKILL."""
        self.now_s = 0.0
        self.ended_by_us: list[int] = []

    def add(self, pid: int, parent: int, name: str = "python", state: str = "S") -> Process:
        self.processes[pid] = Process(pid, parent, 1000 + pid, state, 1, name)
        return self.processes[pid]

    def sleep(self, pause_s: float) -> None:
        self.now_s += pause_s

    def send(self, process: Process, number: int) -> None:
        self.sent.append((process.pid, number))
        if number in (signal.SIGKILL, self.obeys.get(process.pid)):
            self.processes.pop(process.pid, None)

    def end_all(self, job: NodeJob, reap: object, note: object) -> Outcome:
        found = job.find()
        for process in found:
            self.send(process, signal.SIGKILL)
        return Outcome(len(found), job.find())


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    found = Table()
    found.add(1, 0, "systemd")
    found.add(ITSELF, 1, "python")
    found.add(PROXY, 1, "hydra_pmi_proxy")
    found.add(RANK, PROXY)
    found.add(CHILD, RANK)
    found.add(GRANDCHILD, CHILD)
    found.add(OTHER, 1)
    monkeypatch.setattr(proctree, "list_processes", lambda: dict(found.processes))
    monkeypatch.setattr(proctree.Job, "_tagged", lambda self, table: found.tagged & table.keys())
    monkeypatch.setattr(nodejob, "read_process", lambda pid: found.processes.get(pid))
    monkeypatch.setattr(nodejob, "_command_line", lambda pid: found.commands.get(pid, b""))
    monkeypatch.setattr(nodejob, "send", found.send)
    monkeypatch.setattr(nodejob, "end_all", found.end_all)
    monkeypatch.setattr(nodejob, "mapped_by", lambda pids: (set(), set()))
    monkeypatch.setattr(time, "monotonic", lambda: found.now_s)
    monkeypatch.setattr(time, "sleep", found.sleep)
    return found


@pytest.fixture
def job(table: Table) -> NodeJob:
    made = NodeJob("tag-1", lambda: {DEPUTY})
    made.see([table.processes[RANK].identity])
    return made


def pids(job: NodeJob) -> list[int]:
    return [process.pid for process in job.find()]


def test_what_was_seen_is_the_job_s_with_all_below_it(job: NodeJob) -> None:
    assert pids(job) == [RANK, CHILD, GRANDCHILD]


def test_nothing_seen_is_nothing(table: Table) -> None:
    assert NodeJob("tag-1", set).find() == []


def test_what_has_left_its_tree_is_found_if_it_was_seen_once_and_so_is_what_it_starts(
    table: Table, job: NodeJob
) -> None:
    job.see([table.add(ESCAPED, CHILD).identity])
    table.add(ESCAPED, 1)
    table.add(ESCAPED + 1, ESCAPED)
    for pid in (RANK, CHILD, GRANDCHILD):
        table.processes.pop(pid)
    assert pids(job) == [ESCAPED, ESCAPED + 1]


def test_another_process_with_the_pid_of_one_that_was_seen_is_not_the_job_s(table: Table, job: NodeJob) -> None:
    table.processes[RANK] = table.processes[RANK]._replace(start_time=5)
    assert pids(job) == []


def test_what_carries_the_tag_is_the_job_s_wherever_it_is(table: Table, job: NodeJob) -> None:
    table.tagged = {OTHER}
    table.add(OTHER + 1, OTHER)
    assert pids(job) == [RANK, CHILD, GRANDCHILD, OTHER, OTHER + 1]


def test_the_dead_the_deputy_and_we_ourselves_are_not(table: Table, job: NodeJob) -> None:
    table.tagged = {ITSELF, 1, DEPUTY}
    table.add(DEPUTY, 1)
    table.add(CHILD, RANK, state="Z")
    assert set(pids(job)) & {ITSELF, 1, DEPUTY, CHILD} == set()


def test_what_ends_by_itself_gets_no_signal(table: Table, job: NodeJob) -> None:
    for pid in (RANK, CHILD, GRANDCHILD):
        table.processes.pop(pid)
    assert job.end(signal.SIGTERM, 0.25, 2.0, {}) == []
    assert table.sent == []


def test_what_ends_when_it_is_asked_is_not_killed(table: Table, job: NodeJob) -> None:
    table.obeys = dict.fromkeys((RANK, CHILD, GRANDCHILD), signal.SIGTERM)
    assert job.end(signal.SIGTERM, 0.25, 2.0, {}) == []
    assert table.sent == [(pid, signal.SIGTERM) for pid in (RANK, CHILD, GRANDCHILD)]
    assert table.now_s < 1.0


def test_what_does_not_is_killed_when_its_time_is_over(table: Table, job: NodeJob) -> None:
    assert job.end(signal.SIGTERM, 0.25, 2.0, {}) == []
    assert table.sent[-3:] == [(pid, signal.SIGKILL) for pid in (RANK, CHILD, GRANDCHILD)]
    assert 2.25 <= table.now_s < 2.5


def test_without_a_term_nobody_is_asked(table: Table, job: NodeJob) -> None:
    job.end(signal.SIGTERM, 0.25, 0.0, {})
    assert {number for _, number in table.sent} == {signal.SIGKILL}


def test_a_daemon_that_does_not_leave_after_its_ranks_is_killed_and_no_other_parent(table: Table, job: NodeJob) -> None:
    sshd = table.add(70, 1, "sshd")
    assert job.end(signal.SIGTERM, 0.25, 0.0, {table.processes[PROXY].identity: None, sshd.identity: None}) == []
    assert table.sent[-1] == (PROXY, signal.SIGKILL)
    assert 70 in table.processes


def test_a_daemon_of_a_dvm_is_left_to_its_other_jobs(table: Table, job: NodeJob) -> None:
    daemon = table.add(70, 1, "prted")
    table.commands[70] = b"prted\0--prtemca\0ess_base_nspace\0prte-login-7@0\0"
    assert job.end(signal.SIGTERM, 0.25, 0.0, {daemon.identity: None}) == []
    assert 70 in table.processes


def test_a_daemon_that_nothing_ends_is_told_of(table: Table, job: NodeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = table.processes[PROXY]
    monkeypatch.setattr(nodejob, "send", lambda process, number: None)
    assert stuck in job.end(signal.SIGTERM, 0.25, 0.0, {stuck.identity: None})


def test_another_process_with_a_daemon_s_pid_is_not_waited_for(table: Table, job: NodeJob) -> None:
    assert job.end(signal.SIGTERM, 0.25, 0.0, {(PROXY, 5): None}) == []
    assert PROXY in table.processes
