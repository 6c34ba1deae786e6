"""Which ranks have a standard input that nobody ever writes to or closes, because of how their launcher feeds ranks.

Hydra (MPICH, Intel MPI) forwards its own standard input to rank 0. The other ranks get a pipe or a socket whose other
end the proxy keeps open until the job ends (MPICH src/pm/hydra/proxy/pmip_cb.c), unless `-s` or `-stdin` names them.

Open MPI gives rank 0 a pipe and the others /dev/null. Open MPI 5 loses the end of what it forwards (PMIx before pull
request 4024 of July 2026): `mpiexec -n 1 cat </dev/null` hangs, 5 of 5 times with 5.0.11. A launcher that itself reads
/dev/null feeds nobody, whatever its options say. One that reads anything else may still be fed: of that nothing is said
here, nor of other launchers.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from hangprobe import hydraoptions
from hangprobe.model import Launcher, ProcessId, RankView, Stdin, Unreadable
from hangprobe.observe.procfs import parse_environ
from hangprobe.observe.reader import Reader
from hangprobe.observe.tcp import ESTABLISHED, connections
from hangprobe.observe.world import World

_HYDRA_SAYS = (
    "{} forwards its standard input to rank 0 only and keeps that of the others open; this rank is not named by -s"
)
_SAYS = {
    Launcher.HYDRA: _HYDRA_SAYS.format("MPICH's Hydra"),
    Launcher.INTEL: _HYDRA_SAYS.format("Intel MPI's Hydra"),
}
NOTHING = "/dev/null"
_NAMESPACE = re.compile(r"prterun-(.+)-([0-9]+)@")
_PROXIES = {"hydra_pmi_proxy", "hydra_bstrap_proxy"}
_STARTERS = ("mpiexec", "mpirun", "prterun")
_CHOOSES_RANKS = {"s", "stdin"}


def endless_stdin(world: World, rank: RankView) -> Stdin | None:
    """Return a rank's standard input if its launcher is known never to feed it; `world` has been scanned."""
    if rank.launcher is Launcher.OPENMPI:
        return _of_openmpi(world, rank)
    if rank.launcher not in _SAYS or rank.given == 0:
        return None
    link = world.reader.link(f"{rank.top.pid}/fd/0")
    ancestors = world.ancestors(rank.top.pid)
    commands = {pid: read_command(world.reader, pid) for pid in ancestors}
    starters = [command for command in commands.values() if is_starter(command)]
    told = (_hydra_starter(world.reader, pid, command) for pid, command in commands.items() if not starters)
    elsewhere = next(filter(None, told), None)
    if isinstance(link, Unreadable) or not link.startswith(("pipe:[", "socket:[")) or not (starters or elsewhere):
        return None
    if any(map(chooses_ranks, starters)) or any(_environment_speaks_of_stdin(world.reader, pid) for pid in ancestors):
        return None
    return Stdin(link, _known(world, ancestors), _SAYS[rank.launcher], elsewhere)


def _of_openmpi(world: World, rank: RankView) -> Stdin | None:
    """Return the standard input of a rank of Open MPI if the launcher above it, on this node, reads /dev/null."""
    link = world.reader.link(f"{rank.top.pid}/fd/0")
    ancestors = world.ancestors(rank.top.pid)
    starter = next((pid for pid in ancestors if is_starter(read_command(world.reader, pid))), None)
    elsewhere = _openmpi_starter(world.reader, rank) if starter is None else None
    if isinstance(link, Unreadable) or not link.startswith("pipe:[") or (starter is None and elsewhere is None):
        return None
    if starter is not None and world.reader.link(f"{starter}/fd/0") != NOTHING:
        return None
    which = f"pid {starter}" if starter is not None else f"{elsewhere}"
    says = f"the standard input of Open MPI's launcher ({which}) is /dev/null, and it has not passed on its end"
    return Stdin(link, _known(world, ancestors), says, elsewhere)


def _openmpi_starter(reader: Reader, rank: RankView) -> str | None:
    """Return host and pid of a rank's mpiexec, as the namespace that Open MPI 5 gives its ranks names them."""
    data = reader.guarded(rank.top.pid, "environ")
    match = _NAMESPACE.match("" if isinstance(data, Unreadable) else parse_environ(data).get("PMIX_NAMESPACE", ""))
    return f"{match[1]}#{match[2]}" if match else None


def _known(world: World, pids: Sequence[int]) -> tuple[ProcessId, ...]:
    found = (world.process(pid) for pid in pids)
    return tuple(process for process in found if process is not None)


def feeds_others(reader: Reader, pid: int, command: Sequence[str]) -> bool:
    """Tell whether a launcher's command may feed other ranks than its launcher does by itself."""
    return chooses_ranks(command) or _environment_speaks_of_stdin(reader, pid)


def _hydra_starter(reader: Reader, pid: int, command: Sequence[str]) -> str | None:
    """Return where the mpiexec of a proxy listens; None if it is none, or does not tell.

    MPICH: `hydra_pmi_proxy --control-port HOST:PORT`. Intel MPI's says nothing, and is connected to its mpiexec, or on
    many nodes to another proxy.
    """
    options = dict(itertools.pairwise(command))
    if "--control-port" in options:
        return options["--control-port"]
    if not command or command[0].rpartition("/")[2] not in _PROXIES:
        return None
    peers = [each.peer for each in connections(reader, pid) if each.state == ESTABLISHED]
    return ",".join(peers) or None


def chooses_ranks(command: Sequence[str]) -> bool:
    """Tell whether a command line of Hydra's mpiexec may say which ranks get standard input."""
    if ":" in command:
        return _is_anywhere(command)
    at = 1
    while at < len(command) and command[at].startswith("-"):
        if hydraoptions.name(command[at]) in _CHOOSES_RANKS:
            return True
        following = hydraoptions.following(command[at])
        if following is None:  # then nobody knows which words are its own
            return _is_anywhere(command)
        at += 1 + following
    return False


def _is_anywhere(command: Sequence[str]) -> bool:
    return any(hydraoptions.name(word) in _CHOOSES_RANKS for word in command)


def is_starter(command: Sequence[str]) -> bool:
    """Tell whether a command line is that of a launcher's own command."""
    return bool(command) and command[0].rpartition("/")[2].startswith(_STARTERS)


def read_command(reader: Reader, pid: int) -> list[str]:
    """Return a process's command line; nothing if it cannot be read."""
    data = reader.guarded(pid, "cmdline")
    return [] if isinstance(data, Unreadable) else data.decode(errors="replace").rstrip("\0").split("\0")


def _environment_speaks_of_stdin(reader: Reader, pid: int) -> bool:
    data = reader.guarded(pid, "environ")
    names = {} if isinstance(data, Unreadable) else parse_environ(data)
    return any(name.startswith(("HYDRA_", "I_MPI_")) and "STDIN" in name for name in names)
