"""For how long a rank has been quiet, read at one look: its last runs, and never longer than is known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hangprobe.attach.attachment import _part, quiet_times
from hangprobe.model import (
    DoubleCollect,
    Launcher,
    ProcessId,
    ProcessView,
    RankView,
    Snapshot,
    ThreadId,
    ThreadView,
)

NOW_S = 1000.0
MAIN, CHILD, GRANDCHILD = 10, 20, 30


def process_id(pid: int) -> ProcessId:
    return ProcessId("node01", pid, 1000 + pid)


def process(pid: int, *threads: tuple[str | None, float | None], parent: int = 1) -> ProcessView:
    """Return a process by the states of its threads, and how long ago each of them ran."""
    views = tuple(
        ThreadView(
            ThreadId(process_id(pid), pid + number),
            1,
            state,
            None,
            7,
            None,
            "not told",
            last_ran_s=None if ago_s is None else NOW_S - ago_s,
        )
        for number, (state, ago_s) in enumerate(threads)
    )
    return ProcessView(process_id(pid), parent, "python", None, views, None)


def twice(*processes: ProcessView, clock_s: float | None = NOW_S) -> DoubleCollect:
    return DoubleCollect(
        Snapshot("node01", 1.0, 2.0, processes), Snapshot("node01", 3.0, 4.0, processes, clock_s=clock_s)
    )


def rank(number: int, *pids: int) -> RankView:
    members = tuple(map(process_id, pids))
    return RankView(number, Launcher.NONE, members[0], members[0], members)


def quiet_s(*processes: ProcessView, clock_s: float | None = NOW_S) -> float:
    """Return for how long the rank that all processes make up has been quiet."""
    its = rank(0, *(view.id.pid for view in processes))
    return quiet_times(twice(*processes, clock_s=clock_s), (its,))[0].quiet_s


def test_a_rank_is_quiet_since_its_last_thread_ran() -> None:
    assert quiet_s(process(MAIN, ("S", 90.0), ("S", 40.0)), process(CHILD, ("S", 70.0))) == 40.0


def test_of_each_process_is_told_for_how_long_it_has_been_quiet() -> None:
    double = twice(process(MAIN, ("S", 90.0)), process(CHILD, ("S", 70.0)))
    found = quiet_times(double, (rank(0, MAIN, CHILD),))[0]
    assert [(its.process.pid, its.quiet_s) for its in found.processes] == [(MAIN, 90.0), (CHILD, 70.0)]


def test_each_rank_has_a_time_of_its_own() -> None:
    double = twice(process(MAIN, ("S", 90.0)), process(CHILD, ("S", 70.0)))
    found = quiet_times(double, (rank(0, MAIN), rank(3, CHILD)))
    assert {number: its.quiet_s for number, its in found.items()} == {0: 90.0, 3: 70.0}


def test_whoever_runs_is_not_quiet() -> None:
    for state in ("R", "D"):
        assert quiet_s(process(MAIN, ("S", 90.0), (state, 50.0))) == 0.0


def test_a_thread_of_which_it_is_not_known_when_it_ran_may_have_run_just_now() -> None:
    assert quiet_s(process(MAIN, ("S", 90.0), ("S", None))) == 0.0
    assert quiet_s(process(MAIN, (None, 90.0))) == 0.0
    assert quiet_s(process(MAIN, ("S", 90.0)), clock_s=None) == 0.0


def test_a_process_whose_threads_could_not_be_read_may_have_run_just_now() -> None:
    assert quiet_s(process(MAIN, ("S", 90.0)), process(CHILD)) == 0.0


def test_a_process_that_the_last_collect_did_not_see_may_have_moved() -> None:
    assert quiet_times(twice(process(MAIN, ("S", 90.0))), (rank(0, MAIN, CHILD),))[0].quiet_s == 0.0


def test_a_child_that_has_ended_and_was_not_waited_for_moves_no_more() -> None:
    for state in ("Z", "X"):
        assert quiet_s(process(MAIN, ("S", 90.0)), process(CHILD, (state, None))) == 90.0
        assert quiet_s(process(MAIN, (state, None), ("S", 90.0))) == 90.0  # a main thread that has left


def test_a_rank_that_has_ended_is_not_quiet_for_ever() -> None:
    assert quiet_s(process(MAIN, ("Z", None))) == 0.0


def test_a_rank_that_was_not_seen_is_not_quiet() -> None:
    assert quiet_times(twice(), (rank(0, MAIN),))[0].quiet_s == 0.0


def test_a_clock_that_is_read_a_little_early_makes_no_negative_time() -> None:
    assert quiet_s(process(MAIN, ("S", -0.002))) == 0.0


THREADS = st.lists(
    st.tuples(st.sampled_from(["S", "S", "S", "R", "D", "T", "Z", None]), st.none() | st.floats(0.0, 500.0)), max_size=4
)


@given(st.lists(THREADS, min_size=1, max_size=4))
def test_no_rank_is_quiet_for_longer_than_any_living_thread_of_it_is_known_to_sleep(
    made: list[list[tuple[str | None, float | None]]],
) -> None:
    views = [process(MAIN + 10 * number, *threads) for number, threads in enumerate(made)]
    found = quiet_s(*views)
    assert 0.0 <= found < float("inf")
    for state, ago_s in (thread for threads in made for thread in threads):
        if state != "Z":
            assert found <= (ago_s if state == "S" and ago_s is not None else 0.0) + 1e-6


# one tree's part of a look at many


def part(double: DoubleCollect, members: set[int], without: set[int]) -> list[int]:
    found = _part(double, {process_id(pid) for pid in members}, without)
    assert found.first.processes == found.second.processes
    return [view.id.pid for view in found.second.processes]


def test_a_tree_has_its_members_and_what_has_come_below_them() -> None:
    double = twice(process(MAIN), process(CHILD, parent=MAIN), process(GRANDCHILD, parent=CHILD), process(99))
    assert part(double, {MAIN}, set()) == [MAIN, CHILD, GRANDCHILD]


def test_a_tree_below_it_is_not_its_own_even_if_it_is_seen() -> None:
    double = twice(process(MAIN), process(CHILD, parent=MAIN), process(GRANDCHILD, parent=CHILD))
    assert part(double, {MAIN}, {CHILD}) == [MAIN]


def test_a_pid_that_was_given_again_is_not_a_member() -> None:
    double = twice(process(MAIN))
    assert _part(double, {ProcessId("node01", MAIN, 7)}, set()).second.processes == ()


def test_the_thread_in_which_an_mpi_runtime_waits_for_its_network_moves_nothing_of_the_applications() -> None:
    main = process(MAIN, ("S", 90.0), ("S", 0.5))
    poller = main.threads[1].but(is_runtime_helper=True)
    assert quiet_s(main) == 0.5
    assert quiet_s(main.but(threads=(main.threads[0], poller))) == 90.0
    assert quiet_s(main.but(threads=(poller,))) == 0.5
