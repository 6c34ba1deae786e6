"""Behind the wrapper an application is what it is without, in every attribute that it can see."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from hangprobe.launch.environments import MPIS, of_mpi
from hangprobe.launch.proctree import list_processes
from hangprobe.testbed.tools import Tool, roots
from tests.integration.launch.harness import wait_until

from .bare import LIMIT_S, attributes, environment, link, run, words

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SHELLS = [path for path in ("/bin/dash", "/bin/bash") if os.access(path, os.X_OK)]
NOTHING_TO_SAY = Path("/nonexistent/link")
Before = Callable[[Sequence[str]], Sequence[str]]


@pytest.fixture(params=SHELLS)
def before(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, ...]:
    """Return the wrapper's words, for every shell that /bin/sh may be."""
    return words(link(tmp_path), request.param)


def launcher(name: str, tmp_path: Path) -> tuple[str, ...]:
    """Return a launcher's words for one rank."""
    if name == "parallel":
        found = roots((Tool("parallel", ("parallel",)),))
        parallel = f"{found[0]}/usr/bin/parallel" if found else str(shutil.which("parallel"))
        (tmp_path / "home").mkdir()
        return ("env", f"PARALLEL_HOME={tmp_path / 'home'}", parallel, "--will-cite", "-n0", "-q")
    return (of_mpi(name).flavour.path, "-n", "1")


def launched(name: str, tmp_path: Path) -> Callable[[Sequence[str]], Before]:
    """Return how a launcher starts an application behind some words."""
    first = launcher(name, tmp_path)
    last = (":::", "1") if name == "parallel" else ()
    return lambda wrapper: lambda application: (*first, *wrapper, *application, *last)


AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
FUNCTION = {"BASH_FUNC_module%%": "() {  echo '{}'\n}", "not an identifier": "x=y", "EMPTY": ""}


@pytest.mark.parametrize("name", [*MPIS, "parallel"])
def test_a_launcher_s_rank_has_the_same_attributes(name: str, tmp_path: Path) -> None:
    through, options = launched(name, tmp_path), {"env": {**os.environ, **AS_ROOT, **FUNCTION}}
    bare = attributes(through(()), **options)
    assert attributes(through(words(link(tmp_path))), **options) == bare


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", [*MPIS, "parallel"])
def test_a_launcher_s_rank_has_the_same_environment(name: str, shell: str, tmp_path: Path) -> None:
    through, options = launched(name, tmp_path), {"env": {**os.environ, **AS_ROOT, **FUNCTION}}
    bare, again = (environment(through(()), **options) for _ in range(2))
    found = environment(through(words(link(tmp_path), shell)), **options)
    if name == "parallel":  # Perl's order is another one each time
        bare, again, found = sorted(bare), sorted(again), sorted(found)
    assert _names(found) == _names(bare)
    varying = {one.partition(b"=")[0] for one, other in zip(bare, again, strict=True) if one != other}
    # Intel's mpiexec writes memory there that it has not set: 538976288 is blanks
    varying |= {each for each in _names(bare) if each.startswith(b"I_MPI_INFO_CACHE_")}
    varying |= {b"_"} if name == "parallel" else set()  # bash's, in which GNU parallel runs it: the wrapper's name
    assert len(varying) < 20
    assert _but(varying, found) == _but(varying, bare)


def _names(entries: Iterable[bytes]) -> list[bytes]:
    return [entry.partition(b"=")[0] for entry in entries]


def _but(names: set[bytes], entries: Iterable[bytes]) -> list[bytes]:
    return [entry for entry in entries if entry.partition(b"=")[0] not in names]


@pytest.mark.parametrize("is_ignored", [False, True])
@pytest.mark.parametrize("name", [*MPIS, "parallel"])
def test_sigpipe_is_ignored_if_the_launcher_was_started_so(name: str, is_ignored: bool, tmp_path: Path) -> None:
    through = launched(name, tmp_path)

    def disposed() -> None:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_IGN if is_ignored else signal.SIG_DFL)

    def ignored(wrapper: Sequence[str]) -> bytes:
        command = through(wrapper)(["cat", "/proc/self/status"])
        status = run(command, preexec_fn=disposed, restore_signals=False, env={**os.environ, **AS_ROOT}).stdout
        return next(line for line in status.splitlines() if line.startswith(b"SigIgn"))

    assert ignored(words(link(tmp_path))) == ignored(())


