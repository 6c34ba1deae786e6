"""What a soak watches: healthy programs of three kinds, none of which may ever be called hung.

- `control`: the healthy controls of the manifest, four ranks each;
- `stdlib`: the standard library's own tests of processes and threads, in pieces of a class or a part of one;
- `zoo`: the shell pipelines and small Python programs in `soak_zoo`, each run in an empty folder.

Some tests of the standard library really do leave a child that waits for ever, and end it: what is found in one of
them must be looked at before it is called a false alarm.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from hangprobe.model import Verdict
from hangprobe.programs import load

TEST_MODULES = ("test_multiprocessing_fork", "test_concurrent_futures", "test_subprocess", "test_threading")
TESTS_AT_ONCE = 12
"""Test methods of one job: a class of the multiprocessing tests needs up to a minute as a whole."""

ZOO = Path(__file__).parent / "soak_zoo"

LIST_TESTS = """
import importlib, json, sys, unittest
def ids(suite):
    for test in suite:
        yield from ids(test) if isinstance(test, unittest.TestSuite) else [test.id()]
found = {}
for name in sys.argv[1:]:
    try:
        module = importlib.import_module("test." + name)
    except ImportError:
        continue
    found[name] = list(ids(unittest.defaultTestLoader.loadTestsFromModule(module)))
json.dump(found, sys.stdout)
"""
"""Run by a Python of its own: test modules change the process that imports them."""


@dataclass(frozen=True, slots=True)
class Case:
    """One healthy program."""

    kind: str
    name: str
    command: tuple[str, ...]
    """Empty for a control: its launcher makes the command."""


def cases() -> list[Case]:
    """Return everything that can be watched here."""
    return [*controls(), *tests(), *zoo()]


def controls() -> Iterator[Case]:
    """Yield the variants of all programs that are expected to be well."""
    for program in load().values():
        for variant in program.variants:
            if variant.expected.verdict is Verdict.OK:
                yield Case("control", f"{program.name}:{variant.name}", ())


def zoo() -> Iterator[Case]:
    """Yield the programs of the zoo."""
    interpreters = {".sh": "bash", ".py": sys.executable}
    for path in sorted(ZOO.iterdir()):
        if path.suffix in interpreters:
            yield Case("zoo", path.name, (interpreters[path.suffix], str(path)))


def tests() -> Iterator[Case]:
    """Yield the standard library's tests in pieces; of modules that came with this Python, or lie on PYTHONPATH."""
    answer = subprocess.run([sys.executable, "-c", LIST_TESTS, *TEST_MODULES], stdout=subprocess.PIPE, check=True)
    found: dict[str, list[str]] = json.loads(answer.stdout)
    if missing := [module for module in TEST_MODULES if module not in found]:
        print(
            f"soak: this Python came without {', '.join(f'test.{module}' for module in missing)}, left out; Debian has "
            "them in libpython3-testsuite (or unpack the package test of the same Python's source on PYTHONPATH)",
            file=sys.stderr,
        )
    for module, names in found.items():
        for group, members in groupby(names, lambda name: name.rpartition(".")[0]):
            methods = list(members)
            for start in range(0, len(methods), TESTS_AT_ONCE):
                title = f"{module}.{group.rpartition('.')[2]}:{start}"
                command = (sys.executable, "-m", "unittest", "-v", *methods[start : start + TESTS_AT_ONCE])
                yield Case("stdlib", title, command)
