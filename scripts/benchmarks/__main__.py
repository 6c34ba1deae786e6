"""The command line of `scripts/bench`."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import NoReturn

from scripts.benchmarks import (
    accuracy,
    cost,
    faults,
    harness,
    hostile,
    latency,
    lookalikes,
    nodes,
    observed,
    resume,
    scale,
    soak,
    sweep,
    wrapper,
)

BENCHMARKS = {
    "accuracy": accuracy,
    "cost": cost,
    "faults": faults,
    "harness": harness,
    "hostile": hostile,
    "latency": latency,
    "lookalikes": lookalikes,
    "nodes": nodes,
    "observed": observed,
    "resume": resume,
    "scale": scale,
    "soak": soak,
    "sweep": sweep,
    "wrapper": wrapper,
}


def main() -> int:
    """Run one benchmark and return its code."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measurements of hangprobe itself.")
    commands = parser.add_subparsers(dest="benchmark", required=True)
    for name, module in BENCHMARKS.items():
        doc = module.__doc__ or ""
        module.add_arguments(commands.add_parser(name, help=doc.splitlines()[0], description=doc))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(BENCHMARKS[options.benchmark].main(options))
    except KeyboardInterrupt:
        print("interrupted; what is on file is kept", file=sys.stderr)
        return 130


def _interrupt(signum: int, frame: object) -> NoReturn:
    """Let SIGTERM end a bench as Ctrl-C does: its testbed, its jobs and its folders go; no second one hinders that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
