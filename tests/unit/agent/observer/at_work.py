"""An observer at work without a network and without a job, and a node on which it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hangprobe.agent.observer import nodejob, observing, starter
from hangprobe.agent.observer.observing import Observer
from hangprobe.agent.observer.registry import Registry
from hangprobe.launch.proctree import Identity, Process
from tests.unit.observe.tree import HOST, ProcTree


class Line:
    """The connection to a head that says what a test has it say."""

    def __init__(self) -> None:
        self.is_connected = True
        self.is_gone = False
        self.said: list[Any] = []
        self.inbox: list[Any] = []
        self.is_new = False
        self.is_closed = False

    def fileno(self) -> int:
        return -1

    def send(self, body: object) -> None:
        self.said.append(body)

    def receive(self, timeout_s: float) -> list[Any]:
        taken, self.inbox = self.inbox, []
        return taken

    def has_reconnected(self) -> bool:
        is_new, self.is_new = self.is_new, False
        return is_new

    def is_head_gone(self) -> bool:
        return self.is_gone

    def close(self) -> None:
        self.is_closed = True


class Job:
    """What the job has on the node."""

    tag = "tag-1"

    def __init__(self) -> None:
        self.alive: list[Process] = [process(20, 10)]
        self.ended: list[float] = []
        self.left: list[Process] = []
        self.seen: set[int] = set()

    def see(self, seen: Iterable[Identity]) -> None:
        self.seen.update(pid for pid, _ in seen)

    def find(self) -> list[Process]:
        return self.alive

    def end(self, signum: int, linger_s: float, term_s: float, parents: Collection[object]) -> list[Process]:
        self.ended.append(term_s)
        return self.left


def process(pid: int, parent: int, name: str = "python", start: int = 7) -> Process:
    return Process(pid, parent, start, "S", 1, name)


class At:
    """An observer, with all that it is connected to and a clock that goes on only when a test says so."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.now_s = 100.0
        self.line, self.job = Line(), Job()
        self.link = folder / "link"
        self.link.write_text("")
        made = Observer(
            cast("Any", self.line), self.link, cast("Any", self.job), Registry(None), HOST, lambda: self.now_s, **more
        )
        made._alone_s = self.now_s
        self.observer = made

    def pass_by(self, seconds: float) -> bool:
        """Let the observer go its rounds; return whether the job was over within that time."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += 0.25
            self.observer._tick()
            if self.observer._is_over():
                return True
        return False


def watched(**more: Any) -> Any:
    fields: dict[str, Any] = {
        "judgement": None,
        "running": {0},
        "ranks": (1,),
        "findings": (),
        "contexts": {},
        "interval_s": 0.25,
        "scope_root": None,
        "inherited": None,
    }
    fields |= {"roots": SimpleNamespace(without=set()), "tick": lambda: False, "identities": list}
    return SimpleNamespace(**{**fields, **more})


class Node:
    """Processes of a node and their environments."""

    def __init__(self, tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tree = tree
        self.table: dict[int, Process] = {}
        self.commands: dict[int, bytes] = {}
        for module in (observing, starter):
            monkeypatch.setattr(module, "read_process", self.table.get)
        monkeypatch.setattr(observing, "list_processes", lambda: dict(self.table))
        monkeypatch.setattr(nodejob, "_command_line", lambda pid: self.commands.get(pid, b""))

    def add(self, pid: int, parent: int, name: str, **environment: str) -> None:
        self.table[pid] = process(pid, parent, name)
        self.tree.write(f"{pid}/environ", "".join(f"{key}={value}\0" for key, value in environment.items()))
