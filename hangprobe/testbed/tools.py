"""Programs that a testbed needs: the system's own, else unpacked from Debian's packages into a cache, never installed.

What is unpacked is a *root* (`hangprobe.packages`): inside a testbed its usr/bin, usr/sbin and usr/lib are laid below
the system's own, so that everything is found in its usual place and nothing of the system is replaced.

`python -m hangprobe.testbed.tools` sees to all of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hangprobe.errors.base import HangprobeError
from hangprobe.errors.tools import TestbedFailed, ToolMissing
from hangprobe.packages import unpacked
from hangprobe.testbed.layout import SYSTEM_PATH

RUN_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A Debian package and the programs that are wanted of it."""

    package: str
    programs: tuple[str, ...]


SSH = (
    Tool("openssh-server", ("sshd",)),
    Tool("openssh-client", ("ssh", "ssh-keygen")),
    Tool("iproute2", ("ip",)),
)
SLURM = (Tool("slurm-wlm", ("slurmctld", "slurmd", "srun", "scontrol")), Tool("munge", ("munged",)))
OUTSIDE = Tool("util-linux", ("nsenter", "setpriv"))


def find(program: str) -> str | None:
    """Return the path of a program of the system."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def roots(tools: tuple[Tool, ...]) -> tuple[str, ...]:
    """Return the roots of the tools that the system does not have, unpacking what is missing. Raises ToolMissing."""
    if any(find(program) is None for program in OUTSIDE.programs):
        raise ToolMissing(OUTSIDE.package, f"no {' or '.join(OUTSIDE.programs)} on PATH")
    missing = {tool: [program for program in tool.programs if find(program) is None] for tool in tools}
    return tuple(str(unpacked(tool.package, programs)) for tool, programs in missing.items() if programs)


def run_tool(program: str, *arguments: str, stdin: str = "") -> None:
    """Run one of the tools to its end. Raises TestbedFailed with its first words of complaint."""
    try:
        done = subprocess.run(
            [find(program) or program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TestbedFailed(f"{program} failed ({error})") from None
    if done.returncode != 0:
        raise TestbedFailed(f"{program} failed ({' '.join(done.stderr.split())[:200]})")


def last_words(log: Path) -> str:
    """Return the last line of a log that will be gone with the testbed."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else f"{log.name} is empty"


def main() -> int:
    """See to everything that a testbed may need; return the process's status."""
    status = 0
    for tool in (*SSH, *SLURM):
        try:
            found = roots((tool,))
            sys.stderr.write(f"{tool.package}: {found[0] if found else 'the system has it'}\n")
        except HangprobeError as error:
            sys.stderr.write(f"{tool.package}: {error}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
