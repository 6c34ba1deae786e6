"""Run one trial as a campaign does, on the node where it is started: `one_trial.py FOLDER WORDS.json`.

WORDS.json: {"planned": ..., "settings": ..., "nodes": [...], "mpi_bins": {...}}. Prints the trial as JSON.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from hangprobe.ensemble.records import Planned, Settings
from hangprobe.ensemble.trial import Runner, Site


class Words(msgspec.Struct):
    """What is to be run, and where."""

    planned: Planned
    settings: Settings
    nodes: tuple[str, ...]
    mpi_bins: dict[str, str]


def main(folder: Path, words: Words) -> None:
    """Run the trial and print it."""
    site = Site("testbed", words.nodes, words.mpi_bins)
    trial = Runner(site, words.settings, {"installed": sys.executable})(words.planned, folder)
    sys.stdout.buffer.write(msgspec.json.encode(trial))


if __name__ == "__main__":
    main(Path(sys.argv[1]), msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=Words))
