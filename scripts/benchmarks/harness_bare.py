"""The ensemble of `scripts/bench harness` without hangprobe: `harness_bare.py SPEC.json`, on the login node.

Parsl with the very configuration that a trial has, its managers all registered before the first of the tasks, which do
nothing; no marks, no events, no words before the managers, nobody who watches. Prints the seconds from the first
submission to the last result.
"""

from __future__ import annotations

import sys
import time

import parsl

from hangprobe.ensemble.subject import blocks, configuration
from hangprobe.ensemble.subject.scene import Scene
from hangprobe.ensemble.subject.spec import read

LIMIT_S = 60.0
CLEAN_S = 12.0


def noop(number: int) -> None:
    """Do nothing."""


def main(path: str) -> None:
    """Run the ensemble once."""
    spec = read(path)
    config = configuration.configure(spec)
    kernel = parsl.load(config)
    executors = configuration.pools(config.executors)
    scene, deadline_s = Scene(kernel.run_dir), time.monotonic() + LIMIT_S
    while len(scene.managers) < len(spec.nodes):
        if time.monotonic() > deadline_s:
            sys.exit("not all managers have registered")
        scene.look()
        time.sleep(0.1)
    app = parsl.python_app(noop)
    began_s = time.monotonic()
    for future in [app(number) for number in range(len(spec.nodes) * spec.workers_per_node * spec.tasks_per_worker)]:
        future.result()
    print(time.monotonic() - began_s, flush=True)
    blocks.clean_up(kernel, executors, CLEAN_S)


if __name__ == "__main__":
    main(sys.argv[1])
