"""An ordinary user's job on several nodes is watched on all of them, with nothing that only root may do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hangprobe.launch.environments import of_mpi
from hangprobe.model import Tier, Verdict
from hangprobe.ranksets import unfold
from hangprobe.record import decode

from .harness import LIMIT_S, REPOSITORY
from .test_ordinary_user import PYTHONS, UID, home, is_usable

__all__ = ["home"]  # the fixture

PROGRAM = """
import subprocess, sys
from pathlib import Path
from hangprobe.testbed.cluster import Testbed

name, *words = sys.argv[1:]
with Testbed.up(3, name, shares=(Path.cwd(),)) as bed:
    done = subprocess.run(bed.command("login", words), stdin=subprocess.DEVNULL, timeout=50)
    for node in ("login", *bed.nodes):
        left = subprocess.run(bed.command(node, ["ps", "-e", "-o", "args="]), capture_output=True, text=True).stdout
        print([line for line in left.splitlines() if "hangprobe.agent" in line or "launcher_stdin" in line])
sys.exit(done.returncode)
"""


@pytest.mark.integration
@pytest.mark.timeout(120)
@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs all other tests here as himself")
def test_an_ordinary_user_s_job_is_watched_on_every_node(home: Path) -> None:  # the fixture itself
    python = next(filter(is_usable, PYTHONS), None)
    mpiexec = of_mpi("mpich").flavour.path
    packages = Path(msgspec.__file__).parents[1]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "XDG_CACHE_HOME": f"{home}/cache",
        "PYTHONPATH": f"{home}/project:{packages}",
        "LD_LIBRARY_PATH": str(Path(mpiexec).parents[1] / "lib"),
    }
    ordinary: dict[str, Any] = {"user": UID, "group": UID, "extra_groups": [], "env": environment}
    usable = [python or "", "-c", "import mpi4py.MPI, msgspec, typer, zmq"]
    if python is None or subprocess.run(usable, check=False, capture_output=True, **ordinary).returncode:
        pytest.skip("no Python and no MPI that an ordinary user can read")
    shutil.copytree(REPOSITORY / "reproducers", home / "project/reproducers")
    run = (python, "-m", "hangprobe", "run", "launcher_stdin", "--nodes", "3", "--ranks", "6", "--mpiexec", mpiexec)
    ends = ("--grace", "0", "--stall-after", "2", "--out", f"{home}/out")
    done = subprocess.run(
        [python, "-c", PROGRAM, f"test-{os.getpid()}-job", *run, *ends],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=2 * LIMIT_S,
        check=False,
        **ordinary,
    )
    assert done.returncode == 124, done.stdout + done.stderr
    assert done.stdout.splitlines()[-4:] == ["[]"] * 4, done.stdout
    result = decode((home / "out/result.json").read_bytes())
    held = [finding for finding in result.findings if finding.tier is Tier.LEAK]
    assert (result.verdict, result.tier) == (Verdict.HANG, Tier.LEAK)
    assert {each.what.rpartition(": ")[2] for each in result.unreadable} <= {"stacks"}  # no py-spy on this user's PATH
    assert set().union(*(unfold(finding.ranks) for finding in held)) == {1, 2, 3, 4, 5}
    assert [rank.host for rank in result.ranks] == [f"node{1 + rank // 2:02}" for rank in range(6)]
    assert (home / "out").stat().st_uid == UID
