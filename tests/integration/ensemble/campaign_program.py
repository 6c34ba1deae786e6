"""A campaign whose trials are a stand-in for Parsl: one child process each, which ends when it is told, or left alone.

usage: campaign_program.py DIR new|resume. Says "began N PID" when trial N's child runs, and makes it end at a line of
its standard input; "done" at the end of the campaign, "busy" if another runner has the folder.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hangprobe.ensemble.campaign import Progress, run
from hangprobe.ensemble.records import Planned, Trial
from hangprobe.ensemble.store import opened
from hangprobe.errors.ensembles import CampaignBusy
from tests.unit.ensemble.trials import campaign, trial, usual

STAND_IN = "import os, sys; os.write(1, b'up'); sys.stdin.read()"


class Silent:
    """Follows without a word."""

    def began(self, planned: Planned, progress: Progress) -> None:
        """Say nothing."""

    def ended(self, trial: Trial, progress: Progress) -> None:
        """Say nothing."""


def make(planned: Planned, folder: Path) -> Trial:
    """Run the stand-in until a line comes; end it in any case."""
    (folder / "half-made").write_text("")
    child = subprocess.Popen([sys.executable, "-c", STAND_IN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        child.stdout.read(2)
        say(f"began {planned.number} {child.pid}")
        sys.stdin.readline()
    finally:
        child.communicate()
    return trial(planned, usual(planned))


def say(line: str) -> None:
    """Print a line."""
    print(line, flush=True)


def main(folder: Path, is_new: bool) -> None:
    """Begin the campaign or go on with it."""
    try:
        with opened(folder, is_new, wait_s=0.0) as store:
            if is_new:
                store.begin(campaign())
            run(store, store.campaign(), make, Silent())
    except CampaignBusy:
        say("busy")
    except KeyboardInterrupt:
        say("interrupted")
    else:
        say("done")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "new")
