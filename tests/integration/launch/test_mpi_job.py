"""An ended MPI job leaves neither processes nor shared memory."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from hangprobe.launch.proctree import descendants, list_processes
from hangprobe.launch.session import Capture, LaunchSpec, Session

from .harness import is_gone, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

MPIEXEC = Path(sys.executable).with_name("mpiexec")
RANK = str(Path(__file__).with_name("rank.py"))


def start(folder: Path) -> tuple[Session, set[Path]]:
    """Start two ranks; return when both have initialised, with the shared memory that they use."""
    capture = Capture(folder / "out", folder / "err")
    command = (str(MPIEXEC), "-n", "2", sys.executable, RANK, str(folder))
    session = Session(LaunchSpec(command, f"mpi-{os.getpid()}-{folder.name}", cwd=folder, capture=capture))
    told = [folder / f"segments-{rank}" for rank in (0, 1)]
    try:
        wait_until(lambda: all(map(Path.exists, told)) or session.poll(), "two ranks")
        return session, {Path(line) for file in told for line in file.read_text().split()}
    except BaseException:
        session.end(0)
        raise


@pytest.mark.parametrize("term_s", [0.0, 2.0])
def test_ended_job_leaves_no_shared_memory(term_s: float, tmp_path: Path) -> None:
    session, used = start(tmp_path)
    with session:
        assert used
        assert all(map(Path.exists, used))
        ended = session.end(term_s)
    assert ended.left == ()
    assert not any(map(Path.exists, used))


def test_ranks_that_outlive_their_launcher_are_finished(tmp_path: Path) -> None:
    session, used = start(tmp_path)
    with session:
        table = list_processes()
        tree = descendants(table, {session.command_pid})
        for pid in tree:
            if table[pid].name == "hydra_pmi_proxy":
                os.kill(pid, signal.SIGSTOP)  # it would kill the ranks first
        os.kill(session.command_pid, signal.SIGKILL)
        wait_until(lambda: session.poll(), "mpiexec to end")
        assert not is_gone(tree)
    assert is_gone(tree)
    assert is_gone({session.guardian_pid})
    assert not any(map(Path.exists, used))
