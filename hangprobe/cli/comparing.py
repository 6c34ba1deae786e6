"""How a comparison is made: begin or go on with a campaign, run what is missing, write and print what came of it."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from hangprobe.agent.hosts import allocated
from hangprobe.cli import inside
from hangprobe.cli.asked import NODES, TRIALS, Asked
from hangprobe.cli.codes import Code
from hangprobe.cli.folders import default_folder, make
from hangprobe.cli.readying import cache_folder, environments, ready
from hangprobe.cli.trials import Bar, Lines
from hangprobe.ensemble import campaign as campaigns
from hangprobe.ensemble.environment import environment, site_of
from hangprobe.ensemble.launchers import TABLE
from hangprobe.ensemble.plan import SRUN, LeftOut, Place, cells, plan
from hangprobe.ensemble.reading import PLAN, read, write_trials
from hangprobe.ensemble.records import Campaign, Cell, Environment, Trial
from hangprobe.ensemble.store import Store, check_empty, check_same, check_versions, opened
from hangprobe.ensemble.sureness import looks, settled
from hangprobe.errors.base import UnwritableFolder, UsageError
from hangprobe.errors.ensembles import CampaignMissing
from hangprobe.launch import gnuparallel
from hangprobe.launch.environments import MPIS, of_mpi
from hangprobe.record import write_whole
from hangprobe.report.comparison import html, markdown
from hangprobe.report.comparison.build import compare as compared
from hangprobe.report.comparison.document import document
from hangprobe.report.comparison.values import Comparison

TESTBED = "testbed"
SEEDS = 1_000_000
"""Six digits can be typed again."""


@dataclass(frozen=True, slots=True)
class Work:
    """What this command is to do."""

    asked: Asked
    folder: Path
    is_new: bool
    is_quiet: bool

    def words(self) -> tuple[str, ...]:
        """Return the words of the command that does it in this folder."""
        place = ("--out" if self.is_new else "--resume", str(self.folder))
        return ("compare", *self.asked.words(), *place, *(("--quiet",) if self.is_quiet else ()))


def compare(asked: Asked, out: Path | None, resume: Path | None, json: str | None, is_quiet: bool) -> int:
    """Do what the command line asks for, here or on a testbed, and return its status."""
    if inside.INSIDE not in os.environ:
        asked = ready(asked, resume)
    work = work_of(asked, out, resume, is_quiet)
    if inside.INSIDE in os.environ:
        inside.welcome()
        return make_trials(work)
    status = make_trials(work) if allocated(os.environ) else make_inside(work)
    if not (work.folder / PLAN).is_file():  # the part inside has failed, and said so, before there was a plan
        return status if status in {Code.USAGE, Code.INTERRUPTED, Code.TERMINATED} else Code.FAILED
    return report(work, json, status)


def work_of(asked: Asked, out: Path | None, resume: Path | None, is_quiet: bool) -> Work:
    """Return what is to be done, checked as far as possible without touching more than the folder.

    Raises UsageError, UnknownName, CampaignExists, CampaignMissing, UnwritableFolder.
    """
    if out is not None and resume is not None:
        raise UsageError("--out begins a campaign and --resume goes on with one", "give one of them")
    if resume is None or asked.is_anything:
        _ = asked.axes, asked.settings(asked.nodes or NODES)
        _check_parallel(asked.axes.launchers)
    if resume is not None:
        if not (resume / PLAN).is_file():
            raise CampaignMissing(str(resume))
        return Work(asked, resume.absolute(), False, is_quiet)
    folder = make(out or default_folder("compare"))
    check_empty(folder)
    return Work(asked, folder, True, is_quiet)


def _check_parallel(names: tuple[str, ...]) -> None:
    wanting = [name for name in names if name in TABLE and TABLE[name].program == "parallel"]
    if wanting and gnuparallel.find() is None:
        raise UsageError(
            f"there is no GNU parallel on PATH for {' and '.join(wanting)}",
            "hangprobe setup parallel; or name others with --launchers",
        )


def make_inside(work: Work) -> int:
    """Bring a testbed up and make the trials there; return how the command on its login node ended.

    Raises UsageError, and what Testbed.up raises.
    """
    nodes, has_slurm = work.asked.nodes or NODES, False
    if work.is_new or work.asked.launchers is not None:
        has_slurm = work.asked.wants_slurm
    if not work.is_new:
        campaign = read(work.folder).campaign
        if campaign.environment.site != TESTBED:
            raise UsageError(
                f"{work.folder} was begun on {campaign.environment.site} nodes, and this is no allocation",
                "go on with it inside one, or with HANGPROBE_HOSTS=NODES",
            )
        nodes = campaign.settings.nodes
        has_slurm = any(cell.launcher == SRUN for cell in campaign.cells)
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    config = work.asked.config
    shares = [work.folder, cache, *([config.resolve().parent] if config is not None else [])]
    return inside.run(work.words(), nodes, shares, {"HANGPROBE_CACHE": str(cache)}, has_slurm)


def make_trials(work: Work) -> int:
    """Make the trials that are missing, on the nodes of this place; return 0, 130 or 143.

    Raises what a store and a trial raise.
    """
    hosts = allocated(os.environ)
    asked = work.asked if work.is_new or work.asked.is_anything else None
    with opened(work.folder, work.is_new) as store, follower(work.is_quiet) as follow:
        try:
            campaign, left_out = begun(store, asked, hosts, follow.say)
            for each in left_out:
                follow.say(f"left out: {each.cell.workload} under {each.cell.launcher} ({each.cell.mpi}): {each.why}")
            if not store.has_lock:
                follow.say(f"{work.folder}: no file locks here; see that no second runner works in it")
            ran = campaigns.run(store, campaign, trial_runner(campaign, hosts, follow), follow, settled)
            if ran.settled is not None:
                follow.say(f"stopped early: {ran.settled}")
        except KeyboardInterrupt:
            return Code.INTERRUPTED
        except SystemExit as end:  # SIGTERM, by way of main.py
            return int(end.code or Code.TERMINATED)
    return Code.OK


def begun(
    store: Store, asked: Asked | None, hosts: tuple[str, ...], say: Callable[[str], None]
) -> tuple[Campaign, tuple[LeftOut, ...]]:
    """Return the campaign to run: a new one, written down; else that on disk, which must be the asked one."""
    if asked is None:
        kept = store.campaign()
        hosts = _first(hosts, kept.settings.nodes)
        check_versions(kept, _environment(kept.cells, hosts, say).versions, store.folder)
        return kept, ()
    on_disk = store.campaign() if store.has_campaign else None
    nodes = asked.nodes or (on_disk.settings.nodes if on_disk is not None else len(hosts))
    hosts = _first(hosts, nodes)
    place = Place(nodes, has_slurm=shutil.which("srun") is not None, has_config=asked.config is not None)
    axes = asked.axes
    found = cells(axes, place)
    if not found.asked:
        raise UsageError("nothing is left to compare", "; ".join(dict.fromkeys(each.why for each in found.left_out)))
    seed = asked.seed
    if seed is None:
        seed = on_disk.seed if on_disk is not None else random.SystemRandom().randrange(SEEDS)
    blocks = asked.trials or TRIALS
    named = replace(asked, seed=seed, nodes=nodes)
    campaign = Campaign(
        name=store.folder.name,
        started_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        command=("hangprobe", "compare", *named.words()),
        seed=seed,
        cells=found.all,
        plan=plan(found, blocks, seed),
        settings=asked.settings(nodes),
        environment=_environment(found.all, hosts, say),
        looks=looks(found.asked, blocks) if asked.until_sure else (),
    )
    if on_disk is None:
        store.begin(campaign)
        return campaign, found.left_out
    check_same(on_disk, campaign, store.folder)
    return on_disk, ()


def report(work: Work, json: str | None, status: int) -> int:
    """Write what came of a campaign, print it, and return the command's status.

    An interrupted one is told as far as it came; one that ended with an error has told that itself.
    """
    kept = read(work.folder)
    stream = sys.stderr if json == "-" else sys.stdout
    is_interrupted = status in {Code.INTERRUPTED, Code.TERMINATED}
    comparison = compared(kept.campaign, kept.trials)
    pages = _write_pages(work.folder, comparison, kept.trials) if kept.trials else []
    if json == "-":
        sys.stdout.buffer.write(document(comparison))
        sys.stdout.flush()
    elif json is not None:
        write_whole(Path(json), document(comparison))
    if kept.trials and not work.is_quiet:
        print("\n".join(markdown.summary(comparison)), file=stream)
        print(f"\nreport: {', '.join(f'{near(work.folder)}/{each}' for each in pages)}", file=stream, flush=True)
    if len(kept.trials) < len(kept.campaign.plan) and status != Code.OK:
        done, again = f"{len(kept.trials)} of {len(kept.campaign.plan)}", shlex.quote(near(work.folder))
        said = f"{done} trials are on record; go on with: hangprobe compare --resume {again}"
        print(f"hangprobe: {said}", file=sys.stderr)
    if is_interrupted or status != Code.OK:
        return status if is_interrupted or status == Code.USAGE else Code.FAILED
    return Code.OK if any(block.is_evidence for block in comparison.blocks) else Code.UNKNOWN


def _write_pages(folder: Path, comparison: Comparison, trials: tuple[Trial, ...]) -> list[str]:
    """Write the reports and what they rest on, return the reports' names. Raises UnwritableFolder."""
    try:
        write_trials(folder, trials)
        write_whole(folder / "report.md", markdown.page(comparison).encode())
        write_whole(folder / "report.html", html.page(comparison, trials).encode())
    except ImportError as error:  # of plotly or jinja2, which not everybody has installed
        print(f"hangprobe: no report.html without {error.name}: pip install 'hangprobe[html]'", file=sys.stderr)
        return ["report.md"]
    except OSError as error:
        raise UnwritableFolder(str(folder), error.strerror or str(error)) from None
    return ["report.html", "report.md"]


