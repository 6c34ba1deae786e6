"""Ask a subject environment for its facts, and keep the answer.

`ensemble/signatures.py` is run by the subject's own Python, in a session of its own, with a deadline: an environment on
a file system that never answers must not hang the one who asks. An answer is kept as JSON in the user's cache for as
long as the subject's folder of packages is unchanged (pip and uv rename folders in it, which its time shows). An
environment whose Parsl lies elsewhere (PYTHONPATH, an editable install) is asked every time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hangprobe.errors.ensembles import SubjectMute
from hangprobe.lint.subject import SubjectFacts

SCRIPT = Path(__file__).parents[1] / "ensemble" / "signatures.py"
LIMIT_S = 120.0
"""Importing Parsl takes 1 to 2 s from a local disk; from a cold parallel file system half a minute was seen."""
DRAIN_S = 1.0
LAST_WORDS = 300


def ask(python: str, names: Sequence[str], source: str, limit_s: float = LIMIT_S) -> SubjectFacts:
    """Return what the environment of `python` says of the dotted names and of the source's syntax.

    Raises SubjectMute if it cannot be run, has no Parsl, or does not answer within `limit_s`.
    """
    question = msgspec.json.encode({"names": sorted(set(names)), "source": source})
    kept = _kept_in(python, question)
    if kept is not None and (facts := _read(kept)) is not None:
        return facts
    said = _run(python, question, limit_s)
    try:
        facts = msgspec.json.decode(said, type=SubjectFacts)
    except msgspec.MsgspecError as error:
        raise SubjectMute(python, f"its answer makes no sense ({error})") from None
    if kept is not None and _packages(python) in Path(facts.parsl_file).parents:
        _keep(kept, said)
    return facts


def _run(python: str, question: bytes, limit_s: float) -> bytes:
    try:
        asked = subprocess.Popen(
            [python, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise SubjectMute(python, error.strerror or str(error)) from None
    try:
        said, complaints = asked.communicate(question, timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise SubjectMute(python, f"no answer within {limit_s:g} s") from None
    finally:
        if asked.poll() is None:  # not reaped, so its group is still its own
            with contextlib.suppress(OSError):
                os.killpg(asked.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                asked.communicate(timeout=DRAIN_S)
    if asked.returncode != 0:
        lines = complaints.decode(errors="replace").strip().splitlines() or [f"status {asked.returncode}"]
        raise SubjectMute(python, lines[-1][:LAST_WORDS])
    return said


def _packages(python: str) -> Path | None:
    """Return the folder of packages of a virtual environment; None for any other Python."""
    root = Path(os.path.abspath(python)).parent.parent  # not resolved: bin/python is a link to the base's
    if not (root / "pyvenv.cfg").is_file():
        return None
    return next(iter(sorted(root.glob("lib/python3*/site-packages"))), None)


def _kept_in(python: str, question: bytes) -> Path | None:
    """Return where an answer is kept; None where it cannot be known when it gets old."""
    packages = _packages(python)
    if packages is None or "PYTHONPATH" in os.environ:
        return None
    try:
        ages = [path.stat().st_mtime_ns for path in (packages, SCRIPT)]
    except OSError:
        return None
    key = hashlib.sha256(f"{packages}\0{ages}\0".encode() + question).hexdigest()[:32]
    users = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = os.environ.get("HANGPROBE_CACHE") or os.path.join(users, "hangprobe")
    return Path(folder) / "signatures" / f"{key}.json"


def _read(kept: Path) -> SubjectFacts | None:
    try:
        facts = msgspec.json.decode(kept.read_bytes(), type=SubjectFacts)
    except (OSError, msgspec.MsgspecError):
        return None
    return facts if Path(facts.parsl_file).is_file() else None


def _keep(kept: Path, said: bytes) -> None:
    """Write an answer whole or not at all; a cache that cannot be written is none."""
    temporary = kept.with_name(f".{kept.name}.{os.getpid()}.tmp")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(said)
        temporary.replace(kept)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
