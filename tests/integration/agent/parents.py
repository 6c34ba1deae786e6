"""`watch` as far as it matters, with observers that are their ranks' parents: `parents.py FOLDER COMMAND...`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hangprobe.agent.joint.linking import Link, tag_of
from hangprobe.cli.follow import Lines
from hangprobe.cli.reach import launcher_of
from hangprobe.launch.insertion import insert
from hangprobe.launch.session import LaunchSpec, Session
from hangprobe.policy import Policy
from hangprobe.probe import Ends, OnHang, OnStall, probe
from hangprobe.record import encode, write_whole


def main() -> int:
    """Run the command; return 124 if it was ended, else its own status."""
    folder, command = Path(sys.argv[1]), tuple(sys.argv[2:])
    ends = Ends(OnHang.KILL, OnStall.REPORT, grace_s=0.5)
    policy = Policy(stall_after_s=2.0)
    with Link(tag_of("parents"), folder, as_parent=True) as link:
        placed = insert(command, launcher_of(command[0]), link.prefix, os.environ)
        assert placed is not None
        spec = LaunchSpec(placed, link.path.name.removeprefix(".hangprobe-"), written=command, remove=(link.path,))
        (folder / "out").mkdir(exist_ok=True)
        outcome = probe(
            spec,
            ends,
            policy,
            Lines(lambda line: print(line, file=sys.stderr, flush=True), has_heartbeat=False),
            folder / "out/record.jsonl",
            started=Session.release_stdio,
            link=link,
        )
        write_whole(folder / "out/result.json", encode(outcome.result))
    return 124 if outcome.result.ended_by == "hangprobe" else outcome.exit.status


if __name__ == "__main__":
    sys.exit(main())
