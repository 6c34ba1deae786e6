"""The command line of `scripts/bench`."""

from __future__ import annotations

import argparse
import sys

from scripts.benchmarks import (
    accuracy,
    cost,
    faults,
    hostile,
    latency,
    lookalikes,
    nodes,
    observed,
    scale,
    soak,
    sweep,
    wrapper,
)

BENCHMARKS = {
    "accuracy": accuracy,
    "cost": cost,
    "faults": faults,
    "hostile": hostile,
    "latency": latency,
    "lookalikes": lookalikes,
    "nodes": nodes,
    "observed": observed,
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
    return int(BENCHMARKS[options.benchmark].main(options))


if __name__ == "__main__":
    sys.exit(main())
