"""`scripts/bench cost`: what watching costs, beside psutil reading the same facts of the same processes.

Three prices, on healthy jobs of real processes that wait: of one sample of a thread in the steady state, of the double
collect that a proof needs, and of the whole watchdog over ranks: as it is, sampling as often as it would on a node with
few of them, and reading every thread's run count at each sample, as it must where processes' CPU times say nothing.

CPU time is that of this process (user and system); wall time is what a user waits for. Every value is the median of
several repeats, with the least and the greatest one; only ratios can be compared between machines.
"""

from __future__ import annotations

import argparse
import cProfile
import math
import os
import pstats
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from hangprobe.launch.session import Session
from hangprobe.model import ProcessId, Unreadable
from hangprobe.observe.census import Scope
from hangprobe.observe.reader import Reader
from hangprobe.observe.sampler import Sampler
from hangprobe.observe.snapshot import collect, double_collect
from hangprobe.observe.world import Lasting, World
from hangprobe.policy import Policy
from hangprobe.record import Writer
from hangprobe.watchdog import Watchdog
from scripts.benchmarks.cost_page import write
from scripts.benchmarks.cost_prices import WATCH_S, Spread, Steady, Timed, Watched, timed, together
from scripts.benchmarks.crowd import crowd

WARM_UP = 4
"""Samples before the first that counts: processes are met, lists are read, and each sleep is looked at once."""

PROFILE_LINES = 25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--processes", type=int, default=1000, help="of each job (default 1000)")
    parser.add_argument("--threads", type=int, default=4, help="of each process, at least 2 (default 4)")
    parser.add_argument("--rank-threads", type=int, default=2, help="of each rank that is watched (default 2)")
    parser.add_argument("--running", type=float, default=0.05, help="share that runs between samples (default 0.05)")
    parser.add_argument("--repeats", type=int, default=9, help="of each measurement; a third for long ones (default 9)")
    parser.add_argument("--profile", action="store_true", help="only print where the time goes")
    parser.add_argument("--out", type=Path, default=Path("results/local/cost"), help="folder for page and numbers")


@dataclass(slots=True)
class Crowd:
    """A running job, seen by a sampler in its steady state."""

    session: Session
    sampler: Sampler
    targets: tuple[ProcessId, ...] = ()
    threads: int = 0
    counts: dict[tuple[int, int], int] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session) -> Crowd:
        """Meet every process of a job."""
        sampler = Sampler(Reader(), socket.gethostname(), session.guardian_pid, session.command_pid, dict(os.environ))
        seen = cls(session, sampler)
        for _ in range(WARM_UP):
            seen.sample()
            time.sleep(Policy().interval_s)
        return seen

    def sample(self) -> int:
        """Take a sample; return how many threads have run since the last one."""
        sample = self.sampler.sample(time.monotonic())
        counts = {(pid, tid): task.run_count for pid, tasks in sample.tasks.items() for tid, task in tasks.items()}
        before, self.counts = self.counts, counts
        self.threads = sample.thread_count
        self.targets = tuple(member for rank in sample.ranks for member in rank.members)
        return sum(before.get(task) != count for task, count in self.counts.items())


