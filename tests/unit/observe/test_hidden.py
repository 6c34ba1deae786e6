"""Holders that may not be seen: what is in sight is told, what forbids the rest is named, and no proof ever uses it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hangprobe.judge.collects import blocked_through, unread_waits
from hangprobe.judge.verdict import judge
from hangprobe.judgement import Progress
from hangprobe.model import (
    Barrier,
    DoubleCollect,
    Hidden,
    Launcher,
    RankState,
    RankView,
    Snapshot,
    ThreadId,
    Unreadable,
    WaitKind,
)
from hangprobe.observe.census import Scope
from hangprobe.observe.holders import REFUSED, Found, Holders
from hangprobe.observe.reader import Reader
from hangprobe.observe.snapshot import double_collect

from .calls import in_read, in_wait4, working
from .opened import reads, unix_socket, writes
from .tree import FailingReader, ProcTree, seen

RANK, CHILD, WRITER, DAEMON = 100, 200, 300, 900
PIPE = "pipe:[7]"


class ForbiddingReader(FailingReader):
    """A reader for which some paths may not be read, as the kernel says it: with what forbids it."""

    def _failed(self, path: str) -> Unreadable | None:
        found = super()._failed(path)
        return found.but(barrier=Barrier.PERMISSION) if found is not None and found.why == REFUSED else found


class Forbidding(ProcTree):
    """A `/proc` that refuses as the kernel does."""

    def reader(self) -> Reader:
        return ForbiddingReader(str(self.root), self.failing)


def build(root: Path) -> ProcTree:
    """Return a rank that waits for its child, which reads a pipe that a third process writes; beside them a daemon."""
    tree = Forbidding(root / "proc")
    tree.add(RANK, [in_wait4(CHILD)])
    tree.add(CHILD, [in_read(3)], parent=RANK, links={3: reads(7)})
    tree.add(WRITER, [working()], links={4: writes(7)})
    tree.add(DAEMON, links={0: "/dev/null"})
    return tree


@pytest.fixture
def job(tmp_path: Path) -> ProcTree:
    return build(tmp_path)


def blind(tree: ProcTree, pid: int = DAEMON, why: str = REFUSED) -> None:
    tree.refuse(f"{pid}/task/{pid}/fd", why)


def hidden(tree: ProcTree, link: str = PIPE) -> Hidden:
    found = Holders(tree.scanned()).of(link)
    assert isinstance(found, Hidden), found
    return found


# who has it, as far as can be seen


def test_those_in_sight_are_told_beside_the_one_that_may_have_it(job: ProcTree) -> None:
    blind(job)
    assert hidden(job) == Hidden(PIPE, f"pid {DAEMON} may have it: not permitted", Barrier.PERMISSION, (CHILD, WRITER))


def test_of_an_object_that_nobody_in_sight_has_none_are_told(job: ProcTree) -> None:
    blind(job)
    assert hidden(job, "pipe:[9]").known == ()


def test_a_holder_that_is_known_is_told_though_it_shows_nothing_else(job: ProcTree) -> None:
    blind(job)
    job.refuse(f"{WRITER}/task/{WRITER}/fd/9")
    assert hidden(job).known == (CHILD, WRITER)


@pytest.mark.parametrize("why", ["no answer within 0.5 s", "Input/output error"])
def test_what_failed_for_another_reason_is_forbidden_by_nothing(job: ProcTree, why: str) -> None:
    blind(job, why=why)
    assert hidden(job).barrier is None


def test_a_process_of_which_not_even_the_age_may_be_read_is_hidden_by_hidepid(job: ProcTree) -> None:
    job.refuse(str(DAEMON))
    assert (hidden(job).barrier, hidden(job).known) == (Barrier.HIDEPID, (CHILD, WRITER))


def test_hidepid_is_named(job: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    job.write("self/mountinfo", "22 28 0:21 / /proc rw - proc proc rw,hidepid=invisible\n")
    assert (hidden(job).barrier, hidden(job).what) == (Barrier.HIDEPID, PIPE)


def test_a_pid_namespace_of_hangprobes_own_is_named(job: ProcTree) -> None:
    (job.root / "self/ns/pid").unlink()
    (job.root / "self/ns/pid").symlink_to("pid:[4026532000]")
    assert hidden(job) == Hidden(PIPE, hidden(job).why, Barrier.NAMESPACE, (CHILD, WRITER))


def test_a_process_that_shows_everything_hides_nothing(job: ProcTree) -> None:
    assert isinstance(Holders(job.scanned()).of(PIPE), Found)


@pytest.mark.parametrize("start", [5, 5000])
def test_a_younger_process_that_may_not_be_read_hides_a_jobs_own_object_and_an_older_one_is_assumed_away(
    job: ProcTree, start: int
) -> None:
    job.remove(DAEMON)
    job.add(DAEMON, start=start)
    blind(job)
    job.remove(WRITER)
    job.add(WRITER, [working()], parent=RANK, links={4: writes(7)})
    job.scope = Scope(job.id(RANK))
    found = Holders(job.scanned()).of(PIPE)
    assert isinstance(found, Hidden) == (start == 5000)
    if isinstance(found, Hidden):
        assert (found.barrier, found.known) == (Barrier.PERMISSION, (CHILD, WRITER))


# what a thread that waits for such an object shows


def test_a_wait_that_may_not_be_told_has_the_wakers_in_sight_and_is_live(job: ProcTree) -> None:
    blind(job)
    view = seen(job, CHILD)
    assert view.live == f"{PIPE}: pid {DAEMON} may have it: not permitted"
    assert view.barrier is Barrier.PERMISSION
    assert view.wait is not None
    assert (view.wait.kind, view.wait.object) == (WaitKind.UNKNOWN, PIPE)
    assert view.wait.wakers == {ThreadId(job.id(WRITER), WRITER)}


def test_a_wait_that_can_be_told_has_no_barrier(job: ProcTree) -> None:
    view = seen(job, CHILD)
    assert (view.live, view.barrier) == (None, None)


def test_what_forbids_it_is_told_beside_the_processes_too(job: ProcTree) -> None:
    blind(job)
    assert (
        Unreadable(PIPE, f"pid {DAEMON} may have it: not permitted", Barrier.PERMISSION)
        in looked(job).second.unreadable
    )


def test_a_thread_whose_call_may_not_be_read_has_a_barrier_and_no_wait(job: ProcTree) -> None:
    job.refuse(f"{CHILD}/task/{CHILD}/syscall")
    view = seen(job, CHILD)
    assert (view.wait, view.barrier) == (None, Barrier.PERMISSION)
    assert view.live is not None


def test_a_thread_that_runs_has_no_barrier_whatever_is_hidden(job: ProcTree) -> None:
    blind(job)
    assert seen(job, WRITER).barrier is None


# what is made of it


def looked(tree: ProcTree) -> DoubleCollect:
    ticks = iter(range(1, 1000))
    targets = [tree.id(RANK), tree.id(WRITER)]
    return double_collect(tree.world, targets, 0.01, lambda: float(next(ticks)), lambda s: None)


def judged(tree: ProcTree) -> RankState:
    members = (tree.id(RANK), tree.id(CHILD))
    rank = RankView(0, Launcher.NONE, members[0], members[0], members)
    return judge(looked(tree), [rank], {0: Progress(0, 0.0)}, 60.0).ranks[0].state


def test_a_rank_whose_child_may_have_a_hidden_waker_works_on_if_another_is_in_sight(job: ProcTree) -> None:
    blind(job)
    assert judged(job) is RankState.PROGRESSING


def test_a_rank_is_unknown_if_only_who_may_not_be_seen_could_wake_it(job: ProcTree) -> None:
    blind(job)
    job.remove(WRITER)
    job.add(WRITER, [working()])
    job.remove(CHILD)
    job.add(CHILD, [in_read(3)], parent=RANK, links={3: reads(7), 4: writes(7)})
    assert judged(job) is RankState.UNKNOWN
    job.failing.clear()
    assert judged(job) is RankState.PROVEN


PATHS = [
    *(f"{pid}/task/{pid}/{name}" for pid in (RANK, CHILD, WRITER, DAEMON) for name in ("fd", "syscall", "status")),
    *(f"{pid}/task/{pid}/{name}" for pid in (RANK, CHILD) for name in ("stat", "schedstat", "maps", "wchan", "fdinfo")),
    *(str(pid) for pid in (CHILD, WRITER, DAEMON)),
    f"{CHILD}/status",
    "self/ns/pid",
    "self/mountinfo",
]
FAILURES = st.dictionaries(st.sampled_from(PATHS), st.sampled_from([REFUSED, "gone", "late"]), max_size=4)


def barred(snapshot: Snapshot) -> set[ThreadId]:
    return {view.id for each in snapshot.processes for view in each.threads if view.barrier is not None}


def live(snapshot: Snapshot) -> set[ThreadId]:
    return {view.id for each in snapshot.processes for view in each.threads if view.live is not None}


@settings(max_examples=60)
@given(FAILURES, st.booleans(), st.booleans())
def test_a_thread_with_a_barrier_is_live_and_no_proof_uses_it(
    failing: dict[str, str], is_in_flight: bool, has_scope: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = build(Path(folder))
        if is_in_flight:
            tree.add(DAEMON + 1, links={3: unix_socket(40, in_flight=1)})
        if has_scope:
            tree.scope = Scope(tree.id(RANK))
        targets = [tree.id(RANK), tree.id(WRITER)]
        tree.failing.update(failing)
        ticks = iter(range(1, 1000))
        double = double_collect(tree.world, targets, 0.01, lambda: float(next(ticks)), lambda s: None)
        for snapshot in (double.first, double.second):
            assert barred(snapshot) <= live(snapshot)
        assert not blocked_through(double).keys() & (barred(double.first) | barred(double.second))
        assert unread_waits(double).keys() <= barred(double.second)


@settings(max_examples=40)
@given(FAILURES)
def test_a_rank_that_could_be_woken_is_never_proven_by_what_may_not_be_read(failing: dict[str, str]) -> None:
    """The writer runs, whoever may see it: what is hidden makes the rank unknown at most."""
    with tempfile.TemporaryDirectory() as folder:
        tree = build(Path(folder))
        members = (tree.id(RANK), tree.id(CHILD))
        targets = [*members, tree.id(WRITER)]
        tree.failing.update({path: why for path, why in failing.items() if why != "gone"})
        ticks = iter(range(1, 1000))
        double = double_collect(tree.world, targets, 0.01, lambda: float(next(ticks)), lambda s: None)
        rank = RankView(0, Launcher.NONE, members[0], members[0], members)
        found = judge(double, [rank], {0: Progress(0, 0.0)}, 60.0)
        assert not found.proven
        assert not found.ranks[0].hung
