from __future__ import annotations

from pathlib import Path

import pytest

from hangprobe.errors.ensembles import ConfigurationUnreadable
from hangprobe.lint.check import lint, read, wanted

from .subjects import CONFIG, HTEX, OLD, PBS, SEED, TODAY, reading


def test_the_seed_as_it_stands_has_exactly_these(tmp_path: Path) -> None:
    path = tmp_path / "polaris.py"
    path.write_text(SEED)
    assert [(one.line, one.slug, one.is_refusing) for one in lint(path, TODAY)] == [
        (21, "missing-comma", True),
        (24, "undefined-name", True),
        (37, "unknown-keyword", True),
        (39, "address-by-hostname", False),
        (43, "launcher-options", False),
        (62, "unknown-keyword", True),
        (64, "unknown-keyword", True),
        (67, "unknown-keyword", True),
    ]


def test_the_version_that_the_seed_was_written_for_takes_its_keywords(tmp_path: Path) -> None:
    path = tmp_path / "polaris.py"
    path.write_text(SEED)
    assert [one.slug for one in lint(path, OLD) if one.is_refusing] == ["missing-comma", "undefined-name"]


def test_what_is_asked_is_what_the_file_uses() -> None:
    assert {CONFIG, HTEX, PBS, "parsl.utils.get_all_checkpoints", "parsl.utils"} <= set(wanted(reading(SEED)))
    assert wanted(reading("import os\nos.getcwd()")) == ()


def test_a_file_is_read_as_python_would(tmp_path: Path) -> None:
    (tmp_path / "c.py").write_bytes("# coding: latin-1\nx = 'é'\n".encode("latin-1"))
    assert "é" in read(tmp_path / "c.py")


@pytest.mark.parametrize("data", [None, b"\xff\xfe\x00", b"# coding: none-such\n"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "c.py").write_bytes(data)
    with pytest.raises(ConfigurationUnreadable, match=r"c\.py"):
        read(tmp_path / "c.py")
