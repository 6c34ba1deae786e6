"""Each mechanism with the look-alike that must not be taken for it."""

from __future__ import annotations

import pytest

from hangprobe.evidence import MemoryOwner
from hangprobe.explain import rules
from hangprobe.explain.case import Case, Cause
from hangprobe.explain.catalogue import MECHANISMS, MITIGATIONS
from hangprobe.model import Mutex, StartMethod, WaitKind

from .builders import CHILD, PARENT, UNKNOWN_OWNER, case, lineage, lock, on_futex, process_id, stack, thread, tid


def explain(which: Case) -> Cause:
    """Return what is made of a rank that depends on this thread alone."""
    return rules.explain([which])[1]


def named(cause: Cause | None) -> tuple[str, bool, dict[str, str]] | None:
    return None if cause is None else (cause.mechanism, cause.likely, dict(cause.detail))


def on_mutex(owner: int, kind: str = "errorcheck") -> Case:
    return case(on_futex(mutex=Mutex(kind, owner)))


# a pthread mutex


@pytest.mark.parametrize("kind", ["normal", "recursive", "errorcheck", "adaptive"])
def test_a_mutex_of_a_thread_of_the_fork_parent_is_orphaned_for_certain(kind: str) -> None:
    found = explain(on_mutex(PARENT + 1, kind))
    assert named(found) == ("fork-orphaned-lock", False, {"lock": "mutex", "mutex": kind})
    assert any(f"TID {PARENT + 1}, a thread of pid {PARENT}" in line for line in found.evidence)


def test_a_mutex_whose_owner_exists_no_more_is_orphaned_likely() -> None:
    found = explain(on_mutex(UNKNOWN_OWNER))
    assert named(found) == ("fork-orphaned-lock", True, {"lock": "mutex", "mutex": "errorcheck"})
    assert any("exists no more" in line for line in found.evidence)


def test_a_mutex_that_the_waiting_thread_holds_itself_is_a_deadlock() -> None:
    found = explain(on_mutex(CHILD))
    assert named(found) == ("deadlock", False, {"lock": "mutex", "mutex": "errorcheck"})
    assert "holds itself" in found.clause


def test_a_mutex_of_another_thread_of_the_same_process_is_a_deadlock() -> None:
    other = thread(tid(CHILD, 21), on_futex())
    found = explain(case(on_futex(other.id, mutex=Mutex("normal", 21)), other))
    assert named(found) == ("deadlock", False, {"lock": "mutex", "mutex": "normal"})
    assert "in a circle" in found.clause


def test_a_mutex_in_a_program_that_was_execd_is_not_orphaned_by_a_fork() -> None:
    found = explain(
        case(
            on_futex(mutex=Mutex("normal", PARENT)),
            forked=False,
            from_=lineage(method=StartMethod.EXEC),
        )
    )
    assert found.mechanism == "deadlock"


def test_without_a_living_parent_the_parent_is_one_that_has_ended() -> None:
    found = explain(case(on_futex(mutex=Mutex("normal", UNKNOWN_OWNER)), from_=lineage(parent=None, threads=())))
    assert found.likely
    assert any("was forked by a process that has ended" in line for line in found.evidence)


# CPython's locks


@pytest.mark.parametrize("value", ["python-lock", "rlock", "buffered-io", "unknown"])
def test_a_lock_older_than_the_fork_without_a_recorded_holder_is_likely_orphaned(value: str) -> None:
    found = explain(case(facts=lock(MemoryOwner(value))))
    assert named(found) == ("fork-orphaned-lock", True, {"lock": value})
    assert "or taken by the waiting thread itself" in found.clause


@pytest.mark.parametrize("owner", [MemoryOwner.RLOCK, MemoryOwner.BUFFERED_IO])
def test_a_lock_that_records_its_holder_is_orphaned_for_certain(owner: MemoryOwner) -> None:
    found = explain(case(facts=lock(owner, holder=PARENT + 1)))
    assert named(found) == ("fork-orphaned-lock", False, {"lock": owner.value})
    assert "or taken by the waiting thread itself" not in found.clause
    assert any(f"TID {PARENT + 1}, a thread of pid {PARENT}" in line for line in found.evidence)


def test_a_lock_younger_than_the_fork_is_a_deadlock() -> None:
    found = explain(case(facts=lock(is_older=False)))
    assert named(found) == ("deadlock", False, {"lock": "python-lock"})
    assert "made after the fork" in found.clause


def test_a_lock_of_unknown_age_is_likely_orphaned_and_claims_no_age() -> None:
    found = explain(case(facts=lock(is_older=None, parent_value=None)))
    assert (found.mechanism, found.likely) == ("fork-orphaned-lock", True)
    assert not any("older than the fork" in line for line in found.evidence)


@pytest.mark.parametrize(("value", "said"), [(1, "free now"), (0, "held now")])
def test_what_the_parents_copy_shows_is_evidence(value: int, said: str) -> None:
    found = explain(case(facts=lock(parent_value=value)))
    assert any(said in line for line in found.evidence)


