"""A lock on a file that a rank on another node has: told as such while ranks wait for it, and no stall."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from hangprobe.digest import Digest
from hangprobe.launch.environments import of_mpi
from hangprobe.launch.mpijob import MpiJob
from hangprobe.model import RankState, Verdict

from .test_observed_jobs import Nodes, nodes, testbed

__all__ = ["nodes", "testbed"]  # fixtures

pytestmark = [pytest.mark.integration, pytest.mark.timeout(100, method="thread")]
LOCKS_ELSEWHERE, UNTIL_BLOCKED = (
    str(Path(__file__).with_name(name)) for name in ("locks_elsewhere.py", "until_blocked.py")
)
DOUBT = ", if both nodes mean the same file by that path and inode (A3)"


def known_once_all_wait(nodes: Nodes, *words: str) -> Digest:
    """Return what is known of a job of six ranks once five of them wait for the lock."""
    environment = of_mpi("mpich")
    job = MpiJob(
        6,
        (environment.python, LOCKS_ELSEWHERE, str(nodes.folder / "ledger"), *words),
        hosts=nodes.bed.testbed.nodes,
        ranks_per_node=2,
        forward=("HANGPROBE_MARKS", "HANGPROBE_JOB"),
    )
    line = environment.flavour.command_line(job)
    variables = (f"{name}={value}" for name, value in line.environment.items())
    driver = (sys.executable, UNTIL_BLOCKED, str(nodes.folder))
    nodes.status(nodes.start("env", *variables, *driver, *line.arguments))
    assert (nodes.folder / "digest").exists(), nodes.said()
    return msgspec.json.decode((nodes.folder / "digest").read_bytes(), type=Digest)


def test_who_waits_for_a_rank_on_another_node_that_works_is_blocked_and_no_stall_is_told(nodes: Nodes) -> None:
    digest = known_once_all_wait(nodes, "60")
    lock = f"waits for a lock on {nodes.folder}/ledger, which pid {digest.ranks[0].pid} of rank 0 on node01 has"
    assert [rank.state for rank in digest.ranks] == [RankState.PROGRESSING, *[RankState.BLOCKED] * 5]
    assert [rank.why for rank in digest.ranks[2:]] == [lock + DOUBT] * 4
    assert [digest.verdict, (nodes.folder / "verdicts").read_text()] == [Verdict.OK, "ok"]


def test_who_waits_for_a_rank_that_waits_in_mpi_with_the_lock_stays_stalled(nodes: Nodes) -> None:
    digest = known_once_all_wait(nodes, "in-mpi")
    assert [rank.state for rank in digest.ranks[2:]] == [RankState.STALLED] * 4
    assert all(f"of rank 0 on node01 has{DOUBT}; that rank is inside MPI" in str(r.why) for r in digest.ranks[2:])
    assert digest.verdict is Verdict.STALL


def test_a_job_whose_ranks_wait_for_each_other_and_go_on_ends_with_its_own_status(nodes: Nodes) -> None:
    waits = (LOCKS_ELSEWHERE, str(nodes.folder / "ledger"), "5")
    assert nodes.status(nodes.watch("mpich", *waits, options=("--stall-after", "2"))) == 0, nodes.said()
    assert (nodes.result().verdict, nodes.result().findings) == (Verdict.OK, ())
    assert "stall" not in nodes.said()
