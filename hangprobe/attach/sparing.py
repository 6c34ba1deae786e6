"""A hang that somebody may mean to end is none: who is there outside of the tree, and who waits for a message within.

Apart from the look at the tree, because it looks at the tree around it, and only where something is called hung.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from hangprobe.attach.attachment import Attachment
from hangprobe.attach.elders import Elder, elders, has_lost_its_starter, is_started_by_launcher
from hangprobe.judgement import Judgement, RankVerdict
from hangprobe.model import ProcessId, RankState, RankView, ThreadId, Verdict
from hangprobe.observe.census import Census
from hangprobe.observe.reader import Reader
from hangprobe.observe.trees import Forest, Tree, forest
from hangprobe.observe.world import Lasting
from hangprobe.policy import Policy
from hangprobe.record import Look

_ELDER = (
    "nothing that it waits for can wake it, but pid {pid} ({name}), {kin}, is in no knot and may mean to end it: "
    "ask about pid {pid}"
)
_ORPHAN = (
    "nothing that it waits for can wake it, but whoever started it has ended or is a service manager, and somebody may "
    "know it and mean to end it: ask about pid {pid} itself"
)

_TOLD = "thread {0.tid} of pid {0.process.pid} waits for something else, and may end the wait when that comes"


@dataclass(slots=True, kw_only=True)
class Sparing:
    """Spares the ranks of one tree, as often as it is judged."""

    askers: frozenset[int] | None
    """Who runs hangprobe on just this tree; None if nobody has asked about it in particular."""
    policy: Policy
    host: str
    reader: Reader
    lasting: Lasting
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _around: dict[ProcessId, Attachment] = field(default_factory=dict)
    """The trees around it, by their roots."""

    def __call__(self, look: Look) -> Judgement:
        """Return the judgement of a look in which no rank is hung that somebody may still mean to end."""
        if look.judgement.verdict is not Verdict.HANG:
            return look.judgement
        census = Census(self.reader, self.host)
        census.scan()
        among = forest(census)
        views = {rank.rank: rank for rank in look.ranks}

        def spared(verdict: RankVerdict) -> RankVerdict:
            if not verdict.hung:
                return verdict
            say = partial(verdict.but, hung=False, spared=None)
            if (why := self._who_may_end(among, views[verdict.rank].top)) is not None:
                return say(state=RankState.BLOCKED, why=why)
            if (why := _who_may_be_told(look, views[verdict.rank], verdict)) is not None:
                progress = look.progress.get(verdict.rank)
                is_quiet = progress is not None and progress.quiet_s >= self.policy.stall_after_s
                return say(state=RankState.STALLED if is_quiet else RankState.BLOCKED, why=why)
            return verdict

        return look.judgement.but(ranks=tuple(map(spared, look.judgement.ranks)))

    def _who_may_end(self, among: Forest, top: ProcessId) -> str | None:
        if among.census.process(top.pid) != top or is_started_by_launcher(among, top.pid):
            return None
        found = elders(among, top, self.askers or frozenset())
        if found and (free := self._first_outside_knot(found)) is not None:
            pid = free.process.pid
            return _ELDER.format(pid=pid, kin=free.kinship, name=among.name(pid))
        is_orphan = self.askers is None and has_lost_its_starter(among, top)
        return _ORPHAN.format(pid=top.pid) if is_orphan else None

    def _first_outside_knot(self, found: Sequence[Elder]) -> Elder | None:
        """Return the nearest elder that is in no knot with all its threads; None if all are, and those around them."""
        farthest = found[-1]
        if not farthest.is_ancestor:
            return found[0]
        around = self._around.setdefault(farthest.process, self._attachment(farthest.process))
        around.look()
        judgement, double = around.judgement, around.double
        assert judgement is not None
        assert double is not None
        views = {view.id: {thread.id for thread in view.threads} for view in double.second.processes}
        shells = _shells(around.ranks, {view.id.pid: view.parent for view in double.second.processes})
        for elder in found:
            is_knotted = views.get(elder.process) and judgement.proven >= views[elder.process]
            if not is_knotted and elder.process.pid not in shells:
                return elder
        return None if judgement.verdict is Verdict.HANG else farthest

    def _attachment(self, root: ProcessId) -> Attachment:
        return Attachment(
            tree=Tree((root,)),
            policy=self.policy,
            host=self.host,
            reader=self.reader,
            lasting=self.lasting,
            clock=self.clock,
            sleep=self.sleep,
        )


def _shells(ranks: Sequence[RankView], parents: Mapping[int, int | None]) -> set[int]:
    """Return the shells behind which programs run: each waits for its only child, and ends it on a signal alone."""
    found: set[int] = set()
    for rank in ranks:
        at: int | None = rank.main.pid
        while at is not None and at != rank.top.pid:
            at = parents.get(at)
            if at is not None:
                found.add(at)
    return found


def _who_may_be_told(look: Look, rank: RankView, verdict: RankVerdict) -> str | None:
    """Return which thread of the knot's own processes waits for something from elsewhere; None if none does.

    Under the watchdog such a thread is in doubt until the knot has stood for the window. A service that was idle for an
    hour before anybody looked may still get the message upon which it terminates its helper.
    """
    near, proven = {rank.main, *(thread.process for thread in verdict.culprits)}, look.judgement.proven
    for process in look.double.second.processes:
        for view in process.threads if process.id in near else ():
            is_apart = view.id in proven or view.is_timed or view.is_runtime_helper or view.state != "S"
            if is_apart or view.id in {ThreadId(rank.main, rank.main.pid), *verdict.culprits}:
                continue  # who reads a launcher's socket is live by nature, and is what is told of
            wakers = view.wait.wakers if view.wait is not None else frozenset()
            if view.live or any(waker.process not in near and waker not in proven for waker in wakers):
                return _TOLD.format(view.id)
    return None
