"""A campaign is read back as it was written, and what cannot be read says so."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hangprobe.ensemble.reading import read, write_trials
from hangprobe.errors.base import RecordUnreadable
from tests.unit.report.comparison.campaigns import flagship

CAMPAIGN, TRIALS = flagship(2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "campaign.json").write_bytes(msgspec.json.encode(CAMPAIGN))
    for each in TRIALS:
        place = tmp_path / "trials" / f"{each.number:04}"
        place.mkdir(parents=True)
        (place / "trial.json").write_bytes(msgspec.json.encode(each))
    return tmp_path


def test_folder_is_read_in_order_of_number(folder: Path) -> None:
    kept = read(folder)
    assert (kept.folder, kept.campaign, kept.trials) == (folder, CAMPAIGN, TRIALS)


def test_published_campaign_has_no_folder_of_trials(tmp_path: Path) -> None:
    (tmp_path / "campaign.json").write_bytes(msgspec.json.encode(CAMPAIGN))
    write_trials(tmp_path, TRIALS)
    assert read(tmp_path).trials == read(tmp_path / "trials.jsonl").trials == TRIALS


def test_trials_of_a_folder_count_more_than_an_older_collection(folder: Path) -> None:
    write_trials(folder, TRIALS[:3])
    assert read(folder).trials == TRIALS
    assert read(folder / "trials.jsonl").trials == TRIALS[:3]


def test_half_made_trial_is_not_there(folder: Path) -> None:
    (folder / "trials" / "0001" / "trial.json").rename(folder / "trials" / "0001" / ".trial.json.7.tmp")
    assert [each.number for each in read(folder).trials] == [each.number for each in TRIALS[1:]]


def test_campaign_without_trials_is_one(tmp_path: Path) -> None:
    (tmp_path / "campaign.json").write_bytes(msgspec.json.encode(CAMPAIGN))
    assert read(tmp_path).trials == ()


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("campaign.json", b"{", "campaign.json"),
        ("campaign.json", msgspec.json.encode(CAMPAIGN.but(schema="hangprobe.campaign/9")), "hangprobe.campaign/9"),
        ("trials/0001/trial.json", b"\xff", "trial.json"),
        ("trials/0001/trial.json", msgspec.json.encode(TRIALS[1]), "is there twice"),
        ("trials/0001/trial.json", msgspec.json.encode(TRIALS[0].but(schema="x")), "schema x"),
    ],
)
def test_damage_is_named_with_its_file(folder: Path, name: str, text: bytes, says: str) -> None:
    (folder / name).write_bytes(text)
    with pytest.raises(RecordUnreadable, match=says):
        read(folder)


@pytest.mark.parametrize("name", ["", "nothing.txt"])
def test_what_is_no_campaign_is_refused_with_a_remedy(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordUnreadable) as refused:
        read(tmp_path / name)
    assert refused.value.remedy
