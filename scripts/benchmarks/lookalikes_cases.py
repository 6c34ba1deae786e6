"""The table of look-alikes: which program, how it is started, and in which kernel function it waits.

The programs stand in tests/programs/lookalikes; each says in its first lines what it is and why it looks hung.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hangprobe.launch.flavours import find_mpiexec

PROGRAMS = Path(__file__).parents[2] / "tests" / "programs" / "lookalikes"


ORDINARY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
TWO_RANKS = '"$MPIEXEC" -n 2 "$@"'
RANKS_OF_PIPE = f"| {TWO_RANKS}"
# Intel MPI's Hydra has `-s`; that of MPICH 5.0.2 says "unrecognized argument s".
HAS_EVERYWHERE = (
    '"$MPIEXEC" -s all -n 1 true </dev/null 2>/dev/null || { echo "this mpiexec has no -s all" >&2; exit 77; }'
)
EVERYWHERE = '| "$MPIEXEC" -s all -n 2 "$@"'
LINES = "for line in 1 2 3 4 5; do echo $line; sleep 1; done"
BEHIND_SHELL = (
    '"$MPIEXEC" -n 2 sh -c \'"$@" park & helper=$!; "$@"; status=$?; kill $helper; wait $helper; exit $status\' sh "$@"'
)
IN_TERMINAL = (
    'command -v script >/dev/null || { echo "no script(1)" >&2; exit 77; }; '
    'COMMAND="$(printf "\'%s\' " "$@")"; script -qec "exec $COMMAND" /dev/null'
)
JOB_IN_RANK = 'export MPIEXEC; "$MPIEXEC" -n 1 sh -c \'"$MPIEXEC" -n 2 "$@"\' sh "$@"'
UNSHARE = "unshare --user --map-root-user --pid --fork --kill-child --mount-proc"
NAMESPACE = f'{UNSHARE} true || exit 77; {UNSHARE} "$@"'


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run has its files, and where the compiled programs are."""

    folder: Path
    binaries: Path


@dataclass(frozen=True, slots=True)
class Case:
    """A healthy program that looks hung."""

    name: str
    program: str
    shows: str
    """Part of the kernel function in which a thread of it waits, by kernel version: it is really blocked there."""
    arguments: tuple[str, ...] = ()
    script: str = ""
    """A shell line that starts it: $MPIEXEC, $@ (the program with its arguments). Empty: it is started directly."""
    outside: str = ""
    """Hangprobe itself runs below outside_writer.py in this mode, and the program reads that writer's pipe."""
    is_ordinary: bool = False
    """Hangprobe itself runs as an ordinary user, also where the benchmark is run by root."""
    seconds: float = 5.0
    """About how long a run takes: long ones are started first."""
    limit: str = ""
    """Why hangprobe cannot tell this one from a hang; a run that is called hung is reported, and not as a pass."""

    def command(self, place: Place) -> tuple[str, ...]:
        """Return the command that is watched."""
        path = PROGRAMS / self.program
        start = (sys.executable, str(path)) if path.suffix == ".py" else (str(place.binaries / path.stem),)
        if path.suffix == ".sh":
            start = ("sh", str(path))
        command = (*start, *self.arguments)
        if not self.script:
            return command
        script = self.script
        if "$MPIEXEC" in script:
            script = f"MPIEXEC='{find_mpiexec().path}'; {script}"
        return ("sh", "-c", script, "sh", *command)

    def around(self) -> tuple[str, ...]:
        """Return what hangprobe itself is started by."""
        if self.outside:
            return (sys.executable, str(PROGRAMS / self.program), self.outside)
        return ORDINARY if self.is_dropped else ()

    @property
    def is_dropped(self) -> bool:
        """Whether hangprobe runs as an ordinary user here although the benchmark runs as root."""
        return os.geteuid() == 0 and (self.is_ordinary or self.outside in {"undumpable", "capable"})

    def is_shown(self, wchans: Iterable[str]) -> bool:
        """Tell whether a thread was seen where it claims to wait; a kernel without names ("0") shows nothing."""
        named = [wchan for wchan in wchans if wchan != "0"]
        return not named or any(part in wchan for wchan in named for part in self.shows.split("|"))


UNSEEN_TIMER = "ITIMER_REAL stands nowhere in /proc/PID; the verdict says 'unless signalled or killed'"
UNKNOWN_WORKER = "asked about by its own pid: whoever knows the pid of a program without a starter cannot be seen"
FUTEX, PIPE_READ, PIPE_WRITE, LOCK, WAIT = "futex", "pipe_read", "pipe_write", "lock|setlk", "do_wait"

