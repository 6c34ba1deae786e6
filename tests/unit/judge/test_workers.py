"""In an ensemble of tasks a worker can hang only in a task: between tasks it waits for as long as it must."""

from __future__ import annotations

import pytest

from hangprobe.judge.verdict import judge
from hangprobe.model import RankState, RankView, Verdict, Worker

from .builders import CHILD, MAIN, WINDOW_S, aged, but, futex, process, quiet, rank, stuck_child, thread, tid, twice
from .builders import waiting_main as in_a_task

IN_TASK, BETWEEN, MANAGER = Worker(4, 1, 7, "noop"), Worker(4, 1), Worker(None, 1)


def of(worker: Worker, *pids: int) -> RankView:
    return but(rank(*pids), worker=worker)


@pytest.mark.parametrize("worker", [IN_TASK, MANAGER])
def test_a_worker_in_a_task_and_a_manager_hang_like_any_rank(worker: Worker) -> None:
    judgement = judge(twice(in_a_task(), stuck_child()), [of(worker, MAIN, CHILD)], {}, WINDOW_S)
    assert (judgement.verdict, judgement.ranks[0].state) == (Verdict.HANG, RankState.PROVEN)


def test_a_worker_whose_queue_nobody_fills_any_more_is_not_hung() -> None:
    # its manager has gone: nobody can wake it, and no task of anybody waits for it
    idle = process(thread(tid(MAIN), futex()))
    judgement = judge(twice(idle), [of(BETWEEN, MAIN)], {}, WINDOW_S)
    assert judgement.proven == {tid(MAIN)}
    assert (judgement.verdict, judgement.ranks[0].state) == (Verdict.OK, RankState.PROGRESSING)


def test_a_worker_without_a_task_for_longer_than_the_window_has_not_stalled() -> None:
    idle = process(but(thread(tid(MAIN), None), live="socket: a message may come"))
    double = aged(twice(idle), 2 * WINDOW_S)
    stalled, waits = (judge(double, [of(each, MAIN)], quiet(2 * WINDOW_S), WINDOW_S) for each in (IN_TASK, BETWEEN))
    assert (stalled.verdict, waits.verdict) == (Verdict.STALL, Verdict.OK)
