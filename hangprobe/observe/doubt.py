"""Why every thread of a process must be thought able to wake by itself, whatever it seems to wait for."""

from __future__ import annotations

from hangprobe.model import Barrier, Unreadable
from hangprobe.observe.world import World

IO_URING = "anon_inode:[io_uring]"
"""Its descriptor; a ring whose descriptor was closed (IORING_REGISTER_RING_FDS) still shows in `maps`."""


def doubt(world: World, pid: int) -> Unreadable | None:
    """Return what makes the waits of a process uncertain; None if nothing does."""
    if not world.is_settled:
        return Unreadable("", "the list of processes did not settle", Barrier.UNSETTLED)
    status = world.status(pid)
    if isinstance(status, Unreadable):
        return status
    if status.tracer != 0:
        tracer = f"traced by pid {status.tracer}" if status.tracer else "whether it is traced cannot be read"
        return Unreadable("", tracer)
    size = world.word_size(pid)
    if isinstance(size, Unreadable):
        return size
    if size != 8:
        return Unreadable("", "a 32-bit program: its system calls are not in the table")
    links = world.links(pid)
    if isinstance(links, Unreadable):
        return links
    if (problem := world.maps_problem(pid)) is not None:
        return problem
    if any(link.startswith(IO_URING) for link in links.values()) or IO_URING in world.names(pid):
        return Unreadable("", "has an io_uring")
    return None


def say(failed: Unreadable) -> str:
    """Return in words why a wait cannot be told."""
    return f"{failed.what}: {failed.why}" if failed.what else failed.why
