"""On a terminal, `run` shows the ranks and their states while the job runs, and ends with the report."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.launch.harness import terminal

from .harness import HANGPROBE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
def capable_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a terminal that can move its cursor, whatever the tests were started from."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "40")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def test_table_is_live_and_the_report_stays(tmp_path: Path) -> None:
    with terminal(HANGPROBE, "run", "bcast_under_lock", "--grace", "0.5", folder=tmp_path) as tty:
        tty.expect(r"bcast_under_lock, variant default, 4 ranks")
        tty.expect(r"ranks\W[^\n]*state")
        tty.expect(r"0-3\W[^\n]*progressing")
        tty.expect(r"1-3\W[^\n]*proven[^\n]*fork-orphaned-lock")
        tty.expect(r"HANG \(proven\): bcast_under_lock, 4 ranks by hydra")
        tty.expect(r"results: hangprobe-results/\S+\r\n")
        os.waitid(os.P_PID, tty.pid, os.WEXITED | os.WNOWAIT)
        assert tty.close() == 124


def test_cursor_is_shown_again_after_ctrl_c(tmp_path: Path) -> None:
    with terminal(HANGPROBE, "run", "bcast_under_lock", folder=tmp_path) as tty:
        tty.expect(r"\x1b\[\?25l")
        tty.expect("progressing")
        tty.send("\x03")
        tty.expect(r"\x1b\[\?25h")
        tty.expect("results: ")
        os.waitid(os.P_PID, tty.pid, os.WEXITED | os.WNOWAIT)
        assert "Traceback" not in tty.seen
        assert tty.close() == 130
