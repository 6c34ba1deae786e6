"""The watch over a job on several nodes: what it makes of what observers tell, and what it asks of them."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hangprobe.agent.joint import jobwatch
from hangprobe.agent.joint.jobwatch import END_LIMIT_S, LOOK_LIMIT_S, LOOKS, LOST_S, SHARE, UNHEARD_S
from hangprobe.agent.joint.sense import is_sensible
from hangprobe.agent.link.messages import Alive, Answer, End, LookAgain, NameVictims, Shown, Told, Welcome
from hangprobe.digest import Digest
from hangprobe.evidence import Suspects
from hangprobe.judgement import Judgement
from hangprobe.launch.session import TERM_S
from hangprobe.model import DoubleCollect, Launcher, RankState, Snapshot, Unreadable, Verdict
from hangprobe.ranksets import fold
from hangprobe.record import Look

from .digests import PROVEN, finding, node, row
from .jobs import HEAD, Head, confirming, greeting, head, rank_here

WHERE = {"node01": 0, "node02": 1}


@pytest.fixture
def job(tmp_path: Path) -> Head:
    return head(tmp_path)


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that runs the tests keeps its limits."""
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: None)


def hung(host: str = "node01", rank: int = 0) -> Digest:
    return node(host, {rank: PROVEN}, 2)


def well(host: str = "node02", rank: int = 1) -> Digest:
    return node(host, {rank: None}, 2)


def whys(job: Head) -> dict[str, str]:
    return {doubt.what: doubt.why for doubt in job.watch.digest.unreadable}


# what is told


def test_who_says_hello_is_told_how_to_watch(job: Head) -> None:
    greeting("node01", job.observers)
    job.watch.tick()
    ((host, welcome),) = job.observers.received(Welcome)
    assert (host, welcome) == ("node01", Welcome(0.25, 7.0, True, ()))


def test_every_hello_is_answered_for_the_head_may_not_have_been_heard(job: Head) -> None:
    for _ in range(2):
        greeting("node01", job.observers)
        job.watch.tick()
    assert len(job.observers.received(Welcome)) == 2


def test_nodes_that_tell_are_one_job(job: Head) -> None:
    assert job.hear(hung(), well())
    assert job.watch.verdict is Verdict.HANG
    assert [(rank.rank, rank.host, rank.state) for rank in job.watch.digest.ranks] == [
        (0, "node01", RankState.PROVEN),
        (1, "node02", RankState.PROGRESSING),
    ]
    assert whys(job) == {}


def test_what_a_node_told_last_counts(job: Head) -> None:
    job.hear(hung(), well())
    job.clock.now_s += 60
    assert job.hear(node("node01", {0: None}, 2))
    assert (job.watch.verdict, job.watch.standing_since_s) == (Verdict.OK, None)


def test_a_sign_of_life_of_a_node_of_which_nothing_is_known_makes_it_look(job: Head) -> None:
    job.observers.replies["node01"] = confirming(well("node01", 0))
    job.observers.say("node01", Alive())
    job.watch.tick()
    assert [host for host, _ in job.observers.received(LookAgain)] == ["node01"]
    job.watch.tick()
    assert [rank.host for rank in job.watch.digest.ranks] == ["node01"]
    job.observers.say("node01", Alive())
    job.watch.tick()
    assert len(job.observers.received(LookAgain)) == 1


def test_the_launcher_s_command_alone_is_no_rank_beside_real_ones(tmp_path: Path) -> None:
    job = head(tmp_path, rank_here(0, Launcher.NONE))
    assert [rank.host for rank in job.watch.digest.ranks] == [HEAD]
    job.hear(node("node01", {0: None, 1: None}, 2))
    assert [rank.host for rank in job.watch.digest.ranks] == ["node01", "node01"]


def test_ranks_here_are_merged_with_those_elsewhere(tmp_path: Path) -> None:
    job = head(tmp_path, rank_here(0))
    job.hear(well())
    assert [(rank.rank, rank.host) for rank in job.watch.digest.ranks] == [(0, HEAD), (1, "node02")]


def test_a_change_here_is_merged_though_no_node_has_told_anything(tmp_path: Path) -> None:
    job = head(tmp_path)
    job.here.ranks, job.here.news = (rank_here(0),), True
    job.watch.tick()
    assert [rank.host for rank in job.watch.digest.ranks] == [HEAD]


