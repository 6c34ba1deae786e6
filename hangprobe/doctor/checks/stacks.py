"""Whether stacks can be read, which say in whose code a rank hangs."""

from __future__ import annotations

from hangprobe.doctor.checkup import Said, limited, missing, ok
from hangprobe.doctor.facts import StacksFacts

PERMIT = "as root: sysctl kernel.yama.ptrace_scope=0; docker and podman: --cap-add SYS_PTRACE"
"""py-spy is a process of its own: under Yama 1 hangprobe may read its children, and py-spy may not."""
UPGRADE = "pip install --upgrade py-spy"
ENABLES = "stacks: in which line of whose code a suspect waits"


def py_spy(facts: StacksFacts) -> Said:
    """Judge py-spy."""
    if facts.path is None:
        return missing("not found", ENABLES, "pip install py-spy")
    if facts.failure:
        is_refused = "ermission" in facts.failure or "not permitted" in facts.failure
        return limited(f"{facts.version}: {facts.failure}", ENABLES, PERMIT if is_refused else UPGRADE)
    return ok(f"{facts.version} reads a child's stack")


CHECKS = (py_spy,)
