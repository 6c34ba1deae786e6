"""Become a rank's application in place: the second half of what stands before it on the launcher's command line.

The first half is a line of /bin/sh (wrapper.py). It calls this file twice, with any Python from 3.8 on:

- `rank.py environ PID WORD...`, as a child, prints the environment that the shell was started with, which the shell
  itself cannot hand on. That this Python runs at all is shown by the way: else the shell starts the application.
- `rank.py SIGIGN SIGBLK LINKFILE APPLICATION...`, in place, sees to an observer (seat.py) and becomes the application.

A thousand ranks load this from one file system, so it imports next to nothing. Whatever goes wrong on the way, the
application starts.
"""

from __future__ import annotations

import errno
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import NoReturn
else:
    import _signal

VARIABLE = b"HANGPROBE_ENVIRON_"
"""A number follows. Holds a piece of the original environment or, after a minus sign, names that the shell added."""
PIECE = 96 * 1024
"""Letters: one string of an exec may have 128 KiB (MAX_ARG_STRLEN, execve(2))."""
RESERVE = 16 * 1024
"""Bytes that must be left to an exec beside the words and the environment that are known."""
NOT_FOUND = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT})
"""With EACCES what lets execvp(3) try the next folder of PATH: glibc's posix/execvpe.c."""
RELAYED = (
    *(_signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM, _signal.SIGHUP),
    *(_signal.SIGUSR1, _signal.SIGUSR2, _signal.SIGTSTP, _signal.SIGCONT),
)
"""As in launch/relay.py; blocked until an observer that is the parent receives them."""
CAP_SYS_PTRACE = 19  # linux/capability.h


def main() -> None:
    """Do what the command line asks for."""
    if _signal.getsignal(_signal.SIGINT) is not _signal.SIG_IGN:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # Python's own handler would leave a traceback
    # as bytes: sys.argv went through the locale
    words = contents("/proc/self/cmdline").split(b"\0")[:-1][1 - len(sys.argv) :]
    if words[0] == b"environ":
        tell(original(contents(f"/proc/{int(words[1])}/environ"), contents("/proc/self/environ"), words))
        posix._exit(0)
    ignored = ignored_before(int(words[0], 16), bits(contents("/proc/self/status"), b"SigIgn"))
    blocked = int(words[1], 16)
    environment = naming(words[3:], restored(contents("/proc/self/environ")))
    if observer := see_to_observer(words[2], environment):
        _signal.pthread_sigmask(_signal.SIG_BLOCK, RELAYED)
        if child := posix.fork():
            watch(child, observer, environment)
    become(words[3:], environment, ignored, blocked)


def bits(status: bytes, name: bytes) -> int:
    """Return a set of bits from a /proc/PID/status: signals (bit 0 is signal 1) or capabilities."""
    return int(status.partition(b"\n" + name + b":")[2].split(maxsplit=1)[0], 16)


def ignored_before(in_shell: int, here: int) -> int:
    """Return what the launcher had ignored: bash ignores SIGQUIT, and Python SIGPIPE and SIGXFSZ."""
    of_python = 1 << (_signal.SIGPIPE - 1) | 1 << (_signal.SIGXFSZ - 1)
    return (in_shell & of_python) | (here & ~of_python)


def contents(path: bytes | str) -> bytes:
    """Return what is in a file."""
    with open(path, "rb") as file:
        return file.read()


def entries(block: bytes) -> dict[bytes, bytes]:
    """Return the environment that a /proc/PID/environ shows, in its order; a name may hold any byte but "="."""
    pairs = (entry.partition(b"=") for entry in block.split(b"\0") if b"=" in entry[1:])
    return {name: value for name, _, value in pairs if name}


def original(before: bytes, now: bytes, words: list[bytes]) -> list[bytes]:
    """Return an environment in pieces that the shell can hand on; if it is empty or too big what the shell added."""
    import binascii

    text = binascii.b2a_base64(before, newline=False)
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    known = [*now.split(b"\0"), *words, *(VARIABLE + b"xxx=" + piece for piece in pieces)]
    if pieces and sum(len(string) + 9 for string in known) + RESERVE <= posix.sysconf("SC_ARG_MAX"):
        return pieces
    return [b"-" + b",".join(name for name in entries(now) if name not in entries(before))]


def tell(pieces: list[bytes]) -> None:
    """Print pieces, a line each."""
    text = b"\n".join(pieces)
    while text:
        text = text[posix.write(1, text) :]


def restored(block: bytes) -> dict[bytes, bytes]:
    """Return the environment that the launcher gave, from the one that the shell handed on."""
    found = entries(block)
    pieces: list[bytes] = []
    while (value := found.pop(VARIABLE + b"%d" % (len(pieces) + 1), None)) is not None:
        pieces.append(value)
    text = b"".join(pieces)
    if text and not text.startswith(b"-"):
        import binascii

        return entries(binascii.a2b_base64(text))
    for name in text[1:].split(b","):
        found.pop(name, None)
    return found