def test_two_observers_of_one_node_count_as_one_and_the_later_is_asked(job: Head) -> None:
    job.observers.say("node01", Told(hung()), incarnation="1")
    job.watch.tick()
    greeting("node01", job.observers, incarnation="2")
    job.observers.say("node01", Told(hung()), incarnation="2")
    job.watch.tick()
    assert list(job.watch.nodes) == ["node01"]
    assert job.watch.nodes["node01"].peer.incarnation == "2"
    assert [rank.rank for rank in job.watch.digest.ranks] == [0]


def look() -> Look:
    snapshot = Snapshot("node01", 1.0, 2.0, (), clock_s=1.0)
    return Look(
        1.0, DoubleCollect(snapshot, snapshot), (), {}, Suspects(), Judgement(1.0, frozenset(), frozenset(), ()), (), ()
    )


def test_some_looks_of_other_nodes_are_recorded_and_not_all_that_could_come(job: Head) -> None:
    job.observers.say("node01", *[Shown(look())] * (LOOKS + 5))
    job.watch.tick()
    assert len(job.here.written) == LOOKS


# since when


def test_a_hang_stands_since_it_was_told_and_anew_if_another_rank_joins(job: Head) -> None:
    job.hear(hung(), well())
    assert job.watch.standing_since_s == 100.0
    job.clock.now_s = 105.0
    assert not job.hear(hung(), well())
    assert job.watch.standing_since_s == 100.0
    job.clock.now_s = 110.0
    assert job.hear(hung("node02", 1))
    assert job.watch.standing_since_s == 110.0


def test_a_stall_of_other_ranks_is_another_one(job: Head) -> None:
    job.hear(node("node01", {0: "stall"}, 2), well())
    job.clock.now_s = 110.0
    assert job.hear(node("node02", {1: "stall"}, 2))
    assert (job.watch.verdict, job.watch.standing_since_s) == (Verdict.STALL, 110.0)


def test_ranks_that_turn_out_to_wait_for_a_hung_one_do_not_make_it_another_hang(job: Head) -> None:
    job.hear(hung(), well())
    job.clock.now_s = 110.0
    assert not job.hear(well().but(ranks=(row(1, "node02", state=RankState.WAITING),)))
    assert job.watch.standing_since_s == 100.0
    assert job.watch.digest.ranks[1].state is RankState.WAITING


# victims


def test_every_node_names_the_victims_of_a_hang_once(job: Head) -> None:
    job.hear(hung(), well())
    for _ in range(5):
        job.clock.now_s += 10
        job.hear(hung(), well())
    assert [(host, body.hung) for host, body in job.observers.received(NameVictims)] == [
        ("node01", "0"),
        ("node02", "0"),
    ]
    assert job.here.victims_of == []


def test_answers_with_named_victims_do_not_ask_for_more(job: Head) -> None:
    waiting = well().but(ranks=(row(1, "node02", state=RankState.WAITING),))
    job.observers.replies["node02"] = confirming(waiting)
    job.hear(hung(), well())
    for _ in range(5):
        job.clock.now_s += 10
        job.watch.tick()
    assert job.watch.digest.ranks[1].state is RankState.WAITING
    assert len(job.observers.received(NameVictims)) == 2


def test_ranks_here_may_wait_for_those_that_hang_elsewhere(tmp_path: Path) -> None:
    job = head(tmp_path, rank_here(1))
    job.hear(hung())
    assert job.here.victims_of == [{0}]


@pytest.mark.parametrize("digest", [node("node01", {0: "stall"}, 2), well("node01", 0)])
def test_only_a_hang_has_victims(job: Head, digest: Digest) -> None:
    job.hear(digest)
    assert job.observers.received(NameVictims) == []


# the last word


def test_a_node_that_says_so_again_is_believed(job: Head) -> None:
    job.observers.replies["node01"] = confirming(hung())
    job.hear(hung(), well())
    assert job.watch.look_again() is Verdict.HANG
    assert [host for host, _ in job.observers.received(LookAgain)] == ["node01"]
    assert job.here.looked == 1


def test_a_node_that_is_silent_when_asked_counts_no_more(job: Head) -> None:
    job.hear(hung(), well())
    assert job.watch.look_again() is not Verdict.HANG
    assert job.clock.now_s == pytest.approx(100 + LOOK_LIMIT_S, abs=0.1)
    assert whys(job) == {"rank 0": "on none of the nodes that were heard of"}


