"""A standard input never ends if the command that started the rank, on whatever node, is known not to feed it."""

from __future__ import annotations

import pytest

from hangprobe.agent.look.join import join
from hangprobe.agent.look.nodereport import NodeReport
from hangprobe.model import Launcher, RankState
from hangprobe.starter import Starter

from ..agent.look.reports import POLICY, node, reading, starter


def leaks(*reports: NodeReport) -> bool:
    """Tell whether rank 1 is hung because nobody feeds it."""
    (job,) = join(reports, POLICY)
    assert job.judgement is not None
    (found,) = (rank for rank in job.judgement.ranks if rank.rank == 1)
    assert found.hung == (found.state is RankState.LEAK)
    return found.hung


AT = "login:45813"


def test_a_stdin_never_ends_if_the_command_that_started_the_rank_feeds_no_others() -> None:
    assert leaks(node("node02", reading("node02", 1, AT)), node("login", starters=(starter(),)))


def test_a_stdin_whose_command_has_been_looked_at_on_the_node_itself_needs_no_other() -> None:
    assert leaks(node("node02", reading("node02", 1, None)))


@pytest.mark.parametrize(
    "starters",
    [
        (),
        (starter(feeds=True),),
        (starter(port=1),),
        (starter(port=45813), starter(port=45813, feeds=True, pid=9)),
    ],
    ids=["nobody told of it", "it feeds others", "another port", "two of which one feeds others"],
)
def test_a_stdin_may_be_fed_unless_its_command_is_known_not_to(starters: tuple[Starter, ...]) -> None:
    assert not leaks(node("node02", reading("node02", 1, AT)), node("login", starters=starters))


def test_a_command_is_known_by_its_host_among_others_at_the_same_port() -> None:
    feeding = starter("node07", feeds=True)
    assert leaks(node("node02", reading("node02", 1, AT)), node("login", starters=(starter(), feeding)))


def test_a_host_is_the_same_with_its_domain_and_without() -> None:
    feeding = starter("node07", feeds=True)
    address = "login.site.example:45813"
    assert leaks(node("node02", reading("node02", 1, address)), node("login", starters=(starter(), feeding)))


def test_a_command_that_is_known_by_number_must_have_that_very_end_of_a_connection() -> None:
    address = "10.0.0.1:45813"
    here = node("node02", reading("node02", 1, address))
    assert leaks(here, node("login", starters=(starter(ends=("10.0.0.1:22", address)),)))
    assert not leaks(here, node("login", starters=(starter(),)))
    assert not leaks(here, node("login", starters=(starter(ends=("10.0.0.2:45813",)),)))


def test_a_command_on_another_host_is_not_taken_for_one_that_was_not_seen_because_of_its_port() -> None:
    assert not leaks(node("node02", reading("node02", 1, AT)), node("node07", starters=(starter("node07"),)))


def test_one_of_several_peers_may_be_the_command() -> None:
    """Intel MPI's proxies are connected to their mpiexec, or to another proxy."""
    several = "10.0.0.9:40001,10.0.0.1:45813"
    here = starter(ends=("10.0.0.1:45813",))
    assert leaks(node("node02", reading("node02", 1, several)), node("login", starters=(here,)))


@pytest.mark.parametrize("address", ["login", "login:", "login:port", ":", "", "login#", "#4"])
def test_an_address_that_is_none_is_nobodys(address: str) -> None:
    assert not leaks(node("node02", reading("node02", 1, address)), node("login", starters=(starter(),)))


@pytest.mark.parametrize(
    ("stdin", "is_hung"), [("/dev/null", True), ("pipe:[9]", False), ("/dev/pts/0", False), (None, False)]
)
def test_open_mpi_feeds_nobody_only_if_it_reads_dev_null_itself(stdin: str | None, is_hung: bool) -> None:
    rank = reading("node02", 1, "login#4", Launcher.OPENMPI)
    assert leaks(node("node02", rank), node("login", starters=(starter(stdin=stdin),))) == is_hung


def test_the_command_of_open_mpi_is_found_by_host_and_pid() -> None:
    rank = node("node02", reading("node02", 1, "login#4", Launcher.OPENMPI))
    assert not leaks(rank, node("login", starters=(starter("node07", stdin="/dev/null"),)))
    assert not leaks(rank, node("login", starters=(starter(pid=5, stdin="/dev/null"),)))
    assert leaks(rank, node("login", starters=(starter("login.site", stdin="/dev/null"),)))
