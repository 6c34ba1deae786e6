"""Processes are found by descent and by tag, and told apart by pid and start time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.launch.ending import Delivery, end_all, send
from hangprobe.launch.proctree import Job, Process, ancestors, descendants, parse_stat, read_process, read_within


def made(pid: int, ppid: int, state: str = "S", threads: int = 1) -> Process:
    return Process(pid, ppid, 100 + pid, state, threads, "x")


def stat_line(process: Process, name: bytes) -> bytes:
    fields = [b"0"] * 50
    fields[0], fields[1] = process.state.encode(), str(process.ppid).encode()
    fields[17], fields[19] = str(process.threads).encode(), str(process.start_time).encode()
    return b"%d (%s) %s\n" % (process.pid, name, b" ".join(fields))


@given(st.binary(max_size=15), st.integers(1, 2**22), st.integers(0, 2**22), st.sampled_from("RSDTtZXI"))
def test_no_process_name_confuses_the_reader(name: bytes, pid: int, ppid: int, state: str) -> None:
    process = made(pid, ppid, state, threads=3)
    read = parse_stat(stat_line(process, name))
    assert read == process._replace(name=name.decode("utf-8", "backslashreplace"))


def test_process_lives_while_a_thread_does() -> None:
    assert made(2, 1).is_alive
    assert made(2, 1, "T").is_alive
    assert made(2, 1, "Z", threads=2).is_alive
    assert not made(2, 1, "Z").is_alive


@given(st.dictionaries(st.integers(2, 12), st.integers(0, 12), max_size=11), st.integers(1, 12))
def test_descendants_are_those_whose_ancestor_is_the_root(parents: dict[int, int], root: int) -> None:
    table = {pid: made(pid, ppid % pid) for pid, ppid in parents.items()}
    expected = {pid for pid in table if root in ancestors(table, table[pid].ppid)}
    assert descendants(table, {root}) == expected


def test_spared_processes_keep_what_is_below_them() -> None:
    table = {pid: made(pid, ppid) for pid, ppid in {2: 1, 3: 2, 4: 1, 5: 4}.items()}
    assert descendants(table, {1}, {table[2].identity}) == {4, 5}
    assert descendants(table, {1}, {(2, 999)}) == {2, 3, 4, 5}


def test_recycled_pid_gets_no_signal() -> None:
    itself = read_process(os.getpid())
    assert itself
    assert send(itself._replace(start_time=itself.start_time - 1), 9) is Delivery.GONE
    assert send(itself, 0) is Delivery.SENT


def test_looker_and_its_ancestors_are_never_found(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(1, "nobody-has-this-tag")
    monkeypatch.setattr(job, "_tagged", lambda table: set(table))
    found = {process.pid for process in job.find()}
    assert not found & {os.getpid(), os.getppid(), 1}


def test_file_that_blocks_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("text")
    paths = [str(tmp_path / name) for name in ("file", "nothing", "pipe")]
    assert read_within(5.0, paths[:2]) == ({paths[0]: b"text"}, True)
    assert read_within(0.05, paths) == ({paths[0]: b"text"}, False)
    os.close(os.open(tmp_path / "pipe", os.O_WRONLY))


def test_what_cannot_be_killed_is_reported_after_the_limit() -> None:
    class Stubborn(Job):
        def find(self) -> list[Process]:
            return [made(2**22 + 5, 1, "D")]

    started_s = time.monotonic()
    outcome = end_all(Stubborn(os.getpid(), "t"), lambda: False, limit_s=0.1)
    assert [process.state for process in outcome.left] == ["D"]
    assert time.monotonic() - started_s < 2
