"""Whether two processes share one address space, asked of the kernel (kcmp(2), KCMP_VM)."""

from __future__ import annotations

import ctypes
import platform

KCMP_VM = 1
_NUMBERS = {"x86_64": 312, "aarch64": 272}


def is_same_memory(first: int, second: int) -> bool | None:
    """Tell whether two pids share their memory; None if the kernel does not say (kcmp needs PTRACE_MODE_READ)."""
    number = _NUMBERS.get(platform.machine())
    if number is None:
        return None
    answer = _libc().syscall(number, first, second, KCMP_VM, 0, 0)
    return None if answer < 0 else answer == 0


def _libc() -> ctypes.CDLL:
    global _loaded
    if _loaded is None:
        _loaded = ctypes.CDLL(None, use_errno=True)
    return _loaded


_loaded: ctypes.CDLL | None = None
