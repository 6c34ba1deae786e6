"""Run one ensemble: load Parsl, wait for its managers, submit one round of tasks, follow it, leave.

Nothing is submitted before every manager has registered (or REGISTER_S has passed since the last one did): a node that
is a little late would find that the first one has done all short tasks, and a trial would say nothing of it.

The driver's own thread only looks and writes; whatever Parsl may hang in (its loading, a clean-up with a worker that is
hung) has an end that does not depend on Parsl. Events first, tidiness second: what was seen is on disk before anything
is ended.
"""

from __future__ import annotations

import importlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
from typing import Any, Callable

from hangprobe.ensemble.subject import blocks, configuration
from hangprobe.ensemble.subject.events import Events
from hangprobe.ensemble.subject.scene import Scene
from hangprobe.ensemble.subject.spec import Spec, read

DONE, SOME_FAILED, BROKEN, REFUSED, ENDED, LATE, TOLD = 0, 1, 2, 3, 4, 5, 143
LOOK_S = 0.1
"""How often Parsl's log is looked at, and results are noted, each with the time at which it came."""
REGISTER_S = 15.0
"""For one more manager, since the last; nodes of one launcher register within a second of each other, or never."""
GRACE_S = 2.0
"""For results that are still on their way when the block has ended."""
CLEAN_S = 12.0
"""For Parsl's own clean-up: HTEX gives its interchange 10 s."""


def main(path: str, run_task: Callable[..., None], home: str) -> None:
    """Run the ensemble of a specification, and end this process; see htex_child.py for its exit statuses."""
    began = time.monotonic()
    cwd = os.getcwd()
    spec = read(path)
    spec = spec._replace(workload_path=spec.workload_path or cwd)
    events = Events(spec.folder)
    limit = threading.Timer(spec.deadline_s + CLEAN_S + 5, _give_up, (events,))
    limit.daemon = True
    limit.start()
    told = _Told()
    try:
        status = _Ensemble(spec, events, told, began + spec.deadline_s).run(run_task, home)
    except BaseException as error:
        events.write("failed", error=f"{type(error).__name__}: {error}")
        traceback.print_exc()
        status = BROKEN
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # Parsl's threads, some of them no daemons, must not keep it


class _Told:
    """Whether somebody wants the driver to leave."""

    def __init__(self) -> None:
        self.signal: int | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number: int, _: object) -> None:
        self.signal = number


