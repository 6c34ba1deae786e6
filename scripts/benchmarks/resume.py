"""`scripts/bench resume`: a comparison whose runner is killed -9 again and again, and resumed.

`hangprobe compare` runs short cells on a testbed of 3 nodes. At a random moment the command itself or its part on the
testbed's login node is killed, what is left afterwards is looked for on the whole machine below this process (a
subreaper: nothing of a campaign can escape it but by a daemon that is not its own), and the campaign is resumed. One
that is complete is checked and followed by a new one, until all kills are made; the last one runs to its end.

Right: a kill leaves no process and no testbed behind, a trial that is on record is never touched again, and the record
of each campaign at its end is that of an undisturbed plan: the same trials, each once, in the same cells and blocks.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from hangprobe.ensemble.plan import Axes, Place, cells, plan
from hangprobe.ensemble.reading import read
from hangprobe.ensemble.records import Planned
from hangprobe.launch.proctree import Process, descendants, list_processes
from hangprobe.testbed.state import folder_of
from scripts.benchmarks.machine import section
from scripts.benchmarks.trials import Bench, Row, median_and_worst, share

NODES = 3
LAUNCHER, WORKLOAD = "mpiexec", "noop"
LATEST_S = 20.0
"""A kill comes at most so long after the start: the testbed's own, a trial and part of another."""
LEAVE_S = 20.0
"""For what is left without a runner: the testbed's owner has 2 s for its site, a loaded machine needs more."""
LIMIT_S = 900.0
"""For a campaign that nobody kills."""
ROLES = ("outer", "inner")
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill of the runner."""

    number: int
    role: str
    """`outer`: the command; `inner`: its part on the login node."""
    at_s: float
    """After the start of the command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--blocks", type=int, default=3, help="of one campaign")
    parser.add_argument("--out", type=Path, default=Path("results/local/resume"), help="folder; kills in it are kept")


def main(options: argparse.Namespace) -> int:
    """Run what is missing, print the table, and return 0 if every kill and every campaign was right."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    bench = Bench(options.out)
    done = {row["number"] for row in bench.rows}
    kills = [kill for kill in planned(options.kills, options.seed) if kill.number not in done]
    bench.begin(len(kills) + 1)
    folder = _current(options.out)
    for kill in kills:
        row = one(kill, folder, options)
        bench.add(row, f"{kill.role} after {kill.at_s:.1f} s, {row['recorded']} on record")
        if row["left"]:
            break  # the next kill would be blamed for it
        if row["is_complete"]:
            folder = options.out / f"campaign-{int(folder.name.rpartition('-')[2]) + 1}"
    else:
        if not any(row["role"] == "none" for row in bench.rows):
            bench.add(one(Kill(options.kills, "none", LIMIT_S), folder, options), "run to its end")
    return bench.finish(page(bench.rows, options))


def planned(count: int, seed: int) -> list[Kill]:
    """Return the kills of a seed."""
    dice = random.Random(seed)
    return [Kill(number, dice.choice(ROLES), dice.uniform(0.0, LATEST_S)) for number in range(count)]


def one(kill: Kill, folder: Path, options: argparse.Namespace) -> Row:
    """Start or resume the campaign in a folder, kill it if it is not faster, and return the row."""
    before = _recorded(folder)
    process = _start(folder, options)
    try:
        hit = _strike(kill, process)
        status: int | None = process.wait(timeout=LEAVE_S if hit else LIMIT_S)
    except subprocess.TimeoutExpired:
        status = None
    left = _leftovers()
    process.kill()
    process.wait()
    after = _recorded(folder)
    wrong = [name for name, mark in before.items() if after.get(name) != mark]
    is_complete = len(after) == len(_wanted(options))
    problem = _differs(folder, options) if is_complete else None
    beds = [name for name in (folder_of(f"compare-{process.pid}"),) if name.exists()]
    is_ended = status is not None and (bool(hit) or (is_complete and status == 0))
    return {
        **asdict(kill),
        "at_s": round(kill.at_s, 2),
        "hit": hit,
        "exit": status,
        "campaign": folder.name,
        "recorded": len(after),
        "is_complete": is_complete,
        "touched": wrong,
        "differs": problem,
        "left": left + [str(bed) for bed in beds],
        "right": is_ended and not (left or beds or wrong or problem),
    }


def _start(folder: Path, options: argparse.Namespace) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hangprobe", "compare"]
    if (folder / "campaign.json").exists():
        command += ["--resume", str(folder)]
    else:
        command += ["--launchers", LAUNCHER, "--workloads", WORKLOAD, "--trials", str(options.blocks)]
        command += ["--nodes", str(NODES), "--seed", str(options.seed), "--out", str(folder)]
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "said.log").open("ab") as said:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)


def _strike(kill: Kill, process: subprocess.Popen[bytes]) -> str | None:
    """Kill at the time; return what was hit, None if the command was faster."""
    if kill.role == "none":
        return None
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(kill.at_s)
        return None
    victim = next(iter(_inner(process.pid)), None) if kill.role == "inner" else None
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim or process.pid, signal.SIGKILL)
    return "inner" if victim is not None else "outer"


def _inner(outer: int) -> list[int]:
    """Return the part of the command that runs on the testbed's login node; none before it is there."""
    found = []
    for pid in descendants(list_processes(), {outer}):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[1:4] == ["-m", "hangprobe", "compare"]:
                found.append(pid)
    return found


