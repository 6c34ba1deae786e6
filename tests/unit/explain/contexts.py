"""Launch contexts by hand, as three launchers give them."""

from __future__ import annotations

from hangprobe.context.values import (
    Channel,
    Descriptors,
    Far,
    Holder,
    Kind,
    LaunchContext,
    Processors,
    Role,
    Session,
    Shared,
    Variables,
)
from hangprobe.model import Launcher

PROXY = Holder(Role.PROXY, "hydra_pmi_proxy")
PRTERUN = Holder(Role.LAUNCHER, "prterun")
PARALLEL = Holder(Role.PARALLEL, "parallel")
CLOSED = Channel(Kind.PIPE, None, "read", False, Far.CLOSED)


def piped(holder: Holder, access: str = "read") -> Channel:
    return Channel(Kind.PIPE, None, access, False, Far.HELD, (holder,))


def variables(*names: str, **values: str) -> Variables:
    return Variables(tuple(sorted((*names, *values))), tuple(sorted(values.items())))


def descriptors(*kinds: Shared) -> Descriptors:
    return Descriptors(kinds, (1,) * len(kinds), (1,) * len(kinds))


PLAIN = LaunchContext(
    launcher=Launcher.NONE,
    stdin=Channel(Kind.NULL, None, "read", False),
    stdout=Channel(Kind.FILE, "/x/out", "write", False),
    stderr=Channel(Kind.FILE, "/x/err", "write", False),
    descriptors=descriptors(),
    blocked=(),
    ignored=(),
    is_python=True,
    session=Session(True, True, False),
    processors=Processors(2, "0-1"),
    folder="/x",
    umask="0022",
    nice=0,
    oom=0,
    variables=variables("HOME"),
)
"""Nothing in it can make anything hang."""


def hydra(rank: int) -> LaunchContext:
    leak = Shared(Kind.PIPE, "write", (PROXY,))
    return PLAIN.but(
        launcher=Launcher.HYDRA,
        stdin=piped(PROXY) if rank else CLOSED,
        stdout=piped(PROXY, "write"),
        ignored=("PIPE", "TTIN", "XFSZ"),
        descriptors=descriptors(leak),
        variables=variables("HOME", "PMI_RANK", "PMI_SIZE"),
    )


def parallel() -> LaunchContext:
    return PLAIN.but(
        launcher=Launcher.GNU_PARALLEL,
        stdin=CLOSED,
        stdout=Channel(Kind.FILE, "(deleted)", "both", False, None, (PARALLEL,)),
        ignored=("ALRM", "PIPE", "XFSZ"),
        folder="/home",
        variables=variables("HOME", "PARALLEL_SEQ"),
    )
