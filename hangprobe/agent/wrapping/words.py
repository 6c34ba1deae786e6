"""The words that stand before an application on a launcher's command line, so that its node is observed.

The first of them is /bin/sh and not Python, which ignores SIGPIPE and SIGXFSZ from its start on, so that nobody could
tell afterwards what they were; a shell leaves them alone. What a shell does change is the environment: dash adds PWD
and OLDPWD and drops names that are no identifiers (`BASH_FUNC_module%%`), bash counts SHLVL. So the environment as it
was is handed on inside itself, in base64: not on a command line, which everybody can read.

`hangprobe-rank LINKFILE -- APPLICATION...` is the same for hands. It is Python, so SIGPIPE and SIGXFSZ begin at their
default in the application, whatever they were.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

RANK = Path(__file__).with_name("rank.py")
NAME = "hangprobe-rank"

_STATEMENTS = (
    # $1 Python, $2 rank.py, $3 the link file, then the application
    'if [ -f "$1" ] && [ -x "$1" ] && [ -r "$2" ] && [ -r "$3" ] && [ -r /proc/$$/status ]',
    "then hangprobe_i= hangprobe_b=",
    "while read -r hangprobe_k hangprobe_v",
    "do case $hangprobe_k in SigBlk:) hangprobe_b=$hangprobe_v ;; SigIgn:) hangprobe_i=$hangprobe_v ;; esac",
    "done </proc/$$/status",
    'if hangprobe_e=$("$1" -I -S "$2" environ $$ "$@" 2>/dev/null)',
    "then hangprobe_n=0",
    "for hangprobe_v in $hangprobe_e",
    'do hangprobe_n=$((hangprobe_n + 1)); export "HANGPROBE_ENVIRON_$hangprobe_n=$hangprobe_v"',
    "done",
    "hangprobe_p=$1 hangprobe_r=$2",
    "shift 2",
    'exec "$hangprobe_p" -I -S "$hangprobe_r" "$hangprobe_i" "$hangprobe_b" "$@"',
    "fi",
    "fi",
    "shift 3",
    'exec "$@"',
)
STAGE = "; ".join(_STATEMENTS)
"""One line, without braces, single quotes or per cent signs: launchers, Parsl and GNU parallel give them a meaning."""


USAGE = f"usage: {NAME} LINKFILE -- APPLICATION [ARGUMENT...]"
HELP = f"""{USAGE}

Becomes the application, after it has seen to an observer of the job on this node: same pid, descriptors, signals,
environment and exit status. `hangprobe run` and `hangprobe watch` put these words before the application by
themselves, and write the link file; nobody needs to call this by hand. Without the link file the application runs
unobserved."""


def prefix(link_file: Path, python: str = sys.executable) -> tuple[str, ...]:
    """Return the words; the application's follow. `python` is any from 3.8 on, at that place on every node."""
    return ("/bin/sh", "-c", STAGE, NAME, python, str(RANK), str(link_file))


def main(arguments: list[str] | None = None) -> NoReturn:
    """Become the application of `hangprobe-rank LINKFILE -- APPLICATION...`."""
    words = sys.argv[1:] if arguments is None else arguments
    if words in (["--help"], ["-h"]):
        sys.stdout.write(f"{HELP}\n")
        sys.exit(0)
    if len(words) < 3 or words[1] != "--":
        sys.stderr.write(f"{USAGE}\n")
        sys.exit(2)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    command = (*prefix(Path(words[0]).absolute()), *words[2:])
    os.execv(command[0], command)
