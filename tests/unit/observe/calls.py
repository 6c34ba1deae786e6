"""Threads as the files of a synthetic `/proc` show them: in which system call, and in which function of the kernel."""

from __future__ import annotations

from dataclasses import dataclass

WORD = 0x10000
"""Where the locks of synthetic processes lie."""
STACK_POINTER, INSTRUCTION = 0xFE_BF0B_DCA0, 0x7F3D_A60A_3E96
"""Of every synthetic thread; the stack lies low, for a sparse file has no room for the real address."""


@dataclass(frozen=True)
class Thread:
    """What a thread's files show."""

    syscall: str = "running\n"
    wchan: str = "0"
    state: str = "S"
    runs: int = 7
    ran_ms: float = 100_000.0


def call(number: int, *arguments: int) -> str:
    """Return a `syscall` line."""
    words = [*arguments, *[0] * (6 - len(arguments)), STACK_POINTER, INSTRUCTION]
    return f"{number} {' '.join(hex(word) for word in words)}\n"


def on_futex(
    address: int = WORD, operation: int = 0x189, value: int = 0, timeout: int = 0, wchan: str = "futex_do_wait"
) -> Thread:
    return Thread(call(202, address, operation, value, timeout, 0, 0xFFFFFFFF), wchan)


def in_wait4(pid: int) -> Thread:
    return Thread(call(61, pid & 0xFFFFFFFF, 0x7FFEBF0BDDFC), "do_wait")


def in_waitid(kind: int, number: int = 0) -> Thread:
    return Thread(call(247, kind, number, 0x7FFEBF0BDDFC, 4), "do_wait")


def in_poll(count: int, timeout: int = 0xFFFFFFFF, address: int = WORD) -> Thread:
    return Thread(call(7, address, count, timeout), "poll_schedule_timeout.constprop.0")


def in_epoll(timeout: int = 0xFFFFFFFF) -> Thread:
    return Thread(call(232, 3, WORD, 16, timeout), "ep_poll")


def asleep() -> Thread:
    return Thread(call(230, 0, 0, WORD, WORD), "hrtimer_nanosleep")


def working() -> Thread:
    return Thread(state="R")


def in_read(descriptor: int, wchan: str = "pipe_read") -> Thread:
    return Thread(call(0, descriptor, WORD, 1), wchan)


def in_write(descriptor: int, wchan: str = "pipe_write") -> Thread:
    return Thread(call(1, descriptor, WORD, 1), wchan)


def in_flock(descriptor: int) -> Thread:
    return Thread(call(73, descriptor, 2), "locks_lock_inode_wait")


def in_fcntl(descriptor: int, command: int = 7) -> Thread:
    """Return a thread in fcntl(2): command 7 is F_SETLKW, 38 F_OFD_SETLKW."""
    return Thread(call(72, descriptor, command, WORD), "fcntl_setlk")


def in_select(count: int, readers: int = 0, writers: int = 0, others: int = 0, timeout: int = 0) -> Thread:
    return Thread(call(23, count, readers, writers, others, timeout), "poll_schedule_timeout.constprop.0")
