"""Every threshold, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """What a user may set, and what a measurement has set."""

    interval_s: float = 0.25
    """Two samples fit into half a second: a proven hang is reported within a second of the last thread's blocking."""
    sample_share: float = 0.005
    """Of one core, that sampling may take: less than anybody can measure of a job's run time. Where samples cost more
    the interval grows: 1,000 ranks with two threads each are sampled about twice a second."""
    interval_max_s: float = 2.0
    """Between two samples, whatever they cost: a hang is found within two of them."""
    stall_after_s: float = 60.0
    """Longer than any collective or checkpoint pause in which no thread of a rank runs at all."""
    grace_s: float = 10.0
    """How long a proven knot must stand before a job is ended: proof needs no time, but a user may want to look."""
    stacks_deadline_s: float = 2.0
    """For all stacks together; py-spy needs 11 to 24 ms for a process, much longer only on a loaded machine."""
    guarded_read_s: float = 0.5
    """Files that take the target's mmap lock are read in a thread that may be abandoned after this time."""
    collect_gap_s: float = 0.01
    """Between the two collects of a proof. Any positive time serves; this lets a woken thread be seen running."""
    backoff_max_s: float = 5.0
    """Between double collects of one candidate that was found not to be a knot: doubled each time up to this."""
    collect_burst_s: float = 2.0
    """Time that double collects may take at any rate: enough for every rank of a job to block one after the other."""
    collect_share: float = 0.05
    """Of the job's time on top of that: a program whose candidates change all the time is looked at less often."""
    collect_always: bool = False
    """Double collect every rank tree at every sample, candidates or not: for accuracy tests, not for production."""
    has_stacks: bool = True
    """Read stacks of the suspects."""