EVERY = {int(number) for number in signal.valid_signals() - {signal.SIGCHLD, signal.SIGKILL, signal.SIGSTOP}}
SETS: list[tuple[set[int], set[int]]] = [
    (set(), set()),
    ({signal.SIGPIPE}, set()),
    ({signal.SIGXFSZ, signal.SIGINT, signal.SIGQUIT}, {signal.SIGUSR1}),
    ({signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP, signal.SIGHUP, signal.SIGRTMIN + 3}, {signal.SIGTERM}),
    (set(), EVERY),
    (EVERY, set()),
]


@pytest.mark.parametrize(("ignored", "blocked"), SETS)
def test_signals_are_ignored_blocked_and_pending_as_before(
    ignored: set[int], blocked: set[int], before: tuple[str, ...]
) -> None:
    def disposed() -> None:
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def signals(wrapper: tuple[str, ...]) -> list[bytes]:
        status = run((*wrapper, "cat", "/proc/self/status"), preexec_fn=disposed, restore_signals=False).stdout
        return [line for line in status.splitlines() if line.startswith((b"Sig", b"Shd")) and b"SigQ" not in line]

    assert len(signals(())) == 5
    assert signals(before) == signals(())


@pytest.mark.parametrize("closed", [(), (0,), (1,), (2,), (0, 1, 2)])
def test_descriptors_are_open_and_closed_as_before(closed: tuple[int, ...], before: tuple[str, ...]) -> None:
    told, inherited = os.pipe(), os.pipe()

    def disposed() -> None:
        for number in closed:
            os.close(number)

    def listed(wrapper: tuple[str, ...]) -> set[str]:
        application = ("find", "/proc/self/fd", "-type", "l", "-fprintf", f"/dev/fd/{told[1]}", "%f %l\n")
        run((*wrapper, *application), preexec_fn=disposed, pass_fds=[told[1], inherited[0]])
        lines = os.read(told[0], 4096).decode().splitlines()
        return {re.sub(r"/proc/\d+|(?<=^[012] pipe:)\S+", "", line) for line in lines}

    try:
        bare = listed(())
        assert any(line.startswith(f"{inherited[0]} pipe") for line in bare)
        assert listed(before) == bare
    finally:
        for number in (*told, *inherited):
            os.close(number)


