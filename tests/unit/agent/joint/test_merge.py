"""Digests of nodes become the digest of their job, in whatever order they come."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.agent.joint.merge import merge, unite_digests
from hangprobe.agent.look.join import join
from hangprobe.digest import SHOWN, Digest, digest_of
from hangprobe.model import Launcher, RankState, Tier, Unreadable, Verdict
from hangprobe.ranksets import unfold
from hangprobe.result import Finding

from ..look.reports import POLICY, hung, working
from ..look.reports import node as report
from .digests import PROVEN, finding, node, row

HELD = st.sampled_from([None, PROVEN, "launcher-stdin", "stall"])
JOBS = st.lists(HELD, min_size=1, max_size=40)


@st.composite
def parts(draw: st.DrawFn) -> tuple[Digest, list[Digest]]:
    """Draw a job: as one node would tell it that saw all its ranks, and by parts of it on several nodes."""
    held = draw(JOBS)
    nodes = draw(st.integers(1, 6))
    places = [draw(st.integers(0, nodes - 1)) for _ in held]
    by_node: dict[int, dict[int, str | None]] = {}
    for rank, cause in enumerate(held):
        by_node.setdefault(places[rank], {})[rank] = cause
    each = [node(f"node{place:02}", ranks, len(held)) for place, ranks in sorted(by_node.items())]
    return node("all", dict(enumerate(held)), len(held)), each


def holds(digest: Digest) -> object:
    """Return what a job hangs on: which ranks, in which state, by what, and how many processes and waits that are."""
    return (
        digest.verdict,
        digest.is_known,
        digest.may_be_ended,
        [(rank.rank, rank.state, rank.mechanism, rank.since_s) for rank in digest.ranks],
        {(f.mechanism, f.tier, f.ranks, f.clause, f.mitigations, amounts(f)) for f in digest.findings},
        digest.start_methods,
    )


def amounts(finding: Finding) -> tuple[int, int]:
    return (
        finding.processes_total or len(finding.processes),
        finding.waits_total or len(finding.waits),
    )


# a job is the same by its parts as in one piece


@given(parts())
def test_a_job_by_its_nodes_is_the_job_that_one_node_would_have_seen(job: tuple[Digest, list[Digest]]) -> None:
    whole, each = job
    assert holds(merge(each)) == holds(whole)


@given(parts(), st.randoms(use_true_random=False))
def test_the_order_of_nodes_does_not_matter(job: tuple[Digest, list[Digest]], chance: random.Random) -> None:
    _, each = job
    shuffled = list(each)
    chance.shuffle(shuffled)
    assert merge(shuffled) == merge(each)


@given(parts(), st.integers(0, 6))
def test_what_is_merged_can_be_merged_again(job: tuple[Digest, list[Digest]], cut: int) -> None:
    _, each = job
    by_parts = [unite_digests(some) for some in (each[:cut], each[cut:]) if some]
    assert unite_digests(by_parts) == unite_digests(each)


@given(parts())
def test_one_node_alone_says_what_it_said(job: tuple[Digest, list[Digest]]) -> None:
    whole, _ = job
    merged = merge([whole])
    assert holds(merged) == holds(whole)
    assert sorted(each.says for each in merged.findings) == sorted(each.says for each in whole.findings)
    assert (merged.samples, merged.double_collects, merged.detected_after_s, merged.size, merged.launcher) == (
        whole.samples,
        whole.double_collects,
        whole.detected_after_s,
        whole.size,
        whole.launcher,
    )


@given(parts())
def test_a_digest_is_the_same_after_the_wire(job: tuple[Digest, list[Digest]]) -> None:
    whole, _ = job
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(whole), type=Digest) == whole


def test_nodes_that_were_really_judged_are_one_job_as_if_judged_together() -> None:
    nodes = [report("node01", working("node01", 0, in_mpi=(0,), size=3))]
    nodes += [report(host, hung(host, rank)) for rank, host in ((1, "node02"), (2, "node03"))]
    (together,) = (digest_of(job) for job in join(nodes, POLICY))
    merged = merge([digest_of(join([each], POLICY)[0]) for each in nodes])
    assert [(f.mechanism, f.ranks, f.says) for f in merged.findings] == [
        (f.mechanism, f.ranks, f.says) for f in together.findings
    ]
    assert (merged.verdict, merged.may_be_ended) == (together.verdict, together.may_be_ended) == (Verdict.HANG, True)


def test_nothing_told_is_a_job_of_which_nothing_is_known_yet() -> None:
    merged = merge([])
    assert (merged.verdict, merged.ranks, merged.launcher, merged.size) == (Verdict.OK, (), Launcher.NONE, None)


# the verdict


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ("ok ok", "ok"),
        ("ok stall", "stall"),
        ("hang stall", "hang"),
        ("ok hang", "hang"),
        ("unknown ok", "unknown"),
    ],
)
def test_the_worst_verdict_of_a_node_is_that_of_the_job(verdicts: str, said: str) -> None:
    told = [node(f"node{n}", {n: None}, verdict=Verdict(verdict)) for n, verdict in enumerate(verdicts.split())]
    assert merge(told).verdict == said


def test_a_rank_of_which_its_node_knows_nothing_makes_the_job_unknown_in_part() -> None:
    assert not merge([node("a", {0: None}), node("b", {1: None}, is_known=False)]).is_known


def test_a_proof_may_be_acted_on_unless_anything_anywhere_is_assumed() -> None:
    proven = node("node01", {0: PROVEN})
    assumed = node("node02", {1: "launcher-stdin"})
    told = assumed.but(findings=(assumed.findings[0].but(assumptions=("A1: ...",)),))
    assert merge([proven, assumed]).may_be_ended
    assert not merge([proven, told]).may_be_ended
    assert not merge([assumed]).may_be_ended


def test_ranks_that_wait_for_a_hung_one_on_another_node_stay_its_victims() -> None:
    waiting = node("node02", {1: None}).but(ranks=(row(1, "node02", state=RankState.WAITING),))
    job = merge([node("node01", {0: PROVEN}), waiting])
    assert [(rank.state, rank.mechanism) for rank in job.ranks] == [
        (RankState.PROVEN, PROVEN),
        (RankState.WAITING, None),
    ]
    assert (job.verdict, job.findings[0].ranks) == (Verdict.HANG, "0")


def test_the_time_to_the_report_is_known_if_every_hung_node_knows_its_own() -> None:
    times = [node(f"node{n}", {n: PROVEN}, detected_after_s=0.5 + n) for n in range(3)]
    idle = node("node9", {9: None})
    assert merge([*times, idle]).detected_after_s == 2.5
    assert merge([*times, idle, node("node7", {7: PROVEN}, detected_after_s=None)]).detected_after_s is None


# ranks


def test_a_rank_that_two_nodes_claim_is_the_one_that_has_not_ended() -> None:
    ended = node("node01", {3: None}).but(ranks=(row(3, "node01", state=RankState.EXITED),))
    for told in ([ended, node("node02", {3: None})], [node("node02", {3: None}), ended]):
        job = merge(told)
        assert [(rank.rank, rank.host) for rank in job.ranks] == [(3, "node02")]
        assert [each.what for each in job.unreadable] == ["rank 3"]


def test_of_two_that_run_the_first_node_by_name_is_believed() -> None:
    job = merge([node("node02", {0: None, 1: None}), node("node01", {1: None})])
    assert [rank.host for rank in job.ranks] == ["node02", "node01"]


@given(st.sets(st.integers(0, 12)), st.integers(0, 10))
def test_ranks_of_which_no_node_tells_are_a_doubt(told: set[int], size: int) -> None:
    job = merge([node("node01", dict.fromkeys(told, None), size)])
    missing = set(range(size)) - told
    assert job.is_known == (not missing)
    named = [each.what.split()[1] for each in job.unreadable if each.why == "on none of the nodes that were heard of"]
    assert [unfold(each) for each in named] == ([missing] if missing else [])


def test_an_enormous_size_costs_nothing() -> None:
    job = merge([node("node01", {0: None, 7: None}, size=10**12)])
    assert job.unreadable[0].what == f"ranks 1-6,8-{10**12 - 1}"


# findings


def test_the_sentence_is_told_anew_for_all_ranks() -> None:
    (found,) = merge([node(f"node{n:02}", {n: PROVEN}) for n in range(1, 7)]).findings
    assert found.says == (
        "ranks 1-6: the child that each forked without exec (pids 5201 on node01, 5202 on node02, 5203 on node03, "
        "5204 on node04, ...) waits for a lock; it can never wake unless it, or a process it waits for, is signalled "
        "or killed"
    )


def test_the_evidence_is_that_of_the_lowest_rank_and_says_where_it_was_seen() -> None:
    (found,) = merge([node("node02", {4: PROVEN, 5: PROVEN}), node("node01", {2: PROVEN, 3: PROVEN})]).findings
    assert found.evidence == (
        "pid 5202 has no thread that could",
        "this is what was seen of rank 2 on node01",
        "the other 3 ranks are alike",
    )


def test_the_lowest_rank_is_so_by_its_number_not_by_its_digits() -> None:
    (found,) = merge([node("node02", {10: PROVEN}), node("node01", {9: PROVEN})]).findings
    assert found.evidence[0] == "pid 5209 has no thread that could"


@pytest.mark.parametrize(
    "changes",
    [
        {"tier": Tier.BLOCKED},
        {"likely": True},
        {"detail": {"lock": "mutex"}},
        {"assumptions": ("A1: ...",)},
        {"mitigations": ()},
    ],
)
def test_what_is_not_quite_the_same_is_told_apart(changes: dict[str, object]) -> None:
    other = node("node02", {1: PROVEN}).but(findings=(finding("node02", [1]).but(**changes),))
    assert len(merge([node("node01", {0: PROVEN}), other]).findings) == 2


def test_the_best_founded_come_first_then_those_that_hold_most() -> None:
    few, many = {0: PROVEN}, dict.fromkeys(range(1, 4), "launcher-stdin")
    mutex = finding("node03", [7, 8], detail={"lock": "mutex"})
    job = merge([node("a", few), node("b", many), node("node03", {7: PROVEN, 8: PROVEN}).but(findings=(mutex,))])
    assert [(each.tier, each.ranks) for each in job.findings] == [("proven", "7-8"), ("proven", "0"), ("leak", "1-3")]


def test_what_is_shown_of_many_is_of_as_many_nodes_as_possible() -> None:
    nodes = [node(f"node{n:03}", dict.fromkeys(range(3 * n, 3 * n + 3), PROVEN)) for n in range(50)]
    (found,) = merge(nodes).findings
    assert (len(found.processes), found.processes_total) == (SHOWN, 150)
    assert (len(found.waits), found.waits_total) == (SHOWN, 150)
    assert [each.host for each in found.processes[:50]] == [f"node{n:03}" for n in range(50)]
    assert "each forked" in found.says


def test_findings_without_a_wait_are_told_as_one_too() -> None:
    nodes = [node(f"node0{n}", {n: PROVEN}) for n in (1, 2)]
    (found,) = merge([each.but(findings=(each.findings[0].but(waits=()),)) for each in nodes]).findings
    assert (found.ranks, found.waits, found.waits_total, len(found.processes)) == ("1-2", (), None, 2)


def test_what_was_found_before_is_kept_apart() -> None:
    past = node("node02", {1: None}).but(past=(finding("node02", [1]),))
    job = merge([node("node01", {0: PROVEN}), past])
    assert ([f.ranks for f in job.findings], [f.ranks for f in job.past]) == (["0"], ["1"])


# what could not be read


def test_what_could_not_be_read_is_told_with_its_nodes_and_once() -> None:
    common, own = Unreadable("syscall", "Permission denied"), Unreadable("stack of pid 4", "no answer")
    nodes = [node(f"node{n:02}", {n: None}, unreadable=(common,)) for n in range(1, 4)]
    nodes.append(node("login", {9: None}, unreadable=(own,)))
    assert [each.what for each in merge(nodes).unreadable] == ["node[01-03]: syscall", "login: stack of pid 4"]


def test_samples_are_taken_side_by_side_and_double_collects_add_up() -> None:
    job = merge([node("a", {0: None}, samples=12), node("b", {1: None}, samples=9)])
    assert (job.samples, job.double_collects) == (12, 4)
