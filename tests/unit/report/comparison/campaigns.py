"""Campaigns by hand, as they come from a cluster of three nodes: what was seen there, and what may go wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from hangprobe.context.values import LaunchContext
from hangprobe.ensemble.records import (
    Campaign,
    Cell,
    Environment,
    Leftover,
    ManagerSeen,
    Outcome,
    Planned,
    Settings,
    TaskSeen,
    TaskState,
    Trial,
)
from hangprobe.ensemble.sureness import looks, settled
from hangprobe.model import Launcher, Tier
from hangprobe.result import Finding, FoundProcess, FoundThread, FoundWait, StartedAlike
from tests.unit.explain.contexts import CLOSED, PARALLEL, PLAIN, descriptors, hydra, variables

HOSTS = ("node01", "node02", "node03")
WORKERS, TASKS = 2, 2
SCRIPT = "<script>document.title='owned'</script>"
PARALLEL_WORDS = (
    "parallel: Error: Run 'parallel --record-env' in a clean environment first.",
    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand",
)
MECHANISMS = {
    "stdin-child": ("launcher-stdin", Tier.LEAK, ("stdin-devnull",)),
    "thread-lock": ("fork-orphaned-lock", Tier.PROVEN, ("spawn", "forkserver", "reinit-lock")),
    "openmp": ("openmp-pool-lost", Tier.PROVEN, ("omp-pause", "omp-one-thread", "spawn")),
    "flock": ("leaked-file-lock", Tier.LEAK, ("unlock-explicitly", "spawn")),
}
Ending = Callable[[Planned], Outcome]


def contexts(launcher: str, hosts: Sequence[str]) -> tuple[StartedAlike, ...]:
    """Return what a launcher gives the managers of these hosts."""
    if launcher in {"mpiexec", "as-configured"}:
        several = (StartedAlike(f"1-{len(hosts) - 1}", _manager(hydra(1))),) if len(hosts) > 1 else ()
        return (StartedAlike("0", _manager(hydra(0))), *several)
    context = PLAIN.but(
        launcher=Launcher.GNU_PARALLEL,
        stdin=CLOSED,
        folder="/home/user",
        descriptors=descriptors(),
        variables=variables("HOME", "PARALLEL_SEQ", "PARALLEL_PID", "SSH_CONNECTION", PATH="/env/bin:/usr/bin"),
    )
    assert PARALLEL.name
    return (StartedAlike(f"0-{len(hosts) - 1}" if len(hosts) > 1 else "0", context),)


def _manager(context: LaunchContext) -> LaunchContext:
    return context.but(ignored=("PIPE", "TTIN", "XFSZ"), folder="/work/submit")


def finding(workload: str, hosts: Sequence[str], first_worker: int) -> Finding:
    """Return what is said of workers on `hosts` that hang in a workload."""
    mechanism, tier, mitigations = MECHANISMS.get(workload, MECHANISMS["thread-lock"])
    pids = [5200 + number for number in range(WORKERS * len(hosts))]
    ranks = f"{first_worker}-{first_worker + len(pids) - 1}"
    return Finding(
        mechanism=mechanism,
        tier=tier,
        likely=tier is Tier.LEAK,
        ranks=ranks,
        processes=tuple(FoundProcess(hosts[n // WORKERS], pid, 8800 + n, forked=True) for n, pid in enumerate(pids)),
        waits=tuple(
            FoundWait(hosts[n // WORKERS], pid, pid, "pipe-read", "pipe:[4711]", (FoundThread(411, 411),), 10.2)
            for n, pid in enumerate(pids)
        ),
        detail={"task": "4", "worker": "0", "manager": hosts[0]},
        says=f"workers {ranks}: the child that each task started waits for what never comes ({mechanism})",
        mitigations=mitigations,
    )


def trial(planned: Planned, outcome: Outcome, hosts: Sequence[str] = HOSTS, seed: int = 1) -> Trial:
    """Return one trial that ended in this way."""
    noise = random.Random(f"{seed}/{planned.number}")
    hung = _hung_hosts(planned, hosts) if outcome is Outcome.HUNG else ()
    ran = outcome in {Outcome.COMPLETED, Outcome.HUNG, Outcome.STALLED, Outcome.TASK_FAILED, Outcome.WORKER_LOST}
    registered_s = 2.1 + noise.gauss(0, 0.12)
    first_s = registered_s + 0.9 + abs(noise.gauss(0, 0.1))
    is_done = outcome is Outcome.COMPLETED
    makespan_s = 0.8 + abs(noise.gauss(0, 0.06))
    seen = "fork" if planned.cell.parsl in {"1.3.0.dev0", "2023.10.23"} else "spawn"
    duration_s = 6.0 + noise.random() if not hung else 24.0 + noise.random()
    return Trial(
        number=planned.number,
        block=planned.block,
        cell=planned.cell,
        control=planned.control,
        started_at=f"2026-11-22T18:{planned.number // 60 % 60:02}:{planned.number % 60:02}Z",
        duration_s=duration_s,
        outcome=outcome,
        why=_why(outcome, hung),
        words=PARALLEL_WORDS if outcome is Outcome.LAUNCHER_FAILED else (),
        managers_expected=tuple(hosts),
        managers=tuple(
            ManagerSeen(host, index, registered_s - 0.2 * noise.random(), WORKERS, {seen: WORKERS}, "spawn", 0.6)
            for index, host in enumerate(hosts)
        )
        if ran
        else (),
        tasks=_tasks(hosts, hung, first_s, noise) if ran else (),
        registered_s=registered_s if ran else None,
        first_task_s=first_s if ran else None,
        makespan_s=makespan_s if is_done else None,
        throughput=len(hosts) * WORKERS * TASKS / makespan_s if is_done else None,
        verdict="hang" if hung else "ok" if is_done else None,
        detected_after_s=0.4 if hung else None,
        findings=(finding(planned.cell.workload, hung, WORKERS * list(hosts).index(hung[0])),) if hung else (),
        contexts=contexts(planned.cell.launcher, hosts) if ran else (),
        leftovers=(Leftover(hosts[0], 6001, "hydra_pmi_proxy"),) if hung and planned.number % 7 == 0 else (),
    )


def _hung_hosts(planned: Planned, hosts: Sequence[str]) -> tuple[str, ...]:
    return tuple(hosts[1:] or hosts) if planned.cell.workload == "stdin-child" else tuple(hosts)


def _why(outcome: Outcome, hung: Sequence[str]) -> str:
    return {
        Outcome.HUNG: f"{len(hung) * WORKERS} workers hung on {len(hung)} nodes",
        Outcome.COMPLETED: "all tasks returned",
        Outcome.LAUNCHER_FAILED: "the launcher ended with status 255 before a manager registered",
        Outcome.INFRASTRUCTURE: "node02 could not be reached",
    }.get(outcome, outcome.value)


def _tasks(hosts: Sequence[str], hung: Sequence[str], first_s: float, noise: random.Random) -> tuple[TaskSeen, ...]:
    found = []
    for worker in range(len(hosts) * WORKERS):
        host = hosts[worker // WORKERS]
        at_s = first_s + 0.15 * noise.random()
        for task in range(worker * TASKS, (worker + 1) * TASKS):
            if host in hung:
                is_first = task == worker * TASKS
                state = TaskState.HUNG if is_first else TaskState.LOST
                if is_first:
                    found.append(TaskSeen(task, state, host, worker, 5100 + worker, at_s, None))
                else:
                    found.append(TaskSeen(task, state, None, None, None, None, None))
                continue
            ended_s = at_s + 0.25 + 0.2 * noise.random()
            found.append(TaskSeen(task, TaskState.DONE, host, worker, 5100 + worker, at_s, ended_s))
            at_s = ended_s + 0.01
    return tuple(found)


def campaign(
    cells: Sequence[Cell], blocks: int, controls: Sequence[tuple[Cell, str]] = (), **changes: object
) -> Campaign:
    """Return the plan of these cells and controls, in random order within each block."""
    order = random.Random(7)
    plan: list[Planned] = []
    every = [(cell, None) for cell in cells] + [(cell, control) for cell, control in controls]
    for block in range(1, blocks + 1):
        for cell, control in order.sample(every, len(every)):
            plan.append(Planned(len(plan) + 1, block, cell, control))
    fields: dict[str, object] = {
        "name": "launchers",
        "started_at": "2026-11-22T18:00:00Z",
        "command": ("hangprobe", "compare", "--trials", str(blocks), "--out", "results/launchers"),
        "seed": 7,
        "cells": tuple(cells),
        "plan": tuple(plan),
        "settings": Settings(nodes=len(HOSTS), workers_per_node=WORKERS, tasks_per_worker=TASKS),
        "environment": Environment(
            versions={
                "hangprobe": "0.1.0",
                "python": "3.11.7",
                "parsl": "2026.10.26",
                "GNU parallel": "20221122",
                "mpich": "5.0.2",
                "kernel": "6.18.44",
            },
            hosts=HOSTS,
            processors=2,
            site="testbed",
            git="1268fe9-dirty",
        ),
    }
    return Campaign(**(fields | changes))  # type: ignore[arg-type]


def controls(launchers: Sequence[str], **axes: str) -> list[tuple[Cell, str]]:
    pairs = (("thread-lock", "must-hang"), ("noop", "must-complete"))
    return [(Cell(launcher, workload, **axes), must) for launcher in launchers for workload, must in pairs]


def as_measured(planned: Planned) -> Outcome:
    """Return what happens: a child that reads its standard input hangs under mpiexec only, the others under any."""
    if planned.cell.workload in {"thread-lock", "openmp", "flock"}:
        return Outcome.HUNG
    is_mpi = planned.cell.launcher in {"mpiexec", "as-configured"}
    return Outcome.HUNG if planned.cell.workload == "stdin-child" and is_mpi else Outcome.COMPLETED


def trials(plan: Campaign, ending: Ending = as_measured, hosts: Sequence[str] = HOSTS) -> tuple[Trial, ...]:
    return tuple(trial(each, ending(each), hosts) for each in plan.plan)


Kept = tuple[Campaign, tuple[Trial, ...]]
BOTH = ("mpiexec", "gnu-parallel-repaired")


def flagship(blocks: int = 20) -> Kept:
    """Return the campaign that the project was made for."""
    cells = [Cell(launcher, workload) for launcher in BOTH for workload in ("stdin-child", "openmp", "flock")]
    plan = campaign(cells, blocks, controls(BOTH))
    return plan, trials(plan)


def nothing_hung(blocks: int = 20) -> Kept:
    plan = campaign([Cell(launcher, "stdin-child") for launcher in BOTH], blocks, controls(BOTH))
    return plan, trials(plan, lambda p: Outcome.HUNG if p.control == "must-hang" else Outcome.COMPLETED)


def as_shipped(blocks: int = 20) -> Kept:
    """Return a campaign in which GNU parallel, as Parsl's launcher calls it, ends with 255."""
    names = ("mpiexec", "gnu-parallel", "gnu-parallel-repaired")
    plan = campaign([Cell(launcher, "stdin-child") for launcher in names], blocks, controls(names))
    return plan, trials(
        plan, lambda p: Outcome.LAUNCHER_FAILED if p.cell.launcher == "gnu-parallel" else as_measured(p)
    )


