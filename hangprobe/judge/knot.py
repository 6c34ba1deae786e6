"""The proof: which blocked threads can be woken by nobody.

A blocked thread wakes if *any one* of its wakers acts (the OR-model of Chandy, Misra and Haas, "Distributed deadlock
detection", ACM TOCS 1(2), 1983). So a set of threads can never wake by itself exactly if it holds no live thread and
every waker of every member is a member. The union of two such sets is one too: there is a largest, the knot.

It is found by walking backwards from the live threads: whoever may be woken by one that is live is live itself.
Linear in threads plus edges.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Set
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def knot(wakers: Mapping[T, Set[T]]) -> frozenset[T]:
    """Return the largest set of threads that is closed under wakers.

    `wakers` maps each blocked thread to all that could wake it; every thread that is not a key is live.
    A thread with no wakers at all can be woken by nobody and is in the knot.
    """
    waits_on: dict[T, list[T]] = defaultdict(list)
    awake: list[T] = []
    for thread, its_wakers in wakers.items():
        for waker in its_wakers:
            waits_on[waker].append(thread)
            if waker not in wakers:
                awake.append(waker)
    marked: set[T] = set()
    while awake:
        for thread in waits_on.get(awake.pop(), ()):
            if thread not in marked:
                marked.add(thread)
                awake.append(thread)
    return frozenset(wakers.keys() - marked)


def reachable(start: T, wakers: Mapping[T, Set[T]]) -> frozenset[T]:
    """Return `start` and everything that its wait depends on, along waker edges."""
    seen = {start}
    ahead = [start]
    while ahead:
        for waker in wakers.get(ahead.pop(), ()):
            if waker not in seen:
                seen.add(waker)
                ahead.append(waker)
    return frozenset(seen)
