"""How far a job is watched: which commands get words before their application, and what is said where they cannot."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from hangprobe.agent.joint.linking import Link
from hangprobe.agent.link.linkfile import LinkFile
from hangprobe.cli import reach
from hangprobe.cli.reach import Reach, around, launcher_of, opened, shared_folder
from hangprobe.errors.base import ExtraMissing
from hangprobe.errors.jobs import LinkFileRefused
from hangprobe.model import Launcher

ELSEWHERE = ("srun", "-N3", "./app", "--its", "word")


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the link files, which is not the working directory."""
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("HANGPROBE_LINKS", str(folder))
    return folder


class Around:
    """What became of a command: the line that is run, what was said, what it was given."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str] | None = None, is_wanted: bool = True):
        self.said: list[str] = []
        with around(command, self.said.append, is_wanted, variables or {}) as (line, given):
            self.line, self.given = line, given
            self.files = [path.read_text() for path in given.files]
            self.lying_there = list(Path(os.environ["HANGPROBE_LINKS"]).glob("*"))


# which commands


def test_before_the_application_of_a_launcher_that_may_leave_the_node_stand_the_words(shared: Path) -> None:
    found = Around(ELSEWHERE)
    words = found.given.prefix
    assert words
    assert found.line == ("srun", "-N3", *words, "./app", "--its", "word")
    assert found.said == []
    assert found.lying_there == list(found.given.files)
    assert len(found.files) == 1
    assert list(shared.iterdir()) == []


def test_the_link_file_is_named_in_the_words_and_tells_of_the_same_job(shared: Path) -> None:
    with around(ELSEWHERE, lambda line: None, True, {}) as (_, given):
        (path,) = given.files
        assert str(path) in given.prefix
        assert LinkFile.read(path).job == given.tag
        assert path.parent == shared


@pytest.mark.parametrize(("given", "told"), [("/a:/b", "/a:/b"), ("", ""), ("/a\nb", "")])
def test_the_link_file_tells_where_the_head_has_its_libraries(
    given: str, told: str, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", given)
    with opened("app", shared) as job:
        assert LinkFile.read(job.files[0]).python_path == told


@pytest.mark.parametrize("as_parent", [False, True])
def test_the_link_file_tells_whether_observers_are_parents(shared: Path, as_parent: bool) -> None:
    with Link("tag-1", shared, as_parent=as_parent) as link:
        assert LinkFile.read(link.path).as_parent is as_parent


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        (("./app", "-n", "4"), {}),
        (("srun", "./app"), {"SLURM_JOB_NODELIST": socket.gethostname()}),
        (("parallel", "./app", ":::", "1"), {}),
    ],
)
def test_a_command_that_stays_here_is_left_alone(
    command: tuple[str, ...], variables: dict[str, str], shared: Path
) -> None:
    found = Around(command, variables)
    assert (found.line, found.said, found.given.link, found.files) == (command, [], None, [])


def test_two_jobs_have_two_tags(shared: Path) -> None:
    assert Around(("./app",)).given.tag != Around(("./app",)).given.tag


def test_on_request_no_other_node_is_watched(shared: Path) -> None:
    found = Around(ELSEWHERE, is_wanted=False)
    assert (found.line, found.said, found.given.link) == (ELSEWHERE, [], None)
    assert Around(("ssh", "node02", "{probe}", "./app"), is_wanted=False).line == ("ssh", "node02", "./app")


# the place


def test_who_says_where_the_words_belong_gets_them_there_whatever_the_command(shared: Path) -> None:
    found = Around(("ssh", "node02", "{probe}", "./app"))
    assert found.line == ("ssh", "node02", *found.given.prefix, "./app")
    assert found.said == []


def test_a_line_that_is_not_understood_runs_as_it_is_and_says_what_to_do(shared: Path) -> None:
    command = ("srun", "--no-such-option-at-all", "x", "./app")
    found = Around(command)
    assert (found.line, found.given.link) == (command, None)
    assert found.said == ["other nodes are not watched: where does the application begin? write {probe} before it"]
    assert found.lying_there == []


# what may be missing


def test_without_zmq_the_job_runs_and_it_is_said_what_to_install(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zmq", None)
    found = Around(ELSEWHERE)
    assert (found.line, found.given.link) == (ELSEWHERE, None)
    (said,) = found.said
    assert said.startswith("other nodes are not watched: ")
    assert "pyzmq" in said
    with pytest.raises(ExtraMissing), opened("app", shared):
        pass


def test_a_folder_that_cannot_be_written_is_said_and_the_job_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANGPROBE_LINKS", "/proc/nowhere")
    found = Around((*ELSEWHERE[:2], "{probe}", "./app"))
    assert (found.line, found.given.link) == (("srun", "-N3", "./app"), None)
    assert "HANGPROBE_LINKS" in found.said[0]
    assert "/proc/nowhere" in found.said[0]


def test_the_folder_is_the_working_directory_unless_another_is_named(tmp_path: Path, shared: Path) -> None:
    assert shared_folder({}) == Path.cwd()
    assert shared_folder({"HANGPROBE_LINKS": ""}) == Path.cwd()
    assert shared_folder({"HANGPROBE_LINKS": str(tmp_path)}) == tmp_path
    with pytest.raises(LinkFileRefused, match="cannot be written"):
        shared_folder({"HANGPROBE_LINKS": str(tmp_path / "nowhere")})


def test_without_a_folder_there_is_a_tag_and_no_link() -> None:
    with opened("a job's name", None) as given:
        assert given == Reach(given.tag)
        assert (given.prefix, given.files) == ((), ())
        assert given.tag.startswith("a-job-s-name-")


def test_the_link_file_goes_though_the_job_fails(shared: Path) -> None:
    def fail(given: Reach) -> None:
        assert given.files[0].exists()
        raise RuntimeError

    with pytest.raises(RuntimeError), opened("app", shared) as given:
        fail(given)
    assert list(shared.iterdir()) == []


# which launcher


@pytest.mark.parametrize(
    ("program", "launcher"),
    [
        ("srun", Launcher.SRUN),
        ("/opt/slurm/bin/srun", Launcher.SRUN),
        ("parallel", Launcher.GNU_PARALLEL),
        ("python", Launcher.NONE),
        ("/nonexistent/mpiexec", Launcher.NONE),
        ("mpiexec-that-nobody-has", Launcher.NONE),
    ],
)
def test_a_launcher_is_known_by_its_name(program: str, launcher: Launcher) -> None:
    assert launcher_of(program) is launcher


def test_an_mpiexec_is_asked_what_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def identify(path: str) -> object:
        asked.append(path)
        return type("Flavour", (), {"launcher": Launcher.PALS})

    program = tmp_path / "mpiexec.mpich"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setattr(reach, "identify", identify)
    assert launcher_of(str(program)) is Launcher.PALS
    assert asked == [str(program)]
    assert launcher_of("env") is Launcher.NONE
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["mpirun.sh", "mpiexec_job", "mpirun-mine", "mpiexec2"])
def test_a_script_with_a_name_like_it_is_not_run_to_be_asked(name: str, tmp_path: Path) -> None:
    program = tmp_path / name
    program.write_text(f"#!/bin/sh\n: >{tmp_path}/ran\n")
    program.chmod(0o755)
    assert launcher_of(str(program)) is Launcher.NONE
    assert not (tmp_path / "ran").exists()


def test_an_mpiexec_that_says_nothing_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(path: str) -> object:
        raise LinkFileRefused(path, "any error of ours")

    program = tmp_path / "mpirun"
    program.write_text("")
    os.chmod(program, 0o755)
    monkeypatch.setattr(reach, "identify", refuse)
    assert launcher_of(str(program)) is Launcher.NONE
