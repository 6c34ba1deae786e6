"""What cannot be done is refused at once: one line that names a remedy, the right code, and nothing written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .harness import hangprobe

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

BCAST = ("run", "bcast_under_lock", "--grace", "0")
RUN_HELP, WATCH_HELP, HELP = "see hangprobe run --help", "see hangprobe watch --help", "see hangprobe --help"
NAME_A_FOLDER = "name a writable folder with --out DIR"
INSTALL_ONE = "pip install mpich mpi4py"

# The folder has a text file `file`, and `lost`, a script whose interpreter does not exist.
REFUSED: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no such command": (("watch", "--", "no-such-command"), 127, "check its spelling and PATH"),
    "not executable": (("watch", "--", "./file"), 126, "check that it is an executable file"),
    "a folder as a command": (("watch", "--", "/tmp"), 126, "check that it is an executable file"),
    "no command": (("watch",), 125, WATCH_HELP),
    "no command after --": (("watch", "--"), 125, WATCH_HELP),
    "unknown option of watch": (("watch", "--no-such", "--", "true"), 125, WATCH_HELP),
    "no number for watch": (("watch", "--grace", "x", "--", "true"), 125, WATCH_HELP),
    "infinite interval": (("watch", "--interval", "inf", "--", "sleep", "1"), 125, "--interval"),
    "unknown choice": (("watch", "--on-hang", "kil", "--", "true"), 125, "'kill-proven', 'kill', 'report'"),
    "watch's JSON to stdout": (("watch", "--json", "-", "--", "true"), 125, "name a file: --json FILE"),
    "watch's JSON to nowhere": (("watch", "--json", "no/doc", "--", "true"), 125, "name a file in a writable folder"),
    "watch's JSON below a file": (("watch", "--json", "file/doc", "--", "true"), 125, "name a file"),
    "watch's JSON to a folder": (("watch", "--json", ".", "--", "true"), 125, "name a file"),
    "watch's folder below a file": (("watch", "--out", "file/here", "--", "true"), 125, NAME_A_FOLDER),
    "watch's folder unwritable": (("watch", "--out", "/proc/here", "--", "true"), 125, NAME_A_FOLDER),
    "typo of a reproducer": (("run", "bcast_under_lok"), 2, "did you mean bcast_under_lock"),
    "no reproducer like it": (("run", "42"), 2, "hangprobe list"),
    "typo beside a right name": (("run", "bcast_under_lock", "thread_lok"), 2, "did you mean thread_lock"),
    "typo of a variant": (("run", "thread_lock", "--variant", "rlok"), 2, "did you mean rlock"),
    "typo of a mitigation": ((*BCAST, "--mitigate", "spwan"), 2, "did you mean spawn"),
    "two kinds of choice": (("run", "thread_lock", "--variant", "lock", "--all"), 2, "give one of them"),
    "unknown option": ((*BCAST, "--no-such"), 2, RUN_HELP),
    "unknown subcommand": (("rnu",), 2, HELP),
    "unknown list": (("list", "reproducer"), 2, "'reproducers'"),
    "nothing to run": (("run",), 2, RUN_HELP),
    "no ranks": ((*BCAST, "--ranks", "0"), 2, RUN_HELP),
    "no number of ranks": ((*BCAST, "--ranks", "four"), 2, RUN_HELP),
    "no launcher": ((*BCAST, "--mpiexec", "nosuch"), 125, INSTALL_ONE),
    "launcher not executable": ((*BCAST, "--mpiexec", "./file"), 125, INSTALL_ONE),
    "launcher cannot start": ((*BCAST, "--mpiexec", "./lost"), 125, "check|install"),
    "folder unwritable": ((*BCAST, "--out", "/proc/here"), 125, NAME_A_FOLDER),
    "folder below a file": ((*BCAST, "--out", "file/here"), 125, NAME_A_FOLDER),
    "folder is a file": ((*BCAST, "--out", "file"), 125, NAME_A_FOLDER),
    "JSON to nowhere": ((*BCAST, "--json", "no/doc"), 125, "name a file"),
    "JSON below a file": ((*BCAST, "--json", "file/doc"), 125, "name a file"),
    "JSON to a folder": ((*BCAST, "--json", "."), 125, "name a file"),
}


@pytest.mark.parametrize(("arguments", "status", "remedy"), REFUSED.values(), ids=REFUSED.keys())
def test_refusal_is_one_line_with_a_remedy(
    arguments: tuple[str, ...], status: int, remedy: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no program\n")
    (tmp_path / "lost").write_text("#!/no/such/interpreter\n")
    (tmp_path / "lost").chmod(0o755)
    done = hangprobe(*arguments, folder=tmp_path)
    assert re.fullmatch(r"hangprobe: [^\n]+\n", done.stderr)
    assert re.search(remedy, done.stderr)
    assert done.status == status
    assert done.stdout == ""
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "lost"]
