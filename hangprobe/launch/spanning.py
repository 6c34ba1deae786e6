"""Whether a launcher's command may start anything on another node than this one.

In doubt it may. Being wrong that way costs the ranks of a job that stays here some milliseconds at their start; the
other way nobody would look at the other nodes. What the command line says of hosts goes before what the environment
says. Nothing here asks for a name: a host is this one if its name is, up to the first dot.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from hangprobe.launch.commandline import Option, read, read_options
from hangprobe.model import Launcher

Read = Callable[[str], str | None]

_LISTS = {"H", "S", "add-host", "host", "hostlist", "hosts", "sshlogin"}
_FILES = {
    *("add-hostfile", "default-hostfile", "f", "hostfile", "machine", "machinefile", "slf", "sshloginfile"),
    *("orte_default_hostfile", "prte_default_hostfile"),
}
_ANYWHERE = {"hosts-group", "rankfile", "rf", "tune"}
"""Options that name hosts in a language of their own."""
_BATCH_FILES = ("PBS_NODEFILE", "PE_HOSTFILE", "LSB_DJOB_HOSTFILE", "LOADL_HOSTFILE", "COBALT_NODEFILE")
_FILE_VARIABLES = {
    Launcher.HYDRA: ("HYDRA_HOST_FILE", *_BATCH_FILES),
    Launcher.INTEL: ("I_MPI_HYDRA_HOST_FILE", "HYDRA_HOST_FILE", *_BATCH_FILES),
    Launcher.OPENMPI: ("OMPI_MCA_orte_default_hostfile", "PRTE_MCA_prte_default_hostfile", *_BATCH_FILES),
    Launcher.PALS: _BATCH_FILES,
}
_LIST_VARIABLES = ("SLURM_JOB_NODELIST", "SLURM_NODELIST", "LSB_HOSTS")
_FORKS = {"fork"}
_HOST = re.compile(r"[^\s:/#*+]+")
_BEFORE_HOST = re.compile(r"^(@[^/]*/)?(\d+/)?([^\s@]+@)?")
_HERE = {"localhost", "127.0.0.1", "::1"}


def read_file(path: str) -> str | None:
    """Return the text of a file; None if it cannot be read, or only once: what a pipe says is for the launcher."""
    try:
        return Path(path).read_text(errors="replace") if Path(path).is_file() else None
    except OSError:
        return None


def spans_nodes(
    command: Sequence[str],
    launcher: Launcher,
    variables: Mapping[str, str],
    here: str,
    read_host_file: Read = read_file,
) -> bool:
    """Tell whether a job may leave this node, which is called `here`; False of a command that is no launcher's."""
    if launcher is Launcher.NONE:
        return False
    sections = read(command, launcher)
    if sections is None:
        return True
    options = [option for section in sections for option in section.options]
    if launcher is Launcher.SRUN:
        return _step_leaves(variables, here)
    if launcher is Launcher.GNU_PARALLEL:
        return _parallel_leaves(options, variables, here, read_host_file)
    if launcher is Launcher.HYDRA and any(_is_forked(option) for option in options):
        return False
    named = [leaves for option in options if (leaves := _option_leaves(option, here, read_host_file)) is not None]
    if named:
        return any(named)
    return _environment_leaves(launcher, variables, here, read_host_file)


def _is_forked(option: Option) -> bool:
    return option.name in {"launcher", "bootstrap"} and option.values[-1] in _FORKS


def _option_leaves(option: Option, here: str, read_host_file: Read) -> bool | None:
    """Tell whether an option leads elsewhere; None if it is not about hosts."""
    name, value = option.name, option.values[-1] if option.values else ""
    if name.endswith("mca"):  # --mca KEY FILE
        name = option.values[0]
    if name in _ANYWHERE:
        return True
    if name in _LISTS:
        return _is_elsewhere(value.split(","), here)
    return _file_leaves(value, here, read_host_file) if name in _FILES else None


def _environment_leaves(launcher: Launcher, variables: Mapping[str, str], here: str, read_host_file: Read) -> bool:
    files = [variables[name] for name in _FILE_VARIABLES[launcher] if variables.get(name)]
    lists = [variables[name] for name in _LIST_VARIABLES if variables.get(name)]
    if not files and not lists:
        return launcher is Launcher.PALS  # it runs in an allocation only, and here nothing says of which nodes
    return any(_file_leaves(path, here, read_host_file) for path in files) or any(
        _is_elsewhere(hosts.replace(",", " ").split(), here) for hosts in lists
    )


def _step_leaves(variables: Mapping[str, str], here: str) -> bool:
    """Outside of an allocation srun makes one, anywhere; inside it stays where that is: srun(1)."""
    hosts = variables.get("SLURM_JOB_NODELIST") or variables.get("SLURM_NODELIST", "")
    return not hosts or _is_elsewhere(hosts.split(","), here)


def _parallel_leaves(options: Iterable[Option], variables: Mapping[str, str], here: str, read_host_file: Read) -> bool:
    """`:` is this node without ssh: parallel(1), --sshlogin."""
    try:
        more = read_options(shlex.split(variables.get("PARALLEL", "")), Launcher.GNU_PARALLEL)
    except ValueError:
        more = None
    if more is None:
        return True
    found = (_option_leaves(option, here, read_host_file) for option in (*options, *more))
    return any(leaves for leaves in found)


def _file_leaves(path: str, here: str, read_host_file: Read) -> bool:
    text = read_host_file(path)
    return text is None or _is_elsewhere(text.splitlines(), here)


def _is_elsewhere(entries: Iterable[str], here: str) -> bool:
    """Tell whether one of these entries (`node01`, `node01:4`, `node01 slots=4`, `8/user@node01`) is another host.

    `+n1` and `+e` are any node of what Open MPI may use: mpirun(1), --host.
    """
    bare = [_BEFORE_HOST.sub("", entry.strip()) for entry in entries]
    hosts = [match.group() for entry in bare if (match := _HOST.match(entry))]
    named = {host.split(".")[0] for host in hosts if host not in _HERE}
    return bool(named - {here.split(".")[0]}) or any(entry.startswith("+") for entry in bare)
