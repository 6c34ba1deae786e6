"""What py-spy prints, as stacks."""

from __future__ import annotations

import pytest

from hangprobe.evidence import Frame
from hangprobe.model import ProcessId
from hangprobe.observe.stacks import has_mpi_frames, parse

PROCESS = ProcessId("node01", 200, 1)
DUMP = b"""[{"pid": 200, "thread_id": 140, "thread_name": "MainThread", "os_thread_id": 200, "active": false,
 "owns_gil": false, "frames": [
  {"name": "acquire", "filename": "/opt/app/lib/queue.py", "module": null, "short_filename": "queue.py", "line": 7},
  {"name": "<module>", "filename": "/opt/app/app.py", "module": null, "short_filename": null, "line": 31}]},
 {"pid": 200, "thread_id": 141, "os_thread_id": null, "frames": []}]"""


def test_a_stack_has_its_thread_and_its_frames_innermost_first() -> None:
    (stack,) = parse(DUMP, PROCESS)
    assert (stack.thread.process, stack.thread.tid, stack.source) == (PROCESS, 200, "py-spy")
    assert stack.frames == (Frame("acquire", "queue.py", 7), Frame("<module>", "/opt/app/app.py", 31))


@pytest.mark.parametrize("output", [b"", b"{", b"null", b"{}", b'[{"frames": 1}]', b"Error: no such process"])
def test_anything_else_gives_no_stacks(output: bytes) -> None:
    assert parse(output, PROCESS) == []


def test_a_native_stack_inside_an_mpi_library_is_known_by_its_files() -> None:
    native = DUMP.replace(b"queue.py", b"libmpi.so.12")
    assert [has_mpi_frames(stack) for stack in (*parse(DUMP, PROCESS), *parse(native, PROCESS))] == [False, True]


def test_output_that_is_no_text_gives_no_stacks() -> None:
    assert parse(DUMP.replace(b"queue.py", b"\xff\xfe.py"), PROCESS) == []
