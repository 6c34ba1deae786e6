"""A bench of many trials that may be stopped at any time: the same command goes on where it was.

Each trial is a row on file before the next one begins; the page is made of all rows on file. A row says of itself
whether it was `right`.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(slots=True)
class Bench:
    """The rows of a folder, and how far this run of the bench has come."""

    folder: Path
    rows: list[Row] = field(init=False)
    _wanted: int = 0
    _done: int = 0
    _began_s: float = 0.0

    def __post_init__(self) -> None:
        """Read what is on file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rows = [json.loads(line) for line in self._path.read_text().splitlines()] if self._path.exists() else []

    @property
    def _path(self) -> Path:
        return self.folder / "runs.jsonl"

    def begin(self, wanted: int) -> None:
        """Say how many trials are to come."""
        print(f"{len(self.rows)} trials are on file, {wanted} to do", file=sys.stderr)
        self._wanted, self._done, self._began_s = wanted, 0, time.monotonic()

    def add(self, row: Row, name: str) -> None:
        """Write down a trial, and say what came of it."""
        self.rows.append(row)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self._done += 1
        left_s = (time.monotonic() - self._began_s) / self._done * (self._wanted - self._done)
        word = "right" if row["right"] else f"WRONG: {row}"
        print(f"[{self._done}/{self._wanted}, {left_s / 60:.0f} min left] {name}: {word}", file=sys.stderr, flush=True)

    def finish(self, text: str) -> int:
        """Write and print the page; return 0 if every trial on file was right."""
        (self.folder / "README.md").write_text(text)
        print(text)
        return 0 if all(row["right"] for row in self.rows) else 1


def share(rows: list[Row]) -> str:
    """Return how many of the rows are right."""
    return f"{sum(row['right'] for row in rows)} of {len(rows)}"


def median_and_worst(values: list[float]) -> str:
    """Return both, for a table."""
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:.2f}, {ordered[-1]:.2f}" if ordered else "-"
