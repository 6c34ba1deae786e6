"""Who has run, told from the CPU time of processes: what it spares the reader, and that it says the same."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hangprobe.observe.births import Births
from hangprobe.observe.candidates import WatchedTask
from hangprobe.observe.cputimes import UNKNOWN, CpuTimes, clock_of
from hangprobe.observe.roster import ALL_S, RELIST_S
from hangprobe.observe.sampler import Sampler

from .calls import in_wait4, on_futex, working
from .sampled import CHILD, RANK, ROOT, children, fork, rank
from .tree import ARCH, HOST, ProcTree, with_stat_field

FINE_STEP_NS = 700


class Clocks:
    """Clocks of the processes of a synthetic `/proc`: the sum of what their threads have used."""

    def __init__(self, tree: ProcTree) -> None:
        self.tree = tree

    def __call__(self, clock: int) -> int:
        pid = ~(clock >> 3)
        files = list((self.tree.root / str(pid) / "task").glob("*/schedstat"))
        if not files:
            raise OSError(22, "no such process")
        return sum(int(file.read_text().split()[0]) for file in files)


class Stepping:
    """A clock that goes on by the same step with every look."""

    def __init__(self, step_ns: int) -> None:
        self.now_ns, self.step_ns = 0, step_ns

    def __call__(self, clock: int) -> int:
        self.now_ns += self.step_ns
        return self.now_ns


class Barren(Births):
    """A node on which nobody is born, until somebody says so."""

    is_fertile = False

    def has_any(self) -> bool:
        """Tell what was said."""
        return self.is_fertile


def timed(tree: ProcTree, clocks: Clocks) -> Sampler:
    """Return a sampler that asks for CPU times, of a job that was met long ago on a node where nobody is born."""
    made = Sampler(tree.reader(), HOST, ROOT, RANK, own={})
    made.arch = ARCH
    made.roster.cpu_times = CpuTimes(tree.reader(), clocks)
    made.roster.cpu_times.is_usable = True
    made.roster.births = Barren(tree.reader())
    return made


@pytest.fixture
def clocks(tree: ProcTree) -> Clocks:
    tree.add(ROOT, [working()], comm="guardian")
    return Clocks(tree)


@pytest.fixture
def sampler(tree: ProcTree, clocks: Clocks) -> Iterator[Sampler]:
    made = timed(tree, clocks)
    yield made
    made.close()


def use(tree: ProcTree, pid: int, tid: int, used_ns: int, count: int) -> None:
    """Let a thread have run."""
    tree.write(f"{pid}/task/{tid}/schedstat", f"{used_ns} 0 {count}\n")


def settle(sampler: Sampler, until_s: float = 10.0) -> None:
    """Let a job be no longer young."""
    for now_s in (0.0, 1.0, until_s):
        sampler.sample(now_s)


def counts(sampler: Sampler, now_s: float) -> list[int]:
    sample = sampler.sample(now_s)
    return [task.run_count for tasks in sample.tasks.values() for task in tasks.values()]


def test_the_clock_of_a_process_shows_what_that_has_used() -> None:
    before_ns = time.process_time_ns()
    assert before_ns <= time.clock_gettime_ns(clock_of(os.getpid())) <= time.process_time_ns()


def test_a_thread_of_a_process_that_has_run_has_its_new_count(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex(), on_futex())
    settle(sampler)
    use(tree, RANK, RANK + 1, 831_901, 8)
    assert counts(sampler, 10.5)[1] == 8


def test_files_of_a_process_that_has_used_no_time_are_not_read(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex(), on_futex())
    settle(sampler)
    before = counts(sampler, 10.5)
    use(tree, RANK, RANK + 1, 831_801, 99)  # as no kernel would have it: a run without any time
    assert counts(sampler, 11.0) == before


def test_every_thread_is_read_now_and_then_whatever_its_processs_time_says(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex(), on_futex())
    settle(sampler)
    use(tree, RANK, RANK + 1, 831_801, 99)
    assert counts(sampler, ALL_S + 1.0)[1] == 99


def test_threads_for_which_no_time_is_left_are_not_read(
    tree: ProcTree, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    rank(tree, working(), on_futex(), on_futex())
    settle(sampler)
    for now_s, used_ns in ((10.5, 900_000), (11.0, 950_000)):
        use(tree, RANK, RANK, used_ns, int(used_ns))
        sampler.sample(now_s)
    read: list[int] = []
    plain = sampler.roster.counts._read

    def reading(pid: int, task: WatchedTask) -> bytes:
        read.append(task.tid)
        return plain(pid, task)

    monkeypatch.setattr(sampler.roster.counts, "_read", reading)
    use(tree, RANK, RANK, 990_000, 990_000)
    sampler.sample(11.5)
    assert read == [RANK]
    read.clear()
    use(tree, RANK, RANK, 999_000, 999_000)
    use(tree, RANK, RANK + 2, 831_802, 8)
    assert counts(sampler, 12.0)[2] == 8
    assert set(read) == {RANK, RANK + 1, RANK + 2}


def test_a_process_that_is_gone_is_forgotten(tree: ProcTree, sampler: Sampler) -> None:
    sampler.roster.counts.free = 0
    rank(tree, in_wait4(CHILD))
    fork(tree, on_futex())
    children(tree, RANK, CHILD)
    settle(sampler)
    tree.remove(CHILD)
    children(tree, RANK)
    assert sampler.sample(10.5).process_count == 1


@pytest.mark.parametrize("seed", range(8))
def test_it_says_the_same_as_reading_every_thread(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    tree = ProcTree(tmp_path / "proc")
    tree.add(ROOT, [working()], comm="guardian")
    rank(tree, working(), on_futex(), on_futex())
    fork(tree, on_futex(), on_futex())
    children(tree, RANK, CHILD)
    threads = [(RANK, RANK), (RANK, RANK + 1), (RANK, RANK + 2), (CHILD, CHILD), (CHILD, CHILD + 1)]
    used = dict.fromkeys(threads, (831_801, 10))
    plain = Sampler(tree.reader(), HOST, ROOT, RANK, own={})
    plain.arch = ARCH
    both = (plain, timed(tree, Clocks(tree)))
    for step in range(60):
        for thread in chance.sample(threads, chance.choice([0, 0, 1, 1, 2, 5])):
            used[thread] = (used[thread][0] + chance.randrange(1, 5_000), used[thread][1] + 1)
            use(tree, *thread, *used[thread])
        seen = []
        for sampler in both:
            sample = sampler.sample(0.5 * step)
            states = {
                (pid, tid): (task.run_count, task.has_run, task.shape)
                for pid, tasks in sample.tasks.items()
                for tid, task in tasks.items()
            }
            seen.append((states, dict(sample.progress), {n: (g.narrow, g.wide) for n, g in sample.graphs.items()}))
        assert seen[0] == seen[1]
    for sampler in both:
        sampler.close()


# who is born


def test_nobody_is_looked_for_where_nobody_is_born_but_now_and_then(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, working())
    settle(sampler)
    use(tree, RANK, RANK, 890_000, 10)
    sampler.sample(10.4)
    fork(tree, on_futex())
    children(tree, RANK, CHILD)
    use(tree, RANK, RANK, 900_000, 11)
    assert sampler.sample(10.5).process_count == 1
    use(tree, RANK, RANK, 950_000, 12)
    assert sampler.sample(10.5 + RELIST_S).process_count == 2


@pytest.mark.parametrize(
    ("ran_before", "born_at"), [(True, 11.0), (False, 11.0), (False, 10.5)], ids=["before", "with", "after"]
)
def test_a_child_is_met_whether_its_parent_ran_before_its_birth_was_told_or_after(
    tree: ProcTree, sampler: Sampler, ran_before: bool, born_at: float
) -> None:
    births = sampler.roster.births
    assert isinstance(births, Barren)
    rank(tree, working())
    settle(sampler)
    use(tree, RANK, RANK, 890_000, 10)
    sampler.sample(10.4)
    if ran_before:
        use(tree, RANK, RANK, 900_000, 11)
    births.is_fertile = born_at == 10.5
    sampler.sample(10.5)
    fork(tree, on_futex())
    children(tree, RANK, CHILD)
    if not ran_before:
        use(tree, RANK, RANK, 900_000, 11)
    births.is_fertile = born_at == 11.0
    assert sampler.sample(11.0).process_count == 2


# whether the clocks can be believed


@pytest.mark.parametrize(
    ("step_ns", "is_usable"), [(FINE_STEP_NS, True), (0, False), (4_000_000, False)], ids=["fine", "still", "ticks"]
)
def test_clocks_that_count_in_ticks_are_not_used(tree: ProcTree, step_ns: int, is_usable: bool) -> None:
    (tree.root / "self").rename(tree.root / str(os.getpid()))
    (tree.root / "self").symlink_to(str(os.getpid()))
    assert CpuTimes(tree.reader(), Stepping(step_ns)).is_usable is is_usable


def test_clocks_of_another_pid_namespace_are_not_used(tree: ProcTree) -> None:
    assert not CpuTimes(tree.reader(), Stepping(FINE_STEP_NS)).is_usable


def test_a_process_has_run_until_it_was_asked_twice_and_one_that_is_gone_is_told_every_time(tree: ProcTree) -> None:
    times = CpuTimes(tree.reader(), Clocks(tree))
    tree.add(RANK, [working()])
    tree.add(CHILD, [working()])
    for pid in (RANK, CHILD):
        times.add(pid)
    assert times.sweep() == {RANK: 831_801, CHILD: 831_801}
    tree.remove(CHILD)
    assert [times.sweep(), times.sweep()] == [{CHILD: UNKNOWN}, {CHILD: UNKNOWN}]
    times.remove(CHILD)
    assert times.sweep() == {}


def test_whoever_is_removed_leaves_the_others_in_their_places(tree: ProcTree) -> None:
    pids = (RANK, CHILD, 700, 800)
    for pid in pids:
        tree.add(pid, [working()])
    times = CpuTimes(tree.reader(), Clocks(tree))
    for pid in pids:
        times.add(pid)
    times.sweep()
    for pid in (CHILD, 800, 12345):
        times.remove(pid)
    use(tree, 700, 700, 999_999, 11)
    assert times.sweep() == {700: 999_999}


def test_births_are_told_by_the_last_pid(tree: ProcTree) -> None:
    births = Births(tree.reader())
    assert births.has_any()  # nobody knows: this `/proc` is not this process's own
    births._is_told = True
    for text, is_told in (("0.1 0.2 0.3 1/99 500", True), ("0.1 0.2 0.3 2/99 500", False), ("1 1 1 2/99 501", True)):
        tree.write("loadavg", f"{text}\n")
        assert births.has_any() is is_told
    (tree.root / "loadavg").unlink()
    assert [births.has_any(), births.has_any()] == [True, True]


def test_a_stat_with_another_number_of_threads_calls_for_their_list(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, working())
    settle(sampler)
    tree.write(f"{RANK}/stat", with_stat_field((tree.root / f"{RANK}/stat").read_text(), 20, 2))
    for name in ("schedstat", "syscall", "wchan", "children"):
        tree.write(f"{RANK}/task/{RANK + 1}/{name}", (tree.root / f"{RANK}/task/{RANK}/{name}").read_bytes())
    use(tree, RANK, RANK, 900_000, 11)
    births = sampler.roster.births
    assert isinstance(births, Barren)
    births.is_fertile = True
    assert sampler.sample(10.5).thread_count == 2
