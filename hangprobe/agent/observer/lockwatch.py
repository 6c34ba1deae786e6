"""The locks on files of this node's ranks, as the watch over them knows them, for the digest that others are told."""

from __future__ import annotations

from collections.abc import Iterable

from hangprobe.digest import SHOWN, Digest, digest_of
from hangprobe.filewaits import FileHeld, FileWait, Kept, SharedFile
from hangprobe.judge.collects import threads
from hangprobe.model import RankState
from hangprobe.observe.filewaits import holders_of, is_asleep, waits_of
from hangprobe.observe.suspects import read_bystanders
from hangprobe.watchdog import Watchdog


def digest_with_locks(watchdog: Watchdog, locks: tuple[FileHeld, ...] = ()) -> Digest:
    """Return what is known here, with the locks on files that stalled ranks wait for, and with `locks` they have."""
    return digest_of(watchdog).but(waits_for_files=file_waits(watchdog), locks=locks)


def file_waits(watchdog: Watchdog) -> tuple[FileWait, ...]:
    """Return the locks on files for which ranks wait that have stalled here and are not hung."""
    judged, double = watchdog.judgement, watchdog.double
    if judged is None or double is None:
        return ()
    stalled = {each.rank for each in judged.ranks if each.state is RankState.STALLED and not each.hung}
    if not stalled:
        return ()
    views = threads(double.second)
    waiting = (rank for rank in watchdog.ranks if rank.rank in stalled and rank.rank in watchdog.running)
    return tuple(wait for rank in waiting for wait in waits_of(watchdog.reader, rank, views))


def file_holders(watchdog: Watchdog, files: Iterable[SharedFile]) -> tuple[FileHeld, ...]:
    """Return who here has one of these files locked, and whether it may have it for ever."""
    ranks = {rank.rank: rank for rank in watchdog.ranks if rank.rank in watchdog.running}
    held = sorted(set(holders_of(watchdog.reader, watchdog.host, ranks.values(), frozenset(files))))[:SHOWN]
    quiet = _quiet_pids(watchdog)
    asleep = {lock.pid for lock in held if lock.pid in quiet and is_asleep(watchdog.reader, lock.pid)}
    working = {lock.rank for lock in held if lock.pid == ranks[lock.rank].main.pid and lock.pid not in asleep}
    in_mpi: frozenset[int] = frozenset()
    if working and watchdog.policy.has_stacks:
        looked_at = [ranks[rank] for rank in sorted(working)]
        in_mpi = read_bystanders(watchdog.reader, looked_at, watchdog.policy.stacks_deadline_s)
    pids_in_mpi = {ranks[rank].main.pid for rank in in_mpi}
    return tuple(
        lock.but(kept=Kept.ASLEEP if lock.pid in asleep else Kept.IN_MPI if lock.pid in pids_in_mpi else None)
        for lock in held
    )


def _quiet_pids(watchdog: Watchdog) -> set[int]:
    """Return the processes in which nothing has moved for the window."""
    progress = watchdog.sample.progress if watchdog.sample is not None else {}
    window_s = watchdog.policy.stall_after_s
    return {quiet.process.pid for each in progress.values() for quiet in each.processes if quiet.quiet_s >= window_s}
