"""Which process of a node observes a job there, and which takes its place when it dies.

There are two seats a node and job, abstract unix sockets: whoever can bind one has it, and it is free again at once
when its holder dies, however that happens (unix(7)). A rank's wrapper that gets a seat leaves a process in it, out of
the application's session, descriptors and affinity:

- the *observer*. For a while it only waits, so that a job that ends by itself soon costs nothing; then it becomes
  hangprobe.agent.observer, which finds in the socket's queue what other ranks have said meanwhile: one line each.
- the *deputy*. Connected to the observer, it waits for the end of that connection. If the observer has said `bye`
  all is well; else the deputy (deputy.py) takes its seat, and leaves its own to a new one.

A rank's wrapper that gets no seat only says its line. Python 3.8, next to no imports: become.py says why.
"""

from __future__ import annotations

import _socket
import posix
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Iterable
    from typing import NoReturn

    Block = dict[bytes, bytes]
    Rank = tuple[int, int, int]  # pid of the parent, pid, start time
else:
    import _signal

OBSERVER, DEPUTY = b"observer", b"deputy"
DEPUTY_PROGRAM = __file__.rpartition("/")[0] + "/deputy.py"
BACKLOG = 4096
"""Ranks of a node that may speak before the observer listens; the kernel allows net.core.somaxconn of them."""
POLL_S = 0.05
REFUSED = 5
"""Tries to speak to an observer whose seat is bound and not listened to yet, a millisecond apart."""
MARKS = (b"OMPI_COMM_WORLD_RANK", b"PALS_RANKID", b"PMI_RANK", b"SLURM_PROCID", b"PARALLEL_SEQ")
"""By these observe/ranks.py knows a rank, and an observer is none."""


def trusted(path: bytes) -> bytes:
    """Return what is in a file that nobody else can have written. Raises OSError.

    A link file names a program, and where its folder is not shared (/tmp) a stranger may have put one of that name.
    """
    with open(posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC), "rb") as file:
        status = posix.fstat(file.fileno())
        if status.st_uid != posix.geteuid() or status.st_mode & 0o170077 != 0o100000:  # regular: inode(7)
            raise PermissionError(path)
        return file.read()


def read_link(text: bytes) -> Block:
    """Return what a link file says (linkfile.py), but for names that stand in it more than once."""
    return {name: value for name, _, value in (line.partition(b" ") for line in text.splitlines())}


def standing(pid: int) -> tuple[bytes, int, int] | None:
    """Return state, parent and start time of a process; None if it is not there."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return (fields[0], int(fields[1]), int(fields[19])) if len(fields) > 19 else None


def started(pid: int) -> int | None:
    """Return when a process was started, in ticks since boot; None if it is not there."""
    found = standing(pid)
    return found[2] if found else None


def is_below_head(link: Block) -> bool:
    """Tell whether the head is an ancestor: then it watches this tree itself."""
    if posix.uname().nodename.encode() != link[b"head_host"]:
        return False
    pid = posix.getppid()
    while pid > 0:
        found = standing(pid)
        if found is None:
            return False
        if (pid, found[2]) == (int(link[b"head_pid"]), int(link[b"head_start_time"])):
            return True
        pid = found[1]
    return False


def is_over(rank: Rank) -> bool:
    """Tell whether a rank, or the launcher's process above it, has gone."""
    parent, pid, start = rank
    found = standing(pid)
    return found is None or found[0] in b"ZX" or found[1:] != (parent, start)


def fitting(environment: Block, link: Block) -> Block:
    """Return an application's environment for an observer, which finds programs and libraries in it and is no rank.

    What was made for the application's Python, and what is loaded into every program, could keep another from running.
    """
    left_out = (*MARKS, b"LD_PRELOAD", b"HANGPROBE_JOB")  # the job ends by its tag, the observer after it
    found = {k: v for k, v in environment.items() if k not in left_out and not k.startswith(b"PYTHON")}
    package = __file__.rsplit("/", 4)[0]
    folders = [] if package.endswith("-packages") else [package.encode("utf-8", "surrogateescape")]  # a checkout
    folders += filter(None, [link.get(b"python_path")])
    if folders:
        found[b"PYTHONPATH"] = b":".join(folders)
    return found


def command(path: bytes, link: Block) -> list[bytes]:
    """Return the command of the observer, so far."""
    return [link[b"python"], b"-m", b"hangprobe.agent.observer", b"--link", path]


# the seats


def address(link: Block, name: bytes) -> bytes:
    """Return the name of a seat's socket."""
    return b"\0hangprobe/" + link[b"job"] + b"/" + name


def take(link: Block, name: bytes) -> _socket.socket | None:
    """Return a seat if it is free."""
    seat = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        seat.bind(address(link, name))
        seat.listen(BACKLOG)
    except OSError:
        seat.close()
        return None
    return seat


def speak(link: Block, line: bytes) -> _socket.socket | None:
    """Return a connection to the observer to which a line has been said; None if there is nobody. Never waits."""
    for attempt in range(REFUSED):
        if attempt:
            time.sleep(0.001)
        spoken = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            spoken.setblocking(False)
            spoken.connect(address(link, OBSERVER))
            spoken.send(line)
        except OSError:
            spoken.close()
            continue
        return spoken
    return None


