"""`scripts/bench faults`: jobs on 3 nodes under `hangprobe watch` of which a part is killed or cut off.

Each trial starts a healthy job with a status of its own, or one that hangs, from the login node of a testbed, and at a
random moment kills -9 hangprobe itself, an observer, its deputy or a rank's wrapper, or cuts a node's link and mends it
a moment later. Right: the trial ends, no process of it is left on any node, a healthy job keeps its own status and a
hung one is found, unless it was hangprobe itself or a rank that was killed. (Intel's mpiexec waits for ever for a rank
that was killed before MPI_Init: that is a stall, and ended as one.)
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hangprobe.launch.environments import MPIS, of_mpi
from hangprobe.launch.mpijob import MpiJob
from hangprobe.launch.proctree import descendants, list_processes
from hangprobe.programs import load
from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.layout import LOGIN
from scripts.benchmarks.bed import Bed
from scripts.benchmarks.jobs import marks
from scripts.benchmarks.machine import as_table, describe

FAULTS = ("head", "observer", "deputy", "wrapper", "link")
NODES, PER_NODE = 3, 2
RANKS = NODES * PER_NODE
WORK_S = 3.0
HANG = 124
LIMIT_S = 60.0
"""For a whole trial, the fault included."""
LEAVE_S = 15.0
"""For what is left without a head: Hydra's proxies and the observers find out by themselves."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One job and what is done to it."""

    number: int
    mpi: str
    fault: str
    is_hung: bool
    status: int
    """With which the healthy job ends."""
    at_s: float
    """After the start of the ranks; of a wrapper: after the first one is seen."""
    node: int
    cut_s: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fault", default=",".join(FAULTS), help="which (default all five)")
    parser.add_argument("--mpi", default=",".join(MPIS), help="which (default all three; scripts/envs makes them)")
    parser.add_argument("--out", type=Path, default=Path("results/local/faults"), help="folder; trials in it are kept")


def main(options: argparse.Namespace) -> int:
    """Run what is missing, print the table, and return 0 if every trial was right."""
    options.out.mkdir(parents=True, exist_ok=True)
    path: Path = options.out / "runs.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {row["number"] for row in rows}
    planned = plan(options.trials, options.seed, options.fault.split(","), options.mpi.split(","))
    trials = [trial for trial in planned if trial.number not in done]
    print(f"{len(rows)} trials are on file, {len(trials)} to do", file=sys.stderr)
    began_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="hangprobe-faults-") as name,
        Testbed.up(NODES, name=f"bench-{os.getpid()}", shares=(Path(name), Path.cwd())) as testbed,
    ):
        bed = Bed.of(testbed)
        for count, trial in enumerate(trials, 1):
            row = one(trial, bed, Path(name) / str(trial.number))
            rows.append(row)
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")
            left_s = (time.monotonic() - began_s) / count * (len(trials) - count)
            word = "right" if row["right"] else f"WRONG: {row}"
            shown = f"[{count}/{len(trials)}, {left_s / 60:.0f} min left] {trial.mpi} {trial.fault}: {word}"
            print(shown, file=sys.stderr, flush=True)
            if row["left"]:
                break  # the next trial would be blamed for it
    text = page(rows, options.seed)
    (options.out / "README.md").write_text(text)
    print(text)
    return 0 if all(row["right"] for row in rows) else 1


def plan(count: int, seed: int, faults: list[str], mpis: list[str]) -> Iterator[Trial]:
    """Yield the trials of a seed: faults in turn, all else at random."""
    dice = random.Random(seed)
    for number in range(count):
        fault = faults[number % len(faults)]
        at_s = dice.uniform(0.0, 0.06) if fault == "wrapper" else dice.uniform(0.0, WORK_S)
        node = dice.randrange(NODES)
        mpi, is_hung, status = dice.choice(mpis), dice.random() < 0.4, dice.choice((0, 0, 7))
        if mpi == "impi":
            status = 0  # what its mpiexec makes of a 7 differs from run to run, without hangprobe too: mostly 255
        yield Trial(number, mpi, fault, is_hung, status, at_s, node, dice.uniform(0.3, 3.0))


def one(trial: Trial, bed: Bed, folder: Path) -> dict[str, Any]:
    """Run a trial and return its row."""
    folder.mkdir()
    began_s = time.monotonic()
    process = _start(trial, bed, folder)
    hit = None
    try:
        hit = _strike(trial, bed, folder, process)
        status: int | None = process.wait(timeout=max(0.0, LIMIT_S - (time.monotonic() - began_s)))
    except subprocess.TimeoutExpired:
        status = None
        process.kill()
        process.wait()
    took_s = time.monotonic() - began_s
    left = bed.leftovers(LEAVE_S)
    is_kept = status == (HANG if trial.is_hung else trial.status)
    if trial.fault in {"head", "wrapper"} and hit is not None:
        is_kept = status is not None  # by its very nature another one
    said = (folder / "err").read_text(errors="replace")[-1500:]
    right = is_kept and not left and status is not None
    row = {**asdict(trial), "hit": hit, "exit": status, "took_s": round(took_s, 2), "left": left, "right": right}
    return row if right else {**row, "said": said}


