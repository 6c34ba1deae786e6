"""Python stacks of suspects, read by py-spy after the second collect and with a hard deadline.

py-spy reads another process's memory without its help; `--nonblocking` never stops it, so there is nothing to detach
from, and a suspect does not run anyway. Each py-spy runs in its own process and is killed when it is late.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from hangprobe.evidence import Frame, Stack
from hangprobe.model import ProcessId, ThreadId, Unreadable

MPI_LIBRARIES = ("libmpi", "libmpich", "libopen-pal", "libucp.", "libucs.", "libfabric.")
AT_ONCE = 4
"""py-spy processes side by side."""


def find_py_spy() -> str | None:
    """Return the py-spy that belongs to this installation, else the first one on PATH."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def has_mpi_frames(stack: Stack) -> bool:
    """Tell whether a native stack is inside an MPI library."""
    return any(frame.file.startswith(MPI_LIBRARIES) for frame in stack.frames)


def native_stacks(processes: Iterable[ProcessId], deadline_s: float) -> tuple[list[Stack], list[Unreadable]]:
    """Return stacks with native frames; py-spy stops each process for some 30 ms and lets it go on, killed or not.

    A tracer that dies is detached by the kernel (ptrace(2): unless PTRACE_O_EXITKILL, which py-spy does not set).
    """
    return _stacks(processes, deadline_s, "--native")


def python_stacks(processes: Iterable[ProcessId], deadline_s: float) -> tuple[list[Stack], list[Unreadable]]:
    """Return the stacks of all Python threads of `processes`; what could not be had within `deadline_s` is named."""
    return _stacks(processes, deadline_s, "--nonblocking")


def _stacks(processes: Iterable[ProcessId], deadline_s: float, how: str) -> tuple[list[Stack], list[Unreadable]]:
    tool = find_py_spy()
    wanted = list(processes)
    if tool is None:
        return [], [Unreadable("stacks", "no py-spy: pip install py-spy")] if wanted else []
    end_s = time.monotonic() + deadline_s
    stacks: list[Stack] = []
    failed: list[Unreadable] = []
    for start in range(0, len(wanted), AT_ONCE):
        batch = [(process, _start(tool, process.pid, how)) for process in wanted[start : start + AT_ONCE]]
        for process, reader in batch:
            output = _finish(reader, end_s)
            if isinstance(output, Unreadable):
                failed.append(Unreadable(f"stack of pid {process.pid}", output.why))
            else:
                stacks += parse(output, process)
    return stacks, failed


def parse(output: bytes, process: ProcessId) -> list[Stack]:
    """Parse what `py-spy dump --json` prints; anything else gives no stacks."""
    try:
        threads = msgspec.json.decode(output, type=list[_Thread])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [
        Stack(
            ThreadId(process, thread.os_thread_id),
            tuple(Frame(frame.name, frame.short_filename or frame.filename, frame.line) for frame in thread.frames),
            "py-spy",
        )
        for thread in threads
        if thread.os_thread_id
    ]


class _Frame(msgspec.Struct):
    name: str
    filename: str
    short_filename: str | None = None
    line: int = 0


class _Thread(msgspec.Struct):
    frames: list[_Frame]
    os_thread_id: int | None = None


def _start(tool: str, pid: int, how: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [tool, "dump", "--pid", str(pid), "--json", how],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _finish(reader: subprocess.Popen[bytes], end_s: float) -> bytes | Unreadable:
    try:
        output, errors = reader.communicate(timeout=max(0.01, end_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        reader.kill()
        reader.communicate()
        return Unreadable("py-spy", "no answer before the deadline")
    if reader.returncode == 0:
        return output
    lines = errors.decode(errors="replace").strip().splitlines()
    return Unreadable("py-spy", lines[0][:200] if lines else f"status {reader.returncode}")