def test_of_a_copy_that_may_be_something_else_nothing_is_said() -> None:
    found = explain(case(facts=lock(is_older=None, parent_value=1)))
    assert not any("the copy in" in line for line in found.evidence)


def test_a_python_lock_in_a_program_that_was_execd_is_a_deadlock() -> None:
    found = explain(case(forked=False, from_=lineage(method=StartMethod.SPAWN), facts=lock(is_older=None)))
    assert found.mechanism == "deadlock"


def test_a_child_of_a_forkserver_was_forked_too() -> None:
    found = explain(case(from_=lineage(method=StartMethod.FORKSERVER), facts=lock()))
    assert found.mechanism == "fork-orphaned-lock"


@pytest.mark.parametrize(
    "frames",
    [
        [("acquire", "<frozen importlib._bootstrap>"), ("__enter__", "<frozen importlib._bootstrap>")],
        [("__enter__", "importlib._bootstrap")],
        [("_lock_unlock_module", "<frozen importlib._bootstrap>")],
    ],
)
def test_a_lock_taken_inside_importlib_is_the_import_lock(frames: list[tuple[str, str]]) -> None:
    found = explain(case(facts=lock(MemoryOwner.RLOCK), at=stack(*frames)))
    assert dict(found.detail) == {"lock": "import"}


def test_a_lock_taken_by_a_module_while_it_is_imported_is_not_the_import_lock() -> None:
    at = stack(("<module>", "app.py"), ("_call_with_frames_removed", "<frozen importlib._bootstrap>"))
    assert dict(explain(case(facts=lock(), at=at)).detail) == {"lock": "python-lock"}


def test_a_semaphore_in_a_python_thread_is_a_python_lock() -> None:
    found = explain(case(facts=lock(MemoryOwner.UNKNOWN), at=stack(("get", "queue.py"))))
    assert dict(found.detail) == {"lock": "python-lock"}


# any other futex


def test_a_futex_that_no_rule_knows_in_a_lone_forked_thread_is_likely_orphaned() -> None:
    assert named(explain(case())) == ("fork-orphaned-lock", True, {"lock": "unknown"})
    assert named(explain(case(facts=lock(is_semaphore=False)))) == ("fork-orphaned-lock", True, {"lock": "unknown"})


def test_the_same_futex_beside_another_thread_is_a_deadlock() -> None:
    other = thread(tid(CHILD, 21), on_futex())
    assert explain(case(on_futex(other.id), other)).mechanism == "deadlock"


def test_the_same_futex_in_a_program_that_was_execd_is_a_deadlock() -> None:
    assert explain(case(forked=False, from_=lineage(method=StartMethod.EXEC))).mechanism == "deadlock"


def test_a_forked_process_that_waits_for_its_child_waits_for_no_lock() -> None:
    found = explain(case(on_futex(tid(30), kind=WaitKind.CHILD)))
    assert named(found) == ("deadlock", False, {})
    assert "in a circle (child)" in found.clause


def test_a_wait_that_nobody_can_end_is_no_circle() -> None:
    found = explain(case(forked=False, from_=lineage(method=StartMethod.EXEC)))
    assert "in a circle" not in found.clause
    assert any("nobody could wake it" in line for line in found.evidence)


# what holds for every rule


CASES = {
    "orphaned mutex": on_mutex(PARENT),
    "own mutex": on_mutex(CHILD),
    "lock": case(facts=lock()),
    "young lock": case(facts=lock(is_older=False)),
    "held lock": case(facts=lock(MemoryOwner.RLOCK, holder=PARENT)),
    "futex": case(),
    "circle": case(on_futex(tid(30), kind=WaitKind.CHILD)),
    "nothing known": case(forked=None, from_=lineage(parent=None, threads=())),
}


@pytest.mark.parametrize("which", CASES)
def test_every_cause_names_a_mechanism_of_the_catalogue_and_gives_evidence(which: str) -> None:
    found = explain(CASES[which])
    assert found.mechanism in MECHANISMS
    assert found.evidence
    assert all(found.evidence)


@pytest.mark.parametrize("which", CASES)
def test_a_clause_names_no_pid_so_that_ranks_can_be_folded(which: str) -> None:
    clause = explain(CASES[which]).clause
    assert not any(str(number) in clause for number in (PARENT, CHILD, PARENT + 1))


@pytest.mark.parametrize("which", CASES)
def test_the_first_rule_that_fits_names_the_mechanism(which: str) -> None:
    causes = [rule(CASES[which]) for rule in rules.RULES]
    assert explain(CASES[which]) == next(cause for cause in causes if cause is not None)
    assert causes[-1] is not None


def test_every_mitigation_of_a_mechanism_is_described() -> None:
    assert {slug for mechanism in MECHANISMS.values() for slug in mechanism.mitigations} <= MITIGATIONS.keys()
    assert all(slug == mechanism.slug for slug, mechanism in MECHANISMS.items())


def test_a_case_without_lineage_has_no_named_parent() -> None:
    bare = Case(case().verdict, tid(CHILD), case().view, case().process)
    assert (bare.parent, explain(bare).mechanism) == ("a process that has ended", "fork-orphaned-lock")
    assert process_id(CHILD).pid == CHILD
