"""A campaign on disk: nothing is repeated, nothing is lost, and there is one runner."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from hangprobe.ensemble import store as stores
from hangprobe.ensemble.records import Outcome
from hangprobe.ensemble.store import check_same, check_versions, opened
from hangprobe.errors.base import RecordUnreadable, UnwritableFolder
from hangprobe.errors.ensembles import CampaignBusy, CampaignDiffers, CampaignExists, CampaignMissing, VersionsDiffer

from .trials import campaign, trial


def test_what_was_begun_and_recorded_is_read_back(tmp_path: Path) -> None:
    plan = campaign()
    with opened(tmp_path / "c", is_new=True) as store:
        store.begin(plan)
        store.prepare(plan.plan[0])
        store.record(trial(plan.plan[0], Outcome.HUNG))
    with opened(tmp_path / "c", is_new=False) as again:
        assert again.campaign() == plan
        assert again.recorded() == {1: trial(plan.plan[0], Outcome.HUNG)}


def test_a_half_made_trial_is_not_on_record_and_its_folder_is_wiped(tmp_path: Path) -> None:
    plan = campaign()
    with opened(tmp_path, is_new=True) as store:
        store.begin(plan)
        (store.prepare(plan.plan[0]) / "marks").mkdir()
        (tmp_path / "trials" / "0001" / ".trial.json.7.tmp").write_text("{")
    with opened(tmp_path, is_new=False) as store:
        assert store.recorded() == {}
        assert list(store.prepare(plan.plan[0]).iterdir()) == []
    assert [each.name for each in (tmp_path / "trials").iterdir()] == ["0001"]


def test_what_a_killed_runner_was_removing_goes_with_the_next(tmp_path: Path) -> None:
    with opened(tmp_path, is_new=True) as store:
        store.begin(campaign())
        assert [each.name for each in tmp_path.iterdir() if each.name != ".lock"] == ["campaign.json"]  # one step
    (tmp_path / "trials" / ".gone-0001-7-9" / "deep").mkdir(parents=True)
    (tmp_path / ".campaign.json.7.tmp").write_text("{")
    with opened(tmp_path, is_new=False):
        assert sorted(each.name for each in tmp_path.iterdir()) == [".lock", "campaign.json", "trials"]
        assert list((tmp_path / "trials").iterdir()) == []


def test_a_trial_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = campaign()

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with opened(tmp_path, is_new=True) as store:
        store.begin(plan)
        store.prepare(plan.plan[0])
        monkeypatch.setattr(stores, "write_whole", full)
        with pytest.raises(UnwritableFolder, match="No space"):
            store.record(trial(plan.plan[0]))
        assert store.recorded() == {}


def test_file_and_folders_are_brought_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        real(descriptor)

    plan = campaign()
    with opened(tmp_path / "c", is_new=True) as store:
        store.begin(plan)
        store.prepare(plan.plan[0])
        monkeypatch.setattr(os, "fsync", note)
        store.record(trial(plan.plan[0]))
    assert synced[0].startswith(".trial.json.")
    assert synced[1:] == ["0001", "trials"]


def test_a_second_runner_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    with opened(tmp_path, is_new=True) as store:
        store.begin(campaign())
        with pytest.raises(CampaignBusy), opened(tmp_path, is_new=False, wait_s=0.0):
            pass
    with opened(tmp_path, is_new=False, wait_s=0.0) as again:
        assert again.has_lock


def test_the_lock_is_waited_for_as_long_as_a_killed_runner_may_need(tmp_path: Path) -> None:
    lock = os.open(tmp_path / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    tries: list[int] = []

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return float(len(tries))

        @staticmethod
        def sleep(seconds: float) -> None:
            tries.append(1)
            if len(tries) == 3:
                os.close(lock)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "time", Clock)
        with opened(tmp_path, is_new=True, wait_s=10.0) as store:
            assert store.has_lock
    assert len(tries) == 3


def test_a_file_system_without_locks_gets_none_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with opened(tmp_path, is_new=True) as store:
        assert not store.has_lock


def test_a_folder_with_anything_in_it_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with opened(tmp_path, is_new=True) as store, pytest.raises(CampaignExists, match="--out DIR") as refusal:
        store.begin(campaign())
    assert "--resume" not in str(refusal.value)
    (tmp_path / "thesis.tex").unlink()
    with opened(tmp_path, is_new=True) as store:
        store.begin(campaign())
        with pytest.raises(CampaignExists, match="--resume"):
            store.begin(campaign())


def test_a_folder_without_a_campaign_cannot_be_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(CampaignMissing), opened(tmp_path / "nothing", is_new=False):
        pass
    assert not (tmp_path / "nothing").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableFolder), opened(tmp_path / "file" / "c", is_new=True):
        pass


def test_a_damaged_record_is_told_and_never_taken_for_a_missing_one(tmp_path: Path) -> None:
    plan = campaign()
    with opened(tmp_path, is_new=True) as store:
        store.begin(plan)
        (store.prepare(plan.plan[0]) / "trial.json").write_text("{")
        with pytest.raises(RecordUnreadable):
            store.recorded()


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (campaign(seed=2), "seed"),
        (campaign(workloads="flock"), "cells"),
        (campaign(blocks=3), "blocks"),
        (campaign().but(settings=campaign().settings.but(stall_after_s=1.0)), "settings"),
    ],
)
def test_another_plan_is_not_gone_on_with(other: object, what: str, tmp_path: Path) -> None:
    with pytest.raises(CampaignDiffers, match=what):
        check_same(campaign(), other, tmp_path)  # type: ignore[arg-type]


def test_the_same_plan_is_gone_on_with_on_other_nodes_and_at_another_time(tmp_path: Path) -> None:
    elsewhere = campaign().environment.but(hosts=("x", "y", "z"))
    check_same(campaign(), campaign().but(environment=elsewhere, started_at="later"), tmp_path)


def test_trials_of_two_versions_are_not_counted_together(tmp_path: Path) -> None:
    with pytest.raises(VersionsDiffer, match="parsl 1, and here is 2"):
        check_versions(campaign(), {"parsl": "2", "kernel": "6"}, tmp_path)
    check_versions(campaign(), {"parsl": "1"}, tmp_path)


def test_the_version_of_what_no_cell_uses_does_not_matter(tmp_path: Path) -> None:
    versions = {"GNU parallel": "not found", "impi": "intel 1", "scipy": "1", "mpich": "hydra 5", "parsl newest": "7"}
    begun = campaign(launchers="mpiexec").but(environment=campaign().environment.but(versions=versions))
    for name in ("GNU parallel", "impi", "scipy", "parsl newest"):
        check_versions(begun, {**versions, name: "other"}, tmp_path)
    for cells, name in ((begun.cells, "mpich"), (campaign(launchers="gnu-parallel").cells, "GNU parallel")):
        with pytest.raises(VersionsDiffer, match=name):
            check_versions(begun.but(cells=cells), {**versions, name: "other"}, tmp_path)
