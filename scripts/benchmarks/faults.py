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
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hangprobe.agent.wrapping import words
from hangprobe.agent.wrapping.seat import DEPUTY_PROGRAM
from hangprobe.launch.environments import MPIS, of_mpi
from hangprobe.launch.mpijob import MpiJob
from hangprobe.launch.proctree import Process, descendants, list_processes
from hangprobe.programs import load
from hangprobe.testbed.layout import LOGIN
from scripts.benchmarks.bed import Bed, up
from scripts.benchmarks.jobs import marks
from scripts.benchmarks.machine import section
from scripts.benchmarks.trials import Bench, Row, share

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
    bench = Bench(options.out)
    done = {row["number"] for row in bench.rows}
    planned = plan(options.trials, options.seed, options.fault.split(","), options.mpi.split(","))
    trials = [trial for trial in planned if trial.number not in done]
    with up(NODES, "faults") as (bed, folder):
        bench.begin(len(trials))
        for trial in trials:
            bench.add(one(trial, bed, folder / str(trial.number)), f"{trial.mpi} {trial.fault}")
            if bench.rows[-1]["left"]:
                break  # the next trial would be blamed for it
    return bench.finish(page(bench.rows, options.seed))


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


def one(trial: Trial, bed: Bed, folder: Path) -> Row:
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
    ends = ["--on-hang", "kill", "--on-stall", "kill", "--grace", "0.5", "--stall-after", "10"]
    watch = [sys.executable, "-m", "hangprobe", "watch", *ends, "--out", str(folder / "out"), "--", *line.arguments]
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
        _await(process, lambda: any(_players(trial.fault)))
    else:
        _await(process, lambda: len(marks(folder)) == RANKS)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(trial.at_s)
        return None
    if trial.fault == "link":
        return _cut(trial, bed)
    if trial.fault in {"observer", "deputy"}:
        _await(process, lambda: any(_players(trial.fault)))
    players = list(_players(trial.fault))
    random.shuffle(players)
    for victim in players:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
            return f"{trial.fault}, {victim.name}"
    return None


def _await(process: subprocess.Popen[bytes], is_true: Callable[[], bool]) -> None:
    """Wait until something is so, or the job has ended."""
    while process.poll() is None and not is_true():
        time.sleep(0.005)


def _cut(trial: Trial, bed: Bed) -> str:
    """Cut a node's link and mend it; return which one."""
    device = f"v{trial.node + 1}"
    for state, after_s in (("down", trial.cut_s), ("up", 0.0)):
        subprocess.run(bed.testbed.administer(["ip", "link", "set", device, state]), check=True, timeout=10)
        time.sleep(after_s)
    return device


def _players(role: str) -> Iterator[Process]:
    """Yield the processes that play a role in the job."""
    table = list_processes()
    for pid in descendants(table, {os.getpid()}):  # this one's testbed is below it too
        with contextlib.suppress(OSError):
            if role_of(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")) == role:
                yield table[pid]


def role_of(command: Sequence[str]) -> str | None:
    """Return what a process is to a job that is watched. A launcher has the wrapper's words too, further behind."""
    match command:
        case (_, "-m", "hangprobe", "watch", *_):
            return "head"
        case (_, "-m", "hangprobe.agent.observer", *_):
            return "observer"
        case (_, "-I", "-S", script, *_):
            return {DEPUTY_PROGRAM: "deputy", str(words.RANK): "wrapper"}.get(script)
        case (_, "-c", words.STAGE, words.NAME, *_):
            return "wrapper"
    return None


def page(rows: list[Row], seed: int) -> str:
    """Return the table as Markdown."""
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
            f"`scripts/bench faults --seed {seed}`: {share(rows)} trials right. Jobs of {RANKS} ranks on",
            f"{NODES} nodes of a testbed under `hangprobe watch`, six in ten healthy.",
            "*In time*: the job still ran then.",
            "",
            *table,
            "",
            *section(),
        ]
    )
