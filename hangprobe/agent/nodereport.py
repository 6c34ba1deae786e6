"""What one node tells of the jobs on it: everything that judging and explaining need, and nothing judged yet.

The line that carries it is found among whatever else a login shell prints.
"""

from __future__ import annotations

import base64
import binascii
import zlib

import msgspec

from hangprobe.evidence import Suspects
from hangprobe.model import DoubleCollect, Frozen, Progress, RankView, Sighting, Starter, StartMethod, Unreadable

MARK = b"hangprobe-report/1 "
LIMIT_BYTES = 256 * 1024 * 1024
"""Of a report, unpacked: 100,000 threads take some 60 MB."""


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


class NodeReport(Frozen, frozen=True):
    """Everything that one node tells."""

    host: str
    """What it calls itself."""
    jobs: tuple[JobReport, ...]
    starters: tuple[Starter, ...] = ()
    """The mpiexec commands that run here."""
    unreadable: tuple[Unreadable, ...] = ()


def pack(report: NodeReport) -> bytes:
    """Return a report as one line."""
    return MARK + base64.b64encode(zlib.compress(msgspec.json.encode(report), 1)) + b"\n"


def unpack(output: bytes) -> NodeReport | str:
    """Return the report in a command's output; else in a few words why there is none."""
    lines = [line for line in output.split(b"\n") if line.startswith(MARK)]
    if not lines:
        return "its answer has no report"
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(lines[-1].removeprefix(MARK), validate=True), LIMIT_BYTES)
        if not unpacker.eof:
            return "its report is cut or too large"
        return msgspec.json.decode(data, type=NodeReport)
    except (binascii.Error, zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"its report is damaged or of another version: {error}"
