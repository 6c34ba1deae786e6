"""A synthetic `/proc` in a folder: written in the kernel's own formats, with captured files as templates."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hangprobe.model import ProcessId
from hangprobe.observe.procfs import PF_FORKNOEXEC
from hangprobe.observe.reader import Reader
from hangprobe.observe.world import World

CAPTURES = Path(__file__).parents[2] / "data" / "proc"
HOST = "node01"
ARCH = "x86_64"
STAT_PPID, STAT_TTY, STAT_FLAGS, STAT_START, STAT_VSIZE, STAT_STACK = 4, 7, 9, 22, 23, 28
"""Numbers of the fields of `stat` in proc(5)."""
WORD = 0x10000
"""Where the locks of synthetic processes lie."""
HEAP = "00010000-00020000 rw-p 00000000 00:00 0                          [heap]"
LIBPYTHON = "7f0000000000-7f0000100000 r-xp 00000000 fe:00 42                         /opt/app/lib/libpython3.11.so.1.0"


@cache
def capture(case: str) -> dict[str, bytes]:
    """Return the files of a captured process."""
    return {file.name: file.read_bytes() for file in (CAPTURES / case).iterdir()}


def with_stat_field(text: str, number: int, value: object) -> str:
    """Replace a field of `stat` by its number in proc(5); the fields from the third on."""
    head, closing, rest = text.rpartition(")")
    words = rest.split()
    words[number - 3] = str(value)
    return f"{head}{closing} {' '.join(words)}\n"


def with_status_line(text: str, name: str, value: object) -> str:
    """Replace a line of `status`."""
    lines = [f"{name}:\t{value}" if line.startswith(f"{name}:") else line for line in text.splitlines()]
    return "\n".join(lines) + "\n"


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
    words = [*arguments, *[0] * (6 - len(arguments)), 0x7FFEBF0BDCA0, 0x7F3DA60A3E96]
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


def auxv(*, is_64_bit: bool = True) -> bytes:
    """Return an auxiliary vector: AT_PAGESZ, AT_PHENT, AT_NULL."""
    return struct.pack("<6Q", 6, 4096, 4, 56, 0, 0) if is_64_bit else struct.pack("<6I", 6, 4096, 4, 32, 0, 0)


class ProcTree:
    """A folder that reads like `/proc`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "self").mkdir(parents=True)
        shutil.copy(CAPTURES / "self" / "sched", root / "self" / "sched")

    def reader(self) -> Reader:
        return Reader(str(self.root))

    def world(self, same_memory: Mapping[frozenset[int], bool | None] | None = None) -> World:
        """Return one collect's view; `same_memory` answers for kcmp(2), False for every pair that it does not name."""
        answers = same_memory or {}
        return World(self.reader(), HOST, ARCH, lambda first, second: answers.get(frozenset({first, second}), False))

    def scanned(self, same_memory: Mapping[frozenset[int], bool | None] | None = None) -> World:
        world = self.world(same_memory)
        world.scan()
        return world

    def id(self, pid: int) -> ProcessId:
        found = self.scanned().process(pid)
        assert found is not None
        return found

    def write(self, path: str, content: str | bytes) -> Path:
        """Write a file below the root, in place, so that open descriptors see it."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def add(
        self,
        pid: int,
        threads: Sequence[Thread] | Mapping[int, Thread] = (Thread(),),
        *,
        parent: int = 1,
        comm: str = "python",
        state: str = "S",
        is_forked: bool = False,
        start: int | None = None,
        tty: int = 0,
        vsize: int = 12_943_360,
        stack: int | None = None,
        caught: int = 0,
        tracer: int = 0,
        namespaces: str | None = None,
        is_64_bit: bool = True,
        maps: Sequence[str] = (HEAP, LIBPYTHON),
        links: Mapping[int, str] | None = None,
        timers: str = "",
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = ("python", "app.py"),
    ) -> None:
        """Write all files of a process; `threads` in order have the TIDs pid, pid + 1, ..."""
        files = capture("child-on-python-lock")
        stat = files["stat"].decode().replace("(python)", f"({comm})").replace("12842 ", f"{pid} ", 1)
        values = {
            STAT_PPID: parent,
            STAT_TTY: tty,
            STAT_FLAGS: PF_FORKNOEXEC if is_forked else 0,
            STAT_START: 1000 + pid if start is None else start,
            STAT_VSIZE: vsize,
            STAT_STACK: self._stack(pid, parent, is_forked) if stack is None else stack,
        }
        for number, value in values.items():
            stat = with_stat_field(stat, number, value)
        status = files["status"].decode()
        lines = {"SigCgt": f"{caught:016x}", "TracerPid": tracer, "NSpid": pid if namespaces is None else namespaces}
        for name, text in lines.items():
            status = with_status_line(status, name, text)
        self.write(f"{pid}/stat", with_stat_field(stat, 3, state))
        self.write(f"{pid}/status", status)
        self.write(f"{pid}/timers", timers)
        self.write(f"{pid}/cmdline", "".join(f"{word}\0" for word in command))
        self.write(f"{pid}/environ", "".join(f"{name}={value}\0" for name, value in (environment or {}).items()))
        numbered = threads if isinstance(threads, Mapping) else {pid + i: each for i, each in enumerate(threads)}
        (self.root / str(pid) / "task").mkdir()
        for tid, thread in numbered.items():
            base = f"{pid}/task/{tid}"
            self.write(f"{base}/stat", with_stat_field(stat, 3, thread.state))
            self.write(f"{base}/status", status)
            self.write(f"{base}/maps", "\n".join(maps) + "\n")
            self.write(f"{base}/auxv", auxv(is_64_bit=is_64_bit))
            self.write(f"{base}/children", "")
            self.links(f"{base}/fd", links or {})
            self.thread(pid, tid, thread)

    def _stack(self, pid: int, parent: int, is_forked: bool) -> int:
        """Return where the stack starts: a fork has it from its parent, an exec draws another one."""
        stat = self.root / str(parent) / "stat"
        if is_forked and stat.exists():
            return int(stat.read_text().rpartition(")")[2].split()[STAT_STACK - 3])
        return 0x7000_0000 + pid

    def thread(self, pid: int, tid: int, thread: Thread) -> None:
        """Write what a thread does now."""
        base = f"{pid}/task/{tid}"
        self.write(f"{base}/syscall", thread.syscall)
        self.write(f"{base}/wchan", thread.wchan)
        self.write(f"{base}/schedstat", f"831801 0 {thread.runs}\n")
        self.write(f"{base}/sched", f"python ({tid}, #threads: 1)\nse.exec_start  :  {thread.ran_ms:.6f}\n")

    def links(self, path: str, links: Mapping[int, str]) -> None:
        """Make the symbolic links of a `fd` folder."""
        (self.root / path).mkdir(parents=True)
        for number, target in links.items():
            (self.root / path / str(number)).symlink_to(target)

    def put(self, case: str) -> int:
        """Add a captured process with one thread under its own pid; return that."""
        files = capture(case)
        pid = int(files["stat"].split()[0])
        base = f"{pid}/task/{pid}"
        for name in ("stat", "status", "timers", "cmdline", "environ"):
            self.write(f"{pid}/{name}", files[name])
        for name in ("stat", "status", "syscall", "schedstat", "sched", "wchan", "maps", "auxv", "children"):
            self.write(f"{base}/{name}", files[name])
        self.links(f"{base}/fd", {0: "/dev/null", 1: "/dev/null", 2: "/dev/null"})
        return pid

    def remember(self, pid: int, address: int, data: bytes) -> None:
        """Put `data` at an address of a process's memory."""
        path = self.root / str(pid) / "mem"
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(address)
            file.write(data)

    def remove(self, pid: int) -> None:
        """Let a process be gone."""
        shutil.rmtree(self.root / str(pid))


def mutex(owner: int, *, lock: int = 2, count: int = 0, users: int = 1, kind: int = 2) -> bytes:
    """Return a `pthread_mutex_t` (glibc, 64-bit); kind 0 normal, 1 recursive, 2 errorcheck, 3 adaptive."""
    return struct.pack("<IIIIi", lock, count, owner, users, kind) + bytes(20)
