"""A launcher is known by what it says of its version, whatever its name is."""

from __future__ import annotations

from pathlib import Path

import pytest

from hangprobe.errors.jobs import LauncherBroken, LauncherMissing
from hangprobe.launch.flavours import Flavour, find_mpiexec, identify, name_of
from hangprobe.launch.mpijob import MpiJob
from hangprobe.model import Launcher

SAID = {
    "HYDRA build details:\n    Version:                                 5.0.2\n    Release Date: Fri Sep 25 2026": (
        Launcher.HYDRA,
        "5.0.2",
    ),
    "HYDRA build details:\n    Version:                                 4.0.2\n    Process Manager: pmi": (
        Launcher.HYDRA,
        "4.0.2",
    ),
    "mpiexec (Open MPI) 5.0.11\n\nReport bugs to https://www.open-mpi.org/community/help/": (
        Launcher.OPENMPI,
        "5.0.11",
    ),
    "mpiexec (OpenRTE) 4.1.4\n\nReport bugs to http://www.open-mpi.org/community/help/": (Launcher.OPENMPI, "4.1.4"),
    "Intel(R) MPI Library for Linux* OS, Version 2021.18.1 Build 20260626 (id: b44796a)\nCopyright 2003-2026": (
        Launcher.INTEL,
        "2021.18.1",
    ),
    "slurm-wlm 22.05.8": (Launcher.SRUN, "22.05.8"),
    "slurm 23.02.7": (Launcher.SRUN, "23.02.7"),
    "PALS 1.2.12": (Launcher.PALS, "1.2.12"),
    "true (GNU coreutils) 9.1": (Launcher.NONE, ""),
    "": (Launcher.NONE, ""),
}


@pytest.mark.parametrize("text", SAID)
def test_launcher_is_known_by_its_own_words(text: str) -> None:
    assert name_of(text) == SAID[text]


def script(folder: Path, said: str) -> str:
    path = folder / "mpiexec"
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' '{said}'\n")
    path.chmod(0o755)
    return str(path)


def test_launcher_that_was_named_is_found_by_its_path(tmp_path: Path) -> None:
    path = script(tmp_path, "mpiexec (OpenRTE) 4.1.4")
    assert find_mpiexec(path) == Flavour(path, Launcher.OPENMPI, "4.1.4")


def test_launcher_that_is_not_there_is_missing() -> None:
    with pytest.raises(LauncherMissing):
        find_mpiexec("no-such-mpiexec")


def test_launcher_whose_first_line_names_nothing_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "mpiexec"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)
    with pytest.raises(LauncherBroken):
        identify(str(path))


def test_unknown_launcher_is_run_as_the_standard_says() -> None:
    line = Flavour("mpiexec", Launcher.NONE).command_line(MpiJob(2, ("app",), output=Path("/out")))
    assert line.arguments == ("mpiexec", "-n", "2", "app")


def test_old_open_mpi_is_not_asked_for_files_that_it_cannot_write() -> None:
    job = MpiJob(2, ("app",), output=Path("/out"))
    assert "--output" in Flavour("mpiexec", Launcher.OPENMPI, "5.0.11").command_line(job).arguments
    assert "--output" not in Flavour("mpiexec", Launcher.OPENMPI, "4.1.4").command_line(job).arguments
