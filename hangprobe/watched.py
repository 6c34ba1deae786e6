"""What may be asked about a job while it is watched, on one node or on many.

Apart so that whoever follows a job, or ends it, need not know where its ranks run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hangprobe.digest import Digest, digest_of
from hangprobe.model import Verdict
from hangprobe.watchdog import Watchdog


class Watched(Protocol):
    """A job under watch."""

    @property
    def digest(self) -> Digest:
        """What is known of it."""

    @property
    def verdict(self) -> Verdict:
        """The verdict as it stands."""

    @property
    def standing_since_s(self) -> float | None:
        """Since when the present hang or stall stands unchanged (monotonic seconds); None while there is none."""

    @property
    def collects(self) -> list[float]:
        """When double collects were taken on this node (monotonic seconds)."""

    @property
    def interval_s(self) -> float:
        """Until the next sample."""

    def quiet_s(self, rank: int) -> float | None:
        """Return for how long nothing in a rank tree has moved; None if that is not known here."""

    def tick(self) -> bool:
        """Sample; return whether the verdict or its findings have changed."""

    def look_again(self) -> Verdict:
        """Return the verdict of a fresh look: the last word before a job is ended."""

    def end(self) -> None:
        """End what this process cannot reach itself; the job's command has ended."""


@dataclass(slots=True)
class Alone:
    """A job of which all processes are below this one."""

    here: Watchdog

    @property
    def digest(self) -> Digest:
        """What is known of it."""
        return digest_of(self.here)

    @property
    def verdict(self) -> Verdict:
        """The verdict as it stands."""
        return self.here.verdict

    @property
    def standing_since_s(self) -> float | None:
        """Since when the present hang or stall stands unchanged; None while there is none."""
        return self.here.standing_since_s

    @property
    def collects(self) -> list[float]:
        """When double collects were taken."""
        return self.here.collects

    @property
    def interval_s(self) -> float:
        """Until the next sample."""
        return self.here.interval_s

    def quiet_s(self, rank: int) -> float | None:
        """Return for how long nothing in a rank tree has moved."""
        return quiet_s(self.here, rank)

    def tick(self) -> bool:
        """Sample; return whether the verdict or its findings have changed."""
        return self.here.tick()

    def look_again(self) -> Verdict:
        """Return the verdict of a fresh look."""
        return self.here.look_again()

    def end(self) -> None:
        """Do nothing: the guardian has ended everything."""


def quiet_s(watchdog: Watchdog, rank: int) -> float | None:
    """Return for how long nothing in a rank tree has moved; None if it was not in the last sample."""
    progress = watchdog.sample.progress.get(rank) if watchdog.sample is not None else None
    return None if progress is None else progress.quiet_s


def name_victims(watchdog: Watchdog, elsewhere: set[int]) -> None:
    """Name the ranks here that wait in MPI for hung ones elsewhere; looks at them first if nobody has yet."""
    if watchdog.judgement is None:
        watchdog.look_again()
    watchdog.name_victims(watchdog.reader, watchdog.ranks, watchdog.policy, elsewhere, watchdog.resting)
