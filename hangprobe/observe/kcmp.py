"""Whether two tasks share their memory, their descriptors or an open file, asked of the kernel (kcmp(2))."""

from __future__ import annotations

import ctypes
import platform

KCMP_FILE, KCMP_VM, KCMP_FILES = 0, 1, 2
_NUMBER = {"x86_64": 312, "aarch64": 272}.get(platform.machine())


def is_same_memory(first: int, second: int) -> bool | None:
    """Tell whether two pids share their memory; None if the kernel does not say (kcmp needs PTRACE_MODE_READ)."""
    return _is_same(first, second, KCMP_VM)


def memory_order(first: int, second: int) -> int | None:
    """Return 0 if two pids share their memory, else -1 or 1 in the kernel's order of memories; None if refused.

    By this order the sharers among n processes are found with n log n questions (kcmp(2), "Return value").
    """
    answer = _ask(first, second, KCMP_VM, 0, 0)
    return {0: 0, 1: -1, 2: 1}.get(answer) if answer is not None else None


def is_same_files(first: int, second: int) -> bool | None:
    """Tell whether two tasks share their table of descriptors; None if the kernel does not say."""
    return _is_same(first, second, KCMP_FILES)


def is_same_file(first: int, second: int, one: int, other: int) -> bool | None:
    """Tell whether descriptor `one` of a task is the same open file description as `other` of another task."""
    return _is_same(first, second, KCMP_FILE, one, other)


def _is_same(first: int, second: int, kind: int, one: int = 0, other: int = 0) -> bool | None:
    answer = _ask(first, second, kind, one, other)
    return None if answer is None else answer == 0


def _ask(first: int, second: int, kind: int, one: int, other: int) -> int | None:
    if _NUMBER is None:
        return None
    answer = int(_libc().syscall(_NUMBER, first, second, kind, one, other))
    return None if answer < 0 else answer


def _libc() -> ctypes.CDLL:
    global _loaded
    if _loaded is None:
        _loaded = ctypes.CDLL(None, use_errno=True)
    return _loaded


_loaded: ctypes.CDLL | None = None
