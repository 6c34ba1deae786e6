"""How a trial ended, told from its facts; the order in which outcomes are asked for."""

from __future__ import annotations

import pytest

from hangprobe.ensemble.outcomes import Facts, in_doubt, judge, placement, short
from hangprobe.ensemble.records import ManagerSeen, Outcome, TaskSeen, TaskState
from hangprobe.model import Tier, Verdict
from hangprobe.result import Finding

from .trials import campaign, ended, trial

HOSTS = ("node01", "node02", "node03")


def task(
    number: int, state: TaskState = TaskState.DONE, host: str | None = "node01", why: str | None = None
) -> TaskSeen:
    """Return a task; one that never began has no host."""
    began = None if host is None else 1.0
    return TaskSeen(number, state, host, None, None, began, 2.0 if state is TaskState.DONE else None, why)


def managers(*hosts: str, silent: tuple[str, ...] = ()) -> tuple[ManagerSeen, ...]:
    """Return managers that registered, and some that did not."""
    seen = [ManagerSeen(host, index, 1.0, 2, {}) for index, host in enumerate(hosts)]
    return (*seen, *(ManagerSeen(host, len(seen) + index, None, 2, {}) for index, host in enumerate(silent)))


def finding(mechanism: str, tier: Tier = Tier.LEAK) -> Finding:
    """Return a finding."""
    return Finding(mechanism, tier, False, "2-5", (), (), {}, "they wait")


DONE = Facts(
    expected=HOSTS,
    managers=managers(*HOSTS),
    tasks=(task(0), task(1), task(2)),
    verdict=Verdict.OK,
    exit_status=0,
)


def but(**changes: object) -> Facts:
    """Return the facts of a trial in which all went well but for this."""
    kept = {name: getattr(DONE, name) for name in DONE.__slots__}
    return Facts(**{**kept, **changes})


def test_all_tasks_done_is_completed() -> None:
    assert judge(DONE) == (Outcome.COMPLETED, "all 3 tasks done")


def test_a_hang_names_tasks_nodes_and_mechanism() -> None:
    hung = (task(0), task(1, TaskState.HUNG, "node02"), task(2, TaskState.HUNG, "node03"))
    facts = but(verdict=Verdict.HANG, tasks=hung, findings=(finding("launcher-stdin"),), exit_status=None)
    assert judge(facts) == (Outcome.HUNG, "2 of 3 tasks hung on node[02-03]: launcher-stdin")


def test_a_hang_outside_of_tasks_is_one_too_and_what_is_only_blocked_is_not_named() -> None:
    facts = but(verdict=Verdict.HANG, findings=(finding("stdio-kept-open"), finding("deadlock", Tier.BLOCKED)))
    assert judge(facts) == (Outcome.HUNG, "hung outside of any task: stdio-kept-open")


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.HANG])
def test_only_the_verdict_hang_counts_as_hung(verdict: Verdict) -> None:
    open_tasks = (task(0, TaskState.RUNNING), task(1, TaskState.LOST, None))
    facts = but(verdict=verdict, tasks=open_tasks, exit_status=None, findings=(finding("deadlock", Tier.STALLED),))
    assert judge(facts).outcome is Outcome.STALLED


def test_what_gnu_parallel_says_of_itself_is_the_launchers_failure_with_its_words() -> None:
    for status, words in (
        ("FAILED (exit 255)", ("parallel: Error: Run 'parallel --record-env' in a clean environment first.",)),
        ("FAILED (exit 127)", ("Seq Host Starttime", "bash: process_worker_pool.py: command not found")),
    ):
        facts = but(managers=(), tasks=(), block_ended=status, words=words, exit_status=4, verdict=Verdict.FAILED)
        outcome, why = judge(facts)
        assert outcome is Outcome.LAUNCHER_FAILED
        assert status in why
        assert words[-1] in why


