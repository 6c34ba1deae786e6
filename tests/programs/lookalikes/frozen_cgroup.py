"""Healthy: a reader is frozen by its cgroup; the pipe is written and closed meanwhile, and later it is thawed.

Looks hung: state S, the syscall still `read` with the same arguments, and no other holder of the write end is left;
only wchan tells that it is not in the pipe that it waits. Needs a cgroup v2 that this user may write.
"""

import os
import sys
import time
from pathlib import Path

SECONDS = 4.2


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def work() -> None:
    """Work with short rests: a waker in one long sleep could be waited for, this one has to be found."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.005)


CANNOT_EXIST = 77
PREFIX = "hangprobe-look-alike-"


def hierarchy() -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        if right.split()[0] == "cgroup2":
            return Path(left.split()[4])
    return None


def make_group() -> Path:
    root = hierarchy()
    if root is None:
        raise OSError("no cgroup v2 is mounted")
    for stale in root.glob(f"{PREFIX}*"):
        try:
            stale.rmdir()  # refused while a process is in it
        except OSError:
            continue
    group = root / f"{PREFIX}{os.getpid()}"
    group.mkdir()
    return group


def freeze_and_thaw(group: Path, writing: int) -> None:
    end = time.monotonic() + 10
    (group / "cgroup.freeze").write_text("1")
    while "frozen 1" not in (group / "cgroup.events").read_text() and time.monotonic() < end:
        time.sleep(0.01)
    os.write(writing, b"x")
    os.close(writing)
    mark("look-alike")
    work()
    mark("look-alike-ends")
    (group / "cgroup.freeze").write_text("0")
    os._exit(0)


def main() -> int:
    home = next(line for line in Path("/proc/self/cgroup").read_text().split() if line.startswith("0::"))[3:]
    try:
        group = make_group()
    except OSError as error:
        print(f"no frozen cgroup here: {error.strerror}", file=sys.stderr)
        return CANNOT_EXIST
    reading, writing = os.pipe()
    freezer = os.fork()
    if freezer == 0:
        os.close(reading)
        while (Path("/proc") / str(os.getppid()) / "wchan").read_text() not in {"pipe_read", "anon_pipe_read", "0"}:
            time.sleep(0.01)
        freeze_and_thaw(group, writing)
    (group / "cgroup.procs").write_text(str(os.getpid()))
    byte = os.read(reading, 1)
    _, status = os.waitpid(freezer, 0)
    Path(f"{hierarchy()}{home}/cgroup.procs").write_text(str(os.getpid()))
    group.rmdir()
    return 0 if byte == b"x" and status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