def trial_runner(campaign: Campaign, hosts: tuple[str, ...], follow: Lines) -> campaigns.TrialRunner:
    """Return what makes the campaign's trials; environments of other Parsls are made now, if need be.

    Raises EnvironmentMissing and what a subject environment raises.
    """
    from hangprobe.ensemble.trial import Runner, Site

    mpis = dict.fromkeys(cell.mpi for cell in campaign.cells if cell.mpi in MPIS)
    bins = {mpi: str(Path(of_mpi(mpi).flavour.path).parent) for mpi in mpis}
    pythons = {
        version: each.python
        for version, each in environments((cell.parsl for cell in campaign.cells), follow.say).items()
    }
    site = Site(campaign.environment.site, hosts[: campaign.settings.nodes], bins)
    return Runner(site, campaign.settings, pythons)


def follower(is_quiet: bool) -> Lines:
    """Return who is told how it goes."""
    return Bar(sys.stderr) if sys.stderr.isatty() and not is_quiet else Lines(sys.stderr, is_quiet)


def near(folder: Path) -> str:
    """Return a folder as one would type it here."""
    return str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder)


def _first(hosts: tuple[str, ...], nodes: int) -> tuple[str, ...]:
    if nodes > len(hosts):
        raise UsageError(f"{nodes} nodes are wanted, and there are {len(hosts)}", f"--nodes {len(hosts)}, or less")
    return hosts[:nodes]


def _environment(cells: tuple[Cell, ...], hosts: tuple[str, ...], say: Callable[[str], None]) -> Environment:
    """Return where this is; `newest` and other versions of Parsl are made now, and named by what they are."""
    site = os.environ.get(inside.INSIDE) or site_of(os.environ)
    found = environment(site, hosts, tuple(dict.fromkeys(cell.mpi for cell in cells)))
    others = {
        f"parsl {name}": each.version
        for name, each in environments((cell.parsl for cell in cells), say).items()
        if name != "installed"
    }
    return found.but(versions={**found.versions, **others})
