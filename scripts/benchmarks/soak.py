"""`scripts/bench soak`: healthy programs under watch for a long time; a false alarm is the only thing that counts.

Controls, the standard library's tests and a zoo of pipelines run in random order, half of them judged at every sample
(ten double collects a second), half of them with the defaults, as in production. A false alarm is a verdict `hang`, a
job ended for a hang, or a finding of tier `proven` or `leak` that is not a `dead-helper`, recovered ones included. All
that is known of an alarm is kept in the out folder. The same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.benchmarks.machine import section
from scripts.benchmarks.soak_cases import Case, cases

POLL_S = 0.1
ENDING_S = 40.0
"""For a job that is asked to end: TERM_S and END_LIMIT_S of its session, twice."""

FAILURES = 5
"""Jobs in a row without a result: hangprobe itself is broken, and no time would ever be watched."""

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--minutes", type=float, default=30, help="to watch, summed over jobs on file (default 30)")
    parser.add_argument("--jobs", type=int, default=2, help="at a time (default 2)")
    parser.add_argument("--seed", type=int, default=None, help="of the order; recorded (default: another each time)")
    parser.add_argument("--only", default="", help="jobs whose kind/name contains this")
    parser.add_argument("--out", type=Path, default=Path("results/local/soak"), help="folder; runs in it are kept")


@dataclass(slots=True)
class Job:
    """A job that runs."""

    case: Case
    is_always: bool
    number: int
    folder: Path
    process: subprocess.Popen[bytes]


class Soak:
    """The rows so far, and the jobs that run."""

    def __init__(self, out: Path, choices: list[Case], seed: int) -> None:
        self.path = out / "runs.jsonl"
        self.alarms = out / "alarms"
        self.choices = choices
        self.seed = seed
        self.random = random.Random(seed)
        self.rows: list[Row] = [json.loads(line) for line in _lines(self.path)]
        self.running: list[Job] = []
        self.started = len(self.rows)
        self.failures = 0

    @property
    def watched_s(self) -> float:
        """For how long jobs have been watched, all together."""
        return watched_s(self.rows)

    def start(self) -> None:
        """Start a job: any kind, of it one of those that ran least, in the mode that it had less often."""
        kind = self.random.choice(sorted({case.kind for case in self.choices}))
        ran = Counter((row["kind"], row["name"], row["always"]) for row in self.rows)
        ran.update((job.case.kind, job.case.name, job.is_always) for job in self.running)
        least = [(sum(ran[case.kind, case.name, mode] for mode in (False, True)), case) for case in self.choices]
        fewest = min(count for count, case in least if case.kind == kind)
        case = self.random.choice([case for count, case in least if case.kind == kind and count == fewest])
        lead = ran[case.kind, case.name, True] - ran[case.kind, case.name, False]
        is_always = self.random.random() < 0.5 if lead == 0 else lead < 0
        self.started += 1
        folder = Path(tempfile.mkdtemp(prefix="hangprobe-"))
        (folder / "case.json").write_text(json.dumps({**asdict(case), "always": is_always}))
        # A session of its own: Ctrl-C comes to this process alone, which then asks each job to end.
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.benchmarks.soak_job", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "job.err").open("wb"),
            start_new_session=True,
        )
        self.running.append(Job(case, is_always, self.started, folder, process))

    def collect(self) -> list[Row]:
        """Take in the jobs that have ended."""
        ended = [job for job in self.running if job.process.poll() is not None]
        rows = []
        for job in ended:
            self.running.remove(job)
            rows.append(self._take(job))
            shutil.rmtree(job.folder, ignore_errors=True)
        return rows

    def _take(self, job: Job) -> Row:
        path = job.folder / "row.json"
        about: Row = {"number": job.number, "seed": self.seed}
        if path.exists():
            row: Row = about | json.loads(path.read_text())
            self.failures = 0
        else:
            said = (job.folder / "job.err").read_text(errors="replace").strip()[-2000:]
            row = about | {"kind": job.case.kind, "name": job.case.name, "always": job.is_always, "duration_s": 0.0}
            row |= {"verdict": "error", "double_collects": 0, "alarm": False, "error": said}
            self.failures += 1
        if row["alarm"]:
            kept = self.alarms / f"{job.number:05d}-{job.case.kind}-{job.case.name.replace(':', '-')}"
            shutil.copytree(job.folder, kept, symlinks=True, ignore=shutil.ignore_patterns("work"), dirs_exist_ok=True)
            result = json.loads((kept / "result.json").read_text())
            (kept / "findings.json").write_text(json.dumps(result["findings"], indent=1) + "\n")
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        return row

    def end(self) -> None:
        """End every job that still runs, and wait until nothing of it is left."""
        for job in self.running:
            job.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + ENDING_S
        for job in self.running:
            try:
                job.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                job.process.kill()  # its guardian ends the job
                job.process.wait()
            shutil.rmtree(job.folder, ignore_errors=True)
        self.running.clear()


def main(options: argparse.Namespace) -> int:
    """Watch for the time asked, print a page, and return 0 if there was no false alarm."""
    choices = [case for case in cases() if options.only in f"{case.kind}/{case.name}"]
    if not choices:
        print(f"soak: no job is called {options.only}", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    soak = Soak(options.out, choices, random.randrange(1 << 32) if options.seed is None else options.seed)
    began_s = soak.watched_s
    print(f"{len(soak.rows)} jobs are on file, {began_s / 60:.1f} minutes of watching", file=sys.stderr)
    is_interrupted = False
    try:
        run(soak, 60 * options.minutes, max(1, options.jobs))
    except KeyboardInterrupt:
        is_interrupted = True
        print("interrupted: the same command goes on from here", file=sys.stderr)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        soak.end()
    text = page(soak.rows, options)
    (options.out / "README.md").write_text(text)
    print(text)
    if is_interrupted:
        return 130
    return 1 if any(row["alarm"] or row["verdict"] == "error" for row in soak.rows) else 0


def run(soak: Soak, wanted_s: float, jobs: int) -> None:
    """Keep `jobs` running until enough has been watched; those that run then are waited for."""
    while True:
        while len(soak.running) < jobs and soak.watched_s < wanted_s and soak.failures < FAILURES:
            soak.start()
        if not soak.running:
            return
        time.sleep(POLL_S)
        for row in soak.collect():
            found = "FALSE ALARM" if row["alarm"] else row.get("error", "")[-100:] or row["verdict"]
            print(
                f"[{soak.watched_s / 60:.1f} of {wanted_s / 60:g} min] {row['kind']}/{row['name']}: {found}, "
                f"{row['double_collects']} double collects in {row['duration_s']:.1f} s",
                file=sys.stderr,
                flush=True,
            )


def watched_s(rows: Iterable[Row]) -> float:
    """Return for how long jobs were watched, all together."""
    return sum(float(row["duration_s"]) for row in rows)


def page(rows: list[Row], options: argparse.Namespace) -> str:
    """Return the tables as Markdown."""
    table = [
        "| kind | different ones | jobs | hours | double collects | ended by themselves | false alarms |",
        "|---|---|---|---|---|---|---|",
    ]
    table += [
        _line(kind, [row for row in rows if row["kind"] == kind]) for kind in sorted({row["kind"] for row in rows})
    ]
    modes = ["| policy | jobs | hours | double collects | false alarms |", "|---|---|---|---|---|"]
    for title, mode in (("every sample judged, ten a second", True), ("default", False)):
        mine = [row for row in rows if row["always"] is mode]
        modes.append(f"| {title} | {len(mine)} | {_hours(mine)} | {_collects(mine)} | {_alarms(mine)} |")
    only = f" --only {options.only}" if options.only else ""
    return "\n".join(
        [
            "# Soak",
            "",
            f"`scripts/bench soak --minutes {options.minutes:g} --jobs {options.jobs}{only}`: {_hours(rows)} hours of",
            f"healthy programs under watch, {len(rows)} jobs, {_collects(rows)} double collects,",
            f"{_alarms(rows)} false alarms.",
            "",
            *table,
            _line("**all**", rows),
            "",
            *modes,
            "",
            "Verdicts: " + ", ".join(f"{word} {count}" for word, count in _verdicts(rows)) + ".",
            "`failed`: the program ended with another status than 0, as some tests do on a busy machine.",
            *_notable(rows),
            "",
            *section(),
        ]
    )


def _line(title: str, rows: list[Row]) -> str:
    names = len({(row["kind"], row["name"]) for row in rows})
    alone = sum(row.get("ended_by") == "itself" for row in rows)
    return f"| {title} | {names} | {len(rows)} | {_hours(rows)} | {_collects(rows)} | {alone} | {_alarms(rows)} |"


def _notable(rows: list[Row]) -> list[str]:
    """List what somebody should look at: alarms, and jobs that did not end by themselves."""
    odd = [row for row in rows if row["alarm"] or row["verdict"] in {"error", "unknown", "stall", "hang"}]
    if not odd:
        return []
    lines = ["", "## To look at", "", "| job | kind | name | verdict | findings |", "|---|---|---|---|---|"]
    for row in odd:
        found = ", ".join(" ".join(map(str, finding[:2])) for finding in row.get("findings", []))
        word = f"{row['verdict']}, FALSE ALARM" if row["alarm"] else row["verdict"]
        lines.append(f"| {row['number']} | {row['kind']} | {row['name']} | {word} | {found} |")
    return lines


def _verdicts(rows: list[Row]) -> list[tuple[str, int]]:
    return Counter(row["verdict"] for row in rows).most_common()


def _hours(rows: list[Row]) -> str:
    return f"{watched_s(rows) / 3600:.2f}"


def _collects(rows: list[Row]) -> int:
    return sum(row["double_collects"] for row in rows)


def _alarms(rows: list[Row]) -> int:
    return sum(row["alarm"] for row in rows)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
