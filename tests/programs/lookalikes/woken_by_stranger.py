"""Healthy: a program sleeps for long until a process wakes it that is no relative of its tree any more.

The waker is forked twice and has a session of its own: its parent is init. By the first argument the program waits
- pipe: to read what the waker writes;
- fifo: the same, by a name that the waker opens anew;
- flock, record: for a lock on a file that the waker has;
- futex: for a semaphore in shared memory;
- terminal: to read from a terminal whose other side the waker has;
- other-user: like pipe, where the waker has become another user (root alone can start that);
- stopped: for a child that is stopped, until the waker lets it go on.

Looks hung, asked about alone: no thread of its tree runs, and whoever could wake it is not in the tree.
"""

import fcntl
import multiprocessing
import os
import pty
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

SECONDS = float(os.environ.get("HANGPROBE_LOOK_ALIKE_S", "4.2"))
CANNOT_EXIST = 77
NOBODY = 65534


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def stranger(wake: Callable[[], object], keep: tuple[int, ...], prepare: Callable[[], object] = int) -> None:
    """Start a waker without a parent, and return once it is prepared."""
    hear, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        for number in set(range(3, 64)) - {tell, *keep}:
            with suppress(OSError):
                os.close(number)
        prepare()
        os.write(tell, b"x")
        os.close(tell)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(0.01)
        wake()
        os._exit(0)
    os.wait()
    os.close(tell)
    os.read(hear, 1)
    os.close(hear)


def wait_for_pipe(prepare: Callable[[], object] = int) -> bool:
    reading, writing = os.pipe()
    stranger(lambda: os.write(writing, b"x"), (writing,), prepare)
    os.close(writing)
    mark("look-alike")
    return os.read(reading, 1) == b"x"


def wait_for_fifo(path: str) -> bool:
    os.mkfifo(path)
    reading = os.open(path, os.O_RDWR)
    stranger(lambda: os.write(os.open(path, os.O_WRONLY), b"x"), ())
    mark("look-alike")
    return os.read(reading, 1) == b"x"


def wait_for_lock(path: str, lock: Callable[[int, int], None]) -> bool:
    number = os.open(path, os.O_RDWR | os.O_CREAT)
    stranger(int, (), lambda: lock(os.open(path, os.O_RDWR), fcntl.LOCK_EX))  # released at its end
    mark("look-alike")
    lock(number, fcntl.LOCK_EX)
    return True


def wait_for_semaphore() -> bool:
    semaphore = multiprocessing.get_context("fork").Semaphore(0)
    stranger(semaphore.release, ())
    mark("look-alike")
    return semaphore.acquire()


def wait_for_terminal() -> bool:
    above, below = pty.openpty()

    def type_line() -> None:
        os.write(above, b"x\n")
        time.sleep(1)  # what is typed is lost if the terminal hangs up

    stranger(type_line, (above,))
    os.close(above)
    mark("look-alike")
    return os.read(below, 2) == b"x\n"


def wait_for_stopped() -> bool:
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    stranger(lambda: os.kill(child, signal.SIGCONT), ())
    mark("look-alike")
    return os.waitpid(child, 0)[1] == 0


def become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def main() -> int:
    how, path = sys.argv[1], os.path.join(os.environ["HANGPROBE_MARKS"], "waited-for")
    if how == "other-user" and os.geteuid() != 0:
        print("only root can start a waker that is another user", file=sys.stderr)
        return CANNOT_EXIST
    waits: dict[str, Callable[[], bool]] = {
        "pipe": wait_for_pipe,
        "fifo": lambda: wait_for_fifo(path),
        "flock": lambda: wait_for_lock(path, fcntl.flock),
        "record": lambda: wait_for_lock(path, fcntl.lockf),
        "futex": wait_for_semaphore,
        "terminal": wait_for_terminal,
        "other-user": lambda: wait_for_pipe(become_nobody),
        "stopped": wait_for_stopped,
    }
    is_woken = waits[how]()
    mark("look-alike-ends")
    return 0 if is_woken else 1


if __name__ == "__main__":
    sys.exit(main())