def old_parsl(blocks: int = 10) -> Kept:
    """Return one with a Parsl that forks its workers and logs that it spawns them."""
    versions = ("2023.10.23", "2026.10.26")
    cells = [Cell(name, "stdin-child", parsl=version) for version in versions for name in BOTH]
    every = [each for version in versions for each in controls(BOTH, parsl=version)]
    plan = campaign(cells, blocks, every)
    return plan, trials(plan)


def control_failed(blocks: int = 10, bad: int = 3) -> Kept:
    """Return one in whose first blocks the control that must hang completed."""
    plan = campaign([Cell(launcher, "stdin-child") for launcher in BOTH], blocks, controls(BOTH))

    def ending(planned: Planned) -> Outcome:
        is_bad = planned.block <= bad and planned.control == "must-hang"
        return Outcome.COMPLETED if is_bad else as_measured(planned)

    return plan, trials(plan, ending)


def one_trial() -> Kept:
    plan = campaign([Cell(launcher, "stdin-child") for launcher in BOTH], 1, controls(BOTH))
    return plan, trials(plan)


def many_cells(blocks: int = 5) -> Kept:
    """Return 40 cells, and every outcome there is."""
    names = ("mpiexec", "gnu-parallel", "gnu-parallel-repaired", "srun")
    works = ("stdin-child", "openmp", "flock", "sleep", "fork-pool", "bash", "rlock", "queue-mutex", "c-mutex", "x:y")
    plan = campaign([Cell(launcher, work) for work in works for launcher in names], blocks, controls(names))
    others = [*Outcome]

    def ending(planned: Planned) -> Outcome:
        if planned.cell.workload == "x:y":
            return Outcome(others[planned.number % len(others)])
        return as_measured(planned)

    return plan, trials(plan, ending)