def main(options: argparse.Namespace) -> int:
    """Measure, print a page, write it with the numbers, and return 0."""
    if min(options.threads, options.rank_threads) < 2 or options.processes < 10:
        print("cost: needs at least 2 threads and 10 processes", file=sys.stderr)
        return 2
    _say(f"starting {options.processes} processes that sleep")
    with crowd(options.processes, options.threads, 0.0) as session:
        job = Crowd.of(session)
        if options.profile:
            profile(job)
            return 0
        found: dict[str, Any] = {"asleep": steady(job, options.repeats), "collects": collects(job, options.repeats)}
        job.sampler.close()
    _say(f"starting {options.processes} processes, {options.running:.0%} of which run between samples")
    with crowd(options.processes, options.threads, options.running) as session:
        job = Crowd.of(session)
        found["running"] = steady(job, options.repeats)
        job.sampler.close()
    _say(f"starting {options.processes} ranks, {options.running:.0%} of which run between samples")
    with crowd(options.processes, options.rank_threads, options.running, are_ranks=True) as session:
        found["watching"] = watching(session, max(1, options.repeats // 3))
    write(options, found)
    return 0


def steady(job: Crowd, repeats: int) -> Steady:
    """Measure samples one interval apart, and psutil over the same processes in between."""
    _say(f"sampling {job.threads} threads")
    handles = [psutil.Process(target.pid) for target in job.targets]
    ran: list[float] = []
    samples: list[tuple[float, float]] = []
    others: list[tuple[float, float]] = []
    read_with_psutil(handles)
    job.sample()
    for _ in range(repeats):
        time.sleep(Policy().interval_s)
        # What this bench counts is not part of the sample's price.
        samples.append(timed(partial(job.sampler.sample, time.monotonic())))
        ran.append(job.sample())
        others.append(timed(partial(read_with_psutil, handles)))
    return Steady(job.threads, Spread(tuple(ran)), together(samples), together(others))


def read_with_psutil(handles: list[psutil.Process]) -> None:
    """Read of every process what the sampler knows of it, in the way that psutil recommends for speed."""
    for handle in handles:
        with handle.oneshot():
            handle.cpu_times()
            handle.status()
            handle.num_ctx_switches()
            handle.threads()
            handle.ppid()
            handle.name()
            handle.create_time()


def collects(job: Crowd, repeats: int) -> dict[str, Timed]:
    """Measure a double collect, a single one and psutil over all processes, in turns."""
    _say(f"collecting {len(job.targets)} processes")
    handles = [psutil.Process(target.pid) for target in job.targets]
    jobs: dict[str, Callable[[], object]] = {
        "double": lambda: double_collect(worlds(job), job.targets, Policy().collect_gap_s),
        "single": lambda: collect(worlds(job)(), job.targets, is_second=False),
        "psutil": partial(read_with_psutil, handles),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, action in jobs.items():
            found[name].append(timed(action))
    return {name: together(values) for name, values in found.items()}


def watching(session: Session, repeats: int) -> dict[str, Watched]:
    """Measure the whole watchdog in three ways, by turns: each first its start, then windows of its steady state."""
    often = Policy(sample_share=math.inf)
    watchdogs = {
        "default": _watchdog(session, Policy()),
        "often": _watchdog(session, often),
        "every thread": _watchdog(session, often, reads_all=True),
    }
    found = {name: Watched() for name in watchdogs}
    try:
        for name, watchdog in watchdogs.items():
            _say(f"watching, {name}: the start")
            found[name].start_cpu_s, _ = timed(partial(watch, watchdog, WATCH_S))
            watch(watchdog, WATCH_S)
        for number in range(repeats):
            _say(f"watching: {number + 1} of {repeats}")
            for name, watchdog in watchdogs.items():
                watchdog.tick()  # what has come up while it did not watch is not of its steady state
                found[name].take_in(watchdog, partial(watch, watchdog, WATCH_S))
    finally:
        for watchdog in watchdogs.values():
            watchdog.close()
    return found


def _watchdog(session: Session, policy: Policy, reads_all: bool = False) -> Watchdog:
    watchdog = Watchdog(session.guardian_pid, session.command_pid, policy, Writer(None))
    if reads_all:
        watchdog._sampler.roster.cpu_times.is_usable = False
    return watchdog


def watch(watchdog: Watchdog, duration_s: float) -> None:
    """Run the watchdog's loop as `probe` does."""
    end_s = time.monotonic() + duration_s
    while (began_s := time.monotonic()) < end_s:
        watchdog.tick()
        time.sleep(max(0.0, watchdog.interval_s - (time.monotonic() - began_s)))


def worlds(job: Crowd) -> Callable[[], World]:
    """Return a maker of views of this node, as the watchdog has one for its first look at a job."""
    reader, lasting = Reader(), Lasting()
    stat = reader.stat(job.session.guardian_pid)
    assert not isinstance(stat, Unreadable)
    assert stat.start_time is not None
    scope = Scope(ProcessId(socket.gethostname(), job.session.guardian_pid, stat.start_time))
    return lambda: World(reader, socket.gethostname(), scope=scope, lasting=lasting)


def profile(job: Crowd) -> None:
    """Print where the time of a double collect goes, and that of the watchdog in its steady state."""
    _profile("a double collect", lambda: double_collect(worlds(job), job.targets, Policy().collect_gap_s))
    job.sampler.close()
    watchdog = Watchdog(job.session.guardian_pid, job.session.command_pid, Policy(), Writer(None))
    watch(watchdog, WATCH_S / 2)
    _profile(f"the watchdog for {WATCH_S:g} s", lambda: watch(watchdog, WATCH_S))
    watchdog.close()


def _profile(title: str, action: Callable[[], object]) -> None:
    print(f"\n## {title}, by its own time and with what it calls\n")
    profiler = cProfile.Profile()
    profiler.runcall(action)
    stats = pstats.Stats(profiler).strip_dirs()
    stats.sort_stats("tottime").print_stats(PROFILE_LINES).sort_stats("cumtime").print_stats(PROFILE_LINES)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
