"""What Parsl is told: the embedded configuration, or a user's own with only the compared axes changed.

The keywords of Parsl's classes have changed over the years; what a class accepts is asked of its signature, never
concluded from the version. A user's configuration is taken as it is but for four things: its launcher, unless
`as-configured` is asked for; the prefix in its executors' launch_cmd; what the specification adds to its provider's
worker_init; a run_dir that is relative (Parsl's default too) lies below the trial's folder, since the driver's working
directory is that folder once the configuration has been read.
"""

from __future__ import annotations

import importlib
import inspect
import os
import runpy
import shlex
import socket
import sys
import traceback
from typing import Any

from hangprobe.ensemble import launchers, workloads
from hangprobe.ensemble.subject.spec import Spec

POOL = "process_worker_pool.py"
START_PERIOD_S = 0.3
"""Parsl asks for the first block at the first tick of its strategy; its default of 5 s would be most of a start-up."""
DRAIN_S = 20
"""How long a manager lives that is to end by itself; it must have registered and have its tasks by then."""


class Refused(Exception):
    """The configuration cannot be used; `errors` says why."""

    def __init__(self, *errors: str) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


def configure(spec: Spec) -> Any:
    """Return a Config of Parsl, ready to be loaded. Raises Refused; leaves the working directory the trial's folder."""
    if spec.launcher not in (*launchers.TABLE, launchers.AS_CONFIGURED):
        raise Refused(f"there is no launcher named {spec.launcher}")
    os.environ["PATH"] = f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', '')}"  # its interchange.py
    if spec.node_file:
        os.environ["PBS_NODEFILE"] = spec.node_file
    config = _users(spec.config) if spec.config else None
    os.chdir(spec.folder)
    if config is None:
        if spec.launcher == launchers.AS_CONFIGURED:
            raise Refused("as-configured needs a configuration")
        config = _embedded(spec)
    for executor in pools(config.executors):
        provider = executor.provider
        if spec.config:
            _adapt(provider, spec)
        _insert_prefix(executor, spec.prefix)
    return config


def pools(executors: Any) -> list[Any]:
    """Return the executors that start worker pools on nodes: HighThroughputExecutor and what is made of it."""
    return [each for each in executors if POOL in str(getattr(each, "launch_cmd", ""))]


def accepted(function: Any, **wanted: Any) -> dict[str, Any]:
    """Return those keywords that a function or class has parameters for."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in wanted.items() if name in known}


def _embedded(spec: Spec) -> Any:
    """One block of all nodes by LocalProvider, started from here; nothing is scaled, retried or remembered."""
    htex = importlib.import_module("parsl.executors").HighThroughputExecutor
    provider = importlib.import_module("parsl.providers").LocalProvider
    config = importlib.import_module("parsl.config").Config
    workers = spec.workers_per_node
    is_drained = is_to_be_drained(spec)
    if is_drained and not accepted(htex, drain_period=DRAIN_S):
        raise Refused(f"{spec.workload} needs managers that end by themselves: this Parsl has no drain_period")
    executor = htex(
        **accepted(
            htex,
            label="htex",
            address=reachable_address(spec.nodes),
            max_workers_per_node=workers,
            max_workers=workers,
            cores_per_worker=0.5 / workers,  # as many as were asked for, whatever a node's cores
            encrypted=False,
            drain_period=DRAIN_S if is_drained else None,
            # a block that ends is what the driver looks at; Parsl would fail all tasks, and hide its words
            block_error_handler=False,
            provider=provider(
                **accepted(
                    provider,
                    nodes_per_block=blocks_nodes(spec),
                    init_blocks=1,
                    min_blocks=0,
                    max_blocks=1,
                    worker_init=_worker_init(spec),
                    launcher=launchers.build(spec.launcher, spec.mpi),
                )
            ),
        )
    )
    return config(
        **accepted(
            config,
            executors=[executor],
            run_dir=os.path.join(spec.folder, "runinfo"),
            strategy=None,
            strategy_period=START_PERIOD_S,
            retries=0,
            app_cache=False,
            usage_tracking=0 if "level" in str(inspect.signature(config)) else False,
        )
    )


def is_to_be_drained(spec: Spec) -> bool:
    """Return whether the managers of this ensemble are to end by themselves, and their launcher after them."""
    known = workloads.TABLE.get(spec.workload)
    return bool(known and known.is_drained and not spec.config)


def blocks_nodes(spec: Spec) -> int:
    """Return how many managers the embedded configuration's block is to have."""
    known = launchers.TABLE.get(spec.launcher)
    return 1 if known and known.is_single else len(spec.nodes)