@pytest.mark.parametrize("size", [0, 100, 100_000, 600_000])
def test_an_environment_of_any_size_arrives(size: int, before: tuple[str, ...]) -> None:
    given = {**FUNCTION, **{f"V{n}": "x" * min(size, 100_000) for n in range(max(1, size // 100_000))}, "PATH": "/bin"}
    bare = environment(lambda application: application, env=given)
    assert environment(lambda application: (*before, *application), env=given) == bare


def test_an_environment_that_does_not_fit_twice_loses_only_what_the_shell_cannot_name(before: tuple[str, ...]) -> None:
    given = {"PATH": "/bin:/usr/bin", **{f"V{n}": "x" * 100_000 for n in range(12)}}
    found = environment(lambda application: (*before, *application), env={**given, **FUNCTION})
    assert set(given) | {"EMPTY"} == {name.decode() for name in _names(found) if name} - set(FUNCTION) | {"EMPTY"}


def test_no_environment_arrives_too(before: tuple[str, ...]) -> None:
    assert environment(lambda application: (*before, "/bin/" + application[0], *application[1:]), env={}) == [b""]


def test_words_arrive_byte_by_byte(before: tuple[str, ...]) -> None:
    odd = [b"", b" ", b"a b", b"x\ny\n", b"'\"$HOME`x`\\", b"-c", b"--", b"\xff\xfe", b"*", b"{}", "ü".encode()]
    command = [*map(os.fsencode, before), b"printf", b"<%s>", *odd]
    for locale in ("C", "C.UTF-8", "en_US.ISO-8859-1"):
        done = run(command, env={"PATH": os.environ["PATH"], "LC_ALL": locale})
        assert done.stdout == b"".join(b"<" + word + b">" for word in odd)


def test_the_application_is_the_process_that_was_started_and_has_no_children(before: tuple[str, ...]) -> None:
    with subprocess.Popen([*before, "sleep", "60"]) as process:
        try:
            wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n", "the application")
            table = list_processes()
            assert table[process.pid].ppid == os.getpid()
            assert [each for each in table.values() if each.ppid == process.pid] == []
        finally:
            process.kill()


ENDS = ["exit 0", "exit 3", "exit 126", "exit 127", "exit 255", *(f"kill -{n} $$" for n in ("KILL", "TERM", "SEGV"))]


@pytest.mark.parametrize("end", ENDS)
def test_the_end_is_the_application_s(end: str, before: tuple[str, ...]) -> None:
    application = ("sh", "-c", f"ulimit -c 0; {end}")
    assert run((*before, *application)).returncode == run(application).returncode


@pytest.mark.parametrize("name", ["mpich", "impi"])
@pytest.mark.parametrize("end", ["exit 3", "kill -KILL $$", "nonexistent-program", "/dev/null", "/"])
def test_a_launcher_returns_what_it_would_return(name: str, end: str, tmp_path: Path) -> None:
    application = ("sh", "-c", end) if " " in end else (end,)

    def ended(wrapper: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        for _ in range(10):
            done = run(launched(name, tmp_path)(wrapper)(application))
            if done.returncode != -signal.SIGPIPE:  # Intel's mpiexec, at times, when its proxy leaves at once
                break
        return done

    bare, found = ended(()), ended(words(link(tmp_path)))
    assert found.returncode == bare.returncode
    assert bare.returncode != 0
    assert " " in end or f"cannot run {end}".encode() in found.stderr


@pytest.mark.parametrize(("name", "status"), [("nonexistent-program", 127), ("/dev/null", 126), ("", 127)])
def test_what_cannot_be_run_ends_as_under_a_shell(name: str, status: int, before: tuple[str, ...]) -> None:
    done = run((*before, name))
    assert (done.returncode, done.stderr[:28]) == (
        status,
        b"hangprobe-rank: cannot run " + name[:1].encode() + b":"[name != "" :],
    )


def test_a_script_without_an_interpreter_is_the_shell_s(before: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "script").write_text('echo "$1"')
    (tmp_path / "script").chmod(0o755)
    assert run((*before, str(tmp_path / "script"), "said")).stdout == b"said\n"


def broken_link(tmp_path: Path) -> tuple[str, ...]:
    return words(tmp_path / "nowhere")


def damaged_link(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "damaged").write_bytes(b"\0\xffjob")
    return words(tmp_path / "damaged")


def no_python(tmp_path: Path) -> tuple[str, ...]:
    return words(link(tmp_path), python="/nonexistent/python")


def folder_for_python(tmp_path: Path) -> tuple[str, ...]:
    return words(link(tmp_path), python=str(tmp_path))


def python_that_fails(tmp_path: Path) -> tuple[str, ...]:
    return words(link(tmp_path), python="/bin/false")


def program_of_another_machine(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "python").write_bytes(b"\x7fELF" + bytes(60))
    (tmp_path / "python").chmod(0o755)
    return words(link(tmp_path), python=str(tmp_path / "python"))


@pytest.mark.parametrize(
    "broken",
    [broken_link, damaged_link, no_python, folder_for_python, python_that_fails, program_of_another_machine],
)
def test_whatever_is_broken_the_application_runs(broken: Callable[[Path], tuple[str, ...]], tmp_path: Path) -> None:
    done = run((*broken(tmp_path), "sh", "-c", 'echo "$0 $1"; exit 3', "a", "b c"))
    assert (done.stdout, done.stderr, done.returncode) == (b"a b c\n", b"", 3)


def test_a_group_is_stopped_and_goes_on(before: tuple[str, ...]) -> None:
    def state() -> str:
        return Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2][0]

    with subprocess.Popen([*before, "sleep", "60"], preexec_fn=lambda: os.setpgid(0, 0)) as process:
        try:
            wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n", "the application")
            os.killpg(process.pid, signal.SIGTSTP)
            wait_until(lambda: state() == "T", "the application to stop")
            os.killpg(process.pid, signal.SIGCONT)
            wait_until(lambda: state() == "S", "the application to go on")
        finally:
            process.kill()


def test_by_hand_it_is_the_same(tmp_path: Path) -> None:
    module = (
        sys.executable,
        "-c",
        "from hangprobe.agent.wrapping.words import main; main()",
        str(link(tmp_path)),
        "--",
    )
    done = subprocess.run([*module, "cat", "/proc/self/status"], capture_output=True, timeout=LIMIT_S, check=True)
    ignored = int(done.stdout.partition(b"SigIgn:\t")[2].split()[0], 16)  # such as SIGHUP, under nohup
    assert not ignored & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1))
