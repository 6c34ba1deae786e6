"""When assumption A1 may stand in for processes that cannot be looked into, and what hides processes altogether."""

from __future__ import annotations

import os

import pytest

from hangprobe.model import Assumption, Unreadable
from hangprobe.observe.census import Scope
from hangprobe.observe.holders import REFUSED, Found, Holders

from .opened import reads, writes
from .tree import ProcTree, plain

OLD, ROOT, RANK, CHILD, YOUNG = 50, 100, 200, 300, 900
PIPE = "pipe:[7]"


@pytest.fixture
def job(tree: ProcTree) -> ProcTree:
    """Return a job of two processes with a pipe, below a root that is younger than somebody else's daemon."""
    tree.add(OLD)
    tree.add(ROOT)
    tree.add(RANK, parent=ROOT, links={3: reads(7)})
    tree.add(CHILD, parent=RANK, links={4: writes(7)})
    tree.scope = Scope(tree.id(ROOT))
    return tree


def blind(tree: ProcTree, pid: int, why: str = REFUSED) -> None:
    tree.refuse(f"{pid}/task/{pid}/fd", why)


def judged(tree: ProcTree, link: str = PIPE) -> Found | Unreadable:
    return plain(Holders(tree.scanned()).of(link))


def assumes(tree: ProcTree) -> tuple[Assumption, ...]:
    found = judged(tree)
    assert isinstance(found, Found), found
    return found.assumes


def is_unknown(tree: ProcTree, link: str = PIPE) -> bool:
    return isinstance(judged(tree, link), Unreadable)


def test_where_everything_can_be_read_nothing_is_assumed(job: ProcTree) -> None:
    assert assumes(job) == ()


def test_an_older_process_outside_the_job_that_may_not_be_read_is_assumed_not_to_have_it(job: ProcTree) -> None:
    blind(job, OLD)
    assert assumes(job) == (Assumption.A1,)


def test_without_a_job_nothing_is_assumed(job: ProcTree) -> None:
    blind(job, OLD)
    job.scope = None
    assert is_unknown(job)


@pytest.mark.parametrize("start", [1000 + ROOT, 1000 + YOUNG])
def test_a_younger_process_that_may_not_be_read_may_have_it(job: ProcTree, start: int) -> None:
    job.add(YOUNG, start=start)
    blind(job, YOUNG)
    assert is_unknown(job)


def test_a_process_below_the_job_that_may_not_be_read_may_have_it_whatever_its_age(job: ProcTree) -> None:
    job.add(YOUNG, parent=RANK, start=5)
    blind(job, YOUNG)
    assert is_unknown(job)


def test_the_root_of_the_job_itself_may_have_it(job: ProcTree) -> None:
    blind(job, ROOT)
    assert is_unknown(job)


@pytest.mark.parametrize("why", ["no answer within 0.5 s", "Input/output error"])
def test_what_cannot_be_read_for_another_reason_may_have_it(job: ProcTree, why: str) -> None:
    blind(job, OLD, why)
    assert is_unknown(job)


def test_one_that_may_have_it_is_enough_among_others_that_may_not(job: ProcTree) -> None:
    blind(job, OLD)
    job.add(YOUNG)
    blind(job, YOUNG)
    assert is_unknown(job)


def test_a_pipe_that_hangprobe_itself_had_open_is_never_covered(job: ProcTree) -> None:
    blind(job, OLD)
    job.scope = Scope(job.id(ROOT), frozenset({PIPE}))
    assert is_unknown(job)
    job.scope = Scope(job.id(ROOT), frozenset({"pipe:[8]"}))
    assert assumes(job) == (Assumption.A1,)


def test_a_pipe_that_somebody_outside_the_job_has_is_never_covered(job: ProcTree) -> None:
    blind(job, OLD)
    job.add(YOUNG, links={3: writes(7)})
    assert is_unknown(job)


def test_a_pipe_that_nobody_shows_is_never_covered(job: ProcTree) -> None:
    blind(job, OLD)
    assert is_unknown(job, "pipe:[8]")


