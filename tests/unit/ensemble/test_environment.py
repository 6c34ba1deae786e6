"""Where a campaign is run: what is known of the place, and never a guess."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hangprobe import __version__
from hangprobe.ensemble import environment as environments
from hangprobe.ensemble.environment import environment, site_of
from hangprobe.errors.jobs import EnvironmentMissing
from hangprobe.launch import gnuparallel
from hangprobe.launch.environments import Environment
from hangprobe.launch.flavours import Flavour
from hangprobe.launch.genuine import GnuParallel
from hangprobe.model import Launcher


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put MPICH alone there, and GNU parallel."""

    def of_mpi(mpi: str) -> Environment:
        if mpi != "mpich":
            raise EnvironmentMissing(mpi, is_checkout=True)
        return Environment(Flavour("/m/bin/mpiexec", Launcher.HYDRA, "5.0.2"), "/m/bin/python")

    monkeypatch.setattr(environments, "of_mpi", of_mpi)
    monkeypatch.setattr(gnuparallel, "find", lambda: GnuParallel("/p/parallel", "20221122"))


def says(text: str | None) -> environments.Ask:
    """Return somebody who answers every question so."""

    def ask(command: Sequence[str]) -> str | None:
        return text

    return ask


def test_versions_of_everything_that_may_matter_are_there() -> None:
    found = environment("testbed", ("a", "b"), ("mpich",), says("1268fe9-dirty\n"))
    assert found.versions["hangprobe"] == __version__
    assert found.versions["mpich"] == "hydra 5.0.2"
    assert found.versions["GNU parallel"] == "20221122"
    assert {"python", "kernel", "libc"} <= set(found.versions)
    assert (found.site, found.hosts, found.git) == ("testbed", ("a", "b"), "1268fe9-dirty")
    assert found.processors > 0


def test_what_is_not_there_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gnuparallel, "find", lambda: None)
    found = environment("local", (), ("openmpi",), says(None))
    assert found.versions["openmpi"] == "not found"
    assert found.versions["GNU parallel"] == "not found"
    assert found.git is None


@pytest.mark.parametrize(
    ("variables", "site"),
    [
        ({"PBS_NODEFILE": "/nodes"}, "pbs"),
        ({"SLURM_JOB_NODELIST": "n[1-2]"}, "slurm"),
        ({"HANGPROBE_HOSTS": "n[1-2]"}, "local"),
        ({"PBS_NODEFILE": ""}, "local"),
    ],
)
def test_the_batch_system_is_known_by_its_variables(variables: dict[str, str], site: str) -> None:
    assert site_of(variables) == site
