"""Gather facts, each reader with a deadline, and let the checks say what they mean.

Nothing here can hang: a reader works in a thread that is left behind when it is late (a PATH on a file system that does
not answer cannot be asked otherwise), and what it should have told is `unknown`, as after any error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Thread, Timer
from typing import Any

from hangprobe.doctor.asking import Asker
from hangprobe.doctor.checks import compare, limits, mpi, nodes, processes, python, scheduler, stacks
from hangprobe.doctor.checkup import Check, Said, Subject, unknown
from hangprobe.doctor.gather.compare import compare_facts
from hangprobe.doctor.gather.limits import limits_facts
from hangprobe.doctor.gather.mpi import mpi_facts, with_job
from hangprobe.doctor.gather.nodes import nodes_facts, scheduler_facts
from hangprobe.doctor.gather.processes import process_facts, stacks_facts
from hangprobe.doctor.gather.python import python_facts

LIMIT_S = 12.0
"""For all readers together, which work side by side: an mpiexec has 10 s to say its version, other programs 3 s."""
PATIENCE_S = 2.0
"""After so long the user is told what is being waited for."""

Judge = Callable[[Any], Said]
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Examination:
    """Facts to gather, and what to make of them."""

    subject: Subject
    gather: Callable[[], Any]
    judges: Sequence[Judge]
    refine: Callable[[Any], Any] = lambda facts: facts
    """What must be gathered in the main thread, after all readers have ended."""


def examinations(asker: Asker, mpiexec: str | None = None) -> tuple[Examination, ...]:
    """Return all examinations but the self-test, in the order of the table."""
    return (
        Examination(Subject.PYTHON, python_facts, python.CHECKS),
        Examination(Subject.PROOF, process_facts, processes.CHECKS),
        Examination(Subject.PROOF, partial(stacks_facts, asker), stacks.CHECKS),
        Examination(Subject.MPI, partial(mpi_facts, mpiexec), mpi.CHECKS, with_job),
        Examination(Subject.NODES, partial(nodes_facts, asker), nodes.CHECKS),
        Examination(Subject.NODES, scheduler_facts, scheduler.CHECKS),
        Examination(Subject.COMPARE, partial(compare_facts, asker), compare.CHECKS),
        Examination(Subject.LIMITS, limits_facts, limits.CHECKS),
    )


def examine(wanted: Sequence[Examination], told: Told, limit_s: float = LIMIT_S) -> Iterator[Check]:
    """Yield what every check says, in order; must run in the main thread."""
    readers = [_Reader(each.gather) for each in wanted]
    for reader in readers:
        reader.start()
    end_s = time.monotonic() + limit_s
    with _patience(told, "what this machine has"):
        for reader in readers:
            reader.join(max(0.0, end_s - time.monotonic()))
    for each, reader in zip(wanted, readers, strict=True):
        facts = reader.facts if not reader.is_alive() else TimeoutError(f"no answer within {limit_s:g} s")
        if not isinstance(facts, Exception):
            with _patience(told, f"a tiny job ({each.subject})"):
                facts = _tried(each.refine, facts)
        for judge in each.judges:
            yield check(judge, each.subject, facts)


def check(judge: Judge, subject: Subject, facts: object) -> Check:
    """Return what a check says of the facts; that it is unknown if they, or the check itself, failed."""
    said = facts if isinstance(facts, Exception) else _tried(judge, facts)
    if isinstance(said, Exception):
        said = unknown(f"{said}" if isinstance(said, TimeoutError) else f"{type(said).__name__}: {said}")
    return Check(slug_of(judge), subject, said.state, printable(said.says), said.enables, printable(said.remedy))


def printable(words: str) -> str:
    """Return what a terminal and a JSON document can show: programs and paths may have anything in them."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(words.split()))


def slug_of(judge: Callable[..., Any]) -> str:
    """Return a check's slug: its function's name."""
    return judge.__name__.replace("_", "-")


class _Reader(Thread):
    """Gathers facts, or why there are none; a daemon, so that one that never ends keeps nobody from leaving."""

    def __init__(self, gather: Callable[[], Any]) -> None:
        super().__init__(daemon=True, name="hangprobe-doctor")
        self._gather = gather
        self.facts: Any = None

    def run(self) -> None:
        self.facts = _tried(lambda _: self._gather(), None)


def _tried(function: Callable[[Any], Any], argument: object) -> Any:
    """Return what a function returns, or the exception that it raises."""
    try:
        return function(argument)
    except Exception as error:  # a sick machine may raise anything; it is told as `unknown`
        return error


@contextmanager
def _patience(told: Told, what: str) -> Iterator[None]:
    """Tell the user what is being waited for, if it takes long."""
    timer = Timer(PATIENCE_S, told, [f"waiting for {what} ..."])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
