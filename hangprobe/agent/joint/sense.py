"""Whether a digest that came over the wire can be one of a node, though it is of the right type.

Whoever has the job's key can send anything that decodes; the watch must outlive it. Pure.
"""

from __future__ import annotations

from hangprobe.agent.joint.merge import merge
from hangprobe.digest import Digest
from hangprobe.ranksets import count

BEYOND = 10**9
"""No rank has this number, nor a greater one."""


def is_sensible(digest: Digest) -> bool:
    """Tell whether ranks are numbers, no set is of more of them than the node has, and a job can be made of it."""
    numbers = [rank.rank for rank in digest.ranks] + [digest.size or 0]
    if not all(0 <= number < BEYOND for number in numbers):
        return False
    sets = [finding.ranks for finding in (*digest.findings, *digest.past)] + [*digest.start_methods.values()]
    sets += [ranks for _, ranks in digest.contexts]
    try:
        return all(count(each) <= len(digest.ranks) for each in sets) and merge([digest]) is not None
    except Exception:  # whatever the merging of a job stumbles over
        return False
