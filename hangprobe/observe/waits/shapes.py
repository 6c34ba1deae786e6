"""The words of `/proc/PID/task/TID/syscall` to the shape of a wait: which family, which object, with a time-out or not.

Pure. Numbers are those of arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h; on any other
machine, and for 32-bit programs, no call is known and every thread is live.

The kernel function in which the thread sleeps (`wchan`) must fit the call: a thread in a frozen cgroup still shows its
`read`, and waits in `get_signal`.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hangprobe.model import Unreadable

SYSCALLS: Mapping[str, Mapping[int, str]] = {
    "x86_64": {
        0: "read",
        1: "write",
        7: "poll",
        19: "read",  # readv
        20: "write",  # writev
        23: "select",
        35: "nanosleep",
        61: "wait4",
        72: "fcntl",
        73: "flock",
        202: "futex",
        230: "clock_nanosleep",
        232: "epoll_wait",
        247: "waitid",
        270: "pselect6",
        271: "ppoll",
        281: "epoll_pwait",
        441: "epoll_pwait2",
    },
    "aarch64": {
        22: "epoll_pwait",
        25: "fcntl",
        32: "flock",
        63: "read",
        64: "write",
        65: "read",  # readv
        66: "write",  # writev
        72: "pselect6",
        73: "ppoll",
        95: "waitid",
        98: "futex",
        101: "nanosleep",
        115: "clock_nanosleep",
        260: "wait4",
        441: "epoll_pwait2",
    },
}

SLEEPS_IN: Mapping[str, tuple[str, ...]] = {
    # futex_wait_queue_me until 5.15, futex_wait_queue until 6.13, futex_do_wait since (kernel/futex/waitwake.c)
    "futex": ("futex_wait", "futex_do_wait"),
    "child": ("do_wait", "kernel_wait"),
    # poll_schedule_timeout() is where fs/select.c sleeps for poll, ppoll, select and pselect6
    "poll": ("poll_schedule_timeout", "do_sys_poll", "do_poll", "do_select"),
    "epoll": ("ep_poll", "do_epoll_wait"),
    "sleep": ("hrtimer_nanosleep", "do_nanosleep", "common_nsleep"),
    # fs/pipe.c: pipe_wait until 5.4, pipe_wait_readable and pipe_wait_writable or inlined since, anon_pipe_* since 6.15
    "pipe-read": ("pipe_read", "anon_pipe_read", "pipe_wait_readable", "pipe_wait"),
    "pipe-write": ("pipe_write", "anon_pipe_write", "pipe_wait_writable", "pipe_wait"),
    # fs/locks.c: flock(2) sleeps in one, fcntl(2) in the others
    "file-lock": ("locks_lock_inode_wait", "flock_lock_inode_wait", "fcntl_setlk", "do_lock_file_wait"),
    # net/unix/af_unix.c
    "socket-read": ("unix_stream_read_generic", "unix_stream_data_wait"),
}

FUTEX_WAIT, FUTEX_WAIT_BITSET = 0, 9
FUTEX_PRIVATE, FUTEX_CLOCK_REALTIME = 128, 256
P_ALL, P_PID, P_PGID, P_PIDFD = 0, 1, 2, 3
F_SETLKW, F_OFD_SETLKW = 7, 38
PIDFD_LINKS = ("anon_inode:[pidfd]", "pidfd:")
"""What `/proc/PID/fd` shows: an anonymous inode until 6.8, a file system of its own since (fs/pidfs.c)."""


class Family(StrEnum):
    """Families of waits, as far as a system call shows them."""

    FUTEX = "futex"
    CHILD = "child"
    POLL = "poll"
    EPOLL = "epoll"
    SLEEP = "sleep"
    PIPE_READ = "pipe-read"
    PIPE_WRITE = "pipe-write"
    FILE_LOCK = "file-lock"
    SOCKET_READ = "socket-read"
    """Always live, for SO_RCVTIMEO cannot be seen; known because a launcher may give a socket as standard input."""


class FileLockKind(StrEnum):
    """The kinds of file locks, as `/proc/locks` names them."""

    FLOCK = "FLOCK"
    POSIX = "POSIX"
    OFD = "OFDLCK"


class Children(StrEnum):
    """Which children a wait is for."""

    ONE = "one"
    PIDFD = "pidfd"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Shape:
    """A wait as its system call shows it."""

    family: Family
    is_timed: bool
    address: int = 0
    """Of a futex word, or of a poll set."""
    is_private: bool = False
    expected: int = 0
    """The value that a futex wait compares with; the number of descriptors of a poll set."""
    children: Children = Children.ANY
    target: int = 0
    """A child's pid, or the number of a pidfd."""
    descriptor: int = 0
    """The descriptor that is read, written, locked, or that is an epoll's."""
    sets: tuple[int, ...] = ()
    """Addresses of the three bit sets of a select, 0 for one that is not given."""
    lock: FileLockKind | None = None


def machine() -> str:
    """Return the kernel's name for this machine."""
    return platform.machine()


