"""What is known of a testbed is read back as it was written."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hangprobe.testbed.state import STATE, State, read, start_time, write


def state() -> State:
    """Return a state whose site is this process, which is certainly there."""
    pid = os.getpid()
    return State(3, pid, start_time(pid), pid, start_time(pid), (7, 8), "2026-01-01T00:00:00Z", False)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path, state())
    assert read(tmp_path) == state()


def test_a_testbed_of_a_release_that_knew_more_is_found(tmp_path: Path) -> None:
    write(tmp_path, state())
    fields = json.loads((tmp_path / STATE).read_text())
    (tmp_path / STATE).write_text(json.dumps({**fields, "user_pid": None}))
    assert read(tmp_path) == state()


def test_one_of_which_something_is_not_known_is_none(tmp_path: Path) -> None:
    write(tmp_path, state())
    fields = json.loads((tmp_path / STATE).read_text())
    del fields["site_pid"]
    (tmp_path / STATE).write_text(json.dumps(fields))
    assert read(tmp_path) is None


def test_a_site_that_has_ended_is_no_testbed(tmp_path: Path) -> None:
    known = state()
    write(tmp_path, State(3, 1, 1, known.site_pid, known.site_start_time + 1, (7,), known.since, False))
    assert read(tmp_path) is None
