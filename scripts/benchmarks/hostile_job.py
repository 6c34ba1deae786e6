"""Everything that `scripts/bench hostile` sends, against the head of a job that runs: on its node, with its link file.

usage: python -m scripts.benchmarks.hostile_job LINKFILE MESSAGES
"""

from __future__ import annotations

import sys
from pathlib import Path

from hangprobe.agent.link.keys import Keys
from hangprobe.agent.link.linkfile import LinkFile
from scripts.benchmarks.hostile_kinds import KINDS, SCANS_OF, says

SCANS = 50
LONG = 5
"""Of the messages that are as long as may be."""


def main() -> None:
    """Attack."""
    link, count = LinkFile.read(Path(sys.argv[1])), int(sys.argv[2])
    keys = Keys(link.server_public, "", link.client_public, link.client_secret)
    port = int(link.addresses[0].rpartition(":")[2])
    for scan in SCANS_OF.values():
        scan(keys, port, SCANS)
    for name, kind in KINDS.items():
        says(kind)(keys, port, LONG if "MiB" in name else -(-count // (len(KINDS) - 1)))


if __name__ == "__main__":
    main()
