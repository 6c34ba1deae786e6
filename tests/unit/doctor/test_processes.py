"""What was tried decides what is said of reading processes; the settings only say why, and what to change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hangprobe.doctor.checks import processes
from hangprobe.doctor.checkup import State
from hangprobe.doctor.facts import Reads

from .machines import PROCESSES, REFUSED


def test_all_is_well_on_an_ordinary_machine() -> None:
    assert {judge(PROCESSES).state for judge in processes.CHECKS} == {State.OK}


@pytest.mark.parametrize("lost", ["syscall", "wchan", "maps", "fd", "stat"])
def test_without_what_a_proof_needs_of_a_child_nothing_can_be_proven(lost: str) -> None:
    said = processes.child_files(replace(PROCESSES, child=Reads({lost: "not permitted"})))
    assert said.state is State.MISSING
    assert lost in said.says
    assert said.enables == "proofs"


@pytest.mark.parametrize("lost", ["schedstat", "sched", "timers", "mem", "environ"])
def test_what_has_a_substitute_or_explains_only_is_a_limit(lost: str) -> None:
    said = processes.child_files(replace(PROCESSES, child=Reads({lost: "gone"})))
    assert said.state is State.LIMITED
    assert lost in said.says


def test_a_wait_whose_kernel_function_is_not_known_is_told() -> None:
    said = processes.child_files(replace(PROCESSES, child=Reads({}, "wchan: in read, but is pipe_read_renamed")))
    assert said.state is State.MISSING
    assert "pipe_read_renamed" in said.says


def test_yama_1_leaves_the_job_and_takes_the_strangers() -> None:
    facts = replace(PROCESSES, yama=1, stranger=REFUSED)
    assert processes.child_files(facts).state is State.OK
    said = processes.other_processes(facts)
    assert said.state is State.LIMITED
    assert "ptrace_scope is 1" in said.says
    assert said.enables.startswith("attach")
    assert said.remedy == "as root: sysctl kernel.yama.ptrace_scope=0"


def test_yama_1_does_not_bind_who_may_trace_all() -> None:
    facts = replace(PROCESSES, yama=1, is_root=True, has_ptrace_capability=True)
    assert processes.other_processes(facts).state is State.OK


@pytest.mark.parametrize(
    ("yama", "remedy"), [(2, "sysctl kernel.yama.ptrace_scope=0"), (3, "at boot: kernel.yama.ptrace_scope=0")]
)
def test_yama_2_and_3_take_the_job_as_well(yama: int, remedy: str) -> None:
    facts = replace(PROCESSES, yama=yama, child=REFUSED, stranger=REFUSED)
    said = processes.child_files(facts)
    assert said.state is State.MISSING
    assert remedy in said.remedy


def test_a_container_that_refuses_says_how_to_start_it() -> None:
    facts = replace(PROCESSES, seccomp=2, child=REFUSED)
    assert "--cap-add SYS_PTRACE" in processes.child_files(facts).remedy


def test_where_every_orphan_is_a_child_nothing_is_said_of_strangers() -> None:
    assert processes.other_processes(replace(PROCESSES, is_stranger=False)).state is State.UNKNOWN


@pytest.mark.parametrize(
    ("options", "sees_init", "is_root", "state"),
    [
        ("rw", True, False, State.OK),
        ("rw,hidepid=0", True, False, State.OK),
        ("rw,hidepid=off", True, False, State.OK),
        ("rw,hidepid=2", False, False, State.LIMITED),
        ("rw,hidepid=invisible", False, False, State.LIMITED),
        ("rw,gid=7,hidepid=2", True, False, State.OK),  # this user is in the group that sees all
        ("rw,hidepid=2", True, True, State.OK),
        ("rw,subset=pid", True, True, State.LIMITED),
    ],
)
def test_hidepid_matters_to_those_from_whom_it_hides(
    options: str, sees_init: bool, is_root: bool, state: State
) -> None:
    facts = replace(PROCESSES, proc_options=options, sees_init=sees_init, is_root=is_root)
    said = processes.hidden_processes(facts)
    assert said.state is state
    assert state is State.OK or "mount -o remount" in said.remedy


@pytest.mark.parametrize(
    ("error", "state", "remedy"),
    [("", State.OK, ""), ("ENOSYS", State.MISSING, "CONFIG_KCMP"), ("EPERM", State.MISSING, "SYS_PTRACE")],
)
def test_kcmp_is_needed_and_may_be_absent_or_refused(error: str, state: State, remedy: str) -> None:
    said = processes.kcmp(replace(PROCESSES, kcmp=error))
    assert said.state is state
    assert remedy in said.remedy


@pytest.mark.parametrize("is_initial", [False, None])
def test_in_a_container_others_may_be_out_of_sight(is_initial: bool | None) -> None:
    assert processes.pid_namespace(replace(PROCESSES, is_initial_namespace=is_initial)).state is State.LIMITED


def test_what_only_root_sees_and_what_old_kernels_lack_are_limits() -> None:
    assert processes.alarms(replace(PROCESSES, has_timer_list=False)).state is State.LIMITED
    assert processes.descriptors_in_flight(replace(PROCESSES, counts_files_in_flight=False)).state is State.LIMITED
