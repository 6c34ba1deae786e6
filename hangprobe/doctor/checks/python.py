"""Whether this Python can run hangprobe, and whether the machine's system calls are known."""

from __future__ import annotations

from hangprobe.doctor.checkup import Said, missing, ok
from hangprobe.doctor.facts import PythonFacts

OLDEST = (3, 11)


def python(facts: PythonFacts) -> Said:
    """Judge the interpreter."""
    says = f"{facts.implementation} {'.'.join(map(str, facts.version))}, {facts.bits}-bit"
    if facts.version[:2] < OLDEST:
        return missing(says, "running hangprobe at all", "install Python 3.11 or newer")
    if facts.bits != 64:
        return missing(says, "reading the memory of 64-bit programs", "install a 64-bit Python")
    return ok(says)


def machine(facts: PythonFacts) -> Said:
    """Judge the machine: on one whose system calls are not known every thread is live."""
    if facts.has_table:
        return ok(f"{facts.machine}: its system calls are known")
    return missing(
        f"{facts.machine}: its system calls are not in the table", "proofs", "x86_64 or aarch64; stalls are told anyway"
    )


CHECKS = (python, machine)
