"""`list` names everything there is; every command says how to use it and what its exit codes mean."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from hangprobe.ensemble.launchers import TABLE as LAUNCHERS
from hangprobe.ensemble.workloads import TABLE as WORKLOADS
from hangprobe.explain.catalogue import MECHANISMS, MITIGATIONS

from .harness import REPRODUCERS, hangprobe, shell

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

MANIFEST = tomllib.loads((REPRODUCERS / "manifest.toml").read_text())["program"]


def of_kind(kind: str) -> set[str]:
    return {program["name"] for program in MANIFEST if program["kind"] == kind}


def first_words(text: str) -> set[str]:
    """Return the first words of the indented lines."""
    return set(re.findall(r"^  ([a-z]\S*)", text, re.MULTILINE))


def test_list_names_everything(tmp_path: Path) -> None:
    done = hangprobe("list", folder=tmp_path)
    assert (done.status, done.stderr) == (0, "")
    names = of_kind("reproducer") | of_kind("control")
    of_ensembles = {*WORKLOADS, *LAUNCHERS, "as-configured"}
    assert first_words(done.stdout) == names | MECHANISMS.keys() | MITIGATIONS.keys() | of_ensembles
    variants = {variant["name"] for program in MANIFEST for variant in program["variant"]} - {"default"}
    assert variants <= set(re.findall(r"[\w-]+", done.stdout))
    slugs = {slug for program in MANIFEST for slug in program["mitigations"]}
    assert slugs <= MITIGATIONS.keys()


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("reproducers", of_kind("reproducer")),
        ("controls", of_kind("control")),
        ("mechanisms", set(MECHANISMS)),
        ("mitigations", set(MITIGATIONS)),
    ],
)
def test_one_list_alone(kind: str, names: set[str], tmp_path: Path) -> None:
    done = hangprobe("list", kind, folder=tmp_path)
    assert done.status == 0
    assert first_words(done.stdout) == names


@pytest.mark.parametrize(
    ("command", "codes"),
    [("run", ["0", "1", "4", "5", "124"]), ("watch", ["124", "125", "126", "127"])],
)
def test_help_explains_exit_codes_and_gives_an_example(command: str, codes: list[str], tmp_path: Path) -> None:
    done = hangprobe(command, "--help", folder=tmp_path)
    before_options = done.stdout.partition("╭")[0]
    assert (done.status, done.stderr) == (0, "")
    assert [code for code in codes if not re.search(rf"\b{code}\b", before_options)] == []
    assert f"Example: hangprobe {command} " in before_options


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--variant", "default: the first one"),
        ("--mpiexec", "default: this Python's, else PATH's"),
        ("--out", "default: hangprobe-results/"),
    ],
)
def test_help_tells_what_an_option_is_if_it_is_not_given(option: str, says: str, tmp_path: Path) -> None:
    rows = hangprobe("run", "--help", folder=tmp_path).stdout.split("│ -")
    (row,) = [row for row in rows if row.startswith(option.removeprefix("-") + " ")]
    assert says in re.sub(r"[│\s]+", " ", row)


def test_help_of_all_commands_names_them(tmp_path: Path) -> None:
    done = hangprobe("--help", folder=tmp_path)
    assert done.status == 0
    assert {"run", "watch", "list"} <= set(re.findall(r"^│ (\w+)", done.stdout, re.MULTILINE))


@pytest.mark.parametrize("arguments", ["list", "run --help", "--help"])
def test_reader_that_leaves_early_is_no_error(arguments: str, tmp_path: Path) -> None:
    done = shell(f'"$0" {arguments} | head -1', tmp_path)
    assert (done.status, done.stderr) == (0, "")


def test_reader_of_a_run_that_leaves_early_leaves_no_job_behind(tmp_path: Path) -> None:
    done = shell('"$0" run bcast_under_lock --grace 0.5 | head -1', tmp_path)
    assert done.stdout.startswith("running bcast_under_lock")
    assert done.stderr == ""
