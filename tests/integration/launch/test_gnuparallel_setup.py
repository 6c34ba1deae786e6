"""`hangprobe setup parallel` for real: Debian's package, a fresh environment, GNU parallel's own Perl, and Ctrl-C."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hangprobe.launch.gnuparallel import find
from hangprobe.packages import cache_folder, unpacked

from .harness import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120, method="thread")]

HANGPROBE = str(Path(sys.executable).with_name("hangprobe"))
LIMIT_S = 100.0
RECORD = "share/hangprobe/gnu-parallel.json"
NAMESAKES = {
    "moreutils": "#!/bin/sh\necho '\tfor each argument, run command with argument, in parallel' >&2; exit 1\n",
    "Node.js": "#!/usr/bin/env node\nconsole.log('1.2.0');\n",
}


@pytest.fixture(scope="module")
def debians(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the program of Debian's package in the cache, brought by apt-get if it is not there yet.

    Where it is installed apt-get has nothing to bring: a cache is made with a copy of it.
    """
    installed = find("/usr/local/bin:/usr/bin")
    if installed is None:
        yield unpacked("parallel", ("parallel",)) / "usr/bin/parallel"
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANGPROBE_CACHE", str(tmp_path_factory.mktemp("cache")))
        program = cache_folder() / "parallel/usr/bin/parallel"
        program.parent.mkdir(parents=True)
        shutil.copy(installed.path, program)
        yield program


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a PATH with all programs of the system but `parallel`."""
    folder = tmp_path_factory.mktemp("path")
    for file in Path("/usr/bin").iterdir():
        if file.name != "parallel":
            (folder / file.name).symlink_to(file)
    return str(folder)


@pytest.fixture
def env(tmp_path: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True, timeout=LIMIT_S)
    return tmp_path / "env"


def contents(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*")}


def setup(env: Path, path: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HANGPROBE, "setup", "parallel", "--into", env, *words],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what stands on stderr but for the lines that tell a slow machine's user what is going on."""
    return [line for line in done.stderr.splitlines() if not line.endswith(" ...")]


def run_jobs(program: Path, home: Path) -> str:
    """Run two jobs as a user would whose home has nothing of GNU parallel."""
    environment = {**os.environ, "HOME": str(home), "PATH": f"{program.parent}:{os.environ['PATH']}"}
    command = ["parallel", "--keep-order", "echo", "job", ":::", "1", "2"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=True, stdin=subprocess.DEVNULL
    )
    return done.stdout


def test_debians_package_is_put_there_used_and_taken_away(env: Path, debians: Path, others: str) -> None:
    before = contents(env)
    done = setup(env, others)
    assert (done.returncode, complaints(done)) == (0, [])
    assert f"is now {env}/bin/parallel, from {debians}" in done.stdout
    record = json.loads((env / RECORD).read_text())
    assert (record["source"], record["origin"], record["path"]) == ("debian", str(debians), f"{env}/bin/parallel")
    assert record["sha256"] == hashlib.sha256((env / "bin/parallel").read_bytes()).hexdigest()
    assert run_jobs(env / "bin/parallel", env.parent) == "job 1\njob 2\n"

    again = setup(env, others, "--json", "-")
    document = json.loads(again.stdout)
    assert (again.returncode, document["done"], document["record"]) == (0, "already-there", record)

    removed = setup(env, others, "--remove")
    assert (removed.returncode, removed.stdout) == (0, f"{env}/bin/parallel is removed\n")
    assert contents(env) == before


def test_one_on_path_is_linked_to_past_the_namesakes(env: Path, debians: Path, others: str) -> None:
    before, folders = contents(env), []
    for number, text in enumerate(NAMESAKES.values()):
        folders.append(env.parent / str(number))
        folders[-1].mkdir()
        (folders[-1] / "parallel").write_text(text)
        (folders[-1] / "parallel").chmod(0o755)
    path = ":".join([*map(str, folders), str(debians.parent), others])
    done = setup(env, path)
    assert (done.returncode, complaints(done)) == (0, [])
    assert (env / "bin/parallel").readlink() == debians
    passed_over = [line for line in done.stdout.splitlines() if line.startswith("passed over")]
    assert [name in line for name, line in zip(NAMESAKES, passed_over, strict=True)] == [True, True]
    assert run_jobs(env / "bin/parallel", env.parent) == "job 1\njob 2\n"
    assert setup(env, path, "--remove", "--quiet").stdout == ""
    assert contents(env) == before
    assert debians.exists()


def test_the_upstream_archive_is_enough(env: Path, debians: Path, others: str) -> None:
    file = env.parent / "parallel-20221122.tar.bz2"
    with tarfile.open(file, "w:bz2") as archive:
        archive.add(debians, "parallel-20221122/src/parallel")
    done = setup(env, others, "--from", str(file))
    assert (done.returncode, complaints(done)) == (0, [])
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    assert f"sha256 of that file: {checksum}" in done.stdout
    assert json.loads((env / RECORD).read_text())["archive_sha256"] == checksum
    assert (env / "bin/parallel").read_bytes() == debians.read_bytes()
    assert run_jobs(env / "bin/parallel", env.parent) == "job 1\njob 2\n"


@pytest.mark.parametrize("name", NAMESAKES)
def test_a_namesake_is_refused_by_name(env: Path, name: str) -> None:
    before = contents(env)
    (env.parent / "parallel").write_text(NAMESAKES[name])
    done = setup(env, os.environ["PATH"], "--from", str(env.parent / "parallel"))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{env.parent}/parallel is not GNU parallel" in done.stderr
    assert name in done.stderr
    assert contents(env) == before


def test_without_perl_nothing_is_put_there(env: Path, debians: Path) -> None:
    before = contents(env)
    script = debians.read_text().replace("#!/usr/bin/perl", "#!/usr/bin/env perl", 1)
    (env.parent / "parallel").write_text(script)
    (env.parent / "nothing").mkdir()
    done = setup(env, str(env.parent / "nothing"), "--from", str(env.parent / "parallel"))
    assert done.returncode == 1
    assert "GNU parallel is a Perl program, and there is no perl on PATH" in done.stderr
    assert contents(env) == before


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_nothing(env: Path, signum: signal.Signals, status: int) -> None:
    """Interrupted while the program is tried, which tells its pid and goes on for ever; a progress line is there."""
    before, told = contents(env), env.parent / "pid"
    (env.parent / "parallel").write_text(f"#!/bin/sh\necho $$ >{told}.new; mv {told}.new {told}; exec sleep 1000\n")
    command = [HANGPROBE, "setup", "parallel", "--into", str(env), "--from", str(env.parent / "parallel")]
    error = env.parent / "stderr"
    with error.open("wb") as stderr:
        running = subprocess.Popen(command, stderr=stderr, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until(told.exists, "the program is tried")
        wait_until(lambda: "trying GNU parallel from" in error.read_text(), "a progress line")
        running.send_signal(signum)
        assert running.wait(LIMIT_S) == status
    finally:
        running.kill()
        running.wait()
    assert contents(env) == before
    assert not Path(f"/proc/{told.read_text().strip()}").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--from", "/no/such/file"), 2, "no such file"),
        (("--into", "/no/such/folder"), 2, "no such folder"),
        (("--remove", "--from", "/etc/passwd"), 2, "--remove takes no --from"),
        (("--json", "/no/such/folder/x"), 1, "its folder does not exist"),
    ],
)
def test_wrong_usage_changes_nothing(env: Path, words: tuple[str, ...], status: int, said: str) -> None:
    before = contents(env)
    done = setup(env, os.environ["PATH"], *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert contents(env) == before
