"""One observer and one deputy a node, whatever dies, and nobody once the ranks have gone."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hangprobe.agent.wrapping import deputy, seat
from hangprobe.launch.proctree import read_process
from tests.integration.launch.harness import wait_until

from .bare import LIMIT_S, link, run, words

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

RANKS = 8
PARENT_OBSERVER = Path(__file__).with_name("parent_observer.py")


class Node:
    """Ranks that sleep, and what was started to observe them: a stand-in that writes down its words and sleeps."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.told = folder / "told"
        self.told.mkdir()
        stand_in = folder / "python"
        stand_in.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" >{self.told}/.$$; mv {self.told}/.$$ {self.told}/$$\nexec sleep 60\n'
        )
        stand_in.chmod(0o755)
        self.link_file = link(folder, stand_in, **{"start_after_s": 0.0, **changes})
        self.link = seat.read_link(self.link_file.read_bytes())
        self.ranks: list[subprocess.Popen[bytes]] = []

    def start(self, count: int) -> None:
        self.ranks += [subprocess.Popen([*words(self.link_file), "sleep", "60"]) for _ in range(count)]
        wait_until(lambda: all(map(_sleeps, self.ranks)), "the ranks")

    def observers(self) -> list[int]:
        """Return all that have ever been started, in order."""
        return [int(file.name) for file in sorted(self.told.glob("[0-9]*"), key=lambda f: f.stat().st_mtime_ns)]

    def seats(self) -> dict[bytes, int]:
        """Return who holds which seat: the process that has the listening socket open."""
        return {name: holder for name in (seat.OBSERVER, seat.DEPUTY) if (holder := self._holder(name))}

    def _holder(self, name: bytes) -> int | None:
        path = (b"@" + seat.address(self.link, name)[1:]).decode()
        rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
        inodes = {row[6] for row in rows if row[-1] == path and row[3] == "00010000"}  # __SO_ACCEPTCON
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if any(
                    os.readlink(file) in {f"socket:[{inode}]" for inode in inodes}
                    for file in (process / "fd").iterdir()
                ):
                    return int(process.name)
            except OSError:
                continue
        return None

    def end(self) -> None:
        """End the ranks and whatever observes them."""
        for rank in self.ranks:
            rank.kill()
            rank.wait()
        wait_until(self._are_seats_free, "the seats to be free")

    def _are_seats_free(self) -> bool:
        for pid in self.observers():
            process = read_process(pid)
            if process and process.is_alive and process.name in ("python", "sleep"):  # before and after its exec
                os.kill(pid, signal.SIGKILL)
        return not self.seats()


def _sleeps(rank: subprocess.Popen[bytes]) -> bool:
    return Path(f"/proc/{rank.pid}/comm").read_text() == "sleep\n"


