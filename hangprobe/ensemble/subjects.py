"""The environments that ensembles run in: hangprobe's own, or one made for another version of Parsl, and kept.

    <cache>/subjects/parsl-2023.10.23-py3.11/      a virtual environment of hangprobe's own Python
                                    ready.json     written last: without it the folder is half-made, and made again

An environment cannot be moved, so it is made where it stays, under a lock that a second hangprobe waits for. Made by uv
if that is on PATH, else by venv and pip.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hangprobe.errors.base import ExtraMissing
from hangprobe.errors.ensembles import SubjectFailed
from hangprobe.packages import cache_folder

INSTALLED, NEWEST = "installed", "newest"
READY = "ready.json"
INSTALL_LIMIT_S = 600.0
"""A first install brings some twenty packages; half a minute where the network is good."""
ASK_LIMIT_S = 60.0
SHOWN_VERSIONS = 5
_VERSION = re.compile(r"[0-9][0-9A-Za-z.!+-]*")

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """An environment with a Parsl in it."""

    python: str
    version: str
    """Of its Parsl, as asked for; of `installed` and `newest`, what that is."""


def subject(version: str, cache: Path | None = None, tell: Tell = lambda _: None) -> Subject:
    """Return the environment for a version of Parsl, `installed` or `newest`, making it if need be.

    `cache`: below it lies `subjects`; None: hangprobe's own cache. `tell` gets a line before each slow step. Raises
    ExtraMissing (`installed`, and it is not), SubjectFailed.
    """
    if version == INSTALLED:
        return _own()
    place = (cache or cache_folder().parents[1]) / "subjects"
    if version == NEWEST:
        tell("asking for the newest Parsl")
        version = _newest()
    elif not _VERSION.fullmatch(version):
        raise SubjectFailed(version, "that is no version", "name one like 2023.10.23, `installed` or `newest`")
    folder = place / f"parsl-{version}-py{sys.version_info.major}.{sys.version_info.minor}"
    made = Subject(str(folder / "bin" / "python"), version)
    if _is_ready(folder):
        return made
    try:
        with _locked(place, folder.name):
            if not _is_ready(folder):  # a second hangprobe may have been faster
                _make(folder, version, tell)
    except OSError as error:
        raise SubjectFailed(version, f"{place}: {error.strerror or error}", "set HANGPROBE_CACHE") from None
    return made


def requirements(version: str) -> list[str]:
    """Return what pip must be asked for beside Parsl itself, so that this version runs on today's Pythons.

    Releases before 2024 import six without asking for it, and break with typeguard 3 and later; the older ones of them
    do not say so (1.3.0.dev0: `typeguard>=2.10`).
    """
    major = int(re.split(r"[.!]", version)[0] or 0)
    return [f"parsl=={version}", *(["six", "typeguard<3", "setuptools"] if major < 2024 else [])]


def _own() -> Subject:
    try:
        version = importlib.metadata.version("parsl")
    except importlib.metadata.PackageNotFoundError:
        raise ExtraMissing("parsl", "an ensemble", "compare") from None
    return Subject(sys.executable, version)


def _newest() -> str:
    """Ask the package index, as pip would; nothing is installed."""
    if shutil.which("uv"):
        said = _run(
            ["uv", "pip", "compile", "--quiet", "--no-deps", "--no-header", "-"], NEWEST, ASK_LIMIT_S, "parsl\n"
        )
        found = re.search(r"^parsl==(\S+)", said, re.MULTILINE)
        if found:
            return found[1]
        raise SubjectFailed(NEWEST, f"uv says {said.strip()[:200]!r}", "name a version")
    words = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--dry-run",
        "--ignore-installed",
        "--no-deps",
        "--report",
        "-",
        "parsl",
    ]
    said = _run([sys.executable, *words], NEWEST, ASK_LIMIT_S)
    try:
        return str(json.loads(said)["install"][0]["metadata"]["version"])
    except (ValueError, LookupError, TypeError):
        raise SubjectFailed(NEWEST, f"pip says {said.strip()[:200]!r}", "name a version") from None


def _make(folder: Path, version: str, tell: Tell) -> None:
    tell(f"making an environment with Parsl {version} in {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    python = str(folder / "bin" / "python")
    wanted = requirements(version)
    if shutil.which("uv"):
        _run(["uv", "venv", "--quiet", "--python", sys.executable, str(folder)], version, ASK_LIMIT_S)
        install = ["uv", "pip", "install", "--quiet", "--python", python]
    else:
        _run([sys.executable, "-m", "venv", str(folder)], version, ASK_LIMIT_S)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        _run([*install, *wanted], version, INSTALL_LIMIT_S)
        tell(f"trying Parsl {version}")
        _run([python, "-c", "import parsl, parsl.executors, parsl.providers, parsl.launchers"], version, ASK_LIMIT_S)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    beside = folder / f".{READY}"
    beside.write_text(json.dumps({"parsl": version, "requirements": wanted, "python": sys.version.split()[0]}) + "\n")
    beside.rename(folder / READY)


def _is_ready(folder: Path) -> bool:
    """Tell whether it was made whole, and its Python has not gone since (a pyenv that was removed, say)."""
    return (folder / READY).exists() and os.access(folder / "bin" / "python", os.X_OK)


@contextmanager
def _locked(place: Path, name: str) -> Iterator[None]:
    place.mkdir(parents=True, exist_ok=True)
    with (place / f".{name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released by the kernel, should this process be killed
        yield


def _run(command: list[str], version: str, limit_s: float, stdin: str = "") -> str:
    """Run a step to its end; return what it printed. Raises SubjectFailed with its own words."""
    began = time.monotonic()
    # what points pip or Python at another environment than the one that is made
    left = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET")}
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=limit_s, env=left, check=False
        )
    except subprocess.TimeoutExpired:
        took = f"{time.monotonic() - began:.0f} s"
        raise SubjectFailed(version, f"{os.path.basename(command[0])} took longer than {took}") from None
    if done.returncode == 0:
        return done.stdout
    raise failure(version, done.stderr)


def failure(version: str, said: str) -> SubjectFailed:
    """Return the error for what pip or uv has said: an unknown version is told apart from an index out of reach."""
    offered = re.search(r"from versions: ([^)]*)\)", said)
    known = [word for word in (offered[1].split(", ") if offered else []) if word not in ("", "none")]
    if known:
        newest = ", ".join(known[-SHOWN_VERSIONS:])
        return SubjectFailed(version, "there is no such version of Parsl", f"the newest are {newest}")
    if re.search(r"no version of parsl", said):
        return SubjectFailed(version, "there is no such version of Parsl", "pip index versions parsl lists them")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [
        line for line in lines if line.startswith(("ERROR", "error", "\u00d7", "ModuleNotFoundError", "ImportError"))
    ]
    return SubjectFailed(version, ((errors or lines or ["it failed without a word"])[-1])[:300])
