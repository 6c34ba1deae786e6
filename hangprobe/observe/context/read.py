"""Read the launch context of every rank of a node, at any time in its life.

The environment is that of the rank's exec, and so are limits, session and descriptors unless the rank has changed them
since. Only of standard input can be told whether it did: a launcher's pipe that is not at 0 any more, but has been left
at another number (Hydra leaves one), or is still there.

One look at the descriptors of all processes serves all ranks: make one `Contexts` for a node, and ask it for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hangprobe.context.values import LaunchContext, Limits, Session
from hangprobe.model import ProcessId, RankView, StartMethod, Unreadable
from hangprobe.observe.context.channels import Channels
from hangprobe.observe.context.limits import changed, parse_limits, parse_nice, parse_processors, parse_umask
from hangprobe.observe.context.otherends import OtherEnds
from hangprobe.observe.context.roles import Roles
from hangprobe.observe.context.variables import parse_variables
from hangprobe.observe.holders import Holders
from hangprobe.observe.procfs import parse_stat, parse_status
from hangprobe.observe.reader import Reader
from hangprobe.observe.signals import signal_name
from hangprobe.observe.world import World

T = TypeVar("T")
_PYTHON = re.compile(r"python3?(\.\d+)?[a-z]?( \(deleted\))?$")


def read_contexts(
    reader: Reader, host: str, ranks: Sequence[RankView], methods: Mapping[int, Iterable[StartMethod]] | None = None
) -> dict[int, LaunchContext]:
    """Return the launch context of each rank of a node; `methods` is how each rank's children were started."""
    world = World(reader, host)
    world.scan()
    node = Contexts(Holders(world), ranks)
    return {rank.rank: node.read(rank, (methods or {}).get(rank.rank, ())) for rank in ranks}


@dataclass(slots=True)
class Contexts:
    """What the ranks of one node were started with; `holders` belong to a world that has been scanned."""

    holders: Holders
    ranks: Sequence[RankView]
    _channels: Channels = field(init=False)
    _roles: Roles = field(init=False)
    _environs: dict[int, bytes | Unreadable] = field(default_factory=dict)
    _limits: dict[int, str | Unreadable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read all environments in a few hand-overs; the descriptors are read when the first rank needs them."""
        self._roles = Roles(self.holders.world, self.ranks)
        self._channels = Channels(OtherEnds(self.holders, self._roles))
        pids = {rank.top.pid: "environ" for rank in self.ranks}
        self._environs = self.holders.world.reader.guarded_many(pids)

    def read(self, rank: RankView, methods: Iterable[StartMethod] = ()) -> LaunchContext:
        """Return what a rank was started with; what cannot be read is None, with its reason."""
        pid, world = rank.top.pid, self.holders.world
        if not _is_there(world, rank.top):
            gone = Unreadable("process", "gone")
            return LaunchContext(launcher=rank.launcher, start_methods=_sorted(methods), unreadable=(gone,))
        reading = _Reading(world.reader, pid)
        stat, status = reading.text("stat"), reading.text("status")
        signals = parse_status(status) if status is not None else None
        channels = self._channels.of(rank, reading.failures)
        program = reading.link("exe")
        environ = reading.kept("environ", self._environs.get(pid, Unreadable("environ", "not asked for")))
        return LaunchContext(
            launcher=rank.launcher,
            stdin=channels.stdin,
            stdin_behind=channels.stdin_behind,
            stdin_never_ends=rank.stdin.says if rank.stdin is not None else None,
            stdout=channels.stdout,
            stderr=channels.stderr,
            descriptors=channels.descriptors,
            blocked=_names(signals.blocked) if signals is not None else None,
            ignored=_names(signals.ignored) if signals is not None else None,
            is_python=bool(_PYTHON.search(program.rpartition("/")[2])) if program is not None else None,
            session=_session(pid, stat) if stat is not None else None,
            limits=self._limits_of(rank, reading),
            processors=parse_processors(status) if status is not None else None,
            folder=reading.link("cwd"),
            umask=parse_umask(status) if status is not None else None,
            nice=parse_nice(stat) if stat is not None else None,
            oom=_number(reading.text("oom_score_adj")),
            variables=parse_variables(environ) if environ is not None else None,
            start_methods=_sorted(methods),
            unreadable=tuple(dict.fromkeys(reading.failures)),
        )

    def _limits_of(self, rank: RankView, reading: _Reading) -> Limits | None:
        text = reading.text("limits")
        if text is None:
            return None
        own, launcher = parse_limits(text), self._roles.launcher_of(rank.top.pid)
        if launcher is not None and launcher not in self._limits:
            self._limits[launcher] = self.holders.world.reader.text(f"{launcher}/limits")
        theirs = self._limits[launcher] if launcher is not None else None
        return Limits(own, changed(own, parse_limits(theirs)) if isinstance(theirs, str) else None)


@dataclass(slots=True)
class _Reading:
    """The files of one process; what fails is kept without its pid, so that ranks on which it failed are alike."""

    reader: Reader
    pid: int
    failures: list[Unreadable] = field(default_factory=list)

    def text(self, name: str) -> str | None:
        return self.kept(name, self.reader.text(f"{self.pid}/{name}"))

    def link(self, name: str) -> str | None:
        return self.kept(name, self.reader.link(f"{self.pid}/{name}"))

    def kept(self, name: str, found: T | Unreadable) -> T | None:
        if isinstance(found, Unreadable):
            self.failures.append(Unreadable(name, found.why, found.barrier))
            return None
        return found


def _is_there(world: World, process: ProcessId) -> bool:
    stat = world.reader.stat(process.pid)
    return not isinstance(stat, Unreadable) and stat.start_time == process.start_time and not stat.has_ended


def _session(pid: int, text: str) -> Session | None:
    stat = parse_stat(text)
    if stat.session is None or stat.group is None or stat.tty is None:
        return None
    return Session(stat.session == pid, stat.group == pid, stat.tty != 0)


def _names(signals: frozenset[int] | None) -> tuple[str, ...] | None:
    return None if signals is None else tuple(signal_name(number) for number in sorted(signals))


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?\d{1,9}\s*", text, re.ASCII) else None


def _sorted(methods: Iterable[StartMethod]) -> tuple[StartMethod, ...]:
    return tuple(sorted(set(methods)))
