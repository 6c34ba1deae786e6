"""The options of Hydra's mpiexec (MPICH, Intel MPI), and how many words each takes.

Apart, because whoever reads a running launcher's command line and whoever writes into one need the same table. From
`mpiexec --help` and `mpiexec -OPTION -help`, tried with MPICH 5.0.2 and Intel MPI 2021.18. Left out on purpose:
`-configfile`, which holds whole command lines, and what Intel MPI starts instead of the application (`-gdb`, `-gtool`).
"""

from __future__ import annotations

_ONE = """
    n np ppn perhost grr f host hostfile hosts hosts-group machine machinefile rankmap wdir path gpath
    launcher launcher-exec bootstrap bootstrap-exec rmk bind-to binding map-by membind topolib cpu-bind demux iface
    genvlist envlist outfile-pattern errfile-pattern prepend-pattern s stdin usize order-nodes localhost nameserver
    gpus-per-proc memory-alloc-kinds tune
"""
_NONE = """
    l prepend-rank prepend-timestamp genvall genvnone envall envnone v verbose rr nolocal skip-launch-node
    enable-x disable-x disable-auto-cleanup enable-auto-cleanup disable-hostname-propagation
    enable-hostname-propagation print-all-exitcodes print-rank-map silent-abort prot pmi-port hybrid-hosts profile
"""
WORDS: dict[str, int] = {
    **dict.fromkeys(_ONE.split(), 1),
    **dict.fromkeys(_NONE.split(), 0),
    **dict.fromkeys(("genv", "env"), 2),
}
"""By name, without dashes: one or two of them are the same to Hydra."""


def name(word: str) -> str | None:
    """Return the name of the option that a word is, without dashes and an attached value; None if it is none."""
    return word.lstrip("-").partition("=")[0] if word.startswith("-") else None


def following(word: str) -> int | None:
    """Return how many words an option takes after its own (1: `-ppn 2`, 0: `-ppn=2`); None if it is not known."""
    count = WORDS.get(name(word) or "")
    if "=" not in word:
        return count
    return 0 if count == 1 else None
