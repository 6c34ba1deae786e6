"""Debian's packages: unpacked once, and where that cannot be, what brings them is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from hangprobe.errors.tools import ToolMissing
from hangprobe.packages import cache_folder, unpacked

PACKAGE, PROGRAMS = "no-such-package", ("no-such-program",)
SIMULATED = "echo 'Inst no-such-package (1 Debian [all])'"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is first on PATH; the cache is a new one."""
    monkeypatch.setenv("HANGPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def fake(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def fake_debian(folder: Path, simulated: str = SIMULATED) -> None:
    """Make an apt-get that downloads empty packages, and a dpkg-deb that finds one program in each."""
    fake(folder, "apt-get", f'case $* in *download*) echo "$*" >>asked; : >x.deb;; *) {simulated};; esac')
    fake(folder, "dpkg-deb", 'mkdir -p "$3/bin" "$3/usr/share/doc" && echo "$2" >"$3/bin/no-such-program"')


def test_a_package_is_unpacked_once_with_its_programs_below_usr(folder: Path) -> None:
    fake_debian(folder)
    root = unpacked(PACKAGE, PROGRAMS)
    assert root == cache_folder() / PACKAGE
    assert [str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()] == ["usr/bin/no-such-program"]
    fake(folder, "apt-get", "exit 100")
    assert unpacked(PACKAGE, PROGRAMS) == root
    assert [file.name for file in cache_folder().iterdir()] == [PACKAGE]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("Inst libwrap0 (7 Debian [amd64])", [PACKAGE, "libwrap0"]),
        ("Inst libssl3 [3.0.1] (3.0.9 Debian [amd64])", [PACKAGE]),
        ("Conf libwrap0 (7 Debian [amd64])", [PACKAGE]),
    ],
)
def test_what_the_system_has_in_another_version_is_not_brought(folder: Path, line: str, names: list[str]) -> None:
    seen = folder.with_name("seen")
    fake_debian(folder, f"{SIMULATED}; echo '{line}'")
    fake(folder, "dpkg-deb", f'cp "$(dirname "$2")/asked" {seen}; mkdir -p "$3/usr/bin"')
    unpacked(PACKAGE, PROGRAMS)
    assert seen.read_text().split("download ")[1].split() == names


def test_without_lists_the_remedy_is_to_bring_them(folder: Path) -> None:
    fake(folder, "apt-get", "echo 'E: Unable to locate package no-such-package' >&2; exit 100")
    with pytest.raises(ToolMissing, match=r"Unable to locate package.*apt-get update"):
        unpacked(PACKAGE, PROGRAMS)


def test_without_apt_the_missing_programs_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(ToolMissing, match="no no-such-program here, and no apt-get"):
        unpacked(PACKAGE, PROGRAMS)


def test_what_is_installed_and_yet_missing_is_not_brought_again(folder: Path) -> None:
    fake(folder, "apt-get", "echo 'no-such-package is already the newest version'")
    with pytest.raises(ToolMissing, match="it is installed, and its programs are not on PATH"):
        unpacked(PACKAGE, PROGRAMS)


@pytest.mark.parametrize(
    ("apt", "dpkg", "words"),
    [
        (f"case $* in *download*) echo half >x.deb; exit 100;; esac; {SIMULATED}", "", "apt-get download failed"),
        (f"case $* in *download*) echo half >x.deb;; esac; {SIMULATED}", "echo no archive >&2; exit 2", "cannot write"),
    ],
)
def test_what_fails_leaves_nothing_in_the_cache(folder: Path, apt: str, dpkg: str, words: str) -> None:
    fake(folder, "apt-get", apt)
    fake(folder, "dpkg-deb", dpkg)
    with pytest.raises(ToolMissing, match=words):
        unpacked(PACKAGE, PROGRAMS)
    assert list(cache_folder().iterdir()) == []


def test_alternatives_have_their_usual_names(folder: Path) -> None:
    fake_debian(folder)
    fake(folder, "dpkg-deb", 'mkdir -p "$3/sbin" && echo x >"$3/sbin/slurmd-wlm"')
    assert (unpacked(PACKAGE, PROGRAMS) / "usr/sbin/slurmd").read_text() == "x\n"
