"""Limits, processors, umask and niceness: the text of `/proc` to values.

Pure, and apart from `procfs` because nothing else needs them. Formats: proc(5), fs/proc/base.c (proc_pid_limits),
fs/proc/array.c. What does not read as it should is None, or left out where it is one line of many.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hangprobe.context.values import Limit, Processors

_LIMIT = re.compile(r"^Max (\S.*?) {2,}(unlimited|\d{1,20}) +(unlimited|\d{1,20})(?: |$)")
_UMASK = re.compile(r"^Umask:\s*([0-7]{1,4})$", re.MULTILINE)
_PROCESSORS = re.compile(r"^Cpus_allowed_list:\s*([0-9,-]{1,4096})$", re.MULTILINE)
_SPAN = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
NICE = 16
"""Which word of `stat` behind the name it is, from 0: field 19 of proc(5)."""


def parse_limits(text: str) -> tuple[Limit, ...]:
    """Parse `/proc/PID/limits`; the line of headings and lines that do not read are left out."""
    found = (_LIMIT.match(line) for line in text.splitlines())
    return tuple(Limit(each[1], each[2], each[3]) for each in found if each)


def changed(own: Sequence[Limit], launcher: Sequence[Limit]) -> tuple[str, ...]:
    """Return the names of the limits that the launcher has otherwise."""
    theirs = {each.name: each for each in launcher}
    return tuple(each.name for each in own if theirs.get(each.name, each) != each)


def parse_umask(status: str) -> str | None:
    """Return the umask in `/proc/PID/status` (Linux 4.7 and newer)."""
    found = _UMASK.search(status)
    return found[1].zfill(4) if found else None


def parse_processors(status: str) -> Processors | None:
    """Return on which processors a process may run, from its `status`."""
    found = _PROCESSORS.search(status)
    spans = [_SPAN.fullmatch(part) for part in found[1].split(",")] if found else []
    if not found or not all(spans):
        return None
    count = sum(int(span[2] or span[1]) - int(span[1]) + 1 for span in spans if span)
    return Processors(count, found[1]) if count > 0 else None


def parse_nice(stat: str) -> int | None:
    """Return the niceness in `/proc/PID/stat`."""
    words = stat[stat.rfind(")") + 1 :].split()
    word = words[NICE] if len(words) > NICE else ""
    return int(word) if re.fullmatch(r"-?\d{1,3}", word, re.ASCII) else None
