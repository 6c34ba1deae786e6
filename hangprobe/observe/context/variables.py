"""An environment to what may be told of it: all names, and the values of a short list. Pure.

Nobody asked the user whether their secrets may go into a report. So it is a list of what is told, not of what is not:
a value is only ever taken for a name in `context.variables`, and what looks like a credential in it is masked all the
same. A process may write over its environment in place (setproctitle), so an entry is only a name if it reads like one.
"""

from __future__ import annotations

import re

from hangprobe.context.values import Variables
from hangprobe.context.variables import LISTED

MASK = "***"
LONGEST = 4096
"""Characters of a value that are kept."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}|BASH_FUNC_[A-Za-z0-9_.:-]{1,100}(?:%%|\(\))", re.ASCII)
_CREDENTIALS = (
    (re.compile(r"://.*@", re.DOTALL), f"://{MASK}@"),
    (re.compile(r"[^\s/:@]+:[^\s/:@]+@"), f"{MASK}@"),
    (
        re.compile(
            r"(?i)([a-z0-9_-]*(?:passw(?:or)?d|token|secret|apikey|api[_-]key|credential)[a-z0-9_-]*[=:])[^\s&;,]+"
        ),
        rf"\g<1>{MASK}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+\S+"), rf"\g<1> {MASK}"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{12,}|\bgh[opsur]_\w{16,}|\bglpat-[\w-]{16,}|\beyJ[\w-]{8,}\.[\w.-]+"), MASK),
)
"""user:password@ with and without a URL, `token=...`, headers, and keys that are known by how they begin."""


def masked(value: str) -> str:
    """Return a value without what looks like a credential."""
    for pattern, replacement in _CREDENTIALS:
        value = pattern.sub(replacement, value)
    return value


def parse_variables(environ: bytes) -> Variables:
    """Parse `/proc/PID/environ`: NUL-separated assignments as they were at exec."""
    names: set[str] = set()
    values: dict[str, str] = {}
    odd = 0
    for entry in environ.split(b"\0"):
        if not entry:
            continue
        data, equals, value = entry.partition(b"=")
        name = data.decode("ascii", "replace")
        if not equals or not _NAME.fullmatch(name):
            odd += 1
            continue
        names.add(name)
        if name in LISTED:
            values.setdefault(name, masked(value.decode(errors="replace"))[:LONGEST])
    return Variables(tuple(sorted(names)), tuple(sorted(values.items())), odd)
