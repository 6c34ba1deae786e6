"""What there is to compare in a launch context, most relevant first, and how it is said.

Each attribute of a context is told as items, a few words each; ranks whose items are the same are alike in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hangprobe.context.values import Channel, Far, Holder, Kind, LaunchContext, Role, Shared
from hangprobe.context.variables import FORK, PLACES, PROGRAMS, STDIN, THREADS

Items = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something in which launch contexts may differ."""

    slug: str
    title: str
    items: Callable[[LaunchContext], Items | None]
    """None if it could not be read."""
    is_set: bool = False
    """Whether items that all ranks have need not be repeated where ranks differ."""
    divides: bool = True
    """Whether ranks that differ in this alone are not alike. Not so for what differs in any job that is pinned."""


def channel(found: Channel | None, *, is_read: bool) -> Items | None:
    """Return a standard descriptor in words."""
    if found is None:
        return None
    text = _object(found, "write end" if is_read else "read end")
    text += ", non-blocking" if found.is_nonblocking else ""
    return (text + ", put there by the rank itself" if found.was_replaced else text,)


def _object(found: Channel, end: str) -> str:
    holders = spoken(found.holders)
    if found.kind in {Kind.FILE, Kind.OTHER}:
        access = {"read": " for reading", "write": " for writing"}.get(found.access or "", "")
        return f"{found.kind.value} {found.path or ''}{access}" + (f", which {holders} has too" if holders else "")
    if found.kind is Kind.PIPE:
        return {
            Far.HELD: f"pipe, {end} held by {holders}",
            Far.OWN: f"pipe, {end} held by the rank itself only",
            Far.CLOSED: f"pipe, {end} closed",
            Far.UNSEEN: f"pipe, {end} held by nobody in sight",
        }.get(found.far or Far.UNKNOWN, "pipe")
    if found.kind in {Kind.SOCKET, Kind.TERMINAL}:
        whose = {Far.HELD: f" of {holders}", Far.OWN: " of the rank itself"}.get(found.far or Far.UNKNOWN, "")
        return f"{found.kind.value}{whose}"
    return found.kind.value


def spoken(holders: tuple[Holder, ...]) -> str:
    """Return who holds something in words."""
    return " and ".join(_NAMELESS.get(each.role) or each.name or each.role.value for each in holders)


_NAMELESS = {Role.OTHER_RANK: "other ranks", Role.RANK: "the rank", Role.HANGPROBE: "hangprobe", Role.SSHD: "sshd"}


def _descriptors(context: LaunchContext) -> Items | None:
    return None if context.descriptors is None else tuple(map(_shared, context.descriptors.kinds))


def _shared(found: Shared) -> str:
    way = (
        {"read": "read end of a ", "write": "write end of a "}.get(found.access, "") if found.kind is Kind.PIPE else ""
    )
    path = f" {found.path}" if found.path else ""
    return f"{way}{found.kind.value}{path} shared with {spoken(found.holders)}"


def _values(names: tuple[str, ...]) -> Callable[[LaunchContext], Items | None]:
    def items(context: LaunchContext) -> Items | None:
        if context.variables is None:
            return None
        return tuple(f"{name}={value}" for name, value in context.variables.values if name in names)

    return items


def _launcher_names(context: LaunchContext) -> Items | None:
    if context.variables is None:
        return None
    return tuple(f"{len(names)} {prefix}*" for prefix, names in context.variables.by_origin().items() if prefix)


def _other_names(context: LaunchContext) -> Items | None:
    return None if context.variables is None else context.variables.by_origin().get("", ())


def _session(context: LaunchContext) -> Items | None:
    if context.session is None:
        return None
    where = "own session" if context.session.leads_session else "session of its launcher"
    group = "own group" if context.session.leads_group else "group of its launcher"
    return (f"{where}, {group}, {'a' if context.session.has_terminal else 'no'} controlling terminal",)


def _limits(context: LaunchContext) -> Items | None:
    return None if context.limits is None else tuple(f"{e.name} {e.soft} of {e.hard}" for e in context.limits.all)


def _changed_limits(context: LaunchContext) -> Items | None:
    return None if context.limits is None else context.limits.changed


def _one(text: object | None) -> Items | None:
    return None if text is None else (str(text),)


def _processor_count(context: LaunchContext) -> Items | None:
    return _one(context.processors.count if context.processors is not None else None)


def _processor_list(context: LaunchContext) -> Items | None:
    return _one(context.processors.list if context.processors is not None else None)


def _behind(context: LaunchContext) -> Items | None:
    return () if context.stdin_behind is None else channel(context.stdin_behind, is_read=True)


ATTRIBUTES = (
    Attribute("stdin", "standard input", lambda context: channel(context.stdin, is_read=True)),
    Attribute("stdin-behind", "standard input of the program behind the shell", _behind),
    Attribute("stdout", "standard output", lambda context: channel(context.stdout, is_read=False)),
    Attribute("stderr", "standard error", lambda context: channel(context.stderr, is_read=False)),
    Attribute("blocked", "signals blocked", lambda context: context.blocked, is_set=True),
    Attribute("ignored", "signals ignored", lambda context: context.ignored, is_set=True),
    Attribute("descriptors", "descriptors above 2 that lead out of the rank", _descriptors, is_set=True),
    Attribute("start-methods", "children seen", lambda c: tuple(each.value for each in c.start_methods), is_set=True),
    Attribute("fork", "variables that decide what a fork does", _values(FORK), is_set=True),
    Attribute("threads", "variables that decide how many threads there are", _values(THREADS), is_set=True),
    Attribute("stdin-variables", "variables that say who gets standard input", _values(STDIN), is_set=True),
    Attribute("programs", "variables that decide what is run", _values(PROGRAMS), is_set=True),
    Attribute("session", "session", _session),
    Attribute("processors", "number of processors", _processor_count),
    Attribute("launcher-variables", "variables of launchers", _launcher_names, is_set=True),
    Attribute("limits", "resource limits", _limits, is_set=True),
    Attribute("changed-limits", "limits that the launcher has otherwise", _changed_limits, is_set=True),
    Attribute("folder", "working directory", lambda context: _one(context.folder)),
    Attribute("umask", "umask", lambda context: _one(context.umask)),
    Attribute("nice", "niceness", lambda context: _one(context.nice)),
    Attribute("oom", "oom_score_adj", lambda context: _one(context.oom), divides=False),
    Attribute("places", "places and language", _values(PLACES), is_set=True),
    Attribute("variables", "names of other variables", _other_names, is_set=True),
    Attribute("processor-list", "processors", _processor_list, divides=False),
)
"""Most relevant first: what a child waits on, what it is told by signals, what it keeps, how it comes to be."""
