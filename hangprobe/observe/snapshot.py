"""One collect of the processes of interest on this node, and the double collect that can carry a proof.

Order matters (see `judge.collects`): in the first collect a thread's run count is read before its system call, in the
second one after it, and every first read ends before any second read begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from hangprobe.model import (
    DoubleCollect,
    Hidden,
    ProcessId,
    ProcessView,
    Snapshot,
    ThreadId,
    ThreadView,
    Unreadable,
    Wait,
    WaitKind,
)
from hangprobe.observe.alarms import expiries
from hangprobe.observe.callers import is_runtime_helper
from hangprobe.observe.doubt import doubt, say
from hangprobe.observe.holders import Holders
from hangprobe.observe.procfs import (
    Stat,
    parse_call,
    parse_last_ran,
    parse_processor_times,
    parse_run_count,
    parse_status,
)
from hangprobe.observe.reader import Reader
from hangprobe.observe.signals import reason, runtimes
from hangprobe.observe.waits import child, filelock, futex, pipe, poll, stdin
from hangprobe.observe.waits.shapes import Family, Shape, shape
from hangprobe.observe.world import World

SOCKETS_MAY_TIME_OUT = "reads from a socket: a time-out set by SO_RCVTIMEO cannot be seen"


def double_collect(
    make_world: Callable[[], World],
    targets: Iterable[ProcessId],
    gap_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> DoubleCollect:
    """Return two collects of `targets` and all their descendants, `gap_s` seconds apart.

    The second one looks at what the first one saw as well, so that nothing slips out of sight by being reparented.
    """
    wanted = tuple(targets)
    first = collect(make_world(), wanted, is_second=False, clock=clock)
    sleep(gap_s)
    seen = tuple(process.id for process in first.processes)
    second = collect(make_world(), (*wanted, *seen), is_second=True, clock=clock)
    return DoubleCollect(first, second)


def collect(
    world: World, targets: Iterable[ProcessId], is_second: bool, clock: Callable[[], float] = time.monotonic
) -> Snapshot:
    """Return one collect; a process that has gone is left out, one that cannot be read has live threads."""
    began_s = clock()
    world.scan()
    pids = _with_descendants(world, targets)
    unreadable = [] if world.is_settled else [Unreadable("the list of processes", "did not settle in three rounds")]
    holders = Holders(world)
    glimpses = [glimpse for pid in pids if (glimpse := _glimpse(world, pid, is_second, unreadable)) is not None]
    clocks = world.lasting.clocks
    if is_second:
        clocks.compare(processor for glimpse in glimpses for processor in glimpse.processors)
    clock_s = clocks.monotonic() if is_second else None
    world.foresee_maps(glimpse.process.pid for glimpse in glimpses if glimpse.is_suspect)
    present = tuple(_process(holders, glimpse, unreadable) for glimpse in glimpses)
    alarms = _new_alarms(world) if is_second else None
    has_alarms = None if alarms is None else bool(alarms)
    unread = tuple(dict.fromkeys(unreadable))
    return Snapshot(world.host, began_s, clock(), present, unread, clock_s, has_alarms, alarms)


def _new_alarms(world: World) -> tuple[float, ...] | None:
    """Return when the alarms go off that were not set when the job began."""
    before, now = world.scope.alarms if world.scope is not None else None, expiries(world.reader)
    if before is None or now is None:
        return None
    return tuple(sorted(at_s for timer, at_s in now.items() if timer not in before))


def _with_descendants(world: World, targets: Iterable[ProcessId]) -> list[int]:
    pids: dict[int, None] = {}
    for target in targets:
        if world.process(target.pid) == target:
            pids[target.pid] = None
            pids.update(dict.fromkeys(world.descendants(target.pid)))
    return list(pids)


POLLS = {Family.POLL, Family.EPOLL}


@dataclass(frozen=True, slots=True)
class _Glimpse:
    """What is read of a process first: the shapes of its threads' waits. More is read only if one may be blocked."""

    process: ProcessId
    stat: Stat
    threads: tuple[tuple[ThreadId, _Reads, Shape | Unreadable], ...]

    @property
    def is_suspect(self) -> bool:
        """Whether some thread of it could be in a knot."""
        return any(isinstance(found, Shape) and not found.is_timed for *_, found in self.threads)

    @property
    def has_poller(self) -> bool:
        """Whether a thread beside the main one polls, as an MPI runtime's own do: that of PMIx with a time-out."""
        shapes = (found for thread, _, found in self.threads if not thread.is_main)
        return any(isinstance(found, Shape) and found.family in POLLS for found in shapes)

    @property
    def processors(self) -> Iterator[int]:
        """The processors on which its sleeping threads ran last."""
        stats = (reads.stat for _, reads, _ in self.threads)
        return (
            stat.processor
            for stat in stats
            if not isinstance(stat, Unreadable) and stat.state == "S" and stat.processor is not None
        )


