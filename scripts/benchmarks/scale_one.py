"""One measurement of `scripts/bench scale`, in a process of its own: what the head does with the digests of a job."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hangprobe.agent.joint.merge import merge
from hangprobe.conclude import conclude_digest
from hangprobe.digest import Digest
from hangprobe.record import encode, write_whole
from hangprobe.report.text import lines
from scripts.benchmarks.scale_nodes import messages

STAGES = ("decode", "merge", "conclude", "document", "report")


def measure(path: Path) -> dict[str, Any]:
    """Return seconds of CPU and of wall time a stage, and what came of it; on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    waiting = messages(path)
    found: dict[str, Any] = {"nodes": len(waiting), "wire_bytes": sum(map(len, waiting)), "cpu_s": {}, "wall_s": {}}
    waiting.reverse()
    began = _now()

    def lap(stage: str) -> None:
        nonlocal began
        now = _now()
        found["cpu_s"][stage], found["wall_s"][stage] = (
            after - before for after, before in zip(now, began, strict=True)
        )
        began = now

    decoder = msgspec.msgpack.Decoder(Digest)
    digests = []
    while waiting:  # the head has a message only until it is decoded
        digests.append(decoder.decode(waiting.pop()))
    lap("decode")
    job = merge(digests)
    lap("merge")
    result = conclude_digest(job, 0.25, ("mpiexec", "app"), None, None, datetime.now(UTC), 10.0)
    lap("conclude")
    with tempfile.TemporaryDirectory(prefix="hangprobe-scale-") as folder:
        document = Path(folder) / "result.json"
        write_whole(document, encode(result))
        lap("document")
        text = lines(result)
        lap("report")
        found["document_bytes"] = document.stat().st_size
    found |= {
        "ranks": len(result.ranks),
        "verdict": str(result.verdict),
        "lines": len(text),
        "widest": max(map(len, text)),
    }
    found["rss_bytes"] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
