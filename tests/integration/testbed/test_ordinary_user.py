"""What root's test run shows of root holds for an ordinary user too: rerun by a Python that such a user can read.

Only the library is used, which needs nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hangprobe.packages import cache_folder
from hangprobe.testbed import tools
from hangprobe.testbed.layout import HOME

from .harness import LIMIT_S, REPOSITORY, outside

UID = 1000
PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3", "/usr/bin/python3.11", "/usr/bin/python3.12")
PROGRAM = """
import json, subprocess, sys
from hangprobe.testbed.cluster import Testbed

def say(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    return done.stdout.strip() or f"{done.returncode} {done.stderr}"

with Testbed.up(2, sys.argv[1], has_slurm=len(sys.argv) > 2) as bed:
    script = "id -u; hostname; echo $HOME; cat /proc/self/uid_map | tr -s ' '; ssh node01 hostname"
    answers = {
        "node02": say(bed.command("node02", ["sh", "-c", script])).splitlines(),
        "srun": sorted(say(bed.command("login", ["srun", "-N2", "sh", "-c", "id -u; hostname"])).split())
        if bed.state.has_slurm else [],
        "login": say(bed.command("login", ["ps", "-e", "-o", "comm="])).split(),
        "after": [say(bed.command("login", ["sh", "-c", "kill -KILL -1"])) and say(bed.command("login", ["id", "-u"]))],
        "root": say(bed.administer(["sh", "-c", "id -u; ip link set v2 down && echo cut"])).split(),
        "folder": str(bed.folder),
    }
print(json.dumps(answers))
"""


def is_usable(python: str) -> bool:
    code = "import sys; sys.exit(sys.version_info < (3, 11))"
    try:
        done = subprocess.run([python, "-S", "-c", code], user=UID, group=UID, extra_groups=[], timeout=10, check=False)
    except OSError:
        return False
    return done.returncode == 0


def run_as_ordinary(folder: Path, *words: str) -> dict[str, list[str]]:
    python = next(filter(is_usable, PYTHONS), None)
    if python is None:
        pytest.skip("no Python that an ordinary user can read")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "XDG_CACHE_HOME": f"{folder}/cache"}
    done = subprocess.run(
        [python, "-S", "-c", PROGRAM, f"test-{os.getpid()}-ordinary", *words],
        cwd=folder,
        env={**environment, "PYTHONPATH": f"{folder}/project"},
        user=UID,
        group=UID,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=2 * LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    answers: dict[str, list[str]] = json.loads(done.stdout)
    return answers


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a folder of the ordinary user, with the project and root's unpacked packages in it."""
    tools.roots((*tools.SSH, *tools.SLURM))
    with tempfile.TemporaryDirectory(prefix="hangprobe-ordinary-") as name:
        folder = Path(name)
        shutil.copytree(
            REPOSITORY / "hangprobe", folder / "project/hangprobe", ignore=shutil.ignore_patterns("__pycache__")
        )
        packages = Path("hangprobe/packages") / cache_folder().name
        if cache_folder().is_dir():
            shutil.copytree(cache_folder(), folder / "cache" / packages, symlinks=True)
        for each in (folder, *folder.rglob("*")):
            os.chown(each, UID, UID, follow_symlinks=False)
        yield folder


@pytest.mark.integration
@pytest.mark.timeout(120)
@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs all other tests here as himself")
@pytest.mark.parametrize("words", [(), ("slurm",)], ids=["plain", "slurm"])
def test_an_ordinary_user_has_a_testbed_too(home: Path, words: tuple[str, ...]) -> None:
    before = outside()
    answers = run_as_ordinary(home, *words)
    assert answers["node02"] == [str(UID), "node02", HOME, f" {UID} 0 1", "node01"]
    assert answers["srun"] == (sorted([str(UID), str(UID), "node01", "node02"]) if words else [])
    assert "sshd" not in answers["login"]
    assert ("slurmctld" in answers["login"]) == bool(words)
    assert answers["after"] == [str(UID)]
    assert answers["root"] == ["0", "cut"]
    assert not Path(str(answers["folder"])).exists()
    assert outside() == before
