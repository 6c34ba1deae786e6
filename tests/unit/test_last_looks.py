"""The last look at a job: what has changed in it decides, and nothing that ended meanwhile goes untold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from hangprobe.cli import attach
from hangprobe.launch.session import Session
from hangprobe.model import Verdict
from hangprobe.probe import Ends, OnHang, OnStall, Silent, _Watch
from hangprobe.watched import Watched


@dataclass
class Job:
    """A job that hangs until it is looked at once more."""

    verdict: Verdict = Verdict.HANG
    at_last: Verdict = Verdict.HANG
    standing_since_s: float = 0.0
    interval_s: float = 0.25
    ended: int = 0

    def tick(self) -> bool:
        return False

    def look_again(self) -> Verdict:
        self.verdict = self.at_last
        return self.verdict

    def end(self) -> None:
        self.ended += 1


@pytest.mark.parametrize(
    ("at_last", "is_ended"),
    [(Verdict.HANG, True), (Verdict.STALL, False), (Verdict.OK, False), (Verdict.FAILED, False)],
)
def test_a_job_is_ended_only_if_the_last_look_says_the_same(at_last: Verdict, is_ended: bool) -> None:
    job = Job(at_last=at_last)
    ends = Ends(OnHang.KILL, OnStall.KILL, grace_s=1.0)
    watch = _Watch(cast("Session", job), cast("Watched", job), ends, Silent(), began_s=0.0)
    assert (watch.tick() is None) is is_ended
    assert (job.ended, watch.reason is not None) == (int(is_ended), is_ended)


@dataclass
class Ending:
    """A job that ends between a look and the question whether anything is left."""

    states: list[str] = field(default_factory=lambda: ["running", "exited"])
    looks: int = 0

    def look(self) -> list[Any]:
        self.looks += 1
        return [self.states[min(self.looks, len(self.states)) - 1]]

    def is_anything_left(self) -> bool:
        return False


@pytest.mark.parametrize(("interval_s", "told"), [(0.01, [["running"], ["exited"]]), (None, [["running"]])])
def test_what_ends_right_after_a_look_is_told_as_ended(interval_s: float | None, told: list[Any]) -> None:
    assert list(attach._looks(Ending(), interval_s)) == told
