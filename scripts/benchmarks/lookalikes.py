"""`scripts/bench lookalikes`: healthy programs that look hung, each of which fooled a prototype or could fool one.

Every case runs in several modes. Under the watchdog (`--by watch`): a double collect at every sample, and as in
production; in both it would be ended at once. Unwatched (`--by attach`): attached to in every way, again and again,
with and without patience, and as if it had been idle for longer than the window. A run passes if it was never called
hung, not even for a moment, ended by itself with status 0, and was looked at often enough while it really was in the
state that it claims. What cannot exist on this machine is reported as that.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.benchmarks.lookalikes_attach import Patience
from scripts.benchmarks.lookalikes_cases import CASES, PROGRAMS, Case, Place, ordinary_python, with_packages
from scripts.benchmarks.lookalikes_one import CALLED_HUNG, CANNOT_EXIST, TOO_FEW, Mode
from scripts.benchmarks.machine import section

ROOT = Path(__file__).parents[2]
LIMIT_S = 150.0
"""For one run: probe() ends the job after 90 s, and needs up to 20 s for that."""
ENDING_S = 30.0
"""For a probe() that is asked to stop, until it and its job are gone."""
ATTEMPTS = 3
"""Of a run that was looked at too seldom to count."""
PASSED = {
    "watch": (
        "Passed: never called hung, ended by itself with status 0; in the mode `every sample` it was collected",
        "twice at least ten times while it looked hung, and a thread was seen in the kernel function it claims.",
    ),
    "attach": (
        "Passed: never called hung, whether the program was asked about, each process of it, or everything that runs;",
        "ended by itself with status 0, was looked at within its look-alike state, and a thread was seen in the kernel",
        "function it claims.",
    ),
}
CFLAGS = ("-O1", "-pthread", "-Wall", "-Wextra")

Row = dict[str, Any]
Modes = type[Mode] | type[Patience]
MODES: dict[str, Modes] = {"watch": Mode, "attach": Patience}
MODULES = {Mode: "scripts.benchmarks.lookalikes_one", Patience: "scripts.benchmarks.lookalikes_attach"}


class CompilerMissing(Exception):
    """No C compiler; the message names the Debian packages."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--by", choices=sorted(MODES), default="watch", help="who looks at them (default watch)")
    parser.add_argument("--runs", type=int, default=1, help="of each case in each mode (default 1)")
    parser.add_argument("--jobs", type=int, default=4, help="at the same time (default 4)")
    parser.add_argument("--only", default="", help="cases whose name matches this regular expression")
    parser.add_argument(
        "--out", type=Path, default=Path("results/local/lookalikes"), help="folder; runs in it are kept"
    )


def main(options: argparse.Namespace) -> int:
    """Run what is missing, print the table, and return 0 if every run passed (known limits are shown, not counted)."""
    options.out.mkdir(parents=True, exist_ok=True)
    path: Path = options.out / "runs.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(row["case"], row["mode"], row["run"], row["uid"]) for row in rows}
    todo = [
        (case, mode, run)
        for run in range(1, options.runs + 1)
        for case in sorted(CASES, key=lambda case: -case.seconds)
        for mode in MODES[options.by]
        if re.search(options.only, case.name) and (case.name, mode.value, run, os.geteuid()) not in done
    ]
    print(f"{len(rows)} runs are on file, {len(todo)} to do, as uid {os.geteuid()}", file=sys.stderr)
    try:
        with compiled() as binaries, path.open("a") as file:
            for row in run_all(todo, binaries, options.jobs, options.out):
                rows.append(row)
                file.write(json.dumps(row) + "\n")
                file.flush()
                print(f"[{len(rows)}] {row['case']}, {row['mode']}: {outcome(row)}", file=sys.stderr, flush=True)
    except CompilerMissing as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here", file=sys.stderr)
        return 130
    text = page(rows, options.by)
    (options.out / "README.md").write_text(text)
    print(text)
    return 0 if rows and all(not row["wrong"] or row["limit"] for row in rows) else 1


def outcome(row: Row) -> str:
    """Return what became of a run, in a few words."""
    if row["cannot"]:
        return f"cannot exist here: {row['cannot']}"
    if row["limit"]:
        return f"known limit ({row['limit']}): {row['wrong']}"
    return row["wrong"] or "passed"


