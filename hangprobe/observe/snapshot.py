"""One collect of the processes of interest on this node, and the double collect that can carry a proof.

Order matters (see `judge.collects`): in the first collect a thread's run count is read before its system call, in the
second one after it, and every first read ends before any second read begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from hangprobe.model import (
    DoubleCollect,
    ProcessId,
    ProcessView,
    Snapshot,
    ThreadId,
    ThreadView,
    Unreadable,
    Wait,
)
from hangprobe.observe.procfs import (
    Stat,
    parse_call,
    parse_last_ran,
    parse_processor_time,
    parse_run_count,
    parse_status,
)
from hangprobe.observe.reader import Reader
from hangprobe.observe.signals import reason, runtimes
from hangprobe.observe.waits import child, futex
from hangprobe.observe.waits.shapes import Family, Shape, shape
from hangprobe.observe.world import World


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
    processes = [_process(world, pid, is_second, unreadable) for pid in pids]
    present = tuple(process for process in processes if process is not None)
    now = parse_last_ran(_text(world.reader.text("self/sched")))
    clock_s = None if isinstance(now, Unreadable) else now
    return Snapshot(world.host, began_s, clock(), present, tuple(dict.fromkeys(unreadable)), clock_s)


def _with_descendants(world: World, targets: Iterable[ProcessId]) -> list[int]:
    pids: dict[int, None] = {}
    for target in targets:
        if world.process(target.pid) == target:
            pids[target.pid] = None
            pids.update(dict.fromkeys(world.descendants(target.pid)))
    return list(pids)


def _process(world: World, pid: int, is_second: bool, unreadable: list[Unreadable]) -> ProcessView | None:
    process, stat, tasks = world.process(pid), world.stats[pid], world.tasks(pid)
    if process is None:
        return None
    if isinstance(tasks, Unreadable):
        if tasks.why != "gone":
            unreadable.append(tasks)
        return None if tasks.why == "gone" else ProcessView(process, stat.parent, stat.comm, stat.is_forked, (), None)
    # Shapes of the threads first: what costs more is read only where some thread of the process could be in a knot.
    glances = [(tid, *_glance(world, pid, tid, is_second)) for tid in tasks]
    is_suspect = any(isinstance(found, Shape) and not found.is_timed for *_, found in glances)
    doubt = _doubt(world, pid) if is_suspect else None
    views = tuple(
        _thread(world, ThreadId(process, tid), reads, found, doubt, unreadable) for tid, reads, found in glances
    )
    signals = reason(pid, world) if is_suspect else None
    libraries = runtimes(world.maps(pid)) if is_suspect else ()
    return ProcessView(process, stat.parent, stat.comm, stat.is_forked, views, signals, libraries)


class _Reads:
    """What was read of one thread, in the order that its collect demands."""

    def __init__(self, world: World, pid: int, tid: int, is_second: bool) -> None:
        reader, base = world.reader, f"{pid}/task/{tid}"
        self.run_count = Unreadable(base, "not read") if is_second else _run_count(reader, base)
        self.stat: Stat | Unreadable = reader.stat(pid, tid)
        self.call = reader.text(f"{base}/syscall")
        self.wchan = reader.text(f"{base}/wchan")
        if is_second:
            after = reader.stat(pid, tid)
            self.stat = after if isinstance(after, Unreadable) or after.state != "S" else self.stat
            self.run_count = _run_count(reader, base)
        self.last_ran = parse_last_ran(_text(reader.text(f"{base}/sched")))
        self.cpu = parse_processor_time(_text(reader.text(f"{base}/schedstat")))


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
    world: World,
    thread: ThreadId,
    reads: _Reads,
    found: Shape | Unreadable,
    doubt: str | None,
    unreadable: list[Unreadable],
) -> ThreadView:
    wait: Wait | None = None
    live: str | None = None
    if isinstance(found, Unreadable):
        live = _say(found)
    elif doubt is not None:
        live = doubt
    else:
        resolved = _resolve(world, thread, found)
        if isinstance(resolved, Unreadable):
            live = _say(resolved)
            if resolved.why == "not permitted":
                unreadable.append(resolved)
        else:
            wait = resolved
    stat = None if isinstance(reads.stat, Unreadable) else reads.stat
    return ThreadView(
        id=thread,
        start_time=stat.start_time if stat else None,
        state=stat.state if stat else None,
        call=None if isinstance(reads.call, Unreadable) else reads.call.strip(),
        run_count=None if isinstance(reads.run_count, Unreadable) else reads.run_count,
        wait=wait,
        live=live,
        is_timed=isinstance(found, Shape) and found.is_timed,
        is_poller=isinstance(found, Shape) and found.family in {Family.POLL, Family.EPOLL},
        last_ran_s=None if isinstance(reads.last_ran, Unreadable) else reads.last_ran,
        cpu_s=None if isinstance(reads.cpu, Unreadable) else reads.cpu,
    )


def _resolve(world: World, thread: ThreadId, found: Shape) -> Wait | Unreadable:
    if found.family is Family.FUTEX:
        return futex.resolve(thread, found, world)
    if found.family is Family.CHILD or (found.family is Family.POLL and not found.is_timed):
        return child.resolve(thread, found, world)
    return Unreadable(
        found.family.value, "sleeps for a set time" if found.is_timed else "a wait of this kind is not told"
    )


def _doubt(world: World, pid: int) -> str | None:
    """Return why every thread of a process must be thought live, whatever it waits for."""
    if not world.is_settled:
        return "the list of processes did not settle"
    status = world.status(pid)
    if isinstance(status, Unreadable):
        return _say(status)
    if status.tracer != 0:
        return f"traced by pid {status.tracer}" if status.tracer else "whether it is traced cannot be read"
    size = world.word_size(pid)
    if size != 8:
        return _say(size) if isinstance(size, Unreadable) else "a 32-bit program: its system calls are not in the table"
    links = world.links(pid)
    if isinstance(links, Unreadable):
        return _say(links)
    if any(link.startswith("anon_inode:[io_uring]") for link in links.values()):
        return "has an io_uring"
    return None


def _run_count(reader: Reader, base: str) -> int | Unreadable:
    """Return how often a thread ran: by schedstat, else by its voluntary switches (each wait costs one)."""
    text = reader.text(f"{base}/schedstat")
    count = text if isinstance(text, Unreadable) else parse_run_count(text)
    if not isinstance(count, Unreadable):
        return count
    status = reader.text(f"{base}/status")
    switches = None if isinstance(status, Unreadable) else parse_status(status).voluntary_switches
    return count if switches is None else switches


def _text(text: str | Unreadable) -> str:
    return "" if isinstance(text, Unreadable) else text


def _say(failed: Unreadable) -> str:
    return f"{failed.what}: {failed.why}"
