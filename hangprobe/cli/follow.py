"""Following a job: plain lines in a pipe, a live table of ranks on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from hangprobe.model import RankState, Tier, Verdict
from hangprobe.ranksets import fold, spoken
from hangprobe.watched import Watched

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

    def sampled(self, watched: Watched) -> None:
        """Say now and then how the ranks are."""
        now_s = time.monotonic()
        if self.has_heartbeat and now_s - self._last_s >= HEARTBEAT_S:
            self._last_s = now_s
            states = ", ".join(f"{fold(ranks)} {state}" for state, ranks in _by_state(watched).items())
            self.say(f"  {now_s - self._began_s:.0f} s: ranks {states or 'not started yet'}")

    def changed(self, watched: Watched) -> None:
        """Say what was found."""
        digest = watched.digest
        for finding in digest.findings:
            if finding.tier is not Tier.BLOCKED:
                self.say(f"  {digest.verdict} ({finding.tier}): {finding.says}")
        if digest.verdict is Verdict.STALL:
            ranks = [rank.rank for rank in digest.ranks if rank.state is RankState.STALLED]
            known = [quiet_s for rank in ranks if (quiet_s := watched.quiet_s(rank)) is not None]
            since = f" for {min(known):.0f} s" if known else ""
            self.say(f"  stall: {spoken(ranks)}: no thread has run{since}")

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

    def sampled(self, watched: Watched) -> None:
        """Draw."""
        if self._live is not None:
            self._live.update(self._draw(watched), refresh=True)

    def changed(self, watched: Watched) -> None:
        """Note the verdict."""
        self._note = f"{watched.verdict}" if watched.standing_since_s is not None else ""

    def ending(self, reason: str) -> None:
        """Note the reason."""
        self._note = f"ending the job: {reason}"

    def _draw(self, watched: Watched) -> Table:
        from rich.table import Table

        elapsed_s = time.monotonic() - self._began_s
        table = Table(title=f"{self.title}  {elapsed_s:.0f} s  {self._note}", title_justify="left")
        for name in ("ranks", "state", "quiet for", "held by"):
            table.add_column(name)
        held_by = ", ".join(dict.fromkeys(finding.mechanism for finding in watched.digest.findings))
        for state, ranks in _by_state(watched).items():
            quiet = [quiet_s for rank in ranks if (quiet_s := watched.quiet_s(rank)) is not None]
            held = held_by if state in {RankState.PROVEN, RankState.STALLED} else ""
            table.add_row(fold(ranks), state, f"{min(quiet):.1f} s" if quiet else "", held)
        return table


def _by_state(watched: Watched) -> dict[RankState, list[int]]:
    """Return the ranks by state as last judged; those that were never judged are progressing."""
    found: dict[RankState, list[int]] = {}
    for rank in watched.digest.ranks:
        found.setdefault(rank.state, []).append(rank.rank)
    return found
