"""A rank's application gets the environment and the signals that the launcher gave, and fails as under the launcher."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.agent.wrapping import become

NAMES = st.binary(min_size=1).filter(lambda name: b"=" not in name and b"\0" not in name)
VALUES = st.binary().filter(lambda value: b"\0" not in value)


def block(environment: dict[bytes, bytes]) -> bytes:
    return b"".join(name + b"=" + value + b"\0" for name, value in environment.items())


def by_shell(environment: dict[bytes, bytes], pieces: list[bytes]) -> bytes:
    """Return what the shell makes of an environment: it adds, counts and drops, and hands the pieces on."""
    kept = {name: value for name, value in environment.items() if b"%" not in name}
    handed = {become.VARIABLE + b"%d" % number: piece for number, piece in enumerate(pieces, 1)}
    return block({b"PWD": b"/elsewhere", **dict(sorted(kept.items())), b"OLDPWD": b"/", **handed})


@given(st.dictionaries(NAMES, VALUES))
def test_an_environment_survives_the_shell_byte_by_byte_and_in_its_order(environment: dict[bytes, bytes]) -> None:
    pieces = become.original(block(environment), by_shell(environment, []), [])
    assert list(become.restored(by_shell(environment, pieces)).items()) == list(environment.items())


def test_no_piece_is_longer_than_an_exec_allows() -> None:
    environment = {b"A": b"x" * 100_000, b"B": b"y" * 100_000}
    pieces = become.original(block(environment), b"", [])
    assert max(map(len, pieces)) + len(become.VARIABLE) + 5 < 128 * 1024
    assert become.restored(by_shell(environment, pieces)) == environment


def test_of_an_environment_that_does_not_fit_twice_only_what_the_shell_added_is_told() -> None:
    environment = {b"A%d" % number: b"x" * 100_000 for number in range(40)}
    pieces = become.original(block(environment), by_shell(environment, []), [])
    assert pieces == [b"-PWD,OLDPWD"]
    assert become.restored(by_shell(environment, pieces)) == environment


def test_words_take_room_too() -> None:
    environment = {b"A": b"x" * 1000}
    assert become.original(block(environment), b"", [b"w" * 1000] * 10_000)[0].startswith(b"-")


def test_a_piece_of_one_whom_nobody_handed_on_is_the_application_s() -> None:
    mine = {b"HANGPROBE_ENVIRON_2": b"mine", b"A": b"1"}
    assert become.restored(block(mine)) == mine


def test_open_mpi_s_name_of_the_application_is_the_application_s() -> None:
    wrapped = {
        b"OMPI_COMMAND": b"/bin/sh",
        b"OMPI_ARGV": b"-c if hangprobe-rank python rank.py link app x y",
        b"A": b"1",
    }
    told = {b"OMPI_COMMAND": b"app", b"OMPI_ARGV": b"x y", b"A": b"1"}
    assert become.naming([b"app", b"x", b"y"], wrapped) == told
    assert become.naming([b"app"], {b"OMPI_ARGV": b"mine"}) == {b"OMPI_ARGV": b"mine"}


def of(*signals: int) -> int:
    return sum(1 << (number - 1) for number in signals)


def test_of_python_s_own_signals_the_shell_knows_and_of_bash_s_own_python() -> None:
    python = of(signal.SIGPIPE, signal.SIGXFSZ)
    assert become.ignored_before(of(signal.SIGQUIT), python) == 0
    assert become.ignored_before(python, python) == python
    assert become.ignored_before(of(signal.SIGPIPE), python | of(signal.SIGTTIN)) == of(signal.SIGPIPE, signal.SIGTTIN)


STATUS = b"Name:\tx\nSigIgn:\t0000000000001000\nCapEff:\t%016x\nSeccomp:\t0\n"


@pytest.mark.parametrize(
    ("scope", "capabilities", "is_needed"),
    [("0\n", 0, False), ("1\n", 0, True), ("1\n", 1 << 19, False), ("1\n", 1 << 18, True), ("2\n", 0, False)],
)
def test_an_observer_must_be_the_parent_where_only_ancestors_may_read(
    scope: str, capabilities: int, is_needed: bool, tmp_path: Path
) -> None:
    (tmp_path / "scope").write_text(scope)
    assert become.is_parent_needed(STATUS % capabilities, str(tmp_path / "scope")) == is_needed


def test_without_yama_everybody_may_read_his_own(tmp_path: Path) -> None:
    assert not become.is_parent_needed(STATUS % 0, str(tmp_path / "scope"))


def test_a_program_is_looked_for_as_execvp_does() -> None:
    path = {b"PATH": b"/a::/b"}
    assert become.places(b"./app", path) == [b"./app"]
    assert become.places(b"app", path) == [b"/a/app", b"app", b"/b/app"]
    assert become.places(b"app", {}) == [b"/bin/app", b"/usr/bin/app"]
    assert become.places(b"app", {**path, b"OMPI_COMM_WORLD_RANK": b"0"})[-1] == b"app"


@pytest.mark.parametrize(
    ("problem", "environment", "status"),
    [
        (errno.ENOENT, {}, 127),
        (errno.EACCES, {}, 126),
        (errno.ENOENT, {b"HYDI_CONTROL_FD": b"7"}, 255),
        (errno.EACCES, {b"HYDRA_BSTRAP_PROXY_ID": b"0"}, 255),
        (errno.ENOENT, {b"SLURM_STEP_ID": b"0"}, errno.ENOENT),
    ],
)
def test_what_cannot_be_run_fails_as_its_launcher_has_it(
    problem: int, environment: dict[bytes, bytes], status: int
) -> None:
    assert become.status_of(problem, environment) == status
