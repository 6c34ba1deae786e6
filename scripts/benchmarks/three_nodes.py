"""What `nodes` and `observed` have in common: three reproducers under each MPI, 6 ranks on 3 nodes of a testbed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hangprobe.launch.environments import MPIS
from hangprobe.programs import load
from hangprobe.ranksets import fold, unfold
from hangprobe.result import Result
from scripts.benchmarks.jobs import held
from scripts.benchmarks.trials import Row

PROGRAMS = ("bcast_under_lock", "file_lock", "launcher_stdin")
NODES, PER_NODE = 3, 2
RANKS = NODES * PER_NODE
WINDOW_S = 3.0


class Trial(NamedTuple):
    """One job to look at; the three make it the same as one on file."""

    mpi: str
    program: str
    run: int

    @classmethod
    def of(cls, row: Row) -> Trial:
        """Return the trial that made a row."""
        return cls(row["mpi"], row["program"], row["run"])


def add_arguments(parser: argparse.ArgumentParser, out: str) -> None:
    """Describe the command line; `out` is where rows go by default."""
    parser.add_argument("--runs", type=int, default=10, help="of each cell (default 10)")
    parser.add_argument("--mpi", default=",".join(MPIS), help="which (default all three; scripts/envs makes them)")
    parser.add_argument("--only", default="", help="programs whose name contains this")
    parser.add_argument("--out", type=Path, default=Path(out), help="folder; runs in it are kept")


def plan(options: argparse.Namespace, rows: Sequence[Row]) -> list[Trial]:
    """Return every trial that is wanted and not on file, all cells once before any a second time."""
    done = set(map(Trial.of, rows))
    names = [name for name in PROGRAMS if options.only in name]
    wanted = (Trial(mpi, name, run) for run in range(1, options.runs + 1) for name in names for mpi in _mpis(options))
    return [trial for trial in wanted if trial not in done]


def _mpis(options: argparse.Namespace) -> list[str]:
    return str(options.mpi).split(",")


def told(result: Result) -> Row:
    """Return what a document says of its ranks."""
    found = held(result)
    hosts = {rank.rank: rank.host for rank in result.ranks}
    return {
        "verdict": result.verdict,
        "tier": result.tier,
        "mechanisms": sorted({finding.mechanism for finding in found}),
        "hung": fold(rank for finding in found for rank in unfold(finding.ranks)),
        "hosts": [hosts.get(rank) for rank in range(RANKS)],
        "states": [f"{rank.rank}: {rank.state}, {rank.why}" for rank in result.ranks],
        "unreadable": [f"{each.what}: {each.why}" for each in result.unreadable],
    }


def is_right(row: Row, nodes: Sequence[str]) -> bool:
    """Tell whether verdict, tier, mechanism and hung ranks are the manifest's, and each rank on its own node."""
    expected = load()[row["program"]].variants[0].under(MPIS[row["mpi"]])
    return bool(
        row["verdict"] == expected.verdict
        and row["tier"] == expected.tier
        and row["mechanisms"] == [expected.mechanism]
        and row["hung"] == expected.ranks(RANKS, PER_NODE)
        and row["hosts"] == [nodes[rank // PER_NODE] for rank in range(RANKS)]
    )


def cells(rows: Sequence[Row]) -> Iterator[tuple[str, str, list[Row]]]:
    """Yield the rows of each MPI and program."""
    for mpi, program in dict.fromkeys((row["mpi"], row["program"]) for row in rows):
        yield mpi, program, [row for row in rows if (row["mpi"], row["program"]) == (mpi, program)]


def every(rows: Sequence[Row], name: str) -> str:
    """Return each value that a field has, once."""
    return ", ".join(sorted({str(row[name]) for row in rows}))
