"""A comparison as JUnit XML, for CI systems: a suite for each launcher, a case for each cell.

A cell fails if any of its trials hung; a control that must hang fails if any of them did not. What ended otherwise is
an error, in the launcher's words; a cell without a started trial is skipped. Trials are listed in `system-out`.
Elements and attributes are those of Jenkins' junit-10.xsd, which pytest writes too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from hangprobe.ensemble.records import Outcome, Trial
from hangprobe.report.comparison.cells import beside, otherwise, told
from hangprobe.report.comparison.names import subject
from hangprobe.report.comparison.values import CellResult, Comparison

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def junit(comparison: Comparison, trials: Sequence[Trial]) -> bytes:
    """Return the XML document."""
    root = ElementTree.Element("testsuites", name=_text(comparison.name))
    for launcher in dict.fromkeys(each.cell.launcher for each in comparison.cells):
        cells = [each for each in comparison.cells if each.cell.launcher == launcher]
        _suite(root, launcher, comparison, cells, trials)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _suite(
    root: ElementTree.Element,
    launcher: str,
    comparison: Comparison,
    cells: Sequence[CellResult],
    trials: Sequence[Trial],
) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=_text(launcher), timestamp=comparison.started_at[:19])
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("seed", str(comparison.seed)), *sorted(comparison.environment.versions.items())):
        ElementTree.SubElement(properties, "property", name=_text(name), value=_text(value))
    seconds = 0.0
    counts = dict.fromkeys(("failure", "error", "skipped"), 0)
    for each in cells:
        own = [trial for trial in trials if trial.cell == each.cell]
        took_s = sum(trial.duration_s for trial in own)
        seconds += took_s
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=_text(f"hangprobe.compare.{launcher}"),
            name=_text(subject(each.cell, [cell.cell for cell in comparison.cells])),
            time=f"{took_s:.3f}",
        )
        kind = _judge(case, each, own)
        if kind is not None:
            counts[kind] += 1
        ElementTree.SubElement(case, "system-out").text = _text("\n".join(map(_line, own)))
    suite.attrib.update(
        tests=str(len(cells)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
        time=f"{seconds:.3f}",
    )


def _judge(case: ElementTree.Element, result: CellResult, own: Sequence[Trial]) -> str | None:
    """Add what is wrong with a cell; return which element that is, None if nothing is."""
    rate = result.rate
    must_hang = result.control == "must-hang"
    if not rate.started:
        return _add(case, "skipped", told(result), own)
    if must_hang and rate.hung + otherwise(result) < rate.started:
        return _add(case, "failure", f"a control that must hang did not: {told(result)}", own)
    if rate.hung and not must_hang:
        causes = ", ".join(f"{each.mechanism} ({each.tier})" for each in result.mechanisms)
        return _add(case, "failure", f"{told(result)}; {result.says}{f'; {causes}' if causes else ''}", own)
    if otherwise(result):
        return _add(case, "error", ", ".join(beside(result)), own)
    return None


def _add(case: ElementTree.Element, kind: str, message: str, own: Sequence[Trial]) -> str:
    element = ElementTree.SubElement(case, kind, message=_text(message))
    if kind != "skipped":
        element.attrib["type"] = "hung" if kind == "failure" else "outcome"
        bad = [each for each in own if each.outcome not in {Outcome.COMPLETED, Outcome.INFRASTRUCTURE}]
        first = next((each for each in bad if each.findings), bad[0] if bad else None)
        words = [*(each.says for each in first.findings), first.why, *first.words] if first is not None else []
        element.text = _text("\n".join(words))
    return kind


def _line(trial: Trial) -> str:
    return f"trial {trial.number} (block {trial.block}): {trial.outcome.value}: {trial.why}"


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
