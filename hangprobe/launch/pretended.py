"""Several nodes pretended on one machine: a stand-in for ssh that runs every remote command here.

A launcher then starts a proxy a node as it does on a cluster, and the ranks of a node below it; all of them are in the
reach of one watchdog. What it does not show: other hosts' names, addresses, clocks and file systems.
"""

from __future__ import annotations

from pathlib import Path

NAME = "ssh-stand-in"
_SCRIPT = """#!/bin/sh
# Takes the place of ssh: forgets options and host, and runs the command here.
while :; do
  case $1 in
    --) shift; break ;;
    -[bcDEeFIiJLlmOopQRSWw]) shift 2 ;;
    -*) shift ;;
    *) break ;;
  esac
done
shift
exec sh -c "$*"
"""


def hosts(nodes: int) -> tuple[str, ...]:
    """Return names for pretended nodes."""
    return tuple(f"pretended{number:02d}" for number in range(1, nodes + 1))


def write_stand_in(folder: Path) -> Path:
    """Write the stand-in into a folder and return its path."""
    path = folder / NAME
    path.write_text(_SCRIPT)
    path.chmod(0o755)
    return path
