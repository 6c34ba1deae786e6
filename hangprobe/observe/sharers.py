"""Who shares whose memory: processes that were made by clone(2) with CLONE_VM, as vfork(2) makes them.

A thread of any of them may end a private wait in that memory. kcmp(2) tells; where it is refused, the sizes of two
memories do, or nothing does. Where many processes come from one, they are sorted by their memory and not compared in
pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cmp_to_key
from itertools import groupby

from hangprobe.model import Unreadable
from hangprobe.observe.census import Census
from hangprobe.observe.kcmp import is_same_memory, memory_order
from hangprobe.observe.procfs import PF_KTHREAD, Stat

PAIRWISE_MAX = 16
"""Processes with the same start of stack that are compared one by one; more are sorted."""

Compare = Callable[[int, int], "bool | None"]
"""Answers for kcmp(2) about two threads; None if it may not be asked."""


@dataclass(slots=True)
class Sharers(Census):
    """Every process of one node, and the others that share its memory."""

    same_memory: Compare = field(default=is_same_memory, kw_only=True)
    _by_stack: dict[int | None, list[int]] = field(default_factory=dict, kw_only=True)
    _sorted_count: int = field(default=0, kw_only=True)
    _sharers: dict[int, list[int] | Unreadable] = field(default_factory=dict, kw_only=True)
    _memories: dict[int, tuple[dict[int, list[int]], list[int]]] = field(default_factory=dict, kw_only=True)
    """By start of stack: for each process those that share its memory, and the processes that could not be asked."""

    def sharers(self, pid: int) -> list[int] | Unreadable:
        """Return the other processes that share this one's memory (clone(2) with CLONE_VM), or why that is not known.

        One side of such a pair has not exec'd since, and both show the same start of stack (field 28 of `stat`).
        """
        if pid not in self._sharers:
            own = self.stats.get(pid)
            alike = self._same_stack(own)
            if own is not None and own.stack_start and len(alike) > PAIRWISE_MAX:
                self._sharers[pid] = self._sharers_of_many(pid, own.stack_start, alike)
            else:
                among = [other for other in alike if other != pid and self._may_share(own, other)]
                self._sharers[pid] = self._sharers_among(pid, among)
        return self._sharers[pid]

    def _asked(self, pid: int) -> int:
        """Return the thread to ask about a process: of a main thread that has ended, kcmp knows no memory."""
        stat = self.stats.get(pid)
        return self.living(pid) if stat is not None and stat.state in {"Z", "X"} else pid

    def _may_share(self, own: Stat | None, other: int) -> bool:
        """Tell whether two processes may have one memory: one of them has not exec'd, and none has ended."""
        stat = self.stats[other]
        if own is None or (stat.flags or 0) & PF_KTHREAD or stat.has_ended:
            return False
        return own.is_forked is not False or stat.is_forked is not False

    def _sharers_among(self, pid: int, candidates: Iterable[int]) -> list[int] | Unreadable:
        found: list[int] = []
        for other in candidates:
            answer = self.same_memory(self._asked(pid), self._asked(other))
            if answer:
                found.append(other)
            elif answer is None and self._is_relative(pid, other) and self._has_same_size(pid, other):
                return Unreadable(f"kcmp {pid} {other}", "not permitted, and the two are related by fork")
        return found

    def _sharers_of_many(self, pid: int, stack_start: int, alike: list[int]) -> list[int] | Unreadable:
        """Sort the processes with the same start of stack by their memory, once for all of them."""
        if stack_start not in self._memories:
            every = [each for each in alike if self._may_share(self.stats[each], each)]
            groups = _by_memory({each: self._asked(each) for each in every})
            self._memories[stack_start] = groups, [each for each in every if each not in groups]
        groups, rest = self._memories[stack_start]
        others = self._sharers_among(pid, [each for each in rest if each != pid])
        if isinstance(others, Unreadable) or pid not in groups:
            among = [each for each in alike if each != pid and self._may_share(self.stats[pid], each)]
            return others if isinstance(others, Unreadable) else self._sharers_among(pid, among)
        return [each for each in groups[pid] if each != pid] + others

    def _same_stack(self, own: Stat | None) -> list[int]:
        """Return the processes whose stack starts where `own`'s does, or may do so: 0 and None are not known."""
        if self._sorted_count != len(self.stats):
            self._by_stack, self._sorted_count = {}, len(self.stats)
            for pid, stat in self.stats.items():
                self._by_stack.setdefault(stat.stack_start or None, []).append(pid)
        if own is None or not own.stack_start:
            return list(self.stats)
        return [*self._by_stack.get(own.stack_start, []), *self._by_stack.get(None, [])]

    def _is_relative(self, first: int, second: int) -> bool:
        return (
            second in self.ancestors(first) or first in self.ancestors(second) or self._has_same_parent(first, second)
        )

    def _has_same_parent(self, first: int, second: int) -> bool:
        parent = self.stats[first].parent
        return parent is not None and parent > 1 and parent == self.stats[second].parent

    def _has_same_size(self, first: int, second: int) -> bool:
        """Tell whether two processes have as much virtual memory (field 23 of `stat`, for everybody to read).

        One memory has one size: read before and after the other's, an unequal one cannot be the same memory.
        """
        before, other, after = (self._size(pid) for pid in (first, second, first))
        return before != after or before == other or not before or not other

    def _size(self, pid: int) -> int | None:
        stat = self.reader.stat(pid)
        return None if isinstance(stat, Unreadable) else stat.size


def _by_memory(tasks: dict[int, int]) -> dict[int, list[int]]:
    """Return for each process all that share its memory; nothing if one of them went while they were sorted.

    `tasks` has for each process a thread of it to ask about.
    """
    is_told = True

    def compare(first: int, second: int) -> int:
        nonlocal is_told
        order = memory_order(tasks[first], tasks[second])
        is_told = is_told and order is not None
        return order or 0

    told = sorted((pid for pid, tid in tasks.items() if memory_order(tid, tid) == 0), key=cmp_to_key(compare))
    groups = [list(group) for _, group in groupby(told, key=cmp_to_key(compare))]
    return {pid: group for group in groups for pid in group} if is_told else {}
