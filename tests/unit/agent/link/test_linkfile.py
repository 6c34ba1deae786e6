"""The file that joins a job's nodes is its owner's alone, and says the same to the package and to a rank's wrapper."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.agent.link.linkfile import LinkFile
from hangprobe.agent.wrapping import seat
from hangprobe.errors.jobs import LinkFileRefused

LINK = LinkFile(
    job="run-1.a",
    addresses=("10.0.0.1:4000", "[fe80::1]:4000"),
    server_public="s" * 40,
    client_public="c" * 40,
    client_secret="# %" + "x" * 37,
    head_host="login",
    head_pid=17,
    head_start_time=4711,
    python="/opt/with a blank/bin/python",
    start_after_s=0.25,
    as_parent=True,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    LINK.write(tmp_path / "link")
    assert LinkFile.read(tmp_path / "link") == LINK


@given(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), st.floats(0, 1e6), st.booleans())
def test_any_python_and_any_time_survive(python: str, start_after_s: float, as_parent: bool) -> None:
    link = dataclasses.replace(LINK, python=python, start_after_s=start_after_s, as_parent=as_parent)
    assert LinkFile.parse("".join(f"{name} {value}\n" for name, value in link._lines())) == link


def test_a_wrapper_reads_the_same(tmp_path: Path) -> None:
    LINK.write(tmp_path / "link")
    found = seat.read_link((tmp_path / "link").read_bytes())
    assert (found[b"job"], found[b"python"]) == (LINK.job.encode(), LINK.python.encode())
    assert (int(found[b"head_pid"]), int(found[b"head_start_time"])) == (LINK.head_pid, LINK.head_start_time)
    assert (float(found[b"start_after_s"]), found[b"as_parent"]) == (LINK.start_after_s, b"1")


def test_nobody_else_can_read_it_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        LINK.write(tmp_path / "link")
    finally:
        os.umask(before)
    assert (tmp_path / "link").stat().st_mode & 0o7777 == 0o600


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "link").write_text("mine")
    with pytest.raises(LinkFileRefused, match="exists"):
        LINK.write(tmp_path / "link")
    assert (tmp_path / "link").read_text() == "mine"


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "target")
    with pytest.raises(LinkFileRefused):
        LINK.write(tmp_path / "dangling")
    assert not (tmp_path / "target").exists()
    LINK.write(tmp_path / "target")
    with pytest.raises(LinkFileRefused):
        LinkFile.read(tmp_path / "dangling")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_may_use_is_refused(mode: int, tmp_path: Path) -> None:
    LINK.write(tmp_path / "link")
    (tmp_path / "link").chmod(mode)
    with pytest.raises(LinkFileRefused, match=f"mode {mode:04o}"):
        LinkFile.read(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    LINK.write(tmp_path / "link")
    os.chown(tmp_path / "link", 12345, -1)
    with pytest.raises(LinkFileRefused, match="user 12345"):
        LinkFile.read(tmp_path / "link")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "link", 0o600)
    with pytest.raises(LinkFileRefused, match="regular"):
        LinkFile.read(tmp_path / "link")


def test_nothing_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(LinkFileRefused, match="No such file"):
        LinkFile.read(tmp_path / "link")


@pytest.mark.parametrize("lost", ["job", "python", "head_pid", "client_secret", "as_parent"])
def test_a_file_that_lacks_something_is_refused(lost: str, tmp_path: Path) -> None:
    LINK.write(tmp_path / "whole")
    lines = [line for line in (tmp_path / "whole").read_text().splitlines() if not line.startswith(f"{lost} ")]
    (tmp_path / "link").write_text("\n".join(lines))
    (tmp_path / "link").chmod(0o600)
    with pytest.raises(LinkFileRefused, match=f"damaged.*{lost}"):
        LinkFile.read(tmp_path / "link")


def test_lines_of_a_newer_hangprobe_are_left_aside(tmp_path: Path) -> None:
    LINK.write(tmp_path / "link")
    with (tmp_path / "link").open("a") as file:
        file.write("colour blue\n")
    assert LinkFile.read(tmp_path / "link") == LINK


@pytest.mark.parametrize("job", ["", "a/b", "x" * 65, "a b", "a\n"])
def test_a_job_must_fit_into_the_name_of_a_socket(job: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="job"):
        dataclasses.replace(LINK, job=job).write(tmp_path / "link")


def test_a_value_of_two_lines_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="python"):
        dataclasses.replace(LINK, python="/bin/a\njob b").write(tmp_path / "link")
    assert not (tmp_path / "link").exists()
