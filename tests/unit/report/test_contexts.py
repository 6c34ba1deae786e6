"""Differences of launch contexts as lines."""

from __future__ import annotations

from hangprobe.explain.contextdiff import diff, diff_two
from hangprobe.report.contexts import WIDTH, context_lines, launcher_lines

from ..explain.contexts import PLAIN, hydra, parallel, variables

HYDRA = {rank: hydra(rank) for rank in range(4)}


def test_what_tells_ranks_apart_comes_first() -> None:
    assert context_lines(diff(HYDRA))[:7] == [
        "started alike: rank 0 | ranks 1-3",
        "  standard input",
        "    rank 0: pipe, write end closed",
        "    ranks 1-3: pipe, write end held by hydra_pmi_proxy",
        "",
        "what that can explain:",
        "  launcher-stdin (ranks 1-3): a child that reads its standard input waits until the launcher closes it",
    ]


def test_alike_ranks_are_one_line() -> None:
    assert context_lines(diff({0: PLAIN, 1: PLAIN})) == ["ranks 0-1: started alike"]
    assert context_lines(diff({})) == ["no rank was seen"]


def test_two_launchers_side_by_side() -> None:
    text = launcher_lines(diff_two(HYDRA, {rank: parallel() for rank in range(4)}, ("mpiexec", "parallel")))
    assert text[:8] == [
        "ranks 0-3 under mpiexec and under parallel differ in",
        "  standard input",
        "    mpiexec:",
        "      rank 0: pipe, write end closed",
        "      ranks 1-3: pipe, write end held by hydra_pmi_proxy",
        "    parallel:",
        "      ranks 0-3: pipe, write end closed",
        "  standard output",
    ]
    assert any(line.startswith("  launcher-stdin (ranks 1-3 under mpiexec only):") for line in text)


def test_launchers_that_do_the_same() -> None:
    assert launcher_lines(diff_two(HYDRA, HYDRA, ("a", "b"))) == ["a and b start ranks 0-3 alike"]


def test_long_values_are_cut_and_folded() -> None:
    other = PLAIN.but(variables=variables("HOME", *(f"VARIABLE_{number}" for number in range(200))))
    text = context_lines(diff({0: PLAIN, 1: other}))
    assert max(map(len, text)) <= WIDTH
    assert len(text) < 12
    assert text[-1].endswith(" ...")
