"""Environments for other versions of Parsl: made once, whole or not at all. pip and uv are stood in for."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path

import pytest

from hangprobe.ensemble import subjects
from hangprobe.errors.base import ExtraMissing
from hangprobe.errors.ensembles import SubjectFailed

UV = """#!/bin/sh
echo "$*" >> {log}
case "$1 $2" in
  "venv --quiet") for last; do :; done; mkdir -p "$last/bin" && cp {python} "$last/bin/python" ;;
  "pip compile") echo "parsl==2030.1.2" ;;
  "pip install") test ! -e {broken} || {{ echo "error: no route to host" >&2; exit 1; }} ;;
esac
"""
PIP = (
    "ERROR: Could not find a version that satisfies the requirement parsl==1.99 (from versions: 0.0.1, 2026.9.28, "
    "2026.10.5, 2026.10.12, 2026.10.19, 2026.10.26)\nERROR: No matching distribution found for parsl==1.99\n"
)


class Stand:
    """A uv that only notes what it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.log, self.broken = folder / "log", folder / "broken"
        python = folder / "python"
        python.write_text("#!/bin/sh\nexit 0\n")
        python.chmod(0o755)
        uv = folder / "bin/uv"
        uv.parent.mkdir()
        uv.write_text(UV.format(log=self.log, python=python, broken=self.broken))
        uv.chmod(0o755)

    def asked(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    stand = Stand(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return stand


def test_the_installed_one_is_hangprobes_own() -> None:
    own = subjects.subject(subjects.INSTALLED)
    assert own.python == sys.executable
    assert own.version == importlib.metadata.version("parsl")


def test_without_parsl_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(ExtraMissing, match=r"hangprobe\[compare\]"):
        subjects.subject(subjects.INSTALLED)


def test_an_environment_is_made_once(tmp_path: Path, uv: Stand) -> None:
    told: list[str] = []
    made = subjects.subject("2023.10.23", tmp_path / "cache", told.append)
    assert "parsl==2023.10.23 six typeguard<3 setuptools" in uv.log.read_text()
    assert any("2023.10.23" in line for line in told)
    assert Path(made.python).exists()
    asked = uv.asked()
    assert subjects.subject("2023.10.23", tmp_path / "cache") == made
    assert uv.asked() == asked


def test_a_half_made_environment_is_never_used(tmp_path: Path, uv: Stand) -> None:
    uv.broken.touch()
    with pytest.raises(SubjectFailed, match="no route to host"):
        subjects.subject("2023.10.23", tmp_path / "cache")
    half_made = tmp_path / "cache/subjects" / f"parsl-2023.10.23-py{sys.version_info[0]}.{sys.version_info[1]}"
    assert not half_made.exists()
    (half_made / "bin").mkdir(parents=True)  # as a kill -9 leaves it
    (half_made / "bin/python").touch(mode=0o755)
    uv.broken.unlink()
    asked = uv.asked()
    assert subjects.subject("2023.10.23", tmp_path / "cache").python == str(half_made / "bin/python")
    assert uv.asked() > asked


def test_an_environment_whose_python_has_gone_is_made_again(tmp_path: Path, uv: Stand) -> None:
    made = subjects.subject("2030.1.1", tmp_path / "cache")
    Path(made.python).unlink()
    asked = uv.asked()
    assert subjects.subject("2030.1.1", tmp_path / "cache") == made
    assert uv.asked() > asked


@pytest.mark.usefixtures("uv")
def test_the_newest_is_what_the_index_has(tmp_path: Path) -> None:
    assert subjects.subject(subjects.NEWEST, tmp_path / "cache").version == "2030.1.2"


@pytest.mark.parametrize("version", ["../x", "", "latest", "2023.10.23 six"])
def test_what_is_no_version_is_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(SubjectFailed, match="no version"):
        subjects.subject(version, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_cache_is_said(tmp_path: Path, uv: Stand) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(SubjectFailed, match="HANGPROBE_CACHE"):
        subjects.subject("2030.1.1", tmp_path / "cache")
    assert uv.asked() == 0


@pytest.mark.parametrize("version", ["1.2.0", "1.3.0.dev0", "2022.12.26", "2023.12.11"])
def test_old_versions_get_what_they_do_not_ask_for(version: str) -> None:
    assert subjects.requirements(version) == [f"parsl=={version}", "six", "typeguard<3", "setuptools"]


def test_new_versions_ask_for_what_they_need() -> None:
    assert subjects.requirements("2026.10.26") == ["parsl==2026.10.26"]


def test_a_version_that_does_not_exist_is_told_apart_from_an_index_out_of_reach() -> None:
    assert "2026.10.26" in str(subjects.failure("1.99", PIP))
    assert "no such version" in str(subjects.failure("1.99", PIP))
    out_of_reach = subjects.failure("2023.10.23", "ERROR: Could not connect (from versions: none)\n")
    assert "no such version" not in str(out_of_reach)
    assert "Could not connect" in str(out_of_reach)
