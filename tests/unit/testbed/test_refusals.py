"""Where a testbed cannot be made, the setting or the package is named."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hangprobe.errors.base import HangprobeError, UsageError
from hangprobe.errors.tools import NamespacesForbidden, TestbedFailed, ToolMissing
from hangprobe.testbed import beginning, folders, namespaces, tools
from hangprobe.testbed.telling import error_of, in_one_line


@pytest.mark.parametrize(
    ("file", "value", "named", "remedy"),
    [
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=0", "unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "restrict_unprivileged_userns=1", "userns=0"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=0", "max_user_namespaces=15000"),
    ],
)
def test_the_setting_that_forbids_namespaces_is_named(
    tmp_path: Path, file: str, value: str, named: str, remedy: str
) -> None:
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(f"{value}\n")
    setting, what_to_do = namespaces.remedy(errno.EPERM, tmp_path)
    assert named in setting
    assert remedy in what_to_do


def test_a_setting_that_allows_them_is_not_blamed(tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user/max_user_namespaces").write_text("96365\n")
    assert "max_user_namespaces" not in namespaces.remedy(errno.EPERM, tmp_path)[0]
    assert "limit" in namespaces.remedy(errno.ENOSPC, tmp_path)[0]


def test_what_the_system_has_is_not_unpacked() -> None:
    assert tools.roots((tools.Tool("coreutils", ("ls",)),)) == ()


def test_what_it_lacks_is_unpacked_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "unpacked", lambda package, programs: Path("/cache") / package / "+".join(programs))
    wanted = (tools.Tool("coreutils", ("ls",)), tools.Tool("no-such-package", ("ls", "no-such-program")))
    assert tools.roots(wanted) == ("/cache/no-such-package/no-such-program",)


def test_without_what_makes_a_node_there_is_no_testbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "SYSTEM_PATH", "")
    with pytest.raises(ToolMissing, match=r"util-linux is needed.*no nsenter or setpriv on PATH"):
        tools.roots(())


def test_only_what_would_be_hidden_is_shared(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    found = beginning.visible([tmp_path / "a/b", tmp_path / "a", Path("/usr"), Path("/tmp"), tmp_path / "none"])
    assert all(folders.hidden(name) for name in found)
    assert str(tmp_path / "a/b") not in found
    assert "/tmp" not in found


@pytest.mark.parametrize(
    "error",
    [
        NamespacesForbidden("unshare", "Operation not permitted", "a=0", "sysctl a=1"),
        TestbedFailed("two\nlines"),
        OSError(),
    ],
)
def test_an_error_inside_is_the_same_error_outside(error: Exception) -> None:
    told = error_of(in_one_line(error))
    assert type(told) is (type(error) if isinstance(error, HangprobeError) else TestbedFailed)
    assert str(told) == " ".join(str(error).split()) or str(told) == type(error).__name__


@pytest.mark.parametrize(("nodes", "name"), [(0, "x"), (100, "x"), (3, "../x"), (3, ""), (3, "a/b")])
def test_what_cannot_be_a_testbed_is_refused_before_anything_is_made(nodes: int, name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        beginning.begin(name, tmp_path / "bed", nodes, (), False)
    assert list(tmp_path.iterdir()) == []
