"""Which processes have run since the last look, from one number a process: the CPU time of all its threads together.

Any process may be asked for that of another by clock_gettime(2), with a clock that clock_getcpuclockid(3) names. The
kernel adds up the nanoseconds of all threads, those that have ended included (thread_group_cputime() in
kernel/sched/cputime.c): the first numbers of the threads' `schedstat` files, and the same sum of them (0 of 999
processes had another). It takes 1.2 us for a process of two threads and 2.4 us for one of eight, where their files take
3.6 and 15 us.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import compress
from operator import ne

from hangprobe.observe.reader import Reader

PROCESS_CLOCK = 0b010
"""CPUCLOCK_SCHED of a whole process (include/linux/posix-timers.h)."""
FINE_NS = 100_000
"""Steps of a clock that does not count in ticks of the timer."""
UNKNOWN = -1
"""The CPU time of a process that is gone, or was not asked for yet."""


def clock_of(pid: int) -> int:
    """Return the clock of a process's CPU time."""
    return (~pid << 3) | PROCESS_CLOCK


class CpuTimes:
    """The processes that are watched, and the CPU time that each had last."""

    def __init__(self, reader: Reader, clock: Callable[[int], int] = time.clock_gettime_ns) -> None:
        self.clock = clock
        self.is_usable = is_of_own_namespace(reader) and _is_fine(clock)
        """Whether pids are those of this `/proc`, and every run is long enough to be counted."""
        self._pids: list[int] = []
        self._clocks: list[int] = []
        self._times_ns: list[int] = []
        self._place: dict[int, int] = {}

    def add(self, pid: int) -> None:
        """Watch a process: it has run at the next look."""
        self._place[pid] = len(self._pids)
        self._pids.append(pid)
        self._clocks.append(clock_of(pid))
        self._times_ns.append(UNKNOWN)

    def remove(self, pid: int) -> None:
        """Watch a process no more."""
        place = self._place.pop(pid, None)
        if place is None:
            return
        last = self._pids.pop(), self._clocks.pop(), self._times_ns.pop()
        if last[0] != pid:
            self._pids[place], self._clocks[place], self._times_ns[place] = last
            self._place[last[0]] = place

    def sweep(self) -> dict[int, int]:
        """Return the CPU times, in ns by pid, of the processes that have run or gone since the last look."""
        found: list[int] = []
        reads = map(self.clock, self._clocks)
        while len(found) < len(self._clocks):
            try:
                for time_ns in reads:  # not by extend(), which need not keep what it got before an error
                    found.append(time_ns)  # noqa: PERF402
            except OSError:
                found.append(UNKNOWN)
        places = compress(range(len(found)), map(ne, found, self._times_ns))
        changed = {self._pids[place]: found[place] for place in places}
        self._times_ns = found
        gone = (pid for pid, place in self._place.items() if found[place] == UNKNOWN) if UNKNOWN in found else ()
        return changed | dict.fromkeys(gone, UNKNOWN)


def is_of_own_namespace(reader: Reader) -> bool:
    """Tell whether the pids of this `/proc` are those that the kernel takes from this process."""
    try:
        return os.readlink(f"{reader.root}/self") == str(os.getpid())
    except OSError:
        return False


def _is_fine(clock: Callable[[int], int]) -> bool:
    """Tell whether the kernel measures CPU time by a clock that is fine enough to show a short run."""
    own = clock_of(os.getpid())
    try:
        times_ns = [clock(own) for _ in range(10)]
    except OSError:
        return False
    return 0 < times_ns[-1] - times_ns[0] < FINE_NS
