"""Following a job: plain lines in a pipe, a live table of ranks on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from hangprobe.model import RankState, Tier, Verdict
from hangprobe.ranksets import fold, spoken
from hangprobe.watchdog import Watchdog

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

HEARTBEAT_S = 10.0
"""Between two lines that only say that the job still runs."""


class Lines:
    """Says what happens in plain lines, and every ten seconds that the job still runs."""

    def __init__(self, say: Callable[[str], None], has_heartbeat: bool) -> None:
        self.say = say
        self.has_heartbeat = has_heartbeat
        self._began_s = self._last_s = time.monotonic()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""

    def sampled(self, watchdog: Watchdog) -> None:
        """Say now and then how the ranks are."""
        now_s = time.monotonic()
        if self.has_heartbeat and now_s - self._last_s >= HEARTBEAT_S:
            self._last_s = now_s
            states = ", ".join(f"{fold(ranks)} {state}" for state, ranks in _by_state(watchdog).items())
            self.say(f"  {now_s - self._began_s:.0f} s: ranks {states or 'not started yet'}")

    def changed(self, watchdog: Watchdog) -> None:
        """Say what was found."""
        for finding in watchdog.findings:
            if finding.tier is not Tier.BLOCKED:
                self.say(f"  {watchdog.verdict} ({finding.tier}): {finding.says}")
        if watchdog.verdict is Verdict.STALL and watchdog.sample is not None and watchdog.judgement is not None:
            ranks = [rank.rank for rank in watchdog.judgement.ranks if rank.state is RankState.STALLED]
            quiet_s = min(watchdog.sample.progress[rank].quiet_s for rank in ranks if rank in watchdog.sample.progress)
            self.say(f"  stall: {spoken(ranks)}: no thread has run for {quiet_s:.0f} s")

    def ending(self, reason: str) -> None:
        """Say that the job is being ended, and why."""
        self.say(f"  ending the job: {reason}")


class LiveTable:
    """Shows the ranks of a running job in a table that is drawn anew with every sample."""

    def __init__(self, title: str, stream: TextIO) -> None:
        self.title = title
        self.stream = stream
        self._began_s = time.monotonic()
        self._note = ""
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Begin to draw."""
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(file=self.stream), auto_refresh=False, transient=True)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the table."""
        if self._live is not None:
            self._live.stop()

    def sampled(self, watchdog: Watchdog) -> None:
        """Draw."""
        if self._live is not None:
            self._live.update(self._draw(watchdog), refresh=True)

    def changed(self, watchdog: Watchdog) -> None:
        """Note the verdict."""
        self._note = f"{watchdog.verdict}" if watchdog.standing_since_s is not None else ""

    def ending(self, reason: str) -> None:
        """Note the reason."""
        self._note = f"ending the job: {reason}"

    def _draw(self, watchdog: Watchdog) -> Table:
        from rich.table import Table

        elapsed_s = time.monotonic() - self._began_s
        table = Table(title=f"{self.title}  {elapsed_s:.0f} s  {self._note}", title_justify="left")
        for name in ("ranks", "state", "quiet for", "held by"):
            table.add_column(name)
        progress = watchdog.sample.progress if watchdog.sample is not None else {}
        for state, ranks in _by_state(watchdog).items():
            quiet = [progress[rank].quiet_s for rank in ranks if rank in progress]
            held = [f.mechanism for f in watchdog.findings] if state in {RankState.PROVEN, RankState.STALLED} else []
            table.add_row(fold(ranks), state, f"{min(quiet):.1f} s" if quiet else "", ", ".join(held))
        return table


def _by_state(watchdog: Watchdog) -> dict[RankState, list[int]]:
    """Return the ranks by state as last judged; those that were never judged are progressing."""
    judged = {rank.rank: rank.state for rank in watchdog.judgement.ranks} if watchdog.judgement is not None else {}
    found: dict[RankState, list[int]] = {}
    for rank in watchdog.ranks:
        found.setdefault(judged.get(rank.rank, RankState.PROGRESSING), []).append(rank.rank)
    return found
