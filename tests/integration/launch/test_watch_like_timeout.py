"""A watched command behaves as under timeout(1): the same output and the same status, for the same input."""

from __future__ import annotations

from pathlib import Path

import pytest

from .harness import BARE, TIMEOUT, WATCHED, say

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

# In each script "$@" is the wrapper: timeout --foreground 60, or the driver.
SCRIPTS = {
    "10 MB from a file": '"$@" cat < big | sha256sum; echo "${PIPESTATUS[@]}"',
    "10 MB from a pipe": 'cat big | "$@" cat | sha256sum; echo "${PIPESTATUS[@]}"',
    "closed stdin": '"$@" sh -c "test -e /proc/\\$\\$/fd/0; echo \\$?" <&-',
    "closed stdout": '"$@" sh -c "test -e /proc/\\$\\$/fd/1; echo \\$? >&2" 2>&1 >&-',
    "all three closed": '"$@" ./holes <&- >&- 2>&-; cat seen',
    "a reader that leaves early": '"$@" yes | head -1; echo "${PIPESTATUS[@]}"',
    "a writer that is left early": 'yes | "$@" head -1; echo "${PIPESTATUS[@]}"',
    "exit 0": '"$@" true; echo $?',
    "exit 1": '"$@" false; echo $?',
    "exit 42": '"$@" sh -c "exit 42"; echo $?',
    "exit 255": '"$@" sh -c "exit 255"; echo $?',
    "death by SEGV": '"$@" sh -c "kill -SEGV \\$\\$"; echo $?',
    "death by KILL": '"$@" sh -c "kill -KILL \\$\\$"; echo $?',
    "death by a real-time signal": '"$@" sh -c "kill -40 \\$\\$"; echo $?',
    "not executable": '"$@" ./big; echo $?',
    "a folder": '"$@" /tmp; echo $?',
    "below a file": '"$@" ./big/nothing; echo $?',
    "not found": '"$@" no-such-command; echo $?',
    "a script without interpreter line": '"$@" ./bare one two; echo $?',
    "a script with a missing interpreter": '"$@" ./lost; echo $?',
    "found first where it may not run": 'PATH="$PWD/shadow:$PATH" "$@" true; echo $?',
    "descriptor 3 for writing": '"$@" sh -c "echo through three >&3" 3>three; cat three',
    "descriptor 9 for reading": '"$@" sh -c "cat <&9" 9<bare',
    "nothing but the inherited descriptors": '"$@" ls /proc/self/fd 7</dev/null | xargs',
    "group, session, terminal": '"$@" cut -d" " -f5-8 /proc/self/stat',
    "limits": 'umask 027; ulimit -n 200; ulimit -Sc 0; cd sub; "$@" sh -c "umask; ulimit -a; pwd"',
    "niceness and cpus": 'nice -n 3 "$@" sh -c "nice; taskset -p \\$\\$ | cut -d: -f2"',
    "arguments": '"$@" printf "[%s]" "" "a b" "$(printf "\\303\\244\\377")" "*" --help -- -c',
}
STATES = {
    "plain": "",
    "HUP and INT ignored, as by nohup and &": "trap '' HUP INT;",
    "USR1 and TSTP ignored": "trap '' USR1 TSTP;",
    "a background job of a script": "true & ",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the scripts use."""
    (tmp_path / "big").write_bytes(bytes(range(256)) * 40960)
    holes = "for n in 0 1 2; do test -e /proc/$$/fd/$n && found=$found$n; done; echo open:$found >seen\n"
    scripts = {"bare": 'echo "bare $*"; exit 5\n', "lost": "#!/no/such/interpreter\n", "holes": "#!/bin/sh\n" + holes}
    for name, text in scripts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    for name in ("sub", "shadow"):
        (tmp_path / name).mkdir()
    (tmp_path / "shadow" / "true").write_text("")
    return tmp_path


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_output_and_status_are_those_under_timeout(script: str, folder: Path) -> None:
    expected = say(script, TIMEOUT, folder)
    assert expected
    assert say(script, WATCHED, folder) == expected


@pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())
def test_signal_state_is_the_bare_commands(state: str, folder: Path) -> None:
    script = state + '"$@" grep -E "Sig(Blk|Ign|Cgt)|ShdPnd" /proc/self/status'
    expected = say(script, BARE, folder)
    assert expected.count("\n") == 4
    assert say(script, WATCHED, folder) == expected


@pytest.mark.parametrize("locale", ["", "LC_ALL=C", "LANG=C.UTF-8", "PYTHONCOERCECLOCALE=0"])
def test_environment_gains_the_tag_and_nothing_else(locale: str, folder: Path) -> None:
    script = f'env -i PATH="$PATH" PYTHONPATH="$PYTHONPATH" {locale} "$@" env | sort'
    expected = say(script, BARE, folder).splitlines()
    tagged = say(script, WATCHED, folder).splitlines()
    assert [line for line in tagged if not line.startswith("HANGPROBE_JOB=")] == expected
    assert len(tagged) == len(expected) + 1


def test_blocked_signals_stay_blocked(folder: Path) -> None:
    block = (
        "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, {10, 17, 15});"
        "os.execvp(sys.argv[1], sys.argv[1:])"
    )
    script = f'python3 -c "{block}" "$@" grep -E "SigBlk" /proc/self/status'
    assert say(script, WATCHED, folder) == say(script, BARE, folder) == "SigBlk:\t0000000000014200\n"
