"""`hangprobe compare`: which launcher hangs with what, over trials in randomised blocks.

Outside an allocation the command brings a testbed up and runs itself once more inside (inside.py); that inner command
makes the trials and nothing else. Reports rest on the folder alone, so the outer one writes and prints them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hangprobe.cli import options
from hangprobe.cli.asked import LAUNCHERS, MPI, NODES, PARSL, TRIALS, WORKLOADS, Asked
from hangprobe.cli.folders import check_file

AXES = "What is compared"
TRIAL = "What a trial is"


def compare(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CONFIG.py]",
            exists=True,
            dir_okay=False,
            help="Your Parsl configuration; its executor, provider and launcher are taken as they are.",
            show_default=False,
        ),
    ] = None,
    launchers: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="See hangprobe list launchers; as-configured is CONFIG.py's own.",
            show_default=LAUNCHERS,
            rich_help_panel=AXES,
        ),
    ] = None,
    workloads: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="See hangprobe list workloads; or your own module:function(task_number).",
            show_default=WORKLOADS,
            rich_help_panel=AXES,
        ),
    ] = None,
    mpi: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="mpich, openmpi, impi, pals; path: the mpiexec on PATH.",
            show_default=MPI,
            rich_help_panel=AXES,
        ),
    ] = None,
    parsl: Annotated[
        str | None,
        typer.Option(
            metavar="VERSIONS",
            help="Each gets an environment of its own, made once and cached; installed: hangprobe's own.",
            show_default=PARSL,
            rich_help_panel=AXES,
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            "-n",
            metavar="N",
            min=1,
            max=100_000,
            help="Of every cell; each block has one of each, in random order.",
            show_default=str(TRIALS),
            rich_help_panel=AXES,
        ),
    ] = None,
    until_sure: Annotated[
        bool,
        typer.Option(
            "--until-sure",
            help="Stop at a preset look if the answer is clear by then; --trials is the most.",
            rich_help_panel=AXES,
        ),
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Of the random order.", show_default="the time", rich_help_panel=AXES),
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="The first N nodes of this allocation (default: all); else of a testbed.",
            show_default=str(NODES),
            rich_help_panel=TRIAL,
        ),
    ] = None,
    workers_per_node: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=1024, show_default="2", rich_help_panel=TRIAL)
    ] = None,
    tasks_per_worker: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=100_000, show_default="2", rich_help_panel=TRIAL)
    ] = None,
    driver_stdin: Annotated[
        str | None,
        typer.Option(
            metavar="null|open",
            help="The driver's standard input: /dev/null, or a pipe that nobody writes to or closes.",
            show_default="null",
            rich_help_panel=TRIAL,
        ),
    ] = None,
    stall_after: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.1,
            max=options.YEAR_S,
            help="A worker in whose task nothing has run for so long has stalled.",
            show_default="10",
            rich_help_panel=TRIAL,
        ),
    ] = None,
    task_timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.1,
            max=options.YEAR_S,
            help="From the first hang on: for the other tasks to end or hang.",
            show_default="30",
            rich_help_panel=TRIAL,
        ),
    ] = None,
    trial_timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=1.0,
            max=options.YEAR_S,
            help="For a whole trial.",
            show_default="180",
            rich_help_panel=TRIAL,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Go on with the campaign in DIR; other options need not be repeated.",
            rich_help_panel=options.OUTPUT,
            show_default=False,
        ),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Write the comparison as one JSON document; - is stdout.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    out: options.Out = None,
    quiet: options.Quiet = False,
) -> int:
    """Compare launchers: run ensembles of Parsl's HighThroughputExecutor under each, and count what hangs.

    Outside a batch job a testbed is brought up for it (several nodes on this
    machine, with a real sshd each) and taken down afterwards; inside a PBS or
    Slurm job, or with HANGPROBE_HOSTS=node[01-03], those nodes are used.

    Each trial is on disk before the next begins. Ctrl-C ends the running one
    and says how to go on; a campaign that was killed goes on with --resume.

    Every block holds a workload that must hang under any launcher and one that
    must not: a block in which they do otherwise is no evidence.

    Exit codes: 0 a report was made, 1 error, 2 wrong usage, 4 not enough
    evidence, 130 Ctrl-C, 143 SIGTERM.

    Example: hangprobe compare --workloads stdin-child --trials 20

    Example: hangprobe compare --launchers mpiexec,gnu-parallel-repaired --mpi mpich,impi,openmpi

    Example: hangprobe compare my_config.py --workloads my_module:my_task --until-sure

    Example: hangprobe compare --resume hangprobe-results/20261123T041500Z-compare
    """
    asked = Asked(
        config=config,
        launchers=launchers,
        workloads=workloads,
        mpi=mpi,
        parsl=parsl,
        trials=trials,
        nodes=nodes,
        workers_per_node=workers_per_node,
        tasks_per_worker=tasks_per_worker,
        seed=seed,
        stall_after=stall_after,
        task_timeout=task_timeout,
        trial_timeout=trial_timeout,
        driver_stdin=driver_stdin,
        until_sure=until_sure,
    )
    check_file(json)
    from hangprobe.cli import comparing  # what makes reports is not needed for --help

    return comparing.compare(asked, out, resume, json, quiet)
