"""Who can end a blocking read or write of a pipe (pipe(7))."""

from __future__ import annotations

from hangprobe.model import ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.holders import Holders
from hangprobe.observe.waits import descriptors
from hangprobe.observe.waits.shapes import Family, Shape


def resolve(thread: ThreadId, shape: Shape, holders: Holders) -> Wait | Unreadable:
    """Return the wait with its wakers, or why it must be taken for one that can end by itself."""
    link = holders.world.reader.link(f"{thread.process.pid}/task/{thread.tid}/fd/{shape.descriptor}")
    if isinstance(link, Unreadable):
        return link
    is_read = shape.family is Family.PIPE_READ
    ends = descriptors.read_end(thread, link, holders) if is_read else descriptors.write_end(thread, link, holders)
    if isinstance(ends, Unreadable):
        return ends
    kind = WaitKind.PIPE_READ if is_read else WaitKind.PIPE_WRITE
    return Wait(kind, link, ends.wakers, keepers=ends.keepers, assumes=ends.assumes)
