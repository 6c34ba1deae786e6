"""`run`: a hung reproducer gives 124 and a document, a cured one 0, in the same form wherever they are written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .document import faults
from .harness import Done, hangprobe, read

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_hang_is_told_by_the_exit_code(hung: Done) -> None:
    assert hung.status == 124
    assert hung.stderr == ""


def test_hang_is_reported_on_stdout(hung: Done) -> None:
    assert "HANG (proven): bcast_under_lock, 4 ranks by hydra" in hung.stdout
    assert "fork-orphaned-lock (proven, cause likely, lock: python-lock)" in hung.stdout
    assert hung.stdout.rstrip().endswith(f"results: hangprobe-results/{hung.results.name}")


def test_document_has_the_published_shape(hung: Done) -> None:
    assert faults(read(hung.folder / "doc")) == []


def test_document_is_one_line(hung: Done) -> None:
    text = (hung.folder / "doc").read_text()
    assert text.count("\n") == 1
    assert text.endswith("}\n")


def test_document_says_which_ranks_hang_and_why(hung: Done) -> None:
    document = read(hung.folder / "doc")
    (finding,) = document["findings"]
    assert (document["verdict"], document["tier"], document["launcher"]) == ("hang", "proven", "hydra")
    assert (document["ended_by"], document["exit_status"]) == ("hangprobe", None)
    assert document["program"] == {"name": "bcast_under_lock", "variant": "default", "mitigation": None}
    # Linux 6.12 and newer sometimes forget when a sleeping thread ran (judge/scene.py): then the time is not known
    assert document["detected_after_s"] is None or document["detected_after_s"] > 0
    assert (finding["ranks"], finding["mechanism"], finding["tier"]) == ("1-3", "fork-orphaned-lock", "proven")
    assert finding["detail"] == {"lock": "python-lock"}
    assert finding["assumptions"] == []
    assert "spawn" in finding["mitigations"]
    assert finding["recovered"] is False
    assert document["unreadable"] == []
    assert document["start_methods"]["fork"] in {"0-3", "1-3"}  # rank 0's child lives for a moment only


def test_culprits_are_the_forked_children_and_nobody_can_wake_them(hung: Done) -> None:
    document = read(hung.folder / "doc")
    (finding,) = document["findings"]
    assert [process["forked"] for process in finding["processes"]] == [True, True, True]
    assert [wait["wakers"] for wait in finding["waits"]] == [[], [], []]
    culprits = {process["pid"] for process in finding["processes"]}
    assert {wait["pid"] for wait in finding["waits"]} == culprits
    assert culprits.isdisjoint(rank["pid"] for rank in document["ranks"])


def test_rank_that_is_done_is_no_part_of_the_hang(hung: Done) -> None:
    first, *others = read(hung.folder / "doc")["ranks"]
    assert first["rank"] == 0
    assert first["state"] in {"waiting", "progressing"}
    assert first["mechanism"] is None
    assert [rank["rank"] for rank in others] == [1, 2, 3]
    assert {(rank["state"], rank["mechanism"]) for rank in others} == {("proven", "fork-orphaned-lock")}


def test_results_folder_has_the_same_document(hung: Done) -> None:
    assert (hung.results / "result.json").read_bytes() == (hung.folder / "doc").read_bytes()


def test_results_folder_has_a_record_a_page_and_what_the_ranks_printed(hung: Done) -> None:
    lines = [json.loads(line) for line in (hung.results / "record.jsonl").read_text().splitlines()]
    assert lines[0]["record"] == "header"
    assert lines[0]["schema"] == "hangprobe.record/1"
    assert {line["record"] for line in lines[1:-1]} == {"look"}
    assert lines[-1] == {"record": "end", "result": read(hung.folder / "doc")}
    assert "fork-orphaned-lock" in (hung.results / "report.md").read_text()
    assert "rank 0 child has settings {" in (hung.results / "rank-0.out").read_text()


def test_results_are_no_programs(hung: Done) -> None:
    assert [path.name for path in hung.results.iterdir() if os.access(path, os.X_OK)] == []


def test_nothing_half_written_is_left(hung: Done) -> None:
    assert list(hung.folder.rglob("*.tmp")) == []
    assert {path.name for path in hung.folder.iterdir()} == {"doc", "hangprobe-results"}


def test_json_to_stdout_is_alone_there(tmp_path: Path) -> None:
    done = hangprobe("run", "self_deadlock", "--ranks", "1", "--grace", "0", "--json", "-", folder=tmp_path)
    assert done.status == 124
    assert faults(json.loads(done.stdout)) == []
    assert done.stdout.count("\n") == 1
    assert "HANG (proven): self_deadlock" in done.stderr


def test_expected_hang_is_a_success_and_quiet_prints_nothing(tmp_path: Path) -> None:
    words = ("run", "bcast_under_lock", "--grace", "0", "--expect", "--quiet")
    done = hangprobe(*words, "--out", "here", folder=tmp_path)
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    assert read(tmp_path / "here" / "result.json")["verdict"] == "hang"


def test_success_that_was_not_expected_is_a_failure(tmp_path: Path) -> None:
    done = hangprobe("run", "bcast_under_lock", "--ranks", "1", "--expect", folder=tmp_path)  # rank 0 never hangs
    assert done.status == 1
    assert "NOT as expected" in done.stdout


def test_program_that_starts_no_ranks_is_no_launcher(tmp_path: Path) -> None:
    done = hangprobe("run", "bcast_under_lock", "--mpiexec", "true", "--json", "doc", folder=tmp_path)
    assert done.status == 125
    assert "0 of 4 ranks seen" in done.stderr
    assert not (tmp_path / "doc").exists()


@pytest.mark.parametrize(
    "words",
    [("self_deadlock", "--repeat", "2"), ("self_deadlock", "self_deadlock")],
    ids=["repeated", "named twice"],
)
def test_the_same_job_twice_gives_two_folders(words: tuple[str, ...], tmp_path: Path) -> None:
    done = hangprobe("run", *words, "--ranks", "1", "--grace", "0", "--json", "docs", folder=tmp_path)
    assert done.status == 124
    lines = sorted((tmp_path / "docs").read_text().splitlines())
    assert len(lines) == 2
    assert sorted(path.read_text().rstrip() for path in done.results.glob("*/result.json")) == lines


def test_mitigation_is_seen_in_the_live_tree_and_cures(tmp_path: Path) -> None:
    # A spawned child lives for a moment only: look often enough to see each.
    words = ("run", "bcast_under_lock", "--mitigate", "spawn", "--interval", "0.05")
    done = hangprobe(*words, "--json", "doc", folder=tmp_path)
    document = read(tmp_path / "doc")
    assert done.status == 0
    assert faults(document) == []
    assert (document["verdict"], document["exit_status"], document["ended_by"]) == ("ok", 0, "itself")
    # Each child lives for a moment only, and on a busy machine one or the other is not seen.
    assert set(document["start_methods"]) == {"spawn"}
    assert document["program"]["mitigation"] == "spawn"
    assert {rank["state"] for rank in document["ranks"]} == {"exited"}
    for rank in range(4):
        assert (done.results / f"rank-{rank}.out").read_text().endswith(f"rank {rank} done\n")


def test_job_that_outlives_its_time_limit_is_unknown(tmp_path: Path) -> None:
    limits = ("--timeout", "2", "--on-hang", "report")
    done = hangprobe("run", "parked_child", "--ranks", "1", *limits, "--json", "doc", folder=tmp_path)
    assert done.status == 4
    assert (read(tmp_path / "doc")["verdict"], read(tmp_path / "doc")["ended_by"]) == ("unknown", "hangprobe")
