"""A testbed seen from outside: make it, get into it, take it down. The module to begin with.

    with Testbed.up(3) as bed:                        # lives as long as this process at most
        subprocess.run(bed.command("node01", ["hostname"]))

    Testbed.up(3, is_detached=True)                   # lives until
    Testbed.find().down()

Behind it: beginning.py starts owner.py, which keeps the testbed; site.py is its first process and builds it; login.py
is the login node, node.py each of the others.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from hangprobe.errors.base import UnknownName
from hangprobe.errors.tools import TestbedMissing
from hangprobe.testbed import state
from hangprobe.testbed.beginning import Owner, begin, search_path
from hangprobe.testbed.ending import end
from hangprobe.testbed.layout import HOME, LOGIN, USERS, node_names, node_set

DEFAULT = "default"
HOSTS = "HANGPROBE_HOSTS"
"""The nodes on which `hangprobe run --nodes N` starts jobs."""
# What points at places and agents that are not inside.
_OUTSIDE_VARIABLES = ("TMPDIR", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "SLURM_CONF")
_IN_FOLDER = 'cd "$1" 2>/dev/null; shift; exec "$@"'


@dataclass(slots=True)
class Testbed:
    """A testbed that is up."""

    __test__ = False

    name: str
    folder: Path
    state: state.State
    owner: Owner | None = None  # None unless this process has made it

    @classmethod
    def up(
        cls,
        nodes: int,
        name: str = DEFAULT,
        *,
        shares: Iterable[Path] = (),
        has_slurm: bool = False,
        is_detached: bool = False,
    ) -> Self:
        """Make a testbed. Raises TestbedExists, NamespacesForbidden, ToolMissing, TestbedFailed.

        `shares`: folders below /tmp, /run or /dev/shm that are to be visible inside, besides the working directory.
        """
        folder = state.folder_of(name)
        owner = begin(name, folder, nodes, tuple(shares), has_slurm)
        bed = cls(name, folder, owner.state, owner)
        if is_detached:
            owner.detach()
        return bed

    @classmethod
    def find(cls, name: str = DEFAULT) -> Self:
        """Return a testbed that is up. Raises TestbedMissing."""
        folder = state.folder_of(name)
        known = state.read(folder)
        if known is None:
            raise TestbedMissing(name)
        return cls(name, folder, known)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return the host names of its nodes."""
        return node_names(self.state.nodes)

    def command(
        self, node: str, command: Sequence[str], cwd: Path | None = None, has_terminal: bool = False
    ) -> list[str]:
        """Return the command line that runs `command` on a node, by ssh, or on the login node. Raises UnknownName.

        It starts in `cwd` (None: this process's own) if that is visible there, else in the testbed's home.
        """
        where = str(cwd or Path.cwd())
        if node == LOGIN:
            return [*self._enter(where, variables=self._login_variables()), *command]
        if node not in self.nodes:
            raise UnknownName("node", node, [LOGIN, *self.nodes], "hangprobe testbed status")
        remote = f"cd {shlex.quote(where)} 2>/dev/null; exec {shlex.join(command)}"
        return [*self._enter(HOME), "ssh", *(["-t"] if has_terminal else []), node, remote]

    def administer(self, command: Sequence[str]) -> list[str]:
        """Return the command line that runs `command` as root of the testbed, on the login node: to cut a link, say.

        Links have names as nodes have numbers: `ip link set v2 down` cuts node02 off.
        """
        return [*self._enter(HOME, is_root=True), *command]

    def down(self) -> None:
        """Take it down, and see that nothing of it is left. Raises TestbedFailed."""
        if self.owner is not None:
            self.owner.let_go()
        end(self.folder, self.state)
        if self.owner is not None:
            self.owner.reap()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it down."""
        self.down()

    def _login_variables(self) -> dict[str, str]:
        """Name the nodes where jobs are started, unless the user has named some; nodes themselves offer none."""
        return {} if HOSTS in os.environ else {HOSTS: node_set(self.state.nodes)}

    def _enter(self, where: str, is_root: bool = False, variables: Mapping[str, str] | None = None) -> list[str]:
        site = str(self.state.site_pid)
        is_rootless = os.geteuid() != 0
        # the site's own table has the nodes' processes in it; its children's is login's
        words = ["nsenter", "-t", site, f"--pid=/proc/{site}/ns/pid_for_children", "-n", "-u", "-i", "-m"]
        words += ["-U", "--preserve-credentials", "--"] if is_rootless else ["--"]
        if is_rootless and not is_root:
            words += ["nsenter", f"--user={USERS}", "--preserve-credentials", "--"]
        # nsenter(1) waits outside; if it is killed, what it started must not stay
        words += ["setpriv", "--pdeathsig", "TERM", "--", "env"]
        words += [word for name in _OUTSIDE_VARIABLES for word in ("-u", name)]
        words += [f"{name}={value}" for name, value in (variables or {}).items()]
        return [*words, f"HOME={HOME}", f"PATH={search_path()}", "sh", "-c", _IN_FOLDER, "sh", where]
