"""GNU parallel is told from its namesakes, put into an environment once and whole, and only it is taken away again."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.errors.tools import EnvironmentUnfit, GnuParallelMissing, NotGnuParallel, PerlMissing, ToolMissing
from hangprobe.launch import genuine, gnuparallel, parallelsources
from hangprobe.launch.genuine import GnuParallel, identify
from hangprobe.launch.gnuparallel import RECORD, Deed, find, install, remove
from hangprobe.launch.parallelsources import Kind, from_file

STAND_IN = '#!/bin/sh\ncase $1 in --version) echo "GNU parallel 20991231";; *) echo a;; esac\n'
OTHER = STAND_IN.replace("20991231", "21001231")
MOREUTILS = """#!/bin/sh
echo "parallel: invalid option -- '-'
parallel [OPTIONS] command -- arguments
	for each argument, run command with argument, in parallel
parallel [OPTIONS] -- commands
	run specified commands in parallel" >&2
exit 1
"""
NAMESAKES = {
    MOREUTILS: "moreutils",
    "#!/usr/bin/env node\nconsole.log('1.2.0')\n": "Node.js",
    "#!/bin/sh\necho 1.2.0\n": "another program of that name, which says '1.2.0'",
    "#!/bin/sh\n": "says nothing",
    "#!/bin/sh\necho like GNU parallel 20221122\n": "another program of that name",
    "#!/bin/sh\necho GNU parallel 20221122\n": r"did not run a job \(status 0: it printed 'GNU",
    "#!/bin/sh\ncase $1 in --version) echo GNU parallel 1;; *) echo a; echo oh >&2; exit 3;; esac\n": r"status 3: oh",
    "#!/no/such/program\n": "cannot be run",
}


def program(file: Path, text: str = STAND_IN) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


def archive(file: Path, members: dict[str, bytes], kind: str = "bz2") -> Path:
    with tarfile.open(file, f"w:{kind}") as opened:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return file


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty environment; no `parallel` is on PATH, and Debian's is not to be had."""
    (tmp_path / "env/bin").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'empty'}")
    monkeypatch.setattr(shutil, "which", lambda *_, **__: "/usr/bin/perl")

    def none(package: str, programs: tuple[str, ...]) -> Path:
        raise ToolMissing(package, "no network")

    monkeypatch.setattr(parallelsources, "unpacked", none)
    return tmp_path / "env"


