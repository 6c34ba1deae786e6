"""Which libraries a blocked thread is inside of, by the return addresses on its stack.

No unwinding: every word from the stack pointer (the last but one in `syscall`) upwards that points into executable
memory names a library. What an earlier call left behind only adds names, so "nothing but these libraries" is safe to
believe. Costs a third of a millisecond, needs no tool and does not stop the thread.
"""

from __future__ import annotations

import bisect
import re
import struct
from collections.abc import Sequence

from hangprobe.evidence import Code
from hangprobe.model import ThreadId, ThreadView, Unreadable
from hangprobe.observe.procfs import Mapping, parse_call
from hangprobe.observe.signals import RUNTIMES
from hangprobe.observe.world import World

STACK_MAX = 256 * 1024
"""Bytes of stack that are looked at; a thread of UCX uses 4 KB."""
NEAR = 4096
"""Bytes above the stack pointer that hold the frames a thread waits in."""
_BASE = re.compile(r"^(libc|libpthread|ld-linux[^/]*|libm)[.-]|^\[vdso\]$")
"""What every thread's stack may lead into: the C library that started it."""
_LOOPS = re.compile(r"^libevent(_core|_pthreads)?[.-]")
"""The event loop that PMIx and Open MPI use."""


def libraries(world: World, thread: ThreadId, stack_pointer: int, size: int = NEAR) -> tuple[str, ...] | Unreadable:
    """Return the names of files with code that the words above the stack pointer lead to, nearest first."""
    maps = world.maps(thread.process.pid)
    if isinstance(maps, Unreadable):
        return maps
    stack = next((mapping for mapping in maps if mapping.start <= stack_pointer < mapping.end), None)
    if stack is None:
        return Unreadable("stack", "its pointer is in no mapping")
    if size > NEAR and stack.end - stack_pointer > size:
        return Unreadable("stack", "too deep to be read whole")
    data = world.reader.memory(thread.process.pid, stack_pointer, min(size, stack.end - stack_pointer) & ~7)
    return data if isinstance(data, Unreadable) else _names(data, [each for each in maps if "x" in each.permissions])


def code_of(world: World, view: ThreadView) -> Code | None:
    """Return the libraries in which a thread waits; None if that cannot be read."""
    words, maps = parse_call(view.call or ""), world.maps(view.id.process.pid)
    if isinstance(words, Unreadable) or isinstance(maps, Unreadable):
        return None
    names = libraries(world, view.id, stack_pointer=words[7])
    at = next((mapping for mapping in maps if mapping.start <= words[8] < mapping.end), None)
    if isinstance(names, Unreadable) or at is None:
        return None
    return Code(view.id, tuple(dict.fromkeys((at.path.rpartition("/")[2] or "unnamed code", *names))))


def _names(data: bytes, code: Sequence[Mapping]) -> tuple[str, ...]:
    starts = [mapping.start for mapping in code]
    found: dict[str, None] = {}
    for (word,) in struct.iter_unpack("<Q", data[: len(data) & ~7]):
        at = bisect.bisect_right(starts, word) - 1
        if at >= 0 and word < code[at].end:
            found[code[at].path.rpartition("/")[2] or "unnamed code"] = None
    return tuple(found)


def is_runtime_helper(world: World, thread: ThreadId, stack_pointer: int) -> bool:
    """Tell whether a thread is one in which an MPI runtime waits: its whole stack is in that runtime and the C library.

    A thread that Python or the application started has a frame of its own at the bottom of its stack.
    """
    names = libraries(world, thread, stack_pointer, STACK_MAX)
    if isinstance(names, Unreadable):
        return False
    foreign = [name for name in names if not (_BASE.match(name) or _LOOPS.match(name) or RUNTIMES.match(name))]
    return not foreign and any(RUNTIMES.match(name) for name in names)
