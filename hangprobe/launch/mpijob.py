"""What is to be started under an MPI launcher, and the command line that came of it.

Apart from the launchers, so that all of them are told the same and a new one needs no change here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MpiJob:
    """A job as its owner wants it, in no launcher's words."""

    ranks: int
    command: tuple[str, ...]
    """The program of every rank."""
    hosts: tuple[str, ...] = ()
    """Where to run, in order; empty: where the launcher runs, or what the batch system says."""
    host_file: Path | None = None
    """The same as a file of one host a line; `hosts` wins."""
    ranks_per_node: int | None = None
    """None: the launcher's own way, which differs from one to the other."""
    output: Path | None = None
    """A folder for `rank-N.out` and `rank-N.err`; None: the launcher's own output."""
    forward: tuple[str, ...] = ()
    """Environment variables that ranks on other nodes need as well."""
    stdin: str | None = None
    """Which ranks get the launcher's standard input: `none`, `all` or a rank; None: the launcher's own way."""
    scratch: Path | None = None
    """A folder for what the launcher writes for itself and would leave behind if it were killed; None: its own."""
    stand_in: Path | None = None
    """A program that takes the place of ssh and runs everything here: then the hosts are pretended."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What starts a job."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables to set where the user has not set them."""

    def unset(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return those of its variables that the user has not set."""
        return {name: value for name, value in self.environment.items() if name not in variables}
