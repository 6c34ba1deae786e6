"""How the ranks' child processes were started, as seen in the live tree while the job ran."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hangprobe.model import Launcher, ProcessId, RankView, StartMethod
from hangprobe.observe.lineage import start_method
from hangprobe.observe.reader import Reader


@dataclass(slots=True)
class Methods:
    """Remembers the start method of every child of a rank that lived long enough to be seen."""

    reader: Reader
    seen: dict[ProcessId, tuple[int, StartMethod | None]] = field(default_factory=dict)
    _was_forked: dict[ProcessId, bool] = field(default_factory=dict)
    _launcher: Launcher = Launcher.NONE

    def see(self, ranks: Sequence[RankView], processes: Iterable[tuple[ProcessId, int, bool]]) -> None:
        """Take in a sample's processes: identity, parent's pid, whether it is forked and has not exec'd."""
        launcher = ranks[0].launcher if ranks else Launcher.NONE
        if launcher is not self._launcher:  # what was taken for rank 0 was the launcher, its children are the ranks
            self.seen.clear()
            self._was_forked.clear()
            self._launcher = launcher
        rank_of = {
            member: rank.rank for rank in ranks for member in rank.members if member not in {rank.top, rank.main}
        } | {rank.main: rank.rank for rank in ranks if rank.worker is not None and rank.main != rank.top}
        for process, parent, is_forked in processes:
            if process in rank_of and self._was_forked.get(process) is not is_forked:
                self._was_forked[process] = is_forked
                method = start_method(self.reader, process.pid, parent, is_forked)
                self.seen[process] = (rank_of[process], method)

    def of(self, process: ProcessId) -> StartMethod | None:
        """Return how a process was started; None if that was not seen."""
        return self.seen.get(process, (0, None))[1]

    def ranks_by_method(self) -> dict[StartMethod, set[int]]:
        """Return which ranks have started children by which method."""
        found: dict[StartMethod, set[int]] = {}
        for rank, method in self.seen.values():
            if method is not None:
                found.setdefault(method, set()).add(rank)
        return found
