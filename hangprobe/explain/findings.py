"""Findings: ranks that are held by the same cause, told in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hangprobe.evidence import Suspects
from hangprobe.explain.case import Case, Cause
from hangprobe.explain.catalogue import ASSUMPTIONS, MECHANISMS
from hangprobe.explain.rules import explain
from hangprobe.explain.sentence import alike, sentence
from hangprobe.judgement import Judgement, RankVerdict
from hangprobe.model import DoubleCollect, ProcessId, RankState, RankView, ThreadId, Tier, WaitKind
from hangprobe.ranksets import fold
from hangprobe.result import Finding, FoundProcess, FoundThread, FoundWait

_TIERS = {RankState.PROVEN: Tier.PROVEN, RankState.BLOCKED: Tier.BLOCKED, RankState.LEAK: Tier.LEAK}


def find(
    judgement: Judgement,
    double: DoubleCollect,
    ranks: Sequence[RankView],
    suspects: Suspects,
    clocks_s: Mapping[str, float | None] | None = None,
) -> tuple[Finding, ...]:
    """Return the findings of a judgement, those that hold most ranks first.

    `clocks_s` are the monotonic clocks of several nodes at their looks; None: the one of the double collect.
    """
    clocks_s = clocks_s if clocks_s is not None else {double.second.host: double.second.clock_s}
    groups: dict[tuple[object, ...], list[tuple[Case, Cause]]] = {}
    for verdict in judgement.ranks:
        rank = next((rank for rank in ranks if rank.rank == verdict.rank), None)
        cases = [case for case in _cases(verdict, rank, double, suspects) if case is not None]
        if not cases:
            continue
        case, cause = explain(cases)
        key = (cause.mechanism, cause.detail, cause.likely, _tier(verdict))
        groups.setdefault(key, []).append((case, cause))
    found = [_finding(group, clocks_s) for group in groups.values()]
    found += _dead_helpers(judgement, double, ranks)
    return tuple(sorted(found, key=lambda finding: (list(Tier).index(finding.tier), -len(finding.waits))))


def _tier(verdict: RankVerdict) -> Tier:
    if verdict.state is RankState.LEAK:
        return Tier.LEAK
    return Tier.PROVEN if verdict.hung else _TIERS.get(verdict.state, Tier.BLOCKED)


def _cases(
    verdict: RankVerdict, rank: RankView | None, double: DoubleCollect, suspects: Suspects
) -> Iterator[Case | None]:
    """Yield what is known of each thread that a rank depends on, the one that it depends on in the end first."""
    processes = {process.id: process for process in double.second.processes}
    views = {thread.id: thread for process in double.second.processes for thread in process.threads}
    members = tuple(views[thread] for thread in verdict.culprits if thread in views)
    for view in members:
        yield Case(
            verdict,
            view.id,
            view,
            processes[view.id.process],
            next((lineage for lineage in suspects.lineage if lineage.process == view.id.process), None),
            next((lock for lock in suspects.locks if lock.thread == view.id), None),
            next((stack for stack in suspects.stacks if stack.thread == view.id), None),
            next((code.libraries for code in suspects.code if code.thread == view.id), ()),
            members,
            rank.stdin if rank is not None else None,
        )


def _finding(group: Sequence[tuple[Case, Cause]], clocks_s: Mapping[str, float | None]) -> Finding:
    first, cause = group[0]
    ranks = [case.verdict.rank for case, _ in group]
    tier = _tier(first.verdict)
    evidence = [*_stack_lines(first), *cause.evidence]
    if len(group) > 1:
        evidence.append(alike(len(group) - 1))
    if tier is Tier.BLOCKED:
        evidence.append(f"not proven: {first.verdict.why}")
    finding = Finding(
        mechanism=cause.mechanism,
        tier=tier,
        likely=cause.likely,
        ranks=fold(ranks),
        processes=tuple(_process(case) for case, _ in group),
        waits=tuple(_wait(case, clocks_s) for case, _ in group if case.view.wait is not None),
        detail=dict(cause.detail),
        says="",
        assumptions=tuple(ASSUMPTIONS[each] for each in sorted({a for case, _ in group for a in case.verdict.assumes})),
        evidence=tuple(dict.fromkeys(evidence)),
        mitigations=_mitigations(cause),
        clause=cause.clause,
    )
    return finding.but(says=sentence(finding))


def _mitigations(cause: Cause) -> tuple[str, ...]:
    known = MECHANISMS[cause.mechanism].mitigations
    if ("lock", "mutex") in cause.detail or ("lock", "unknown") in cause.detail:
        return tuple(slug for slug in known if slug != "reinit-lock")
    if ("lock", "import") in cause.detail or ("lock", "buffered-io") in cause.detail:
        return tuple(slug for slug in known if slug not in {"reinit-lock", "acquire-before-fork"})
    return known


def _process(case: Case) -> FoundProcess:
    process = case.process
    return FoundProcess(process.id.host, process.id.pid, process.id.start_time, process.is_forked)


def _wait(case: Case, clocks_s: Mapping[str, float | None]) -> FoundWait:
    wait, process = case.view.wait, case.thread.process
    assert wait is not None
    wakers = tuple(FoundThread(waker.process.pid, waker.tid) for waker in sorted(wait.wakers))
    kind = WaitKind.FUTEX_PRIVATE if wait.kind is WaitKind.MUTEX else wait.kind
    clock_s, ran_s = clocks_s.get(process.host), case.view.last_ran_s
    since_s = None if clock_s is None or ran_s is None else round(max(0.0, clock_s - ran_s), 3)
    return FoundWait(process.host, process.pid, case.thread.tid, kind.value, wait.object, wakers, since_s)


def _stack_lines(case: Case) -> tuple[str, ...]:
    if case.stack is None or not case.stack.frames:
        return ()
    frames = " < ".join(f"{frame.function} ({frame.file}:{frame.line})" for frame in case.stack.frames[:4])
    return (f"rank {case.verdict.rank}, pid {case.process.id.pid} is at {frames} [{case.stack.source}]",)


def _dead_helpers(judgement: Judgement, double: DoubleCollect, ranks: Sequence[RankView]) -> list[Finding]:
    """Return processes of which every thread is in the knot while their rank is not held by them."""
    held = {thread.process for verdict in judgement.ranks for thread in verdict.culprits}
    ranks_of: dict[ProcessId, int] = {member: rank.rank for rank in ranks for member in rank.members}
    helpers = []
    for process in double.second.processes:
        threads: list[ThreadId] = [thread.id for thread in process.threads]
        is_dead = bool(threads) and judgement.proven.issuperset(threads)
        if is_dead and process.id not in held and process.id in ranks_of:
            helpers.append(process)
    if not helpers:
        return []
    members = [ranks_of[process.id] for process in helpers]
    clause = "waits for what nobody can give, while the rank works on: parked until it is terminated, or lost"
    found = tuple(FoundProcess(p.id.host, p.id.pid, p.id.start_time, p.is_forked) for p in helpers)
    assumed = tuple(ASSUMPTIONS[each] for each in judgement.assumes)
    helper = Finding("dead-helper", Tier.BLOCKED, False, fold(members), found, (), {}, "", assumed, clause=clause)
    return [helper.but(says=sentence(helper))]
