"""What is known of a job on one node, as it is told to the others."""

from __future__ import annotations

import msgspec
import pytest

from hangprobe.digest import LEAST_SHOWN, SHOWN, Digest, bounded, digest_of, share
from hangprobe.judgement import Judgement, RankVerdict
from hangprobe.model import Launcher, ProcessId, RankState, RankView, Tier
from hangprobe.observe.sampler import Sample
from hangprobe.policy import Policy
from hangprobe.record import Writer
from hangprobe.result import Finding
from hangprobe.watchdog import Watchdog

from .agent.joint.digests import PROVEN, finding, node

HELD = RankVerdict(1, RankState.PROVEN, "", hung=True)


def view(rank: int, host: str = "node01") -> RankView:
    process = ProcessId(host, 100 + rank, 1)
    return RankView(rank, Launcher.HYDRA, process, process, (process,), size=4)


def digest(verdict: RankVerdict, *findings: Finding, hosts: tuple[str, ...] = ("node01", "node01")) -> Digest:
    """Return the digest of two ranks, of which one is judged."""
    watchdog = Watchdog(root=1, command=1, policy=Policy(), record=Writer(None))
    watchdog.ranks = tuple(view(rank, host) for rank, host in enumerate(hosts))
    watchdog.sample = Sample(0.0, watchdog.ranks, progress={}, graphs={}, tasks={}, process_count=2, thread_count=2)
    watchdog.judgement = Judgement(0.0, frozenset(), frozenset(), (verdict,))
    watchdog.findings = findings
    watchdog.history = {("x", Tier.LEAK): finding("node01", [0])}
    try:
        return digest_of(watchdog)
    finally:
        watchdog.close()


@pytest.mark.parametrize(
    ("verdict", "may"),
    [
        (HELD, True),
        (HELD.but(spared="thread 7 is live"), False),
        (HELD.but(hung=False), False),
        (HELD.but(state=RankState.LEAK), False),
    ],
)
def test_only_a_proof_that_nothing_spares_may_be_acted_on(verdict: RankVerdict, may: bool) -> None:
    assert digest(verdict, finding("node01", [1])).may_be_ended is may


def test_what_rests_on_an_assumption_may_not() -> None:
    assert not digest(HELD, finding("node01", [1], assumptions=("A1: ...",))).may_be_ended


def test_a_rank_has_the_mechanism_of_the_first_finding_about_it() -> None:
    told = digest(HELD, finding("node01", [1]), finding("node01", [0, 1], "launcher-stdin"))
    assert [rank.mechanism for rank in told.ranks] == ["launcher-stdin", PROVEN]


def test_a_node_is_known_if_no_rank_of_it_is_unknown() -> None:
    assert digest(HELD).is_known
    assert not digest(RankVerdict(1, RankState.UNKNOWN, "may not be read")).is_known


def test_it_is_of_a_host_if_all_of_it_is_there() -> None:
    assert digest(HELD).host == "node01"
    assert digest(HELD, hosts=("node01", "node02")).host is None


def test_what_stands_no_more_is_past() -> None:
    assert [each.ranks for each in digest(HELD).past] == ["0"]
    assert digest(HELD, finding("node01", [0])).past == ()


# how much of it is told


@pytest.mark.parametrize(
    ("ranks", "size", "most"),
    [
        (4, None, SHOWN),
        (64, 64, SHOWN),
        (64, 128, SHOWN // 2),
        (61, 10**6, LEAST_SHOWN),
        (8, 2, SHOWN),
        (0, 0, LEAST_SHOWN),
    ],
)
def test_each_node_tells_its_share(ranks: int, size: int | None, most: int) -> None:
    assert share(ranks, size) == most


def test_what_is_left_out_is_counted_once_and_for_all() -> None:
    found = bounded(finding("node01", list(range(100))), 10)
    assert (len(found.processes), len(found.waits)) == (10, 10)
    assert (found.processes_total, found.waits_total) == (100, 100)
    assert (bounded(found, 5).processes_total, bounded(found, 5).says) == (100, found.says)
    assert bounded(found, 10) is found


# from the wire


@pytest.mark.parametrize("ranks", ["x", "1-", "0,,1", "9" * 5000])
def test_what_names_no_ranks_is_no_digest(ranks: str) -> None:
    good = node("node01", {0: PROVEN})
    for wire in (good, good.but(past=good.findings, findings=())):
        text = msgspec.json.encode(wire).replace(b'"ranks":"0"', b'"ranks":"%s"' % ranks.encode())
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(text, type=Digest)
    with pytest.raises(ValueError, match="no rank"):
        node("node01", {0: None}, start_methods={"fork": ranks})