def may_stop(workloads: Sequence[str], blocks: int = 20, ending: Ending = as_measured) -> Kept:
    """Return a campaign that stops at the look at which it is sure, with the trials until then."""
    cells = [Cell(launcher, workload) for launcher in BOTH for workload in workloads]
    plan = campaign(cells, blocks, controls(BOTH), looks=looks(cells, blocks))
    made: dict[int, Trial] = {}
    for each in trials(plan, ending):
        if each.block > max((other.block for other in made.values()), default=1) and settled(plan, made):
            break
        made[each.number] = each
    return plan, tuple(made.values())


def sure_early() -> Kept:
    """Return one that knew of a cure, and of what it does not cure, before its end."""
    return may_stop(("stdin-child", "flock"))


def in_some_blocks(planned: Planned) -> Outcome:
    """Return an ending of which 20 blocks do not show how the launchers differ."""
    if planned.cell.workload != "stdin-child":
        return as_measured(planned)
    often = 2 if planned.cell.launcher == "mpiexec" else 5
    return Outcome.HUNG if planned.block % often == 0 else Outcome.COMPLETED


def never_sure() -> Kept:
    return may_stop(("stdin-child",), ending=in_some_blocks)


def ends_nowhere(blocks: int = 20) -> Kept:
    """Return one with a workload that stalls under both launchers, and one that does so under mpiexec only."""
    plan = campaign([Cell(name, work) for name in BOTH for work in ("kept-stdout", "x:y")], blocks, controls(BOTH))

    def ending(planned: Planned) -> Outcome:
        if planned.cell.workload == "x:y":
            return Outcome.STALLED if planned.cell.launcher == "mpiexec" else Outcome.COMPLETED
        return Outcome.STALLED if planned.cell.workload == "kept-stdout" else as_measured(planned)

    return plan, trials(plan, ending)


