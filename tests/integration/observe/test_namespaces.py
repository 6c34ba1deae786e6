"""A job in a PID namespace of its own, seen from outside: the pids and TIDs that it uses are translated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hangprobe.model import ThreadView, WaitKind
from hangprobe.observe.reader import Reader
from hangprobe.observe.snapshot import collect
from hangprobe.observe.world import World

PROGRAM = Path(__file__).parents[2] / "programs" / "orphaned_lock.py"
UNSHARE = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--pid", "--fork", "--mount-proc"]

SUPERVISOR = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
"""Waits for the one child that it starts, by the pid that this has inside."""

pytestmark = pytest.mark.integration


@contextmanager
def family_inside() -> Iterator[dict[int, ThreadView]]:
    """Yield the main threads of a supervisor in a new namespace, of its program and of the program's blocked child."""
    command = [*UNSHARE, sys.executable, "-c", SUPERVISOR, sys.executable, str(PROGRAM), "lock", "stays"]
    outer = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert outer.stdout is not None
    try:
        assert outer.stdout.readline().strip().isdigit(), "the child says its pid inside"
        yield blocked_family(outer.pid)
    finally:
        world = World(Reader(), "node01")
        world.scan()
        for pid in world.descendants(outer.pid):
            with suppress(ProcessLookupError):  # with the first process of a namespace all others end
                os.kill(pid, signal.SIGKILL)
        outer.kill()
        outer.communicate()


def blocked_family(root: int) -> dict[int, ThreadView]:
    """Wait until the last descendant sleeps on a futex; return the main threads by pid."""
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        world = World(Reader(), "node01")
        world.scan()
        family = world.descendants(root)
        if len(family) == 3 and "futex" in Path(f"/proc/{family[-1]}/wchan").read_text():
            targets = [process for pid in family if (process := world.process(pid)) is not None]
            views = collect(World(Reader(), "node01"), targets, is_second=False).processes
            return {view.id.pid: thread for view in views for thread in view.threads if thread.id.is_main}
        os.sched_yield()
    raise AssertionError("no blocked child was seen")


def test_a_wait_for_a_child_names_the_child_as_it_is_known_outside() -> None:
    with family_inside() as family:
        supervisor, program, child = (family[pid] for pid in family)
    assert supervisor.wait is not None
    assert (supervisor.wait.kind, {waker.process for waker in supervisor.wait.wakers}) == (
        WaitKind.CHILD,
        {program.id.process},
    )
    assert child.wait is not None
    assert (child.wait.kind, child.wait.wakers) == (WaitKind.FUTEX_PRIVATE, frozenset())