def test_two_managers_on_the_first_node_and_none_on_the_last_are_the_launchers_failure_though_all_tasks_end() -> None:
    facts = but(managers=managers("node01", "node01", "node02"))
    assert judge(facts) == (Outcome.LAUNCHER_FAILED, "managers expected on node03: none; node01: 2")


def test_managers_nowhere_are_the_launchers_failure() -> None:
    facts = but(managers=(), tasks=(), exit_status=4)
    assert judge(facts) == (Outcome.LAUNCHER_FAILED, "managers expected on node01: none; node02: none; node03: none")


def test_a_manager_that_lives_and_never_registered_is_told_from_a_hang_and_from_a_launcher() -> None:
    facts = but(managers=managers("node01", silent=("node02", "node03")), tasks=(), exit_status=4)
    assert judge(facts) == (Outcome.NOT_REGISTERED, "2 of 3 managers live and never registered: node[02-03]")


def test_managers_that_ended_with_their_launcher_are_its_failure() -> None:
    facts = but(managers=managers(silent=HOSTS), tasks=(), exit_status=4, block_ended="FAILED (exit 1)")
    assert judge(facts).outcome is Outcome.LAUNCHER_FAILED


def test_a_launcher_that_ended_after_all_tasks_has_not_failed() -> None:
    assert judge(but(block_ended="COMPLETED")).outcome is Outcome.COMPLETED


@pytest.mark.parametrize(
    "why",
    [
        "WorkerLost: Task failure due to loss of worker 1 on host node02",
        "ManagerLost: Task failure due to loss of manager 4f0c on host node02",
    ],
)
def test_a_task_that_failed_with_its_worker_is_a_lost_worker(why: str) -> None:
    facts = but(tasks=(task(0), task(1, TaskState.FAILED, "node02", why)), exit_status=1)
    assert judge(facts) == (Outcome.WORKER_LOST, "1 of 2 tasks lost with their worker on node02")


def test_a_task_that_began_and_whose_worker_has_gone_is_a_lost_worker() -> None:
    assert judge(but(tasks=(task(0, TaskState.LOST),), exit_status=None)).outcome is Outcome.WORKER_LOST


def test_a_task_that_raised_is_a_failed_task_with_its_error() -> None:
    facts = but(tasks=(task(0), task(1, TaskState.FAILED, why="ValueError: no worker here")), exit_status=1)
    assert judge(facts) == (Outcome.TASK_FAILED, "1 of 2 tasks failed: ValueError: no worker here")


def test_an_ensemble_that_does_not_end_though_its_tasks_have_is_stalled() -> None:
    facts = but(exit_status=None, verdict=Verdict.STALL, ended_because="it ran for 180 s (--trial-timeout)")
    outcome, why = judge(facts)
    assert outcome is Outcome.STALLED
    assert "--trial-timeout" in why


def test_a_configuration_that_is_refused_says_nothing_of_a_launcher() -> None:
    facts = but(tasks=(), managers=(), exit_status=3, refused=("NameError: name 'simple' is not defined",))
    assert judge(facts) == (
        Outcome.INFRASTRUCTURE,
        "the configuration was refused: NameError: name 'simple' is not defined",
    )


def test_a_driver_that_died_before_any_task_says_nothing_of_a_launcher() -> None:
    assert judge(but(tasks=(), managers=(), exit_status=1)).outcome is Outcome.INFRASTRUCTURE
    assert judge(but(tasks=(), managers=(), exit_status=137)).outcome is Outcome.INFRASTRUCTURE


