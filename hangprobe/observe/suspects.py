"""Everything worth reading of the threads in a knot, after the second collect: locks, lineage, stacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from hangprobe.evidence import Lineage, LockFacts, Suspects
from hangprobe.model import RankView, Snapshot, ThreadId, ThreadView, Unreadable, WaitKind
from hangprobe.observe import callers, locks, stacks
from hangprobe.observe.lineage import lineage
from hangprobe.observe.procfs import parse_call, parse_environ
from hangprobe.observe.reader import Reader
from hangprobe.observe.waits.shapes import machine
from hangprobe.observe.world import World

STACKS_MAX = 16
"""Processes whose stacks are read: more of one kind say nothing new."""
READ_NUMBERS = {"x86_64": 0, "aarch64": 63}
_FUTEXES = {WaitKind.FUTEX_PRIVATE, WaitKind.MUTEX, WaitKind.FUTEX_SHARED}
BYSTANDERS_MAX = 8
"""Ranks that are looked into beside hung ones: each is stopped for some 30 ms."""


def read_bystanders(reader: Reader, ranks: Iterable[RankView], deadline_s: float) -> frozenset[int]:
    """Return which of some ranks have their main thread inside MPI; of at most `BYSTANDERS_MAX` ranks."""
    looked_at = list(ranks)[:BYSTANDERS_MAX]
    waiting = {rank.rank for rank in looked_at if _reads_from_launcher(reader, rank.main.pid)}
    rank_of = {rank.main: rank.rank for rank in looked_at if rank.rank not in waiting}
    read, _ = stacks.native_stacks(rank_of, deadline_s)
    in_mpi = {rank_of[stack.thread.process] for stack in read if stack.thread.is_main and stacks.has_mpi_frames(stack)}
    return frozenset(waiting | in_mpi)


def _reads_from_launcher(reader: Reader, pid: int) -> bool:
    """Tell whether a main thread reads the connection to its process manager: a barrier of PMI, in MPI_Finalize too.

    By then Python has gone and py-spy finds no interpreter. PMI_FD names the descriptor (MPICH src/pmi).
    """
    call, environment = reader.text(f"{pid}/task/{pid}/syscall"), reader.guarded(pid, "environ")
    if isinstance(call, Unreadable) or isinstance(environment, Unreadable):
        return False
    words = parse_call(call)
    descriptor = parse_environ(environment).get("PMI_FD", "")
    is_read = not isinstance(words, Unreadable) and words[0] == READ_NUMBERS.get(machine())
    return is_read and not isinstance(words, Unreadable) and descriptor == str(words[1])


def read_suspects(
    world: World,
    snapshot: Snapshot,
    culprits: Iterable[ThreadId],
    stacks_deadline_s: float | None,
    known: Suspects | None = None,
) -> Suspects:
    """Return what can be read of `culprits`; `stacks_deadline_s` is None where no stacks are wanted.

    What is `known` of a thread that has not run since is taken over.
    """
    world.scan()
    known = known or Suspects()
    wanted = dict.fromkeys(culprits)
    views = {thread.id: thread for process in snapshot.processes for thread in process.threads if thread.id in wanted}
    lineages: list[Lineage] = []
    unreadable: list[Unreadable] = []
    for process in dict.fromkeys(thread.process for thread in wanted):
        found = lineage(world, process)
        if isinstance(found, Unreadable):
            unreadable.append(found)
        else:
            lineages.append(found)
    facts, failed_facts = _locks(world, views, lineages, {fact.thread: fact for fact in known.locks})
    read = [stack for stack in known.stacks if stack.thread in wanted]
    seen = {stack.thread.process for stack in read}
    missing = [each.process for each in lineages if each.process not in seen][:STACKS_MAX]
    more, failed = stacks.python_stacks(missing, stacks_deadline_s) if stacks_deadline_s else ([], [])
    read += [stack for stack in more if stack.thread in wanted]
    on_futexes = [view for view in views.values() if view.wait is not None and view.wait.kind in _FUTEXES]
    code = tuple(each for view in on_futexes if (each := callers.code_of(world, view)) is not None)
    return Suspects(tuple(facts), tuple(read), tuple(lineages), code, (*unreadable, *failed_facts, *failed))


def _locks(
    world: World,
    views: Mapping[ThreadId, ThreadView],
    lineages: Iterable[Lineage],
    known: Mapping[ThreadId, LockFacts],
) -> tuple[list[LockFacts], list[Unreadable]]:
    """Return the facts of every lock that is waited for, and what could not be had in time."""
    by_process = {each.process: each for each in lineages}
    facts: list[LockFacts] = []
    failed: list[Unreadable] = []
    for thread, view in views.items():
        if thread in known:
            facts.append(known[thread])
            continue
        read = partial(locks.facts, world, view, by_process.get(thread.process))
        found = world.reader.abandonable(thread.process.pid, f"lock of pid {thread.process.pid}", read)
        if isinstance(found, Unreadable):
            failed.append(found)
        elif found is not None:
            facts.append(found)
    return facts, failed
