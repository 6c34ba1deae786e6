"""What this user may see of processes: tried on two that are started for it."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from hangprobe.doctor.asking import Asker
from hangprobe.doctor.facts import ProcessFacts, Reads, StacksFacts
from hangprobe.doctor.gather.subjects import CHILD, ORPHAN, is_descendant, waiting
from hangprobe.model import ProcessId, Unreadable
from hangprobe.observe import kcmp
from hangprobe.observe.fdinfo import parse_descriptor, parse_mounts
from hangprobe.observe.holders import INITIAL_PID_NAMESPACE
from hangprobe.observe.procfs import parse_call, parse_maps, parse_run_count
from hangprobe.observe.reader import Reader
from hangprobe.observe.stacks import find_py_spy, python_stacks
from hangprobe.observe.waits.shapes import machine, shape

TASK_FILES = ("stat", "status", "syscall", "wchan", "schedstat", "sched")
FILES = ("maps", "environ", "timers", "mem", "fd", "fdinfo")
CAP_SYS_PTRACE = 19
"""linux/capability.h."""
STACK_LIMIT_S = 2.0


def process_facts() -> ProcessFacts:
    """Return what may be seen of a child and of a stranger, and the settings that decide it."""
    reader = Reader()
    with waiting(CHILD) as child, waiting(ORPHAN) as stranger:
        return ProcessFacts(
            is_root=os.geteuid() == 0,
            has_ptrace_capability=bool(int(_status_field("CapEff") or "0", 16) >> CAP_SYS_PTRACE & 1),
            yama=_number("/proc/sys/kernel/yama/ptrace_scope"),
            seccomp=int(_status_field("Seccomp") or "0"),
            child=reads(reader, child),
            stranger=reads(reader, stranger),
            is_stranger=not is_descendant(stranger),
            kcmp=_kcmp(child),
            proc_options=_proc_options(reader),
            sees_init=not isinstance(reader.stat(1), Unreadable),
            is_initial_namespace=_is_initial(reader),
            has_timer_list=not isinstance(reader.text("timer_list"), Unreadable),
            counts_files_in_flight=_counts_files_in_flight(reader),
        )


def stacks_facts(asker: Asker) -> StacksFacts:
    """Return which py-spy there is, and whether it reads the stack of a child."""
    path = find_py_spy()
    if path is None:
        return StacksFacts(None, "", "")
    version = asker.ask(path, "--version").first_line
    with waiting(CHILD) as child:
        stat = Reader().stat(child)
        start_time = None if isinstance(stat, Unreadable) else stat.start_time
        found, failed = python_stacks([ProcessId("", child, start_time or 0)], STACK_LIMIT_S)
    why = failed[0].why if failed else "it shows no stack of a Python that waits in a read"
    return StacksFacts(path, version, "" if found else why)


def reads(reader: Reader, pid: int) -> Reads:
    """Read of a process all that a proof may need."""
    failed: dict[str, str] = {}
    for name in TASK_FILES:
        _note(failed, name, reader.text(f"{pid}/task/{pid}/{name}"))
    for name in FILES:
        _note(failed, name, _read(reader, pid, name))
    schedstat = reader.text(f"{pid}/task/{pid}/schedstat")
    if "schedstat" not in failed and isinstance(schedstat, str):
        _note(failed, "schedstat", parse_run_count(schedstat))
    return Reads(failed, _wait(reader, pid))


def _note(failed: dict[str, str], name: str, found: object) -> None:
    if isinstance(found, Unreadable):
        failed[name] = found.why


def _read(reader: Reader, pid: int, name: str) -> object:
    """Read one thing of a process; memory at the start of its first mapping, which is always there."""
    if name in {"fd", "fdinfo"}:
        return reader.link(f"{pid}/fd/0") if name == "fd" else reader.text(f"{pid}/fdinfo/0")
    if name != "mem":
        return reader.guarded(pid, name)
    maps = reader.guarded(pid, "maps")
    if isinstance(maps, Unreadable):
        return maps
    mappings, _ = parse_maps(maps.decode(errors="replace"))
    return reader.memory(pid, mappings[0].start, 8) if mappings else Unreadable("maps", "empty")


def _wait(reader: Reader, pid: int) -> str:
    """Say why the wait of a process in read(2) on a pipe cannot be told; empty if it can."""
    call, wchan = reader.text(f"{pid}/task/{pid}/syscall"), reader.text(f"{pid}/task/{pid}/wchan")
    if isinstance(call, Unreadable) or isinstance(wchan, Unreadable):
        return "cannot be read"
    words = parse_call(call)
    found = words if isinstance(words, Unreadable) else shape(words, wchan.strip(), machine())
    return f"{found.what}: {found.why}" if isinstance(found, Unreadable) else ""


def _kcmp(child: int) -> str:
    ctypes.set_errno(0)
    if kcmp.is_same_memory(os.getpid(), child) is not None:
        return ""
    return errno.errorcode.get(ctypes.get_errno(), "no number for this machine")


def _proc_options(reader: Reader) -> str:
    text = reader.text("self/mountinfo")
    mounts = {} if isinstance(text, Unreadable) else parse_mounts(text)
    # A later mount on the same point covers the earlier one.
    return next((m.options for m in reversed(mounts.values()) if (m.point, m.kind) == ("/proc", "proc")), "")


def _is_initial(reader: Reader) -> bool | None:
    link = reader.link("self/ns/pid")
    return None if isinstance(link, Unreadable) else link == INITIAL_PID_NAMESPACE


def _counts_files_in_flight(reader: Reader) -> bool:
    import socket

    with socket.socket(socket.AF_UNIX) as probe:
        text = reader.text(f"self/fdinfo/{probe.fileno()}")
    return not isinstance(text, Unreadable) and parse_descriptor(text).files_in_flight is not None


def _status_field(name: str) -> str | None:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:")), None)


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None
