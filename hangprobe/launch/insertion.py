"""Put words before the application in a launcher's command line. Pure: no file is opened.

A launcher starts on every node what its command line names. Words that stand before the application are started in its
place there, with the application as their arguments. Where it begins is read, never guessed: a line that is not
understood to its last option is left alone, and whoever wrote it can say `{probe}` where the words belong.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from hangprobe.launch.commandline import Option, Section, read, read_options
from hangprobe.model import Launcher

PLACE = "{probe}"
_PROGRAM = re.compile(r"[\w./+-]+")
_SHELLS_OWN = {
    *("alias", "bg", "break", "builtin", "case", "cd", "command", "continue", "coproc", "declare", "do", "done"),
    *("elif", "else", "esac", "eval", "exec", "exit", "export", "fg", "fi", "for", "function", "if", "jobs", "let"),
    *("local", "read", "readonly", "return", "select", "set", "shift", "shopt", "source", "then", "time", "trap"),
    *("typeset", "ulimit", "umask", "unalias", "unset", "until", "wait", "while", "."),
}
"""First words that only a shell understands: bash(1), reserved words and builtins that are no programs."""


def has_place(command: Sequence[str]) -> bool:
    """Tell whether a command says itself where the words belong."""
    return any(PLACE in word for word in command)


def insert(
    command: Sequence[str], launcher: Launcher, prefix: Sequence[str], variables: Mapping[str, str]
) -> tuple[str, ...] | None:
    """Return the command with `prefix` before each application that it starts; None where there is no certain place.

    `command[0]` is the launcher, whatever its name; `variables` are its environment.
    """
    sections = read(command, launcher)
    options = [option for section in sections or () for option in section.options]
    # GNU parallel's template is read by a shell on the nodes, unless it is told to quote it: parallel(1), --quote
    is_for_shell = launcher is Launcher.GNU_PARALLEL and not _quotes(options, variables)
    words = [shlex.quote(word) for word in prefix] if is_for_shell else list(prefix)
    if has_place(command):
        return tuple(_filled(command, prefix, words))
    if sections is None or (launcher is Launcher.GNU_PARALLEL and not _has_program(command, sections[0], variables)):
        return None
    line = list(command)
    for section in reversed(sections):
        line[section.application : section.application] = words
    return tuple(line)


def _filled(command: Sequence[str], prefix: Sequence[str], words: Sequence[str]) -> list[str]:
    line: list[str] = []
    for word in command:
        line += words if word == PLACE else [word.replace(PLACE, shlex.join(prefix))]
    return line


def _quotes(options: Iterable[Option], variables: Mapping[str, str]) -> bool:
    return any(option.name in {"q", "quote"} for option in (*options, *(_variable(variables) or ())))


def _has_program(command: Sequence[str], section: Section, variables: Mapping[str, str]) -> bool:
    """Tell whether GNU parallel has a template that begins with a program, and not with what only a shell can do.

    Without a template the commands come from the input or from `:::`, and are whole lines for a shell.
    """
    if _variable(variables) is None:
        return False
    template = command[section.application]
    if _quotes(section.options, variables) and " " in template:
        return False
    first = template.split(maxsplit=1)[0] if template.strip() else ""
    is_function = f"BASH_FUNC_{first}%%" in variables  # export -f: bash(1), FUNCTIONS
    return _PROGRAM.fullmatch(first) is not None and first not in _SHELLS_OWN and not is_function


def _variable(variables: Mapping[str, str]) -> tuple[Option, ...] | None:
    """Return the options that `PARALLEL` adds: parallel(1), ENVIRONMENT VARIABLES."""
    try:
        words = shlex.split(variables.get("PARALLEL", ""))
    except ValueError:
        return None
    return read_options(words, Launcher.GNU_PARALLEL)
