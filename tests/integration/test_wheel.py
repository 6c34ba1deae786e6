"""The wheel is what users get: it must carry the reproducers, and find them without a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.integration
def test_an_installed_wheel_lists_and_finds_its_reproducers(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    asked = (
        "import hangprobe.programs as p; print(p.folder()); print(*(each.path.exists() for each in p.load().values()))"
    )
    said = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=60
    )
    folder, found = said.stdout.decode().splitlines()
    assert Path(folder) == tmp_path / "site" / "hangprobe" / "_reproducers"
    assert set(found.split()) == {"True"}
