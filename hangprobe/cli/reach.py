"""How far a job is watched: on this node alone, or by observers on every node that it may run on."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hangprobe.agent.joint.linking import Link, tag_of
from hangprobe.errors.base import ExtraMissing, HangprobeError
from hangprobe.errors.jobs import LinkFileRefused
from hangprobe.launch.flavours import identify
from hangprobe.launch.insertion import PLACE, has_place, insert
from hangprobe.launch.spanning import spans_nodes
from hangprobe.model import Launcher

BY_NAME = {"srun": Launcher.SRUN, "parallel": Launcher.GNU_PARALLEL}
BY_VERSION = re.compile(r"(mpiexec|mpirun|prterun|aprun)([.-](hydra|mpich|openmpi|ompi|intel|impi|pals)\b.*)?")
"""Names of programs of which there are several makes: those are asked. A script like `mpirun_job.sh` is not: it might
start the job instead of saying what it is."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a job gets so that it can be watched."""

    tag: str
    """`HANGPROBE_JOB` in its environment; no other job has it."""
    link: Link | None = None
    """To the observers of other nodes; None: there are none."""

    @property
    def prefix(self) -> tuple[str, ...]:
        """What stands before the application on the launcher's command line."""
        return self.link.prefix if self.link is not None else ()

    @property
    def files(self) -> tuple[Path, ...]:
        """What must not outlive the job."""
        return (self.link.path,) if self.link is not None else ()


@contextmanager
def opened(name: str, folder: Path | None) -> Iterator[Reach]:
    """Give a job its tag and, with a folder that all of its nodes see, a link to observers there.

    Raises ExtraMissing, LinkFileRefused.
    """
    tag = tag_of(name)
    if folder is None:
        yield Reach(tag)
        return
    try:
        importlib.import_module("zmq")  # one that is there and cannot be loaded is as good as none
    except ImportError:
        raise ExtraMissing("pyzmq", "watching other nodes", "nodes") from None
    with Link(tag, folder) as link:
        yield Reach(tag, link)


@contextmanager
def around(
    command: Sequence[str],
    say: Callable[[str], None],
    is_wanted: bool = True,
    variables: Mapping[str, str] = os.environ,
) -> Iterator[tuple[tuple[str, ...], Reach]]:
    """Give a command of the user's observers, if its launcher is known and may start ranks on other nodes.

    Yields the command to run. Where observers cannot be had that is said, and the job runs without.
    """
    name = Path(command[0]).name
    bare = tuple(word for word in command if word != PLACE)
    with ExitStack() as stack:
        placed, reach = None, Reach(tag_of(name))
        launcher = launcher_of(command[0]) if is_wanted else Launcher.NONE
        if is_wanted and (has_place(command) or spans_nodes(command, launcher, variables, socket.gethostname())):
            try:
                reach = stack.enter_context(opened(name, shared_folder()))
                placed = insert(command, launcher, reach.prefix, variables)
                if placed is None:
                    stack.close()
                    say(f"other nodes are not watched: where does the application begin? write {PLACE} before it")
                    reach = Reach(reach.tag)
            except HangprobeError as error:
                say(f"other nodes are not watched: {error}")
        yield placed or bare, reach


def launcher_of(program: str) -> Launcher:
    """Return which launcher a program is; `none` if it is not one, or does not say so."""
    name = Path(program).name
    if name in BY_NAME:
        return BY_NAME[name]
    path = shutil.which(program) if BY_VERSION.fullmatch(name) else None
    try:
        return identify(path).launcher if path is not None else Launcher.NONE
    except HangprobeError:
        return Launcher.NONE


def shared_folder(variables: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for the link file, which every node must see: $HANGPROBE_LINKS, else the working directory.

    Raises LinkFileRefused if nothing can be written there.
    """
    folder = Path(variables.get("HANGPROBE_LINKS") or Path.cwd())
    if not os.access(folder, os.W_OK | os.X_OK):
        remedy = "set HANGPROBE_LINKS to a folder that you may write and all nodes share"
        raise LinkFileRefused(str(folder), "its folder cannot be written", remedy)
    return folder
