"""What keeps a job from being started, found or watched."""

from __future__ import annotations

from hangprobe.errors.base import HangprobeError, UsageError


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
