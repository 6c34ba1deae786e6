"""Subject environments by hand: what two versions of Parsl say of the names that tests use."""

from __future__ import annotations

import textwrap
from pathlib import Path

from hangprobe.lint.check import judge
from hangprobe.lint.mistake import Mistake
from hangprobe.lint.reading import Reading
from hangprobe.lint.repair import parse
from hangprobe.lint.subject import Described, SubjectFacts

SEED = (Path(__file__).parents[2] / "data" / "configurations" / "polaris_seed.txt").read_text()
HTEX, CONFIG, PBS = "parsl.executors.HighThroughputExecutor", "parsl.config.Config", "parsl.providers.PBSProProvider"
_NAMES = "label provider launch_cmd address worker_debug cores_per_worker cpu_affinity prefetch_capacity"
_EXECUTOR = (*_NAMES.split(), "heartbeat_threshold", "heartbeat_period")
_OPTIONS = "account queue scheduler_options select_options worker_init nodes_per_block walltime cpus_per_node"
_PROVIDER = (*_OPTIONS.split(), "init_blocks", "min_blocks", "max_blocks", "launcher")
_SHARED = (
    Described("parsl", "module"),
    Described("parsl.executors", "module"),
    Described("parsl.providers", "module"),
    Described("parsl.launchers", "module"),
    Described(PBS, "class", _PROVIDER),
    Described("parsl.providers.LocalProvider", "class", ("launcher", "nodes_per_block", "worker_init")),
    Described("parsl.launchers.MpiExecLauncher", "class", ("debug", "bind_cmd", "overrides")),
    Described("parsl.addresses.address_by_hostname", "function", ()),
    Described("parsl.executors.Nope", "missing", None, "parsl.executors has no Nope", ("HighThroughputExecutor",)),
    Described("parsl.channels", "missing", None, "parsl has no channels", ("executors",)),
    Described("parsl.channels.LocalChannel", "missing", None, "parsl has no channels", ("executors",)),
)
TODAY = SubjectFacts(
    python="3.11.2",
    parsl="2026.10.26",
    names=(
        *_SHARED,
        Described(HTEX, "class", (*_EXECUTOR, "max_workers_per_node", "encrypted")),
        Described(CONFIG, "class", ("executors", "memoizer", "run_dir", "strategy", "retries")),
    ),
    strategies=(None, "none", "simple", "htex_auto_scale"),
    affinities=("none", "block", "alternating", "block-reverse"),
    is_affinity_list_taken=True,
    is_affinity_case_ignored=True,
    address_use="parsed",
    is_hostname_resolved=True,
)
OLD = SubjectFacts(
    python="3.8.20",
    parsl="1.3.0.dev0",
    names=(
        *_SHARED,
        Described(HTEX, "class", (*_EXECUTOR, "max_workers")),
        Described(
            CONFIG,
            "class",
            ("executors", "app_cache", "checkpoint_files", "checkpoint_mode", "run_dir", "strategy", "retries"),
        ),
    ),
    strategies=(None, "simple", "htex_auto_scale"),
    affinities=("none", "block", "alternating"),
    address_use="none",
    is_hostname_resolved=False,
)
IMPORTS = """
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider, PBSProProvider
from parsl.launchers import MpiExecLauncher
from parsl.addresses import address_by_hostname
"""


def reading(text: str) -> Reading:
    return Reading(text, parse(text))


def found(text: str, facts: SubjectFacts = TODAY) -> tuple[Mistake, ...]:
    """What is said of a configuration that imports what tests use."""
    return judge(reading(IMPORTS + textwrap.dedent(text)), facts)


def slugs(text: str, facts: SubjectFacts = TODAY) -> list[str]:
    """The slugs of its mistakes, and of its warnings with an interrogation mark."""
    return [one.slug + "?" * (not one.is_refusing) for one in found(text, facts)]
