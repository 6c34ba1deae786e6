"""Debian's packages, unpacked without root into a cache and never installed.

`apt-get -s install` says which packages are missing, `apt-get download` brings them, `dpkg-deb -x` unpacks them; none
of it needs root. What is unpacked is a *root*: a tree with usr/bin, usr/sbin and usr/lib. Two have a use for it: a
testbed, which lays it below the system's own folders, and `hangprobe setup parallel`, which copies one file of it.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hangprobe.errors.tools import ToolMissing

DOWNLOAD_LIMIT_S = 300.0
MERGED = ("bin", "sbin", "lib", "usr/bin", "usr/sbin", "usr/lib")


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


def unpacked(package: str, programs: Sequence[str]) -> Path:
    """Return the root of a package and of all that it needs and the system lacks, bringing it if it is not cached.

    `programs` are those that are wanted of it and missing, for the message. Raises ToolMissing.
    """
    root = cache_folder() / package
    if root.is_dir():
        return root
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise ToolMissing(
            package,
            f"no {', '.join(programs)} here, and no apt-get to unpack it with",
            f"install {', '.join(programs)} by your system's own means",
        )
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{package}-") as work:
            _download(package, Path(work))
            tree = _unpack(Path(work))
            if not root.is_dir():  # a second hangprobe may have been faster
                tree.rename(root)
    except OSError as error:
        raise ToolMissing(package, f"cannot write {root.parent}: {error.strerror}", "set HANGPROBE_CACHE") from None
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
