"""What several nodes need: namespaces and ssh for a testbed, ssh and its companions for real nodes."""

from __future__ import annotations

from hangprobe.doctor.checkup import Said, limited, missing, ok
from hangprobe.doctor.facts import NodesFacts

TESTBED = "hangprobe testbed: several nodes on this machine"
FORBIDS = {
    "user.max_user_namespaces": ("0", "15000"),
    "kernel.unprivileged_userns_clone": ("0", "1"),
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
}
"""The value that forbids, and one that does not."""


def namespaces(facts: NodesFacts) -> Said:
    """Judge whether namespaces can be made; what was tried decides."""
    if not facts.namespaces:
        return ok("can be made by root" if facts.is_root else "can be made by this user")
    bad = [name for name, (value, _) in FORBIDS.items() if facts.settings.get(name) == value]
    says = f"refused ({facts.namespaces})" + (f": {bad[0]} = {facts.settings[bad[0]]}" if bad else "")
    remedy = f"as root: sysctl {bad[0]}={FORBIDS[bad[0]][1]}" if bad else "run it outside the container, or as root"
    return missing(says, TESTBED, remedy)


def testbed_tools(facts: NodesFacts) -> Said:
    """Judge the programs that make a testbed: sshd, ssh, ip, nsenter."""
    lacking = [package for package, place in facts.tools.items() if not place]
    unpacked = [package for package, place in facts.tools.items() if place == "unpacked"]
    if not lacking:
        return ok("sshd, ssh, ip, nsenter" + (f" ({', '.join(unpacked)} unpacked, not installed)" if unpacked else ""))
    install = f"as root: apt-get install {' '.join(lacking)}"
    if facts.can_unpack and "util-linux" not in lacking:
        return limited(
            f"{', '.join(lacking)} not installed: unpacked into a cache when first needed",
            "a testbed without a package server",
            f"python -m hangprobe.testbed.tools, or {install}",
        )
    return missing(f"no {', '.join(lacking)}", TESTBED, install)


def ssh(facts: NodesFacts) -> Said:
    """Judge the ssh client, by which one goes to nodes that no batch system leads to."""
    if facts.tools.get("openssh-client") == "system":
        return ok("there is a client")
    return missing("no client", "attach --hosts by ssh", "as root: apt-get install openssh-client")


def clustershell(facts: NodesFacts) -> Said:
    """Judge the packages that reach many nodes at once."""
    absent = [name for name, found in (("ClusterShell", facts.clustershell), ("pyzmq", facts.zmq)) if found is None]
    if absent:
        return missing(f"no {', '.join(absent)}", "jobs on several nodes", f"pip install {' '.join(absent)}")
    return ok(f"ClusterShell {facts.clustershell}, pyzmq {facts.zmq}")


def cgroup(facts: NodesFacts) -> Said:
    """Say which control groups there are; hangprobe ends a job process by process and needs none."""
    if not facts.cgroup:
        return ok("none mounted; jobs are ended process by process")
    return ok(f"{facts.cgroup}, {'' if facts.is_delegated else 'not '}delegated; jobs are ended process by process")


CHECKS = (namespaces, testbed_tools, ssh, clustershell, cgroup)