def test_it_counts_again_when_it_is_heard_again(job: Head) -> None:
    job.hear(hung(), well())
    job.watch.look_again()
    job.clock.now_s += 60
    assert job.hear(hung())
    assert (job.watch.verdict, job.watch.standing_since_s) == (Verdict.HANG, job.clock.now_s)


def test_a_node_that_takes_its_word_back_is_believed(job: Head) -> None:
    job.observers.replies["node01"] = confirming(well("node01", 0))
    job.hear(hung(), well())
    assert job.watch.look_again() is Verdict.OK


def test_a_deputy_that_has_just_begun_does_not_stand_by_what_its_predecessor_said(job: Head) -> None:
    job.hear(hung(), well())
    greeting("node01", job.observers, incarnation="2")
    job.observers.replies["node01"] = confirming(None)
    assert job.watch.look_again() is Verdict.OK


def test_an_answer_to_something_else_is_none(job: Head) -> None:
    job.observers.replies["node01"] = lambda body: Answer(4711, hung()) if isinstance(body, LookAgain) else None
    job.hear(hung(), well())
    assert job.watch.look_again() is not Verdict.HANG


# the end


def ends(body: object, left: tuple[str, ...] = ()) -> Answer | None:
    return Answer(body.request, None, left) if isinstance(body, End) else None


def test_at_the_end_every_node_is_asked_to_end_what_is_there(job: Head) -> None:
    job.observers.replies = dict.fromkeys(WHERE, ends)
    job.hear(hung(), well())
    job.watch.end()
    assert {(host, body.term_s) for host, body in job.observers.received(End)} == {(host, TERM_S) for host in WHERE}
    assert (job.watch.left, whys(job)) == ({}, {})
    assert job.clock.now_s == pytest.approx(100.0, abs=0.1)


def test_what_is_told_while_the_job_is_being_ended_is_no_news(job: Head) -> None:
    job.observers.replies["node01"] = lambda body: (
        Answer(body.request, well("node01", 0), ()) if isinstance(body, End) else None
    )
    job.hear(hung())
    job.observers.tell(well("node01", 0))
    job.observers.say("node01", Shown(look()))
    job.watch.end()
    job.clock.now_s += 60
    job.watch.tick()
    assert job.watch.verdict is Verdict.HANG
    assert job.here.written == []


def test_nodes_that_do_not_answer_are_named_and_what_could_not_be_ended_too(job: Head) -> None:
    job.observers.replies["node01"] = lambda body: ends(body, ("77 python (D)",))
    job.hear(hung(), well())
    job.watch.end()
    assert whys(job) == {
        "node01": "could not be ended: 77 python (D)",
        "node02": "did not answer when the job had ended",
    }
    assert job.clock.now_s == pytest.approx(100 + END_LIMIT_S, abs=0.1)


def test_a_node_that_was_lost_long_ago_is_waited_for_by_nobody(job: Head) -> None:
    job.observers.replies["node01"] = ends
    job.hear(hung(), well())
    job.clock.now_s += LOST_S + 5
    job.observers.say("node01", Alive())
    job.watch.end()
    assert whys(job) == {"node02": "not heard of for 15 s"}
    assert [host for host, _ in job.observers.received(End)] == ["node01"]
    assert job.clock.now_s == pytest.approx(115.0, abs=0.1)


def test_a_rank_s_parent_need_not_answer_if_its_node_s_own_observer_does(job: Head) -> None:
    greeting("node01", job.observers)
    job.observers.replies["node01"] = ends
    job.observers.say("node01#7", Told(hung()))
    job.observers.say("node02#7", Told(well()))
    job.watch.tick()
    job.watch.end()
    assert [host for host, _ in job.observers.received(End)] == ["node01", "node02#7"]
    assert whys(job) == {"node02#7": "did not answer when the job had ended"}


def test_that_no_observer_was_heard_of_is_said_unless_the_job_was_short_or_ran_here(tmp_path: Path) -> None:
    said: list[tuple[Unreadable, ...]] = []
    for after_s, ranks in ((UNHEARD_S + 1, ()), (UNHEARD_S - 1, ()), (UNHEARD_S + 1, (rank_here(0),))):
        (tmp_path / str(len(said))).mkdir()
        job = head(tmp_path / str(len(said)), *ranks)
        job.clock.now_s += after_s
        job.watch.end()
        said.append(job.watch.digest.unreadable)
    assert said == [(Unreadable("other nodes", "no observer was heard of"),), (), ()]


