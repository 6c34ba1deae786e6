"""Healthy: a program works while a helper of it is parked, and ends the helper when the work is done.

How the helper is started, by the first argument:
- session: a program of its own in a session of its own;
- orphan: forked twice, in a session of its own; its parent is init, and the worker knows its pid;
- orphan-program: the same, and then exec'd: nothing but the worker's memory tells that they belong together;
- group: forked twice, but left in the group of the worker;
- starter: below a process that calls itself `sshd`, as every process may;
- launcher: below one that calls itself `mpiexec` and makes nobody a rank;
- other-user: the helper has become another user (root alone can start that).

Looks hung, asked about by its own pid: it waits for a lock that nobody releases, and catches no signal.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

SECONDS = float(os.environ.get("HANGPROBE_LOOK_ALIKE_S", "4.2"))
PR_SET_NAME = 15  # linux/prctl.h
CANNOT_EXIST = 77
NOBODY = 65534


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def park(tell: int) -> None:
    """Wait for ever. SIGINT is Python's own business, but not here: it is left to kill."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.write(tell, f"{os.getpid()}\n".encode())
    os.close(tell)
    threading.Event().wait()


def program(tell: int) -> list[str]:
    return [sys.executable, __file__, "park", str(tell)]


def fork(tell: int, is_session: bool, is_program: bool) -> None:
    """Fork twice; the grandchild parks."""
    if os.fork():
        os.wait()
        return
    if is_session:
        os.setsid()
    if os.fork():
        os._exit(0)
    if is_program:
        os.set_inheritable(tell, True)
        os.execv(sys.executable, program(tell))
    park(tell)


def below(name: str, tell: int) -> None:
    """Start a helper below a child that calls itself `name`."""
    if os.fork():
        return
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)
    helper = subprocess.Popen(program(tell), pass_fds=(tell,))
    os.close(tell)
    while True:
        time.sleep(0.05)
        if helper.poll() is not None:
            os._exit(0)


def start(how: str, tell: int) -> None:
    if how == "session":
        subprocess.Popen(program(tell), pass_fds=(tell,), start_new_session=True)
    elif how in {"orphan", "orphan-program", "group"}:
        fork(tell, is_session=how != "group", is_program=how == "orphan-program")
    elif how in {"starter", "launcher"}:
        below("sshd" if how == "starter" else "mpiexec", tell)
    elif os.fork() == 0:  # other-user
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        park(tell)


def main() -> int:
    if sys.argv[1] == "park":
        park(int(sys.argv[2]))
    if sys.argv[1] == "other-user" and os.geteuid() != 0:
        print("only root can start a helper that is another user", file=sys.stderr)
        return CANNOT_EXIST
    hear, tell = os.pipe()
    start(sys.argv[1], tell)
    os.close(tell)
    helper = int(os.read(hear, 20))
    mark("look-alike")
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.01)
    mark("look-alike-ends")
    os.kill(helper, signal.SIGTERM)
    while os.read(hear, 1):
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
