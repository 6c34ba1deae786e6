"""Who can end a wait for a child: the threads of the children waited for (wait(2), pidfd_open(2)).

A wait for any child also ends with the child of a descendant that died (subreapers), with a tracee, and with a child
that another thread of the same process starts. The pid in the call is one of the waiter's own PID namespace.
"""

from __future__ import annotations

from hangprobe.model import ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.fdinfo import parse_descriptor
from hangprobe.observe.waits.shapes import PIDFD_LINKS, Children, Shape
from hangprobe.observe.world import World


def resolve(thread: ThreadId, shape: Shape, world: World) -> Wait | Unreadable:
    """Return the wait with its wakers, or why it must be taken for one that can end by itself."""
    if shape.children is Children.ANY:
        return _for_any(thread, world)
    pid = thread.process.pid
    is_pidfd = shape.children is Children.PIDFD
    target = _pidfd(thread, shape.target, world) if is_pidfd else _translated(pid, shape.target, world)
    return target if isinstance(target, Unreadable) else _for_one(pid, target, world)


def _translated(pid: int, child: int, world: World) -> int | Unreadable:
    """Return the pid by which this `/proc` knows what a process calls `child` (`NSpid`, proc(5))."""
    status = world.status(pid)
    if isinstance(status, Unreadable) or status.pids is None:
        return Unreadable("wait", f"the PID namespace of pid {pid} cannot be read")
    level = len(status.pids) - 1
    if level == 0:
        return child
    for candidate in world.children(pid):
        other = world.status(candidate)
        if isinstance(other, Unreadable) or other.pids is None:
            return Unreadable("wait", f"the PID namespace of pid {candidate} cannot be read")
        if len(other.pids) > level and other.pids[level] == child:
            return candidate
    return Unreadable("wait", f"pid {pid} has no child that it would call {child}")


def _for_one(pid: int, child: int, world: World) -> Wait | Unreadable:
    threads = living_threads(child, world)
    if isinstance(threads, Unreadable):
        return threads
    if child not in world.children(pid):
        return Unreadable("wait", f"pid {child} is not a child of pid {pid}")
    return Wait(WaitKind.CHILD, f"pid {child}", threads)


def _for_any(thread: ThreadId, world: World) -> Wait | Unreadable:
    pid = thread.process.pid
    sharers = world.sharers(pid)
    if isinstance(sharers, Unreadable):
        return sharers
    own = world.threads(pid)
    if isinstance(own, Unreadable):
        return own
    wakers = own - {thread}
    family = [*world.descendants(pid), *world.tracees(pid)]
    if not family:
        return Unreadable("wait", "waits for children, and none is to be seen")
    if (unseen := world.unseen_child(pid)) is not None:
        return Unreadable("wait", f"its child {unseen} is hidden")
    for process in (*family, *sharers):
        threads = living_threads(process, world)
        if isinstance(threads, Unreadable):
            return threads
        wakers |= threads
    return Wait(WaitKind.CHILD, f"any of pids {', '.join(map(str, sorted(set(family))))}", wakers)


def _pidfd(thread: ThreadId, number: int, world: World) -> int | Unreadable:
    """Return the pid that a pidfd stands for."""
    base = f"{thread.process.pid}/task/{thread.tid}"
    link, text = world.reader.link(f"{base}/fd/{number}"), world.reader.text(f"{base}/fdinfo/{number}")
    if isinstance(link, Unreadable) or isinstance(text, Unreadable):
        return link if isinstance(link, Unreadable) else Unreadable("pidfd", f"descriptor {number} cannot be read")
    if not link.startswith(PIDFD_LINKS):
        return Unreadable("pidfd", f"descriptor {number} is {link}, no pidfd")
    process = parse_descriptor(text).process
    return process if process and process > 0 else Unreadable("pidfd", f"descriptor {number} names no process")


def living_threads(pid: int, world: World) -> frozenset[ThreadId] | Unreadable:
    """Return the threads of a process whose end is waited for; one that has ended ends the wait too."""
    stat = world.stats.get(pid)
    if stat is None:
        return Unreadable("wait", f"pid {pid} is not to be seen")
    if stat.state is None or stat.has_ended:
        return Unreadable("wait", f"pid {pid} has ended: the wait will too")
    threads = world.threads(pid)
    return threads or Unreadable("wait", f"no thread of pid {pid} is to be seen")
