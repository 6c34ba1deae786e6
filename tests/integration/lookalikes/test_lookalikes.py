"""Healthy programs that look hung are never called hung and never ended: each case once, judged at every sample.

The programs wait most of their time, so they run side by side and the whole module takes less than a minute.
`scripts/bench lookalikes` runs them many times, and also as hangprobe watches in production.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from scripts.benchmarks.lookalikes import CompilerMissing, Row, compiled, one
from scripts.benchmarks.lookalikes_cases import CASES, Case
from scripts.benchmarks.lookalikes_one import TOO_FEW, Mode

JOBS = 6
LIMIT_S = 110.0
"""For one case, its turn in the queue included; one that runs alone takes 5 s."""

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200)]


class Runs(NamedTuple):
    """Every case's run, and what runs one once more."""

    of: dict[str, Future[Row]]
    again: Callable[[Case], Row]


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    """Start every case that was selected. A missing compiler is an error here, never a skip."""
    selected = {item.name for item in request.session.items}
    cases = [case for case in CASES if any(f"[{case.name}]" in name for name in selected)]
    running: set[subprocess.Popen[bytes]] = set()
    with ExitStack() as stack:
        try:
            binaries = stack.enter_context(compiled())
        except CompilerMissing as error:
            pytest.fail(str(error), pytrace=False)
        pool = stack.enter_context(ThreadPoolExecutor(JOBS))

        def again(case: Case) -> Row:
            return one(case, Mode.EVERY_SAMPLE, 1, binaries, None, running)

        try:
            yield Runs({case.name: pool.submit(again, case) for case in sorted(cases, key=lambda c: -c.seconds)}, again)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in tuple(running):
                process.terminate()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_look_alike_is_never_called_hung(case: Case, runs: Runs) -> None:
    row = runs.of[case.name].result(LIMIT_S)
    if row["wrong"].startswith(TOO_FEW):  # on a busy machine, which may be less busy by now
        row = runs.again(case)
    if row["cannot"]:
        pytest.skip(f"cannot exist here: {row['cannot']}")
    if row["wrong"] and case.limit:
        pytest.xfail(case.limit)
    assert row["wrong"] == "", row
