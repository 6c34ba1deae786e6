"""The command line's entry: one place where errors become one line and a code."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from hangprobe import __version__
from hangprobe.cli.codes import Code
from hangprobe.errors.base import HangprobeError, UsageError
from hangprobe.errors.jobs import CommandNotStarted

app = typer.Typer(
    name="hangprobe",
    help="Find, prove, explain and help to cure hangs of programs that fork under MPI.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


COMMANDS = ("run", "watch", "attach", "list", "testbed", "doctor", "setup", "compare", "report")


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"hangprobe {__version__}")
        raise typer.Exit


@app.callback()
def _hangprobe(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Find, prove, explain and help to cure hangs of programs that fork under MPI."""


def _add_commands() -> None:
    from hangprobe.cli import attach, compare, doctor, listing, report, run, setup, testbed, watch

    app.command("run")(run.run)
    app.command("watch", context_settings={"allow_interspersed_args": False})(watch.watch)
    app.command("attach")(attach.attach)
    app.command("compare")(compare.compare)
    app.command("report")(report.report)
    app.command("list")(listing.show)
    app.command("doctor")(doctor.doctor)
    app.add_typer(testbed.app, name="testbed")
    app.add_typer(setup.app, name="setup")


_add_commands()


def run(arguments: list[str] | None = None) -> None:
    """Run a command line and leave with its code."""
    words = sys.argv[1:] if arguments is None else arguments
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, _terminate)
    is_watch = words[:1] == ["watch"]
    usage = Code.ERROR if is_watch else Code.USAGE
    try:
        status = app(words, standalone_mode=False)
    except UsageError as error:
        _complain(str(error))
        sys.exit(usage)
    except HangprobeError as error:
        _complain(str(error))
        failed = Code.ERROR if is_watch or _has_a_status_of_its_own(words) else Code.FAILED
        sys.exit(error.status if is_watch and isinstance(error, CommandNotStarted) else failed)
    except KeyboardInterrupt:
        sys.exit(Code.INTERRUPTED)
    except BrokenPipeError:
        sys.stdout = None  # its reader has gone; nothing more to flush
        sys.exit(Code.OK)
    except Exception as error:
        # Errors of the parser: typer has its own copy of click since 0.26, so they are known by what they offer.
        if not hasattr(error, "format_message"):
            raise
        if message := error.format_message().rstrip("."):  # none for a bare `hangprobe`, which shows its help
            known = words[0] if words[0] in COMMANDS else ""
            _complain(f"{message}; see {' '.join(filter(None, ['hangprobe', known, '--help']))}")
        sys.exit(usage)
    sys.exit(status if isinstance(status, int) else Code.OK)


def _has_a_status_of_its_own(words: list[str]) -> bool:
    """Tell whether 1 is the status of something else already: a job or a test that failed, a command that was run."""
    return words[:1] in (["run"], ["attach"], ["doctor"]) or words[:2] == ["testbed", "exec"]


def _terminate(signum: int, frame: object) -> None:
    """Leave by way of the `finally` clauses; while a job runs the signal is taken in by its relay instead."""
    sys.exit(Code.TERMINATED)


def _complain(message: str) -> None:
    print(f"hangprobe: {message}", file=sys.stderr)
