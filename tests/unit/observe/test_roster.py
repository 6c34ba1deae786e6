"""Which processes are of a job where hangprobe is no ancestor of it, and its roots become known one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hangprobe.model import ProcessId
from hangprobe.observe.roots import Roots
from hangprobe.observe.sampler import Sampler

from .calls import on_futex, working
from .sampled import CHILD, OTHER, RANK, ROOT, children, fork, ran
from .tree import ARCH, HOST, ProcTree

INIT, SECOND, LATE, DAEMON = 1, 500, 600, 700
TAG = "hangprobe-7"


@pytest.fixture
def roots() -> Roots:
    return Roots(tag=TAG, jobs={"namespace-1"})


@pytest.fixture
def watched(tree: ProcTree, roots: Roots) -> Iterator[Sampler]:
    """Return a sampler of a rank below each of two proxies; only the first proxy is known."""
    tree.add(INIT, [working()], comm="systemd")
    for proxy, pid, number in ((ROOT, RANK, "0"), (SECOND, OTHER, "1")):
        tree.add(proxy, [working()], comm="hydra_pmi_proxy")
        tree.add(pid, [working()], parent=proxy, environment={"PMI_RANK": number, "HANGPROBE_JOB": TAG})
        children(tree, proxy, pid)
    roots.add(ROOT)
    made = Sampler(tree.reader(), HOST, roots, None, own={})
    made.arch = ARCH
    yield made
    made.close()


def seen(sampler: Sampler, now_s: float = 0.0) -> set[int]:
    """Return the pids of all processes that belong to the job."""
    return set(sampler.sample(now_s).tasks)


def test_a_root_that_becomes_known_brings_its_ranks(watched: Sampler, roots: Roots) -> None:
    assert [view.rank for view in watched.sample(0.0).ranks] == [0]
    roots.add(SECOND)
    assert [view.rank for view in watched.sample(1.0).ranks] == [0, 1]


def test_where_no_launcher_is_recognised_nothing_stands_for_the_job(tree: ProcTree, watched: Sampler) -> None:
    tree.write(f"{RANK}/environ", "")
    assert watched.sample(0.0).ranks == ()


def test_a_member_is_watched_itself_and_below_whoever_its_parent_is(
    tree: ProcTree, watched: Sampler, roots: Roots
) -> None:
    fork(tree, on_futex(), parent=OTHER)
    children(tree, OTHER, CHILD)
    roots.add_member(tree.id(OTHER))
    assert seen(watched) == {RANK, OTHER, CHILD}
    children(tree, SECOND)
    assert seen(watched, 1.0) == {RANK, OTHER, CHILD}


def test_a_process_with_the_pid_of_a_member_is_none(watched: Sampler, roots: Roots) -> None:
    roots.add_member(ProcessId(HOST, OTHER, 5))
    assert (seen(watched), roots.members) == ({RANK}, {})


@pytest.mark.parametrize(
    ("environment", "is_of_job"),
    [
        ({"HANGPROBE_JOB": TAG}, True),
        ({"HANGPROBE_JOB": "hangprobe-77"}, False),
        ({"PMIX_NAMESPACE": "namespace-1"}, True),
        ({"PMIX_NAMESPACE": "namespace-2"}, False),
        ({"PMI_RANK": "0"}, False),
    ],
)
def test_only_what_is_of_the_job_is_taken_from_an_adopter(
    tree: ProcTree, watched: Sampler, roots: Roots, environment: dict[str, str], is_of_job: bool
) -> None:
    roots.adopters.add(INIT)
    tree.add(LATE, [on_futex()], parent=INIT, environment=environment)
    children(tree, INIT, LATE)
    assert (LATE in seen(watched)) is is_of_job
    assert (LATE in seen(watched, 1.0)) is is_of_job


def test_a_stranger_is_asked_once_whose_it_is_and_anew_if_its_pid_is_anothers(
    tree: ProcTree, watched: Sampler, roots: Roots
) -> None:
    roots.adopters.add(INIT)
    tree.add(LATE, [on_futex()], parent=INIT, environment={"HOME": "/"})
    children(tree, INIT, LATE)
    seen(watched)
    tree.write(f"{LATE}/environ", f"HANGPROBE_JOB={TAG}\0")
    assert LATE not in seen(watched, 1.0)
    children(tree, INIT)
    seen(watched, 2.0)
    children(tree, INIT, LATE)
    assert LATE in seen(watched, 3.0)


def test_a_process_in_the_midst_of_an_exec_is_asked_again(tree: ProcTree, watched: Sampler, roots: Roots) -> None:
    roots.adopters.add(INIT)
    tree.add(LATE, [on_futex()], parent=INIT)
    children(tree, INIT, LATE)
    assert LATE not in seen(watched)
    tree.write(f"{LATE}/environ", f"HANGPROBE_JOB={TAG}\0")
    assert LATE in seen(watched, 1.0)


def test_an_observer_that_a_rank_has_started_is_no_part_of_the_job(
    tree: ProcTree, watched: Sampler, roots: Roots
) -> None:
    roots.adopters.add(INIT)
    roots.without.add(DAEMON)
    tree.add(DAEMON, [on_futex()], parent=INIT, environment={"PMI_RANK": "0", "HANGPROBE_JOB": TAG})
    tree.add(LATE, [on_futex()], parent=DAEMON, environment={"PMI_RANK": "0", "HANGPROBE_JOB": TAG})
    children(tree, INIT, DAEMON)
    children(tree, DAEMON, LATE)
    assert seen(watched) == {RANK}


def test_what_turns_out_to_be_none_of_the_job_is_watched_no_more(watched: Sampler, roots: Roots) -> None:
    assert seen(watched) == {RANK}
    roots.without.add(RANK)
    assert seen(watched, 1.0) == set()


def test_what_an_orphan_starts_is_met_though_nobody_of_the_job_is_above_it(tree: ProcTree, watched: Sampler) -> None:
    fork(tree, working())
    children(tree, RANK, CHILD)
    assert seen(watched) == {RANK, CHILD}
    children(tree, RANK)
    ran(tree, RANK, 8)
    fork(tree, on_futex(), pid=LATE, parent=CHILD)
    children(tree, CHILD, LATE)
    ran(tree, CHILD, 9)
    assert seen(watched, 1.0) == {RANK, CHILD, LATE}
    assert seen(watched, 2.0) == {RANK, CHILD, LATE}
