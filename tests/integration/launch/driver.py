"""A minimal `hangprobe watch`: driver.py [--pids FILE] [--report FILE] -- COMMAND... (a program under test).

--pids is the handshake: own pid, guardian and command, written once the command runs. --report: JSON of how it ended.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from hangprobe.errors.jobs import CommandNotStarted, GuardianLost
from hangprobe.launch.relay import Relay, leave_like
from hangprobe.launch.session import LaunchSpec, Session
from hangprobe.launch.wait import wait_for


def tick() -> float | None:
    """Stand for the watchdog's sampling step."""
    return 0.25


def write_whole(path: Path, text: str) -> None:
    """Write a file that a reader never sees half-written."""
    path.with_suffix(".part").write_text(text)
    path.with_suffix(".part").rename(path)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pids", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    spec = LaunchSpec(tuple(options.command), tag=f"test-{os.getpid()}")
    try:
        with Relay() as relay, Session(spec, relay.original_mask) as session:
            if options.pids:
                write_whole(options.pids, f"{os.getpid()} {session.guardian_pid} {session.command_pid}")
            ended, _ = wait_for(session, relay, tick, is_captured=False)
            outcome = session.finish()
    except CommandNotStarted as problem:
        print(f"driver: {problem}", file=sys.stderr, flush=True)
        os._exit(problem.status)
    except GuardianLost as problem:
        print(f"driver: {problem}", file=sys.stderr, flush=True)
        os._exit(125)
    if options.report:
        found = {"status": ended.status, "killed": outcome.killed, "left": outcome.left, "removed": outcome.removed}
        write_whole(options.report, json.dumps(found))
    leave_like(ended)


if __name__ == "__main__":
    main()