def _glimpse(world: World, pid: int, is_second: bool, unreadable: list[Unreadable]) -> _Glimpse | None:
    process, tasks = world.process(pid), world.tasks(pid)
    if process is None:
        return None
    if isinstance(tasks, Unreadable):
        if tasks.why != "gone":
            unreadable.append(tasks)
        return None if tasks.why == "gone" else _Glimpse(process, world.stats[pid], ())
    threads = tuple((ThreadId(process, tid), *_glance(world, pid, tid, is_second)) for tid in tasks)
    return _Glimpse(process, world.stats[pid], threads)


def _process(holders: Holders, glimpse: _Glimpse, unreadable: list[Unreadable]) -> ProcessView:
    world, process, stat, pid = holders.world, glimpse.process, glimpse.stat, glimpse.process.pid
    if not glimpse.is_suspect:
        has_runtime = glimpse.has_poller and bool(runtimes(world.names(pid)))
        views = tuple(_thread(holders, *each, None, has_runtime, unreadable) for each in glimpse.threads)
        return ProcessView(process, stat.parent, stat.comm, stat.is_forked, views, None)
    why, libraries = doubt(world, pid), runtimes(world.names(pid))
    views = tuple(_thread(holders, *each, why, bool(libraries), unreadable) for each in glimpse.threads)
    return ProcessView(process, stat.parent, stat.comm, stat.is_forked, views, reason(pid, world), libraries)


class _Reads:
    """What was read of one thread, in the order that its collect demands.

    What explains a wait, and proves nothing, is read in the second collect alone.
    """

    def __init__(self, world: World, pid: int, tid: int, is_second: bool) -> None:
        reader, base = world.reader, f"{pid}/task/{tid}"
        before = None if is_second else _counted(reader, base)
        self.stat: Stat | Unreadable = reader.stat(pid, tid)
        self.call = reader.text(f"{base}/syscall")
        self.wchan = reader.text(f"{base}/wchan")
        self.run_count, self.times = before or _counted(reader, base)
        self.last_ran = parse_last_ran(_text(reader.text(f"{base}/sched")) if is_second else "")


def _glance(world: World, pid: int, tid: int, is_second: bool) -> tuple[_Reads, Shape | Unreadable]:
    reads = _Reads(world, pid, tid, is_second)
    if isinstance(reads.stat, Unreadable):
        return reads, reads.stat
    if reads.stat.state != "S":
        return reads, reads.stat.problems[0] if reads.stat.state is None else Unreadable("state", reads.stat.state)
    if isinstance(reads.call, Unreadable):
        return reads, reads.call
    words = parse_call(reads.call)
    if isinstance(words, Unreadable):
        return reads, words
    return reads, shape(words, _text(reads.wchan).strip(), world.arch)


