"""No check may hang or break the others: what fails or is late is unknown, with its reason."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hangprobe.doctor.asking import Asker
from hangprobe.doctor.checkup import Check, Checkup, Said, State, Subject, encode, is_fit, ok
from hangprobe.doctor.examine import Examination, examinations, examine


def fine(facts: object) -> Said:
    return ok(f"{facts}")


def breaks(facts: object) -> Said:
    raise ZeroDivisionError("of nothing")


def look(gather: Callable[[], Any], *judges: Callable[[Any], Said], limit_s: float = 5.0) -> list[Check]:
    wanted = [Examination(Subject.MPI, gather, judges), Examination(Subject.LIMITS, lambda: "facts", (fine,))]
    checks = list(examine(wanted, lambda _: None, limit_s))
    assert (checks[-1].slug, checks[-1].state, checks[-1].says) == ("fine", State.OK, "facts")
    return checks[:-1]


def test_a_check_that_raises_is_unknown_with_its_reason() -> None:
    first, second = look(lambda: 1, breaks, fine)
    assert (first.slug, first.state, first.says) == ("breaks", State.UNKNOWN, "ZeroDivisionError: of nothing")
    assert second.state is State.OK


def test_facts_that_cannot_be_had_leave_all_their_checks_unknown() -> None:
    def gather() -> None:
        raise OSError("no such thing")

    assert {(each.state, each.says) for each in look(gather, fine, breaks)} == {
        (State.UNKNOWN, "OSError: no such thing")
    }


def test_a_reader_that_never_answers_is_left_behind() -> None:
    never = threading.Event()
    (late,) = look(never.wait, fine, limit_s=0.05)
    never.set()
    assert (late.state, late.says) == (State.UNKNOWN, "no answer within 0.05 s")


def test_a_refinement_that_raises_leaves_its_checks_unknown() -> None:
    wanted = [Examination(Subject.MPI, lambda: "facts", (fine,), breaks)]
    (check,) = examine(wanted, lambda _: None)
    assert (check.state, check.says) == (State.UNKNOWN, "ZeroDivisionError: of nothing")


def test_a_program_that_is_late_is_killed_and_one_that_is_absent_says_so() -> None:
    asker = Asker()
    assert asker.ask("/nonexistent/program").text == "No such file or directory"
    late = asker.ask("sh", "-c", "sleep 60 & sleep 60", limit_s=0.1)
    assert (late.status, late.text) == (None, "no answer within 0.1 s")
    assert asker.ask("echo", "first line").first_line == "first line"


def checks(**states: State) -> list[Check]:
    return [
        Check(slug.replace("_", "-"), Subject.PROOF, state, "", "", "")
        for slug, state in {"child_files": State.OK, "kcmp": State.OK, **states}.items()
    ]


def test_without_a_self_test_it_is_fit_if_nothing_that_a_proof_needs_is_missing() -> None:
    assert is_fit(checks(py_spy=State.MISSING, pid_namespace=State.LIMITED))
    assert not is_fit(checks(kcmp=State.MISSING))
    assert not is_fit(checks(child_files=State.UNKNOWN))


@pytest.mark.parametrize(("tried", "fit"), [(State.OK, True), (State.MISSING, False), (State.UNKNOWN, False)])
def test_the_self_test_decides_if_there_is_one(tried: State, fit: bool) -> None:
    half = Check("proves-a-hang", Subject.SELF_TEST, tried, "", "", "")
    assert is_fit([*checks(kcmp=State.MISSING), half]) is fit


def test_what_a_program_says_may_hold_anything() -> None:
    (check, _) = examine([Examination(Subject.MPI, lambda: "/bin/\udcff\x1b[31m", (fine, fine))], lambda _: None)
    assert check.says == "/bin/??[31m"


def test_every_check_has_a_name_of_its_own() -> None:
    names = [judge.__name__ for each in examinations(Asker()) for judge in each.judges]
    assert len(names) == len(set(names)) > 20


def test_the_document_has_a_schema_and_a_line_a_check() -> None:
    document = msgspec.json.decode(encode(Checkup(hangprobe="1", is_fit=True, duration_s=0.1, checks=tuple(checks()))))
    assert document["schema"] == "hangprobe.doctor/1"
    assert document["checks"][0].keys() == {"slug", "subject", "state", "says", "enables", "remedy"}
