"""What the kernel says of the CPU time of other processes: it tells whether any thread of them has run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hangprobe.model import ProcessId, Unreadable
from hangprobe.observe.births import Births
from hangprobe.observe.cputimes import CpuTimes, clock_of
from hangprobe.observe.reader import Reader
from hangprobe.observe.roots import Roots
from hangprobe.observe.sampler import Sampler

PROGRAM = Path(__file__).parents[2] / "programs" / "runs_when_told.py"

pytestmark = pytest.mark.integration


class Told:
    """The program, with the TIDs of its threads."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self.program = program
        self.tids = [int(word) for word in self._read().split()]

    def let_run(self, number: int) -> None:
        """Let a thread run, and wait until it has."""
        assert self.program.stdin is not None
        self.program.stdin.write(f"{number}\n")
        self.program.stdin.flush()
        assert self._read() == "done\n"

    def _read(self) -> str:
        assert self.program.stdout is not None
        return self.program.stdout.readline()


@contextmanager
def told() -> Iterator[Told]:
    program = subprocess.Popen([sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Told(program)
    finally:
        program.kill()
        program.communicate()


@contextmanager
def sampling(program: subprocess.Popen[str]) -> Iterator[Sampler]:
    stat = Reader().stat(program.pid)
    assert not isinstance(stat, Unreadable)
    assert stat.start_time is not None
    roots = Roots()
    roots.add_member(ProcessId("here", program.pid, stat.start_time))
    sampler = Sampler(Reader(), "here", roots, program.pid, own={})
    yield sampler
    sampler.close()


def test_processor_times_can_be_used_here() -> None:
    assert CpuTimes(Reader()).is_usable


def test_each_run_of_each_thread_is_seen() -> None:
    with told() as running, sampling(running.program) as sampler:
        sampler.sample(0.0)
        for step in range(1, 60):
            number = step % len(running.tids)
            before = {
                tid: task.run_count for tid, task in sampler.sample(step - 0.5).tasks[running.program.pid].items()
            }
            running.let_run(number)
            after = {tid: task.run_count for tid, task in sampler.sample(step).tasks[running.program.pid].items()}
            assert after[running.tids[number]] > before[running.tids[number]]


def test_the_time_of_a_process_is_that_of_its_threads() -> None:
    with told() as running:
        pid = running.program.pid
        files = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
        sums = []
        for number in range(20):
            running.let_run(number % len(running.tids))
            sums.append((clock(pid), sum(int(file.read_text().split()[0]) for file in files), clock(pid)))
        assert any(first == by_threads == last for first, by_threads, last in sums)


def clock(pid: int) -> int:
    return time.clock_gettime_ns(clock_of(pid))


def test_a_birth_is_told_at_once() -> None:
    births = Births(Reader())
    births.has_any()
    for _ in range(5):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        assert births.has_any()
        os.waitpid(pid, 0)
