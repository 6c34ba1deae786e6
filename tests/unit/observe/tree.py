"""A synthetic `/proc` in a folder: written in the kernel's own formats, with captured files as templates."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from hangprobe.model import ProcessId, ThreadView, Unreadable
from hangprobe.observe.census import Scope
from hangprobe.observe.clocks import Clocks
from hangprobe.observe.holders import INITIAL_PID_NAMESPACE
from hangprobe.observe.procfs import PF_FORKNOEXEC
from hangprobe.observe.reader import Reader
from hangprobe.observe.snapshot import collect
from hangprobe.observe.world import Lasting, World

from .calls import Thread
from .opened import MOUNTS, Open, opened

CAPTURES = Path(__file__).parents[2] / "data" / "proc"
HOST = "node01"
T = TypeVar("T")
ARCH = "x86_64"
NOW_S = 3746.558412
"""What the processor's clock showed when the files were captured."""
STAT_PPID, STAT_TTY, STAT_FLAGS, STAT_THREADS, STAT_START, STAT_VSIZE, STAT_STACK = 4, 7, 9, 20, 22, 23, 28
"""Numbers of the fields of `stat` in proc(5)."""
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


def auxv(*, is_64_bit: bool = True) -> bytes:
    """Return an auxiliary vector: AT_PAGESZ, AT_PHENT, AT_NULL."""
    return struct.pack("<6Q", 6, 4096, 4, 56, 0, 0) if is_64_bit else struct.pack("<6I", 6, 4096, 4, 32, 0, 0)


def clocks() -> Clocks:
    """Return processors whose clocks all show what the captured process's own showed."""
    return Clocks(lambda: NOW_S, lambda: NOW_S, lambda pid, processors: None, lambda pid: {0})


def plain(found: T) -> T | Unreadable:
    """Return a failed read by its words alone."""
    return Unreadable(found.what, found.why) if isinstance(found, Unreadable) else found


class FailingReader(Reader):
    """A reader for which some paths, and what lies below them, cannot be read."""

    def __init__(self, root: str, failing: Mapping[str, str]) -> None:
        super().__init__(root)
        self.failing = failing

    def _failed(self, path: str) -> Unreadable | None:
        reasons = [why for failing, why in self.failing.items() if f"{path}/".startswith(f"{failing}/")]
        return Unreadable(path, reasons[0]) if reasons else None

    def read(self, path: str) -> bytes | Unreadable:
        """Return a file's content."""
        return self._failed(path) or super().read(path)

    def link(self, path: str) -> str | Unreadable:
        """Return where a link points."""
        return self._failed(path) or super().link(path)

    def names(self, path: str) -> list[str] | Unreadable:
        """Return the names in a folder."""
        return self._failed(path) or super().names(path)

    def memory_now(self, pid: int, address: int, size: int) -> bytes | Unreadable:
        """Return memory."""
        return self._failed(f"{pid}/mem") or super().memory_now(pid, address, size)