@contextmanager
def compiled() -> Iterator[Path]:
    """Yield a temporary folder with every C program compiled. Raises CompilerMissing."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    with tempfile.TemporaryDirectory(prefix="hangprobe-lookalikes-") as name:
        Path(name).chmod(0o755)  # some cases run as another user
        for source in sorted(PROGRAMS.glob("*.c")):
            if compiler is None:
                raise CompilerMissing("no C compiler (cc): on Debian, install the packages gcc and libc6-dev")
            command = [compiler, *CFLAGS, "-o", str(Path(name) / source.stem), str(source)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            if done.returncode:
                hint = (
                    " (the headers are in Debian's libc6-dev and linux-libc-dev)"
                    if "No such file" in done.stderr
                    else ""
                )
                raise CompilerMissing(f"{source.name} does not compile{hint}:\n{done.stderr}")
        yield Path(name)


def run_all(
    todo: Sequence[tuple[Case, Mode | Patience, int]], binaries: Path, jobs: int, keep: Path | None
) -> Iterator[Row]:
    """Run cases side by side and yield each row as it comes; an interruption ends what is running."""
    running: set[subprocess.Popen[bytes]] = set()
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(one, case, mode, run, binaries, keep, running) for case, mode, run in todo]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in tuple(running):
                process.terminate()


def one(
    case: Case,
    mode: Mode | Patience,
    run: int,
    binaries: Path,
    keep: Path | None = None,
    running: set[subprocess.Popen[bytes]] | None = None,
) -> Row:
    """Run a case in a process of its own; the files of a run that did not pass go to `keep`.

    A run that was looked at too seldom says nothing, as on a machine that is busy with something else: it is repeated.
    """
    for attempt in range(1, ATTEMPTS + 1):
        row = _attempt(case, mode, run, binaries, keep, set() if running is None else running)
        row["attempts"] = attempt
        if not row["wrong"].startswith(TOO_FEW):
            break
    return row


def _attempt(
    case: Case,
    mode: Mode | Patience,
    run: int,
    binaries: Path,
    keep: Path | None,
    running: set[subprocess.Popen[bytes]],
) -> Row:
    row: Row = {
        "case": case.name,
        "mode": mode.value,
        "run": run,
        "uid": os.geteuid(),
        "cannot": "",
        "wrong": "",
        "limit": "",
    }
    with tempfile.TemporaryDirectory(prefix="hangprobe-lookalike-") as name:
        folder = Path(name)
        folder.chmod(0o777)  # some cases run as another user
        status = _start(case, mode, Place(folder, binaries), running)
        if (folder / "row.json").exists():
            row |= json.loads((folder / "row.json").read_text())
        elif status == CANNOT_EXIST:
            row["cannot"] = _last_words(folder) or "the program says so"
        else:
            row["wrong"] = f"hangprobe itself ended with status {status}: {_last_words(folder)}"
        if row["wrong"].startswith(CALLED_HUNG) and case.limit:
            row["limit"] = case.limit
        if row["wrong"] and keep is not None:
            shutil.copytree(folder, keep / f"{case.name}-{mode.name.lower()}-{run}", dirs_exist_ok=True)
    return row


def _start(case: Case, mode: Mode | Patience, place: Place, running: set[subprocess.Popen[bytes]]) -> int:
    """Start one run and wait for its end; its status is 124 if it did not end."""
    python, environment = sys.executable, dict(os.environ)
    if case.is_dropped:
        python, environment = ordinary_python() or "", with_packages()
        if not python:
            (place.folder / "probe.err").write_text("no Python here that an ordinary user may start")
            return CANNOT_EXIST
    module = (python, "-m", MODULES[type(mode)])
    command = (*case.around(), *module, case.name, mode.value, str(place.folder), str(place.binaries))
    environment["HANGPROBE_MARKS"] = str(place.folder)
    with (place.folder / "probe.out").open("wb") as out, (place.folder / "probe.err").open("wb") as err:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        running.add(process)
        try:
            return process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            process.terminate()  # hangprobe ends its job
            try:
                process.wait(ENDING_S)
            except subprocess.TimeoutExpired:
                process.kill()  # the guardian ends the job
                process.wait()
            return 124
        finally:
            running.discard(process)


def _last_words(folder: Path) -> str:
    """Return the last line that the program, or else hangprobe, wrote to its standard error."""
    for name in ("job.err", "probe.err"):
        lines = (folder / name).read_text(errors="replace").splitlines() if (folder / name).exists() else []
        if lines:
            return lines[-1]
    return ""


def page(rows: list[Row], by: str) -> str:
    """Return the table as Markdown."""
    modes = MODES[by]
    counted = [row for row in rows if not row["cannot"]]
    passed = sum(not row["wrong"] for row in counted)
    uids = ", ".join(str(uid) for uid in sorted({row["uid"] for row in rows}))
    option, looks = ("", "double collects") if by == "watch" else (" --by attach", "looks")
    lines = [
        f"| case | {' | '.join(modes)} | cannot exist here | fewest {looks} inside | seconds inside |",
        "|---" * (len(modes) + 4) + "|",
    ]
    for name in dict.fromkeys(case.name for case in CASES):
        mine = [row for row in rows if row["case"] == name]
        if mine:
            lines.append(_line(name, mine, modes))
    failures = [f"- {row['case']}, {row['mode']}, run {row['run']}: {outcome(row)}" for row in rows if row["wrong"]]
    return "\n".join(
        [
            "# Look-alikes",
            "",
            f"`scripts/bench lookalikes{option}`, as uid {uids}, {time.strftime('%Y-%m-%d', time.gmtime())}: "
            f"{passed} of {len(counted)} runs passed, {len(rows) - len(counted)} could not exist here.",
            *PASSED[by],
            "",
            *lines,
            "",
            *(["## What did not pass", "", *failures, ""] if failures else []),
            *section(),
        ]
    )


def _line(name: str, rows: list[Row], modes: Modes) -> str:
    shares = []
    for mode in modes:
        mine = [row for row in rows if row["mode"] == mode.value and not row["cannot"]]
        shares.append(f"{sum(not row['wrong'] for row in mine)} of {len(mine)}" if mine else "")
    closest = [row for row in rows if row["mode"] == next(iter(modes)).value]
    inside = [row["collects_in_look_alike"] for row in closest if "collects_in_look_alike" in row]
    seconds = [row["look_alike_s"] for row in closest if row.get("look_alike_s") is not None]
    reasons = "; ".join(sorted({row["cannot"] for row in rows if row["cannot"]}))
    few, short = (str(min(values)) if values else "" for values in (inside, seconds))
    return f"| {name} | {' | '.join(shares)} | {reasons} | {few} | {short} |"
