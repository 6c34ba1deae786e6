"""Healthy programs that nobody watched are not called hung, whoever of their processes is asked about; real hangs are.

The programs run side by side. `scripts/bench lookalikes --by attach` runs every case there is. pytest-timeout's own
alarm would be one of the node's, of which root's hangprobe cannot tell whose it is: hence the thread.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from hangprobe.attach.sweep import Sweep, Wanted
from hangprobe.model import RankState, Unreadable, Verdict
from hangprobe.observe.census import Census
from hangprobe.observe.reader import Reader
from hangprobe.policy import Policy
from hangprobe.result import RankResult
from scripts.benchmarks.lookalikes import Row, one
from scripts.benchmarks.lookalikes_attach import Patience, end, marked, start
from scripts.benchmarks.lookalikes_cases import Case, Place, find

NAMES = (
    *("parked-child", "alarm-kills-child", "receiver-terminates"),
    *("helper-session", "helper-orphan", "helper-group", "helper-starter", "helper-launcher"),
    *("helper-with-rank-number", "helper-of-job-control", "stranger-posts", "stranger-has-flock"),
)
JOBS = 4
T = TypeVar("T")

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60, method="thread")]


class WithoutTimers(Reader):
    """What an ordinary user sees: alarms that other programs of this machine have set do not matter here."""

    def text(self, path: str) -> str | Unreadable:
        """Return a file's content, but for the list of timers."""
        return Unreadable(path, "not permitted") if path == "timer_list" else Reader.text(self, path)


class Hung(NamedTuple):
    """A program that hangs: its shell, the program that the shell waits for, and the child for which that waits."""

    shell: int
    program: int
    child: int


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Row]]]:
    """Start every look-alike whose test was selected."""
    selected = [name for name in NAMES if any(f"[{name}]" in item.name for item in request.session.items)]
    with ThreadPoolExecutor(JOBS) as pool:
        yield {name: pool.submit(one, find(name), how(name), 1, Path("/nonexistent")) for name in selected}


def how(name: str) -> Patience:
    """Return how a look-alike is looked at: an alarm is awaited for as long as the window, which must not be short."""
    return Patience.NONE if name.startswith("alarm") else Patience.AGED


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[Hung]:
    """Yield a program that nobody watched, whose forked child waits for a lock that is lost."""
    case = Case("hung", "../orphaned_lock.py", "futex", ("lock", "stays"), script='"$@"; :')
    try:
        shell = start(case, Place(tmp_path, tmp_path))
        child = int(until(lambda: words(tmp_path / "job.out"))[0])
        yield Hung(shell, parent(child), child)
    finally:
        end(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_healthy_program_that_nobody_watched_is_not_called_hung(name: str, runs: dict[str, Future[Row]]) -> None:
    row = runs[name].result(50)
    if row["cannot"]:
        pytest.skip(f"cannot exist here: {row['cannot']}")
    if row["wrong"] and row["limit"] and os.geteuid() != 0:  # root sees the alarm
        pytest.xfail(row["limit"])
    assert row["wrong"] == "", row


def test_a_program_that_hangs_is_called_hung_whether_its_shell_or_itself_is_asked_about(hung: Hung) -> None:
    for pid in (hung.shell, hung.program):
        verdict, rank = asked(pid)
        assert (verdict, rank.state, rank.pid) == (Verdict.HANG, RankState.PROVEN, hung.program)


def test_a_child_in_a_knot_is_hung_if_all_above_it_are_in_the_knot_too(hung: Hung) -> None:
    verdict, rank = asked(hung.child)
    assert (verdict, rank.state) == (Verdict.HANG, RankState.PROVEN)


def test_a_parked_child_asked_about_alone_is_blocked_and_the_reason_names_its_parent(tmp_path: Path) -> None:
    case = Case("parked", "parked_child.py", "futex")
    try:
        start(case, Place(tmp_path, tmp_path))
        child = int(until(lambda: words(tmp_path / "rank-0.marks"))[1])
        until(lambda: asked(child)[1].state is not RankState.PROGRESSING)  # it has marked its state, then it waits
        verdict, rank = asked(child)
        assert (verdict, rank.state) == (Verdict.OK, RankState.BLOCKED)
        assert f"ask about pid {parent(child)}" in (rank.why or "")
    finally:
        end(tmp_path)
        assert not marked(tmp_path)


def asked(pid: int) -> tuple[Verdict, RankResult]:
    """Return the verdict on a process, and its only rank."""
    sweep = Sweep(Wanted((pid,)), Policy(has_stacks=False), WithoutTimers())
    sweep.look()
    sweep.settle(5.0)
    (result,) = sweep.results()
    (rank,) = result.ranks
    return result.verdict, rank


def parent(pid: int) -> int:
    """Return the parent of a process."""
    census = Census(Reader(), "")
    census.scan()
    return census.ancestors(pid)[0]


def words(path: Path) -> list[str]:
    """Return the words of a file that ends with a whole line."""
    text = path.read_text() if path.exists() else ""
    return text.split() if text.endswith("\n") else []


def until(ask: Callable[[], T]) -> T:
    """Return the first answer that is not empty; the test's own time limit ends this."""
    while not (answer := ask()):
        time.sleep(0.02)
    return answer
