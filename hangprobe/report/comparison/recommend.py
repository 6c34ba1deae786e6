"""What to change: a launcher that cured the hang here, and what the catalogue knows that needs no other launcher. Pure.

Only a launcher that cured a hang in this campaign is called measured. Cures from the catalogue are said to be what they
are: known for the mechanism that was found, and not tried here.
"""

from __future__ import annotations

from collections.abc import Sequence

from hangprobe.ensemble.launchers import AS_CONFIGURED, TABLE, as_code
from hangprobe.ensemble.records import Cell, Settings, Trial
from hangprobe.explain.catalogue import MITIGATIONS
from hangprobe.report.comparison.names import GNU_PARALLEL, heading, launcher
from hangprobe.report.comparison.values import CellResult, Effect, Pair, Recommendation, Remedy

_CONFIG = """\
{before}from parsl.config import Config
from parsl.executors import HighThroughputExecutor
{also}from parsl.launchers import {imported}
from parsl.providers import {provider}

{subclass}config = Config(
    executors=[
        HighThroughputExecutor(
            max_workers_per_node={workers},
            {launch_cmd}provider={provider}(
                nodes_per_block={nodes},
                launcher={launcher},
                # account, queue, walltime, worker_init ... as you have them
            ),
        )
    ]
)
"""
_REPAIRED = '''\
class RepairedGnuParallelLauncher(GnuParallelLauncher):
    """Pass on what the managers need; as shipped, `--env _` wants a file that nobody has."""

    def __call__(self, *args, **options):
        script = super().__call__(*args, **options)
        return script.replace("--env _", "--env PATH --env JOBNAME --halt now,fail=1")


'''
_STDIN_TASK = """\
import subprocess

subprocess.run(["your-program"], stdin=subprocess.DEVNULL)  # in the task: for each program that it starts
"""
_LAUNCH_CMD = """\
from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
"""
PROVIDERS = {"pbs": "PBSProProvider", "slurm": "SlurmProvider"}
"""Site -> Parsl's provider; elsewhere LocalProvider."""


def recommendations(
    pairs: Sequence[Pair], remedies: Sequence[Remedy], settings: Settings, site: str
) -> tuple[Recommendation, ...]:
    """Return what to paste: the best launcher that cures something, then what works without it."""
    curing = [each.second for each in pairs if each.effect is Effect.CURES]
    found = []
    if curing:
        names = [each.launcher for each in curing]
        best = max(curing, key=lambda each: names.count(each.launcher))
        found.append(_with_launcher(best.launcher, best.mpi, settings, site))
    if any(each.mitigation == "stdin-devnull" for each in remedies):
        base = next((each.first for each in pairs), Cell("mpiexec", ""))
        found += _without_launcher(base.launcher, base.mpi, settings, site)
    return tuple(found)


def _with_launcher(name: str, mpi: str, settings: Settings, site: str) -> Recommendation:
    is_parallel = name in GNU_PARALLEL
    text = "Everything else stays as it is."
    if is_parallel:
        text = "GNU parallel must be in the virtual environment: `hangprobe setup parallel`. " + text
    code = _config(
        settings,
        site,
        before="# first, once: hangprobe setup parallel\n" if is_parallel else "",
        subclass="\n" + _REPAIRED if name == "gnu-parallel-repaired" else "",
        imported="GnuParallelLauncher" if is_parallel else heading(name),
        launcher="RepairedGnuParallelLauncher()" if name == "gnu-parallel-repaired" else _code(name, mpi),
    )
    return Recommendation(f"Use {launcher(name)}", text, code, is_measured=True)


def _without_launcher(base: str, mpi: str, settings: Settings, site: str) -> list[Recommendation]:
    task = Recommendation(
        "Keep the launcher, and give the programs that tasks start an empty standard input",
        MITIGATIONS["stdin-devnull"].text,
        _STDIN_TASK,
        is_measured=False,
    )
    code = _config(
        settings,
        site,
        also=_LAUNCH_CMD,
        imported=_code(base, mpi).partition("(")[0],
        launcher=_code(base, mpi),
        launch_cmd='launch_cmd=DEFAULT_LAUNCH_CMD + " </dev/null",  # on every node, not on the first one only\n'
        + " " * 12,
    )
    every = Recommendation(
        "Keep the launcher, and give every worker an empty standard input",
        "The launcher runs Parsl's launch_cmd by a shell on each node: redirected there, descriptor 0 is /dev/null in "
        "every manager and all of its workers, whatever the tasks start.",
        code,
        is_measured=False,
    )
    return [task, every]


def _code(name: str, mpi: str) -> str:
    """Return a launcher as it is written; that of somebody's own configuration is not known here."""
    return as_code(name, mpi) if name in TABLE and name != AS_CONFIGURED else "YourLauncher()"


def _config(
    settings: Settings,
    site: str,
    *,
    imported: str,
    launcher: str,
    before: str = "",
    also: str = "",
    subclass: str = "",
    launch_cmd: str = "",
) -> str:
    return _CONFIG.format(
        before=before,
        also=also,
        imported=imported,
        provider=PROVIDERS.get(site, "LocalProvider"),
        subclass=subclass,
        workers=settings.workers_per_node,
        nodes=settings.nodes,
        launcher=launcher,
        launch_cmd=launch_cmd,
    )


def remedies(cells: Sequence[CellResult], trials: Sequence[Trial]) -> tuple[Remedy, ...]:
    """Return what the findings of trials name as cures, in order of the cells, each once for a mechanism."""
    slugs: dict[str, dict[str, None]] = {each.mechanism: {} for result in cells for each in result.mechanisms}
    for finding in (each for trial in trials for each in trial.findings):
        slugs.setdefault(finding.mechanism, {}).update(dict.fromkeys(finding.mitigations))
    return tuple(
        Remedy(mechanism, slug, MITIGATIONS[slug].title, MITIGATIONS[slug].text)
        for mechanism, found in slugs.items()
        for slug in found
        if slug in MITIGATIONS
    )
