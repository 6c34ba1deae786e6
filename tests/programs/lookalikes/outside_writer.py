"""Healthy: a pipe whose writer hangprobe cannot see; it writes late.

The first argument says why it cannot be seen:
- pidns: hangprobe and the reader run in a new PID namespace, the writer stays outside;
- undumpable: the writer is another program of the same ordinary user, with PR_SET_DUMPABLE = 0;
- capable: the writer has the user's uid and one capability more: its /proc/PID/fd lists, but its links are EACCES.

With a command after it (hangprobe itself), this program starts the writer and becomes that command; alone, it reads.
Looks hung: the reader keeps a write end of its own, and it is the only one that can be seen.
"""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

SECONDS = 4.2
CANNOT_EXIST = 77
NOBODY = 65534
CAP_NET_RAW_BIT = 1 << 13  # linux/capability.h
PR_SET_DUMPABLE, PR_SET_KEEPCAPS = 4, 8  # linux/prctl.h
# setsid: a process of the new namespace has its own group and session there, as in a container
UNSHARE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc", "setsid"]
LIMIT_S = 60.0


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def work() -> None:
    """Work with short rests: a waker in one long sleep could be waited for, this one has to be found."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.005)


def read() -> int:
    writing = os.open("/proc/self/fd/0", os.O_WRONLY)
    mark("look-alike")
    byte = os.read(0, 1)
    os.close(writing)
    return 0 if byte == b"x" else 1


def cannot(why: str) -> int:
    print(why, file=sys.stderr)
    return CANNOT_EXIST


def become(mode: str) -> None:
    """Take the writer's identity; runs in the writer."""
    libc = ctypes.CDLL(None)
    if mode == "capable":
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
        permitted = Path("/proc/self/status").read_text().partition("CapPrm:")[2].split()[0]
        if not int(permitted, 16) & CAP_NET_RAW_BIT:
            os._exit(1)
    elif mode == "undumpable":
        if os.geteuid() == 0:
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def write_late(mode: str, writing: int) -> None:
    """Write some seconds after the reader has begun to wait; gives up if there is none."""
    marks, end = Path(os.environ["HANGPROBE_MARKS"], "rank-0.marks"), time.monotonic() + LIMIT_S
    become(mode)
    while not marks.exists():
        time.sleep(0.02)
        if time.monotonic() > end:
            os._exit(1)
    work()
    mark("look-alike-ends")
    os.write(writing, b"x")
    os._exit(0)


def lead(mode: str, command: list[str]) -> int:
    if mode == "pidns":
        tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
        if tried.returncode:
            return cannot(f"no PID namespace for this user: {tried.stderr.strip()}")
    if mode == "capable" and os.geteuid() != 0:
        return cannot("only root can start a writer of another uid that keeps a capability")
    reading, writing = os.pipe()
    if mode != "pidns" and os.geteuid() == 0:
        os.fchown(reading, NOBODY, NOBODY)
    if os.fork() == 0:
        os.close(reading)
        write_late(mode, writing)
    os.close(writing)
    os.dup2(reading, 0)
    os.close(reading)
    return become_command(mode, command)


def become_command(mode: str, command: list[str]) -> NoReturn:
    if mode == "pidns":
        command = [*UNSHARE, *command]
    elif os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    os.execvp(command[0], command)


def main() -> int:
    return lead(sys.argv[1], sys.argv[2:]) if len(sys.argv) > 2 else read()


if __name__ == "__main__":
    sys.exit(main())
