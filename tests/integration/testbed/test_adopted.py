"""A process that adopts orphans of its testbed can still take it down."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .harness import own_name

PROGRAM = """
import ctypes, subprocess, sys
from hangprobe.testbed.cluster import Testbed
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
with Testbed.up(1, sys.argv[1]) as bed:
    sleeper = subprocess.Popen(bed.command("login", ["sh", "-c", "echo up; exec sleep 61"]), stdout=subprocess.PIPE)
    sleeper.stdout.readline()
    sleeper.kill()
    assert sleeper.wait() == -9
print("down")
"""


@pytest.mark.integration
@pytest.mark.timeout(60)
def test_a_subreaper_that_has_adopted_a_command_takes_the_testbed_down() -> None:
    asked = [sys.executable, "-c", PROGRAM, own_name("adopted")]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=50, check=False)
    assert (done.stdout, done.stderr) == ("down\n", "")
