"""What several nodes need: real ones, or those of a testbed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from hangprobe.doctor.asking import Asker, version_of
from hangprobe.doctor.facts import NodesFacts, SchedulerFacts
from hangprobe.packages import cache_folder
from hangprobe.testbed import namespaces
from hangprobe.testbed.tools import OUTSIDE, SSH, find

SETTINGS = (
    "user/max_user_namespaces",
    "kernel/unprivileged_userns_clone",
    "kernel/apparmor_restrict_unprivileged_userns",
)
KINDS = namespaces.NEW_NET | namespaces.NEW_UTS | namespaces.NEW_IPC | namespaces.NEW_MOUNTS | namespaces.NEW_PID
UNSHARE = (
    "import ctypes, errno, sys; libc = ctypes.CDLL(None, use_errno=True); "
    "failed = libc.unshare(int(sys.argv[1])); print(errno.errorcode[ctypes.get_errno()] if failed else 'done')"
)
COMMANDS = ("qsub", "qstat", "pbsdsh", "sbatch", "srun", "squeue", "scontrol")
VARIABLES = ("PBS_JOBID", "PBS_NODEFILE", "SLURM_JOB_ID", "SLURM_JOB_NODELIST", "SLURM_JOB_NUM_NODES")


def nodes_facts(asker: Asker) -> NodesFacts:
    """Return whether namespaces can be made, and which tools for several nodes are here."""
    kind, is_delegated = _cgroup()
    return NodesFacts(
        is_root=os.geteuid() == 0,
        namespaces=_try_namespaces(asker),
        settings={name.replace("/", "."): value for name in SETTINGS if (value := _setting(name)) is not None},
        tools={tool.package: _place(tool.package, tool.programs) for tool in (*SSH, OUTSIDE)},
        can_unpack=all(shutil.which(name) for name in ("apt-get", "dpkg-deb")),
        clustershell=version_of("ClusterShell"),
        zmq=version_of("pyzmq"),
        cgroup=kind,
        is_delegated=is_delegated,
    )


def scheduler_facts() -> SchedulerFacts:
    """Return which batch systems have commands here, and the allocation that this is, if any."""
    environment = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return SchedulerFacts(
        frozenset(name for name in COMMANDS if shutil.which(name)), environment, _count_nodes(environment)
    )


def _try_namespaces(asker: Asker) -> str:
    """Make the namespaces of a node in a process that ends at once; return the kernel's name for its refusal."""
    kinds = KINDS if os.geteuid() == 0 else KINDS | namespaces.NEW_USER
    said = asker.ask(sys.executable, "-I", "-S", "-c", UNSHARE, str(kinds)).first_line
    return "" if said == "done" else said or "no answer"


def _setting(name: str) -> str | None:
    try:
        return Path(f"/proc/sys/{name}").read_text().strip()
    except OSError:
        return None


def _place(package: str, programs: tuple[str, ...]) -> str:
    if all(find(program) for program in programs):
        return "system"
    return "unpacked" if (cache_folder() / package).is_dir() else ""


def _count_nodes(environment: Mapping[str, str]) -> int | None:
    if "PBS_NODEFILE" not in environment:
        return None
    try:
        return len({line.strip() for line in Path(environment["PBS_NODEFILE"]).read_text().split("\n") if line.strip()})
    except OSError:
        return None


def _cgroup() -> tuple[str, bool]:
    """Return which version is mounted, and whether this user may make groups below its own (cgroups(7))."""
    groups = dict(line.split(":", 2)[::2] for line in Path("/proc/self/cgroup").read_text().splitlines())
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return "v2", os.access(root / groups.get("0", "/").lstrip("/"), os.W_OK)
    if (root / "unified").is_dir():
        return "hybrid", os.access(root / "unified" / groups.get("0", "/").lstrip("/"), os.W_OK)
    return ("v1" if groups else ""), False
