"""When keywords of Parsl's classes came and went: words for what the signatures show.

Whether a keyword is refused is never decided here: the subject's signature decides. Versions are those of the first
release on PyPI whose signature differs (read in the wheels), pull requests those of github.com/Parsl/parsl.
"""

from __future__ import annotations

from hangprobe.model import Frozen


class Change(Frozen, frozen=True):
    """A keyword that some versions take and others do not."""

    owner: str
    """The class, without its module."""
    keyword: str
    why: str
    instead: str
    needs: str = ""
    """The keyword that the subject must take for the advice to be right."""


_CHECKPOINTS = (
    "Parsl 2025.12.8 moved checkpoints and the cache of results from Config into a memoizer object (pull request 4042)"
)
_MEMOIZER = "from parsl.dataflow.memoization import BasicMemoizer"

CHANGES = (
    Change(
        "HighThroughputExecutor",
        "max_workers",
        "renamed in Parsl 2024.3.4 (pull request 3117); the old name is refused since 2024.9.9 (pull request 3605)",
        "max_workers_per_node=",
        "max_workers_per_node",
    ),
    Change(
        "HighThroughputExecutor",
        "max_workers_per_node",
        "the name came with Parsl 2024.3.4 (pull request 3117)",
        "max_workers=",
        "max_workers",
    ),
    Change(
        "HighThroughputExecutor",
        "start_method",
        "Parsl took it in 2022 and 2023, logged it, and forked all the same (pull request 2980 removed it)",
        "leave it out: workers are spawned since 2023.12.11",
        "encrypted",  # came in 2023.11, so it is there wherever workers are spawned
    ),
    Change(
        "Config",
        "checkpoint_files",
        _CHECKPOINTS,
        f"{_MEMOIZER}; Config(memoizer=BasicMemoizer(checkpoint_files=...))",
        "memoizer",
    ),
    Change(
        "Config",
        "checkpoint_mode",
        _CHECKPOINTS,
        f"{_MEMOIZER}; Config(memoizer=BasicMemoizer(checkpoint_mode=...))",
        "memoizer",
    ),
    Change(
        "Config",
        "checkpoint_period",
        _CHECKPOINTS,
        f"{_MEMOIZER}; Config(memoizer=BasicMemoizer(checkpoint_mode='periodic', checkpoint_period=...))",
        "memoizer",
    ),
    Change(
        "Config",
        "app_cache",
        _CHECKPOINTS,
        f"{_MEMOIZER}; Config(memoizer=BasicMemoizer(memoize=...)), or nothing: True is the default",
        "memoizer",
    ),
    Change(
        "Config",
        "memoizer",
        "the keyword came with Parsl 2025.12.8 (pull request 4042)",
        "checkpoint_files=, checkpoint_mode=, app_cache= in Config itself",
        "app_cache",
    ),
)


def change_of(owner: str, keyword: str, accepted: tuple[str, ...]) -> Change | None:
    """Return what is known of a keyword that is refused; None if nothing is, or its advice would not hold here."""
    return next(
        (
            one
            for one in CHANGES
            if (one.owner, one.keyword) == (owner, keyword) and (not one.needs or one.needs in accepted)
        ),
        None,
    )
