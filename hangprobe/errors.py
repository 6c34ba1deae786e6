"""Everything that hangprobe can refuse to do, one class per remedy.

    HangprobeError
     ├── UsageError                 the command line asks for something that cannot be
     │    ├── UnknownName               a reproducer, variant, mitigation ... that does not exist
     │    ├── NoSuchProcess             the process to look at is not there
     │    ├── ConfigurationUnreadable   the configuration's file is not there, or no text
     │    └── NoSuchJob                 the batch system has no such job, or it has no nodes
     ├── ExtraMissing               a library that only some commands need is not installed
     ├── NoJobFound                 none of the nodes that answered runs a job
     ├── ConfigurationRefused       a Parsl configuration cannot work as it stands
     ├── SubjectMute                an environment cannot say what its Parsl accepts
     ├── SubjectFailed              an environment with a version of Parsl cannot be made
     ├── UnwritableFolder           the results cannot be written where they should go
     ├── UnwritableFile             neither can the document
     ├── CommandNotStarted          the program under watch could not be executed
     ├── LauncherMissing            no mpiexec on PATH
     ├── LauncherBroken             there is one, and it cannot be executed
     ├── LauncherMismatch           what it started is not the job that was asked for
     ├── EnvironmentMissing         no environment holds this MPI
     ├── NodesRefused               this launcher cannot pretend several nodes
     ├── FolderUnseen               not all nodes of a job see the results folder
     ├── LinkFileRefused            the file that joins the nodes of a job is not to be had, or not to be believed
     ├── GuardianLost               the process that owns the job died first
     ├── RecordUnreadable           a record file is damaged or of a newer schema
     ├── CampaignMissing            the folder to go on with holds no campaign
     ├── CampaignExists             the folder for a new campaign is not empty
     ├── CampaignDiffers            the campaign on disk is another one than asked for
     ├── VersionsDiffer             it was begun with other versions than are here now
     ├── CampaignBusy               another runner works in the campaign's folder
     ├── TrialsFail                 one trial after the other could not be made
     ├── NamespacesForbidden        the kernel or its administrator allows no namespaces
     ├── ToolMissing                a program of the system is neither installed nor to be had
     ├── GnuParallelMissing         neither is GNU parallel
     ├── NotGnuParallel             what was given as GNU parallel is something else, or does not work
     ├── PerlMissing                there is no Perl to run it, or not all of Perl
     ├── EnvironmentUnfit           a program cannot be put into this environment
     ├── TestbedMissing             no testbed of this name is up
     ├── TestbedExists              a testbed of this name is up, and is another one than asked for
     └── TestbedFailed              a testbed could not be built or taken down

Each class has a slug that leads to the paragraph of the same name in docs/messages.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import ClassVar, Protocol


class HangprobeError(Exception):
    """Something hangprobe cannot do; `str()` says what happened, `remedy` what to try."""

    slug: ClassVar[str] = "error"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the message and its remedy on one line."""
        return f"{self.args[0]}; {self.remedy}" if self.remedy else str(self.args[0])


class UsageError(HangprobeError):
    """The command line asks for something that cannot be."""

    slug = "usage"


class UnknownName(UsageError):
    """A name that is in no list; the nearest known ones are offered."""

    slug = "unknown-name"

    def __init__(self, noun: str, name: str, known: list[str], where: str) -> None:
        near = get_close_matches(name, known, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
        super().__init__(f"there is no {noun} named '{name}'", f"{hint} ({where})")


class UnwritableFolder(HangprobeError):
    """The results folder cannot be made or written."""

    slug = "unwritable-folder"

    def __init__(self, folder: str, why: str) -> None:
        super().__init__(f"cannot write results to {folder}: {why}", "name a writable folder with --out DIR")


class UnwritableFile(HangprobeError):
    """The file for the document cannot be written."""

    slug = "unwritable-file"

    def __init__(self, file: str, why: str, option: str = "--json FILE") -> None:
        super().__init__(f"cannot write {file}: {why}", f"name a file in a writable folder with {option}")


class CommandNotStarted(HangprobeError):
    """The command could not be executed; `status` is 126 or 127, as a shell would report it."""

    slug = "command-not-started"

    def __init__(self, command: str, why: str, status: int) -> None:
        remedy = "check its spelling and PATH" if status == 127 else "check that it is an executable file"
        super().__init__(f"cannot run '{command}': {why}", remedy)
        self.status = status


class LauncherMissing(HangprobeError):
    """No MPI launcher is on PATH."""

    slug = "launcher-missing"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"no {name} on PATH",
            "install one beside hangprobe (pip install mpich mpi4py) or load your site's MPI module",
        )


class LauncherBroken(HangprobeError):
    """There is a launcher, but it cannot be executed."""

    slug = "launcher-broken"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"cannot run {path}: {why}", "check its first line, or name another with --mpiexec COMMAND")


class LauncherMismatch(HangprobeError):
    """The launcher started too few ranks, or each as a job of its own: it does not fit the MPI library."""

    slug = "launcher-mismatch"

    def __init__(self, path: str, python: str, what: str) -> None:
        super().__init__(
            f"{what}: {path} is no MPI launcher, or does not fit the MPI library of {python}",
            "hangprobe doctor shows which fit; name another with --mpi NAME or --mpiexec COMMAND",
        )


class EnvironmentMissing(HangprobeError):
    """No environment holds this MPI."""

    slug = "environment-missing"

    def __init__(self, mpi: str, is_checkout: bool) -> None:
        make = f"python -m venv {mpi} && {mpi}/bin/pip install 'hangprobe[{mpi}]'"
        remedy = f"scripts/envs {mpi}" if is_checkout else f"{make}, then --mpiexec {mpi}/bin/mpiexec"
        super().__init__(f"no environment holds {mpi}", remedy)


