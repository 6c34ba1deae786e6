"""What may run out is told before a job starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hangprobe.doctor.checks import limits
from hangprobe.doctor.checkup import State
from hangprobe.doctor.gather.limits import limits_facts

from .machines import LIMITS


def test_much_of_everything_is_well() -> None:
    assert {judge(LIMITS).state for judge in limits.CHECKS} == {State.OK}


def test_few_descriptors_a_full_disk_and_a_containers_shared_memory_are_limits() -> None:
    facts = replace(LIMITS, open_files=(256, 1024), free_bytes=1 << 20, shared_memory_bytes=64 << 20)
    assert {judge(facts).state for judge in limits.CHECKS} == {State.LIMITED}


def test_no_limit_is_no_limit() -> None:
    assert limits.open_files(replace(LIMITS, open_files=(1024, -1))).says == "no limit"


def test_an_unwritable_folder_and_no_shared_memory_are_lacks() -> None:
    facts = replace(LIMITS, folder_failure="not permitted", shared_memory_bytes=None)
    assert limits.results_folder(facts).state is State.MISSING
    assert limits.shared_memory(facts).state is State.MISSING


def test_a_results_folder_need_not_exist_yet(tmp_path: Path) -> None:
    facts = limits_facts(tmp_path / "not" / "there", tmp_path / "no-shm")
    assert (facts.folder_failure, facts.shared_memory_bytes) == ("", None)
    assert facts.free_bytes > 0
