"""Read a campaign back from its folder, or from `trials.jsonl` with `campaign.json` beside it.

Reports rest on this alone: they can be made on a laptop, months later, without Parsl and without MPI.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hangprobe.ensemble.records import CAMPAIGN, TRIAL, Campaign, Trial
from hangprobe.errors.base import RecordUnreadable
from hangprobe.record import write_whole

PLAN, TRIALS = "campaign.json", "trials.jsonl"
ONE_TRIAL = "trials/*/trial.json"


class Kept(msgspec.Struct, frozen=True):
    """A campaign with all of its trials that have ended, in order of number."""

    folder: Path
    campaign: Campaign
    trials: tuple[Trial, ...]


def read(path: Path) -> Kept:
    """Return what is kept in a campaign's folder, or beside its `trials.jsonl`. Raises RecordUnreadable.

    In a folder the trials' own files count, for `trials.jsonl` is older while a campaign runs; without any of them (a
    published campaign) `trials.jsonl` does.
    """
    folder = path if path.is_dir() else path.parent
    if not path.is_dir() and path.name not in {PLAN, TRIALS}:
        raise RecordUnreadable(f"{path} is no campaign", f"name its folder, or the {TRIALS} in it")
    campaign = _campaign(folder / PLAN)
    files = sorted(folder.glob(ONE_TRIAL)) if path.name != TRIALS or path.is_dir() else []
    trials = [_trial(_bytes(each), str(each)) for each in files] if files else _lines(folder / TRIALS)
    trials.sort(key=lambda each: each.number)
    numbers = [each.number for each in trials]
    if len(set(numbers)) != len(numbers):
        twice = next(number for number in numbers if numbers.count(number) > 1)
        raise RecordUnreadable(f"{folder}: trial {twice} is there twice", "the files of two campaigns were mixed")
    return Kept(folder, campaign, tuple(trials))


def write_trials(folder: Path, trials: tuple[Trial, ...]) -> None:
    """Write `trials.jsonl`, whole or not at all."""
    write_whole(folder / TRIALS, b"".join(msgspec.json.encode(each) + b"\n" for each in trials))


def _campaign(file: Path) -> Campaign:
    try:
        campaign = msgspec.json.decode(_bytes(file), type=Campaign)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordUnreadable(f"{file}: {error}", "it was written by another version, or is damaged") from None
    _check(campaign.schema, CAMPAIGN, str(file))
    return campaign


def _lines(file: Path) -> list[Trial]:
    if not file.exists():
        return []
    lines = enumerate(_bytes(file).split(b"\n"), 1)
    return [_trial(line, f"{file}, line {number}") for number, line in lines if line.strip()]


def _trial(data: bytes, where: str) -> Trial:
    try:
        trial = msgspec.json.decode(data, type=Trial)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordUnreadable(f"{where}: {error}", "it was written by another version, or is damaged") from None
    _check(trial.schema, TRIAL, where)
    return trial


def _check(schema: str, known: str, where: str) -> None:
    if schema != known:
        raise RecordUnreadable(f"{where} has schema {schema}", f"this hangprobe reads {known}")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        remedy = "name the folder that `hangprobe compare --out DIR` has written"
        raise RecordUnreadable(f"there is no {file}", remedy) from None
    except OSError as error:
        raise RecordUnreadable(f"cannot read {file}: {error.strerror}", "it must be readable by you") from None