def _leftovers() -> list[str]:
    """Return what is alive below this process once it has had time to leave."""
    deadline_s = time.monotonic() + LEAVE_S
    while (left := _alive()) and time.monotonic() < deadline_s:
        _reap()
        time.sleep(0.1)
    return [f"{each.pid} {each.name} ({each.state})" for each in left]


def _alive() -> list[Process]:
    table = list_processes()
    return [table[pid] for pid in descendants(table, {os.getpid()}) if table[pid].is_alive]


def _reap() -> None:
    """Reap the orphans that came to this process; the command itself is waited for elsewhere."""
    table = list_processes()
    for process in table.values():
        if process.ppid == os.getpid() and not process.is_alive:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG)


def _recorded(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the trials on record with inode and time of each: a record that was written again has others."""
    files = sorted(folder.glob("trials/*/trial.json"))
    return {str(file.relative_to(folder)): (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}


def _wanted(options: argparse.Namespace) -> tuple[Planned, ...]:
    axes = Axes((LAUNCHER,), (WORKLOAD,), ("mpich",), ("installed",))
    return plan(cells(axes, Place(NODES, has_slurm=False, has_config=False)), options.blocks, options.seed)


def _differs(folder: Path, options: argparse.Namespace) -> str | None:
    """Return how the record of a complete campaign differs from an undisturbed plan; None if it does not."""
    kept = read(folder)
    wanted = [(each.number, each.block, each.cell, each.control) for each in _wanted(options)]
    found = [(each.number, each.block, each.cell, each.control) for each in kept.trials]
    if [(each.number, each.block, each.cell, each.control) for each in kept.campaign.plan] != wanted:
        return "the plan on disk is another one"
    return None if found == wanted else f"{len(found)} trials, not those of the plan"


def _current(out: Path) -> Path:
    """Return the folder of the campaign to go on with."""
    numbers = [int(each.name.rpartition("-")[2]) for each in out.glob("campaign-*")]
    return out / f"campaign-{max(numbers, default=1)}"


def page(rows: list[Row], options: argparse.Namespace) -> str:
    """Return the table as Markdown."""
    kills = [row for row in rows if row["hit"]]
    table = ["| killed | times | after, s (median, worst) | left behind | records touched |", "|---|---|---|---|---|"]
    for role in ROLES:
        mine = [row for row in kills if row["hit"] == role]
        left, touched = sum(bool(row["left"]) for row in mine), sum(bool(row["touched"]) for row in mine)
        table.append(
            f"| {role} | {len(mine)} | {median_and_worst([row['at_s'] for row in mine])} | {left} | {touched} |"
        )
    complete = [row for row in rows if row["is_complete"]]
    same = sum(row["differs"] is None for row in complete)
    return "\n".join(
        [
            "# A campaign whose runner is killed and resumed",
            "",
            f"`scripts/bench resume --kills {options.kills} --seed {options.seed}`: {share(rows)} rows right; "
            f"{len(kills)} kills -9.",
            f"{len(complete)} campaigns of {len(_wanted(options))} trials came to their end; {same} of them have",
            "the record of an undisturbed plan: the same trials, each once.",
            "",
            *table,
            "",
            *section(),
        ]
    )
