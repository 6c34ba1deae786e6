"""What an ensemble is: the specification that the runner of a trial writes for htex_child.py.

A JSON object; all paths are absolute, in a folder that all nodes see. What it does not know is passed over, so that a
runner may keep more in it.
"""

from __future__ import annotations

import json
from typing import NamedTuple


class Spec(NamedTuple):
    """One ensemble."""

    folder: str
    """Of the trial; everything is left below it."""
    nodes: list[str]
    """Host names as they can be reached from where the driver runs."""
    node_file: str | None = None
    """One name a line; what launchers get as PBS_NODEFILE. None: what is in the environment."""
    config: str | None = None
    """A user's configuration; None: the embedded one."""
    workers_per_node: int = 2
    tasks_per_worker: int = 2
    """One round of tasks: nodes x workers x this."""
    launcher: str = "mpiexec"
    """A name of hangprobe.ensemble.launchers, or `as-configured`."""
    mpi: str = "mpich"
    """`mpich`, `openmpi`, `impi`, or `path`: decides which options the launcher needs for one manager a node."""
    mpi_bin: str | None = None
    """A folder to come first on the PATH of the block."""
    worker_init: str = ""
    """Shell lines that the block runs before its launcher, on its first node."""
    prefix: list[str] = []  # noqa: RUF012  # a NamedTuple's default; nobody writes to it
    """Words to stand before `process_worker_pool.py ...` in HTEX's launch_cmd."""
    workload: str = "noop"
    """A name of hangprobe.ensemble.workloads, or `module:function`."""
    workload_path: str | None = None
    """Where a user's module is looked for first; None: the working directory that the driver was started in."""
    deadline_s: float = 180.0
    """From the driver's start on."""


def read(path: str) -> Spec:
    """Return the specification in a file. Raises OSError, ValueError, TypeError for one that is none."""
    with open(path, encoding="utf-8") as file:
        said = json.load(file)
    return Spec(**{name: value for name, value in said.items() if name in Spec._fields})
