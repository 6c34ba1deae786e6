"""`scripts/bench accuracy`: every reproducer and control many times, by name and as a neutral copy in turn.

A run is right if verdict, tier, mechanism, lock and ranks are what the manifest expects; a healthy control must never
be called hung or stalled or be ended, while every sample takes a double collect of all its ranks and would end it at
once. Reproducers run with a window of 3 s instead of 60 (--stall-after), which some of their verdicts need.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hangprobe.errors.base import UnknownName
from hangprobe.launch.environments import MPIS, Environment, of_mpi
from hangprobe.model import Verdict
from hangprobe.policy import Policy
from hangprobe.probe import Ends, OnHang, OnStall, Outcome
from hangprobe.programs import Expected, load
from hangprobe.ranksets import fold, unfold
from scripts.benchmarks.jobs import Subject, held, marks
from scripts.benchmarks.machine import section
from scripts.benchmarks.trials import Bench, Row, share

RANKS = 4
WINDOW_S = 3.0
"""For hung programs: healthy ones are judged with the window that users have."""
COLLECTS_WANTED = 10
"""Double collects of a control in its look-alike state, at least."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--runs", type=int, default=10, help="of each cell (default 10)")
    parser.add_argument("--only", default="", help="programs whose name contains this")
    parser.add_argument("--mpi", default="mpich", help="of scripts/envs, with commas between: mpich,openmpi,impi")
    parser.add_argument("--out", type=Path, default=Path("results/local/accuracy"), help="folder; runs in it are kept")


def main(options: argparse.Namespace) -> int:
    """Run what is missing, print the matrix, and return 0 if every run was right."""
    environments = {mpi: environment(mpi) for mpi in options.mpi.split(",")}
    bench = Bench(options.out)
    done = {(_mpi(row), row["program"], row["variant"], row["neutral"], row["run"]) for row in bench.rows}
    todo = [
        (mpi, subject, run)
        for run in range(1, options.runs + 1)
        for mpi in environments
        for subject in subjects(options.only, run % 2 == 0)
        if (mpi, subject.program.name, subject.variant.name, subject.is_neutral, run) not in done
    ]
    bench.begin(len(todo))
    for mpi, subject, run in todo:
        row = one(mpi, environments[mpi], subject, run)
        if row is None:
            raise KeyboardInterrupt
        bench.add(row, f"{mpi} {subject.name}")
    return bench.finish(page(bench.rows))


def environment(mpi: str) -> Environment:
    """Return the environment of an MPI. Raises UnknownName, EnvironmentMissing."""
    if mpi not in MPIS:
        raise UnknownName("MPI", mpi, list(MPIS), "--mpi")
    return of_mpi(mpi)


def subjects(only: str, is_neutral: bool) -> Iterator[Subject]:
    """Yield every variant of every program, by name or as a neutral copy."""
    for program in load().values():
        for variant in program.variants:
            if only in program.name:
                yield Subject(program, variant, is_neutral)


def one(mpi: str, environment: Environment, subject: Subject, run: int) -> Row | None:
    """Run a subject once and return its row; None if the user ended it."""
    expected = subject.variant.under(environment.flavour.launcher)
    is_healthy = expected.verdict is Verdict.OK
    policy = Policy(interval_s=0.1, collect_always=True) if is_healthy else Policy(stall_after_s=WINDOW_S)
    ends = Ends(OnHang.KILL, OnStall.KILL, 0.0 if is_healthy else 1.0, 60.0)
    with tempfile.TemporaryDirectory(prefix="hangprobe-") as name:
        folder = Path(name)
        outcome = subject.run(environment.flavour, RANKS, folder, policy, ends, python=environment.python)
        inside = _inside(outcome, folder) if is_healthy else None
    if outcome.by_signal is not None:
        return None
    result = outcome.result
    found = held(result)
    row = {
        "mpi": mpi,
        "program": subject.program.name,
        "variant": subject.variant.name,
        "neutral": subject.is_neutral,
        "run": run,
        "expected": expected.mechanism or expected.verdict,
        "verdict": result.verdict,
        "tier": result.tier,
        "mechanisms": sorted({finding.mechanism for finding in found}),
        "locks": sorted({finding.detail.get("lock", "") for finding in found}),
        "hung": fold(rank for finding in found for rank in unfold(finding.ranks)),
        "ended_by": result.ended_by,
        "exit_status": result.exit_status,
        "double_collects": result.watched.double_collects,
        "collects_in_look_alike": inside,
        "detected_after_s": result.detected_after_s,
    }
    return {**row, "right": is_right(row, subject, expected)}


