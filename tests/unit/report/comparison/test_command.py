"""`hangprobe report` tells a campaign anew from its record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from hangprobe.cli.main import run
from hangprobe.ensemble.reading import write_trials
from hangprobe.report.comparison.build import compare
from hangprobe.report.comparison.values import Comparison

from .campaigns import Kept, ends_nowhere, flagship, sure_early

CAMPAIGN, TRIALS = flagship(3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "campaign.json").write_bytes(msgspec.json.encode(CAMPAIGN))
    write_trials(tmp_path, TRIALS)
    return tmp_path


def told(*words: str) -> int | str | None:
    with pytest.raises(SystemExit) as left:
        run(["report", *words])
    return left.value.code


def test_page_stands_beside_the_record_unless_asked_otherwise(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(str(folder)) == 0
    assert capsys.readouterr().out == f"report: {folder}/report.html\n"
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("form", ["markdown", "json", "junit"])
def test_other_formats_go_where_they_are_asked_to(
    folder: Path, form: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert told(str(folder / "trials.jsonl"), "--format", form, "--out", "-") == 0
    out = capfdbinary.readouterr().out
    if form == "json":
        assert msgspec.json.decode(out, type=Comparison).trials == len(TRIALS)
    elif form == "junit":
        assert ElementTree.fromstring(out).tag == "testsuites"
    else:
        assert out.startswith(b"# launchers: the launchers compared\n")


def test_folder_without_a_campaign_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(str(tmp_path)) == 1
    assert "there is no" in capsys.readouterr().err


def test_place_that_cannot_be_written_is_named_with_the_option(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(str(folder), "--out", f"{folder}/nowhere/x.html") == 1
    assert "--out FILE" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["html", "markdown", "junit", "json"])
@pytest.mark.parametrize("made", [flagship, sure_early, ends_nowhere])
def test_plan_and_trials_are_all_that_a_report_needs(tmp_path: Path, form: str, made: Callable[[], Kept]) -> None:
    """A published campaign has no folder of trials."""
    campaign, trials = made()
    (tmp_path / "campaign.json").write_bytes(msgspec.json.encode(campaign))
    write_trials(tmp_path, trials)
    record = (tmp_path / "trials.jsonl").read_bytes()
    assert told(str(tmp_path), "--format", form) == 0
    (report,) = [each for each in tmp_path.iterdir() if each.name not in {"campaign.json", "trials.jsonl"}]
    assert report.stat().st_size > 0
    if form == "json":
        assert msgspec.json.decode(report.read_bytes(), type=Comparison) == compare(campaign, trials)
    assert (tmp_path / "trials.jsonl").read_bytes() == record
