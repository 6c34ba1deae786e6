"""How a campaign goes, told on stderr: a bar and the running result of each cell on a terminal, else a line a trial."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from hangprobe.ensemble.campaign import Progress, Tally
from hangprobe.ensemble.records import Cell, Planned, Trial

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

REDRAWS_PER_S = 4.0
BAR_COLUMNS = 40


class Lines:
    """Says of every trial in a line what became of it."""

    def __init__(self, stream: TextIO, is_quiet: bool) -> None:
        self.stream = stream
        self.is_quiet = is_quiet

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""

    def say(self, line: str) -> None:
        """Print a line."""
        if not self.is_quiet:
            print(line, file=self.stream, flush=True)

    def began(self, planned: Planned, progress: Progress) -> None:
        """Say nothing: the trial's own line comes with its end."""

    def ended(self, trial: Trial, progress: Progress) -> None:
        """Say what became of it."""
        tally = dict(progress.tallies)[trial.cell]
        self.say(
            f"[{progress.done}/{progress.wanted}, {left(progress.left_s)}] block {trial.block}, {title(trial.cell)}: "
            f"{trial.outcome} after {trial.duration_s:.1f} s ({trial.why}); {counted(tally)}"
        )


class Bar(Lines):
    """Shows a bar with the time left, and the running result of each cell in a table."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream, is_quiet=False)
        self._live: Live | None = None
        self._progress: Progress | None = None
        self._running = ""
        self._updated_s = self._trial_s = time.monotonic()

    def __enter__(self) -> Self:
        """Begin to draw."""
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self.stream)
        self._live = Live(get_renderable=self._draw, console=console, refresh_per_second=REDRAWS_PER_S, transient=True)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove it."""
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False)

    def began(self, planned: Planned, progress: Progress) -> None:
        """Show what runs."""
        self._running = f"block {planned.block}, {title(planned.cell)}"
        self._progress, self._updated_s = progress, time.monotonic()
        self._trial_s = self._updated_s

    def ended(self, trial: Trial, progress: Progress) -> None:
        """Show the new result."""
        self._progress, self._updated_s = progress, time.monotonic()

    def _draw(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if self._progress is None:
            return Text("preparing ...")
        progress, now_s = self._progress, time.monotonic()
        table = Table(box=None, pad_edge=False)
        for name in ("workload", "launcher", "hung", "started", "of"):
            table.add_column(name, justify="left" if name in {"workload", "launcher"} else "right")
        for cell, tally in sorted(progress.tallies, key=lambda each: (each[0].workload, each[0])):
            style = "bold red" if tally.hung else ""
            cells = (cell.workload, launcher(cell), str(tally.hung), str(tally.started), str(tally.wanted))
            table.add_row(*(Text(word, style=style) for word in cells))
        remaining_s = max(0.0, progress.left_s - (now_s - self._updated_s))
        row = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=progress.wanted, completed=progress.done, width=BAR_COLUMNS)
        row.add_row(bar, Text(f"{progress.done}/{progress.wanted}, {left(remaining_s)}"))
        return Group(table, row, Text(f"{self._running}: {now_s - self._trial_s:.0f} s"))


def title(cell: Cell) -> str:
    """Return a cell in words."""
    return f"{cell.workload} under {launcher(cell)}"


def launcher(cell: Cell) -> str:
    """Return a cell's launcher with what is not usual about it."""
    parsl = "" if cell.parsl == "installed" else f", Parsl {cell.parsl}"
    return f"{cell.launcher} ({cell.mpi}{parsl})"


def counted(tally: Tally) -> str:
    """Return the running result of a cell."""
    return f"hung {tally.hung} of {tally.started} so far"


def left(seconds: float) -> str:
    """Return an estimated time in words."""
    if seconds < 90.0:
        return f"about {max(0.0, seconds):.0f} s left"
    minutes = round(seconds / 60.0)
    return f"about {minutes} min left" if minutes < 120 else f"about {minutes / 60.0:.1f} h left"
