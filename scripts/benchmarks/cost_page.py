"""The page and the numbers of `cost`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from hangprobe.policy import Policy
from scripts.benchmarks.cost_prices import WATCH_S, Spread, Timed, Watched
from scripts.benchmarks.machine import describe, section


def write(options: argparse.Namespace, found: dict[str, Any]) -> None:
    """Write numbers and page, and print the page."""
    text = page(options, found)
    options.out.mkdir(parents=True, exist_ok=True)
    document = {"processes": options.processes, "threads": options.threads, "running": options.running}
    document["rank_threads"] = options.rank_threads
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
            f"`{command} --rank-threads {options.rank_threads} --running {options.running:g}",
            f"--repeats {options.repeats}`:",
            f"healthy jobs of {options.processes} processes with {options.threads} threads each, which wait in pipes,",
            "locks and sleeps. Median (least to greatest); aims are those of the design.",
            "",
            *_steady_rows(found, options.running),
            "",
            *_collect_rows(found["collects"], options.processes),
            "",
            *_watching_rows(found["watching"], options.running),
            "",
            *section(),
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


def _watching_rows(watching: dict[str, Watched], running: float) -> list[str]:
    policy, known = Policy(), watching["default"]
    names = {
        "default": "as it is",
        "often": f"every {policy.interval_s:g} s whatever it costs",
        "every thread": "the same, each thread read at each sample",
    }
    rows = [
        "## The whole watchdog",
        "",
        f"{known.ranks} ranks, {known.threads} threads, {running:.0%} of the ranks run between samples; {WATCH_S:g} s",
        f"windows by turns, {known.collects} double collects in all; verdict {known.verdict}.",
        "",
        "| samples | % of one core | interval, s | ms of CPU a sample |",
        "|---|---|---|---|",
    ]
    for name, title in names.items():
        each = watching[name]
        cost = Spread(tuple(s * i for s, i in zip(each.shares, each.intervals, strict=True)))
        share, interval = _scaled(each.share, 100).text(), each.interval_s.text()
        rows.append(f"| {title} | {share} | {interval} | {_scaled(cost, 1000).text()} |")
    ratio = watching["every thread"].share.median / watching["often"].share.median
    interval_s = known.interval_s.median
    return [
        *rows,
        "",
        f"Reading each thread takes {ratio:.1f} times as much. Aim: {100 * policy.sample_share:g} % of one core, to",
        "which the interval is stretched. A thread counts as blocked at the second sample after it has blocked:",
        f"that takes {interval_s:.2f} to {2 * interval_s:.2f} s here, and {policy.interval_s:g} to",
        f"{2 * policy.interval_s:g} s where samples are cheap. A double collect comes on top.",
        f"The first {WATCH_S:g} s, in which every process is met: {known.start_cpu_s:.2g} s of CPU.",
    ]


def _scaled(spread: Spread, factor: float) -> Spread:
    return Spread(tuple(factor * value for value in spread.values))