def _thread(
    holders: Holders,
    thread: ThreadId,
    reads: _Reads,
    found: Shape | Unreadable,
    doubt: Unreadable | None,
    has_runtime: bool,
    unreadable: list[Unreadable],
) -> ThreadView:
    wait: Wait | None = None
    live: str | None = None
    resolved = found if isinstance(found, Unreadable) else doubt or _resolve(holders, thread, found)
    if isinstance(resolved, Unreadable):
        live = say(resolved)
        if resolved.barrier is not None and resolved.what:
            unreadable.append(Unreadable(resolved.what, resolved.why, resolved.barrier))
            wait = _in_sight(holders.world, thread, resolved)
    elif isinstance(found, Shape):
        wait = resolved
        live = SOCKETS_MAY_TIME_OUT if found.family is Family.SOCKET_READ else None
    stat = None if isinstance(reads.stat, Unreadable) else reads.stat
    call = None if isinstance(reads.call, Unreadable) else reads.call.strip()
    run_count = None if isinstance(reads.run_count, Unreadable) else reads.run_count
    is_poller = isinstance(found, Shape) and found.family in POLLS
    return ThreadView(
        id=thread,
        start_time=stat.start_time if stat else None,
        state=stat.state if stat else None,
        call=call,
        run_count=run_count,
        wait=wait,
        live=live,
        barrier=resolved.barrier if isinstance(resolved, Unreadable) else None,
        is_timed=isinstance(found, Shape) and found.is_timed,
        is_for_child=isinstance(found, Shape) and found.family is Family.CHILD,
        is_runtime_helper=is_poller and has_runtime and _is_helper(holders.world, thread, call, run_count),
        last_ran_s=_last_ran(holders.world, reads),
        cpu_s=None if isinstance(reads.times, Unreadable) else reads.times[0],
        runnable_s=None if isinstance(reads.times, Unreadable) else sum(reads.times),
    )


def _in_sight(world: World, thread: ThreadId, resolved: Unreadable) -> Wait | None:
    """Return a wait whose wakers are not all in sight, with those that are; its thread is live, so no proof uses it."""
    if not isinstance(resolved, Hidden):
        return None
    known = [world.threads(pid) for pid in resolved.known]
    wakers = frozenset[ThreadId]().union(*(threads for threads in known if not isinstance(threads, Unreadable)))
    return Wait(WaitKind.UNKNOWN, resolved.what, wakers - {thread})


def _last_ran(world: World, reads: _Reads) -> float | None:
    if isinstance(reads.stat, Unreadable) or isinstance(reads.last_ran, Unreadable):
        return None
    return world.lasting.clocks.in_monotonic(reads.last_ran, reads.stat.processor)


def _is_helper(world: World, thread: ThreadId, call: str | None, run_count: int | None) -> bool:
    """Tell whether a poller is an MPI runtime's own; looked up once a sleep."""
    words = parse_call(call or "")
    if thread.is_main or isinstance(words, Unreadable) or call is None or run_count is None:
        return False
    key = (thread, call, run_count)
    if key not in world.lasting.helpers:
        world.lasting.helpers[key] = is_runtime_helper(world, thread, stack_pointer=words[7])
    return world.lasting.helpers[key]


def _resolve(holders: Holders, thread: ThreadId, found: Shape) -> Wait | Unreadable:
    if found.is_timed:
        return Unreadable(found.family.value, "waits with a time-out")
    match found.family:
        case Family.FUTEX:
            return futex.resolve(thread, found, holders)
        case Family.CHILD:
            return child.resolve(thread, found, holders.world)
        case Family.PIPE_READ | Family.PIPE_WRITE:
            return pipe.resolve(thread, found, holders)
        case Family.FILE_LOCK:
            return filelock.resolve(thread, found, holders)
        case Family.POLL | Family.EPOLL:
            return poll.resolve(thread, found, holders)
        case Family.SOCKET_READ:
            return stdin.resolve(thread, found, holders)
    return Unreadable(found.family.value, "a wait of this kind is not told")


def _counted(reader: Reader, base: str) -> tuple[int | Unreadable, tuple[float, float] | Unreadable]:
    """Return how often a thread ran, by schedstat, else by its voluntary switches (each wait costs one); and how long.

    Kernels without schedstats show zeros.
    """
    schedule = reader.text(f"{base}/schedstat")
    count = schedule if isinstance(schedule, Unreadable) else parse_run_count(schedule)
    if isinstance(count, Unreadable):
        status = reader.text(f"{base}/status")
        switches = None if isinstance(status, Unreadable) else parse_status(status).voluntary_switches
        count = count if switches is None else switches
    return count, parse_processor_times(_text(schedule))


def _text(text: str | Unreadable) -> str:
    return "" if isinstance(text, Unreadable) else text
