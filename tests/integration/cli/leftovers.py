"""What a test has left behind: processes, shared memory of MPICH, and Hydra's topology files.

Processes are exactly the test's own (see launch/conftest.py). Files are told from those of other jobs by what lives: a
segment that a process maps, or a topology file made when a living proxy began, is somebody else's. While other jobs'
proxies run, as beside another test, hangprobe leaves topology files alone (launch/segments.py): nothing is said then.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hangprobe.launch.proctree import descendants, list_processes
from hangprobe.launch.startup import become_subreaper
from tests.integration.launch.conftest import alive_below_test

LIMIT_S = 5.0
PROXY = "hydra_pmi_proxy"
PROXY_S = 2.0
"""From the start of a hydra_pmi_proxy to its topology file: 0.04 s measured."""


def mpi_files() -> set[Path]:
    """Return the shared memory and the topology files that are there now."""
    shared = [path for name in ("mpich_shm_*", "ucx_shm_posix_*") for path in Path("/dev/shm").glob(name)]
    found = {*shared, *Path("/tmp").glob("hydra_hwloc_xmlfile_*")}
    return {path for path in found if _is_this_users(path)}


def _is_this_users(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.geteuid()
    except FileNotFoundError:
        return False


def lost_files(before: set[Path], has_neighbours: bool) -> list[Path]:
    """Return new files that nobody uses; beside other jobs without topology files."""
    new = (path for path in sorted(mpi_files() - before) if path.parent.name == "shm" or not has_neighbours)
    return [path for path in new if not _is_in_use(path)]


def has_foreign_proxies() -> bool:
    """Tell whether jobs of others than this test run under Hydra."""
    table = list_processes()
    own = descendants(table, {os.getpid()})
    return any(each.name == PROXY and each.is_alive and each.pid not in own for each in table.values())


def _is_in_use(path: Path) -> bool:
    try:
        made_s = path.stat().st_mtime - (time.time() - time.clock_gettime(time.CLOCK_BOOTTIME))
    except FileNotFoundError:
        return True  # gone meanwhile
    if path.parent.name == "shm":
        return any(str(path) in _maps(pid) for pid in list_processes())
    proxies = [process for process in list_processes().values() if process.name == PROXY]
    starts_s = [proxy.start_time / os.sysconf("SC_CLK_TCK") for proxy in proxies if proxy.is_alive]
    return any(start_s - 0.1 <= made_s <= start_s + PROXY_S for start_s in starts_s)


def _maps(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/maps").read_text(errors="replace")
    except OSError:
        return ""


@contextmanager
def nothing_left_behind(limit_s: float = LIMIT_S) -> Iterator[None]:
    """Fail, and clean up by pid, if something is still there `limit_s` after the block."""
    become_subreaper()
    processes = {process.identity for process in list_processes().values()}
    files, began_s, has_neighbours = mpi_files(), time.time(), has_foreign_proxies()
    yield
    deadline_s = time.monotonic() + limit_s
    has_neighbours |= has_foreign_proxies()
    while (running := alive_below_test(processes)) or (lost := lost_files(files, has_neighbours)):
        if time.monotonic() > deadline_s:
            break
        time.sleep(0.01)
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    assert not running, f"still running: {running}"
    ages = [f"{path}, made {_made_s(path) - began_s:.2f} s after the start" for path in lost]
    for path in lost:
        path.unlink(missing_ok=True)
    assert not lost, f"left behind: {ages}"


def _made_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.nan