def _command(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return words[0] if "rank.py" not in " ".join(words) else "the wrapper"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    try:
        yield made
    finally:
        made.end()


def whose(rank: subprocess.Popen[bytes]) -> str:
    return f"{os.getpid()}:{rank.pid}:{seat.started(rank.pid)}"


def test_many_ranks_at_once_give_one_observer_and_one_deputy(node: Node) -> None:
    node.start(RANKS)
    wait_until(lambda: node.observers() and len(node.seats()) == 2, "both seats")
    (observer,) = node.observers()
    seats = node.seats()
    assert seats[seat.OBSERVER] == observer
    assert seats[seat.DEPUTY] not in {observer, *(rank.pid for rank in node.ranks)}
    told = (node.told / str(observer)).read_text().splitlines()
    assert told[:5] == ["-m", "hangprobe.agent.observer", "--link", str(node.link_file), "--seat"]
    assert os.readlink(f"/proc/{observer}/fd/{told[5]}").startswith("socket:")
    assert told[6] == "--rank"
    assert told[7] in map(whose, node.ranks)


def test_the_processes_in_the_seats_hold_nothing_of_the_application_s(node: Node, tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        node.start(2)
    finally:
        os.sched_setaffinity(0, before)
    wait_until(lambda: node.observers() and len(node.seats()) == 2, "both seats")
    wait_until(lambda: set(map(_command, node.seats().values())) == {"sleep", sys.executable}, "them to be themselves")
    for pid in node.seats().values():
        assert os.getsid(pid) == pid
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert os.sched_getaffinity(pid) == before
        kinds = {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}
        assert {kind for kind in kinds if not kind.startswith("socket:")} == {"/dev/null"}
        status = Path(f"/proc/{pid}/status").read_text()
        assert "SigBlk:\t0000000000000000" in status


def test_every_other_rank_says_its_line_to_the_observer(tmp_path: Path) -> None:
    node = Node(tmp_path)
    listening = seat.take(node.link, seat.OBSERVER)
    assert listening is not None
    with socket.socket(fileno=listening.detach()) as mine:
        try:
            node.start(3)
            said: list[str] = []
            while len(said) < 4:
                connection, _ = mine.accept()
                with connection:
                    said.append(connection.recv(100).decode())
            lines = [f"rank {whose(rank).replace(':', ' ')}\n" for rank in node.ranks]
            assert sorted(said) == sorted(["deputy\n", *lines])
        finally:
            for rank in node.ranks:
                rank.kill()
                rank.wait()
    wait_until(lambda: not node.seats(), "the seats to be free")


def test_a_deputy_takes_the_seat_of_an_observer_that_was_killed_and_leaves_its_own_to_another(node: Node) -> None:
    node.start(2)
    wait_until(lambda: node.observers() and len(node.seats()) == 2, "both seats")
    for number in (1, 2):
        standing_by = node.seats()[seat.DEPUTY]
        wait_until(lambda pid=standing_by: b"deputy.py" in Path(f"/proc/{pid}/cmdline").read_bytes(), "the deputy")  # type: ignore[misc]
        os.kill(node.seats()[seat.OBSERVER], signal.SIGKILL)
        wait_until(lambda number=number: len(node.observers()) == number + 1 and len(node.seats()) == 2, "another")  # type: ignore[misc]
        assert node.seats()[seat.OBSERVER] == standing_by == node.observers()[-1]
        assert node.seats()[seat.DEPUTY] != standing_by
        assert node.seats()[seat.DEPUTY] not in {rank.pid for rank in node.ranks}


def test_a_successor_knows_the_ranks_that_the_observer_told_of(tmp_path: Path) -> None:
    node = Node(tmp_path)
    try:
        listening = seat.take(node.link, seat.OBSERVER)
        assert listening is not None
        with socket.socket(fileno=listening.detach()) as mine:
            node.start(1)
            connections = [mine.accept()[0] for _ in range(2)]
            said = {connection.recv(100).split()[0]: connection for connection in connections}
            said[b"deputy"].sendall(b"rank 10 11 12\nrank 20 2")
            said[b"deputy"].sendall(b"1 22\n")
        for connection in connections:
            connection.close()
        wait_until(node.observers, "the successor")
        told = (node.told / str(node.observers()[0])).read_text().splitlines()
        ranks = {value for option, value in itertools.pairwise(told) if option == "--rank"}
        assert ranks == {"10:11:12", "20:21:22", whose(node.ranks[0])}
    finally:
        node.end()


def test_after_a_good_bye_nobody_takes_the_seat(tmp_path: Path) -> None:
    node = Node(tmp_path)
    try:
        listening = seat.take(node.link, seat.OBSERVER)
        assert listening is not None
        with socket.socket(fileno=listening.detach()) as mine:
            node.start(1)
            for connection in [mine.accept()[0] for _ in range(2)]:
                with connection:
                    if connection.recv(100) == b"deputy\n":
                        connection.sendall(b"bye\n")
            wait_until(lambda: seat.DEPUTY not in node.seats(), "the deputy to leave")
        assert node.observers() == []
    finally:
        node.end()


def test_a_job_that_ends_soon_was_never_observed(tmp_path: Path) -> None:
    node = Node(tmp_path, start_after_s=30.0)
    node.start(3)
    assert len(node.seats()) == 2
    node.end()
    assert node.observers() == []


def test_an_observer_that_cannot_run_is_not_started_for_ever(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!/bin/sh\necho start >>{starts}\n")
    stand_in.chmod(0o755)
    link_file = link(tmp_path, stand_in, start_after_s=0.3)
    ranks = [subprocess.Popen([*words(link_file), "sleep", "60"]) for _ in range(2)]
    try:
        wait_until(lambda: starts.exists() and len(starts.read_text().split()) == 1 + deputy.SUCCESSIONS, "all tries")
        said = seat.read_link(link_file.read_bytes())
        wait_until(lambda: _is_free(said, seat.DEPUTY) and _is_free(said, seat.OBSERVER), "the seats to be free")
        assert len(starts.read_text().split()) == 1 + deputy.SUCCESSIONS
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()


def _is_free(said: dict[bytes, bytes], name: bytes) -> bool:
    taken = seat.take(said, name)
    if taken is not None:
        taken.close()
    return taken is not None


def test_below_the_head_nobody_is_started(tmp_path: Path) -> None:
    start_time = seat.started(os.getpid())
    node = Node(tmp_path, head_pid=os.getpid(), head_start_time=start_time)
    try:
        node.start(2)
        assert (node.seats(), node.observers()) == ({}, [])
    finally:
        node.end()


def parent_link(folder: Path) -> Path:
    """Return a link file whose observer is the parent of its rank and does nothing else."""
    stand_in = folder / "python"
    stand_in.write_text(f'#!/bin/sh\nexec {sys.executable} {PARENT_OBSERVER} "$@"\n')
    stand_in.chmod(0o755)
    return link(folder, stand_in, as_parent=True)


@pytest.mark.parametrize("end", ["exit 0", "exit 3", "exit 255", "kill -KILL $$", "kill -TERM $$", "kill -SEGV $$"])
def test_a_parent_ends_as_its_rank_does(end: str, tmp_path: Path) -> None:
    application = ("sh", "-c", f"ulimit -c 0; {end}")
    assert run((*words(parent_link(tmp_path)), *application)).returncode == run(application).returncode


def test_without_an_observer_a_parent_ends_as_its_rank_does_too(tmp_path: Path) -> None:
    link_file = link(tmp_path, "/nonexistent/python", as_parent=True)
    assert run((*words(link_file), "sh", "-c", "exit 3")).returncode == 3
    assert run((*words(link_file), "sh", "-c", "kill -TERM $$")).returncode == -signal.SIGTERM


COUNT = """
import os, signal, sys
got = []
signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
print(os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0), flush=True)
sys.stdin.readline()
print(len(got), flush=True)
"""


@pytest.mark.parametrize("to_group", [False, True])
def test_a_signal_of_the_launcher_or_of_somebody_reaches_the_rank_once(to_group: bool, tmp_path: Path) -> None:
    command = [*words(parent_link(tmp_path)), sys.executable, "-c", COUNT]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        try:
            assert parent.stdin is not None
            assert parent.stdout is not None
            rank, above, group, session = map(int, parent.stdout.readline().split())
            assert (above, group, session) == (parent.pid, parent.pid, parent.pid)
            wait_until(lambda: b"parent_observer" in Path(f"/proc/{parent.pid}/cmdline").read_bytes(), "its parent")
            if to_group:
                os.killpg(parent.pid, signal.SIGUSR1)
            else:
                subprocess.run(["sh", "-c", f"kill -USR1 {parent.pid}"], check=True, timeout=LIMIT_S)
            wait_until(lambda: not _is_pending(parent.pid, signal.SIGUSR1), "the signal to be read")
            time.sleep(0.1)  # a second one would come with the first
            parent.stdin.write("\n")
            parent.stdin.flush()
            assert parent.stdout.readline() == "1\n"
            assert parent.wait(LIMIT_S) == 0
            assert not Path(f"/proc/{rank}").exists()
        finally:
            parent.kill()


def _is_pending(pid: int, number: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return bool(next(int(line.split()[1], 16) for line in lines if line.startswith("ShdPnd")) >> (number - 1) & 1)
