"""The half on a node always answers: with its report, or with why there is none."""

from __future__ import annotations

import pytest

from hangprobe.agent.look import node
from hangprobe.agent.look.nodereport import NodeReport, unpack
from hangprobe.policy import Policy

from .reports import hung
from .reports import node as report_of


@pytest.fixture
def deadlines(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the deadlines that are set; none of them ends these tests."""
    found: list[float] = []
    monkeypatch.setattr(node, "_end_after", found.append)
    return found


def test_what_was_seen_is_printed_as_asked(
    deadlines: list[float], capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Policy, float]] = []

    def report(policy: Policy, patience_s: float) -> NodeReport:
        asked.append((policy, patience_s))
        return report_of("node01", hung("node01", 0))

    monkeypatch.setattr(node, "report", report)
    assert node.main(["--stall-after", "90", "--patience", "2", "--deadline", "14", "--no-stacks"]) == 0
    assert unpack(capfdbinary.readouterr().out) == report_of("node01", hung("node01", 0))
    assert asked == [(Policy(stall_after_s=90.0, has_stacks=False), 2.0)]
    assert deadlines == [14.0]


@pytest.mark.parametrize("error", [OSError("no space left"), AssertionError(), RecursionError("too deep")])
def test_whatever_goes_wrong_the_head_reads_it(
    deadlines: list[float], capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def report(policy: Policy, patience_s: float) -> NodeReport:
        raise error

    monkeypatch.setattr(node, "report", report)
    assert node.main([]) == 0
    found = unpack(capfdbinary.readouterr().out)
    assert isinstance(found, NodeReport)
    assert [each.what for each in found.unreadable] == ["this node"]
    assert found.unreadable[0].why == f"{type(error).__name__}: {error}"