def naming(words: list[bytes], environment: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return an environment in which Open MPI's name of what it has started, told by MPI_INFO_ENV, is no wrapper's."""
    if b" hangprobe-rank " not in environment.get(b"OMPI_ARGV", b"") or not words:
        return environment
    return {**environment, b"OMPI_COMMAND": words[0], b"OMPI_ARGV": b" ".join(words[1:])}


def see_to_observer(path: bytes, environment: dict[bytes, bytes]) -> list[bytes]:
    """See that the node is watched; return the command of an observer that has to be the application's parent, if any.

    Nothing that goes wrong in here keeps the application from its start.
    """
    try:
        from hangprobe.agent.wrapping import seat

        link = seat.read_link(seat.trusted(path))
        if seat.is_below_head(link):
            return []
        seat.see_to_observer(path, link, seat.fitting(environment, link))
        if link[b"as_parent"] == b"1" or is_parent_needed(contents("/proc/self/status")):
            return seat.command(path, link)
    except Exception:
        pass
    return []


def is_parent_needed(status: bytes, yama: str = "/proc/sys/kernel/yama/ptrace_scope") -> bool:
    """Tell whether only a process's ancestors may read it: Documentation/admin-guide/LSM/Yama.rst, ptrace_scope 1."""
    try:
        scope = contents(yama).strip()
    except OSError:
        return False
    return scope == b"1" and not bits(status, b"CapEff") >> CAP_SYS_PTRACE & 1


def watch(child: int, observer: list[bytes], environment: dict[bytes, bytes]) -> NoReturn:
    """As the application's parent become its observer; if there is none end as the application ends."""
    try:
        from hangprobe.agent.wrapping import seat

        whose = b"%d:%d" % (child, seat.started(child) or 0)
        link = seat.read_link(seat.trusted(observer[-1]))
        posix.chdir("/")  # `python -m` looks for modules where it is before anywhere else
        posix.execve(observer[0], [*observer, b"--child", whose], seat.fitting(environment, link))
    except Exception:
        pass
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, RELAYED)
    for number in RELAYED:
        _signal.signal(number, _signal.SIG_IGN if number != _signal.SIGTSTP else _signal.SIG_DFL)
    status = posix.waitpid(child, 0)[1]
    if posix.WIFSIGNALED(status):
        fatal = posix.WTERMSIG(status)
        if fatal != _signal.SIGKILL:
            _signal.signal(fatal, _signal.SIG_DFL)
        posix.kill(posix.getpid(), fatal)
    posix._exit(posix.WEXITSTATUS(status))


def become(words: list[bytes], environment: dict[bytes, bytes], ignored: int, blocked: int) -> NoReturn:
    """Exec the application, as execvp(3) would, with the signals' dispositions and mask as the launcher gave them."""
    for number in _signal.valid_signals():
        if number not in (_signal.SIGKILL, _signal.SIGSTOP):
            _signal.signal(number, _signal.SIG_IGN if ignored >> (number - 1) & 1 else _signal.SIG_DFL)
    if blocked >> (_signal.SIGCHLD - 1) & 1:
        _signal.sigtimedwait([_signal.SIGCHLD], 0)  # of the wrapper's own children: it would stay pending
    _signal.pthread_sigmask(_signal.SIG_SETMASK, [n for n in _signal.valid_signals() if blocked >> (n - 1) & 1])
    problem = execute(words, environment)
    reason = b"%s: %s\n" % (words[0] if words else b"", posix.strerror(problem).encode())
    try:
        posix.write(2, b"hangprobe-rank: cannot run " + reason)
    finally:
        posix._exit(status_of(problem, environment))


def execute(words: list[bytes], environment: dict[bytes, bytes]) -> int:
    """Try to exec a command; return the error if that fails."""
    problem = errno.ENOENT
    for path in places(words[0], environment) if words and words[0] else []:
        found = _try(path, words, environment)
        if found == errno.ENOEXEC:  # a script without an interpreter line: execvp(3)
            found = _try(b"/bin/sh", [b"/bin/sh", path, *words[1:]], environment)
        if found == errno.EACCES:
            problem = found
        elif found not in NOT_FOUND:
            return found
    return problem


def _try(path: bytes, words: list[bytes], environment: dict[bytes, bytes]) -> int:
    try:
        posix.execve(path, words, environment)
    except OSError as error:
        return error.errno or errno.ENOENT


def places(name: bytes, environment: dict[bytes, bytes]) -> list[bytes]:
    """Return where a program may be."""
    if b"/" in name:
        return [name]
    folders = environment.get(b"PATH", b"/bin:/usr/bin").split(b":")
    if b"OMPI_COMM_WORLD_RANK" in environment:
        folders.append(b"")  # Open MPI looks in the working directory too, last: mpirun(1), "Locating Files"
    return [folder + b"/" + name if folder else name for folder in folders]


def status_of(problem: int, environment: dict[bytes, bytes]) -> int:
    """Return the status of a process whose application cannot be run: as its launcher has it, else as a shell."""
    if b"HYDI_CONTROL_FD" in environment or b"HYDRA_BSTRAP_PROXY_ID" in environment:
        return 255  # exit(-1) in HYDU_create_process of MPICH, HYD_spawn of Intel MPI
    if b"SLURM_STEP_ID" in environment:
        return problem  # exec_task of slurmstepd
    return 127 if problem in NOT_FOUND else 126
