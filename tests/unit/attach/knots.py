"""A program that nobody can wake, on a node of other processes, and what is said of it once they are looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hangprobe.attach.attachment import Attachment
from hangprobe.attach.sparing import Sparing
from hangprobe.judgement import Judgement, RankVerdict
from hangprobe.model import Verdict
from hangprobe.observe import holders, kcmp, trees
from hangprobe.observe.trees import INIT, Tree
from hangprobe.observe.waits import shapes
from hangprobe.observe.world import Lasting
from hangprobe.policy import Policy
from hangprobe.record import Look
from tests.unit.observe.calls import Thread, in_read, in_wait4, working
from tests.unit.observe.opened import Open, reads, writes
from tests.unit.observe.tree import ARCH, HOST, NOW_S, ProcTree, clocks, with_stat_field

SERVICE, PARENT, TOP, CHILD, OTHER = 50, 100, 200, 210, 300
POLICY = Policy(has_stacks=False)
NOBODY: frozenset[int] = frozenset()
SIGCHLD = 1 << 16
RANK = {"PMI_RANK": "0", "PMI_SIZE": "1"}


def bare_node(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ProcTree:
    """Return a node on which only init runs, and every starter is what its name says."""
    monkeypatch.setattr(holders, "_has_count", True)
    monkeypatch.setattr(kcmp, "_ask", told)
    monkeypatch.setattr(os, "getpid", lambda: 4242)
    monkeypatch.setattr(shapes, "machine", lambda: ARCH)
    monkeypatch.setattr(trees, "is_own", lambda pid: True)
    monkeypatch.setattr(trees, "runs", lambda pid, name: True)
    tree = ProcTree(folder / "proc")
    add(tree, INIT, 0, working(), comm="systemd")
    return tree


def told(first: int, second: int, kind: int, one: int, other: int) -> int:
    """Answer for kcmp(2): threads share their descriptors, and no two processes their memory."""
    if kind == kcmp.KCMP_FILES or first == second:
        return 0
    return 1 if first < second else 2


def add(tree: ProcTree, pid: int, parent: int, *threads: Thread, group: int | None = None, **more: object) -> None:
    """Put a process on the node that leads a session, and a group if none is given."""
    tree.add(pid, threads, parent=parent, **more)  # type: ignore[arg-type]
    stat = (tree.root / f"{pid}/stat").read_text()
    tree.write(f"{pid}/stat", with_stat_field(with_stat_field(stat, 5, group or pid), 6, group or pid))


def knot(
    tree: ProcTree, parent: int, *beside: Thread, environment: dict[str, str] | None = None, group: int | None = None
) -> None:
    """Put a program on the node that waits for its child, which nobody can wake; `beside` are its other threads."""
    links: dict[int, str | Open] = {6: reads(9)}
    add(tree, TOP, parent, in_wait4(CHILD), *beside, environment=environment, group=group, links=links)
    add(tree, CHILD, TOP, in_read(3), is_forked=True, links={3: reads(7), 4: writes(7)})


def look_at(tree: ProcTree, pid: int = TOP) -> Look:
    """Return a look at one tree, judged as if there was nothing around it."""
    looks: list[Look] = []

    def keep(look: Look) -> Judgement:
        looks.append(look)
        return look.judgement

    Attachment(
        tree=Tree((tree.id(pid),)),
        policy=POLICY,
        host=HOST,
        reader=tree.reader(),
        lasting=Lasting(clocks=clocks()),
        spare=keep,
        clock=lambda: NOW_S,
        sleep=lambda s: None,
    ).look()
    return looks[0]


def spared(tree: ProcTree, look: Look, askers: frozenset[int] | None = NOBODY) -> Judgement:
    return Sparing(
        askers=askers,
        policy=POLICY,
        host=HOST,
        reader=tree.reader(),
        lasting=Lasting(clocks=clocks()),
        clock=lambda: NOW_S,
        sleep=lambda s: None,
    )(look)


def verdict_on(tree: ProcTree, askers: frozenset[int] | None = NOBODY, pid: int = TOP) -> RankVerdict:
    """Return what is said of a tree that looks hung by itself."""
    look = look_at(tree, pid)
    assert look.judgement.verdict is Verdict.HANG
    (found,) = spared(tree, look, askers).ranks
    return found


def shell(tree: ProcTree, pid: int, *, waits_for: int) -> None:
    """Put a shell on the node that waits for a command, and would be told of any other child's end."""
    waiting = in_wait4(waits_for)
    add(tree, pid, INIT, waiting, comm="sh", command=["sh", "run.sh"], caught=SIGCHLD)
    tree.write(f"{pid}/syscall", waiting.syscall)
    tree.write(f"{pid}/wchan", waiting.wchan)
