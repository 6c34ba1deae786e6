"""What is known to hang is called hung, what is known to be healthy never is: by the manifest, in one command each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .document import faults
from .harness import Document, hangprobe, read

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

HUNG = ("thread_lock", "native_mutex", "self_deadlock")
HEALTHY = ("parked_child", "timer_terminates", "subprocess_daemon")


def test_every_variant_hangs_as_the_manifest_says(tmp_path: Path) -> None:
    done = hangprobe("run", *HUNG, "--all", "--expect", "--grace", "0.5", "--json", "docs", folder=tmp_path)
    documents = [json.loads(line) for line in (tmp_path / "docs").read_text().splitlines()]
    assert done.stdout.count("\nas expected\n") == len(documents) == 9
    assert done.status == 0
    assert [fault for document in documents for fault in faults(document)] == []
    assert {(document["verdict"], document["tier"]) for document in documents} == {("hang", "proven")}
    assert {document["ended_by"] for document in documents} == {"hangprobe"}
    in_folders = [read(path) for path in done.results.glob("*/result.json")]
    assert sorted(in_folders, key=started) == sorted(documents, key=started)


def started(document: Document) -> str:
    return str(document["started_at"])


def test_healthy_programs_are_left_alone_by_the_harshest_policy(tmp_path: Path) -> None:
    harsh = ("--interval", "0.1", "--grace", "0")
    done = hangprobe("run", *HEALTHY, "--expect", *harsh, "--json", "docs", folder=tmp_path)
    documents = [json.loads(line) for line in (tmp_path / "docs").read_text().splitlines()]
    assert [document["program"]["name"] for document in documents] == list(HEALTHY)
    assert {(d["verdict"], d["ended_by"], d["exit_status"]) for d in documents} == {("ok", "itself", 0)}
    assert {finding["tier"] for document in documents for finding in document["findings"]} <= {"blocked"}
    assert min(document["watched"]["double_collects"] for document in documents) > 0  # each was under suspicion
    assert done.status == 0
