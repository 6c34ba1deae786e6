"""A read of the standard input that the launcher gave the rank and never feeds: a leak, after the window only."""

from __future__ import annotations

import pytest

from hangprobe.judge.verdict import judge
from hangprobe.judgement import RankVerdict
from hangprobe.model import Keeper, ProcessView, RankState, ThreadView, Wait, WaitKind

from .builders import (
    CHILD,
    EPOLL_HELPER,
    MAIN,
    SLEEPER,
    WINDOW_S,
    aged,
    but,
    child_wait,
    executor,
    futex,
    process,
    process_id,
    quiet,
    rank,
    thread,
    tid,
    twice,
    working,
)
from .shared import PROXY, endless

STDIN = "pipe:[9]"
LEAK = (RankState.LEAK, True)
STALLED = (RankState.STALLED, False)


def read(name: str = STDIN, *keepers: int, kind: WaitKind = WaitKind.PIPE_READ) -> Wait:
    """Return a wait in a read whose other end the launcher's proxy has."""
    its = tuple(Keeper(process_id(pid)) for pid in keepers or (PROXY,))
    return Wait(kind, name, frozenset(tid(keeper.process.pid) for keeper in its), keepers=its)


def reader(wait: Wait | None = None, *beside: ThreadView, **changes: object) -> ProcessView:
    """Return a child that reads."""
    return process(but(thread(tid(CHILD), wait or read()), **changes), *beside, parent=MAIN)


WAITS = process(thread(tid(MAIN), child_wait(tid(CHILD))))
"""A rank whose main thread waits for the reader to end."""


def found(
    *processes: ProcessView, quiet_s: float = WINDOW_S, by_pid: dict[int, float] | None = None, **more: object
) -> RankVerdict:
    """Return what is said of rank 1, which has an endless standard input and has been quiet for `quiet_s`."""
    pids = [view.id.pid for view in processes]
    view = but(rank(*pids), stdin=endless(STDIN, 4, PROXY)).but(**more)
    its = dict.fromkeys(pids, quiet_s) if by_pid is None else by_pid
    double = aged(twice(*processes), quiet_s)
    return judge(double, [view], quiet(min(its.values(), default=0.0), its), WINDOW_S).ranks[0]


def says(verdict: RankVerdict) -> tuple[RankState, bool]:
    return verdict.state, verdict.hung


def test_a_child_that_reads_the_launchers_stdin_holds_its_rank_after_the_window() -> None:
    verdict = found(WAITS, reader())
    assert says(verdict) == LEAK
    assert verdict.culprits == (tid(CHILD),)
    assert verdict.spared is not None


def test_a_main_thread_that_reads_it_itself_is_held_too() -> None:
    assert says(found(process(thread(tid(MAIN), read())))) == LEAK


def test_a_filter_program_behind_the_rank_need_not_be_forked_from_it_without_exec() -> None:
    assert says(found(WAITS, but(reader(), is_forked=False))) == LEAK


def test_a_socket_is_a_standard_input_as_well_though_its_reader_counts_as_live() -> None:
    wait = read("socket:[9]", kind=WaitKind.SOCKET_READ)
    on_socket = reader(wait, live="socket: a receive may have a time-out")
    assert says(found(WAITS, on_socket, stdin=endless("socket:[9]"))) == LEAK


# The window.


@pytest.mark.parametrize(
    "by_pid",
    [
        pytest.param({MAIN: WINDOW_S - 0.1, CHILD: WINDOW_S - 0.1}, id="all within the window"),
        pytest.param({MAIN: WINDOW_S - 0.1, CHILD: WINDOW_S}, id="the main process has moved"),
        pytest.param({MAIN: WINDOW_S, CHILD: WINDOW_S - 0.1}, id="the reader has moved"),
        pytest.param({MAIN: WINDOW_S}, id="the reader's quiet time is not known"),
        pytest.param({CHILD: WINDOW_S}, id="the main process's quiet time is not known"),
    ],
)
def test_before_the_reader_and_the_main_process_have_been_quiet_for_the_window_nothing_is_said(
    by_pid: dict[int, float],
) -> None:
    assert not found(WAITS, reader(), by_pid=by_pid).hung


def test_another_process_of_the_rank_may_work_on() -> None:
    by_pid = {MAIN: WINDOW_S, CHILD: WINDOW_S, 21: 0.0}
    other = process(but(thread(tid(21), None), state="R", live="state: R", cpu_s=1.0, runnable_s=9.0), parent=MAIN)
    assert says(found(WAITS, reader(), other, by_pid=by_pid)) == LEAK


