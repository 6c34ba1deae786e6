"""Tell GNU parallel from other programs named `parallel`, by running it.

moreutils has a `parallel` in C, npm one for Node.js, and both take other options. So the name proves nothing: the
program must say that it is GNU parallel, and must then run one job. It runs in a session of its own, with a deadline,
without input, in a home folder made for the occasion: no `~/.parallel/config` and no PARALLEL variable can disturb it,
and it leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hangprobe.errors.tools import NotGnuParallel, PerlMissing

ANSWER_LIMIT_S = 20.0
"""For `parallel --version` and one job; 0.1 and 0.3 s on an idle machine, Perl from a busy shared file system more."""
DRAIN_S = 0.5
"""For what is left in the pipe of a killed program; a survivor in another session may hold it for ever."""
VERSION = re.compile(r"GNU parallel (\S+)")
JOB = ("--plain", "--will-cite", "echo", ":::", "a")
"""`--plain` reads no profile; the request to cite is for terminals, and there is none: parallel(1)."""
NO_PERL = re.compile(r"perl['\"]?: No such file|Can't locate (\S+) in @INC")
MOREUTILS = "for each argument, run command with argument, in parallel"
"""From the usage text of moreutils 0.67, which it prints for `--version`."""


@dataclass(frozen=True, slots=True)
class GnuParallel:
    """A program that has said that it is GNU parallel and has run a job."""

    path: str
    version: str
    """As it says it: the date of its release, `20221122`."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a program printed, and how it ended."""

    status: int | None
    """None if it was late."""
    out: str
    err: str


def identify(path: str, called: str | None = None) -> GnuParallel:
    """Return the GNU parallel that a file is, by running it. Raises NotGnuParallel, PerlMissing.

    `called` is the name for the message, where the file has a temporary one.
    """
    name = called or path
    with tempfile.TemporaryDirectory(prefix="hangprobe-parallel-") as home:
        said = _say(path, ("--version",), home, name)
        genuine = VERSION.match(said.out)
        if genuine is None:
            raise NotGnuParallel(name, namesake(said.out + said.err, path))
        did = _say(path, JOB, home, name)
    if (did.status, did.out) != (0, "a\n"):
        why = " ".join(did.err.split())[:200] or f"it printed {did.out[:60]!r}"
        raise NotGnuParallel(name, f"it says so, and did not run a job (status {did.status}: {why})")
    return GnuParallel(path, genuine[1])


def namesake(said: str, path: str) -> str:
    """Return which program of the same name it is, from its words and its file."""
    if MOREUTILS in said:
        return "it is the program of that name of moreutils"
    if "node" in Path(_interpreter(path)).name or "node_modules" in Path(path).resolve().parts:
        return "it is a Node.js program of that name, as npm has"
    words = next((line.strip() for line in said.splitlines() if line.strip()), "")
    return f"it is another program of that name, which says '{words[:60]}'" if words else "it says nothing"


def _interpreter(path: str) -> str:
    """Return the program that a script's first line names, without `env`; empty if there is none."""
    try:
        with open(path, "rb") as file:
            line = file.readline(256).decode(errors="replace")
    except OSError:
        return ""
    words = [word for word in line.removeprefix("#!").split() if not word.startswith("-")]
    named = [word for word in words if Path(word).name != "env"]
    return named[0] if line.startswith("#!") and named else ""


def _say(path: str, words: tuple[str, ...], home: str, name: str) -> Said:
    """Run it to its end, or for ANSWER_LIMIT_S. Raises NotGnuParallel if it cannot be run, PerlMissing."""
    try:
        asked = subprocess.Popen(
            [path, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_variables(home),
            start_new_session=True,
        )
    except OSError as error:
        interpreter = _interpreter(path)
        if "perl" in interpreter and shutil.which(interpreter) is None:
            raise PerlMissing(f"there is no {interpreter}") from None
        raise NotGnuParallel(name, f"it cannot be run ({error.strerror})") from None
    try:
        output = asked.communicate(timeout=ANSWER_LIMIT_S)
    except subprocess.TimeoutExpired:
        _end(asked)
        raise NotGnuParallel(name, f"it did not end within {ANSWER_LIMIT_S:g} s") from None
    except BaseException:
        _end(asked)
        raise
    out, err = (text.decode(errors="replace") for text in output)
    if asked.returncode and (lack := NO_PERL.search(err)) is not None:
        raise PerlMissing(f"{lack[1]} is missing from it" if lack[1] else "there is no perl on PATH")
    return Said(asked.returncode, out, err)


def _variables(home: str) -> dict[str, str]:
    """Return the environment without what is meant for the user's own runs of GNU parallel."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARALLEL", "XDG_"))}
    return {**kept, "HOME": home, "LC_ALL": "C", "PARALLEL_SHELL": "/bin/sh"}


def _end(asked: subprocess.Popen[bytes]) -> None:
    """Kill it with its group, and wait for it."""
    if asked.poll() is None:  # not reaped yet, so its group cannot be another one's
        with contextlib.suppress(OSError):
            os.killpg(asked.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        asked.communicate(timeout=DRAIN_S)
    asked.wait()
