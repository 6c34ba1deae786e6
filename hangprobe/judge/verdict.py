"""From a knot to a verdict on each rank, and on the job: a knot is not yet a hang.

A helper parked in `Event().wait()` until its parent terminates it is a knot, and healthy. A rank is hung if

1. its main thread is in the knot; or
2. all threads of some process of its tree are in the knot, the main thread is in an untimed wait from which that
   process is reachable along waker edges, and nothing in the tree has moved for the window. (An initialised MPI keeps
   a thread in epoll beside a main thread on a private futex, which may therefore never be in the knot itself.)

If the knot has processes of other ranks, those ranks' main threads must be in it too: whoever works on may end them.
While a thread of the trees outside the knot may still mean to end it (a Timer that will terminate the child; see
`judge.beside`), neither applies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from hangprobe.judge.clauses import by_held_lock, by_knot, by_leak, by_quiet, unread
from hangprobe.judge.collects import assumptions
from hangprobe.judge.progress import is_stalled
from hangprobe.judge.scene import Scene
from hangprobe.judgement import Judgement, Progress, RankVerdict, Sighting
from hangprobe.model import DoubleCollect, RankState, RankView, ThreadId
from hangprobe.ranksets import spoken


def judge(
    double: DoubleCollect,
    ranks: Sequence[RankView],
    progress: Mapping[int, Progress],
    stall_after_s: float,
    sightings: Sequence[Sighting] = (),
) -> Judgement:
    """Return the two knots of a double collect and one verdict per rank, in the order of `ranks`.

    `sightings` are sleepers that earlier judgements named as pending, as they were seen then.
    """
    scene = Scene(double, ranks, progress, stall_after_s, sightings)
    verdicts = tuple(_judge_rank(scene, rank, progress.get(rank.rank)) for rank in ranks)
    assumes = assumptions(scene.proven, scene.standing, double)
    return Judgement(double.second.ended_s, scene.proven, scene.blocked, verdicts, assumes)


def victims(judgement: Judgement, in_mpi: Set[int], elsewhere: Set[int] = frozenset()) -> Judgement:
    """Return the judgement with ranks that wait inside MPI beside hung ones named as their victims.

    `in_mpi` are the ranks whose main thread has native frames of an MPI library; `elsewhere` hung ones on other nodes.
    """
    hung = elsewhere | {rank.rank for rank in judgement.ranks if rank.hung}
    if not hung:
        return judgement
    ranks = tuple(
        RankVerdict(rank.rank, RankState.WAITING, f"waits in MPI for {spoken(hung)}", since_s=rank.since_s)
        if rank.state in {RankState.PROGRESSING, RankState.STALLED} and not rank.hung and rank.rank in in_mpi
        else rank
        for rank in judgement.ranks
    )
    return judgement.but(ranks=ranks)


def _judge_rank(scene: Scene, rank: RankView, progress: Progress | None) -> RankVerdict:
    if rank.worker is not None and rank.worker.index is not None and rank.worker.task is None:
        return RankVerdict(rank.rank, RankState.PROGRESSING, "a worker without a task waits for one")
    main = ThreadId(rank.main, rank.main.pid)
    view = scene.views.get(main)
    if view is None:
        return RankVerdict(rank.rank, RankState.UNKNOWN, "its main thread was not seen in the last collect")
    since_s = scene.age(view)
    in_knot = by_knot(scene, rank, main, since_s) if main in scene.blocked else None
    if in_knot is not None and in_knot.state is RankState.PROVEN:
        return in_knot
    if (leak := by_leak(scene, rank, main, view, progress, since_s)) is not None:
        return leak
    if in_knot is not None:
        return in_knot
    if view.state in {"T", "t"}:
        return RankVerdict(rank.rank, RankState.STOPPED, "stopped by a signal or a debugger")
    if view.state in {"Z", "X"}:
        return RankVerdict(rank.rank, RankState.EXITED, "its process has ended")
    hidden = unread(scene, main)
    barrier = hidden.barrier if hidden is not None else None
    if is_stalled(view, progress, scene.stall_after_s):
        return by_quiet(scene, rank, main, since_s).but(barrier=barrier)
    if view.state is None:
        return RankVerdict(rank.rank, RankState.UNKNOWN, "its main thread could not be read")
    if (held := by_held_lock(scene, rank, main, since_s)) is not None:
        return held
    if hidden is not None:
        why = f"whether its wait can end cannot be told: {hidden.live}"
        return RankVerdict(rank.rank, RankState.UNKNOWN, why, since_s=since_s, barrier=barrier)
    return RankVerdict(rank.rank, RankState.PROGRESSING, view.live or "its wait can still end", since_s=since_s)