class _Ensemble:
    """One ensemble, from its configuration to its end."""

    def __init__(self, spec: Spec, events: Events, told: _Told, deadline: float) -> None:
        self.spec, self.events, self.told, self.deadline = spec, events, told, deadline
        self.marks = os.environ.get("HANGPROBE_MARKS") or os.path.join(spec.folder, "marks")
        self.results: queue.SimpleQueue[tuple[float, int, Any]] = queue.SimpleQueue()
        self.pending: set[int] = set()
        self.done = self.failed = 0
        self.is_drained = configuration.is_to_be_drained(spec)
        self.block_ended_at: float | None = None

    def run(self, run_task: Callable[..., None], home: str) -> int:
        """Run it; return the exit status."""
        parsl = importlib.import_module("parsl")
        self.events.write(
            "started",
            parsl=getattr(parsl, "__version__", None),
            python=sys.version.split()[0],
            executable=sys.executable,
            pid=os.getpid(),
        )
        try:
            config = configuration.configure(self.spec)
            self._number_workers(config)
            kernel = self._load(parsl, config)
        except configuration.Refused as refused:
            self.events.write("config-refused", errors=list(refused.errors))
            return REFUSED
        executors = configuration.pools(config.executors)
        labels, is_here = [each.label for each in executors], all(blocks.is_here(each) for each in executors)
        self.events.write("loaded", run_dir=kernel.run_dir, labels=labels, is_here=is_here)
        scene, watch = Scene(kernel.run_dir), blocks.Watch(executors)
        status = self._await_managers(scene, watch, sum(blocks.managers_at_first(each) for each in executors))
        if status is None:
            self._submit(parsl, run_task, home, labels)
            status = self._follow(scene, watch)
        for output in scene.outputs():
            self.events.write("block-output", **output)
        self.events.write("finished", done=self.done, failed=self.failed, pending=len(self.pending), status=status)
        self.events.write("cleaned", is_whole=blocks.clean_up(kernel, executors, CLEAN_S))
        return status

    def _load(self, parsl: Any, config: Any) -> Any:
        """Let Parsl begin. Raises Refused for a user's configuration that it cannot begin with."""
        try:
            return parsl.load(config)
        except Exception as error:
            blocks.end_processes()
            if self.spec.config:
                raise configuration.Refused(f"parsl.load: {type(error).__name__}: {error}") from error
            raise

    def _number_workers(self, config: Any) -> None:
        """Say how many managers and workers there will be: who watches numbers them by it."""
        executors = configuration.pools(config.executors)
        if self.spec.config:
            self.managers = sum(blocks.managers_of(executor) for executor in executors)
            self.workers = max(blocks.workers_of(executor) or self.spec.workers_per_node for executor in executors)
        else:
            self.managers, self.workers = configuration.blocks_nodes(self.spec), self.spec.workers_per_node
        self.pending = set(range(self.managers * self.workers * self.spec.tasks_per_worker))
        os.makedirs(self.marks, exist_ok=True)
        beside = os.path.join(self.marks, ".ensemble")
        with open(beside, "w") as file:
            file.write(f"nodes {self.managers}\nworkers {self.workers}\n")
        os.rename(beside, os.path.join(self.marks, "ensemble"))

    def _submit(self, parsl: Any, run_task: Callable[..., None], home: str, labels: list[str]) -> None:
        app = parsl.python_app(run_task, executors=labels)
        spec = self.spec
        numbers, began = sorted(self.pending), time.time()
        for number in numbers:
            future = app(home, self.marks, number, spec.workload, spec.workload_path)
            future.add_done_callback(
                lambda future, number=number: self.results.put((time.time(), number, future.exception()))
            )
        self.events.write("submitted", at=began, tasks=numbers)

    def _await_managers(self, scene: Scene, watch: blocks.Watch, expected: int) -> int | None:
        """Wait for the managers; return None, or the status to end with."""
        changed = time.monotonic()
        while len(scene.managers) < expected:
            if self._looked(scene):
                changed = time.monotonic()
            if scene.managers and time.monotonic() > changed + REGISTER_S:
                break
            status = self._must_end(scene, watch)
            if status is not None:
                return status
            time.sleep(LOOK_S)
        return None

    def _follow(self, scene: Scene, watch: blocks.Watch) -> int:
        """Note results until all are there; return the status to end with."""
        while True:
            self._take_results()
            self._looked(scene)
            if not self.pending:
                result = SOME_FAILED if self.failed else DONE
                return self._await_launcher(scene, watch, result) if self.is_drained else result
            status = self._must_end(scene, watch)
            if status is not None:
                return status

    def _await_launcher(self, scene: Scene, watch: blocks.Watch, status: int) -> int:
        """Wait until the block has ended by itself; return `status`, or why it was not waited for any longer."""
        self.events.write("draining")
        while not watch.ended():
            stopped = self._must_end(scene, watch)
            if stopped is not None:
                return stopped
            time.sleep(LOOK_S)
        self.events.write("drained", blocks=watch.states)
        return status

    def _looked(self, scene: Scene) -> bool:
        if not scene.look():
            return False
        self.events.write("managers", managers=scene.told())
        return True

    def _must_end(self, scene: Scene, watch: blocks.Watch) -> int | None:
        """Return the status to end with although tasks are pending; None: go on."""
        now = time.monotonic()
        if self.told.signal is not None:
            self.events.write("interrupted", signal=self.told.signal)
            return TOLD
        if not watch.ended():
            self.block_ended_at = None
        elif self.block_ended_at is None:
            self.block_ended_at = now
        if self.block_ended_at is not None and now > self.block_ended_at + (GRACE_S if scene.managers else 0):
            for block, state in watch.states.items():
                self.events.write("block-ended", block=block, status=state)
            return ENDED
        if now > self.deadline:
            self.events.write("deadline" if scene.managers else "no-manager")
            return LATE if scene.managers else ENDED
        return None

    def _take_results(self) -> None:
        """Note the results of a while in one go: to be woken for each would take the processor from Parsl's threads."""
        time.sleep(LOOK_S)
        lines = []
        while not self.results.empty():
            lines.append(self._noted(*self.results.get()))
        if lines:
            self.events.write_all(lines)

    def _noted(self, at: float, number: int, error: BaseException | None) -> bytes:
        """Take in a result, and return its event."""
        self.pending.discard(number)
        if error is None:
            self.done += 1
        else:
            self.failed += 1
        said = None if error is None else f"{type(error).__name__}: {error}".strip().splitlines()[-1]
        return self.events.line("task", at, task=number, state="failed" if error else "done", error=said)


def _give_up(events: Events) -> None:
    """End a driver that Parsl does not let go."""
    events.write("deadline", stuck=True)
    os._exit(LATE)
