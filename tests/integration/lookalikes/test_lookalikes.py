"""Healthy programs that look hung are never called hung and never ended: each case once, judged at every sample.

The programs wait most of their time, so they run side by side and the whole module takes less than a minute.
`scripts/bench lookalikes` runs them many times, and also as hangprobe watches in production.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from scripts.benchmarks.lookalikes import CompilerMissing, Row, compiled, one
from scripts.benchmarks.lookalikes_cases import CASES, Case
from scripts.benchmarks.lookalikes_one import Mode

JOBS = 8
LIMIT_S = 110.0
"""For one case, its turn in the queue included; one that runs alone takes 5 s."""

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Row]]]:
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
        try:
            yield {
                case.name: pool.submit(one, case, Mode.EVERY_SAMPLE, 1, binaries, None, running)
                for case in sorted(cases, key=lambda case: -case.seconds)
            }
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in tuple(running):
                process.terminate()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_look_alike_is_never_called_hung(case: Case, runs: dict[str, Future[Row]]) -> None:
    row = runs[case.name].result(LIMIT_S)
    if row["cannot"]:
        pytest.skip(f"cannot exist here: {row['cannot']}")
    if row["wrong"] and case.limit:
        pytest.xfail(case.limit)
    assert row["wrong"] == "", row
