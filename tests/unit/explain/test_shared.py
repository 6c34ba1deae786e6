"""Pipes, locks on files, shared memory and a launcher's standard input: each cause with the look-alike that is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hangprobe.explain import rules
from hangprobe.explain.case import Case, Cause
from hangprobe.explain.shared import (
    inherited_pipe_end,
    killed_lock_holder,
    launcher_stdin,
    leaked_file_lock,
    queue_feeder,
)
from hangprobe.model import Keeper, RankState, StartMethod, Stdin, ThreadView, Wait, WaitKind

from .builders import CHILD, PARENT, case, lineage, on_futex, process_id, stack, thread, tid

FIRST, KEEPER, PROXY = 30, 40, 5
LOCK = "FLOCK on /scratch/run.lock (inode 77)"
PIPE = "pipe:[7]"


def explain(which: Case) -> Cause:
    """Return what is made of a rank that depends on this thread alone."""
    return rules.explain([which])[1]


def kept(pid: int = KEEPER, first: int | None = FIRST, is_certain: bool = True) -> Keeper:
    return Keeper(process_id(pid), None if first is None else process_id(first), is_certain)


def shared(kind: WaitKind, name: str, *keepers: Keeper) -> Wait:
    return Wait(kind, name, frozenset(tid(keeper.process.pid) for keeper in keepers), keepers=keepers)


def lock(*keepers: Keeper, name: str = LOCK) -> Wait:
    return shared(WaitKind.FILE_LOCK, name, *(keepers or (kept(),)))


def pipe_end(*keepers: Keeper) -> Wait:
    return shared(WaitKind.PIPE_READ, PIPE, *(keepers or (kept(),)))


# launcher-stdin

STDIN = Stdin(PIPE, (process_id(PROXY),), "Hydra feeds rank 0 only")
FROM_PROXY = pipe_end(Keeper(process_id(PROXY)))


def test_a_read_of_the_launchers_stdin_is_certain_and_says_who_keeps_it_open() -> None:
    found = explain(case(FROM_PROXY, stdin=STDIN, state=RankState.LEAK))
    assert (found.mechanism, found.likely, found.detail) == ("launcher-stdin", False, ())
    said = " / ".join(found.evidence)
    assert f"pid {CHILD} waits in a read of {PIPE}, which is descriptor 0 of the rank's first process" in said
    assert f"held by pid {PROXY} alone" in said
    assert STDIN.says in said


def test_a_socket_that_is_the_launchers_stdin_is_one_too() -> None:
    wait = shared(WaitKind.SOCKET_READ, "socket:[7]", Keeper(process_id(PROXY)))
    stdin = Stdin("socket:[7]", STDIN.ancestors, STDIN.says)
    assert explain(case(wait, stdin=stdin, state=RankState.LEAK)).mechanism == "launcher-stdin"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(case(FROM_PROXY, stdin=None, state=RankState.LEAK), id="a launcher that may feed the rank"),
        pytest.param(case(FROM_PROXY, stdin=STDIN, state=RankState.PROVEN), id="not said by the judge"),
        pytest.param(case(FROM_PROXY, stdin=STDIN, state=RankState.BLOCKED), id="blocked"),
        pytest.param(
            case(shared(WaitKind.PIPE_READ, "pipe:[8]", kept()), stdin=STDIN, state=RankState.LEAK), id="another pipe"
        ),
        pytest.param(
            case(shared(WaitKind.PIPE_WRITE, PIPE, kept()), stdin=STDIN, state=RankState.LEAK), id="a write to it"
        ),
        pytest.param(case(stdin=STDIN, state=RankState.LEAK), id="a lock"),
    ],
)
def test_anything_else_is_no_read_of_the_launchers_stdin(other: Case) -> None:
    assert launcher_stdin(other) is None


# leaked-file-lock


def test_a_lock_that_a_forked_child_keeps_is_certain_where_the_kernel_records_who_took_it() -> None:
    found = explain(case(lock()))
    assert (found.mechanism, found.likely, dict(found.detail)) == ("leaked-file-lock", False, {"lock": "flock"})
    assert found.evidence[0] == LOCK
    assert f"kept by pid {KEEPER}, forked without exec by pid {FIRST}, which took the lock" in found.evidence[1]


def test_an_ofd_lock_records_nobody_and_is_likely() -> None:
    found = explain(case(lock(kept(is_certain=False), name="OFD on /scratch/run.lock (inode 77)")))
    assert (found.mechanism, found.likely, dict(found.detail)) == ("leaked-file-lock", True, {"lock": "ofd"})
    assert not any("took the lock" in line for line in found.evidence)
    assert any("may have taken it itself" in line for line in found.evidence)


def test_one_doubtful_keeper_makes_the_whole_cause_likely() -> None:
    assert explain(case(lock(kept(), kept(41, is_certain=False)))).likely


def test_every_keeper_is_named() -> None:
    said = " ".join(explain(case(lock(kept(), kept(41)))).evidence)
    assert f"pid {KEEPER}, forked" in said
    assert "pid 41, forked" in said


@pytest.mark.parametrize("keepers", [(kept(first=None),), (kept(), kept(41, first=None))])
def test_a_lock_that_somebody_has_by_his_own_right_is_not_leaked(keepers: tuple[Keeper, ...]) -> None:
    assert leaked_file_lock(case(lock(*keepers))) is None
    assert explain(case(lock(*keepers))).mechanism == "deadlock"


def test_a_lock_without_known_keepers_is_not_leaked() -> None:
    assert leaked_file_lock(case(Wait(WaitKind.FILE_LOCK, LOCK, frozenset()))) is None


# inherited-pipe-end


def test_a_write_end_that_only_forked_children_have_is_inherited() -> None:
    found = explain(case(pipe_end(kept(), kept(41))))
    assert (found.mechanism, found.likely, found.detail) == ("inherited-pipe-end", True, ())
    assert found.evidence[0] == f"pid {CHILD} waits in a read of {PIPE}"
    assert [f"pid {pid}, forked without exec by pid {FIRST}" in " ".join(found.evidence) for pid in (KEEPER, 41)] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    "wait",
    [
        pytest.param(pipe_end(kept(first=None)), id="the writer's own"),
        pytest.param(pipe_end(kept(), kept(41, first=None)), id="the writer's own beside an inherited one"),
        pytest.param(Wait(WaitKind.PIPE_READ, PIPE, frozenset()), id="nobody's but the reader's"),
        pytest.param(shared(WaitKind.PIPE_WRITE, PIPE, kept()), id="of a pipe that is written to"),
        pytest.param(shared(WaitKind.POLL, PIPE, kept()), id="of a poll"),
    ],
)
def test_any_other_end_is_not_inherited(wait: Wait) -> None:
    assert inherited_pipe_end(case(wait)) is None
    assert explain(case(wait)).mechanism != "inherited-pipe-end"


def test_a_write_end_that_another_thread_of_the_reader_has_is_not_only_inherited() -> None:
    wait = pipe_end()
    own = Wait(wait.kind, wait.object, wait.wakers | {tid(CHILD, 21)}, keepers=wait.keepers)
    assert inherited_pipe_end(case(own)) is None


# queue-feeder-join


def feeder(pid: int = CHILD, kind: WaitKind = WaitKind.PIPE_WRITE) -> ThreadView:
    return thread(tid(pid, 21), Wait(kind, PIPE, frozenset({tid(PARENT)})))


def joiner(whom: int = CHILD, kind: WaitKind = WaitKind.CHILD, pid: int = PARENT) -> ThreadView:
    return thread(tid(pid), Wait(kind, f"pid {whom}", frozenset({tid(whom)})))


def joins(*frames: tuple[str, str], members: tuple[ThreadView, ...] = ()) -> Case:
    """Return a child whose main thread waits for its feeder, whose reader waits for the child."""
    at = stack(*frames) if frames else None
    return case(on_futex(tid(CHILD, 21)), feeder(), members=members or (feeder(), joiner()), at=at)


def test_a_child_that_joins_its_feeder_is_likely_one_without_a_stack() -> None:
    found = explain(joins())
    assert (found.mechanism, found.likely, found.detail) == ("queue-feeder-join", True, ())
    assert found.evidence == (
        f"thread 21 of pid {CHILD} waits in a write to {PIPE}",
        f"pid {PARENT}, which could read it, waits for pid {CHILD} to end",
    )


def test_multiprocessings_join_on_the_stack_makes_it_certain() -> None:
    frames = (("join", "threading.py"), ("_finalize_join", "queues.py"))
    assert not explain(joins(*frames)).likely
    assert explain(joins(("join", "threading.py"))).likely


@pytest.mark.parametrize(
    "members",
    [
        pytest.param((feeder(),), id="nobody waits for the child"),
        pytest.param((joiner(),), id="no thread of the child writes"),
        pytest.param((feeder(pid=50), joiner()), id="a thread of another process writes"),
        pytest.param((feeder(kind=WaitKind.PIPE_READ), joiner()), id="its thread reads"),
        pytest.param((feeder(), joiner(whom=50)), id="who waits does so for another child"),
        pytest.param((feeder(), joiner(kind=WaitKind.PIPE_READ)), id="who could read does not wait for a child"),
        pytest.param((feeder(), joiner(pid=CHILD)), id="the child waits for itself"),
    ],
)
def test_without_both_halves_of_the_circle_it_is_no_join_of_a_feeder(members: tuple[ThreadView, ...]) -> None:
    assert queue_feeder(joins(members=members)) is None


def test_only_the_main_thread_of_a_child_joins_its_feeder() -> None:
    from_main = joins()
    assert queue_feeder(from_main) is not None
    other = replace(from_main, thread=tid(CHILD, 22), view=thread(tid(CHILD, 22), on_futex()))
    assert queue_feeder(other) is None
    on_child = case(on_futex(tid(CHILD, 21), kind=WaitKind.CHILD), members=(feeder(), joiner()))
    assert queue_feeder(on_child) is None


# lock-holder-killed


def on_shared(*pids: int, **more: object) -> Case:
    wait = Wait(WaitKind.FUTEX_SHARED, "/dev/shm/sem.x+0x0", frozenset(map(tid, pids)))
    return case(wait, **more)  # type: ignore[arg-type]


def test_a_shared_lock_that_nobody_can_give_back_is_only_likely_a_killed_holders() -> None:
    found = explain(on_shared(PARENT, 41))
    assert (found.mechanism, found.likely) == ("lock-holder-killed", True)
    assert "its holder has died, or waits itself" in found.clause
    assert any(f"pids {PARENT}, 41, of which none runs" in line for line in found.evidence)


def test_where_nobody_else_has_the_memory_nobody_is_named() -> None:
    assert any("no other process" in line for line in explain(on_shared(CHILD)).evidence)


@pytest.mark.parametrize("kind", sorted(set(WaitKind) - {WaitKind.FUTEX_SHARED}))
def test_no_other_wait_is_for_a_lock_in_shared_memory(kind: WaitKind) -> None:
    assert killed_lock_holder(case(Wait(kind, "x", frozenset()))) is None


def test_a_program_that_was_execd_is_not_said_to_be_forked() -> None:
    plain = on_shared(PARENT, forked=False, from_=lineage(method=StartMethod.SPAWN))
    assert not any("forked" in line for line in explain(plain).evidence)
    assert any("PF_FORKNOEXEC" in line for line in explain(on_shared(PARENT)).evidence)


# all of them

CASES = {
    "launcher-stdin": case(FROM_PROXY, stdin=STDIN, state=RankState.LEAK),
    "leaked-file-lock": case(lock()),
    "inherited-pipe-end": case(pipe_end()),
    "queue-feeder-join": joins(),
    "lock-holder-killed": on_shared(PARENT),
}


@pytest.mark.parametrize("mechanism", CASES)
def test_each_names_its_mechanism_and_no_pid_in_its_clause(mechanism: str) -> None:
    found = explain(CASES[mechanism])
    assert found.mechanism == mechanism
    assert all(found.evidence)
    assert not any(character.isdigit() for character in found.clause)


@pytest.mark.parametrize("mechanism", CASES)
def test_each_is_found_wherever_it_stands_among_the_culprits(mechanism: str) -> None:
    main = case(on_futex(tid(CHILD), kind=WaitKind.CHILD), forked=False)
    for cases in ([main, CASES[mechanism]], [CASES[mechanism], main]):
        chosen, cause = rules.explain(cases)
        assert (cause.mechanism, chosen) == (mechanism, CASES[mechanism])
