"""Which launchers there are, and what is built for each."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from hangprobe.ensemble import launchers

SHIPPED = 'parallel --env _ --joblog "$JOBNAME.sh.parallel.log" --sshloginfile $SSHLOGINFILE --jobs 1 < $PFILE\n'


class GnuParallelLauncher:
    """Stands for Parsl's."""

    def __call__(self, command: str, tasks_per_node: int, nodes_per_block: int, script_dir: str = "") -> str:
        return SHIPPED


class MpiExecLauncher:
    def __init__(self, bind_cmd: str = "--bind-to", overrides: str = "") -> None:
        self.bind_cmd, self.overrides = bind_cmd, overrides


@pytest.fixture
def _parsl(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("parsl.launchers")
    module.GnuParallelLauncher, module.MpiExecLauncher = GnuParallelLauncher, MpiExecLauncher
    monkeypatch.setitem(sys.modules, "parsl", ModuleType("parsl"))
    monkeypatch.setitem(sys.modules, "parsl.launchers", module)


@pytest.mark.parametrize(
    ("mpi", "overrides", "bind"),
    [
        ("mpich", "", "--bind-to"),
        ("path", "", "--bind-to"),
        ("impi", "-ppn 1", "--bind-to"),
        ("openmpi", "--map-by ppr:1:node -x PATH", "--bind-to"),
        ("pals", "--depth=64 --ppn 1", "--cpu-bind"),
    ],
)
@pytest.mark.usefixtures("_parsl")
def test_mpiexec_is_told_to_start_one_manager_a_node(mpi: str, overrides: str, bind: str) -> None:
    built = launchers.build("mpiexec", mpi)
    assert (built.overrides, built.bind_cmd) == (overrides, bind)


@pytest.mark.usefixtures("_parsl")
def test_gnu_parallel_is_taken_as_shipped() -> None:
    assert launchers.build("gnu-parallel", "mpich")("pool", 1, 3) == SHIPPED


@pytest.mark.usefixtures("_parsl")
def test_the_repaired_one_names_its_environment_and_changes_nothing_else() -> None:
    script = launchers.build("gnu-parallel-repaired", "mpich")("pool", 1, 3, script_dir="/scripts")
    assert script == SHIPPED.replace("--env _", "--env PATH --env JOBNAME --halt now,fail=1")


def test_a_script_that_cannot_be_repaired_is_not_passed_off_as_repaired() -> None:
    with pytest.raises(ValueError, match="--env _"):
        launchers.repair("parallel --jobs 1 < $PFILE")


@pytest.mark.parametrize("mpi", launchers.MPIS)
def test_mpirun_is_told_where_the_nodes_are(mpi: str) -> None:
    assert launchers.arguments("mpirun", mpi)["overrides"].endswith("--hostfile $PBS_NODEFILE")


def test_open_mpi_as_root_is_allowed_to() -> None:
    assert launchers.variables("openmpi", is_root=True)
    assert not launchers.variables("openmpi", is_root=False)
    assert not launchers.variables("mpich", is_root=True)


def test_a_launcher_is_shown_as_it_would_be_configured() -> None:
    assert launchers.as_code("mpiexec", "impi") == "MpiExecLauncher(overrides='-ppn 1')"
    assert launchers.as_code("single-node", "mpich") == "SingleNodeLauncher()"


def test_an_unknown_launcher_is_an_error() -> None:
    with pytest.raises(KeyError):
        launchers.arguments("aprun", "mpich")
