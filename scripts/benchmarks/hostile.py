"""`scripts/bench hostile`: a live head, three honest observers, and everything that a network can throw at it.

Who has the job's key sends what is no message, what is another's, what was said before, what is too long and too much;
who has none scans the port, speaks other protocols, or brings a key of his own. Told is what the head dropped and why,
what the honest observers said and what of it arrived, and what a hostile message costs the head beside an honest one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hangprobe.agent.link.keys import Keys, make_keys
from hangprobe.agent.link.line import Line
from hangprobe.agent.link.messages import Alive, Answer, Hello
from scripts.benchmarks.hostile_kinds import KINDS, SCANS_OF, connections, honest_word, says
from scripts.benchmarks.machine import section

HONEST = 3
HONEST_PAUSE_S = 0.1
SETTLED_S = 0.3
"""The head has nothing more to do when its counts have stood still for so long."""
LONG = 25
"""Messages of 8 MiB."""
SCANS = 250
"""Connections of each kind of scan."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--messages", type=int, default=10_000, help="hostile messages, of all kinds (default 10000)")
    parser.add_argument("--flood", type=float, default=5.0, help="seconds of a flood (default 5)")


def main(options: argparse.Namespace) -> int:
    """Attack, print what came of it, and return 0 if every honest message arrived and no hostile one did."""
    keys = make_keys()
    with _the_head(keys) as head, _honest(keys, head.port) as honest:
        idle = head.idle_share()
        rows = [_attack("honest, for comparison", 1000, says(honest_word), keys, head, idle)]
        each = -(-options.messages // (len(KINDS) - 1))
        for name, kind in KINDS.items():
            rows.append(_attack(name, LONG if "MiB" in name else each, says(kind), keys, head, idle))
            print(rows[-1], file=sys.stderr, flush=True)
        for name, scan in SCANS_OF.items():
            rows.append(_attack(name, SCANS, scan, keys, head, idle))
            print(rows[-1], file=sys.stderr, flush=True)
        flood = _flood(keys, head, options.flood)
        said = [observer.finish() for observer in honest]
        facts = head.settled()
    arrived = [facts["answers"].get(f"honest{number}", 0) for number in range(HONEST)]
    taken = facts["heard"].get("hostile", 0)
    print(page(rows, flood, said, arrived, taken, facts))
    return 0 if said == arrived and taken == 0 else 1


# the head


@dataclass
class AttackedHead:
    """The head's process."""

    process: subprocess.Popen[str]
    port: int

    def facts(self) -> dict[str, Any]:
        """Return what it knows and has used up."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def settled(self) -> dict[str, Any]:
        """Return that once it has nothing more to do."""
        before = self.facts()
        while True:
            time.sleep(SETTLED_S)
            after = self.facts()
            if after["counts"] == before["counts"]:
                return after
            before = after

    def idle_share(self) -> float:
        """Return the share of a core that it takes for the honest observers alone."""
        before, began_s = self.facts(), time.monotonic()
        time.sleep(3.0)
        return float((self.facts()["cpu_s"] - before["cpu_s"]) / (time.monotonic() - began_s))


@contextlib.contextmanager
def _the_head(keys: Keys) -> Iterator[AttackedHead]:
    command = (sys.executable, "-m", "scripts.benchmarks.hostile_head")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(list(keys)) + "\n")
            process.stdin.flush()
            yield AttackedHead(process, int(process.stdout.readline()))
            process.stdin.close()
            process.wait(10)
        finally:
            process.kill()


# the honest ones


class HonestObserver:
    """Says something ten times a second, until it is told to finish."""

    def __init__(self, line: Line) -> None:
        self.line, self.said = line, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.line.send(Hello(os.getpid(), 1))
        while not self.ended.is_set():
            self.said += 1
            self.line.send(Answer(self.said))
            self.line.receive(HONEST_PAUSE_S)
            if self.line.has_reconnected() and self.said == 1:
                self.line.send(Hello(os.getpid(), 1))
        self.line.close(5.0)

    def finish(self) -> int:
        """Return how much it has said."""
        self.ended.set()
        self.thread.join()
        return self.said


@contextlib.contextmanager
def _honest(keys: Keys, port: int) -> Iterator[list[HonestObserver]]:
    where = [f"127.0.0.1:{port}"]
    shown = (keys.server_public, keys.client_public, keys.client_secret)
    observers = [HonestObserver(Line(where, *shown, "bench", f"honest{number}")) for number in range(HONEST)]
    try:
        yield observers
    finally:
        for observer in observers:
            observer.finish()


# the attacks


def _attack(
    name: str, count: int, attack: Callable[[Keys, int, int], None], keys: Keys, head: AttackedHead, idle: float
) -> dict[str, Any]:
    """Let one kind of it loose; return what was dropped, and the head's time for each."""
    before, began_s = head.settled(), time.monotonic()
    attack(keys, head.port, count)
    after = head.settled()
    cpu_s = after["cpu_s"] - before["cpu_s"] - idle * (time.monotonic() - began_s)
    dropped = {key: after["counts"][key] - before["counts"][key] for key in after["counts"]}
    return {
        "name": name,
        "sent": count,
        "each_us": cpu_s / count * 1e6,
        "dropped": {k: n for k, n in dropped.items() if n},
    }


def _flood(keys: Keys, head: AttackedHead, duration_s: float) -> dict[str, Any]:
    """Send as fast as the wire takes it; return what the head took, dropped, and used up."""
    before, began_s, sent = head.settled(), time.monotonic(), 0
    with connections(keys, head.port, 1) as (client,):
        client.link.send(client.envelope(Hello(1, 1), number=1, host="flooder"))
        while time.monotonic() - began_s < duration_s:
            client.link.send(client.envelope(Alive(), host="flooder"))
            sent += 1
        after, took_s = head.facts(), time.monotonic() - began_s
    done = head.settled()
    return {
        "sent": sent,
        "dropped": done["counts"]["flooding"] - before["counts"]["flooding"],
        "share": (after["cpu_s"] - before["cpu_s"]) / took_s,
        "seconds": took_s,
    }


def page(
    rows: list[dict[str, Any]],
    flood: dict[str, Any],
    said: list[int],
    arrived: list[int],
    taken: int,
    facts: dict[str, Any],
) -> str:
    """Return the result as Markdown."""
    honest_us = rows[0]["each_us"]
    hostile = sum(row["sent"] for row in rows if row["name"] in KINDS)
    return "\n".join(
        [
            "# A hostile network",
            "",
            f"`scripts/bench hostile`: {hostile} hostile messages with the job's key, and scans without.",
            "",
            "| | sent | dropped as | head's time for each | of an honest one |",
            "|---|---|---|---|---|",
            *(
                f"| {row['name']} | {row['sent']} | {', '.join(f'{k} {n}' for k, n in row['dropped'].items())} "
                f"| {row['each_us']:.0f} us | {row['each_us'] / honest_us:.1f} |"
                for row in rows
            ),
            "",
            f"- honest observers said {sum(said)}, of which {sum(arrived)} arrived; hostile messages taken in: {taken}",
            f"- a flood of one connection for {flood['seconds']:.1f} s: {flood['sent']} sent, "
            f"{flood['dropped']} dropped, {100 * flood['share']:.0f} % of a core",
            f"- memory of the head at most {facts['rss_mib']:.0f} MiB",
            "",
            *section(),
        ]
    )
