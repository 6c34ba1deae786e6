"""The stand-in for ssh runs a remote command here, whatever options come before it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hangprobe.launch.pretended import hosts, write_stand_in


@pytest.mark.parametrize("options", [(), ("-x",), ("-q", "-o", "BatchMode=yes", "-p", "22"), ("-T", "--")])
def test_command_runs_here_with_its_words_and_status(options: tuple[str, ...], tmp_path: Path) -> None:
    command = [str(write_stand_in(tmp_path)), *options, "node01", "echo", "one;", "exit 3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.stdout, done.returncode) == ("one\n", 3)


def test_pretended_nodes_have_names_of_their_own() -> None:
    assert hosts(2) == ("pretended01", "pretended02")
