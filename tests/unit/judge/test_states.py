"""What is said of a rank that is not hung, in which order, and what the ranks make of the job."""

from __future__ import annotations

import pytest

from hangprobe.judge.verdict import judge, victims
from hangprobe.judgement import Judgement, Progress
from hangprobe.model import DoubleCollect, RankState, Verdict

from .builders import (
    CHILD,
    EPOLL_HELPER,
    MAIN,
    WINDOW_S,
    aged,
    but,
    child_wait,
    executor,
    futex,
    judged,
    numbered,
    process,
    quiet,
    rank,
    snapshot,
    stuck_child,
    thread,
    tid,
    twice,
    verdict,
    waiting_main,
    working,
)
from .shared import KEEPER, lock_wait, parked, rank_1, two_ranks

# What is not a hang.


def test_a_parked_child_beside_a_working_main_thread_is_healthy() -> None:
    judgement = judged(twice(working(MAIN), stuck_child()), quiet_s=0.0)
    assert judgement.proven == {tid(CHILD)}
    assert (judgement.ranks[0].state, judgement.ranks[0].culprits) == (RankState.PROGRESSING, ())
    assert judgement.verdict is Verdict.OK


def test_a_main_thread_at_full_speed_is_progressing_however_quiet_the_rest() -> None:
    assert verdict([working(MAIN), stuck_child()], quiet_s=10 * WINDOW_S).state is RankState.PROGRESSING


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("T", RankState.STOPPED),
        ("t", RankState.STOPPED),
        ("Z", RankState.EXITED),
        ("X", RankState.EXITED),
        ("D", RankState.PROGRESSING),
        (None, RankState.UNKNOWN),
    ],
)
def test_a_main_thread_in_another_state_says_so(state: str | None, expected: RankState) -> None:
    found = verdict([process(but(thread(tid(MAIN), None), state=state))], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (expected, False)


def test_a_main_thread_that_the_second_collect_did_not_see_is_unknown() -> None:
    double = twice(waiting_main(), stuck_child())
    gone = but(snapshot(stuck_child()), began_s=3.0, ended_s=4.0)
    assert judged(DoubleCollect(double.first, gone)).ranks[0].state is RankState.UNKNOWN


# Which state comes first.

KEPT = but(lock_wait(), wakers=frozenset({tid(KEEPER)}))


def test_a_proof_comes_before_a_leak_and_a_stall() -> None:
    main = process(thread(tid(MAIN), child_wait(tid(CHILD), tid(21))))
    kept = process(thread(tid(21), KEPT), parent=MAIN)
    keeper = process(thread(tid(KEEPER), futex()), parent=MAIN)
    found = verdict([main, stuck_child(), kept, keeper], quiet_s=WINDOW_S, by_pid={KEEPER: WINDOW_S})
    assert found.state is RankState.PROVEN


def test_a_leak_comes_before_a_stall_and_what_signals_may_end() -> None:
    kept = process(thread(tid(CHILD), KEPT), parent=MAIN, signals="catches TERM")
    for quiet_s in (0.0, WINDOW_S):
        assert rank_1(waiting_main(), kept, parked(), quiet_s=quiet_s).state is RankState.LEAK


def test_what_signals_may_end_comes_before_a_stall() -> None:
    found = verdict([waiting_main(), stuck_child(signals="catches TERM")], quiet_s=WINDOW_S)
    assert found.state is RankState.BLOCKED


def test_a_stall_comes_before_a_lock_that_is_held() -> None:
    main = process(thread(tid(MAIN), KEPT))
    assert rank_1(main, working(KEEPER), quiet_s=WINDOW_S).state is RankState.STALLED
    assert rank_1(main, working(KEEPER)).state is RankState.BLOCKED


def test_a_stopped_rank_is_stopped_whatever_its_child_waits_for() -> None:
    stopped = process(but(thread(tid(MAIN), child_wait(tid(CHILD))), state="T"))
    assert verdict([stopped, stuck_child()], quiet_s=WINDOW_S).state is RankState.STOPPED


def test_an_unread_main_thread_is_no_stall() -> None:
    unread = process(but(thread(tid(MAIN), None), state=None))
    assert verdict([unread, stuck_child()], quiet_s=WINDOW_S).state is RankState.UNKNOWN


# From ranks to the job.


def test_ranks_are_judged_one_by_one_in_the_order_given() -> None:
    other = numbered(0, 30)
    judgement = judge(twice(waiting_main(), stuck_child(), working(30)), [other, rank()], quiet(0.0), WINDOW_S)
    assert [(each.rank, each.state) for each in judgement.ranks] == [
        (0, RankState.PROGRESSING),
        (1, RankState.PROVEN),
    ]


def test_one_hung_rank_makes_the_job_a_hang_and_a_stalled_one_a_stall() -> None:
    assert judged(twice(executor(EPOLL_HELPER)), MAIN, quiet_s=WINDOW_S).verdict is Verdict.STALL
    assert judged(twice(executor(EPOLL_HELPER), stuck_child()), quiet_s=WINDOW_S).verdict is Verdict.HANG


def test_a_job_without_ranks_is_ok() -> None:
    assert judge(twice(), [], {}, WINDOW_S).verdict is Verdict.OK


# Victims: ranks that wait in MPI for a hung one.

POLLING = working(30)


def test_a_rank_inside_mpi_beside_a_hung_one_waits_for_it() -> None:
    double = twice(waiting_main(), stuck_child(), POLLING)
    judgement = judge(double, [numbered(0, 30), rank()], {}, WINDOW_S)
    zero, one = victims(judgement, in_mpi={0, 1}).ranks
    assert (zero.state, zero.hung, zero.why) == (RankState.WAITING, False, "waits in MPI for rank 1")
    assert one == judgement.ranks[1]


def test_a_rank_outside_mpi_is_nobodys_victim() -> None:
    double = twice(waiting_main(), stuck_child(), POLLING)
    judgement = judge(double, [numbered(0, 30), rank()], {}, WINDOW_S)
    assert victims(judgement, in_mpi={1}) == judgement


def test_without_a_hung_rank_there_are_no_victims() -> None:
    judgement = judge(twice(POLLING), [numbered(0, 30)], {}, WINDOW_S)
    assert victims(judgement, in_mpi={0}) == judgement


def quiet_beside_hung() -> Judgement:
    """Return rank 0, quiet for the window, beside rank 1, which is hung."""
    double = aged(twice(waiting_main(), stuck_child(), process(thread(tid(30), None))), WINDOW_S)
    return judge(double, [numbered(0, 30), rank()], {0: Progress(0, WINDOW_S)}, WINDOW_S)


def test_a_quiet_rank_inside_mpi_is_a_victim_and_no_stall() -> None:
    judgement = quiet_beside_hung()
    assert judgement.ranks[0].state is RankState.STALLED
    zero = victims(judgement, in_mpi={0}).ranks[0]
    assert (zero.state, zero.since_s) == (RankState.WAITING, judgement.ranks[0].since_s)
    assert victims(judgement, in_mpi=set()) == judgement


def test_a_quiet_rank_that_hangs_itself_is_nobodys_victim() -> None:
    judgement = judged(twice(executor(EPOLL_HELPER), stuck_child()), quiet_s=WINDOW_S)
    assert judgement.ranks[0].hung
    assert victims(judgement, in_mpi={1}) == judgement


@pytest.mark.parametrize("state", sorted(set(RankState) - {RankState.PROGRESSING, RankState.STALLED}))
def test_a_rank_in_any_other_state_is_nobodys_victim(state: RankState) -> None:
    judgement = quiet_beside_hung()
    zero, one = judgement.ranks
    other = but(judgement, ranks=(but(zero, state=state), one))
    assert victims(other, in_mpi={0}) == other


def test_a_leak_has_victims_too() -> None:
    judgement = two_ranks(process(thread(tid(MAIN), KEPT)), parked())
    zero, one = victims(judgement, in_mpi={0}).ranks
    assert (zero.state, one.state) == (RankState.WAITING, RankState.LEAK)
    assert victims(judgement, in_mpi={0}).verdict is Verdict.HANG
