"""Digests of the nodes of a job that was never run: for measuring what the head does with them.

Each has the shape, and the words, of what an observer tells of a node whose ranks hang, stall or work. A file of them
is the same for the same seed: 4 bytes of length, then the MessagePack of one digest.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hangprobe.digest import Digest, bounded, share
from hangprobe.explain.catalogue import MECHANISMS
from hangprobe.explain.sentence import alike, sentence
from hangprobe.model import Launcher, RankState, Tier, Unreadable, Verdict
from hangprobe.ranksets import fold
from hangprobe.result import Finding, FoundProcess, FoundThread, FoundWait, RankResult

LENGTH = struct.Struct("<I")
HUNG_SHARE = 0.01
PROVEN_HERE: tuple[tuple[str, dict[str, str], str], ...] = (
    ("fork-orphaned-lock", {"lock": "python-lock"}, "waits for a Python lock whose holder is not a running thread"),
    ("fork-orphaned-lock", {"lock": "mutex"}, "waits for a pthread mutex held at the fork by a thread of its parent"),
    ("queue-feeder-join", {}, "waits for its feeder thread, which writes to a pipe that its reader does not read"),
)
STDIN: tuple[str, dict[str, str], str] = (
    "launcher-stdin",
    {"launcher": "hydra"},
    "reads standard input, which its launcher never feeds nor closes",
)


@dataclass(frozen=True, slots=True)
class Job:
    """A job to make up."""

    kind: str
    placement: str
    ranks: int
    nodes: int
    seed: int = 1

    def digests(self) -> Iterator[Digest]:
        """Yield the digest of each node."""
        make = KINDS[self.kind]
        for node in range(self.nodes):
            yield make(self, _host(node), self._ranks_of(node), random.Random(f"{self.seed} {self.kind} {node}"))

    def write(self, path: Path) -> None:
        """Write them to a file, as they come over the wire."""
        encoder = msgspec.msgpack.Encoder()
        with path.open("wb") as file:
            for digest in self.digests():
                message = encoder.encode(digest)
                file.write(LENGTH.pack(len(message)) + message)

    def _ranks_of(self, node: int) -> range:
        if self.placement == "cyclic":
            return range(node, self.ranks, self.nodes)
        return range(node * self.ranks // self.nodes, (node + 1) * self.ranks // self.nodes)


def messages(path: Path) -> list[bytes]:
    """Return the messages of a file."""
    data, start, found = path.read_bytes(), 0, []
    while start < len(data):
        (length,) = LENGTH.unpack_from(data, start)
        found.append(data[start + LENGTH.size : start + LENGTH.size + length])
        start += LENGTH.size + length
    return found


def _host(node: int) -> str:
    return f"node{node + 1:05}"


def healthy(job: Job, host: str, ranks: range, chance: random.Random) -> Digest:
    """All ranks work."""
    return _digest(job, host, [_rank(host, rank, RankState.PROGRESSING, chance) for rank in ranks])


def hung(job: Job, host: str, ranks: range, chance: random.Random) -> Digest:
    """One rank of a hundred is in a knot, of three kinds; all others wait for it in MPI."""
    held = {rank: chance.randrange(len(PROVEN_HERE)) for rank in ranks if chance.random() < HUNG_SHARE}
    rows = [
        _rank(host, rank, RankState.PROVEN, chance, PROVEN_HERE[held[rank]][0])
        if rank in held
        else _rank(host, rank, RankState.WAITING, chance)
        for rank in ranks
    ]
    sets = [[rank for rank in ranks if held.get(rank) == number] for number in range(len(PROVEN_HERE))]
    found = [_finding(host, have, *how, Tier.PROVEN) for have, how in zip(sets, PROVEN_HERE, strict=True) if have]
    return _digest(job, host, rows, found)


def stdin(job: Job, host: str, ranks: range, chance: random.Random) -> Digest:
    """All ranks but the first one read a standard input that never ends."""
    rows = [
        _rank(host, rank, RankState.LEAK if rank else RankState.WAITING, chance, STDIN[0] if rank else None)
        for rank in ranks
    ]
    members = [rank for rank in ranks if rank]
    return _digest(job, host, rows, [_finding(host, members, *STDIN, Tier.LEAK)] if members else [])


def stalled(job: Job, host: str, ranks: range, chance: random.Random) -> Digest:
    """No thread of the job has run for a while."""
    why = "no thread of its tree has run for 61 s"
    return _digest(job, host, [_rank(host, rank, RankState.STALLED, chance, why=why) for rank in ranks])


def unknown(job: Job, host: str, ranks: range, chance: random.Random) -> Digest:
    """On one node of a hundred nothing can be read."""
    if chance.random() >= HUNG_SHARE:
        return healthy(job, host, ranks, chance)
    why = chance.choice(("its main thread may not be read", "its main thread was not seen in the last collect"))
    unread = Unreadable("syscall of the ranks", chance.choice(("Permission denied", "no answer before the deadline")))
    return _digest(job, host, [_rank(host, rank, RankState.UNKNOWN, chance, why=why) for rank in ranks], (), (unread,))


def anything(job: Job, host: str, ranks: range, chance: random.Random) -> Digest:
    """Any state and any mechanism, as no job ever is."""
    states, slugs = list(RankState), list(MECHANISMS)
    rows = [_rank(host, rank, chance.choice(states), chance, chance.choice(slugs)) for rank in ranks]
    slug = chance.choice(slugs)
    members = [rank for rank in ranks if chance.random() < HUNG_SHARE] or list(ranks)[:1]
    found = [_finding(host, members, slug, {"lock": chance.choice("abc")}, "waits", Tier.BLOCKED)] if members else []
    return _digest(job, host, rows, found, (Unreadable(f"pid {chance.randrange(100)}", "gone"),))


KINDS: dict[str, Callable[[Job, str, range, random.Random], Digest]] = {
    "healthy": healthy,
    "1 % hung": hung,
    "launcher-stdin": stdin,
    "stall": stalled,
    "unknown nodes": unknown,
    "anything": anything,
}


def _digest(
    job: Job,
    host: str,
    rows: list[RankResult],
    findings: tuple[Finding, ...] | list[Finding] = (),
    unreadable: tuple[Unreadable, ...] = (),
) -> Digest:
    states = {row.state for row in rows}
    is_hung = bool(states & {RankState.PROVEN, RankState.LEAK})
    verdict = Verdict.HANG if is_hung else Verdict.STALL if RankState.STALLED in states else Verdict.OK
    return Digest(
        verdict=verdict,
        is_known=RankState.UNKNOWN not in states,
        may_be_ended=RankState.PROVEN in states,
        launcher=Launcher.HYDRA,
        size=job.ranks,
        ranks=tuple(rows),
        findings=tuple(bounded(finding, share(len(rows), job.ranks)) for finding in findings),
        start_methods={"fork": fold(row.rank for row in rows)} if rows else {},
        samples=40,
        double_collects=2,
        detected_after_s=0.4 if is_hung else None,
        unreadable=unreadable,
        host=host,
    )


def _rank(
    host: str, rank: int, state: RankState, chance: random.Random, mechanism: str | None = None, why: str | None = None
) -> RankResult:
    pid, since_s = 20_000 + 4 * (rank % 4096), round(60 * chance.random(), 3)
    return RankResult(rank, host, pid, 8_000_000 + pid, since_s, mechanism, state, why)


def _finding(host: str, ranks: list[int], mechanism: str, detail: dict[str, str], clause: str, tier: Tier) -> Finding:
    pids = [20_001 + 4 * (rank % 4096) for rank in ranks]
    finding = Finding(
        mechanism,
        tier,
        likely=False,
        ranks=fold(ranks),
        processes=tuple(FoundProcess(host, pid, 8_000_000 + pid, forked=tier is Tier.PROVEN) for pid in pids),
        waits=tuple(FoundWait(host, pid, pid, "futex-private", "0x7f5c40", _wakers(pid), 3.5) for pid in pids),
        detail=detail,
        says="",
        evidence=(f"what pid {pids[0]} waits for", *([alike(len(ranks) - 1)] if len(ranks) > 1 else [])),
        mitigations=MECHANISMS[mechanism].mitigations,
        clause=clause,
    )
    return finding.but(says=sentence(finding))


def _wakers(pid: int) -> tuple[FoundThread, ...]:
    return (FoundThread(pid - 1, pid - 1),)
