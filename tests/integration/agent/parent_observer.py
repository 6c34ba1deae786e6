"""Stands for an observer that is a rank's parent: only its signals and its end."""

from __future__ import annotations

import select
import sys

from hangprobe.agent.observer.parent import Parent


def main() -> None:
    child = int(sys.argv[sys.argv.index("--child") + 1].split(":")[0])
    parent = Parent()
    parent.begin(child)
    while (status := parent.poll()) is None:
        select.select([parent], [], [], 0.01)
    parent.leave(status)


if __name__ == "__main__":
    main()
