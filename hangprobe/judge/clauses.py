"""The clauses by which a rank gets its verdict, one function each; `verdict` says in which order they apply.

A knot is not yet a hang: each clause also asks who could still end it, and then says `blocked` and why.
"""

from __future__ import annotations

from functools import partial

from hangprobe.judge.beside import live_beside
from hangprobe.judge.collects import assumptions
from hangprobe.judge.knot import knot, reachable
from hangprobe.judge.scene import Scene
from hangprobe.judgement import Progress, RankVerdict
from hangprobe.model import Keeper, RankState, RankView, ThreadId, ThreadView, WaitKind

_SLEEPER = (
    "thread {0.tid} of pid {0.process.pid} may still end the wait: it sleeps for a set time, has just begun, or waits "
    "for something else"
)
_ALARM = "an alarm(2) was set on this node since the job began, by a process that cannot be told: it may end the wait"


def by_knot(scene: Scene, rank: RankView, main: ThreadId, since_s: float | None) -> RankVerdict:
    """Clause 1: the main thread is in the knot, and so is whoever could end the processes it waits for."""
    is_proven = main in scene.proven
    culprits = scene.culprits(main, scene.proven if is_proven else scene.blocked)
    closed_s = scene.closed(culprits)
    say = partial(RankVerdict, rank.rank, culprits=culprits, closed_s=closed_s, since_s=since_s)
    if not is_proven:
        return say(state=RankState.BLOCKED, why=scene.caught(culprits))
    around = scene.ranks_around(rank, culprits)
    if isinstance(around, str):
        return say(state=RankState.BLOCKED, why=around)
    if unread := scene.unread(around):
        return say(state=RankState.BLOCKED, why=f"the threads of pid {unread.pid} cannot be read")
    if pending := scene.may_act(around, scene.proven, scene.closed_by(culprits)):
        return say(state=RankState.BLOCKED, why=_SLEEPER.format(pending[0]), pending=pending)
    if scene.may_be_alarmed(scene.closed_by(culprits)):
        return say(state=RankState.BLOCKED, why=_ALARM)
    return say(
        state=RankState.PROVEN,
        why="its main thread is in the knot",
        hung=True,
        spared=live_beside(scene.tree(around), scene.proven),
        assumes=assumptions(culprits, scene.standing, scene.double),
    )


def by_leak(
    scene: Scene, rank: RankView, main: ThreadId, view: ThreadView, progress: Progress | None, since_s: float | None
) -> RankVerdict | None:
    """Return a verdict if the main thread depends on what is kept since a fork, or on a stdin that never ends."""
    endless = scene.kept | scene.leaks.launcher_stdin(rank)
    if not endless or view.state != "S" or view.is_timed:
        return None
    graph = {**scene.graph, **dict.fromkeys(endless, frozenset[ThreadId]())}
    members = knot(graph)
    culprits = tuple(sorted(reachable(main, graph) & endless))
    is_quiet = progress is not None and progress.quiet_s >= scene.stall_after_s
    if not culprits or not (main in members or is_quiet):
        return None
    closed_s = scene.closed(culprits)
    say = partial(RankVerdict, rank.rank, culprits=culprits, closed_s=closed_s, since_s=since_s)
    keepers = (keeper.process for thread in culprits for keeper in _keepers(scene.views[thread]))
    around = {each.rank: each for process in keepers if (each := scene.rank_of.get(process)) is not None}
    if pending := scene.may_act([rank, *around.values()], members, scene.closed_by(culprits)):
        return say(state=RankState.BLOCKED, why=_SLEEPER.format(pending[0]), pending=pending)
    if scene.may_be_alarmed(scene.closed_by(culprits)):
        return say(state=RankState.BLOCKED, why=_ALARM)
    assumes = assumptions(reachable(main, graph) & graph.keys(), scene.standing, scene.double)
    why = "it waits for what another process keeps and does not give up"
    return say(state=RankState.LEAK, why=why, hung=True, spared="a leak, not a proof", assumes=assumes)


def by_held_lock(scene: Scene, rank: RankView, main: ThreadId, since_s: float | None) -> RankVerdict | None:
    """Return a verdict if the main thread depends on a lock on a file whose holder lives and works."""
    waits = {thread: scene.views[thread].wait for thread in scene.graph}
    held = {thread for thread, wait in waits.items() if wait is not None and wait.kind is WaitKind.FILE_LOCK}
    if not held or main not in knot({**scene.graph, **dict.fromkeys(held, frozenset[ThreadId]())}):
        return None
    thread = min(reachable(main, scene.graph) & held)
    wait = waits[thread]
    assert wait is not None
    holders = ", ".join(f"pid {keeper.process.pid}" for keeper in wait.keepers)
    return RankVerdict(rank.rank, RankState.BLOCKED, f"waits for {wait.object}, held by {holders}", since_s=since_s)


def by_quiet(scene: Scene, rank: RankView, main: ThreadId, since_s: float | None) -> RankVerdict:
    """Clause 2, else a plain stall: nothing has moved for the window."""
    reach = reachable(main, scene.unsignalled) if main in scene.unsignalled else frozenset()
    for process in sorted({thread.process for thread in reach} - {rank.main}):
        own = [thread.id for thread in scene.processes[process].threads] if process in scene.processes else []
        if not own or process not in rank.members or not scene.proven.issuperset(own):
            continue
        culprits = scene.culprits(own[0], scene.proven)
        closed_s = scene.closed(culprits)
        around = scene.ranks_around(rank, culprits)
        if isinstance(around, str) or scene.unread(around) or scene.may_be_alarmed(scene.closed_by(culprits)):
            continue
        if scene.may_act(around, scene.proven, scene.closed_by(culprits)):
            continue
        return RankVerdict(
            rank.rank,
            RankState.STALLED,
            f"it depends on pid {process.pid}, which is in the knot, and nothing has moved for the window",
            hung=True,
            culprits=culprits,
            closed_s=closed_s,
            since_s=since_s,
            spared="its main thread is not in the knot itself",
            assumes=assumptions(culprits, scene.standing, scene.double),
        )
    return RankVerdict(rank.rank, RankState.STALLED, "no thread of it has run for the window", since_s=since_s)


def unread(scene: Scene, main: ThreadId) -> ThreadView | None:
    """Return the thread that decides whether the main thread's wait can end, and may not be read; None if none does."""
    graph = {**scene.graph, **scene.unread_waits}
    if not scene.unread_waits or main not in knot(graph):
        return None
    return scene.views[min(reachable(main, graph) & scene.unread_waits.keys())]


def _keepers(view: ThreadView) -> tuple[Keeper, ...]:
    return view.wait.keepers if view.wait is not None else ()