def _start(trial: Trial, bed: Bed, folder: Path) -> subprocess.Popen[bytes]:
    """Start the job under watch, as a user on the login node would."""
    environment = of_mpi(trial.mpi)
    if trial.is_hung:
        program = load()["bcast_under_lock"]
        command = (environment.python, str(program.path), *program.variants[0].arguments)
    else:
        job = Path(__file__).with_name("faults_job.py")
        command = (environment.python, str(job), f"{WORK_S:g}", str(trial.status))
    forward = ("HANGPROBE_MARKS", "HANGPROBE_JOB")
    nodes = bed.testbed.nodes
    line = environment.flavour.command_line(
        MpiJob(RANKS, command, hosts=nodes, ranks_per_node=PER_NODE, forward=forward)
    )
    ends = (
        "--on-hang",
        "kill",
        "--on-stall",
        "kill",
        "--grace",
        "0.5",
        "--stall-after",
        "10",
        "--out",
        str(folder / "out"),
    )
    watch = [sys.executable, "-m", "hangprobe", "watch", *ends, "--", *line.arguments]
    with (folder / "err").open("wb") as said:
        return subprocess.Popen(
            bed.testbed.command(LOGIN, watch),
            env={**os.environ, **line.unset(os.environ), "HANGPROBE_MARKS": str(folder)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )


def _strike(trial: Trial, bed: Bed, folder: Path, process: subprocess.Popen[bytes]) -> str | None:
    """Do what is to be done to the job; return what was hit, None if it was too late for that."""
    if trial.fault == "wrapper":
        return _kill(bed, ("hangprobe-rank", "agent/wrapping/rank.py"), process, trial.at_s)
    while len(marks(folder)) < RANKS and process.poll() is None:
        time.sleep(0.02)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(trial.at_s)
        return None
    if trial.fault == "link":
        device = f"v{trial.node + 1}"
        subprocess.run(bed.testbed.administer(["ip", "link", "set", device, "down"]), check=True, timeout=10)
        time.sleep(trial.cut_s)
        subprocess.run(bed.testbed.administer(["ip", "link", "set", device, "up"]), check=True, timeout=10)
        return device
    head = f"{sys.executable} -m hangprobe watch"
    names = {"head": head, "observer": "agent.observer", "deputy": "agent/wrapping/deputy.py"}
    return _kill(bed, (names[trial.fault],), process, 0.0)


def _kill(bed: Bed, words: tuple[str, ...], process: subprocess.Popen[bytes], after_s: float) -> str | None:
    """Kill -9 one of the processes whose command line has one of these words, once one is there."""
    while process.poll() is None:
        found = [(pid, command) for pid, command in _commands(bed) if _has(command, words)]
        if found and after_s > 0:
            time.sleep(after_s)
            after_s = 0.0
            continue
        if found:
            pid, command = random.choice(found)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return f"{pid} {command[-120:]}"
        elif after_s == 0.0 and words[0] == "hangprobe-rank":
            return None
        time.sleep(0.005)
    return None


def _has(command: str, words: tuple[str, ...]) -> bool:
    """Tell whether a command line has one of these words; a launcher has those of the wrapper that it is to start."""
    is_launcher = "mpiexec" in command.split(" ", 1)[0] or "-- /" in command
    return any(command.startswith(word) if word.startswith("/") else word in command for word in words) and (
        not is_launcher or words[0].startswith("/")
    )


def _commands(bed: Bed) -> Iterator[tuple[int, str]]:
    for pid in descendants(list_processes(), {bed.testbed.state.owner_pid, os.getpid()}):
        with contextlib.suppress(OSError):
            yield pid, Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def page(rows: list[dict[str, Any]], seed: int) -> str:
    """Return the table as Markdown."""
    right = sum(row["right"] for row in rows)
    table = ["| killed or cut | trials | in time | right | left behind | worst, s |", "|---|---|---|---|---|---|"]
    for fault in dict.fromkeys(row["fault"] for row in rows):
        mine = [row for row in rows if row["fault"] == fault]
        hit, good = sum(row["hit"] is not None for row in mine), sum(row["right"] for row in mine)
        left, worst_s = sum(bool(row["left"]) for row in mine), max(row["took_s"] for row in mine)
        table.append(f"| {fault} | {len(mine)} | {hit} | {good} | {left} | {worst_s:.1f} |")
    return "\n".join(
        [
            "# Jobs of which a part is killed or cut off",
            "",
            f"`scripts/bench faults --seed {seed}`: {right} of {len(rows)} trials right. Jobs of {RANKS} ranks on",
            f"{NODES} nodes of a testbed under `hangprobe watch`, six in ten healthy.",
            "*In time*: the job still ran then.",
            "",
            *table,
            "",
            "## Machine",
            "",
            as_table(describe()),
            "",
        ]
    )