def test_a_job_whose_root_has_gone_covers_nothing(job: ProcTree) -> None:
    blind(job, OLD)
    assert job.scope is not None
    job.scope = Scope(job.scope.root.but(start_time=1))
    assert is_unknown(job)


def test_the_end_of_a_holder_that_cannot_be_told_is_no_reason_to_assume(job: ProcTree) -> None:
    blind(job, OLD)
    job.remove(CHILD)
    job.add(CHILD, parent=1, links={4: writes(7)})
    assert is_unknown(job)  # it has left the job


# what hides processes


def hide(tree: ProcTree, options: str) -> None:
    tree.write("self/mountinfo", f"22 28 0:21 / /proc rw,nosuid - proc proc {options}\n")


@pytest.fixture
def ordinary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be an ordinary user."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def namespaced(tree: ProcTree) -> None:
    (tree.root / "self/ns/pid").unlink()
    (tree.root / "self/ns/pid").symlink_to("pid:[4026532777]")


def test_in_a_pid_namespace_processes_outside_it_may_have_it(job: ProcTree) -> None:
    namespaced(job)
    assert assumes(job) == (Assumption.A1,)
    job.scope = None
    assert judged(job) == Unreadable(PIPE, "hangprobe runs in a PID namespace: processes outside it are not to be seen")


def test_a_namespace_that_cannot_be_read_is_taken_for_another(job: ProcTree) -> None:
    job.scope = None
    job.refuse("self/ns/pid")
    assert is_unknown(job)


@pytest.mark.usefixtures("ordinary")
@pytest.mark.parametrize(
    "options", ["rw,hidepid=1", "rw,hidepid=2", "rw,hidepid=invisible", "rw,gid=5,hidepid=noaccess"]
)
def test_hidepid_hides_holders_from_an_ordinary_user(job: ProcTree, options: str) -> None:
    hide(job, options)
    assert assumes(job) == (Assumption.A1,)
    job.scope = None
    assert judged(job) == Unreadable(PIPE, "/proc is mounted with hidepid")


@pytest.mark.usefixtures("ordinary")
@pytest.mark.parametrize("options", ["rw", "rw,hidepid=0", ""])
def test_without_hidepid_nobody_is_hidden(job: ProcTree, options: str) -> None:
    hide(job, options)
    assert assumes(job) == ()


def test_nobody_is_hidden_from_root(job: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    hide(job, "rw,hidepid=2")
    assert assumes(job) == ()


def test_where_the_mounts_cannot_be_read_processes_may_be_hidden(job: ProcTree) -> None:
    job.scope = None
    job.refuse("self/mountinfo")
    assert judged(job) == Unreadable(PIPE, "whether processes are hidden cannot be read")


def test_processes_that_are_listed_but_refused_may_have_it(job: ProcTree) -> None:
    job.scope = None
    job.add(YOUNG)
    job.refuse(str(YOUNG))
    assert judged(job) == Unreadable(PIPE, f"pid {YOUNG} may have it: not even its age may be read")


def test_a_process_of_which_not_even_the_age_may_be_read_is_not_covered(job: ProcTree) -> None:
    job.add(YOUNG, parent=RANK)
    job.refuse(str(YOUNG))
    assert is_unknown(job)


@pytest.mark.usefixtures("ordinary")
def test_a_child_of_the_job_that_is_hidden_is_not_covered(job: ProcTree) -> None:
    # A setuid program that the job started: its parent names it, the list of processes does not.
    hide(job, "rw,hidepid=2")
    job.write(f"{CHILD}/task/{CHILD}/children", f"{YOUNG} ")
    assert judged(job) == Unreadable(PIPE, f"pid {YOUNG}, a process of the job, may have it: it is hidden")


@pytest.mark.usefixtures("ordinary")
def test_a_hidden_child_of_somebody_else_is_covered(job: ProcTree) -> None:
    hide(job, "rw,hidepid=2")
    job.write(f"{OLD}/task/{OLD}/children", f"{YOUNG} ")
    job.write(f"{RANK}/task/{RANK}/children", f"{CHILD} ")
    assert assumes(job) == (Assumption.A1,)