# at scale


def test_merging_takes_a_share_of_the_time_only(job: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    merges = []

    def slow(digests: list[Digest]) -> Digest:
        merges.append(job.clock.now_s)
        job.clock.now_s += 2.0
        return Digest(**{name: getattr(digests[0], name) for name in Digest.__struct_fields__})

    monkeypatch.setattr(jobwatch, "merge", slow)
    monkeypatch.setattr(jobwatch, "is_sensible", lambda digest: True)
    for _ in range(400):
        job.hear(well())
        job.clock.now_s += 0.25
    assert len(merges) == pytest.approx(400 * 0.25 * SHARE / 2.0, abs=2)


def test_what_is_heard_while_merging_has_to_wait_is_merged_later(job: Head) -> None:
    job.watch._merge_due_s = 110.0
    assert not job.hear(hung(), well())
    job.clock.now_s = 111.0
    assert job.watch.tick()


# nonsense of the right type


UNSORTED = well().but(ranks=(row(3, "node02"), row(1, "node02"), row(2, "node02"), row(1, "node02")))
NONSENSE = {
    "ranks that nobody has": hung().but(findings=(finding("node01", [0]).but(ranks="0-999999999999"),)),
    "a range that runs backwards": hung().but(findings=(finding("node01", [0]).but(ranks="7-3"),)),
    "methods of everybody": well().but(start_methods={"fork": "0-999999999999"}),
    "a rank below zero": well().but(ranks=(row(-5, "node02"),), size=9),
    "a rank beyond all": well().but(ranks=(row(2**62, "node02"),), size=9),
}


@pytest.mark.parametrize("digest", NONSENSE.values(), ids=NONSENSE)
def test_what_cannot_be_is_dropped_counted_and_named(job: Head, digest: Digest) -> None:
    job.hear(hung("node01", 0), well())
    job.clock.now_s += 60
    host = str(digest.host)
    job.hear(digest)
    assert job.watch.nodes[host].digest in (hung("node01", 0), well())
    job.observers.replies = dict.fromkeys(WHERE, ends)
    job.watch.end()
    assert whys(job)[host] == "told 1 times what makes no sense"


def test_odd_digests_that_can_be_merged_are_taken(job: Head) -> None:
    job.hear(hung(), UNSORTED)
    assert [rank.rank for rank in job.watch.digest.ranks] == [0, 1, 2, 3]
    of_others = hung().but(findings=(finding("node01", [1]),))
    job.clock.now_s += 60
    job.hear(of_others)
    assert job.watch.verdict is Verdict.HANG


SETS = st.sampled_from(["", "0", "1", "0-1", "5", "0-999999999999", "3-1", "1,0", "0,0,0"])
NUMBERS = st.integers(-2, 5) | st.sampled_from([2**31, 2**62])


@st.composite
def odd(draw: st.DrawFn) -> Digest:
    host = draw(st.sampled_from(sorted(WHERE)))
    ranks = draw(st.lists(NUMBERS, max_size=5))
    findings = [finding(host, [0]).but(ranks=draw(SETS)) for _ in range(draw(st.integers(0, 3)))]
    return node(host, {0: None}).but(
        verdict=draw(st.sampled_from(list(Verdict))),
        ranks=tuple(row(rank, draw(st.sampled_from(["", "x", host]))) for rank in ranks),
        findings=tuple(findings),
        past=tuple(findings[:1]),
        size=draw(st.none() | NUMBERS),
        start_methods=draw(st.dictionaries(st.text(max_size=3), SETS, max_size=2)),
        host=draw(st.none() | st.just(host)),
    )


@settings(max_examples=60)
@given(st.lists(odd(), max_size=4))
def test_the_watch_outlives_whatever_decodes(tmp_path_factory: pytest.TempPathFactory, digests: list[Digest]) -> None:
    job = head(tmp_path_factory.getbasetemp())
    for number, digest in enumerate(digests):
        job.observers.say(f"node{number}", Told(digest))
        job.watch.tick()
        job.clock.now_s += 60
    job.watch.look_again()
    job.watch.end()
    dropped = sum(not is_sensible(digest) for digest in digests)
    assert sum(job.watch.senseless.values()) == dropped
    assert fold(rank.rank for rank in job.watch.digest.ranks) is not None