def contents(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*")}


def test_it_says_its_version_and_runs_a_job(tmp_path: Path) -> None:
    assert identify(str(program(tmp_path / "parallel"))).version == "20991231"


@pytest.mark.parametrize(("text", "named"), NAMESAKES.items(), ids=range(len(NAMESAKES)))
def test_a_namesake_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(NotGnuParallel, match=named):
        identify(str(program(tmp_path / "parallel", text)))


def test_a_link_into_node_modules_is_a_node_program(tmp_path: Path) -> None:
    program(tmp_path / "node_modules/parallel/cli.js", "#!/bin/sh\necho 1.2.0\n")
    (tmp_path / "parallel").symlink_to("node_modules/parallel/cli.js")
    with pytest.raises(NotGnuParallel, match=r"Node\.js"):
        identify(str(tmp_path / "parallel"))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("#!/no/such/bin/perl -w\n", "there is no /no/such/bin/perl"),
        ("#!/bin/sh\necho \"/usr/bin/env: 'perl': No such file or directory\" >&2; exit 127\n", "no perl on PATH"),
        ('#!/bin/sh\necho "Can\'t locate IPC/Open3.pm in @INC" >&2; exit 2\n', r"IPC/Open3\.pm is missing"),
    ],
)
def test_a_missing_perl_is_an_error_of_its_own(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(PerlMissing, match=named):
        identify(str(program(tmp_path / "parallel", text)))


def test_what_never_answers_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(genuine, "ANSWER_LIMIT_S", 0.2)
    pid = tmp_path / "pid"
    with pytest.raises(NotGnuParallel, match="did not end within"):
        identify(str(program(tmp_path / "parallel", f"#!/bin/sh\necho $$ >{pid}; exec sleep 1000\n")))
    assert not pid.exists() or not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_the_users_own_settings_do_not_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARALLEL", "--dry-run")
    monkeypatch.setenv("PARALLEL_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    seen = tmp_path / "seen"
    identify(str(program(tmp_path / "parallel", f'#!/bin/sh\necho "$PARALLEL$PARALLEL_HOME$HOME" >{seen}\n{STAND_IN}')))
    assert "--dry-run" not in seen.read_text()
    assert str(tmp_path) not in seen.read_text()


def test_the_first_genuine_one_of_a_search_path_is_found(tmp_path: Path) -> None:
    program(tmp_path / "a/parallel", MOREUTILS)
    program(tmp_path / "b/parallel").chmod(0o644)
    wanted = program(tmp_path / "c/parallel", OTHER)
    program(tmp_path / "d/parallel")
    found = find(":".join(str(tmp_path / name) for name in ("none", "a", "b", "c", "d")))
    assert found is not None
    assert (found.path, found.version) == (str(wanted), "21001231")
    assert find(str(tmp_path / "a")) is None


def test_the_environment_of_this_python_comes_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "path/parallel")
    program(tmp_path / "env/bin/parallel", OTHER)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    found = find()
    assert found is not None
    assert found.version == "21001231"


def test_one_on_path_is_linked_to_and_namesakes_are_passed_over(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(env.parent / "a/parallel", MOREUTILS)
    there = program(env.parent / "b/parallel")
    monkeypatch.setenv("PATH", f"{env.parent / 'a'}:{env.parent / 'b'}")
    done = install(env)
    assert done.done is Deed.INSTALLED
    assert done.record is not None
    assert (done.record.source, done.record.origin, done.record.is_link) == (Kind.PATH, str(there), True)
    assert (env / "bin/parallel").readlink() == there
    (passed_over,) = done.passed_over
    assert "moreutils" in passed_over


def test_without_one_on_path_debians_is_copied(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(env.parent / "root/usr/bin/parallel").chmod(0o644)
    monkeypatch.setattr(parallelsources, "unpacked", lambda *_: env.parent / "root")
    told: list[str] = []
    done = install(env, tell=told.append)
    assert done.record is not None
    assert (done.record.source, done.record.is_link) == (Kind.DEBIAN, False)
    assert (env / "bin/parallel").stat().st_mode & 0o777 == 0o755
    assert any("Debian" in each for each in told)


def test_with_neither_the_archive_is_asked_for(env: Path) -> None:
    with pytest.raises(GnuParallelMissing, match=r"no network.*--from FILE"):
        install(env)
    assert contents(env) == {"bin"}


def test_without_perl_nothing_is_downloaded(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(PerlMissing, match="apt-get install perl"):
        install(env)


@pytest.mark.parametrize("kind", ["bz2", "gz", "xz"])
def test_the_program_of_an_archive_is_installed_and_its_checksum_recorded(env: Path, kind: str) -> None:
    members = {
        "../outside/src/parallel": MOREUTILS.encode(),
        "parallel-1/src/parallel_x": MOREUTILS.encode(),
        "parallel-1/src/parallel": STAND_IN.encode(),
    }
    file = archive(env.parent / "parallel.tar", members, kind)
    done = install(env, file)
    assert done.record is not None
    assert done.record.archive_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert done.record.sha256 == hashlib.sha256(STAND_IN.encode()).hexdigest()
    assert (env / "bin/parallel").read_text() == STAND_IN
    assert contents(env) == {"bin", "bin/parallel", "share", "share/hangprobe", str(RECORD)}


def test_the_bare_script_will_do(env: Path) -> None:
    done = install(env, program(env.parent / "parallel"))
    assert done.record is not None
    assert done.record.archive_sha256 == done.record.sha256


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(STAND_IN)
    with tarfile.open(tmp_path / "x.tar", "w") as opened:
        member = tarfile.TarInfo("parallel-1/src/parallel")
        member.type, member.linkname = tarfile.SYMTYPE, str(secret)
        opened.addfile(member)
    with pytest.raises(NotGnuParallel, match="the archive has no file"):
        from_file(tmp_path / "x.tar")


@given(st.binary(max_size=200), st.sampled_from([b"", b"BZh9", b"\x1f\x8b\x08", b"\xfd7zXZ\x00", b"x" * 600]))
def test_no_file_is_taken_for_an_archive_that_is_none(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, head: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.tar.bz2"
    file.write_bytes(head + b"-" + data)
    with pytest.raises(NotGnuParallel):
        from_file(file)


@given(st.data())
def test_a_damaged_archive_is_refused_or_gives_a_program(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    kind = data.draw(st.sampled_from(["bz2", "gz", "xz"]))
    whole = archive(folder / "whole.tar", {"parallel-1/src/parallel": STAND_IN.encode()}, kind).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = whole[:at] + bytes([whole[at] ^ 1 << data.draw(st.integers(0, 7))]) + whole[at + 1 :]
    (folder / "damaged.tar").write_bytes(cut if data.draw(st.booleans()) else whole[:at])
    with contextlib.suppress(NotGnuParallel):
        assert len(from_file(folder / "damaged.tar").content) <= len(whole) + len(STAND_IN)


@pytest.mark.parametrize("text", NAMESAKES)
def test_no_namesake_is_installed(env: Path, text: str) -> None:
    file = archive(env.parent / "parallel.tar", {"parallel-1/src/parallel": text.encode()})
    with pytest.raises(NotGnuParallel, match=str(file)):
        install(env, file)
    assert contents(env) == {"bin"}


def test_a_second_time_nothing_is_done(env: Path) -> None:
    file = program(env.parent / "parallel")
    first = install(env, file)
    before = (env / "bin/parallel").stat()
    for done in (install(env), install(env, file)):
        assert (done.done, done.record, done.version) == (Deed.ALREADY, first.record, "20991231")
    assert (env / "bin/parallel").stat() == before


def test_another_version_takes_the_place_of_what_was_put_there(env: Path) -> None:
    install(env, program(env.parent / "parallel"))
    done = install(env, program(env.parent / "newer", OTHER))
    assert (done.done, done.version) == (Deed.INSTALLED, "21001231")
    assert remove(env).done is Deed.REMOVED
    assert contents(env) == {"bin"}


def test_a_failed_replacement_leaves_what_was_there(env: Path) -> None:
    install(env, program(env.parent / "parallel"))
    before = (env / RECORD).read_bytes()
    with pytest.raises(NotGnuParallel):
        install(env, program(env.parent / "newer", MOREUTILS))
    assert (env / RECORD).read_bytes() == before
    assert install(env).done is Deed.ALREADY


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("step", ["identify", "write_whole"])
def test_an_interruption_leaves_nothing(env: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    monkeypatch.setattr(gnuparallel, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        install(env, program(env.parent / "parallel"))
    assert contents(env) == {"bin"}


def test_an_interruption_at_the_last_moment_leaves_nothing(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", lambda self, to: interrupted() if to.name == "parallel" else self.rename(to))
    with pytest.raises(KeyboardInterrupt):
        install(env, program(env.parent / "parallel"))
    assert contents(env) == {"bin"}


def test_a_link_whose_program_is_gone_is_made_anew(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = program(env.parent / "b/parallel")
    monkeypatch.setenv("PATH", str(there.parent))
    install(env)
    there.unlink()
    done = install(env, program(env.parent / "other", OTHER))
    assert (done.done, (env / "bin/parallel").is_symlink()) == (Deed.INSTALLED, False)


def test_what_did_not_answer_once_is_not_linked_to_itself(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(env, program(env.parent / "parallel"))
    (env.parent / "again").symlink_to(env)
    monkeypatch.setenv("PATH", f"{env / 'bin'}:{env.parent / 'again/bin'}")

    def late(path: str, called: str | None = None) -> GnuParallel:
        raise NotGnuParallel(path, "it did not end")

    monkeypatch.setattr(gnuparallel, "identify", late)
    with pytest.raises(GnuParallelMissing):
        install(env)
    assert (env / "bin/parallel").read_text() == STAND_IN


def test_a_link_that_leads_elsewhere_now_is_not_removed(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = program(env.parent / "b/parallel")
    monkeypatch.setenv("PATH", str(there.parent))
    install(env)
    (env / "bin/parallel").unlink()
    (env / "bin/parallel").symlink_to(program(env.parent / "c/parallel"))
    assert remove(env).done is Deed.CHANGED
    assert contents(env) == {"bin", "bin/parallel"}


def test_one_of_somebody_else_is_left_alone(env: Path) -> None:
    theirs = program(env / "bin/parallel")
    assert install(env).done is Deed.FOREIGN
    with pytest.raises(EnvironmentUnfit, match=f"has not put it there; remove {theirs}"):
        install(env, program(env.parent / "parallel", OTHER))
    assert remove(env).done is Deed.NOTHING
    assert theirs.read_text() == STAND_IN
    assert contents(env) == {"bin", "bin/parallel"}


@pytest.mark.parametrize("has_archive", [False, True])
def test_a_namesake_in_the_environment_is_in_the_way(env: Path, has_archive: bool) -> None:
    theirs = program(env / "bin/parallel", MOREUTILS)
    with pytest.raises(EnvironmentUnfit, match=f"moreutils; remove {theirs} first"):
        install(env, program(env.parent / "parallel") if has_archive else None)
    assert theirs.read_text() == MOREUTILS


@pytest.mark.parametrize("as_link", [False, True])
def test_what_somebody_has_changed_is_not_removed(env: Path, as_link: bool) -> None:
    install(env, program(env.parent / "parallel"))
    if as_link:
        (env / "bin/parallel").unlink()
        (env / "bin/parallel").symlink_to(env.parent / "parallel")
    else:
        program(env / "bin/parallel", OTHER)
    assert remove(env).done is Deed.CHANGED
    assert contents(env) == {"bin", "bin/parallel"}
    assert remove(env).done is Deed.NOTHING


@pytest.mark.parametrize("record", [b"", b"{", b'{"path": 3}'])
def test_a_damaged_record_removes_nothing_but_itself(env: Path, record: bytes) -> None:
    install(env, program(env.parent / "parallel"))
    (env / RECORD).write_bytes(record)
    assert remove(env).done is Deed.CHANGED
    assert contents(env) == {"bin", "bin/parallel"}


def test_other_things_in_the_share_folder_stay(env: Path) -> None:
    install(env, program(env.parent / "parallel"))
    (env / "share/hangprobe/other").touch()
    remove(env)
    assert contents(env) == {"bin", "share", "share/hangprobe", "share/hangprobe/other"}


def test_a_python_without_environment_is_refused_and_another_may_be_named(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(env))
    for deed in (install, remove):
        with pytest.raises(EnvironmentUnfit, match=r"in no virtual environment; name .* --into DIR"):
            deed()
    with pytest.raises(EnvironmentUnfit, match="no folder bin"):
        install(env / "none")
    (env / "pyvenv.cfg").touch()
    assert remove().done is Deed.NOTHING
