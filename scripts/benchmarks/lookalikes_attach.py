"""One run of one look-alike that nobody watches, and that is attached to again and again; its row goes to `row.json`.

The program is started by a shell that has no parent: nobody but init could be said to mean to end it. Every look is a
new user's who asks about the tree, about everything, or about each of its processes; but for the one who keeps looking.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from hangprobe.attach.sweep import Sweep, Wanted
from hangprobe.errors.base import HangprobeError
from hangprobe.model import Verdict
from hangprobe.observe.census import Census
from hangprobe.observe.reader import Reader
from hangprobe.policy import Policy
from hangprobe.result import Result
from scripts.benchmarks.lookalikes_cases import Case, Place, find
from scripts.benchmarks.lookalikes_one import CALLED_HUNG, CANNOT_EXIST, TOO_FEW, inside

LOOKS_WANTED = 6
"""Looks within the look-alike state, at least."""
LIMIT_S = 100.0
"""For the program; it ends by itself in 5 to 15 s."""
START = 'echo $$ >"$0/starting" && mv "$0/starting" "$0/pid" && "$@"; echo $? >"$0/ending"; mv "$0/ending" "$0/status"'
"""Starts the program and keeps its status: nobody else can wait for it."""


class Patience(StrEnum):
    """How the looks are taken; the values stand in the table of runs."""

    NONE = "attach"
    SOME = "attach, patience 3"
    AGED = "attach, window 1"
    """As if the program had been idle for longer than the window before anybody looked."""

    @property
    def seconds(self) -> float:
        """What --patience would say."""
        return 3.0 if self is Patience.SOME else 0.0

    @property
    def policy(self) -> Policy:
        """The policy of these looks."""
        return Policy(stall_after_s=1.0, has_stacks=False) if self is Patience.AGED else Policy(has_stacks=False)


@dataclass(slots=True)
class Attacher:
    """Looks at one tree in every way there is, and keeps what was called hung."""

    pid: int
    folder: Path
    policy: Policy
    patience_s: float
    alarms: list[str] = field(default_factory=list)
    verdicts: dict[str, dict[str, int]] = field(default_factory=dict)
    """By way: how often which verdict was given on the program."""
    looked: list[tuple[float, float]] = field(default_factory=list)
    wchans: set[str] = field(default_factory=set)

    def ways(self) -> Iterator[tuple[str, Callable[[], Sweep]]]:
        """Yield the ways to ask, again and again."""
        kept = Sweep(Wanted((self.pid,)), self.policy)
        while True:
            yield "anew", lambda: self._looked(Sweep(Wanted((self.pid,)), self.policy))
            yield "kept", lambda: self._looked(kept)
            yield "each process", lambda: self._looked(Sweep(Wanted(tuple(sorted(marked(self.folder)))), self.policy))
            yield "everything", lambda: self._looked(Sweep(Wanted(), self.policy))

    def look(self, way: str, make: Callable[[], Sweep]) -> None:
        """Look once, and note the verdicts on the program's processes."""
        began_s = time.monotonic()
        try:
            sweep = make()
            sweep.settle(self.patience_s)
        except HangprobeError:  # it has ended meanwhile
            return
        results = list(sweep.results())
        members = {member.pid for each in sweep.attachments.values() for rank in each.ranks for member in rank.members}
        own = marked(self.folder) & members
        for result in results:
            if result.ranks and (result.ranks[0].pid in own or not sweep.wanted.is_everything):
                self._note(way, result)
        self.looked.append((began_s, time.monotonic()))
        self._sight(own)

    def _looked(self, sweep: Sweep) -> Sweep:
        if sweep.attachments:
            sweep.look_again()
        else:
            sweep.look()
        return sweep

    def _note(self, way: str, result: Result) -> None:
        seen = self.verdicts.setdefault(way, {})
        seen[result.verdict] = seen.get(result.verdict, 0) + 1
        if result.verdict is Verdict.HANG:
            says = [f"{finding.tier} {finding.mechanism}: {finding.says}" for finding in result.findings]
            asked = f"pid {result.ranks[0].pid} ({' '.join(result.command)[:80]})"
            self.alarms.append(f"{way}, {asked}: {'; '.join(says) or 'no finding'}")

    def _sight(self, pids: set[int]) -> None:
        for pid in pids:
            with suppress(OSError):
                for tid in os.listdir(f"/proc/{pid}/task"):
                    self.wchans.add(Path(f"/proc/{pid}/task/{tid}/wchan").read_text())


