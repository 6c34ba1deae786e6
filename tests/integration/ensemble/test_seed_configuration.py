"""The configuration that the project was started for, against the Parsl that is installed; and subjects that fail."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from hangprobe.errors.ensembles import ConfigurationRefused, SubjectMute
from hangprobe.lint.asking import ask
from hangprobe.lint.check import check, require

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120, method="thread")]

ROOT = Path(__file__).parents[3]
SEED = ROOT / "tests" / "data" / "configurations" / "polaris_seed.txt"
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
FAKE = "class Config:\n    def __init__(self, executors=None, app_cache=True): ...\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the cache's folder: a new one for each test."""
    monkeypatch.setenv("HANGPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    path = tmp_path / "polaris.py"
    path.write_bytes(SEED.read_bytes())
    return path


@pytest.fixture
def subject(tmp_path: Path) -> Path:
    """Return the interpreter of an environment with a Parsl of three lines, version 0.1."""
    venv.create(tmp_path / "subject", with_pip=False, symlinks=True)
    (packages,) = (tmp_path / "subject").glob("lib/python3*/site-packages")
    (packages / "parsl").mkdir()
    (packages / "parsl" / "__init__.py").write_text("print('noise')\n__version__ = '0.1'\n")
    (packages / "parsl" / "config.py").write_text(FAKE)
    return tmp_path / "subject" / "bin" / "python"


def test_the_seeds_configuration_is_refused_with_all_of_its_mistakes(seed: Path) -> None:
    with pytest.raises(ConfigurationRefused) as refused:
        require(seed, sys.executable)
    said = str(refused.value)
    assert said.startswith(f"{seed} is refused: 6 mistakes and 2 warnings\n")
    told = [line.removeprefix(f"{seed}:") for line in said.splitlines() if line.startswith(f"{seed}:")]
    assert told == [
        '21:70: missing-comma: a comma is missing after "/lus/grand/projects/yourproject/yourrundir/"',
        "24:25: undefined-name: the name 'simple' is not defined",
        "37:17: unknown-keyword: HighThroughputExecutor takes no 'max_workers'",
        "39:25: warning: address-by-hostname: "
        "address_by_hostname() need not be an address at which the nodes reach this one",
        "43:30: warning: launcher-options: MpiExecLauncher() as it is does not work with every mpiexec",
        "62:9: unknown-keyword: Config takes no 'checkpoint_files'",
        "64:9: unknown-keyword: Config takes no 'checkpoint_mode'",
        "67:9: unknown-keyword: Config takes no 'app_cache'",
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_no_mistake_and_builds_a_config(example: Path, tmp_path: Path) -> None:
    assert check(example, sys.executable) == ()
    code = "import runpy, sys; print(type(runpy.run_path(sys.argv[1])['config']).__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(example)], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert (done.stdout, done.returncode) == ("Config\n", 0), done.stderr


def test_every_refused_keyword_of_the_seed_is_really_refused(seed: Path, tmp_path: Path) -> None:
    calls = [
        one.what.replace("'", "").replace(" takes no ", "(") + "=1)"
        for one in check(seed, sys.executable)
        if one.slug == "unknown-keyword"
    ]
    code = "from parsl.config import Config\nfrom parsl.executors import HighThroughputExecutor\n"
    code += "".join(f"try: {call}\nexcept TypeError as error: print(error)\n" for call in calls)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    refused = ["max_workers", "checkpoint_files", "checkpoint_mode", "app_cache"]
    assert [line.split("keyword argument ")[-1].strip("'") for line in done.stdout.splitlines()] == refused, done.stderr


def test_a_subject_is_asked_and_not_this_python(subject: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.py"
    path.write_text("from parsl.config import Config\nConfig(app_cache=True)\nConfig(memoizer=None)\n")
    assert [(one.line, one.slug) for one in check(path, str(subject))] == [(3, "unknown-keyword")]
    assert [(one.line, one.slug) for one in check(path, sys.executable)] == [(2, "unknown-keyword")]


def test_an_answer_is_kept_until_the_environment_changes(subject: Path, cache: Path) -> None:
    names = ("parsl.config.Config",)
    first = ask(str(subject), names, "x = 1")
    kept = list(cache.rglob("*.json"))
    assert (len(kept), first.parsl) == (1, "0.1")
    kept[0].write_bytes(kept[0].read_bytes().replace(b'"0.1"', b'"kept"'))
    assert ask(str(subject), names, "x = 1").parsl == "kept"
    (packages,) = subject.parent.parent.glob("lib/python3*/site-packages")
    (packages / "parsl-0.2.dist-info").mkdir()
    os.utime(packages, ns=(0, 0))  # a new time, however coarse the file system's clock
    assert ask(str(subject), names, "x = 1").parsl == "0.1"


def test_a_damaged_answer_is_asked_for_again(subject: Path, cache: Path) -> None:
    ask(str(subject), (), "")
    (kept,) = cache.rglob("*.json")
    kept.write_bytes(b"{")
    assert ask(str(subject), (), "").parsl == "0.1"


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(subject: Path, cache: Path) -> None:
    cache.write_text("a file")
    assert ask(str(subject), (), "").parsl == "0.1"


def test_a_subject_that_cannot_answer_is_named_with_its_words(subject: Path, tmp_path: Path) -> None:
    with pytest.raises(SubjectMute, match="No such file"):
        ask(str(tmp_path / "none"), (), "")
    with pytest.raises(SubjectMute, match="status 1"):
        ask("/bin/false", (), "")
    (parsl,) = subject.parent.parent.glob("lib/python3*/site-packages/parsl/__init__.py")
    parsl.write_text("raise ImportError('needs six')\n")
    with pytest.raises(SubjectMute, match="ImportError: needs six"):
        ask(str(subject), (), "")


def test_a_subject_that_never_answers_is_ended(subject: Path) -> None:
    (parsl,) = subject.parent.parent.glob("lib/python3*/site-packages/parsl/__init__.py")
    parsl.write_text("import time, os\nopen(__file__ + '.pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n")
    with pytest.raises(SubjectMute, match="no answer within 3 s"):
        ask(str(subject), (), "", limit_s=3)
    pid = int(parsl.with_name("__init__.py.pid").read_text())
    assert not Path(f"/proc/{pid}").exists()
