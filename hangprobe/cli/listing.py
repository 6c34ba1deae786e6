"""`hangprobe list`: what there is to run, to find and to try."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from hangprobe.ensemble import launchers, workloads
from hangprobe.explain.catalogue import MECHANISMS, MITIGATIONS
from hangprobe.programs import ProgramFile, load


class Kind(StrEnum):
    """What can be listed."""

    REPRODUCERS = "reproducers"
    CONTROLS = "controls"
    MECHANISMS = "mechanisms"
    MITIGATIONS = "mitigations"
    WORKLOADS = "workloads"
    LAUNCHERS = "launchers"


def show(
    kind: Annotated[Kind | None, typer.Argument(help="Only this list.", show_default=False)] = None,
) -> None:
    """List reproducers, controls, mechanisms, mitigations, and the workloads and launchers of compare."""
    programs = load()
    lists = {
        Kind.REPRODUCERS: [row for each in programs.values() if each.kind == "reproducer" for row in _rows(each)],
        Kind.CONTROLS: [row for each in programs.values() if each.kind == "control" for row in _rows(each)],
        Kind.MECHANISMS: [(mechanism.slug, mechanism.title) for mechanism in MECHANISMS.values()],
        Kind.MITIGATIONS: [(mitigation.slug, mitigation.title) for mitigation in MITIGATIONS.values()],
        Kind.WORKLOADS: [row for each in workloads.TABLE.values() for row in _workload(each)],
        Kind.LAUNCHERS: [(each.name, each.says) for each in launchers.TABLE.values()]
        + [(launchers.AS_CONFIGURED, "the launcher of the CONFIG.py that compare was given")],
    }
    wanted = [kind] if kind is not None else list(Kind)
    for number, each in enumerate(wanted):
        if len(wanted) > 1:
            print(f"{chr(10) if number else ''}{each.value}:")
        width = max(len(name) for name, _ in lists[each])
        for name, title in lists[each]:
            print(f"  {name.ljust(width)}  {title}")


def _workload(workload: workloads.Workload) -> list[tuple[str, str]]:
    return [(workload.name, f"{workload.says} ({workload.expect})")]


def _rows(program: ProgramFile) -> list[tuple[str, str]]:
    rows = [(program.name, program.title)]
    names = [variant.name for variant in program.variants]
    if names != ["default"]:
        rows.append(("", f"--variant {' | '.join(names)}"))
    mitigations = list(dict.fromkeys(slug for variant in program.variants for slug in variant.mitigations))
    if mitigations:
        rows.append(("", f"--mitigate {' | '.join(mitigations)}"))
    return rows
