"""`watch` until all but one rank wait, then SIGTERM: `until_blocked.py FOLDER COMMAND...` leaves what was known."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import msgspec

from hangprobe.agent.joint.linking import Link, tag_of
from hangprobe.cli.reach import launcher_of
from hangprobe.launch.insertion import insert
from hangprobe.launch.session import LaunchSpec, Session
from hangprobe.model import RankState
from hangprobe.policy import Policy
from hangprobe.probe import Ends, OnHang, OnStall, Silent, probe
from hangprobe.watched import Watched


class Stop(Silent):
    """A listener that writes the digest once five ranks of six wait, and ends the job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.verdicts: list[str] = []

    def sampled(self, watchdog: Watched) -> None:
        """Stop once one rank works at most, and the others wait."""
        self.verdicts.append(watchdog.verdict.value)
        waiting = [row for row in watchdog.digest.ranks if row.state in {RankState.BLOCKED, RankState.STALLED}]
        if len(waiting) == 5 and not (self.folder / "digest").exists():
            (self.folder / "digest").write_bytes(msgspec.json.encode(watchdog.digest))
            (self.folder / "verdicts").write_text(" ".join(dict.fromkeys(self.verdicts)))
            os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Run the command; return its status."""
    folder, command = Path(sys.argv[1]), tuple(sys.argv[2:])
    with Link(tag_of("until-blocked"), folder) as link:
        placed = insert(command, launcher_of(command[0]), link.prefix, os.environ)
        assert placed is not None
        spec = LaunchSpec(placed, link.path.name.removeprefix(".hangprobe-"), written=command, remove=(link.path,))
        ends, policy = Ends(OnHang.REPORT, OnStall.REPORT, grace_s=60.0), Policy(stall_after_s=2.0)
        out = folder / "record.jsonl"
        outcome = probe(spec, ends, policy, Stop(folder), out, started=Session.release_stdio, link=link)
    return outcome.exit.status


if __name__ == "__main__":
    sys.exit(main())
