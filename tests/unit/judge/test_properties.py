"""What holds for every double collect: proofs never outrun what was blocked, and more wakers never prove more."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from hangprobe.judge.collects import blocked_through, by_owner, runtime_helpers, unmoved, without_helpers
from hangprobe.judge.knot import knot
from hangprobe.judge.verdict import judge
from hangprobe.judgement import Progress, Quiet, RankVerdict
from hangprobe.model import (
    Assumption,
    DoubleCollect,
    Keeper,
    Launcher,
    ProcessView,
    RankState,
    RankView,
    Snapshot,
    ThreadId,
    ThreadView,
    Wait,
    WaitKind,
)

from .builders import HOST, WINDOW_S, but, process_id
from .shared import PIPE, PROXY, endless

PIDS = (10, 20, 30, 40)
"""Ranks 0 (10, 20) and 1 (30, 40), each process with up to two threads."""
THREADS = tuple(ThreadId(process_id(pid), pid + number) for pid in PIDS for number in (0, 1))
QUIET = (0.0, WINDOW_S)


def a_wait(pick: Random) -> Wait:
    """Return any wait; a lock's owner is one of those who could end it, keepers are among them or beside them."""
    kind = pick.choice(list(WaitKind))
    wakers = frozenset(pick.sample(THREADS, pick.randrange(3)))
    holders = sorted({waker.process for waker in wakers} | set(pick.choice([(), (process_id(PROXY),)])))
    origins = (None, *map(process_id, PIDS))
    is_kept = kind in {WaitKind.FILE_LOCK, WaitKind.PIPE_READ, WaitKind.SOCKET_READ}
    keepers = tuple(Keeper(each, pick.choice(origins), pick.random() < 0.5) for each in holders) if is_kept else ()
    owner = pick.choice([None, frozenset[ThreadId](), wakers]) if kind is WaitKind.FUTEX_PRIVATE else None
    return Wait(kind, PIPE, wakers, None, owner, keepers, pick.choice([(), (Assumption.A1,)]))


def a_view(pick: Random, which: ThreadId) -> ThreadView:
    """Return a thread, most often asleep in a wait that only its wakers can end."""
    is_open = pick.random() < 0.25
    return ThreadView(
        id=which,
        start_time=1,
        state=pick.choice(["S", "S", "S", "R", "T", None]) if is_open else "S",
        call="0 0x0 ...",
        run_count=pick.choice([7, 7, 7, 8, None]) if is_open else 7,
        wait=a_wait(pick),
        live=pick.choice([None, "sleep: sleeps for a set time"]) if is_open else None,
        is_timed=is_open and pick.random() < 0.5,
        is_runtime_helper=not which.is_main and pick.random() < 0.5,
        last_ran_s=pick.choice([100.0, 170.0, None]),
        cpu_s=pick.choice([0.0, 1.0]),
    )


def a_snapshot(pick: Random, began_s: float) -> Snapshot:
    """Return a collect of both ranks."""
    processes = []
    for pid in PIDS:
        threads = tuple(a_view(pick, which) for which in THREADS if which.process.pid == pid)
        signals = pick.choice([None, None, None, "catches TERM"])
        parent = pid - 10 if pid % 20 == 0 else 1
        shown = threads[: pick.choice([1, 2, 2])]
        processes.append(ProcessView(process_id(pid), parent, "python", None, shown, signals))
    return Snapshot(HOST, began_s, began_s + 1.0, tuple(processes), clock_s=173.0)


def a_double(seed: int) -> DoubleCollect:
    """Return two collects: most threads look the same twice, or nothing would stand."""
    pick = Random(seed)
    first = a_snapshot(pick, 1.0)
    second = a_snapshot(pick, 3.0)
    mixed = tuple(pick.choice([one, one, two]) for one, two in zip(first.processes, second.processes, strict=True))
    return DoubleCollect(first, but(second, processes=mixed))


def a_progress(seed: int) -> dict[int, Progress]:
    """Return for how long the ranks and their processes have been quiet, as the sampler says it."""
    pick, found = Random(seed), {}
    for number, pids in enumerate((PIDS[:2], PIDS[2:])):
        its = tuple(Quiet(process_id(pid), pick.choice(QUIET)) for pid in pids)
        found[number] = Progress(number, min(each.quiet_s for each in its), its)
    return found


SEEDS = st.integers(0, 2**32)
DOUBLES, PROGRESSES = SEEDS.map(a_double), SEEDS.map(a_progress)
"""One draw each: drawn field by field, a hundred double collects take five seconds."""