def test_a_reader_that_moved_between_the_collects_is_held_by_nothing() -> None:
    double = twice(WAITS, reader())
    first = but(double.first, processes=(WAITS, reader(run_count=6)))
    view = but(rank(), stdin=endless(STDIN))
    its = {MAIN: WINDOW_S, CHILD: WINDOW_S}
    assert not judge(but(double, first=first), [view], quiet(WINDOW_S, its), WINDOW_S).ranks[0].hung


# It is that very input, and nobody but the launcher can feed it.


def test_a_rank_whose_launcher_may_feed_it_is_stalled_at_most() -> None:
    assert says(found(WAITS, reader(), stdin=None)) == STALLED


def test_a_read_of_another_pipe_is_no_read_of_the_standard_input() -> None:
    assert says(found(WAITS, reader(read("pipe:[8]")))) == STALLED


@pytest.mark.parametrize("keepers", [(PROXY, 77), (77,), (PROXY, CHILD)])
def test_a_holder_of_the_other_end_that_is_no_launchers_process_may_feed_it(keepers: tuple[int, ...]) -> None:
    assert says(found(WAITS, reader(read(STDIN, *keepers)))) == STALLED


def test_several_of_the_launchers_processes_may_have_the_other_end() -> None:
    assert says(found(WAITS, reader(read(STDIN, PROXY, 4)))) == LEAK


def test_a_process_with_the_number_of_the_proxy_is_not_the_proxy() -> None:
    other = Keeper(but(process_id(PROXY), start_time=9))
    assert says(found(WAITS, reader(but(read(), keepers=(other,))))) == STALLED


def test_where_no_holder_is_to_be_seen_somebody_is_hidden() -> None:
    assert says(found(WAITS, reader(but(read(), keepers=())))) == STALLED


@pytest.mark.parametrize("kind", sorted(set(WaitKind) - {WaitKind.PIPE_READ, WaitKind.SOCKET_READ}))
def test_only_a_read_is_a_read(kind: WaitKind) -> None:
    assert not found(WAITS, reader(read(kind=kind))).hung


def test_a_reader_of_another_rank_is_no_business_of_this_one() -> None:
    other = but(reader(), parent=1)
    view = but(rank(MAIN), stdin=endless(STDIN))
    its = {MAIN: WINDOW_S, CHILD: WINDOW_S}
    double = aged(twice(WAITS, other), WINDOW_S)
    assert says(judge(double, [view], quiet(WINDOW_S, its), WINDOW_S).ranks[0]) == STALLED


# The main thread depends on it.


def test_a_main_thread_in_a_timed_wait_goes_on_by_itself() -> None:
    main = process(but(thread(tid(MAIN), None), is_timed=True, live="sleep: sleeps for a set time"))
    assert says(found(main, reader())) == (RankState.PROGRESSING, False)


def test_a_thread_that_reads_while_main_works_holds_nobody() -> None:
    daemon = thread(tid(MAIN, 12), read())
    verdict = found(working(MAIN, daemon), by_pid={MAIN: WINDOW_S})
    assert says(verdict) == (RankState.PROGRESSING, False)


def test_a_thread_that_reads_while_main_waits_for_something_else_holds_nobody() -> None:
    # main waits on a futex that only a runtime's helper could wake
    daemon = thread(tid(MAIN, 12), read())
    main = process(thread(tid(MAIN), futex(EPOLL_HELPER.id)), daemon, EPOLL_HELPER)
    assert says(found(main)) == STALLED


def test_a_main_thread_beside_a_live_one_depends_on_it_all_the_same_once_the_rank_is_quiet() -> None:
    verdict = found(executor(EPOLL_HELPER), reader())
    assert says(verdict) == LEAK
    assert verdict.culprits == (tid(CHILD),)


def test_beside_a_live_thread_the_whole_rank_must_have_been_quiet() -> None:
    other = process(but(thread(tid(21), None), state="R", live="state: R", cpu_s=1.0, runnable_s=9.0), parent=MAIN)
    by_pid = {MAIN: WINDOW_S, CHILD: WINDOW_S, 21: 0.0}
    assert not found(executor(EPOLL_HELPER), reader(), other, by_pid=by_pid).hung


def test_a_timer_beside_the_main_thread_may_still_end_the_wait() -> None:
    verdict = found(process(thread(tid(MAIN), child_wait(tid(CHILD))), SLEEPER), reader())
    assert (verdict.state, verdict.hung, verdict.pending) == (RankState.BLOCKED, False, (SLEEPER.id,))
