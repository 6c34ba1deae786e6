"""Ranks that wait for a lock which a rank on another node has: blocked if that goes on, else stalled and told why."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.agent.joint.lockwaits import FIRST_PAUSE_S, LONGEST_PAUSE_S, Search
from hangprobe.agent.joint.merge import merge, unite_digests
from hangprobe.digest import Digest
from hangprobe.filewaits import Extent, FileHeld, FileWait, Kept, SharedFile
from hangprobe.model import RankState, Verdict

from .digests import PROVEN, node, row

LEDGER = SharedFile("/work/ledger", 77, "lustre", "FLOCK")
ALL = Extent(is_exclusive=True)
WHY = "waits for a lock on /work/ledger, which pid 4200 of rank 0 on node01 has"
DOUBT = ", if both nodes mean the same file by that path and inode (A3)"
STILL = "no thread of it has run for the window"


def held(rank: int = 0, host: str = "node01", pid: int | None = None, **changes: object) -> FileHeld:
    """Return the lock that a rank's process has."""
    return FileHeld(host, rank, 4200 + rank if pid is None else pid, LEDGER, ALL).but(**changes)


def wait(rank: int, file: SharedFile = LEDGER, extent: Extent = ALL) -> FileWait:
    return FileWait(rank, file, extent)


def holder(state: RankState = RankState.PROGRESSING, *locks: FileHeld, **changes: object) -> Digest:
    """Return the digest of node01 with rank 0 in a state, and with its locks."""
    rows = (row(0, "node01", state=state),)
    verdict = Verdict.STALL if state is RankState.STALLED else Verdict.OK
    return node("node01", {0: None}, ranks=rows, verdict=verdict, locks=locks or (held(),)).but(**changes)


def waiter(*waits: FileWait, rank: int = 1) -> Digest:
    """Return the digest of node02 with a rank that has stalled, and the locks that it waits for."""
    rows = (row(rank, "node02", "stall").but(why=STILL),)
    return node("node02", {rank: "stall"}, ranks=rows, waits_for_files=waits or (wait(rank),))


def of(job: Digest, rank: int = 1) -> tuple[RankState, str | None]:
    """Return state and reason of a rank."""
    return next((each.state, each.why) for each in job.ranks if each.rank == rank)


# who goes on


def test_who_waits_for_a_rank_that_works_is_blocked_and_the_job_has_not_stalled() -> None:
    job = merge([holder(), waiter()])
    assert (of(job), job.verdict) == ((RankState.BLOCKED, WHY + DOUBT), Verdict.OK)
    assert (job.findings, job.may_be_ended) == ((), False)


def test_one_that_waits_for_nobody_keeps_the_job_stalled() -> None:
    other = node("node03", {2: "stall"})
    job = merge([holder(), waiter(), other])
    assert (of(job)[0], of(job, 2)[0], job.verdict) == (RankState.BLOCKED, RankState.STALLED, Verdict.STALL)


def test_on_its_own_node_nothing_needs_to_be_assumed() -> None:
    rows = (row(0, "node01"), row(1, "node01", "stall").but(why=STILL))
    here = node("node01", {0: None, 1: "stall"}, ranks=rows, locks=(held(),), waits_for_files=(wait(1),))
    assert of(merge([here])) == (RankState.BLOCKED, WHY)


@pytest.mark.parametrize("state", [RankState.STALLED, RankState.STOPPED, RankState.EXITED])
def test_who_waits_for_a_rank_that_does_not_go_on_stays_stalled_and_says_for_which(state: RankState) -> None:
    job = merge([holder(state), waiter()])
    assert (of(job), job.verdict) == ((RankState.STALLED, f"{STILL}: it {WHY}{DOUBT}"), Verdict.STALL)


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        (Kept.ASLEEP, "; that process has not run for the window either"),
        (Kept.IN_MPI, "; that rank is inside MPI with it"),
    ],
)
def test_who_waits_for_a_process_that_may_keep_the_lock_for_ever_stays_stalled(kept: Kept, says: str) -> None:
    job = merge([holder(RankState.PROGRESSING, held(kept=kept)), waiter()])
    assert (of(job), job.verdict) == ((RankState.STALLED, f"{STILL}: it {WHY}{DOUBT}{says}"), Verdict.STALL)


def test_a_lock_that_an_idle_child_has_too_is_given_up_by_who_works() -> None:
    locks = (held(), held(pid=4300, kept=Kept.ASLEEP))
    assert of(merge([holder(RankState.PROGRESSING, *locks), waiter()]))[0] is RankState.BLOCKED


