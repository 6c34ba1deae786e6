"""The pipeline for jobs that run already: choose trees -> collect twice -> judge -> explain -> conclude.

Nothing is started in them, and nothing is ended. Many trees share one double collect; those of which it could not tell
enough are looked at once more by themselves, where what they have made for themselves counts as their own.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hangprobe.attach.attachment import Attachment
from hangprobe.attach.sparing import Sparing
from hangprobe.conclude import conclude
from hangprobe.errors.jobs import NoSuchProcess
from hangprobe.judge.beside import RETURN_S
from hangprobe.model import DoubleCollect, Unreadable, Verdict
from hangprobe.observe.census import Census
from hangprobe.observe.reader import Reader
from hangprobe.observe.snapshot import double_collect
from hangprobe.observe.trees import INIT, Forest, Tree, forest
from hangprobe.observe.world import Lasting, World
from hangprobe.policy import Policy
from hangprobe.result import Result

AGAIN_S = RETURN_S + 0.1
"""Between two looks at a tree in which a sleeper may still end a knot: long enough to see it come back."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which trees to look at; nothing: every one."""

    pids: tuple[int, ...] = ()
    name: str | None = None
    jobs_only: bool = False
    """Every job of a launcher, and nothing else."""

    @property
    def is_everything(self) -> bool:
        """Whether every tree of the node is looked at, asked about or not."""
        return not self.pids and self.name is None and not self.jobs_only


@dataclass(slots=True)
class Sweep:
    """Looks at the trees of this node, as often as it is asked to."""

    wanted: Wanted
    policy: Policy
    reader: Reader = field(default_factory=Reader)
    host: str = field(default_factory=socket.gethostname)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    attachments: dict[Tree, Attachment] = field(default_factory=dict)
    lasting: Lasting = field(default_factory=Lasting)

    def look(self) -> None:
        """Look at every tree that is there now. Raises NoSuchProcess if there is none of those that were asked for."""
        self._choose()
        trees = list(self.attachments.values())
        if len(trees) == 1:
            trees[0].look()
            return
        shared = self._collect(trees)
        for attachment in trees:
            attachment.look(shared)
        for attachment in trees:
            if attachment.calls_for_a_closer_look:
                attachment.look()

    def is_anything_left(self) -> bool:
        """Tell whether anything still runs of what was looked at; of everything there is always something."""
        return self.wanted.is_everything or any(each.is_running() for each in self.attachments.values())

    def look_again(self) -> None:
        """Look at what is left, and at what has come to everything."""
        if self.wanted.is_everything:
            self.look()
            return
        for attachment in self.attachments.values():
            attachment.look()

    def settle(self, patience_s: float) -> None:
        """Look again at trees in which a sleeper may still end a knot, for some time."""
        until_s = self.clock() + patience_s
        while (left := [each for each in self.attachments.values() if not each.is_settled]) and self.clock() < until_s:
            self.sleep(min(AGAIN_S, max(0.0, until_s - self.clock())))
            for attachment in left:
                attachment.look()

    def results(self) -> Iterator[Result]:
        """Yield one document a tree, jobs first."""
        yield from map(self.result_of, self.attachments.values())

    def result_of(self, attachment: Attachment) -> Result:
        """Return the document of one tree."""
        began = datetime.fromtimestamp(self.began_s(attachment.tree), UTC)
        age_s = (datetime.now(UTC) - began) / timedelta(seconds=1)
        ended_by = None if attachment.is_running() else "itself"
        result = conclude(attachment, self.command(attachment.tree), None, ended_by, began, age_s)
        if result.verdict is not Verdict.STALL or not self.wanted.is_everything or attachment.tree.job is not None:
            return result
        # Nobody asked about an idle daemon; but one that could be hung for all that can be read is not well either.
        judged = attachment.judgement.ranks if attachment.judgement is not None else ()
        is_known = all(rank.barrier is None for rank in judged)
        return result.but(verdict=Verdict.OK if is_known else Verdict.UNKNOWN, tier=None)

    def began_s(self, tree: Tree) -> float:
        """Return when a tree's first process began, in seconds since the epoch."""
        boot_s = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return boot_s + min(root.start_time for root in tree.roots) / os.sysconf("SC_CLK_TCK")

    def _choose(self) -> None:
        census = Census(self.reader, self.host)
        census.scan()
        trees = _trees(self.wanted, forest(census), census)
        is_asked = bool(self.wanted.pids) or self.wanted.name is not None
        askers = frozenset({os.getpid(), *census.ancestors(os.getpid())}) - {INIT} if is_asked else None
        self.attachments = {
            tree: self.attachments.get(tree)
            or Attachment(
                tree=tree,
                policy=self.policy,
                host=self.host,
                reader=self.reader,
                lasting=self.lasting,
                spare=self._sparing(askers),
                clock=self.clock,
                sleep=self.sleep,
            )
            for tree in trees
        }

    def _sparing(self, askers: frozenset[int] | None) -> Sparing:
        return Sparing(
            askers=askers,
            policy=self.policy,
            host=self.host,
            reader=self.reader,
            lasting=self.lasting,
            clock=self.clock,
            sleep=self.sleep,
        )

    def _collect(self, attachments: Iterable[Attachment]) -> DoubleCollect:
        members = [member for attachment in attachments for member in attachment.members()]
        return double_collect(self._world, members, self.policy.collect_gap_s, self.clock, self.sleep)

    def _world(self) -> World:
        return World(self.reader, self.host, lasting=self.lasting)

    def command(self, tree: Tree) -> tuple[str, ...]:
        """Return the command line of a tree's first root."""
        pid = tree.roots[0].pid
        data = self.reader.guarded(pid, "cmdline")
        words = [] if isinstance(data, Unreadable) else data.decode(errors="surrogateescape").rstrip("\0").split("\0")
        stat = self.reader.stat(pid)
        name = "?" if isinstance(stat, Unreadable) else stat.comm or "?"
        return tuple(words) if words and words[0] else (f"[{name}]",)


def _trees(wanted: Wanted, among: Forest, census: Census) -> Sequence[Tree]:
    if wanted.is_everything or wanted.jobs_only:
        return [tree for tree in among.everything() if tree.job is not None or not wanted.jobs_only]
    if wanted.name is not None:
        pids = among.named(wanted.name)
        if not pids:
            raise NoSuchProcess(f"no process of yours is named '{wanted.name}'", "names are those that ps -e shows")
        return among.below(pids)
    for pid in wanted.pids:
        stat = census.stats.get(pid)
        if stat is None or stat.has_ended:
            raise NoSuchProcess(f"there is no process {pid}", "see ps -e, or hangprobe attach --all")
    return among.below(wanted.pids)
