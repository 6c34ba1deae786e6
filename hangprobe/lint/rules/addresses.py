"""The address at which managers reach the interchange: an IP address, and one that the nodes can reach."""

from __future__ import annotations

import ast
import ipaddress
from collections.abc import Iterator

from hangprobe.lint.mistake import Mistake, Severity
from hangprobe.lint.reading import Reading
from hangprobe.lint.subject import SubjectFacts
from hangprobe.lint.values import keyword, text

EXECUTORS = ("HighThroughputExecutor", "MPIExecutor")
HOST_NAMES = {"socket.gethostname", "socket.getfqdn", "platform.node"}
INSTEAD = (
    "leave it out (managers then try all addresses of this node), or name the interface that the nodes reach: "
    "address=address_by_interface('bond0') on Polaris"
)
ENDS = "and ends, and parsl.load() fails after 120 s with 'Interchange failed to start'"
BINDS = (
    "the interchange listens on that address itself since 2023, and ZeroMQ takes a host name on some systems only "
    "(Parsl's issue 3037): elsewhere it ends, and parsl.load() fails with 'Interchange failed to start'"
)
RESOLVES = (
    "managers are given what this host's name resolves to: 127.0.1.1 on many systems; on Polaris it does not work "
    "since July 2023. Managers that cannot reach it never register, and that looks like a hang"
)


def address(reading: Reading, facts: SubjectFacts) -> Iterator[Mistake]:
    """Yield what is wrong with `address=` of each executor that has an interchange."""
    for owner in EXECUTORS:
        for call in reading.calls_of(owner):
            given = keyword(call, "address")
            if given is None:
                continue
            if found := text(reading, given):
                yield from _written(reading, facts, call, *found)
            elif isinstance(given, ast.Call):
                yield from _looked_up(reading, facts, given)


def _written(
    reading: Reading, facts: SubjectFacts, call: ast.Call, value: str, where: ast.Constant
) -> Iterator[Mistake]:
    if value in ("", "*") or _is_address(value):
        return
    what = f"address is a host name, '{value}', and must be an IP address"
    if facts.address_use == "parsed":
        why = f"the interchange of {facts.version} reads it as an IP address {ENDS}"
        yield reading.mistake(where, "address-host-name", what, why, INSTEAD, reading.severity(call))
    elif facts.address_use == "bound":
        yield reading.mistake(where, "address-host-name", what, BINDS, INSTEAD, Severity.WARNING)


def _looked_up(reading: Reading, facts: SubjectFacts, given: ast.Call) -> Iterator[Mistake]:
    """Yield warnings: what a call returns shows on the machine only."""
    meaning = reading.meaning(given.func) or ""
    if meaning == "parsl.addresses.address_by_hostname":
        is_name = facts.address_use == "bound" and facts.is_hostname_resolved is False
        what = "address_by_hostname() need not be an address at which the nodes reach this one"
        why = f"with {facts.version} it returns a host name; {BINDS}; {RESOLVES}" if is_name else RESOLVES
        yield reading.mistake(given, "address-by-hostname", what, why, INSTEAD, Severity.WARNING)
    elif meaning in HOST_NAMES and facts.address_use in ("bound", "parsed"):
        ends = f"the interchange of {facts.version} reads it as an IP address {ENDS}"
        why = ends if facts.address_use == "parsed" else BINDS
        what = f"{meaning}() is a host name and no IP address"
        yield reading.mistake(given, "address-host-name", what, why, INSTEAD, Severity.WARNING)


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