def is_right(row: Row, subject: Subject, expected: Expected) -> bool:
    """Tell whether a row is what the manifest expects."""
    if expected.verdict is Verdict.OK:
        is_control = subject.program.kind == "control"
        has_enough = not is_control or (row["collects_in_look_alike"] or 0) >= COLLECTS_WANTED
        return bool(row["verdict"] == "ok" and row["ended_by"] == "itself" and row["exit_status"] == 0 and has_enough)
    return bool(
        row["verdict"] == expected.verdict
        and row["tier"] == expected.tier
        and row["mechanisms"] == [expected.mechanism]
        and (expected.lock is None or row["locks"] == [expected.lock])
        and row["hung"] == expected.ranks(RANKS)
    )


def _inside(outcome: Outcome, folder: Path) -> int:
    """Return how many double collects were taken while every rank was in its look-alike state."""
    began = [at_s for rows in marks(folder).values() for at_s, _, word in rows if word == "look-alike"]
    ended = [at_s for rows in marks(folder).values() for at_s, _, word in rows if word == "look-alike-ends"]
    if not began or not ended:
        return 0
    return sum(max(began) < at_s < min(ended) for at_s in outcome.collects)


def page(rows: list[Row]) -> str:
    """Return the confusion matrices and the cells as Markdown."""
    mpis = list(dict.fromkeys(map(_mpi, rows)))
    sections = [line for mpi in mpis for line in _section(mpi, [row for row in rows if _mpi(row) == mpi])]
    return "\n".join(
        [
            "# Accuracy",
            "",
            f"`scripts/bench accuracy --mpi {','.join(mpis)}`: {share(rows)} runs right, {RANKS} ranks each.",
            "Right: verdict, tier, mechanism, lock and ranks are the manifest's, `ok` controls were never ended.",
            f"Reproducers with `--stall-after {WINDOW_S:g}`; slowest: from the last thread's blocking to the report.",
            "What the manifest expects of an MPI alone stands there under `program.variant.under`, with the reason.",
            "",
            *sections,
            *section(),
        ]
    )


def _section(mpi: str, rows: list[Row]) -> list[str]:
    return [
        *(f"## {mpi}: {share(rows)}", "", "### Confusion matrix", "", *_matrix(rows), ""),
        *("### Cells", "", *_cells(rows), ""),
    ]


def _matrix(rows: list[Row]) -> list[str]:
    got = Counter((row["expected"], _got(row)) for row in rows)
    columns = sorted({column for _, column in got})
    return [
        f"| expected | {' | '.join(columns)} |",
        "|---|" + "---|" * len(columns),
        *(
            f"| {expected} | {' | '.join(str(got[expected, column]) for column in columns)} |"
            for expected in sorted({name for name, _ in got})
        ),
    ]


def _cells(rows: list[Row]) -> list[str]:
    cells = [
        "| program | right, by name | right, neutral copy | double collects as look-alike, fewest | slowest, s |",
        "|---|---|---|---|---|",
    ]
    for key in dict.fromkeys((row["program"], row["variant"]) for row in rows):
        mine = [row for row in rows if (row["program"], row["variant"]) == key]
        named, neutral = ([row for row in mine if row["neutral"] is flag] for flag in (False, True))
        inside = [row["collects_in_look_alike"] for row in mine if row["collects_in_look_alike"] is not None]
        name = key[0] if key[1] == "default" else f"{key[0]} --variant {key[1]}"
        late = [row["detected_after_s"] for row in mine if row["detected_after_s"] is not None]
        looked, slowest = min(inside) if any(inside) else "", f"{max(late):.2f}" if late else ""
        cells.append(f"| {name} | {share(named)} | {share(neutral)} | {looked} | {slowest} |")
    return cells


def _mpi(row: Row) -> str:
    """Return a row's MPI; rows from before there were several were made with MPICH."""
    return str(row.get("mpi", "mpich"))


def _got(row: Row) -> str:
    return "+".join(row["mechanisms"]) if row["verdict"] == "hang" else str(row["verdict"])
