"""`/proc` text to values.

Parsers are pure and never raise: a field that does not read as it should becomes None and leaves a problem that names
it, while the other fields keep their values. Formats: proc(5), Documentation/filesystems/proc.rst, fs/proc/base.c.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hangprobe.model import Unreadable

PF_FORKNOEXEC = 0x00000040
"""include/linux/sched.h: forked, but has not exec'd."""
PF_KTHREAD = 0x00200000
"""include/linux/sched.h: a kernel thread."""
DIGITS_MAX = 20
"""Of a 64-bit number; int() raises on very long ones."""
_MAPPED_NAME = re.compile(r" (?:/(?:[^\n]*/)?|(?=anon_inode:))([^/\n]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Stat:
    """Fields of `/proc/PID/stat` (or of a task's): identity, state and lineage."""

    comm: str | None
    state: str | None
    parent: int | None
    group: int | None
    session: int | None
    tty: int | None
    flags: int | None
    start_time: int | None
    thread_count: int | None = None
    size: int | None = None
    """Bytes of virtual memory."""
    stack_start: int | None = None
    """Where its stack begins; 0 is shown to those who may not trace it."""
    processor: int | None = None
    """The processor on which it ran last."""
    problems: tuple[Unreadable, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether no thread of it is left; a main thread may end before the others (pthread_exit(3))."""
        return self.state in {"Z", "X"} and self.thread_count in {None, 0, 1}

    @property
    def is_forked(self) -> bool | None:
        """Whether it was forked and never exec'd; None if the flags could not be read."""
        return None if self.flags is None else bool(self.flags & PF_FORKNOEXEC)


@dataclass(frozen=True, slots=True)
class Status:
    """Fields of `/proc/PID/status` that bear on waits: signals, tracer, namespaces."""

    caught: frozenset[int] | None
    blocked: frozenset[int] | None
    ignored: frozenset[int] | None
    tracer: int | None
    pids: tuple[int, ...] | None
    """Its pid in each PID namespace from that of this `/proc` down to its own (`NSpid`)."""
    voluntary_switches: int | None
    problems: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, slots=True)
class Mapping:
    """One line of `/proc/PID/maps`."""

    start: int
    end: int
    permissions: str
    device: str
    inode: int
    path: str

    @property
    def is_shared(self) -> bool:
        """Whether writes are seen by other processes that map the same file."""
        return self.permissions[3:4] == "s"


def parse_stat(text: str) -> Stat:
    """Parse `/proc/PID/stat`; `comm` may itself contain spaces and parentheses."""
    problems: list[Unreadable] = []
    opening, closing = text.find("("), text.rfind(")")
    has_comm = 0 < opening < closing
    if not has_comm:
        problems.append(Unreadable("stat comm", "no name in parentheses"))
    rest = text[closing + 1 :].split() if closing >= 0 else []
    state = rest[0] if rest else None
    if state is None or len(state) != 1 or not state.isalpha():
        problems.append(Unreadable("stat state", f"'{state}' is not a state"))
        state = None
    return Stat(
        comm=text[opening + 1 : closing] if has_comm else None,
        state=state,
        parent=_number(rest, 1, "stat ppid", problems),
        group=_number(rest, 2, "stat pgrp", problems),
        session=_number(rest, 3, "stat session", problems),
        tty=_number(rest, 4, "stat tty_nr", problems),
        flags=_number(rest, 6, "stat flags", problems),
        start_time=_number(rest, 19, "stat starttime", problems),
        thread_count=_number(rest, 17, "stat num_threads", problems),
        size=_number(rest, 20, "stat vsize", problems),
        stack_start=_number(rest, 25, "stat startstack", problems),
        processor=_number(rest, 36, "stat processor", problems),
        problems=tuple(problems),
    )


def parse_status(text: str) -> Status:
    """Parse the lines of `/proc/PID/status` that are needed; a missing line is a problem too."""
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    problems: list[Unreadable] = []

    def mask(name: str) -> frozenset[int] | None:
        value = _parsed(lines.get(name, "").strip(), 16)
        if value is None:
            problems.append(Unreadable(f"status {name}", f"'{lines.get(name, '').strip()}' is not a signal mask"))
            return None
        return frozenset(bit + 1 for bit in range(64) if value >> bit & 1)

    levels = lines.get("NSpid", "").split()
    pids = [pid for level in levels if (pid := _parsed(level, 10)) is not None]
    if not pids or len(pids) != len(levels):
        problems.append(Unreadable("status NSpid", f"'{' '.join(levels)}' is not a list of pids"))
    return Status(
        caught=mask("SigCgt"),
        blocked=mask("SigBlk"),
        ignored=mask("SigIgn"),
        tracer=_number([lines.get("TracerPid", "").strip()], 0, "status TracerPid", problems),
        pids=tuple(pids) if pids and len(pids) == len(levels) else None,
        voluntary_switches=_number(
            [lines.get("voluntary_ctxt_switches", "").strip()], 0, "status voluntary_ctxt_switches", problems
        ),
        problems=tuple(problems),
    )


def parse_run_count(text: str) -> int | Unreadable:
    """Return the third number of `schedstat`: how many times the task was given a processor.

    Zero is what a kernel without the statistics shows (Documentation/scheduler/sched-stats.rst), so it says nothing.
    """
    problems: list[Unreadable] = []
    count = _number(text.split(), 2, "schedstat run count", problems)
    if count is None:
        return problems[0]
    return count if count > 0 else Unreadable("schedstat run count", "this kernel does not count runs")


def parse_processor_times(text: str) -> tuple[float, float] | Unreadable:
    """Return the first two numbers of `schedstat` in seconds: on a processor, and waiting for one."""
    problems: list[Unreadable] = []
    words = text.split()
    spent_ns, waited_ns = _number(words, 0, "schedstat time", problems), _number(words, 1, "schedstat delay", problems)
    return problems[0] if spent_ns is None or waited_ns is None else (spent_ns / 1e9, waited_ns / 1e9)


def parse_call(text: str) -> tuple[int, ...] | Unreadable:
    """Parse `/proc/PID/task/TID/syscall`: number, six arguments, stack and instruction pointer (proc(5)).

    A running task shows `running`, one that is blocked outside a system call shows `-1` and two pointers: neither says
    what is waited for, and both are returned as unreadable.
    """
    words = text.split()
    if words == ["running"]:
        return Unreadable("syscall", "running")
    if len(words) != 9:
        return Unreadable("syscall", f"{len(words)} fields instead of 9")
    number = _parsed(words[0], 10)
    if number is None:
        return Unreadable("syscall number", f"'{words[0]}' is not a number")
    arguments: list[int] = []
    for index, word in enumerate(words[1:], 1):
        value = _parsed(word, 16) if word.startswith("0x") else None
        if value is None:
            return Unreadable(f"syscall word {index}", f"'{word}' is not a hexadecimal number")
        arguments.append(value)
    return (number, *arguments)


def parse_last_ran(text: str) -> float | Unreadable:
    """Return `se.exec_start` of a task's `sched`: when it last ran, in seconds of the scheduler clock."""
    for line in text.splitlines():
        if line.startswith("se.exec_start"):
            word = line.rpartition(":")[2].strip()
            try:
                value = float(word)
            except ValueError:
                break
            if 0 < value < 1e15:
                return value / 1000.0
            break
    return Unreadable("sched se.exec_start", "no such number")


def mapped_names(text: str) -> frozenset[str]:
    """Return the file names in `/proc/PID/maps`, without their folders: ten times as fast as parsing it."""
    return frozenset(_MAPPED_NAME.findall(text))


def parse_maps(text: str) -> tuple[list[Mapping], list[Unreadable]]:
    """Parse `/proc/PID/maps`; lines that do not read are problems, the others are kept."""
    mappings: list[Mapping] = []
    problems: list[Unreadable] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(None, 5)
        start, _, end = words[0].partition("-") if words else ("", "", "")
        first, last = _parsed(start, 16), _parsed(end, 16)
        inode = _parsed(words[4], 10) if len(words) > 4 else None
        if first is None or last is None or inode is None or last <= first or len(words[1]) != 4:
            problems.append(Unreadable(f"maps line {number}", f"'{line[:60]}' is not a mapping"))
            continue
        mappings.append(Mapping(first, last, words[1], words[3], inode, words[5] if len(words) > 5 else ""))
    return mappings, problems


def parse_environ(data: bytes) -> dict[str, str]:
    """Parse `/proc/PID/environ`: NUL-separated assignments as they were at exec; others are passed over."""
    pairs = (item.partition(b"=") for item in data.split(b"\0") if b"=" in item)
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, _, value in pairs}


def parse_numbers(text: str, what: str) -> tuple[list[int], list[Unreadable]]:
    """Parse a list of numbers such as `children`."""
    problems: list[Unreadable] = []
    values = [_number([word], 0, what, problems) for word in text.split()]
    return [value for value in values if value is not None], problems


def _parsed(word: str, base: int) -> int | None:
    """Return a plain non-negative (or, in base 10, negative) number; None for anything that the kernel never writes."""
    digits = word.removeprefix("0x") if base == 16 else word.removeprefix("-")
    if not digits or not digits.isascii() or not digits.isalnum():
        return None
    try:
        return int(word, base)
    except ValueError:
        return None


def _number(words: Sequence[str], index: int, what: str, problems: list[Unreadable]) -> int | None:
    if index < len(words) and len(words[index]) <= DIGITS_MAX and words[index].isascii() and words[index].isdigit():
        return int(words[index])
    value = _parsed(words[index], 10) if index < len(words) else None
    if value is None:
        problems.append(Unreadable(what, f"'{words[index]}' is not a number" if index < len(words) else "missing"))
    return value