def test_the_order_of_outcomes() -> None:
    """Each fact that decides is taken away in turn; what is next in the order shows."""
    worst: dict[str, object] = {
        "trouble": "node02 could not be looked at afterwards: no answer",
        "verdict": Verdict.HANG,
        "managers": managers("node01", silent=("node02",)),
        "tasks": (
            task(0, TaskState.FAILED, why="WorkerLost: Task failure due to loss of worker 0"),
            task(1, TaskState.FAILED, why="ValueError"),
            task(2, TaskState.RUNNING),
        ),
        "exit_status": None,
    }
    fewer = list(worst["tasks"])  # type: ignore[call-overload]
    steps: list[tuple[dict[str, object], Outcome]] = [
        ({}, Outcome.INFRASTRUCTURE),
        ({"trouble": None}, Outcome.HUNG),
        ({"verdict": Verdict.STALL}, Outcome.NOT_REGISTERED),
        ({"managers": managers("node01")}, Outcome.LAUNCHER_FAILED),
        ({"managers": managers(*HOSTS)}, Outcome.WORKER_LOST),
        ({"tasks": tuple(fewer[1:])}, Outcome.TASK_FAILED),
        ({"tasks": tuple(fewer[2:])}, Outcome.STALLED),
        ({"tasks": (task(2),), "verdict": Verdict.OK, "exit_status": 0}, Outcome.COMPLETED),
    ]
    for change, outcome in steps:
        worst |= change
        assert judge(but(**worst)).outcome is outcome


def test_placement_names_where_managers_are_missing_first() -> None:
    assert placement(("a", "b"), ("b", "a")) is None
    assert placement(("a", "b", "c"), ("a", "a", "b")) == "c: none; a: 2"
    assert placement(("a",), ("a", "z")) == "z: 1"


def test_nodes_that_were_named_by_addresses_are_not_missed_among_host_names() -> None:
    assert placement(("10.0.0.1", "10.0.0.2"), ("a", "b")) is None
    assert placement(("10.0.0.1", "10.0.0.2"), ("a", "a")) is not None
    assert placement(("10.0.0.1", "10.0.0.2"), ("a",)) is not None


def test_a_host_is_known_by_its_name_without_its_domain() -> None:
    assert [short(host) for host in ("x1.hsn.site.gov", "x1", "10.0.0.1", "fe80::1")] == [
        "x1",
        "x1",
        "10.0.0.1",
        "fe80::1",
    ]


def test_blocks_whose_controls_do_what_they_must_are_evidence() -> None:
    plan = campaign(blocks=2)
    assert in_doubt(plan.plan, ended(plan).values()) == {}


@pytest.mark.parametrize(
    ("workload", "outcome"),
    [("thread-lock", Outcome.COMPLETED), ("noop", Outcome.HUNG), ("noop", Outcome.INFRASTRUCTURE)],
)
def test_a_block_whose_control_did_otherwise_is_none(workload: str, outcome: Outcome) -> None:
    plan = campaign(blocks=2)
    trials = ended(plan)
    wrong = next(each for each in plan.plan if each.block == 2 and each.cell.workload == workload)
    trials[wrong.number] = trial(wrong, outcome)
    doubts = in_doubt(plan.plan, trials.values())
    assert list(doubts) == [2]
    assert workload in doubts[2]


def test_a_control_that_was_asked_for_counts_as_one_too() -> None:
    plan = campaign(workloads="thread-lock,noop,stdin-child", blocks=1)
    trials = ended(plan)
    assert in_doubt(plan.plan, trials.values()) == {}
    wrong = next(each for each in plan.plan if each.cell.workload == "thread-lock")
    trials[wrong.number] = trial(wrong, Outcome.COMPLETED)
    assert list(in_doubt(plan.plan, trials.values())) == [1]


def test_a_launcher_that_never_starts_leaves_the_block_to_the_other_launchers_controls() -> None:
    plan = campaign(blocks=1)
    failed = {
        each.number: trial(each, Outcome.LAUNCHER_FAILED) for each in plan.plan if each.cell.launcher == "gnu-parallel"
    }
    assert in_doubt(plan.plan, {**ended(plan), **failed}.values()) == {}
    every = {each.number: trial(each, Outcome.LAUNCHER_FAILED) for each in plan.plan}
    assert list(in_doubt(plan.plan, every.values())) == [1]