def test_all_of_several_ranks_that_have_it_must_go_on() -> None:
    locks = (held(), held(2, "node03"))
    others = [node("node03", {2: "stall"}), node("node03", {2: None})]
    stalled, working = (merge([holder(RankState.PROGRESSING, *locks), waiter(), each]) for each in others)
    assert (of(stalled)[0], of(working)[0]) == (RankState.STALLED, RankState.BLOCKED)
    assert of(working)[1] == f"{WHY}, and so has 1 more process{DOUBT}"


def test_a_rank_of_a_hang_has_victims_that_are_blocked_and_the_hang_is_not_touched() -> None:
    hung = node("node01", {0: PROVEN}, locks=(held(kept=Kept.ASLEEP),))
    job = merge([hung, waiter()])
    plain = merge([hung.but(locks=()), waiter()])
    assert (of(job), of(plain)[0]) == ((RankState.BLOCKED, WHY + DOUBT), RankState.STALLED)
    assert (job.verdict, job.findings, job.may_be_ended) == (plain.verdict, plain.findings, plain.may_be_ended)
    assert (job.verdict, of(job, 0)) == (Verdict.HANG, of(hung, 0))


def test_a_rank_that_is_hung_though_its_state_is_stalled_is_not_touched() -> None:
    rows = (row(1, "node02", "stall").but(mechanism=PROVEN, why=STILL),)
    job = merge([holder(), node("node02", {1: PROVEN}, ranks=rows, waits_for_files=(wait(1),))])
    assert (of(job), job.verdict) == ((RankState.STALLED, STILL), Verdict.HANG)


# chains and circles


def test_along_a_chain_all_are_blocked_by_the_one_that_works() -> None:
    second = SharedFile("/work/second", 78, "lustre", "FLOCK")
    middle = waiter().but(locks=(held(1, "node02", file=second, kept=Kept.ASLEEP),))
    job = merge([holder(), middle, waiter(wait(2, second), rank=2)])
    assert (of(job)[0], of(job, 2)[0], job.verdict) == (RankState.BLOCKED, RankState.BLOCKED, Verdict.OK)


def test_in_a_circle_all_stay_stalled_and_each_names_the_next() -> None:
    second = SharedFile("/work/second", 78, "lustre", "FLOCK")
    first = waiter(wait(0, second), rank=0).but(locks=(held(0, "node02", kept=Kept.ASLEEP),))
    other = waiter(wait(1), rank=1).but(locks=(held(1, "node02", file=second, kept=Kept.ASLEEP),))
    job = merge([first, other])
    assert [each.state for each in job.ranks] == [RankState.STALLED] * 2
    assert ["of rank 1" in str(of(job, 0)[1]), "of rank 0" in str(of(job, 1)[1])] == [True, True]
    assert job.verdict is Verdict.STALL


# look-alikes


@pytest.mark.parametrize(
    "file",
    [
        LEDGER.but(path="/scratch/ledger"),
        LEDGER.but(inode=78),
        LEDGER.but(system="nfs"),
        LEDGER.but(system="5ec1a446 254:0"),
        LEDGER.but(kind="POSIX"),
    ],
)
def test_another_file_is_not_the_same(file: SharedFile) -> None:
    job = merge([holder(RankState.PROGRESSING, held(file=file)), waiter()])
    assert (of(job), job.verdict) == ((RankState.STALLED, STILL), Verdict.STALL)


@pytest.mark.parametrize(
    ("has", "wants", "is_awaited"),
    [
        (Extent(True, 0, 9), Extent(True, 9, 20), True),
        (Extent(True, 0, 9), Extent(True, 10, 20), False),
        (Extent(False), Extent(False), False),
        (Extent(False), Extent(True), True),
        (Extent(True, 30), Extent(False, 40, 40), True),
    ],
)
def test_only_locks_in_each_others_way_are_waited_for(has: Extent, wants: Extent, is_awaited: bool) -> None:
    job = merge([holder(RankState.PROGRESSING, held(extent=has)), waiter(wait(1, extent=wants))])
    assert (of(job)[0] is RankState.BLOCKED) is is_awaited


def test_a_rank_does_not_wait_for_another_node_because_of_its_own_processes() -> None:
    job = merge([holder(), waiter().but(locks=(held(1, "node02"),))])
    assert of(job)[1] == WHY + DOUBT
    assert of(merge([waiter().but(locks=(held(1, "node02"),))])) == (RankState.STALLED, STILL)