def reachable_address(nodes: list[str]) -> str | None:
    """Return this host's address on the way to the first node; None (Parsl tries all) if that has no address.

    Nothing is sent: connecting a datagram socket only asks the routing table.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect((nodes[0], 9))
            return str(asking.getsockname()[0])
    except (OSError, IndexError):
        return None


def _worker_init(spec: Spec) -> str:
    lines = [spec.worker_init] if spec.worker_init else []
    if spec.node_file:
        lines.append(f"export PBS_NODEFILE={shlex.quote(spec.node_file)}")
    if spec.mpi_bin:
        lines.append(f"export PATH={shlex.quote(spec.mpi_bin)}:$PATH")
    variables = launchers.variables(spec.mpi, is_root=os.geteuid() == 0)
    lines += [f"export {name}={value}" for name, value in variables.items()]
    return "\n".join(lines)


def _adapt(provider: Any, spec: Spec) -> None:
    if spec.launcher != launchers.AS_CONFIGURED:
        if not hasattr(provider, "launcher"):
            raise Refused(f"{type(provider).__name__} has no launcher that could be replaced by {spec.launcher}")
        provider.launcher = launchers.build(spec.launcher, spec.mpi)
    if hasattr(provider, "worker_init"):
        provider.worker_init = "\n".join(text for text in (provider.worker_init, _worker_init(spec)) if text)


def _insert_prefix(executor: Any, prefix: list[str]) -> None:
    """Put words before the pool's command, and name its script by its whole path: a node's PATH may lead elsewhere.

    Parsl formats the command twice, so a brace must be doubled twice; launchers copy it through an unquoted here
    document, where nothing protects `$`, a backquote and a backslash.
    """
    bad = [word for word in prefix if any(sign in word for sign in "$`\\\n")]
    if bad:
        raise Refused(f"the prefix has words that no launcher of Parsl passes on: {bad}")
    words = " ".join(shlex.quote(word) for word in prefix)
    before, _, after = executor.launch_cmd.partition(POOL)
    if not before or before.endswith(" "):  # its name alone, as Parsl's default has it
        script = os.path.join(os.path.dirname(sys.executable), POOL)
        before += shlex.quote(script)[: -len(POOL)] if shlex.quote(script).endswith(POOL) else ""
    quoted = words.replace("{", "{{{{").replace("}", "}}}}")
    executor.launch_cmd = f"{quoted} {before}{POOL}{after}".strip()


def _users(path: str) -> Any:
    """Return the configuration of a user's file: its `config`, or the only Config in it. Raises Refused."""
    kind = importlib.import_module("parsl.config").Config
    try:
        names = runpy.run_path(path)
        config = names.get("config")
        if callable(config) and not isinstance(config, (type, kind)):
            config = config()
    except (Exception, SystemExit) as error:
        raise Refused(f"{path}: {traceback.format_exception_only(type(error), error)[-1].strip()}") from error
    if not isinstance(config, kind):
        found = {id(value): value for value in names.values() if isinstance(value, kind)}
        if len(found) != 1:
            raise Refused(f"{path} has {len(found)} configurations, and none named `config`")
        (config,) = found.values()
    if not pools(config.executors):
        raise Refused(f"{path} has no HighThroughputExecutor")
    return config
