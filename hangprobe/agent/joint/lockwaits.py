"""What the nodes of a job together show of locks on files: who waits for what a process on another node has. Pure.

Nothing of it is proven, for edges between nodes are live. It says which rank to look at, and keeps ranks that wait for
one that works from being called stalled. A rank stays stalled unless all that have its lock go on: a circle of ranks
that wait for each other's locks does not, nor does who sleeps with the lock, or waits with it inside MPI.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hangprobe.digest import NO_VERDICT, Digest
from hangprobe.filewaits import FileHeld, FileWait, Kept, SharedFile
from hangprobe.model import Assumption, RankState, Tier, Verdict
from hangprobe.ranksets import unfold
from hangprobe.result import RankResult

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
"""Between two looks for who has the same files."""
FILES_MAX = 16
"""Files that are looked for at once."""
STILL = "nothing has moved"
GOES_ON = {RankState.PROGRESSING, RankState.BLOCKED, RankState.WAITING, RankState.UNKNOWN}
HUNG = {RankState.PROVEN, RankState.LEAK}
MADE_A_HANG = {Tier.PROVEN, Tier.LEAK}


@dataclass(slots=True)
class Search:
    """When to ask the nodes who has the files for which ranks wait: at once for new ones, then with growing pauses."""

    files: tuple[SharedFile, ...] = ()
    """Those that were asked for last."""
    due_s: float = 0.0
    found_here: tuple[FileHeld, ...] = ()
    """What the asker's own node has of them."""
    _pause_s: float = 0.0

    def is_due(self, now_s: float) -> bool:
        """Tell whether it is time to ask again for what was asked for last."""
        return bool(self.files) and now_s >= self.due_s

    def ask(self, waits: Iterable[FileWait], now_s: float) -> tuple[SharedFile, ...]:
        """Return the files to ask for now, and take them for asked for; none if there is no need."""
        wanted = files_of(waits)
        is_new = not set(wanted) <= set(self.files)
        if not is_new and not self.is_due(now_s):
            self.files = wanted
            return ()
        self._pause_s = FIRST_PAUSE_S if is_new else min(LONGEST_PAUSE_S, 2 * self._pause_s)
        self.files, self.due_s = wanted, now_s + self._pause_s
        return wanted


def files_of(waits: Iterable[FileWait]) -> tuple[SharedFile, ...]:
    """Return the files that are waited for, as many as are asked for at once."""
    return tuple(sorted({wait.file for wait in waits})[:FILES_MAX])


def explained(job: Digest) -> Digest:
    """Return the digest of a job with its stalled ranks' waits for locks that others have told, and its verdict."""
    rows = {row.rank: row for row in job.ranks} if job.waits_for_files and job.locks else {}
    stalled = {row.rank for row in rows.values() if row.state is RankState.STALLED and row.mechanism is None}
    held = _held_for(job, stalled)
    if not held:
        return job
    freed = _freed(job, rows, held)
    told = {
        rank: rows[rank].but(state=RankState.BLOCKED, why=_why(rows[rank], waits))
        if rank in freed
        else rows[rank].but(why=f"{rows[rank].why or STILL}: it {_why(rows[rank], waits)}{_doubt(waits, freed)}")
        for rank, waits in held.items()
    }
    ranks = tuple(told.get(row.rank, row) for row in job.ranks)
    is_stall = job.verdict is Verdict.STALL and any(row.state is RankState.STALLED for row in ranks)
    verdict = Verdict.OK if job.verdict is Verdict.STALL and not is_stall else job.verdict
    return job.but(ranks=ranks, verdict=verdict)


_Waits = Sequence[tuple[FileWait, Sequence[FileHeld]]]


def _held_for(job: Digest, stalled: set[int]) -> dict[int, _Waits]:
    """Return for each stalled rank its waits for locks, if somebody is known to have every one of these."""
    by_file: dict[SharedFile, list[FileHeld]] = {}
    for lock in job.locks:
        by_file.setdefault(lock.file, []).append(lock)
    found: dict[int, list[tuple[FileWait, list[FileHeld]]]] = {}
    for wait in job.waits_for_files:
        if wait.rank in stalled:
            holders = [lock for lock in by_file.get(wait.file, ()) if lock.is_awaited_by(wait)]
            found.setdefault(wait.rank, []).append((wait, holders))
    return {rank: waits for rank, waits in found.items() if all(holders for _, holders in waits)}


def _freed(job: Digest, rows: dict[int, RankResult], held: dict[int, _Waits]) -> set[int]:
    """Return the ranks that wait for nobody but ranks that go on, or are hung, or wait for such themselves."""
    makers = (f for f in job.findings if f.tier in MADE_A_HANG and f.mechanism not in NO_VERDICT and not f.recovered)
    hung = {rank for finding in makers for rank in unfold(finding.ranks)}
    hung |= {row.rank for row in rows.values() if row.state in HUNG}
    freed: set[int] = set()

    def goes_on(lock: FileHeld) -> bool:
        row = rows.get(lock.rank)
        if lock.rank in hung or lock.rank in freed:
            return True
        return lock.kept is None and row is not None and row.state in GOES_ON

    def is_free(waits: _Waits) -> bool:  # a rank gives a lock up if any of its processes that have it does
        return all(
            any(goes_on(lock) for lock in of if lock.rank == rank)
            for _, of in waits
            for rank in {lock.rank for lock in of}
        )

    while more := {rank for rank, waits in held.items() if rank not in freed and is_free(waits)}:
        freed |= more
    return freed


def _why(row: RankResult, waits: _Waits) -> str:
    """Say for which lock a rank waits, and who has it: the nearest, and how many more."""
    wait, holders = waits[0]
    processes = {(lock.host != row.host, lock.host, lock.rank, lock.pid) for lock in holders}
    _, host, rank, pid = min(processes)
    more = len(processes) - 1
    others = f", and so {'has 1 more process' if more == 1 else f'have {more} more processes'}" if more else ""
    is_elsewhere = any(each[0] for each in processes)
    doubt = f", if both nodes mean the same file by that path and inode ({Assumption.A3})" if is_elsewhere else ""
    return f"waits for a lock on {wait.file.path}, which pid {pid} of rank {rank} on {host} has{others}{doubt}"


def _doubt(waits: _Waits, freed: set[int]) -> str:
    """Say what speaks against that the lock is given up soon."""
    kept = {lock.kept for _, holders in waits for lock in holders if lock.rank not in freed}
    if Kept.IN_MPI in kept:
        return "; that rank is inside MPI with it"
    return "; that process has not run for the window either" if Kept.ASLEEP in kept else ""
