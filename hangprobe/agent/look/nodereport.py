"""What one node tells of the jobs on it: everything that judging and explaining need, and nothing judged yet.

The lines that carry it are found among whatever else a login shell prints.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib

import msgspec

from hangprobe.context.values import LaunchContext
from hangprobe.evidence import Suspects
from hangprobe.judgement import Progress, RankVerdict, Sighting
from hangprobe.model import DoubleCollect, Frozen, RankView, StartMethod, Unreadable
from hangprobe.starter import Starter

MARK = b"hangprobe-report/1"
PIECE = 512
"""Letters of a report in a line: srun cuts long ones."""
LIMIT = 256 * 1024 * 1024
"""Bytes of a report, unpacked: 100,000 threads take some 60 MB."""
_LINE = re.compile(MARK + rb" (\S+) ([0-9]{1,9})/([0-9]{1,9}) ([A-Za-z0-9+/=]+)")


class JobReport(Frozen, frozen=True):
    """One job as far as it is on this node."""

    job: str
    """What its ranks have in common on every node."""
    command: tuple[str, ...]
    began_s: float
    """When its first process here began, in seconds since the epoch."""
    double: DoubleCollect
    ranks: tuple[RankView, ...]
    progress: dict[int, Progress]
    suspects: Suspects
    sightings: tuple[Sighting, ...]
    in_mpi: tuple[int, ...]
    """Ranks whose main thread is inside MPI, of those that were looked into."""
    methods: dict[StartMethod, tuple[int, ...]]
    looks: int = 1
    contexts: dict[int, LaunchContext] = msgspec.field(default_factory=dict)
    """By rank: what its launcher gave it."""
    verdicts: tuple[RankVerdict, ...] = ()
    """What the node makes of its ranks: it saw who is around them and may still mean to end them."""


class NodeReport(Frozen, frozen=True):
    """Everything that one node tells."""

    host: str
    """What it calls itself."""
    jobs: tuple[JobReport, ...]
    starters: tuple[Starter, ...] = ()
    """The mpiexec commands that run here."""
    unreadable: tuple[Unreadable, ...] = ()


def pack(report: NodeReport) -> bytes:
    """Return a report as short lines, each with the host's name: srun mixes the lines of all nodes."""
    data = base64.b64encode(zlib.compress(msgspec.json.encode(report), 1))
    pieces = [data[start : start + PIECE] for start in range(0, len(data), PIECE)]
    host = report.host.encode(errors="replace")
    return b"".join(b"%s %s %d/%d %s\n" % (MARK, host, n, len(pieces), piece) for n, piece in enumerate(pieces, 1))


def by_host(output: bytes) -> dict[str, bytes]:
    """Return the lines of reports in a mixed output, by the name that each node calls itself."""
    found: dict[str, list[bytes]] = {}
    for match in _LINE.finditer(output):
        found.setdefault(match[1].decode(errors="replace"), []).append(match.group())
    return {host: b"\n".join(lines) for host, lines in found.items()}


def unpack(output: bytes) -> NodeReport | str:
    """Return the report in a command's output; else in a few words why there is none."""
    lines = list(_LINE.finditer(output))
    if not lines:
        return "its answer has no report"
    pieces = {int(line[2]): line[4] for line in lines}
    count = int(lines[-1][3])
    if len(pieces) != count or pieces.keys() != set(range(1, count + 1)):
        return "its report is cut"
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(
            base64.b64decode(b"".join(pieces[n + 1] for n in range(count)), validate=True), LIMIT
        )
        if not unpacker.eof:
            return "its report is cut or too large"
        return msgspec.json.decode(data, type=NodeReport)
    except (binascii.Error, zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"its report is damaged or of another version: {error}"
