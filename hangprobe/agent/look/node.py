"""The half that runs on a node: look at the jobs there once, and print a report.

`python -m hangprobe.agent.look.node` is started by ssh, srun or pbsdsh. It ends by itself: nobody has to end it on
a node that answers no more.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time

from hangprobe.agent.look.nodereport import JobReport, NodeReport, pack
from hangprobe.attach.attachment import Attachment
from hangprobe.attach.sweep import Sweep, Wanted
from hangprobe.model import RankState, Unreadable
from hangprobe.observe.starters import starters
from hangprobe.observe.suspects import read_bystanders
from hangprobe.policy import Policy


def report(policy: Policy, patience_s: float) -> NodeReport:
    """Look at every job of this user on this node, and return what was seen; programs outside jobs are left out."""
    sweep = Sweep(Wanted(jobs_only=True), policy)
    sweep.look()
    sweep.settle(patience_s)
    jobs = tuple(_job(sweep, attachment) for attachment in sweep.attachments.values() if attachment.double is not None)
    return NodeReport(sweep.host, jobs, starters(sweep.reader, sweep.host))


def _job(sweep: Sweep, seen: Attachment) -> JobReport:
    judged = seen.judgement.ranks if seen.judgement is not None else ()
    free = {rank.rank for rank in judged if rank.state in {RankState.PROGRESSING, RankState.STALLED} and not rank.hung}
    bystanders = [rank for rank in seen.ranks if rank.rank in free]
    has_stacks = seen.policy.has_stacks
    in_mpi = read_bystanders(seen.reader, bystanders, seen.policy.stacks_deadline_s) if has_stacks else frozenset()
    waiting = {rank.rank for rank in judged if rank.state is RankState.WAITING}
    assert seen.double is not None
    return JobReport(
        seen.tree.job or "",
        sweep.command(seen.tree),
        sweep.began_s(seen.tree),
        seen.double,
        tuple(rank for rank in seen.ranks if rank.rank in seen.running),
        dict(seen.progress),
        seen.suspects,
        seen.sightings,
        tuple(sorted(in_mpi | waiting)),
        {method: tuple(sorted(ranks)) for method, ranks in seen.methods.ranks_by_method().items()},
        seen.samples,
        dict(seen.contexts),
        judged,
    )


def main(arguments: list[str] | None = None) -> int:
    """Print this node's report; end in any case once `--deadline` seconds have passed."""
    parser = argparse.ArgumentParser(prog="python -m hangprobe.agent.look.node", description=__doc__.partition("\n")[0])
    parser.add_argument("--stall-after", type=float, default=60.0)
    parser.add_argument("--patience", type=float, default=3.0)
    parser.add_argument("--deadline", type=float, default=10.0)
    parser.add_argument("--no-stacks", action="store_true")
    options = parser.parse_args(arguments)
    _end_after(options.deadline)
    policy = Policy(stall_after_s=options.stall_after, has_stacks=not options.no_stacks)
    try:
        found = report(policy, options.patience)
    except Exception as error:  # whatever it is, the head is to read it
        found = NodeReport(socket.gethostname(), (), (), (Unreadable("this node", f"{type(error).__name__}: {error}"),))
    sys.stdout.buffer.write(pack(found))
    sys.stdout.flush()
    return 0


def _end_after(seconds: float) -> None:
    """Leave at once when the time is over: a thread, for an alarm(2) would look like one of a job's."""

    def wait() -> None:
        time.sleep(seconds)
        os._exit(3)

    threading.Thread(target=wait, daemon=True, name="hangprobe-deadline").start()


if __name__ == "__main__":
    sys.exit(main())
