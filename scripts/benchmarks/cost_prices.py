"""What `cost` measures: repeats of CPU and wall time, and what is made of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

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


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU and wall seconds that `action` takes."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    action()
    return time.process_time() - cpu_s, time.perf_counter() - wall_s


def together(values: list[tuple[float, float]]) -> Timed:
    """Return repeats of one measurement as one."""
    return Timed(Spread(tuple(cpu for cpu, _ in values)), Spread(tuple(wall for _, wall in values)))