def see_to_observer(path: bytes, link: Block, environment: Block) -> None:
    """Take a seat if one is free, else tell the observer of this rank."""
    now_s = time.monotonic()
    rank = (posix.getppid(), posix.getpid(), started(posix.getpid()) or 0)
    due_s = now_s + float(link[b"start_after_s"])
    seat = take(link, OBSERVER)
    if seat is not None:
        holder = seat
        detach(lambda: wait_as_observer(path, link, holder.fileno(), rank, due_s, environment))
        seat.close()
        return
    if spoken := speak(link, b"rank %d %d %d\n" % rank):
        spoken.close()
    seat = take(link, DEPUTY)
    if seat is not None:
        holder = seat
        detach(lambda: wait_as_deputy(path, holder.fileno(), rank, due_s, environment))
        seat.close()


# the processes in them


def detach(run: Callable[[], object]) -> None:
    """Run something in a process that is nobody's child and shares nothing with this one."""
    middle = posix.fork()
    if middle == 0:
        try:
            if posix.fork() == 0:
                run()
        finally:
            posix._exit(0)
    try:
        posix.waitpid(middle, 0)
    except OSError:  # SIGCHLD is ignored, and the kernel has reaped it: wait(2)
        return


def withdraw(seat: int) -> int:
    """Let go of what was the application's: session, folder, descriptors, signals, affinity. Return the seat anew."""
    posix.setsid()
    posix.chdir("/")
    kept = _above(seat)
    null = posix.open("/dev/null", posix.O_RDWR)
    for number in (0, 1, 2):
        posix.dup2(null, number)
        posix.set_inheritable(number, True)
    for number in [int(name) for name in posix.listdir("/proc/self/fd")]:
        if number > 2 and number != kept:
            try:
                posix.close(number)
            except OSError:
                continue  # the one with which the folder was read
    for number in _signal.valid_signals():
        if number not in (_signal.SIGKILL, _signal.SIGSTOP):
            _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
    try:
        posix.sched_setaffinity(0, range(4096))  # the kernel takes those that the cpuset has: sched_setaffinity(2)
        with open("/proc/self/comm", "w") as file:
            file.write("hangprobe-seat")
    except OSError:
        pass
    return kept


def _above(descriptor: int) -> int:
    """Return an inheritable duplicate beyond the standard descriptors."""
    found = posix.dup(descriptor)
    while found <= 2:
        found = posix.dup(descriptor)
    posix.set_inheritable(found, True)
    return found


def wait_as_observer(path: bytes, link: Block, seat: int, rank: Rank, due_s: float, environment: Block) -> None:
    """Wait until it is time to observe; leave if there is nothing to observe any more."""
    seat = withdraw(seat)
    listening = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, seat)
    listening.setblocking(False)
    ranks = {rank}
    while time.monotonic() < due_s:
        ranks |= visitors(listening)
        if all(map(is_over, ranks)):
            return
        time.sleep(POLL_S)
    listening.setblocking(True)
    observe(path, link, seat, sorted(ranks), environment)


def visitors(listening: _socket.socket) -> set[Rank]:
    """Return the ranks that have spoken since the last time. A deputy that is let go of comes again."""
    found: set[Rank] = set()
    for _ in range(BACKLOG):  # strangers may come faster than they are sent away
        try:
            descriptor = listening._accept()[0]  # type: ignore[attr-defined]  # what socket.accept() calls
        except OSError:
            break
        visitor = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, descriptor)
        visitor.settimeout(POLL_S)
        rank = parse_rank(_said(visitor)) if user_of(visitor) == posix.getuid() else None
        visitor.close()
        if rank is not None:
            found.add(rank)
    return found


def _said(visitor: _socket.socket) -> bytes:
    try:
        return visitor.recv(128)
    except OSError:
        return b""


def user_of(connection: _socket.socket) -> int:
    """Return who is at the other end: SO_PEERCRED, unix(7)."""
    credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], sys.byteorder)


def parse_rank(line: bytes) -> Rank | None:
    """Read `rank PARENT PID START`; None if it is something else."""
    words = line.split()
    if len(words) != 4 or words[0] != b"rank" or not all(map(bytes.isdigit, words[1:])):
        return None
    return int(words[1]), int(words[2]), int(words[3])


def observe(path: bytes, link: Block, seat: int, ranks: Iterable[Rank], environment: Block) -> NoReturn:
    """Become the observer."""
    told = [word for rank in ranks for word in (b"--rank", b"%d:%d:%d" % rank)]
    posix.execve(link[b"python"], [*command(path, link), b"--seat", b"%d" % seat, *told], environment)
    raise AssertionError("exec returned")


def wait_as_deputy(path: bytes, seat: int, rank: Rank, due_s: float, environment: Block) -> None:
    """Wait as the observer does, then begin anew with an environment and a command line that are no rank's."""
    seat = withdraw(seat)
    while time.monotonic() < due_s:
        if is_over(rank):
            return
        time.sleep(POLL_S)
    python, this = sys.executable.encode("utf-8", "surrogateescape"), DEPUTY_PROGRAM.encode("utf-8", "surrogateescape")
    words = [python, b"-I", b"-S", this, path, b"%d" % seat, b"%d:%d:%d" % rank]
    posix.execve(python, words, environment)
