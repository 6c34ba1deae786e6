"""The words before an application pass through launchers, configuration files and shells unharmed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from hangprobe.agent.wrapping import words as wrapper


def test_the_application_s_words_follow_a_shell_with_python_and_link_file() -> None:
    words = wrapper.prefix(Path("/shared/link"), "/opt/python")
    assert words[:2] == ("/bin/sh", "-c")
    assert words[3:] == ("hangprobe-rank", "/opt/python", str(wrapper.RANK), "/shared/link")
    assert wrapper.RANK.is_file()


@pytest.mark.parametrize("letter", ["\n", "{", "}", "'", "%", "\\", ":::"])
def test_the_shell_s_part_has_nothing_that_a_launcher_or_parsl_takes_for_its_own(letter: str) -> None:
    assert letter not in wrapper.STAGE


def test_parsl_s_way_with_a_launch_command_changes_nothing() -> None:
    words = wrapper.prefix(Path("/shared/link"), "/opt/python")
    assert tuple(shlex.split(shlex.join(words).format(debug="--debug"))) == words


@pytest.mark.parametrize("arguments", [[], ["link"], ["link", "app"], ["link", "--"], ["--", "link", "app"]])
def test_by_hand_it_wants_a_link_file_and_an_application(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        wrapper.main(arguments)
    assert caught.value.code == 2
    assert "usage: hangprobe-rank LINKFILE -- APPLICATION" in capsys.readouterr().err


def test_help_says_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        wrapper.main(["--help"])
    assert caught.value.code == 0
    assert "LINKFILE -- APPLICATION" in capsys.readouterr().out
