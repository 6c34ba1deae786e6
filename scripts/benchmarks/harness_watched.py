"""The ensemble of `scripts/bench harness` as a trial under hangprobe: `harness_watched.py FOLDER SETTINGS.json`.

Runs on the login node and prints the trial as JSON.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from hangprobe.ensemble.records import Cell, Planned, Settings
from hangprobe.ensemble.trial import Runner, Site


def main(folder: Path, settings: Settings) -> None:
    """Run the trial."""
    nodes = tuple(f"node{number:02d}" for number in range(1, settings.nodes + 1))
    runner = Runner(Site("testbed", nodes), settings, {"installed": sys.executable})
    sys.stdout.buffer.write(msgspec.json.encode(runner(Planned(1, 1, Cell("mpiexec", "noop", "path")), folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=Settings))
