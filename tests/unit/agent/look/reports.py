"""Reports of nodes by hand: a job with a rank on each, which hangs, works on, or reads its standard input."""

from __future__ import annotations

from hangprobe.agent.look.nodereport import JobReport, NodeReport
from hangprobe.evidence import Suspects
from hangprobe.judgement import Progress, Quiet
from hangprobe.model import (
    DoubleCollect,
    Keeper,
    Launcher,
    ProcessId,
    ProcessView,
    RankView,
    Snapshot,
    Stdin,
    ThreadId,
    ThreadView,
    Wait,
    WaitKind,
)
from hangprobe.policy import Policy
from hangprobe.starter import Starter

MAIN, CHILD, PROXY, MPIEXEC = 10, 20, 5, 4
"""The pids on every node: they repeat, so that only their hosts tell them apart."""
JOB = "mpiexec at login:45813"
COMMAND = ("mpiexec", "-n", "4", "python", "app.py")
POLICY = Policy(has_stacks=False)
PIPE = "pipe:[77]"
LONG_S = POLICY.stall_after_s + 1.0


def process_id(host: str, pid: int) -> ProcessId:
    return ProcessId(host, pid, 1000 + pid)


def thread(host: str, pid: int, wait: Wait | None, **changes: object) -> ThreadView:
    """Return a thread asleep in `wait`; running if there is none."""
    which = ThreadId(process_id(host, pid), pid)
    if wait is None:
        view = ThreadView(which, 1, "R", "running", 7, None, "syscall: running", cpu_s=1.0, runnable_s=9.0)
    else:
        view = ThreadView(which, 1, "S", "61 0x14", 7, wait, None, last_ran_s=100.0)
    return view.but(**changes)


def process(host: str, pid: int, view: ThreadView, parent: int = PROXY) -> ProcessView:
    return ProcessView(process_id(host, pid), parent, "python", parent == MAIN, (view,), None)


def collects(host: str, *processes: ProcessView, clock_s: float = 103.0) -> DoubleCollect:
    first = Snapshot(host, 1.0, 2.0, processes, clock_s=clock_s)
    return DoubleCollect(first, Snapshot(host, 3.0, 4.0, processes, clock_s=clock_s))


def part(
    host: str,
    rank: int,
    *processes: ProcessView,
    job: str = JOB,
    stdin: Stdin | None = None,
    launcher: Launcher = Launcher.HYDRA,
    size: int | None = None,
    quiet_s: float = 0.0,
    in_mpi: tuple[int, ...] = (),
    command: tuple[str, ...] = ("hydra_pmi_proxy",),
) -> JobReport:
    """Return what a node tells of a job of which it has one rank."""
    members = tuple(each.id for each in processes)
    view = RankView(rank, launcher, members[0], members[0], members, stdin, size)
    quiet = Progress(rank, quiet_s, tuple(Quiet(member, quiet_s) for member in members))
    clock_s = max(103.0, 100.0 + quiet_s)
    double = collects(host, *processes, clock_s=clock_s)
    return JobReport(job, command, 50.0, double, (view,), {rank: quiet}, Suspects(), (), in_mpi, {})


def hung(host: str, rank: int, **more: object) -> JobReport:
    """Return a rank that waits for its child, which nobody can wake."""
    child = ThreadId(process_id(host, CHILD), CHILD)
    main = thread(host, MAIN, Wait(WaitKind.CHILD, f"pid {CHILD}", frozenset({child})))
    stuck = thread(host, CHILD, Wait(WaitKind.FUTEX_PRIVATE, "0x5000", frozenset()))
    return part(host, rank, process(host, MAIN, main), process(host, CHILD, stuck, MAIN), **more)  # type: ignore[arg-type]


def working(host: str, rank: int, **more: object) -> JobReport:
    return part(host, rank, process(host, MAIN, thread(host, MAIN, None)), **more)  # type: ignore[arg-type]


def reading(
    host: str, rank: int, starter: str | None, launcher: Launcher = Launcher.HYDRA, **more: object
) -> JobReport:
    """Return a rank that has read its standard input for longer than the window; its proxy holds the other end."""
    keeper = process_id(host, PROXY)
    wakers = frozenset({ThreadId(keeper, PROXY)})
    wait = Wait(WaitKind.PIPE_READ, PIPE, wakers, keepers=(Keeper(keeper),))
    stdin = Stdin(PIPE, (keeper,), "it forwards its standard input to rank 0 only", starter)
    view = process(host, MAIN, thread(host, MAIN, wait))
    return part(host, rank, view, stdin=stdin, launcher=launcher, quiet_s=LONG_S, **more)  # type: ignore[arg-type]


def node(host: str, *jobs: JobReport, starters: tuple[Starter, ...] = ()) -> NodeReport:
    return NodeReport(host, jobs, starters)


def starter(
    host: str = "login",
    port: int = 45813,
    *,
    feeds: bool = False,
    stdin: str | None = "/dev/pts/0",
    pid: int = MPIEXEC,
    command: tuple[str, ...] = COMMAND,
    ends: tuple[str, ...] = (),
) -> Starter:
    return Starter(process_id(host, pid), (port,), ends, feeds, stdin, command)
