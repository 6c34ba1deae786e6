"""Machines that are not at hand: facts as on a machine where all is well, but for what a test changes."""

from __future__ import annotations

from hangprobe.doctor.facts import (
    CompareFacts,
    JobFacts,
    LimitsFacts,
    MpiFacts,
    NodesFacts,
    ProcessFacts,
    PythonFacts,
    Reads,
    SchedulerFacts,
    StacksFacts,
)
from hangprobe.model import Launcher

READABLE = Reads({})
REFUSED = Reads({"syscall": "not permitted", "mem": "not permitted"}, "cannot be read")

PYTHON = PythonFacts((3, 11, 2), "CPython", 64, "x86_64", True)
PROCESSES = ProcessFacts(
    is_root=False,
    has_ptrace_capability=False,
    yama=None,
    seccomp=0,
    child=READABLE,
    stranger=READABLE,
    is_stranger=True,
    kcmp="",
    proc_options="rw",
    sees_init=True,
    is_initial_namespace=True,
    has_timer_list=True,
    counts_files_in_flight=True,
)
STACKS = StacksFacts("/usr/bin/py-spy", "py-spy 0.4.3", "")
MPI = MpiFacts("/usr/bin/mpiexec", Launcher.HYDRA, "5.0.2", "", "4.1.2", JobFacts(2, (2, 2), "MPICH 5.0.2", ""))
NODES = NodesFacts(
    is_root=False,
    namespaces="",
    settings={"user.max_user_namespaces": "96365"},
    tools={"openssh-server": "system", "openssh-client": "system", "iproute2": "system", "util-linux": "system"},
    can_unpack=True,
    clustershell="1.9.3",
    zmq="27.0",
    cgroup="v2",
    is_delegated=False,
)
SLURM = SchedulerFacts(frozenset({"sbatch", "srun", "squeue", "scontrol"}), {}, None)
COMPARE = CompareFacts("/usr/bin/parallel", "GNU parallel 20221122", "2026.10.26", "1.16.0", (3, 11))
LIMITS = LimitsFacts((1024, 1 << 20), "hangprobe-results/", "", 50 << 30, 8 << 30)
