"""Launch contexts of many ranks are few, whatever differs by the rank's number alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.context.classes import fold_contexts, merge_classes
from hangprobe.context.values import Channel, Descriptors, Holder, Kind, LaunchContext, Role, Shared, Variables
from hangprobe.model import Launcher
from hangprobe.ranksets import unfold


def context(
    umask: str = "0022", *, out: str | None = None, folder: str | None = None, copies: int = 0
) -> LaunchContext:
    kinds = (Shared(Kind.PIPE, "read", (Holder(Role.PROXY, "proxy"),)),)
    return LaunchContext(
        launcher=Launcher.HYDRA,
        stdout=Channel(Kind.FILE, out) if out else None,
        folder=folder,
        umask=umask,
        descriptors=Descriptors(kinds, (copies,), (copies,)) if copies else None,
        variables=Variables(("PWD",), (("PWD", folder),)) if folder else None,
    )


def test_ranks_that_are_alike_are_one_class() -> None:
    a, b = context("0022"), context("0077")
    assert fold_contexts({0: a, 1: b, 2: b, 5: b, 3: a}) == ((a, "0,3"), (b, "1-2,5"))


def test_nothing_folds_to_nothing() -> None:
    assert fold_contexts({}) == merge_classes([]) == ()


@pytest.mark.parametrize(("pattern", "shown"), [("/x/rank-{}.out", "/x/rank-%r.out"), ("/x/{:03}/o", "/x/%r/o")])
def test_files_named_after_the_rank_are_alike(pattern: str, shown: str) -> None:
    ((found, ranks),) = fold_contexts({rank: context(out=pattern.format(rank)) for rank in (0, 3, 11)})
    assert ranks == "0,3,11"
    assert found.stdout is not None
    assert found.stdout.path == shown


def test_folder_named_after_the_rank_is_one_in_every_field() -> None:
    ((found, ranks),) = fold_contexts({rank: context(folder=f"/run/{rank}") for rank in range(3)})
    assert (ranks, found.folder, found.variables) == ("0-2", "/run/%r", Variables(("PWD",), (("PWD", "/run/%r"),)))


def test_number_that_is_a_ranks_by_chance_does_not_tell_it_apart() -> None:
    same = context(out="/run1/log", folder="/run1")
    assert fold_contexts(dict.fromkeys(range(12), same)) == ((same, "0-11"),)
    others = fold_contexts({rank: context(out=f"/run1/{rank}") for rank in range(12)})
    assert [ranks for _, ranks in others] == ["0-11"]


def test_chance_in_one_field_does_not_hide_the_pattern_in_another() -> None:
    jobs = {rank: context(out=f"/o/{rank}", folder="/run1") for rank in range(3)}
    assert [ranks for _, ranks in fold_contexts(jobs)] == ["0-2"]


def test_other_rank_with_the_same_file_is_not_alike() -> None:
    found = fold_contexts({0: context(out="/o/0"), 1: context(out="/o/0"), 2: context(out="/o/2")})
    assert [ranks for _, ranks in found] == ["0-1", "2"]


def test_numbers_of_inherited_descriptors_become_a_range() -> None:
    ((found, ranks),) = fold_contexts({rank: context(copies=2 + rank) for rank in (0, 1, 5)})
    assert ranks == "0-1,5"
    assert found.descriptors is not None
    assert (found.descriptors.least, found.descriptors.most) == ((2,), (7,))


def test_nodes_of_one_rank_each_are_merged_to_a_pattern() -> None:
    nodes = [fold_contexts({rank: context(out=f"/o/{rank}", copies=1 + rank)}) for rank in range(4)]
    ((found, ranks),) = merge_classes(nodes)
    assert ranks == "0-3"
    assert found.stdout == Channel(Kind.FILE, "/o/%r")
    assert found.descriptors is not None
    assert (found.descriptors.least, found.descriptors.most) == ((1,), (4,))


def test_node_with_a_pattern_and_node_of_one_rank_are_merged() -> None:
    first = fold_contexts({rank: context(out=f"/o/{rank}") for rank in range(2)})
    assert [ranks for _, ranks in merge_classes([first, fold_contexts({7: context(out="/o/7")})])] == ["0-1,7"]


CONTEXTS = st.builds(context, st.sampled_from(["0022", "0077", "0027"]), copies=st.integers(0, 4))


@given(st.dictionaries(st.integers(0, 40), CONTEXTS), st.integers(1, 5))
def test_merging_nodes_is_folding_the_job(jobs: dict[int, LaunchContext], nodes: int) -> None:
    parts = [{rank: c for rank, c in jobs.items() if rank % nodes == node} for node in range(nodes)]
    assert merge_classes(map(fold_contexts, parts)) == fold_contexts(jobs)


@given(st.dictionaries(st.integers(0, 40), CONTEXTS))
def test_every_rank_is_in_one_class(jobs: dict[int, LaunchContext]) -> None:
    members = [rank for _, ranks in fold_contexts(jobs) for rank in unfold(ranks)]
    assert sorted(members) == sorted(jobs)