def test_a_holder_that_has_gone_is_no_reason() -> None:
    assert of(merge([holder().but(locks=()), waiter()])) == (RankState.STALLED, STILL)


def test_one_of_two_locks_of_which_nobody_is_known_is_reason_for_the_stall() -> None:
    waits = (wait(1), wait(1, LEDGER.but(inode=99)))
    assert of(merge([holder(), waiter(*waits)])) == (RankState.STALLED, STILL)


def test_a_rank_that_works_stays_as_it_is_whatever_is_told_of_its_waits() -> None:
    job = merge([holder(), node("node02", {1: None}, waits_for_files=(wait(1),))])
    assert of(job) == (RankState.PROGRESSING, None)


# any job

RANKS = st.integers(0, 5)
FILES = st.sampled_from([LEDGER, LEDGER.but(inode=1), LEDGER.but(inode=2)])
WAITS = st.frozensets(st.builds(FileWait, RANKS, FILES, st.just(ALL)), max_size=6)
KEPT = st.sampled_from([None, Kept.ASLEEP, Kept.IN_MPI])
LOCKS = st.lists(
    st.builds(lambda rank, file, kept: held(rank, f"node{rank}", file=file, kept=kept), RANKS, FILES, KEPT)
)
HELD = st.fixed_dictionaries({rank: st.sampled_from([None, "stall", "stall", PROVEN]) for rank in range(6)})


def spread(causes: Mapping[int, str | None], waits: frozenset[FileWait], locks: list[FileHeld]) -> list[Digest]:
    """Return the digests of a job with a rank on each node."""
    return [
        node(
            f"node{rank}",
            {rank: cause},
            waits_for_files=tuple(sorted(each for each in waits if each.rank == rank)),
            locks=tuple(each for each in locks if each.rank == rank),
        )
        for rank, cause in causes.items()
    ]


@given(HELD, WAITS, LOCKS)
def test_only_stalled_ranks_that_tell_a_wait_change_and_never_a_hang(
    causes: dict[int, str | None], waits: frozenset[FileWait], locks: list[FileHeld]
) -> None:
    each = spread(causes, waits, locks)
    job, plain = merge(each), unite_digests(each)
    for now, before in zip(job.ranks, plain.ranks, strict=True):
        if now != before:
            assert before.state is RankState.STALLED
            assert now.rank in {wait.rank for wait in waits}
            assert now.state in {RankState.STALLED, RankState.BLOCKED}
    assert (job.findings, job.may_be_ended) == (plain.findings, plain.may_be_ended)
    has_stalled = any(row.state is RankState.STALLED for row in job.ranks)
    expected = plain.verdict if plain.verdict is not Verdict.STALL or has_stalled else Verdict.OK
    assert job.verdict is expected
    assert merge(each[::-1]) == job


@given(HELD, WAITS, LOCKS)
def test_who_is_blocked_can_be_followed_to_ranks_that_work_or_hang(
    causes: dict[int, str | None], waits: frozenset[FileWait], locks: list[FileHeld]
) -> None:
    job = merge(spread(causes, waits, locks))
    blocked = {row.rank for row in job.ranks if row.state is RankState.BLOCKED}
    ends = {rank for rank, cause in causes.items() if cause != "stall"}
    while more := {
        rank
        for rank in blocked - ends
        if {lock.rank for wait in waits if wait.rank == rank for lock in locks if lock.is_awaited_by(wait)} <= ends
    }:
        ends |= more
    assert blocked <= ends


# when to ask


def test_new_files_are_asked_for_at_once_and_again_with_growing_pauses() -> None:
    search, now_s, asked_s = Search(), 100.0, []
    while now_s < 400.0:
        if search.ask([wait(1)], now_s):
            asked_s.append(now_s)
        now_s += 0.5
    pauses = [later - earlier for earlier, later in pairwise(asked_s)]
    assert asked_s[0] == 100.0
    assert (pauses[0], max(pauses), pauses) == (FIRST_PAUSE_S, LONGEST_PAUSE_S, sorted(pauses))
    assert search.ask([wait(1), wait(2, LEDGER.but(inode=1))], now_s)


def test_nobody_is_asked_while_nobody_waits() -> None:
    search = Search()
    assert search.ask([wait(1)], 0.0)
    assert not search.ask([], 1.0)
    assert not search.is_due(1000.0)
