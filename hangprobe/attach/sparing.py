"""A hang that somebody outside of the tree may mean to end is none: who is there, and are they in a knot themselves.

Apart from the look at the tree, because it looks at the tree around it, and only where something is called hung.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hangprobe.attach.attachment import Attachment
from hangprobe.attach.elders import Elder, elders, has_lost_its_starter, is_started_by_launcher
from hangprobe.model import Judgement, ProcessId, RankState, RankVerdict, RankView, Verdict
from hangprobe.observe.census import Census
from hangprobe.observe.reader import Reader
from hangprobe.observe.trees import Forest, Tree, forest
from hangprobe.observe.world import Lasting
from hangprobe.policy import Policy

_ELDER = (
    "nothing that it waits for can wake it, but pid {pid} ({name}), {kin}, is in no knot and may mean to end it: "
    "ask about pid {pid}"
)
_ORPHAN = (
    "nothing that it waits for can wake it, but whoever started it has ended or is a service manager, and somebody may "
    "know it and mean to end it: ask about pid {pid} itself"
)


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

    def __call__(self, judgement: Judgement, ranks: Sequence[RankView]) -> Judgement:
        """Return the judgement in which no rank is hung that somebody outside of the tree may mean to end."""
        if judgement.verdict is not Verdict.HANG:
            return judgement
        census = Census(self.reader, self.host)
        census.scan()
        among, tops = forest(census), {rank.rank: rank.top for rank in ranks}

        def spared(verdict: RankVerdict) -> RankVerdict:
            why = self._who_may_end(among, tops[verdict.rank]) if verdict.hung else None
            return verdict if why is None else verdict.but(state=RankState.BLOCKED, hung=False, spared=None, why=why)

        return judgement.but(ranks=tuple(map(spared, judgement.ranks)))

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
        for elder in found:
            if not views.get(elder.process) or not judgement.proven >= views[elder.process]:
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