def shape(words: Sequence[int], wchan: str, arch: str) -> Shape | Unreadable:
    """Return the shape of a wait, or why it must be taken for one that ends by itself."""
    table = SYSCALLS.get(arch)
    if table is None:
        return Unreadable("syscall", f"no table of system calls for {arch}")
    name = table.get(words[0])
    if name is None:
        return Unreadable("syscall", f"system call {words[0]} is not in the table of waits")
    found = _DECODERS[name](words[1:7])
    if isinstance(found, Unreadable):
        return found
    if found.family is Family.PIPE_READ and wchan.startswith(SLEEPS_IN["socket-read"]):
        return Shape(Family.SOCKET_READ, False, descriptor=found.descriptor)
    if not wchan.startswith(SLEEPS_IN[found.family.value]):
        where = "cannot be read" if wchan in {"", "0"} else f"is {wchan}"
        return Unreadable("wchan", f"in {name}, but the kernel function it sleeps in {where}")
    return found


def _futex(words: Sequence[int]) -> Shape | Unreadable:
    operation = words[1] & 0xFFFFFFFF
    command = operation & ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME)
    if command not in {FUTEX_WAIT, FUTEX_WAIT_BITSET}:
        return Unreadable("futex", f"operation {operation:#x} is not a plain wait")
    return Shape(
        Family.FUTEX,
        is_timed=words[3] != 0,
        address=words[0],
        is_private=bool(operation & FUTEX_PRIVATE),
        expected=words[2] & 0xFFFFFFFF,
    )


def _wait4(words: Sequence[int]) -> Shape:
    pid = _signed(words[0])
    return Shape(Family.CHILD, False, children=Children.ONE if pid > 0 else Children.ANY, target=max(pid, 0))


def _waitid(words: Sequence[int]) -> Shape | Unreadable:
    which, number = words[0] & 0xFFFFFFFF, words[1] & 0xFFFFFFFF
    kinds = {P_PID: Children.ONE, P_PIDFD: Children.PIDFD, P_ALL: Children.ANY, P_PGID: Children.ANY}
    if which not in kinds:
        return Unreadable("waitid", f"id type {which} is not known")
    return Shape(Family.CHILD, False, children=kinds[which], target=number if which in {P_PID, P_PIDFD} else 0)


def _poll(words: Sequence[int]) -> Shape:
    return Shape(Family.POLL, _signed(words[2]) >= 0, words[0], expected=words[1])


def _ppoll(words: Sequence[int]) -> Shape:
    # A signal mask makes the wait one for signals too: it is treated like a time-out.
    return Shape(Family.POLL, bool(words[2] or words[3]), words[0], expected=words[1])


def _select(words: Sequence[int]) -> Shape:
    return Shape(Family.POLL, words[4] != 0, expected=words[0] & 0xFFFFFFFF, sets=tuple(words[1:4]))


def _pselect(words: Sequence[int]) -> Shape:
    is_timed = bool(words[4] or words[5])
    return Shape(Family.POLL, is_timed, expected=words[0] & 0xFFFFFFFF, sets=tuple(words[1:4]))


def _epoll(words: Sequence[int]) -> Shape:
    return Shape(Family.EPOLL, _signed(words[3]) >= 0, descriptor=words[0] & 0xFFFFFFFF)


def _epoll_pwait(words: Sequence[int]) -> Shape:
    return Shape(Family.EPOLL, _signed(words[3]) >= 0 or words[4] != 0, descriptor=words[0] & 0xFFFFFFFF)


def _epoll_pwait2(words: Sequence[int]) -> Shape:
    return Shape(Family.EPOLL, bool(words[3] or words[4]), descriptor=words[0] & 0xFFFFFFFF)


def _read(words: Sequence[int]) -> Shape:
    return Shape(Family.PIPE_READ, False, descriptor=words[0] & 0xFFFFFFFF)


def _write(words: Sequence[int]) -> Shape:
    return Shape(Family.PIPE_WRITE, False, descriptor=words[0] & 0xFFFFFFFF)


def _flock(words: Sequence[int]) -> Shape:
    return Shape(Family.FILE_LOCK, False, descriptor=words[0] & 0xFFFFFFFF, lock=FileLockKind.FLOCK)


def _fcntl(words: Sequence[int]) -> Shape | Unreadable:
    kinds = {F_SETLKW: FileLockKind.POSIX, F_OFD_SETLKW: FileLockKind.OFD}
    command = words[1] & 0xFFFFFFFF
    if command not in kinds:
        return Unreadable("fcntl", f"command {command} is no wait for a lock")
    return Shape(Family.FILE_LOCK, False, descriptor=words[0] & 0xFFFFFFFF, lock=kinds[command])


def _sleep(words: Sequence[int]) -> Shape:
    return Shape(Family.SLEEP, True)


def _signed(word: int) -> int:
    low = word & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


_DECODERS = {
    "futex": _futex,
    "wait4": _wait4,
    "waitid": _waitid,
    "poll": _poll,
    "ppoll": _ppoll,
    "select": _select,
    "pselect6": _pselect,
    "epoll_wait": _epoll,
    "epoll_pwait": _epoll_pwait,
    "epoll_pwait2": _epoll_pwait2,
    "nanosleep": _sleep,
    "clock_nanosleep": _sleep,
    "read": _read,
    "write": _write,
    "flock": _flock,
    "fcntl": _fcntl,
}
