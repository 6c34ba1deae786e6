"""What keeps a comparison of launchers from being made: configurations, subject environments, campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hangprobe.errors.base import HangprobeError, UsageError


class CampaignMissing(HangprobeError):
    """The folder to go on with holds no campaign."""

    slug = "campaign-missing"

    def __init__(self, folder: str) -> None:
        super().__init__(f"{folder} holds no campaign", f"begin one there with --out {folder}")


class CampaignExists(HangprobeError):
    """The folder for a new campaign holds one already, or something else."""

    slug = "campaign-exists"

    def __init__(self, folder: str, is_campaign: bool, found: str) -> None:
        what = "holds a campaign already" if is_campaign else f"is not empty ({found})"
        other = "name another with --out DIR"
        super().__init__(f"{folder} {what}", f"go on with --resume {folder}, or {other}" if is_campaign else other)


class CampaignDiffers(HangprobeError):
    """The campaign on disk is another one than asked for: their trials must not be counted together."""

    slug = "campaign-differs"

    def __init__(self, folder: str, what: str) -> None:
        super().__init__(
            f"{folder} holds another campaign: {what}",
            f"--resume {folder} alone takes all from disk; or begin another with --out DIR",
        )


class VersionsDiffer(HangprobeError):
    """A campaign was begun with other versions than are here now: their trials are not of one cell."""

    slug = "versions-differ"

    def __init__(self, folder: str, name: str, was: str, now: str) -> None:
        super().__init__(
            f"{folder} was begun with {name} {was}, and here is {now}",
            f"go on where {name} is {was}, or begin another with --out DIR",
        )


class CampaignBusy(HangprobeError):
    """Another runner works in the campaign's folder."""

    slug = "campaign-busy"

    def __init__(self, folder: str) -> None:
        super().__init__(f"another hangprobe compare is at work in {folder}", "wait for it, or end it with Ctrl-C")


class TrialsFail(HangprobeError):
    """One trial after the other could not be made: something is wrong here, and not with any launcher."""

    slug = "trials-fail"

    def __init__(self, count: int, why: str, folder: str) -> None:
        super().__init__(
            f"{count} trials in a row could not be made, the last because {why}",
            f"mend that and go on with hangprobe compare --resume {folder}",
        )


class Told(Protocol):
    """A mistake that can say itself."""

    @property
    def is_refusing(self) -> bool:
        """Whether the configuration cannot be used because of it."""
        ...

    def told(self, path: str) -> str:
        """Return place, what, why and what to write instead."""
        ...


class ConfigurationRefused(HangprobeError):
    """A Parsl configuration cannot work as it stands; `str()` shows all that was found, mistakes and warnings."""

    slug = "configuration-refused"

    def __init__(self, path: str, mistakes: Sequence[Told]) -> None:
        refusing = sum(one.is_refusing for one in mistakes)
        warnings = len(mistakes) - refusing
        counted = f"{refusing} mistake{'s' * (refusing != 1)}"
        counted += f" and {warnings} warning{'s' * (warnings != 1)}" if warnings else ""
        shown = "\n\n".join(one.told(path) for one in mistakes)
        super().__init__(f"{path} is refused: {counted}\n\n{shown}")
        self.path, self.mistakes = path, tuple(mistakes)


class ConfigurationUnreadable(UsageError):
    """The configuration's file is not there, may not be read, or is no text."""

    slug = "configuration-unreadable"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"cannot read the configuration {path}: {why}", "name a Python file with a Parsl Config")


class SubjectMute(HangprobeError):
    """A subject environment cannot say what its Parsl accepts."""

    slug = "subject-mute"

    def __init__(self, python: str, why: str) -> None:
        super().__init__(f"{python} cannot say what its Parsl accepts: {why}", f"{python} -m pip install parsl")


class SubjectFailed(HangprobeError):
    """An environment with the version of Parsl that was asked for cannot be made."""

    slug = "subject-failed"

    def __init__(self, version: str, why: str, remedy: str = "") -> None:
        super().__init__(
            f"no environment with Parsl {version}: {why}",
            remedy or "see that the package index can be reached, or use --parsl installed",
        )
