"""One run of a program under the watchdog, by its name or as a copy with a neutral name and without a manifest."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hangprobe.launch.flavours import Flavour
from hangprobe.launch.mpijob import MpiJob
from hangprobe.launch.session import Capture, LaunchSpec, Session
from hangprobe.policy import Policy
from hangprobe.probe import Ends, Listener, Outcome, probe
from hangprobe.programs import ProgramFile, Variant
from hangprobe.result import Finding, Result


@dataclass(frozen=True, slots=True)
class Subject:
    """A variant of a program, and whether it runs under a neutral name."""

    program: ProgramFile
    variant: Variant
    is_neutral: bool

    @property
    def name(self) -> str:
        """A name for tables."""
        variant = f" --variant {self.variant.name}" if self.variant.name != "default" else ""
        return f"{self.program.name}{variant}"

    def run(
        self,
        flavour: Flavour,
        ranks: int,
        folder: Path,
        policy: Policy,
        ends: Ends,
        listener: Listener | None = None,
        started: Callable[[Session], None] | None = None,
        python: str = sys.executable,
    ) -> Outcome:
        """Run it once, its output and marks in `folder`."""
        with _program_file(self.program.path, folder, self.is_neutral) as path:
            command = (python, str(path), *self.variant.arguments)
            line = flavour.command_line(MpiJob(ranks, command, output=folder, scratch=folder))
            spec = LaunchSpec(
                line.arguments,
                tag=f"bench-{os.getpid()}-{folder.name}",
                environment={**line.unset(os.environ), "HANGPROBE_MARKS": str(folder), "TMPDIR": str(folder)},
                capture=Capture(folder / "launcher.out", folder / "launcher.err"),
            )
            return probe(spec, ends, policy, listener, folder / "record.jsonl", started=started)


def held(result: Result) -> list[Finding]:
    """Return the findings that a verdict rests on."""
    return [f for f in result.findings if f.tier is result.tier and not f.recovered and f.mechanism != "dead-helper"]


def marks(folder: Path) -> dict[int, list[tuple[float, int, str]]]:
    """Return the marks of every rank: monotonic seconds, pid, word."""
    found: dict[int, list[tuple[float, int, str]]] = {}
    for path in sorted(folder.glob("rank-*.marks")):
        rows = [line.split() for line in path.read_text().splitlines()]
        found[int(path.stem.removeprefix("rank-"))] = [(float(row[0]), int(row[1]), row[2]) for row in rows]
    return found


@contextmanager
def _program_file(path: Path, folder: Path, is_neutral: bool) -> Iterator[Path]:
    if not is_neutral:
        yield path
        return
    copy = folder / "app"
    shutil.copyfile(path, copy)
    yield copy
