"""What the driver of an ensemble has seen: `events.jsonl`, one JSON object a line, appended as it happens.

Every line has `t` (time.time(), seconds) and `event`:

    started          parsl, python (versions), executable, pid
    config-refused   errors: a list of texts; nothing was started
    failed           error: the driver itself, or Parsl's beginning
    loaded           run_dir, labels, is_here (whether managers are started on this node alone); the interchange is
                     up, the block has been asked for or soon will be
    submitted        tasks: their numbers, from 0 on; written when all are, `t` is when the first one was about to be
    managers         managers: all that have registered so far, each {host, uid, block, workers, python, parsl,
                     registered (time.time() by the interchange's log), start_method_said (None: its log does not say)}
    task             task, state ("done" or "failed"), error (last line; None); `t` is when the driver got the result
    draining         all tasks have ended; the managers are going to, and their launcher is waited for
    drained          blocks: block -> status; it has returned
    block-ended      block, status: the launcher's script has ended though tasks have not
    no-manager       the time was up and none had registered
    deadline         the time was up
    interrupted      signal
    block-output     block, exit_code (None: still running), stdout, stderr, joblog (tails; None: there is none)
    finished         done, failed, pending, status (how the driver is going to end)
    cleaned          is_whole: whether Parsl's own clean-up came to its end in time

A reader may see the file at any time: a line is one write, and whole once its newline is there.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any


class Events:
    """The open file; safe to use from any thread, since a line is one write(2) with O_APPEND."""

    def __init__(self, folder: str) -> None:
        """Make it, or go on with it."""
        self.descriptor = os.open(
            os.path.join(folder, "events.jsonl"), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644
        )

    def write(self, event: str, at: float | None = None, **facts: Any) -> None:
        """Append an event; `at`: when it was, if not now."""
        self.write_all([self.line(event, time.time() if at is None else at, **facts)])

    @staticmethod
    def line(event: str, at: float, **facts: Any) -> bytes:
        """Return the line of an event."""
        return json.dumps({"t": at, "event": event, **facts}, default=str).encode() + b"\n"

    def write_all(self, lines: list[bytes]) -> None:
        """Append some lines in one write."""
        os.write(self.descriptor, b"".join(lines))
