"""Whether this user may see what a proof needs. What was tried decides; the settings only say why."""

from __future__ import annotations

from hangprobe.doctor.checkup import Said, limited, missing, ok, unknown
from hangprobe.doctor.facts import ProcessFacts

NEEDED = ("stat", "status", "syscall", "wchan", "maps", "fd", "fdinfo")
"""Without one of them every thread is live."""
USEFUL = {
    "schedstat": "telling that a thread has not run by its run count (its voluntary switches serve as well)",
    "sched": "saying since when a thread waits",
    "timers": "telling processes that a timer may signal",
    "mem": "naming mutexes and locks",
    "environ": "ranks and their launcher",
}
CAP = "docker and podman: --cap-add SYS_PTRACE"


def child_files(facts: ProcessFacts) -> Said:
    """Judge what can be read of a child, as every job of `run` and `watch` is one."""
    lost = [name for name in NEEDED if name in facts.child.failed]
    if lost:
        says = f"a child's {', '.join(lost)}: {_why(facts.child.failed[lost[0]])}"
        return missing(says, "proofs", _permission(facts))
    if facts.child.wait:
        return missing(
            f"a wait in a pipe is not recognised ({facts.child.wait})", "proofs", "please report it with uname -r"
        )
    poor = [name for name in USEFUL if name in facts.child.failed]
    if poor:
        says = "; ".join(f"{name}: {_why(facts.child.failed[name])}" for name in poor)
        return limited(says, "; ".join(USEFUL[name] for name in poor), "a kernel configured with them")
    return ok("syscall, wchan, schedstat, sched, timers, maps, mem, fd: readable and filled")


def _why(reason: str) -> str:
    return "not in this kernel" if reason == "gone" else reason


def other_processes(facts: ProcessFacts) -> Said:
    """Judge what can be read of this user's processes that hangprobe did not start."""
    lost = sorted(facts.stranger.failed.keys() & {*NEEDED, "mem"})
    setting = "no Yama" if facts.yama is None else f"Yama's ptrace_scope is {facts.yama}"
    if not facts.is_stranger:
        return unknown(f"{setting}; could not be tried: every orphan becomes hangprobe's child here (PID 1)")
    if not lost:
        return ok(f"{setting}: one that is no descendant can be read")
    return limited(
        f"{setting}: {', '.join(lost)} of what is no descendant cannot be read",
        "attach, and ranks that a daemon starts (srun, pbsdsh)",
        _permission(facts),
    )


def _permission(facts: ProcessFacts) -> str:
    """Say what would permit reading."""
    if facts.yama == 3:
        return "Yama 3 can only be changed at boot: kernel.yama.ptrace_scope=0 in /etc/sysctl.d"
    if facts.yama in {1, 2} and not facts.has_ptrace_capability:
        return "as root: sysctl kernel.yama.ptrace_scope=0"
    if facts.seccomp:
        return f"a seccomp filter is at work; {CAP}"
    return f"run it as root; {CAP}"


def hidden_processes(facts: ProcessFacts) -> Said:
    """Judge whether /proc shows all processes: one that is hidden may hold the other end of any pipe."""
    options = [option for option in facts.proc_options.split(",") if option.startswith(("hidepid", "subset"))]
    hides = [option for option in options if option not in {"hidepid=0", "hidepid=off"}]
    is_bound = "subset=pid" in options or not facts.is_root
    if hides and is_bound and (not facts.sees_init or "subset=pid" in options):
        return limited(
            f"/proc is mounted with {','.join(hides)}",
            "proofs on pipes and files without an assumption",
            "as root: mount -o remount,hidepid=0 /proc",
        )
    return ok("nothing is hidden by how /proc is mounted")


def pid_namespace(facts: ProcessFacts) -> Said:
    """Judge whether there may be processes outside of what can be seen."""
    if facts.is_initial_namespace is None:
        return limited("cannot be read", "proofs on pipes that leave the job", "run it outside the container")
    if not facts.is_initial_namespace:
        return limited(
            "below the initial one (a container): what is outside cannot be seen",
            "proofs on pipes and files that leave the job",
            "docker and podman: --pid host; or run it outside",
        )
    return ok("the initial one")


def kcmp(facts: ProcessFacts) -> Said:
    """Judge kcmp(2), which tells who shares memory and descriptors."""
    if not facts.kcmp:
        return ok("works")
    remedy = "a kernel with CONFIG_KCMP" if facts.kcmp == "ENOSYS" else _permission(facts)
    return missing(f"{facts.kcmp}", "proofs on locks (futexes), the most frequent ones", remedy)


def alarms(facts: ProcessFacts) -> Said:
    """Judge whether an alarm(2) that will end a wait can be seen."""
    if facts.has_timer_list:
        return ok("/proc/timer_list is readable")
    return limited("/proc/timer_list is for root", "seeing that an alarm(2) may end a wait", "run it as root")


def descriptors_in_flight(facts: ProcessFacts) -> Said:
    """Judge whether descriptors inside unix sockets can be seen."""
    if facts.counts_files_in_flight:
        return ok("scm_fds is shown")
    return limited("scm_fds is not shown", "proofs on pipes and files", "Linux 5.6 or newer")


CHECKS = (child_files, other_processes, hidden_processes, pid_namespace, kcmp, alarms, descriptors_in_flight)
