"""Reports of nodes become one diagnosis a job: each node judged by itself, and nothing said twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.agent.look.join import Joined, join, missing
from hangprobe.agent.look.nodereport import JobReport, NodeReport
from hangprobe.judgement import RankVerdict
from hangprobe.model import RankState, StartMethod, ThreadId, Unreadable, Verdict, Wait, WaitKind

from .reports import (
    CHILD,
    COMMAND,
    JOB,
    LONG_S,
    MAIN,
    POLICY,
    hung,
    node,
    part,
    process,
    process_id,
    starter,
    thread,
    working,
)


def only(*reports: NodeReport) -> Joined:
    (job,) = join(reports, POLICY)
    return job


def states(job: Joined) -> dict[int, str]:
    assert job.judgement is not None
    return {rank.rank: rank.state.value for rank in job.judgement.ranks}


# one job on several nodes


def test_the_ranks_of_all_nodes_are_one_job() -> None:
    job = only(node("node02", working("node02", 1)), node("node01", working("node01", 0)))
    assert [rank.rank for rank in job.ranks] == [0, 1]
    assert job.running == {0, 1}
    assert [rank.main.host for rank in job.ranks] == ["node01", "node02"]


def test_one_hung_node_makes_the_job_a_hang() -> None:
    job = only(node("node01", working("node01", 0)), node("node02", hung("node02", 1)))
    assert job.verdict is Verdict.HANG
    assert states(job) == {0: "progressing", 1: "proven"}


def test_a_rank_that_its_node_spares_is_spared() -> None:
    spared = RankVerdict(1, RankState.BLOCKED, "pid 9 (driver), its parent, may mean to end it: ask about pid 9")
    job = only(node("node02", hung("node02", 1).but(verdicts=(spared,))))
    assert job.judgement is not None
    assert (job.verdict, job.judgement.ranks) == (Verdict.OK, (spared,))


def test_a_node_that_calls_a_rank_hung_spares_nothing() -> None:
    said = RankVerdict(1, RankState.PROVEN, "its main thread is in the knot", hung=True)
    assert only(node("node02", hung("node02", 1).but(verdicts=(said,)))).verdict is Verdict.HANG


def test_a_hung_rank_is_found_among_processes_of_the_same_pids_on_other_nodes() -> None:
    job = only(
        node("node01", working("node01", 0)), node("node02", hung("node02", 1)), node("node03", hung("node03", 2))
    )
    (finding,) = job.findings
    assert finding.ranks == "1-2"
    assert {each.host for each in finding.processes} == {"node02", "node03"}
    assert "20 on node02" in finding.says
    assert "20 on node03" in finding.says


def test_hosts_are_not_named_where_all_processes_are_on_one() -> None:
    (finding,) = only(node("node02", hung("node02", 1))).findings
    assert " on node02" not in finding.says


def test_a_rank_inside_mpi_is_a_victim_of_a_hung_one_on_another_node() -> None:
    job = only(node("node01", working("node01", 0, in_mpi=(0,))), node("node02", hung("node02", 1)))
    assert states(job) == {0: "waiting", 1: "proven"}
    assert job.judgement is not None
    assert job.judgement.ranks[0].why == "waits in MPI for rank 1"


def test_a_rank_inside_mpi_is_nobodys_victim_where_none_hangs() -> None:
    job = only(node("node01", working("node01", 0, in_mpi=(0,))), node("node02", working("node02", 1)))
    assert states(job) == {0: "progressing", 1: "progressing"}
    assert job.verdict is Verdict.OK


def test_an_edge_to_another_node_proves_nothing() -> None:
    """Two nodes look at different times: they share no instant."""
    there = ThreadId(process_id("node02", MAIN), MAIN)
    here = ThreadId(process_id("node01", MAIN), MAIN)
    one = process("node01", MAIN, thread("node01", MAIN, Wait(WaitKind.POLL, "x", frozenset({there}))))
    two = process("node02", MAIN, thread("node02", MAIN, Wait(WaitKind.POLL, "x", frozenset({here}))))
    job = only(node("node01", part("node01", 0, one)), node("node02", part("node02", 1, two)))
    assert job.verdict is Verdict.OK
    assert job.judgement is not None
    assert not job.judgement.blocked


def test_a_quiet_node_beside_a_hung_one_stays_what_it_is() -> None:
    wait = Wait(WaitKind.POLL, "x", frozenset({ThreadId(process_id("node01", 99), 99)}))
    still = part("node01", 0, process("node01", MAIN, thread("node01", MAIN, wait)), quiet_s=LONG_S)
    assert states(only(node("node01", still), node("node02", hung("node02", 1)))) == {0: "stalled", 1: "proven"}


# the same rank twice


def test_a_rank_that_is_told_of_twice_is_one_rank() -> None:
    twice = node("node01", hung("node01", 1))
    job = only(twice, twice)
    assert [rank.rank for rank in job.ranks] == [1]
    assert states(job) == {1: "proven"}
    assert len(job.judgement.ranks if job.judgement else ()) == 1


def test_of_a_rank_that_two_nodes_tell_of_the_first_counts() -> None:
    job = only(node("node01", working("node01", 1)), node("node02", hung("node02", 1)))
    assert [rank.main.host for rank in job.ranks] == ["node01"]
    assert job.verdict is Verdict.OK


# several jobs


def test_ranks_of_different_jobs_with_equal_numbers_stay_apart() -> None:
    here, there = hung("node01", 0), working("node01", 0, job="another")
    jobs = join([node("node01", here, there), node("node02", working("node02", 1))], POLICY)
    assert [(job.job, sorted(job.running), job.verdict.value) for job in jobs] == [
        (JOB, [0, 1], "hang"),
        ("another", [0], "ok"),
    ]


def test_nothing_told_is_no_job() -> None:
    assert join([], POLICY) == []
    assert join([node("node01", starters=(starter(),))], POLICY) == []


REPORTS = st.lists(
    st.tuples(st.sampled_from(["node01", "node02", "node03"]), st.integers(0, 5), st.booleans(), st.sampled_from("ab")),
    max_size=8,
)


@given(REPORTS)
def test_every_rank_is_judged_once_in_order_and_a_hang_is_lost_only_with_a_rank_that_was_told_of_before(
    told: list[tuple[str, int, bool, str]],
) -> None:
    parts: list[JobReport] = [(hung if is_hung else working)(host, rank, job=job) for host, rank, is_hung, job in told]
    jobs = join([node(host, its) for (host, *_), its in zip(told, parts, strict=True)], POLICY)
    assert {job.job for job in jobs} == {job for *_, job in told}
    for job in jobs:
        first: dict[int, bool] = {}
        for _, rank, is_hung, name in told:
            if name == job.job:
                first.setdefault(rank, is_hung)
        assert job.judgement is not None
        assert {rank.rank: rank.hung for rank in job.judgement.ranks} == first
        assert [rank.rank for rank in job.judgement.ranks] == sorted(first) == [rank.rank for rank in job.ranks]
        assert (job.verdict is Verdict.HANG) == any(first.values())


@given(REPORTS)
def test_the_order_in_which_nodes_answer_changes_nothing_about_jobs_and_their_ranks(
    told: list[tuple[str, int, bool, str]],
) -> None:
    unique = list({(rank, job): (host, rank, is_hung, job) for host, rank, is_hung, job in told}.values())
    reports = [node(host, (hung if is_hung else working)(host, rank, job=job)) for host, rank, is_hung, job in unique]
    forwards, backwards = join(reports, POLICY), join(reports[::-1], POLICY)
    assert [(job.job, states(job)) for job in forwards] == [(job.job, states(job)) for job in backwards]


# which ranks nobody has told of


def test_ranks_that_no_node_has_told_of_are_named_by_the_size_of_the_job() -> None:
    job = only(node("node01", working("node01", 1, size=4)), node("node02", working("node02", 3, size=4)))
    assert missing(job) == Unreadable("ranks 0,2", "on none of the nodes that answered")


@pytest.mark.parametrize("sizes", [(2, 2), (None, None), (4, 6)])
def test_none_is_missing_where_all_are_there_or_the_size_is_not_known(sizes: tuple[int | None, int | None]) -> None:
    reports = [node(f"node0{n}", working(f"node0{n}", n, size=size)) for n, size in enumerate(sizes)]
    assert missing(only(*reports)) is None


@given(st.sets(st.integers(0, 30), min_size=1), st.integers(1, 31))
def test_told_and_missing_ranks_make_up_the_job(told: set[int], size: int) -> None:
    job = only(*(node("node01", working("node01", rank, size=size)) for rank in told))
    unseen = set(range(size)) - told
    assert (missing(job) is None) == (not unseen)


# what the job is called, and what else is told of it


def test_the_command_is_that_of_the_jobs_mpiexec_wherever_it_runs() -> None:
    assert only(node("node02", working("node02", 1)), node("login", starters=(starter(),))).command == COMMAND


def test_without_its_mpiexec_a_job_is_called_by_what_started_it_on_a_node() -> None:
    assert only(node("node02", working("node02", 1))).command == ("hydra_pmi_proxy",)
    assert only(node("node02", working("node02", 1, command=()))).command == (JOB,)


def test_another_jobs_mpiexec_gives_no_name() -> None:
    other = starter(port=1, command=("mpiexec", "other"))
    assert only(node("node02", working("node02", 1)), node("login", starters=(other,))).command != other.command


def test_what_could_not_be_read_is_told_with_its_host() -> None:
    report = working("node02", 1)
    failed = report.double.second.but(unreadable=(Unreadable("7/fd", "not permitted"),))
    job = only(node("node02", report.but(double=type(report.double)(report.double.first, failed))))
    assert job.double is not None
    assert job.double.second.unreadable == (Unreadable("node02: 7/fd", "not permitted"),)


def test_start_methods_and_looks_of_all_nodes_are_told_together() -> None:
    one = working("node01", 0).but(methods={StartMethod.FORK: (0,)}, looks=2)
    two = working("node02", 1).but(methods={StartMethod.FORK: (1,), StartMethod.SPAWN: (1,)}, looks=3)
    job = only(node("node01", one), node("node02", two))
    assert job.methods.ranks_by_method() == {StartMethod.FORK: {0, 1}, StartMethod.SPAWN: {1}}
    assert (job.samples, len(job.collects)) == (5, 2)


def test_a_job_began_when_its_first_process_did() -> None:
    parts = [working("node01", 0).but(began_s=70.0), working("node02", 1).but(began_s=60.0)]
    assert only(*(node("node01", each) for each in parts)).began_s == 60.0


def test_the_time_of_detection_is_told_if_it_is_known_of_every_hung_node() -> None:
    assert only(node("node01", hung("node01", 0))).detected_after_s is not None
    assert only(node("node01", working("node01", 0))).detected_after_s is None
    silent = hung("node02", 1)
    views = tuple(
        each.but(threads=tuple(thread.but(last_ran_s=None) for thread in each.threads))
        for each in silent.double.second.processes
    )
    unknown = type(silent.double)(silent.double.first, silent.double.second.but(processes=views))
    job = only(node("node01", hung("node01", 0)), node("node02", silent.but(double=unknown)))
    assert job.verdict is Verdict.HANG
    assert job.detected_after_s is None


def test_a_child_of_the_same_pid_on_another_node_is_not_taken_for_a_hung_one() -> None:
    """Pids repeat between nodes: identity is host, pid and start time."""
    child = process("node01", CHILD, thread("node01", CHILD, None), parent=MAIN)
    well = part("node01", 0, process("node01", MAIN, thread("node01", MAIN, None)), child)
    job = only(node("node01", well), node("node02", hung("node02", 1)))
    (finding,) = job.findings
    assert [(each.host, each.pid) for each in finding.processes] == [("node02", CHILD)]
