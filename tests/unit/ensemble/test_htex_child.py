"""The subject's side of a trial, piece by piece and without any Parsl: what it reads, what it leaves."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import string
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.ensemble import traces
from hangprobe.ensemble.subject import blocks, configuration, scene, spec, task
from hangprobe.ensemble.subject.events import Events

REGISTERED = {
    "2026.10.26": (
        "1795407396.776219 2026-11-23 04:16:36 MainProcess-12 MainThread-14 parsl.executors.interchange:412 "
        "process_manager_socket_message INFO: Registration info for manager b'c8611112cf79': {'type': 'registration', "
        "'parsl_v': '2026.10.26', 'python_v': '3.11.7', 'packages': {'parsl': '2026.10.26'}, 'worker_count': 2, "
        "'uid': 'c8611112cf79', 'block_id': '0', 'start_time': 1795407395.1, 'hostname': 'node01'}\n"
    ),
    "2023.10.23": (
        "2026-11-23 04:20:45.889 interchange:416 HTEX-Interchange(25) MainThread process_task_outgoing_incoming [INFO] "
        "Registration info for manager b'c8611112cf79': {'type': 'registration', 'parsl_v': '2023.10.23', "
        "'python_v': '3.11.7', 'worker_count': 2, 'uid': 'c8611112cf79', 'block_id': '0', 'hostname': 'node01'}\n"
    ),
    "1.3.0dev0": (
        "2026-11-23 04:20:44.338 interchange:414 HTEX-Interchange(25) MainThread [INFO]  Registration info for manager "
        "b'c8611112cf79': {'active': True, 'parsl_v': '1.3.0dev0', 'python_v': '3.11.7', 'worker_count': 2, "
        "'uid': 'c8611112cf79', 'block_id': '0', 'hostname': 'node01', "
        "'reg_time': datetime.datetime(2026, 11, 23, 4, 20, 44)}\n"
    ),
}


def run_folder(tmp_path: Path, log: str) -> Path:
    (tmp_path / "htex").mkdir()
    (tmp_path / "htex/interchange.log").write_text(log)
    return tmp_path


# --- the specification


def test_a_specification_says_what_it_must_and_may_say_more(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({"folder": "/t", "nodes": ["node01"], "prefix": ["a"], "driver_stdin": "null"}))
    said = spec.read(str(path))
    assert (said.folder, said.nodes, said.prefix, said.workers_per_node) == ("/t", ["node01"], ["a"], 2)


def test_a_specification_without_nodes_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text('{"folder": "/t"}')
    with pytest.raises(TypeError, match="nodes"):
        spec.read(str(path))


# --- what a worker writes


def test_a_worker_notes_each_task_and_can_be_read_back(tmp_path: Path) -> None:
    task.run(str(tmp_path), 7, "noop", "")
    task.run(str(tmp_path), 8, "bash", "")
    (log,) = traces.read_logs(tmp_path)
    assert (log.pid, log.start_time, log.manager_pid) == (os.getpid(), task.start_time(), os.getppid())
    assert [(each.task, each.outcome) for each in log.tasks] == [(7, "ok"), (8, "ok")]
    assert all(each.ended is not None and each.began <= each.ended for each in log.tasks)


def test_a_worker_says_what_its_parsl_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "1"), ("BLOCK_ID", "0"), ("COUNT", "2"), ("POOL_ID", "b112f4c0e9f0")):
        monkeypatch.setenv(f"PARSL_WORKER_{name}", value)
    task.run(str(tmp_path), 0, "noop", "")
    (log,) = traces.read_logs(tmp_path)
    assert (log.place, log.pool) == (1, "b112f4c0e9f0")


def test_what_a_parsl_does_not_say_is_a_dash(tmp_path: Path) -> None:
    task.run(str(tmp_path), 0, "noop", "")
    (path,) = tmp_path.glob("workers/*/*.log")
    assert path.read_text().splitlines()[0] == f"W - - - {os.getppid()} -"


def test_a_task_that_fails_is_noted_and_fails(tmp_path: Path) -> None:
    (tmp_path / "users_task_that_fails.py").write_text("def work(number): {}[number]\n")
    with pytest.raises(KeyError):
        task.run(str(tmp_path), 3, "users_task_that_fails:work", str(tmp_path))
    assert traces.read_logs(tmp_path)[0].tasks[0].outcome == "KeyError"


def test_a_forked_child_that_comes_back_from_its_task_writes_nothing_in_its_parents_name(tmp_path: Path) -> None:
    (tmp_path / "users_task_that_forks.py").write_text(
        "import os\ndef work(number):\n    child = os.fork()\n"
        "    if not child:\n        raise SystemExit\n    os.waitpid(child, 0)\n"
    )
    own = os.getpid()
    try:
        task.run(str(tmp_path), 3, "users_task_that_forks:work", str(tmp_path))
    finally:
        if os.getpid() != own:
            os._exit(0)
    (path,) = tmp_path.glob("workers/*/*.log")
    assert [line.split()[0] for line in path.read_text().splitlines()] == ["W", "B", "E"]
    assert traces.read_logs(tmp_path)[0].tasks[0].outcome == "ok"


def test_a_workload_that_is_unknown_is_noted_too(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        task.run(str(tmp_path), 3, "no-such", "")
    assert traces.read_logs(tmp_path)[0].tasks[0].outcome == "KeyError"


def test_a_users_function_is_found_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "users_tasks_of_this_test.py").write_text("done = []\ndef transform(number): done.append(number)\n")
    task.run(str(tmp_path), 5, "users_tasks_of_this_test:transform", str(tmp_path))
    assert importlib.import_module("users_tasks_of_this_test").done == [5]


# --- what the driver writes


@given(st.text(), st.integers())
def test_an_event_is_one_whole_line(tmp_path_factory: pytest.TempPathFactory, text: str, number: int) -> None:
    folder = tmp_path_factory.mktemp("events")
    Events(str(folder)).write("task", at=1.5, error=text, task=number)
    assert (folder / "events.jsonl").read_text().count("\n") == 1
    assert traces.read_events(folder) == [{"t": 1.5, "event": "task", "error": text, "task": number}]


# --- what Parsl leaves


@pytest.mark.parametrize("version", REGISTERED)
def test_a_registration_names_the_managers_host(tmp_path: Path, version: str) -> None:
    seen = scene.Scene(str(run_folder(tmp_path, REGISTERED[version])))
    assert seen.look()
    (manager,) = seen.told()
    assert (manager["host"], manager["uid"], manager["workers"]) == ("node01", "c8611112cf79", 2)
    assert (manager["parsl"], manager["block"]) == (version, "0")
    assert manager["registered"] % 60 == pytest.approx({"2026.10.26": 36.776}.get(version, 45.0), abs=1)
    assert not seen.look()


def test_a_line_that_is_not_whole_is_read_later(tmp_path: Path) -> None:
    line = REGISTERED["2026.10.26"]
    folder = run_folder(tmp_path, line[:-30])
    seen = scene.Scene(str(folder))
    assert not seen.look()
    (folder / "htex/interchange.log").write_text(line)
    assert seen.look()


def test_the_start_method_is_what_the_managers_log_says(tmp_path: Path) -> None:
    seen = scene.Scene(str(run_folder(tmp_path, REGISTERED["2023.10.23"])))
    seen.look()
    assert seen.told()[0]["start_method_said"] is None
    log = tmp_path / "htex/block-0/c8611112cf79/manager.log"
    log.parent.mkdir(parents=True)
    log.write_text("parsl:763 9 MainThread [INFO]  Start method: spawn\n")
    assert seen.told()[0]["start_method_said"] == "spawn"


def test_a_block_has_its_exit_code_and_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scripts = tmp_path / "submit_scripts"
    scripts.mkdir()
    name = "parsl.htex.block-0.1795407499.5715783"
    for ending, text in (
        (".sh", "set -e"),
        (".sh.out", "Found"),
        (".sh.err", "x" * 9999 + "failed"),
        (".sh.ec", "255\n"),
    ):
        (scripts / f"{name}{ending}").write_text(text)
    (tmp_path / f"{name}.sh.parallel.log").write_text("Seq\tHost\n")
    (output,) = scene.Scene(str(tmp_path)).outputs()
    assert (output["block"], output["exit_code"], output["stdout"]) == (name, 255, "Found")
    assert output["stderr"].endswith("failed")
    assert len(output["stderr"]) == 4000
    assert output["joblog"] == "Seq\tHost\n"


def test_a_block_that_runs_has_no_exit_code(tmp_path: Path) -> None:
    (tmp_path / "submit_scripts").mkdir()
    (tmp_path / "submit_scripts/parsl.x.sh.ec").write_text("-\n")
    (output,) = scene.Scene(str(tmp_path)).outputs()
    assert (output["exit_code"], output["joblog"]) == (None, None)


# --- blocks


class LocalProvider:
    """A provider that answers as it is told to."""

    init_blocks, min_blocks, nodes_per_block = 1, 0, 3

    def __init__(self, *states: str) -> None:
        self.states = states

    def status(self, jobs: list[str]) -> list[Any]:
        if "" in self.states:
            raise OSError("qstat has gone")
        return [SimpleNamespace(state=SimpleNamespace(name=name), exit_code=None, message=None) for name in self.states]


def executor(*states: str) -> Any:
    return SimpleNamespace(
        provider=LocalProvider(*states),
        blocks_to_job_id={str(number): str(number) for number in range(len(states))},
        launch_cmd="process_worker_pool.py --block_id={{block_id}} {debug}",
    )


@pytest.mark.parametrize(
    ("states", "has_ended"),
    [
        ((), False),
        (("RUNNING",), False),
        (("PENDING",), False),
        (("COMPLETED",), True),
        (("FAILED",), True),
        (("FAILED", "RUNNING"), False),
        (("CANCELLED", "MISSING"), True),
        (("",), False),
    ],
)
def test_blocks_have_ended_when_all_have(states: tuple[str, ...], has_ended: bool) -> None:
    assert blocks.Watch([executor(*states)]).ended() is has_ended


def test_a_block_that_could_not_be_submitted_has_ended() -> None:
    one = executor()
    one._simulated_status = {"0": SimpleNamespace(state=SimpleNamespace(name="FAILED"), message="qsub: bad queue")}
    watch = blocks.Watch([one])
    assert watch.ended()
    assert watch.states == {"0": "FAILED: qsub: bad queue"}


def test_managers_are_counted_as_the_provider_will_start_them() -> None:
    one = executor()
    assert (blocks.managers_at_first(one), blocks.managers_of(one)) == (3, 3)
    one.provider.init_blocks = 0  # asked for when there are tasks
    assert (blocks.managers_at_first(one), blocks.managers_of(one)) == (0, 3)


def test_workers_are_what_the_executor_says_in_either_age() -> None:
    assert blocks.workers_of(SimpleNamespace(max_workers_per_node=4)) == 4
    assert blocks.workers_of(SimpleNamespace(max_workers=5)) == 5
    assert blocks.workers_of(SimpleNamespace(max_workers_per_node=float("inf"))) is None


# --- the configuration


@given(
    st.lists(st.text(string.printable.replace("\n", ""), min_size=1).filter(lambda word: not set(word) & set("$`\\")))
)
def test_the_prefix_arrives_word_by_word(prefix: list[str]) -> None:
    one = executor()
    configuration._insert_prefix(one, prefix)
    command = one.launch_cmd.format(debug="--debug").format(block_id="0")  # Parsl formats it twice
    words = shlex.split(command)
    assert words[: len(prefix)] == prefix
    assert words[len(prefix)].endswith("/process_worker_pool.py")
    assert words[len(prefix) + 1 :] == ["--block_id=0", "--debug"]


@pytest.mark.parametrize("word", ["$HOME", "`id`", "a\\b", "a\nb"])
def test_a_prefix_that_would_be_changed_on_its_way_is_refused(word: str) -> None:
    with pytest.raises(configuration.Refused, match="passes on"):
        configuration._insert_prefix(executor(), ["env", word])


def test_a_command_that_names_its_own_pool_is_left_so() -> None:
    one = executor()
    one.launch_cmd = "apptainer exec image.sif /opt/bin/process_worker_pool.py {debug}"
    configuration._insert_prefix(one, ["nice"])
    assert one.launch_cmd == "nice apptainer exec image.sif /opt/bin/process_worker_pool.py {debug}"


def test_only_executors_with_pools_take_part() -> None:
    threads = SimpleNamespace(label="threads")
    one = executor()
    assert configuration.pools([threads, one]) == [one]


def test_keywords_are_those_that_a_class_has() -> None:
    def old(max_workers: int, address: str) -> None:
        """Stand for a class of an old Parsl."""

    said = configuration.accepted(old, max_workers=2, max_workers_per_node=2, encrypted=False, address="::1")
    assert said == {"max_workers": 2, "address": "::1"}


def test_the_address_is_the_one_on_the_way_to_the_nodes() -> None:
    assert configuration.reachable_address(["127.0.0.1"]) == "127.0.0.1"
    assert configuration.reachable_address(["no such host"]) is None
    assert configuration.reachable_address([]) is None


def test_a_single_nodes_launcher_has_one_manager() -> None:
    three = spec.Spec(folder="/t", nodes=["a", "b", "c"], launcher="single-node")
    assert configuration.blocks_nodes(three) == 1
    assert configuration.blocks_nodes(three._replace(launcher="mpiexec")) == 3