class ProcTree:
    """A folder that reads like `/proc`, and answers for what the kernel is asked beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.failing: dict[str, str] = {}
        """Paths that cannot be read, and why."""
        self.scope: Scope | None = None
        self.peers: dict[int, int] | Unreadable = {}
        """Inodes of the peers of connected unix sockets."""
        self.same_files: dict[frozenset[int], bool | None] = {}
        """What kcmp(2) says of two threads' tables of descriptors; True for every pair that is not named."""
        self.same_file: dict[tuple[int, int, int, int], bool | None] = {}
        """What kcmp(2) says of two descriptors; False for all that are not named."""
        (root / "self").mkdir(parents=True)
        (root / "self/ns").mkdir()
        (root / "self/ns/pid").symlink_to(INITIAL_PID_NAMESPACE)
        self.write("self/mountinfo", "22 28 0:21 / /proc rw,nosuid,nodev,noexec - proc proc rw\n")
        self.write("locks", "")

    def reader(self) -> Reader:
        return FailingReader(str(self.root), self.failing)

    def world(self, same_memory: Mapping[frozenset[int], bool | None] | None = None) -> World:
        """Return one collect's view; `same_memory` answers for kcmp(2), False for every pair that it does not name."""
        answers = same_memory or {}
        return World(
            self.reader(),
            HOST,
            ARCH,
            same_memory=lambda first, second: answers.get(frozenset({first, second}), False),
            same_files=lambda first, second: self.same_files.get(frozenset({first, second}), True),
            same_file=lambda *asked: self.same_file.get(asked, False),
            socket_peers=lambda: self.peers,
            scope=self.scope,
            lasting=Lasting(clocks=clocks()),
        )

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
        task_pids: Mapping[int, str] | None = None,
        thread_count: int | None = None,
        flags: int = 0,
        is_64_bit: bool = True,
        maps: Sequence[str] = (HEAP, LIBPYTHON),
        links: Mapping[int, str | Open] | None = None,
        tables: Mapping[int, Mapping[int, str | Open]] | None = None,
        mounts: str = MOUNTS,
        timers: str = "",
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = ("python", "app.py"),
    ) -> None:
        """Write all files of a process; `threads` in order have the TIDs pid, pid + 1, ...

        `tables` are those of threads with descriptors of their own, `task_pids` their numbers in PID namespaces.
        """
        files = capture("child-on-python-lock")
        stat = files["stat"].decode().replace("(python)", f"({comm})").replace("12842 ", f"{pid} ", 1)
        values = {
            STAT_PPID: parent,
            STAT_TTY: tty,
            STAT_FLAGS: flags | (PF_FORKNOEXEC if is_forked else 0),
            STAT_THREADS: len(threads) if thread_count is None else thread_count,
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
        (self.root / str(pid) / "fd").symlink_to(f"task/{pid}/fd")
        for tid, thread in numbered.items():
            base = f"{pid}/task/{tid}"
            self.write(f"{base}/stat", with_stat_field(stat, 3, thread.state))
            own = (task_pids or {}).get(tid)
            self.write(f"{base}/status", status if own is None else with_status_line(status, "NSpid", own))
            self.write(f"{base}/mountinfo", mounts)
            self.write(f"{base}/maps", "\n".join(maps) + "\n")
            self.write(f"{base}/auxv", auxv(is_64_bit=is_64_bit))
            self.write(f"{base}/children", "")
            self.links(base, (tables or {}).get(tid, links or {}))
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

    def links(self, base: str, links: Mapping[int, str | Open]) -> None:
        """Make the symbolic links of a thread's `fd` folder, and the files of `fdinfo`."""
        (self.root / base / "fd").mkdir(parents=True)
        for number, target in links.items():
            each = target if isinstance(target, Open) else opened(target)
            (self.root / base / "fd" / str(number)).symlink_to(each.link)
            self.write(f"{base}/fdinfo/{number}", each.info)

    def put(self, case: str) -> int:
        """Add a captured process with one thread under its own pid; return that."""
        files = capture(case)
        pid = int(files["stat"].split()[0])
        base = f"{pid}/task/{pid}"
        for name in ("stat", "status", "timers", "cmdline", "environ"):
            self.write(f"{pid}/{name}", files[name])
        for name in ("stat", "status", "syscall", "schedstat", "sched", "wchan", "maps", "auxv", "children"):
            self.write(f"{base}/{name}", files[name])
        self.links(base, {0: "/dev/null", 1: "/dev/null", 2: "/dev/null"})
        return pid

    def remember(self, pid: int, address: int, data: bytes) -> None:
        """Put `data` at an address of a process's memory."""
        path = self.root / str(pid) / "mem"
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(address)
            file.write(data)

    def refuse(self, path: str, why: str = "not permitted") -> None:
        """Let a path, and all below it, be unreadable."""
        self.failing[path] = why

    def remove(self, pid: int) -> None:
        """Let a process be gone."""
        shutil.rmtree(self.root / str(pid))


def seen(tree: ProcTree, pid: int = 100, tid: int | None = None) -> ThreadView:
    """Return a thread as one collect of its process shows it."""
    snapshot = collect(tree.world(), [tree.id(pid)], is_second=False)
    views = {thread.id.tid: thread for process in snapshot.processes for thread in process.threads}
    return views[pid if tid is None else tid]


def mutex(owner: int, *, lock: int = 2, count: int = 0, users: int = 1, kind: int = 2) -> bytes:
    """Return a `pthread_mutex_t` (glibc, 64-bit); kind 0 normal, 1 recursive, 2 errorcheck, 3 adaptive."""
    return struct.pack("<IIIIi", lock, count, owner, users, kind) + bytes(20)
