"""What a machine lacks, and what is wrong with a testbed or a program that was to be set up."""

from __future__ import annotations

from hangprobe.errors.base import HangprobeError


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