RANKS = tuple(
    RankView(
        number, Launcher.HYDRA, process_id(pids[0]), process_id(pids[0]), tuple(map(process_id, pids)), endless(PIPE)
    )
    for number, pids in enumerate((PIDS[:2], PIDS[2:]))
)


@given(DOUBLES)
def test_leaving_out_helpers_never_makes_the_knot_smaller(double: DoubleCollect) -> None:
    standing = blocked_through(double)
    assert knot(standing) <= knot(without_helpers(standing, double))


@given(DOUBLES)
def test_naming_owners_never_makes_the_knot_smaller(double: DoubleCollect) -> None:
    standing = blocked_through(double)
    assert knot(standing) <= knot(by_owner(standing, double))


@given(DOUBLES, PROGRESSES)
def test_what_is_proven_is_blocked(double: DoubleCollect, progress: dict[int, Progress]) -> None:
    judgement = judge(double, RANKS, progress, WINDOW_S)
    assert judgement.proven <= judgement.blocked


def is_live(thread: ThreadId, snapshot: Snapshot) -> bool:
    seen = [view for process in snapshot.processes for view in process.threads if view.id == thread]
    return not seen or seen[0].live is not None or seen[0].state != "S"


@given(DOUBLES, PROGRESSES)
def test_a_thread_that_is_live_in_either_collect_is_in_no_knot(
    double: DoubleCollect, progress: dict[int, Progress]
) -> None:
    judgement = judge(double, RANKS, progress, WINDOW_S)
    for thread in judgement.blocked:
        assert not is_live(thread, double.first)
        assert not is_live(thread, double.second)
    assert judgement.blocked <= unmoved(double)


@given(DOUBLES, PROGRESSES)
def test_no_thread_of_a_knot_has_a_waker_outside_it_but_a_runtimes_helper(
    double: DoubleCollect, progress: dict[int, Progress]
) -> None:
    proven = judge(double, RANKS, progress, WINDOW_S).proven
    standing, helpers = blocked_through(double), runtime_helpers(double)
    assert all(standing[thread] <= proven | helpers for thread in proven)


def second_view(double: DoubleCollect, rank: RankView) -> ThreadView:
    main = ThreadId(rank.main, rank.main.pid)
    return next(view for process in double.second.processes for view in process.threads if view.id == main)


def judged_ranks(double: DoubleCollect, progress: dict[int, Progress]) -> list[tuple[ThreadView, RankVerdict]]:
    """Return each rank's main thread, as last seen, with what is said of the rank."""
    judgement = judge(double, RANKS, progress, WINDOW_S)
    return [(second_view(double, rank), found) for rank, found in zip(RANKS, judgement.ranks, strict=True)]


@given(DOUBLES, PROGRESSES)
def test_no_rank_is_hung_by_a_leak_while_its_main_thread_waits_for_a_set_time(
    double: DoubleCollect, progress: dict[int, Progress]
) -> None:
    for main, found in judged_ranks(double, progress):
        if main.is_timed or main.state != "S":
            assert found.state is not RankState.LEAK
            assert not (found.hung and found.state is RankState.STALLED)


@given(DOUBLES, PROGRESSES)
def test_a_hang_names_its_culprits_and_is_spared_unless_it_is_a_proof(
    double: DoubleCollect, progress: dict[int, Progress]
) -> None:
    for _, found in judged_ranks(double, progress):
        if found.hung and found.state is not RankState.PROVEN:
            assert found.spared is not None
        if found.hung:
            assert found.culprits
            assert not found.pending


@given(DOUBLES, PROGRESSES)
def test_a_hung_rank_is_proven_leaks_or_is_quiet_and_nothing_else_is_hung(
    double: DoubleCollect, progress: dict[int, Progress]
) -> None:
    for _, found in judged_ranks(double, progress):
        assert found.hung <= (found.state in {RankState.PROVEN, RankState.LEAK, RankState.STALLED})
        if found.state in {RankState.PROVEN, RankState.LEAK}:
            assert found.hung


@given(DOUBLES, PROGRESSES)
def test_without_the_window_there_is_no_stall_and_no_read_of_a_launchers_stdin(
    double: DoubleCollect, progress: dict[int, Progress]
) -> None:
    never = {number: Progress(number, 0.0) for number in progress}
    for _, found in judged_ranks(double, never):
        assert found.state is not RankState.STALLED
