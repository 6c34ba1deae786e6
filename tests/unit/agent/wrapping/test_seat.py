"""Who sits in a node's seats is no rank, and knows when its ranks have gone."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from hangprobe.agent.wrapping import seat


def link(**changes: str) -> dict[bytes, bytes]:
    said = {"job": f"unit-{os.getpid()}", "head_host": socket.gethostname(), "head_pid": "1", "head_start_time": "0"}
    return {name.encode(): value.encode() for name, value in {**said, **changes}.items()}


def test_an_observer_s_environment_names_no_rank_and_no_python() -> None:
    given = {b"PATH": b"/a", b"LD_LIBRARY_PATH": b"/b", b"PMI_RANK": b"3", b"OMPI_COMM_WORLD_RANK": b"1"}
    given |= {b"PYTHONHOME": b"/c", b"PYTHONPATH": b"/d", b"LD_PRELOAD": b"e.so"}
    found = seat.fitting(given, {})
    assert found.pop(b"PYTHONPATH", b"") in (b"", os.fsencode(Path(seat.__file__).parents[3]))
    assert found == {b"PATH": b"/a", b"LD_LIBRARY_PATH": b"/b"}


def test_an_observer_finds_its_libraries_where_the_head_found_them() -> None:
    found = seat.fitting({b"PYTHONPATH": b"/of/the/application"}, {b"python_path": b"/of/the/head:/more"})
    assert found[b"PYTHONPATH"].split(b":")[-2:] == [b"/of/the/head", b"/more"]
    assert b"/of/the/application" not in found[b"PYTHONPATH"]


def test_a_link_file_is_believed_only_if_nobody_else_can_have_written_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, path = tmp_path / "link", bytes(tmp_path / "link")
    file.write_text("python /opt/python\njob a b\n")
    file.chmod(0o600)
    assert seat.read_link(seat.trusted(path)) == {b"python": b"/opt/python", b"job": b"a b"}
    (tmp_path / "beside").symlink_to(file)
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name in ("beside", "fifo", ".", "nowhere"):
        with pytest.raises(OSError, match=name):
            seat.trusted(bytes(tmp_path / name))
    for mode in (0o640, 0o602):
        file.chmod(mode)
        with pytest.raises(PermissionError):
            seat.trusted(path)
    file.chmod(0o600)
    monkeypatch.setattr("posix.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionError):
        seat.trusted(path)


@pytest.mark.parametrize("line", [b"", b"rank", b"rank 1 2", b"rank 1 2 x", b"rank 1 2 -3", b"deputy", b"rank 1 2 3 4"])
def test_what_is_no_rank_is_not_taken_for_one(line: bytes) -> None:
    assert seat.parse_rank(line) is None


def test_a_rank_is_parent_pid_and_start() -> None:
    assert seat.parse_rank(b"rank 10 11 4711") == (10, 11, 4711)


def test_a_rank_is_over_when_it_or_its_parent_has_gone_or_its_number_is_another_s() -> None:
    start = seat.started(os.getpid())
    assert start is not None
    assert not seat.is_over((os.getppid(), os.getpid(), start))
    assert seat.is_over((os.getppid(), os.getpid(), start + 1))
    assert seat.is_over((os.getppid() + 1, os.getpid(), start))
    assert seat.is_over((os.getppid(), 2**22 + 1, start))


def test_the_head_is_above_if_it_is_an_ancestor_on_this_host_and_no_other_of_its_number() -> None:
    parent = os.getppid()
    start = seat.started(parent)
    head = {"head_pid": str(parent), "head_start_time": str(start)}
    assert seat.is_below_head(link(**head))
    assert not seat.is_below_head(link(**head, head_host="elsewhere"))
    assert not seat.is_below_head(link(**{**head, "head_start_time": "1"}))
    assert not seat.is_below_head(link(head_pid=str(os.getpid()), head_start_time=str(seat.started(os.getpid()))))


def test_a_seat_has_one_holder_and_is_free_again_at_once() -> None:
    first = seat.take(link(), seat.OBSERVER)
    assert first is not None
    assert seat.take(link(), seat.OBSERVER) is None
    other = seat.take(link(), seat.DEPUTY)
    assert other is not None
    other.close()
    first.close()
    again = seat.take(link(), seat.OBSERVER)
    assert again is not None
    again.close()


def test_a_rank_speaks_to_an_observer_that_does_not_listen_yet_and_does_not_wait_for_one_that_is_not_there() -> None:
    assert seat.speak(link(), b"rank 1 2 3\n") is None
    holder = seat.take(link(), seat.OBSERVER)
    assert holder is not None
    spoken = seat.speak(link(), b"rank 1 2 3\n")
    assert spoken is not None
    spoken.close()
    with socket.socket(fileno=holder.detach()) as listening:
        accepted, _ = listening.accept()
        assert accepted.recv(100) == b"rank 1 2 3\n"
        accepted.close()