def hostile() -> Kept:
    """Return one in which every string that comes from outside tries to be something else."""
    name = f"my:{SCRIPT}|`x`<b>"
    cells = [Cell(launcher, name) for launcher in (*BOTH, SCRIPT)]
    hosts = (f"n1{SCRIPT}", 'n2"><img src=x onerror=alert(1)>', "n3</script>&lt;")
    plan = campaign(
        cells,
        3,
        controls(BOTH),
        name=SCRIPT,
        command=("hangprobe", SCRIPT),
        environment=Environment(versions={SCRIPT: SCRIPT}, hosts=hosts, processors=2, site=SCRIPT, git=SCRIPT),
    )

    def ending(planned: Planned) -> Outcome:
        if planned.cell.launcher == SCRIPT:
            return Outcome.LAUNCHER_FAILED
        return as_measured(planned) if planned.control else Outcome.HUNG

    kept = trials(plan, ending, hosts)
    return plan, tuple(
        each.but(
            why=f"{each.why} {SCRIPT} `a` | b",
            words=(SCRIPT, "\x1b[31m]]>", "a | b `c`", "javascript:alert(1)"),
            findings=tuple(found.but(mechanism=f"m{SCRIPT}", says=SCRIPT) for found in each.findings),
            contexts=tuple(alike.but(context=alike.context.but(folder=f"/{SCRIPT}")) for alike in each.contexts),
        )
        for each in kept
    )


ALL: dict[str, Callable[[], Kept]] = {
    "flagship": flagship,
    "nothing-hung": nothing_hung,
    "as-shipped": as_shipped,
    "old-parsl": old_parsl,
    "control-failed": control_failed,
    "one-trial": one_trial,
    "many-cells": many_cells,
    "sure-early": sure_early,
    "never-sure": never_sure,
    "ends-nowhere": ends_nowhere,
    "hostile": hostile,
}
