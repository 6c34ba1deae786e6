"""The published shape of `hangprobe.result/1`, written down a second time: keys and types, nothing more and no less.

A shape is a type, a pattern for a string, a set of allowed values, a list [element], a dict of keys, or `Maybe`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Maybe:
    """Null, or something of this shape."""

    shape: object


@dataclass(frozen=True, slots=True)
class Each:
    """A mapping whose keys match `key` and whose values have the shape `value`."""

    key: object
    value: object


RANKS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
SLUG = re.compile(r"[a-z]+(-[a-z]+)*")
TIER = {"proven", "leak", "blocked", "stalled"}
STATE = TIER | {"waiting", "progressing", "stopped", "exited", "unknown"}
BARRIER = {"permission", "hidepid", "pid-namespace", "unsettled"}
LAUNCHER = {"hydra", "openmpi", "intel", "pals", "srun", "gnu-parallel", "none"}
METHOD = {"fork", "spawn", "forkserver", "exec"}
UNREADABLE = {"what": str, "why": str, "barrier": Maybe(BARRIER)}
IDENTITY = {"host": str, "pid": int, "start_time": int}

FINDING = {
    "mechanism": SLUG,
    "tier": TIER,
    "likely": bool,
    "ranks": RANKS,
    "processes": [IDENTITY | {"forked": Maybe(bool)}],
    "waits": [
        {"host": str, "pid": int, "tid": int, "kind": SLUG, "object": str}
        | {"wakers": [{"pid": int, "tid": int}], "since_s": Maybe(float)}
    ],
    "detail": Each(str, str),
    "says": str,
    "assumptions": [str],
    "evidence": [str],
    "mitigations": [SLUG],
    "recovered": bool,
    "clause": Maybe(str),
    "processes_total": Maybe(int),
    "waits_total": Maybe(int),
}
HOLDER = {"role": str, "name": str}
CHANNEL = {
    "kind": {"pipe", "socket", "file", "/dev/null", "terminal", "closed", "other"},
    "path": Maybe(str),
    "access": Maybe({"read", "write", "both"}),
    "is_nonblocking": Maybe(bool),
    "far": Maybe({"held", "own", "closed", "unseen", "unknown"}),
    "holders": [HOLDER],
    "was_replaced": Maybe(bool),
}
CONTEXT = {
    **dict.fromkeys(("stdin", "stdin_behind", "stdout", "stderr"), Maybe(CHANNEL)),
    "launcher": LAUNCHER,
    "stdin_never_ends": Maybe(str),
    "descriptors": Maybe(
        {
            "kinds": [{"kind": CHANNEL["kind"], "access": str, "holders": [HOLDER], "path": str}],
            "least": [int],
            "most": [int],
        }
    ),
    "blocked": Maybe([str]),
    "ignored": Maybe([str]),
    "is_python": Maybe(bool),
    "session": Maybe({"leads_session": bool, "leads_group": bool, "has_terminal": bool}),
    "limits": Maybe({"all": [{"name": str, "soft": str, "hard": str}], "changed": Maybe([str])}),
    "processors": Maybe({"count": int, "list": str}),
    "folder": Maybe(str),
    "umask": Maybe(str),
    "nice": Maybe(int),
    "oom": Maybe(int),
    "variables": Maybe({"names": [str], "values": [[str]], "odd": int}),
    "start_methods": [METHOD],
    "unreadable": [UNREADABLE],
}
RESULT = {
    "schema": {"hangprobe.result/1"},
    "verdict": {"hang", "stall", "ok", "failed", "unknown"},
    "tier": Maybe(TIER),
    "command": [str],
    "launcher": LAUNCHER,
    "exit_status": Maybe(int),
    "ended_by": Maybe({"itself", "hangprobe", "user"}),
    "started_at": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
    "duration_s": float,
    "detected_after_s": Maybe(float),
    "ranks": [
        IDENTITY
        | {"rank": int, "since_s": Maybe(float), "mechanism": Maybe(SLUG), "state": STATE, "why": Maybe(str)}
        | {"detail": Maybe(Each(str, str))}
    ],
    "findings": [FINDING],
    "start_methods": Each(METHOD, RANKS),
    "watched": {"interval_s": float, "samples": int, "double_collects": int},
    "unreadable": [UNREADABLE],
    "contexts": [{"ranks": RANKS, "context": CONTEXT}],
    "size": Maybe(int),
    "program": Maybe({"name": str, "variant": str, "mitigation": Maybe(SLUG)}),
}


def faults(value: object, shape: object = RESULT, where: str = "document") -> list[str]:
    """Return where a value is not of a shape; empty if it is."""
    if isinstance(shape, Maybe):
        return [] if value is None else faults(value, shape.shape, where)
    if isinstance(shape, type):
        return [] if type(value) is shape else [f"{where} is no {shape.__name__}: {value!r}"]
    if isinstance(shape, re.Pattern):
        return [] if isinstance(value, str) and shape.fullmatch(value) else [f"{where} is not as it should: {value!r}"]
    if isinstance(shape, set):
        return [] if value in shape else [f"{where} is {value!r}, none of {sorted(shape)}"]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where} is no list: {value!r}"]
        return [fault for n, each in enumerate(value) for fault in faults(each, shape[0], f"{where}[{n}]")]
    if not isinstance(value, dict):
        return [f"{where} is no object: {value!r}"]
    if isinstance(shape, Each):
        keys = [fault for key in value for fault in faults(key, shape.key, f"a key of {where}")]
        return keys + [fault for key, each in value.items() for fault in faults(each, shape.value, f"{where}.{key}")]
    assert isinstance(shape, dict)
    wrong = [f"{where} lacks {key}" for key in shape.keys() - value.keys()]
    wrong += [f"{where} has an unknown {key}" for key in value.keys() - shape.keys()]
    return wrong + [
        fault for key in shape.keys() & value.keys() for fault in faults(value[key], shape[key], f"{where}.{key}")
    ]
