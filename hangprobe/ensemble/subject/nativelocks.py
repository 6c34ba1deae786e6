"""Workloads that hang under any launcher: locks and threads of C libraries, called by ctypes without a compiler."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import threading
import time
from typing import Any

from hangprobe.ensemble.subject.forking import HOLD_S, fork_under, in_child

_MUTEX_BYTES = 64  # sizeof(pthread_mutex_t) is 40 on x86-64, 48 on aarch64


def c_mutex(number: int) -> None:
    """Fork while a thread has locked a pthread mutex; the child locks it."""
    libc = ctypes.CDLL(None)
    mutex = ctypes.create_string_buffer(_MUTEX_BYTES)  # zeros: PTHREAD_MUTEX_INITIALIZER of glibc and musl

    def call(function: str) -> None:
        error = getattr(libc, function)(mutex)
        if error:
            raise OSError(error, os.strerror(error), function)

    def hold(begun: threading.Event) -> None:
        call("pthread_mutex_lock")
        begun.set()
        time.sleep(HOLD_S)
        call("pthread_mutex_unlock")

    fork_under(hold, lambda: call("pthread_mutex_lock"))


def openmp(number: int, threads: int = 4) -> None:
    """Run an OpenMP region here, and one in a forked child: it waits for threads that only this process has."""
    library = _gomp()
    _region(library, threads)
    in_child(lambda: _region(library, threads))


def _gomp() -> Any:
    found = ctypes.util.find_library("gomp")
    try:
        return ctypes.CDLL(found or "libgomp.so.1")
    except OSError:
        raise OSError("needs GNU's OpenMP library, libgomp.so.1: package libgomp1 of Debian and Ubuntu") from None


def _region(library: Any, threads: int) -> None:
    """Do what a compiler makes of `#pragma omp parallel num_threads(threads)`."""
    took_part = []
    body = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: took_part.append(library.omp_get_thread_num()))
    library.GOMP_parallel(body, None, threads, 0)
    if not took_part:
        raise AssertionError("no thread took part in the region")
