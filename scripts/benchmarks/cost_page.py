"""The page and the numbers of `cost`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from hangprobe.policy import Policy
from scripts.benchmarks.cost_prices import WATCH_S, Spread, Timed
from scripts.benchmarks.machine import as_table, describe


def write(options: argparse.Namespace, found: dict[str, Any]) -> None:
    """Write numbers and page, and print the page."""
    text = page(options, found)
    options.out.mkdir(parents=True, exist_ok=True)
    document = {"processes": options.processes, "threads": options.threads, "running": options.running}
    document |= {"machine": describe(), "measured": found}
    (options.out / "results.json").write_text(json.dumps(document, indent=1, default=_plain) + "\n")
    (options.out / "README.md").write_text(text)
    print(text)


def _plain(value: object) -> object:
    if isinstance(value, Spread):
        return value.values
    return {name: getattr(value, name) for name in value.__slots__}  # type: ignore[attr-defined]


def page(options: argparse.Namespace, found: dict[str, Any]) -> str:
    """Return all prices as Markdown."""
    command = f"scripts/bench cost --processes {options.processes} --threads {options.threads}"
    return "\n".join(
        [
            "# Cost",
            "",
            f"`{command} --running {options.running:g} --repeats {options.repeats}`: healthy jobs of",
            f"{options.processes} processes with {options.threads} threads each, which wait in pipes, locks and",
            "sleeps. Median (least to greatest); aims are those of the design.",
            "",
            *_steady_rows(found, options.running),
            "",
            *_collect_rows(found["collects"], options.processes),
            "",
            *_watching_rows(found["watching"]),
            "",
            "## Machine",
            "",
            as_table(describe()),
            "",
        ]
    )


def _steady_rows(found: dict[str, Any], running: float) -> list[str]:
    rows = [
        "## One sample of one thread, in the steady state",
        "",
        "| job | threads that ran since | hangprobe, us of CPU | psutil oneshot, us of CPU | ratio |",
        "|---|---|---|---|---|",
    ]
    for name, job in (("all asleep", found["asleep"]), (f"{running:.0%} of the processes run", found["running"])):
        own, other = (_scaled(each.cpu_s, 1e6 / job.threads).text() for each in (job.sampler, job.psutil))
        rows.append(f"| {name} | {job.ran.median:g} of {job.threads} | {own} | {other} | {job.ratio:.1f} |")
    return [*rows, "", "Aims: at most 5 us a thread; psutil needs at least 7 times as much."]


def _collect_rows(timings: dict[str, Timed], processes: int) -> list[str]:
    names = {"double": "double collect, its pause included", "single": "one collect", "psutil": "psutil oneshot, once"}
    rows = [
        f"## A full look at {processes} processes",
        "",
        "| | wall, ms | CPU, ms | CPU beside psutil |",
        "|---|---|---|---|",
    ]
    for name, title in names.items():
        wall, cpu = (_scaled(each, 1000).text() for each in (timings[name].wall_s, timings[name].cpu_s))
        ratio = timings[name].cpu_s.median / timings["psutil"].cpu_s.median
        rows.append(f"| {title} | {wall} | {cpu} | {ratio:.2f} |")
    return [*rows, "", "Aim: one snapshot of 1,000 processes with 4 threads each in less than 300 ms."]


def _watching_rows(watching: dict[str, Any]) -> list[str]:
    share: Spread = _scaled(watching["share"], 100)
    return [
        "## The whole watchdog",
        "",
        f"At the default interval ({Policy().interval_s:g} s): {share.text()} % of one core,",
        f"in windows of {WATCH_S:g} s with {watching['collects'].median:g} double collects each;",
        f"verdict {watching['verdict']}.",
        f"The first {WATCH_S:g} s, in which every process is met: {watching['start_cpu_s']:.2g} s of CPU,",
        f"{watching['start_collects']} double collects included.",
    ]


def _scaled(spread: Spread, factor: float) -> Spread:
    return Spread(tuple(factor * value for value in spread.values))