class NodesRefused(HangprobeError):
    """The launcher cannot pretend several nodes on this machine."""

    slug = "nodes-refused"

    def __init__(self, launcher: str) -> None:
        super().__init__(
            f"--nodes pretends nodes with the launchers of MPICH and Intel MPI only, and this one is {launcher}",
            "--mpi mpich or --mpi impi; for real nodes --hosts NODES, or hangprobe testbed up 3",
        )


class GuardianLost(HangprobeError):
    """The guardian process ended before its job did; the job's tree has been ended by hangprobe itself."""

    slug = "guardian-lost"


class NoSuchProcess(UsageError):
    """The process to look at is not there, or is nobody's that may be looked at."""

    slug = "no-such-process"


class NoSuchJob(UsageError):
    """The batch system has no such job, or it has no nodes yet."""

    slug = "no-such-job"


class NoJobFound(HangprobeError):
    """None of the nodes that answered runs a job of this user."""

    slug = "no-job-found"

    def __init__(self, hosts: str, failed: list[str]) -> None:
        answered = f" ({'; '.join(failed[:4])})" if failed else ""
        super().__init__(
            f"no job of yours was seen on {hosts}{answered}", "is it the right user, and are these its nodes?"
        )


class ExtraMissing(HangprobeError):
    """A library that only some commands need is not installed."""

    slug = "extra-missing"

    def __init__(self, library: str, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs {library}, which is not installed", f"pip install 'hangprobe[{extra}]'")


class RecordUnreadable(HangprobeError):
    """A record file is damaged, truncated or written by a newer hangprobe."""

    slug = "record-unreadable"


class NamespacesForbidden(HangprobeError):
    """The kernel or its administrator allows no namespaces, or not enough of them."""

    slug = "namespaces-forbidden"

    def __init__(self, call: str, why: str, setting: str, remedy: str) -> None:
        super().__init__(f"a testbed needs Linux namespaces, and they are refused ({call}: {why}): {setting}", remedy)


class ToolMissing(HangprobeError):
    """A program of the system that is needed is neither installed nor to be had."""

    slug = "tool-missing"

    def __init__(self, package: str, why: str, remedy: str = "") -> None:
        super().__init__(f"{package} is needed and missing: {why}", remedy or f"as root: apt-get install {package}")
        self.why = why


class GnuParallelMissing(HangprobeError):
    """GNU parallel is not on PATH, and Debian's package is not to be had."""

    slug = "gnu-parallel-missing"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"no GNU parallel is to be had: {why}",
            "hangprobe setup parallel --from FILE, with parallel-latest.tar.bz2 of https://ftp.gnu.org/gnu/parallel/",
        )


class NotGnuParallel(HangprobeError):
    """What was given as GNU parallel is something else, or does not work."""

    slug = "not-gnu-parallel"

    def __init__(self, path: str, what: str) -> None:
        super().__init__(
            f"{path} is not GNU parallel: {what}", "hangprobe setup parallel brings it; its archive: --from FILE"
        )
        self.what = what


class PerlMissing(HangprobeError):
    """There is no Perl that could run GNU parallel, or not all of Perl."""

    slug = "perl-missing"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"GNU parallel is a Perl program, and {why}",
            "as root: apt-get install perl (or dnf), or your site's module",
        )


class EnvironmentUnfit(HangprobeError):
    """A program cannot be put into this environment."""

    slug = "environment-unfit"

    def __init__(self, folder: str, why: str, remedy: str = "") -> None:
        named = "name a virtual environment of yours with --into DIR (python -m venv DIR makes one)"
        super().__init__(f"cannot install into {folder}: {why}", remedy or named)


class TestbedMissing(HangprobeError):
    """No testbed of this name is up."""

    slug = "testbed-missing"
    __test__ = False

    def __init__(self, name: str) -> None:
        option = "" if name == "default" else f" --name {name}"
        super().__init__(f"no testbed '{name}' is up", f"hangprobe testbed up 3{option}")


class TestbedExists(HangprobeError):
    """A testbed of this name is up already, and is another one than asked for."""

    slug = "testbed-exists"
    __test__ = False

    def __init__(self, name: str, what: str) -> None:
        option = "" if name == "default" else f" --name {name}"
        super().__init__(
            f"testbed '{name}' {what}", f"hangprobe testbed down{option}, or name another with --name NAME"
        )


class TestbedFailed(HangprobeError):
    """A testbed could not be built or taken down; the message has the first words of what went wrong inside."""

    slug = "testbed-failed"
    __test__ = False


class FolderUnseen(HangprobeError):
    """Ranks on other nodes left no marks: their nodes do not see the results folder, or did not start them."""

    slug = "folder-unseen"

    def __init__(self, folder: str, what: str, said: str) -> None:
        words = f" (the launcher said: {said})" if said else ""
        super().__init__(
            f"{what}: not every node sees {folder}, or could start its ranks{words}",
            "name a folder that all nodes share with --out DIR; not below /tmp",
        )


class LinkFileRefused(HangprobeError):
    """The file that joins the processes of a job cannot be written or read, or is not to be believed."""

    slug = "link-file-refused"

    def __init__(self, path: str, why: str, remedy: str = "it must be yours, and have mode 0600") -> None:
        super().__init__(f"cannot use the link file {path}: {why}", remedy)


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
