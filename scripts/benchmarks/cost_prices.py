"""What `cost` measures: repeats of CPU and wall time, and what is made of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hangprobe.watchdog import Watchdog

WATCH_S = 10.0
"""How long one window of the watchdog is."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The repeats of one measurement."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def text(self, digits: int = 3) -> str:
        """Return median, least and greatest."""
        low, high = min(self.values), max(self.values)
        return f"{self.median:.{digits}g} ({low:.{digits}g} to {high:.{digits}g})"


@dataclass(frozen=True, slots=True)
class Timed:
    """CPU and wall time of the same repeats, in seconds."""

    cpu_s: Spread
    wall_s: Spread


@dataclass(frozen=True, slots=True)
class Steady:
    """Samples of one job in the steady state, and psutil beside them."""

    threads: int
    ran: Spread
    """Threads that had run since the last sample."""
    sampler: Timed
    psutil: Timed

    @property
    def ratio(self) -> float:
        """How much more CPU time psutil needs."""
        return self.psutil.cpu_s.median / self.sampler.cpu_s.median


@dataclass(slots=True)
class Watched:
    """Windows of a watchdog's steady state."""

    start_cpu_s: float = 0.0
    """Of its first window."""
    shares: list[float] = field(default_factory=list)
    """Of one core, a window each."""
    intervals: list[float] = field(default_factory=list)
    """Seconds between two samples, a window each."""
    collects: int = 0
    """In all windows."""
    verdict: str = ""
    ranks: int = 0
    threads: int = 0

    def take_in(self, watchdog: Watchdog, window: Callable[[], None]) -> None:
        """Measure one window."""
        samples, collects = watchdog.samples, len(watchdog.collects)
        cpu_s, wall_s = timed(window)
        self.shares.append(cpu_s / wall_s)
        self.intervals.append(wall_s / max(1, watchdog.samples - samples))
        self.collects += len(watchdog.collects) - collects
        self.verdict = str(watchdog.verdict)
        if watchdog.sample is not None:
            self.ranks, self.threads = len(watchdog.sample.ranks), watchdog.sample.thread_count

    @property
    def share(self) -> Spread:
        """Of one core."""
        return Spread(tuple(self.shares))

    @property
    def interval_s(self) -> Spread:
        """Between two samples."""
        return Spread(tuple(self.intervals))


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU and wall seconds that `action` takes."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    action()
    return time.process_time() - cpu_s, time.perf_counter() - wall_s


def together(values: list[tuple[float, float]]) -> Timed:
    """Return repeats of one measurement as one."""
    return Timed(Spread(tuple(cpu for cpu, _ in values)), Spread(tuple(wall for _, wall in values)))
