"""Programs that a testbed needs: the system's own, else unpacked from Debian's packages into a cache, never installed.

`apt-get -s install` says which packages are missing, `apt-get download` brings them, `dpkg-deb -x` unpacks them; none
of it needs root. What is unpacked is a *root*: inside a testbed its usr/bin, usr/sbin and usr/lib are laid below the
system's own, so that everything is found in its usual place and nothing of the system is replaced.

`python -m hangprobe.testbed.tools` sees to all of them.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hangprobe.errors import HangprobeError, TestbedFailed, ToolMissing
from hangprobe.testbed.layout import SYSTEM_PATH

DOWNLOAD_LIMIT_S = 300.0
RUN_LIMIT_S = 10.0
MERGED = ("bin", "sbin", "lib", "usr/bin", "usr/sbin", "usr/lib")


@dataclass(frozen=True, slots=True)
class Tool:
    """A Debian package and the programs that are wanted of it."""

    package: str
    programs: tuple[str, ...]


SSH = (
    Tool("openssh-server", ("sshd",)),
    Tool("openssh-client", ("ssh", "ssh-keygen")),
    Tool("iproute2", ("ip",)),
)
SLURM = (Tool("slurm-wlm", ("slurmctld", "slurmd", "srun", "scontrol")), Tool("munge", ("munged",)))
OUTSIDE = Tool("util-linux", ("nsenter", "setpriv"))


def find(program: str) -> str | None:
    """Return the path of a program of the system."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def roots(tools: tuple[Tool, ...]) -> tuple[str, ...]:
    """Return the roots of the tools that the system does not have, unpacking what is missing. Raises ToolMissing."""
    if any(find(program) is None for program in OUTSIDE.programs):
        raise ToolMissing(OUTSIDE.package, f"no {' or '.join(OUTSIDE.programs)} on PATH")
    wanted = [tool for tool in tools if any(find(program) is None for program in tool.programs)]
    return tuple(str(_root(tool)) for tool in wanted)


def run_tool(program: str, *arguments: str, stdin: str = "") -> None:
    """Run one of the tools to its end. Raises TestbedFailed with its first words of complaint."""
    try:
        done = subprocess.run(
            [find(program) or program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TestbedFailed(f"{program} failed ({error})") from None
    if done.returncode != 0:
        raise TestbedFailed(f"{program} failed ({' '.join(done.stderr.split())[:200]})")


def last_words(log: Path) -> str:
    """Return the last line of a log that will be gone with the testbed."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else f"{log.name} is empty"


def cache_folder() -> Path:
    """Return where unpacked packages are kept, apart for each release of the system: libraries must fit."""
    users = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    base = os.environ.get("HANGPROBE_CACHE") or os.path.join(users, "hangprobe")
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    name = f"{release.get('ID', 'linux')}-{release.get('VERSION_ID', '0')}-{platform.machine()}"
    return Path(base) / "packages" / name


def _root(tool: Tool) -> Path:
    root = cache_folder() / tool.package
    if root.is_dir():
        return root
    missing = [program for program in tool.programs if find(program) is None]
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise ToolMissing(
            tool.package,
            f"no {', '.join(missing)} here, and no apt-get to unpack it with",
            f"install {', '.join(missing)} by your system's own means",
        )
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{tool.package}-") as work:
            _download(tool.package, Path(work))
            unpacked = _unpack(Path(work))
            if not root.is_dir():  # a second hangprobe may have been faster
                unpacked.rename(root)
    except OSError as error:
        raise ToolMissing(
            tool.package, f"cannot write {root.parent}: {error.strerror}", "set HANGPROBE_CACHE"
        ) from None
    return root


def _download(package: str, work: Path) -> None:
    """Bring the package and all that it needs and the system does not have."""
    said = _apt(package, ["-s", "install", "--no-install-recommends", package], work)
    # "Inst NAME (VERSION ...)"; one that is there in another version has "[OLD]" in between
    lines = [line.split() for line in said.splitlines() if line.startswith("Inst ")]
    names = [words[1] for words in lines if not words[2].startswith("[") or words[1] == package]
    if not names:
        raise ToolMissing(
            package, "it is installed, and its programs are not on PATH", "see that it is installed whole"
        )
    _apt(package, ["download", *names], work)


def _apt(package: str, arguments: list[str], work: Path) -> str:
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", *arguments]
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, timeout=DOWNLOAD_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ToolMissing(package, f"apt-get {arguments[0]} took longer than {DOWNLOAD_LIMIT_S:.0f} s") from None
    if done.returncode == 0:
        return done.stdout
    why = next((line for line in done.stderr.splitlines() if line.startswith("E:")), f"status {done.returncode}")
    remedy = f"as root: apt-get update (its lists are missing or old), or apt-get install {package}"
    raise ToolMissing(package, f"apt-get {arguments[0]} failed ({why})", remedy)


def _unpack(work: Path) -> Path:
    """Unpack all packages of a folder into one tree, /bin, /sbin and /lib merged into /usr as the system has them."""
    tree = work / "root"
    for archive in sorted(work.glob("*.deb")):
        part = work / archive.stem
        done = subprocess.run(["dpkg-deb", "-x", str(archive), str(part)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise OSError(0, f"dpkg-deb: {done.stderr.strip()}")
        for name in MERGED:
            if (part / name).is_dir():
                target = tree / (name if name.startswith("usr/") else f"usr/{name}")
                shutil.copytree(part / name, target, symlinks=True, dirs_exist_ok=True)
    # slurmd-wlm is slurmd by update-alternatives(1), which installing would have called
    for program in tree.glob("usr/sbin/*-wlm"):
        (tree / "usr/sbin" / program.name.removesuffix("-wlm")).symlink_to(program.name)
    return tree


def main() -> int:
    """See to everything that a testbed may need; return the process's status."""
    status = 0
    for tool in (*SSH, *SLURM):
        try:
            found = roots((tool,))
            sys.stderr.write(f"{tool.package}: {found[0] if found else 'the system has it'}\n")
        except HangprobeError as error:
            sys.stderr.write(f"{tool.package}: {error}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
