"""What a trial has left on a node is found by its tag and by descent, ended and told; nothing else is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hangprobe.agent.joint.linking import tag_of
from hangprobe.ensemble.leftovers import Swept, sweep

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60, method="thread")]

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["env", "-i", "setsid", "sleep", "600"], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(600)
"""


@contextmanager
def left_behind(tag: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Yield a process with a tag, and the pid of its child, which has none; neither outlives the block."""
    environment = {**os.environ, "HANGPROBE_JOB": tag}
    command = [sys.executable, "-c", STUBBORN]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        handle = os.pidfd_open(child)
        try:
            yield process, child
        finally:
            for end in (process.kill, lambda: signal.pidfd_send_signal(handle, signal.SIGKILL)):
                try:
                    end()
                except ProcessLookupError:
                    continue
            os.close(handle)


def test_what_has_a_trials_tag_and_what_it_has_started_is_ended_and_told() -> None:
    tag, other = tag_of("trial-1"), tag_of("trial-2")
    with left_behind(tag) as (process, child), left_behind(other) as (neighbour, _):
        swept = sweep(tag, leave_s=0.1)
        assert {each.pid for each in swept.found} == {process.pid, child}
        assert (swept.stuck, swept.silent) == ((), ())
        assert process.wait() == -signal.SIGKILL
        assert neighbour.poll() is None
        assert sweep(tag, leave_s=0.0) == Swept()