CASES = (
    # parked children: only the job rule, or a signal to come, tells them from an orphaned lock
    Case("parked-child", "parked_child.py", FUTEX),
    Case("subprocess-daemon", "subprocess_daemon.py", FUTEX),
    Case("alarm-kills-child", "alarm_kills_child.py", FUTEX, limit=UNSEEN_TIMER),
    Case("timer-terminates", "timer_terminates.py", FUTEX, seconds=15.0),
    Case("receiver-terminates", "receiver_terminates.py", "unix_stream"),
    Case("sleeping-main-process", "sleeping_main.py", FUTEX, ("process",)),
    Case("sleeping-main-thread", "sleeping_main.py", FUTEX, ("thread",)),
    Case("behind-shell", "behind_shell.py", FUTEX, script=BEHIND_SHELL),
    Case("signal-to-child-of-rank", "signal_to_child_of_rank.py", FUTEX, script=TWO_RANKS),
    Case("signal-daemon", "signal_daemon.py", "sigtimedwait"),
    Case("posix-timer-thread", "posix_timer.c", FUTEX, ("thread",)),
    Case("posix-timer-handler", "posix_timer.c", FUTEX, ("handler",)),
    Case("posix-timer-kill", "posix_timer.c", FUTEX, ("kill",)),
    # pipes whose writer is hard to see
    Case("pipe-handed-on", "pipe_handed_on.c", PIPE_READ),
    Case("end-in-flight", "end_in_flight.py", PIPE_READ),
    Case("closed-while-splicing", "closed_while_splicing.c", PIPE_READ),
    Case("writer-outside-namespace", "outside_writer.py", PIPE_READ, outside="pidns"),
    Case("writer-undumpable", "outside_writer.py", PIPE_READ, outside="undumpable"),
    Case("writer-with-capability", "outside_writer.py", PIPE_READ, outside="capable"),
    Case("undumpable-child", "undumpable_child.py", PIPE_READ),
    Case("undumpable-child-ordinary", "undumpable_child.py", PIPE_READ, is_ordinary=True),
    Case("zombie-leader", "zombie_leader.c", PIPE_READ),
    Case("shared-table-relative", "shared_table.c", PIPE_READ, ("relative",)),
    Case("shared-table-thread", "shared_table.c", PIPE_READ, ("thread",)),
    Case("ring-writes", "ring_writes.c", PIPE_READ),
    Case("pipe-made-larger", "pipe_made_larger.py", PIPE_WRITE),
    Case("long-write", "long_write.py", PIPE_WRITE),
    Case("fifo-opened-late", "fifo_opened_late.py", PIPE_READ),
    Case("polled-pipe-select", "polled_pipe.py", "poll_schedule", ("select",)),
    Case("polled-pipe-poll", "polled_pipe.py", "poll", ("poll",)),
    Case("polled-pipe-epoll", "polled_pipe.py", "epoll", ("epoll",)),
    Case("epoll-number-reused", "epoll_number_reused.py", "epoll"),
    Case("epoll-set-shared", "epoll_set_shared.py", "epoll"),
    Case("timer-polled", "polled_kernel_object.c", "poll_schedule", ("timer",)),
    Case("timer-read", "polled_kernel_object.c", "timerfd|intr_irq", ("timer-read",)),
    Case("folder-watched", "polled_kernel_object.c", "poll_schedule", ("inotify",)),
    # standard input of ranks
    Case("stdin-slow-rank-0", "stdin_rank_0.py", PIPE_READ, script=f"(sleep 5; echo hi) {RANKS_OF_PIPE}"),
    Case(
        "stdin-late-everywhere",
        "stdin_everywhere.py",
        PIPE_READ,
        ("1",),
        script=f"{HAS_EVERYWHERE}; (sleep 4.5; echo hi) {EVERYWHERE}",
    ),
    Case(
        "stdin-slow-everywhere",
        "stdin_everywhere.py",
        PIPE_READ,
        ("5",),
        script=f"{HAS_EVERYWHERE}; ({LINES}) {EVERYWHERE}",
    ),
    Case("stdin-thread", "stdin_thread.py", PIPE_READ, script=f"sleep 5 {RANKS_OF_PIPE}"),
    # shared and private futexes
    Case("semaphore-opened-late", "semaphore_opened_late.c", FUTEX),
    Case("memfd-mapped-late", "memfd_mapped_late.c", FUTEX),
    Case("linked-memory-mapped-late", "linked_memory_mapped_late.c", FUTEX),
    Case("shared-semaphore", "shared_semaphore.c", FUTEX),
    Case("foreign-mutex-namespace", "foreign_mutex.c", FUTEX, ("errorcheck",), script=NAMESPACE),
    Case("foreign-mutex-normal", "foreign_mutex.c", FUTEX, ("normal",)),
    Case("shared-memory-waker", "shared_memory_waker.c", FUTEX),
    Case("shared-memory-waker-thread", "shared_memory_waker.c", FUTEX, ("thread",)),
    Case("joined-thread", "joined_thread.c", FUTEX),
    # locks and sockets
    Case("flock-in-shells", "flock_in_shells.sh", LOCK, (sys.executable,)),
    Case("lock-handed-over", "lock_handed_over.py", LOCK),
    Case("record-lock-ofd", "record_lock.py", LOCK, ("ofd",)),
    Case("record-lock-posix", "record_lock.py", LOCK, ("posix",)),
    Case("receive-timed-out-child", "receive_timed_out.py", "unix_stream", ("child",)),
    Case("receive-timed-out-thread", "receive_timed_out.py", "unix_stream", ("thread",)),
    Case("socket-shut-down", "socket_shut_down.py", "unix_stream"),
    # waits for children, and what is neither
    Case("adopted-orphan", "adopted_orphan.py", WAIT),
    Case("traced-grandchild", "traced_grandchild.c", WAIT),
    Case("frozen-cgroup", "frozen_cgroup.py", "get_signal"),
    Case("stopped-child", "stopped_child.py", WAIT, ("child",)),
    Case("stopped-self", "stopped_child.py", "stop", ("self",)),
    Case("long-checkpoint", "long_checkpoint.py", WAIT),
    Case("spinning-barrier", "spinning_barrier.c", WAIT),
    Case("slow-rank", "slow_rank.py", WAIT, script=TWO_RANKS),
    # what only `attach` can be asked about: helpers whose worker is in no tree with them, wakers that are strangers
    *(
        Case(f"helper-{how}", "attached_helper.py", FUTEX, (how,))
        for how in ("session", "orphan", "group", "starter", "launcher", "other-user")
    ),
    Case("helper-orphan-program", "attached_helper.py", FUTEX, ("orphan-program",), limit=UNKNOWN_WORKER),
    Case("helper-with-rank-number", "attached_helper.py", FUTEX, ("launcher",), script='PMI_RANK=0 exec "$@"'),
    Case("helper-in-terminal", "attached_helper.py", FUTEX, ("session",), script=IN_TERMINAL),
    Case("helper-of-job-control", "job_control.sh", FUTEX, (sys.executable,), script=IN_TERMINAL),
    Case("helpers-of-two-jobs", "parked_in_rank.py", FUTEX, script=f"{TWO_RANKS} & {TWO_RANKS}; wait", seconds=8.0),
    Case("helper-of-job-in-rank", "parked_in_rank.py", FUTEX, script=JOB_IN_RANK, seconds=8.0),
    Case("stranger-writes", "woken_by_stranger.py", PIPE_READ, ("pipe",)),
    Case("stranger-of-other-user", "woken_by_stranger.py", PIPE_READ, ("other-user",)),
    Case("stranger-opens-fifo", "woken_by_stranger.py", PIPE_READ, ("fifo",)),
    Case("stranger-has-flock", "woken_by_stranger.py", LOCK, ("flock",)),
    Case("stranger-has-record-lock", "woken_by_stranger.py", LOCK, ("record",)),
    Case("stranger-posts", "woken_by_stranger.py", FUTEX, ("futex",)),
    Case("stranger-types", "woken_by_stranger.py", "n_tty|wait_woken|tty", ("terminal",)),
    Case("stranger-continues", "woken_by_stranger.py", WAIT, ("stopped",)),
)


@functools.cache
def ordinary_python() -> str | None:
    """Return a Python of this version that an ordinary user may start: root's own may stand below /root."""
    code = "import subprocess, sys, msgspec; subprocess.run([sys.executable, '-c', ''], check=True)"
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, shutil.which(name, path="/usr/local/bin:/usr/bin")):
        if path is not None:
            command = [*ORDINARY, path, "-c", code]
            if not subprocess.run(
                command, env=with_packages(), capture_output=True, timeout=20, check=False
            ).returncode:
                return path
    return None


def with_packages() -> dict[str, str]:
    """Return an environment in which a Python outside of the virtual environment finds its packages."""
    return {**os.environ, "PYTHONPATH": sysconfig.get_path("platlib")}


def find(name: str) -> Case:
    """Return a case by its name."""
    return next(case for case in CASES if case.name == name)
