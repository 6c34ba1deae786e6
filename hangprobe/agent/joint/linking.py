"""The head's half of a job on several nodes: keys made for the job, an ear for its observers, and the words before it.

Made before the job is started: `prefix` stands before the application on the launcher's command line and names the
link file, from which an observer learns where the head listens and by which key to know it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from hangprobe.agent.link.admission import Counts, Peer
from hangprobe.agent.link.head import Head
from hangprobe.agent.link.keys import make_keys
from hangprobe.agent.link.linkfile import LinkFile
from hangprobe.agent.link.messages import OfHead, OfObserver
from hangprobe.agent.wrapping.words import prefix
from hangprobe.launch.proctree import read_process

JOB_LETTERS = 40
"""Of a job's name in its tag, which becomes part of a socket's name."""


def tag_of(name: str) -> str:
    """Return a tag that no other job has, on whatever node: it names sockets there, and marks the job's processes."""
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in name)
    return f"{kept[:JOB_LETTERS]}-{os.getpid()}-{secrets.token_hex(4)}"


class Link:
    """The observers of one job, as far as they have called; a context manager that leaves no file and no thread."""

    def __init__(self, tag: str, folder: Path, as_parent: bool = False, crew: Path | None = None) -> None:
        """Listen, and write the link file into a folder that all nodes see. Raises LinkFileRefused.

        `as_parent`: every rank gets an observer of its own for a parent, whether its node calls for that or not.
        `crew`: the folder of the marks of an ensemble's tasks.
        """
        keys = make_keys()
        itself, python_path = read_process(os.getpid()), os.environ.get("PYTHONPATH", "")
        self.path = (folder / f".hangprobe-{tag}").absolute()
        self._head = Head(tag, keys)
        try:
            LinkFile(
                job=tag,
                addresses=self._head.addresses,
                server_public=keys.server_public,
                client_public=keys.client_public,
                client_secret=keys.client_secret,
                head_host=socket.gethostname(),
                head_pid=os.getpid(),
                head_start_time=itself.start_time if itself else 0,
                python=sys.executable,
                as_parent=as_parent,
                crew=str(crew) if crew is not None else "",
                python_path=python_path if python_path.isprintable() else "",
            ).write(self.path)
        except BaseException:
            self._head.close()
            raise

    @property
    def prefix(self) -> tuple[str, ...]:
        """The words that stand before the application."""
        return prefix(self.path)

    @property
    def counts(self) -> Counts:
        """What came and was not taken in."""
        return self._head.counts

    def receive(self) -> list[tuple[Peer, OfObserver]]:
        """Return what has come since the last time; never waits."""
        return self._head.receive()

    def send(self, peer: Peer, body: OfHead) -> None:
        """Say something to an observer; never waits."""
        self._head.send(peer, body)

    def close(self) -> None:
        """Take the link file away, and listen no more: by these two an observer knows that the job is over."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        self._head.close()

    def __enter__(self) -> Self:
        """Return the link; it was opened when it was made."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()
