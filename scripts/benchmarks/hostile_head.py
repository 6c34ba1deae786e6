"""The head that `scripts/bench hostile` attacks: keys on its first line of input, then a line of facts for each."""

from __future__ import annotations

import dataclasses
import json
import resource
import select
import sys
from collections import Counter
from typing import Any

from hangprobe.agent.link.head import Head
from hangprobe.agent.link.keys import Keys
from hangprobe.agent.link.messages import Answer, Hello

PACE_S = 0.05
"""Between two looks, as in hangprobe's own loop."""


def main() -> None:
    """Serve until the input ends."""
    head = Head("bench", Keys(*json.loads(sys.stdin.readline())))
    print(json.dumps(head.port), flush=True)
    heard: Counter[str] = Counter()
    answers: dict[str, set[int]] = {}
    while True:
        for peer, body in head.receive():
            if not isinstance(body, Hello):
                heard[peer.host] += 1
            if isinstance(body, Answer):
                answers.setdefault(peer.host, set()).add(body.request)
        if select.select([sys.stdin], [], [], PACE_S)[0]:
            if not sys.stdin.readline():
                break
            print(json.dumps(_facts(head, heard, answers)), flush=True)
    head.close()


def _facts(head: Head, heard: Counter[str], answers: dict[str, set[int]]) -> dict[str, Any]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "rss_mib": usage.ru_maxrss / 1024,
        "counts": dataclasses.asdict(head.counts),
        "heard": dict(heard),
        "answers": {host: len(requests) for host, requests in answers.items()},
    }


if __name__ == "__main__":
    main()