def main() -> int:
    """Run the case that the command line names."""
    name, patience, folder, binaries = sys.argv[1:]
    case, place = find(name), Place(Path(folder), Path(binaries))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        pid = start(case, place)
        attacher = Attacher(pid, place.folder, Patience(patience).policy, Patience(patience).seconds)
        until_s = time.monotonic() + LIMIT_S
        for way, make in attacher.ways():
            if (place.folder / "status").exists() or time.monotonic() > until_s:
                break
            if inside(place.folder) is None:
                time.sleep(0.02)
            else:
                attacher.look(way, make)
    finally:
        end(place.folder)
    status = read_status(place.folder)
    if status == CANNOT_EXIST:
        return CANNOT_EXIST
    row = as_row(attacher, place.folder, status)
    row["wrong"] = wrong(row, case)
    (place.folder / "row.json").write_text(json.dumps(row))
    return 0


def start(case: Case, place: Place) -> int:
    """Start a case in a session of its own without a parent, and return the pid of its shell."""
    stdin = None if case.outside else subprocess.DEVNULL
    command = ("setsid", "--fork", "sh", "-c", START, str(place.folder), *case.command(place))
    environment = {**os.environ, "HANGPROBE_MARKS": str(place.folder)}
    with (place.folder / "job.out").open("wb") as out, (place.folder / "job.err").open("wb") as err:
        subprocess.run(command, stdin=stdin, stdout=out, stderr=err, env=environment, check=True, timeout=20)
    path, until_s = place.folder / "pid", time.monotonic() + 20
    while not path.exists() and time.monotonic() < until_s:
        time.sleep(0.005)
    return int(path.read_text())


def marked(folder: Path) -> set[int]:
    """Return the processes of the program, wherever they have gone: it has the folder of its marks as a variable."""
    mark, found = f"HANGPROBE_MARKS={folder}".encode(), set()
    census = Census(Reader(), "")
    census.scan()
    for pid in census.stats.keys() - {1, os.getpid(), *census.ancestors(os.getpid())}:
        with suppress(OSError):
            if not census.stats[pid].has_ended and mark in Path(f"/proc/{pid}/environ").read_bytes():
                found.add(pid)
    return found


def end(folder: Path) -> None:
    """End whatever still runs of the program."""
    while left := marked(folder):
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def read_status(folder: Path) -> int | None:
    """Return the program's exit status; None if it had to be ended."""
    path = folder / "status"
    return int(path.read_text()) if path.exists() else None


def as_row(attacher: Attacher, folder: Path, status: int | None) -> dict[str, Any]:
    """Return what became of a run."""
    times = inside(folder)
    within = [each for each in attacher.looked if times and times[0] < each[0] and each[1] < times[1]]
    return {
        "exit_status": status,
        "alarms": attacher.alarms,
        "verdicts": attacher.verdicts,
        "looks": len(attacher.looked),
        "collects_in_look_alike": len(within),
        "look_alike_s": round(times[1] - times[0], 2) if times and times[1] < float("inf") else None,
        "wchans": sorted(attacher.wchans),
    }


def wrong(row: dict[str, Any], case: Case) -> str:
    """Return what is wrong with a run: a false alarm, a program that failed, or no look-alike; empty if it passed."""
    if row["alarms"]:
        return f"{CALLED_HUNG} {len(row['alarms'])} times: {row['alarms'][0]}"
    if row["exit_status"] != 0:
        return f"exit status {row['exit_status']}"
    if not row["looks"] or (not row["collects_in_look_alike"] and case.seconds > 1):
        return f"{TOO_FEW}: {row['collects_in_look_alike']} looks in its look-alike state"
    if not case.is_shown(row["wchans"]):
        return f"no thread was seen in {case.shows}, only in {', '.join(row['wchans'])}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
