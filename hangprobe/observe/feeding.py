"""Which ranks have a standard input that nobody ever writes to or closes, because of how their launcher feeds ranks.

Hydra (MPICH, Intel MPI) forwards its own standard input to rank 0. The other ranks get a pipe or a socket whose other
end the proxy keeps open until the job ends (MPICH src/pm/hydra/proxy/pmip_cb.c), unless `-s` or `-stdin` names them.
Of other launchers nothing is said here.
"""

from __future__ import annotations

from collections.abc import Sequence

from hangprobe.model import Launcher, RankView, Stdin, Unreadable
from hangprobe.observe.procfs import parse_environ
from hangprobe.observe.reader import Reader
from hangprobe.observe.world import World

_SAYS = {
    Launcher.HYDRA: "MPICH's Hydra forwards its standard input to rank 0 only and keeps that of the others open",
    Launcher.INTEL: "Intel MPI's Hydra forwards its standard input to rank 0 only and keeps that of the others open",
}
_STARTERS = ("mpiexec", "mpirun")
_CHOOSES_RANKS = {"-s", "-stdin"}
_WITH_VALUE = {
    **dict.fromkeys(("-n", "-np", "-ppn", "-perhost", "-f", "-hostfile", "-machinefile", "-hosts", "-host"), 1),
    **dict.fromkeys(("-launcher", "-launcher-exec", "-bind-to", "-map-by", "-iface", "-rmk", "-wdir", "-genvlist"), 1),
    **dict.fromkeys(("-envlist", "-outfile-pattern", "-errfile-pattern"), 1),
    **dict.fromkeys(("-genv", "-env"), 2),
    **dict.fromkeys(("-l", "-prepend-rank", "-genvall", "-genvnone", "-envall", "-envnone", "-v", "-verbose"), 0),
}
"""Options of Hydra's mpiexec, and how many words they take; of a command with others every word is looked at."""


def endless_stdin(world: World, rank: RankView) -> Stdin | None:
    """Return a rank's standard input if its launcher is known never to feed it; `world` has been scanned."""
    if rank.launcher not in _SAYS or rank.rank == 0:
        return None
    link = world.reader.link(f"{rank.top.pid}/fd/0")
    ancestors = world.ancestors(rank.top.pid)
    starters = [argv for pid in ancestors if (argv := _command(world.reader, pid)) and _is_starter(argv)]
    if isinstance(link, Unreadable) or not link.startswith(("pipe:[", "socket:[")) or not starters:
        return None
    if any(map(chooses_ranks, starters)) or any(_environment_speaks_of_stdin(world.reader, pid) for pid in ancestors):
        return None
    known = (world.process(pid) for pid in ancestors)
    return Stdin(link, tuple(process for process in known if process is not None), _SAYS[rank.launcher])


def chooses_ranks(command: Sequence[str]) -> bool:
    """Tell whether a command line of Hydra's mpiexec may say which ranks get standard input."""
    if ":" in command:
        return any(_option(word) in _CHOOSES_RANKS for word in command)
    at = 1
    while at < len(command) and command[at].startswith("-"):
        option = _option(command[at])
        if option in _CHOOSES_RANKS:
            return True
        if option not in _WITH_VALUE:
            return any(_option(word) in _CHOOSES_RANKS for word in command)
        at += 1 + _WITH_VALUE[option]
    return False


def _option(word: str) -> str:
    return "-" + word.lstrip("-") if word.startswith("-") else word


def _is_starter(command: Sequence[str]) -> bool:
    return command[0].rpartition("/")[2].startswith(_STARTERS)


def _command(reader: Reader, pid: int) -> list[str]:
    data = reader.guarded(pid, "cmdline")
    return [] if isinstance(data, Unreadable) else data.decode(errors="replace").rstrip("\0").split("\0")


def _environment_speaks_of_stdin(reader: Reader, pid: int) -> bool:
    data = reader.guarded(pid, "environ")
    names = {} if isinstance(data, Unreadable) else parse_environ(data)
    return any(name.startswith(("HYDRA_", "I_MPI_")) and "STDIN" in name for name in names)
