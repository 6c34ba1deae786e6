"""What a tiny job's ranks said tells whether a launcher fits the MPI library."""

from __future__ import annotations

from hangprobe.launch.jobsize import JobSize, library_of, size_said
from hangprobe.model import Launcher

LIBRARY = "MPICH Version: 5.0.2"


def said(*sizes: int) -> str:
    """Return the output of a job, the last rank first."""
    ranks = [0] * len(sizes) if set(sizes) == {1} else range(len(sizes))
    return "".join(f"hangprobe-size {rank} {size} {LIBRARY}\n" for rank, size in zip(ranks, sizes, strict=True))


def test_job_of_the_size_asked_for_is_right() -> None:
    assert size_said(said(3, 3, 3), 3, 0, "") == JobSize(3, (3, 3, 3), LIBRARY, None)


def test_jobs_of_one_rank_do_not_fit() -> None:
    found = size_said(said(1, 1, 1), 3, 0, "a warning")
    assert not found.is_right
    assert found.problem == "3 jobs of one rank instead of one of 3: the launcher does not fit the MPI library"


def test_one_rank_is_right_where_one_was_asked_for() -> None:
    assert size_said(said(1), 1, 0, "").is_right


def test_program_that_starts_no_rank_is_found_out() -> None:
    assert size_said("", 2, 0, "").problem == "0 of 2 ranks spoke"


def test_job_that_fails_gives_its_last_words() -> None:
    assert size_said("", 2, 16, "no libmpi").problem == "0 of 2 ranks spoke (no libmpi)"


def test_job_that_does_not_end_is_a_problem() -> None:
    assert size_said(said(2, 2), 2, None, "", 5).problem == "the job did not end within 5 s"


def test_other_output_does_not_disturb() -> None:
    assert size_said("welcome\n" + said(2, 2) + "bye", 2, 0, "").is_right


def test_library_is_known_by_what_it_says_of_itself() -> None:
    assert library_of("MPICH Version: 5.0.2 MPICH Release date") is Launcher.HYDRA
    assert library_of("Open MPI v5.0.11, package: Open MPI") is Launcher.OPENMPI
    assert library_of("Intel(R) MPI Library 2021.18.1 for Linux* OS") is Launcher.INTEL
    assert library_of("MPI VERSION : CRAY MPICH version 8.1.28") is Launcher.PALS
    assert library_of("something else") is Launcher.NONE
