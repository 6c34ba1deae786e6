"""Start the command exactly as it would start without hangprobe.

Apart because it runs in three places (hangprobe, the guardian, the guardian's child before exec) and must
stay free of imports that cost time there: it is loaded before the command starts.

What a Python program changes about itself, and the command must not see:

- SIGPIPE and SIGXFSZ are ignored from start-up on (SigIgn 0x1001000). They go back to SIG_DFL; whether they
  had been ignored before Python started cannot be known.
- In the C locale it sets LC_CTYPE in its own environment (PEP 538).
- A closed descriptor 0, 1 or 2 is given to the next file that is opened. Holes are filled with /dev/null,
  close-on-exec: the command finds them closed again.

Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal

TYPE_CHECKING = False  # importing it from typing takes 5 ms, a quarter of the guardian's start
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn, TypedDict

    class Start(TypedDict):
        """What the guardian is told, in types that marshal knows."""

        command: list[bytes]
        environment: dict[bytes, bytes]  # additions
        cwd: bytes | None
        files: list[bytes]  # for descriptors 0, 1, 2; empty: leave them
        mask: list[int]  # signals that the command starts with blocked
        tag: str
        owner: int  # pid of hangprobe
        remove: list[bytes]  # files to remove once the job has ended


PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

libc = ctypes.CDLL(None, use_errno=True)


def fill_standard_descriptors() -> None:
    """Open /dev/null, close-on-exec, wherever descriptor 0, 1 or 2 is closed."""
    for wanted in (0, 1, 2):
        try:
            os.fstat(wanted)
        except OSError:
            opened = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            if opened != wanted:
                os.dup2(opened, wanted, inheritable=False)
                os.close(opened)


def become_subreaper() -> None:
    """Adopt every orphan below this process, those in other sessions included: prctl(2)."""
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def is_locale_coerced() -> bool:
    """Whether Python, not the user, set LC_CTYPE: /proc/self/environ keeps the environment of the exec."""
    if b"LC_CTYPE" not in os.environb:
        return False
    try:
        with open("/proc/self/environ", "rb") as file:
            return b"\0LC_CTYPE=" not in b"\0" + file.read()
    except OSError:
        return False


def ignored_signals() -> frozenset[int]:
    """Return what was ignored when this Python started; to be called before anything is changed."""
    ignored = {int(number) for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN}
    return frozenset(ignored - {signal.SIGPIPE, signal.SIGXFSZ})


def become_command(start: Start, ignored: Iterable[int], go: int, report: int) -> NoReturn:
    """In the forked child: wait for a byte on `go`, then exec; write "errno step" to `report` if that fails.

    execvp(3) itself searches PATH and hands a script without an interpreter line to /bin/sh, as for timeout(1).
    """
    step, error = "command", 0
    try:
        if not os.read(go, 1):
            os._exit(127)
        if start["files"]:
            os.setsid()
            step = "file"
            _redirect(start["files"])
        if start["cwd"]:
            step = "folder"
            os.chdir(start["cwd"])
        step = "command"
        if is_locale_coerced():
            os.unsetenv(b"LC_CTYPE")
        for name, value in start["environment"].items():
            os.putenv(name, value)
        _restore_signals(set(ignored), start["mask"])
        arguments = (ctypes.c_char_p * (len(start["command"]) + 1))(*start["command"], None)
        libc.execvp(start["command"][0], arguments)
        error = ctypes.get_errno()
    except OSError as problem:
        error = problem.errno or 0
    finally:
        os.write(report, b"%d %s" % (error, step.encode()))
        os._exit(127)


def _redirect(files: list[bytes]) -> None:
    stdin, stdout, stderr = files
    create = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for target, path, flags in ((0, stdin, os.O_RDONLY), (1, stdout, create), (2, stderr, create)):
        if target == 2 and stderr == stdout:
            os.dup2(1, 2)
            continue
        opened = os.open(path, flags | os.O_CLOEXEC | os.O_NOCTTY, 0o666)
        os.dup2(opened, target)
        os.close(opened)


def _restore_signals(ignored: set[int], mask: list[int]) -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
