"""The process that owns the job: starts the command, then keeps it (keeper.py) until its last descendant has ended.

It is a program of its own (`python -I -S guardian.py N`, N its end of a socket to hangprobe), because it must
outlive hangprobe: when that is killed, the socket gives EOF, and the tree is ended at once.

- A subreaper before the command is forked: every orphan below it becomes its child, so descent is complete.
- Leaves hangprobe's session only after the fork: the command stays in the terminal's foreground group, the
  guardian is out of reach of signals to that group. The command does not exec before.
- Holds nothing: standard descriptors on /dev/null, all inherited ones closed, working directory /.

Standard library and sibling modules of the same kind; the package's __init__ never runs here.
"""

from __future__ import annotations

import marshal
import os
import signal
import sys

if not __package__:
    for _name in ("hangprobe", "hangprobe.launch"):
        sys.modules[_name] = type(sys)(_name)
        sys.modules[_name].__path__ = [os.path.dirname(os.path.abspath(__file__))]

from hangprobe.launch import startup

_DEADLY = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS}
# Sent to groups and sessions by terminals, users and batch systems.
_IMMUNE = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGALRM, signal.SIGXCPU),
)


def main(control: int) -> None:
    """Guard one command from its start to the end of its last descendant."""
    startup.fill_standard_descriptors()
    os.set_inheritable(control, False)
    ignored = startup.ignored_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() - _DEADLY)
    for number in _IMMUNE:
        signal.signal(number, signal.SIG_IGN)
    # Inherited as ignored, it would make the kernel reap: wait(2).
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    start = _read_start(control)
    startup.become_subreaper()
    report, report_end = os.pipe2(os.O_CLOEXEC)
    go_end, go = os.pipe2(os.O_CLOEXEC)
    command = os.fork()
    if command == 0:
        os.close(go)
        startup.become_command(start, ignored, go_end, report_end)
    # What the terminal sent before there was a command to receive it.
    for number in signal.sigpending() - {signal.SIGCHLD}:
        os.kill(command, number)
    os.setsid()
    os.write(go, b"!")
    _let_go({control, report})
    # Imported while the command starts: json and threading alone take 15 ms.
    from hangprobe.launch.keeper import Keeper

    Keeper(control, report, command, start["tag"], start["owner"], start["remove"]).run()


def _read_start(control: int) -> startup.Start:
    """Read the start message: length and marshal, written by the same interpreter in session.py."""
    text = b""
    while len(text) < 4 or len(text) < 4 + int.from_bytes(text[:4], "little"):
        piece = os.read(control, 65536)
        if not piece:
            os._exit(0)
        text += piece
    start: startup.Start = marshal.loads(text[4:])
    return start


def _let_go(kept: set[int]) -> None:
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    for number in [int(name) for name in os.listdir("/proc/self/fd")]:
        if number > 2 and number not in kept:
            try:
                os.close(number)
            except OSError:
                continue  # the descriptor with which listdir read the folder
    os.chdir("/")


if __name__ == "__main__":
    main(int(sys.argv[1]))
