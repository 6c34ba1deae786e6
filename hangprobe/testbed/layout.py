"""What a testbed looks like from inside: names, addresses and the texts of its files. Pure.

Apart from site.py, which makes it so, because all of it can be said without a system call.
Every testbed is behind its own network namespace, so all of them have the same addresses.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, dataclass
from typing import Any

LOGIN = "login"
MAX_NODES = 99
SLURM_CPUS = 16  # a node
NETWORK = ipaddress.IPv4Network("10.77.0.0/24")
LOGIN_ADDRESS = "10.77.0.254"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

INSIDE = "/run/testbed"  # the testbed's folder, as everything inside sees it
HOME = f"{INSIDE}/home"
LOGS = f"{INSIDE}/log"
MUNGE = f"{INSIDE}/munge"  # its key, socket and files
USERS = "/run/.users"  # on login: a file that is the user namespace of jobs; none as root


@dataclass(frozen=True, slots=True)
class Plan:
    """What one testbed is to be; goes to its owner as JSON."""

    nodes: int
    folder: str  # outside
    uid: int
    gid: int
    shares: tuple[str, ...]  # folders that stay visible though they lie below /tmp, /run or /dev/shm
    roots: tuple[str, ...]  # unpacked packages, laid below the system's own programs
    path: str  # PATH of what ssh starts
    shell: str
    has_slurm: bool = False

    @property
    def is_rootless(self) -> bool:
        """Say whether user namespaces are needed."""
        return self.uid != 0

    def encode(self) -> str:
        """Return the plan as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Plan:
        """Return the plan of which `text` is the JSON."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "shares": tuple(fields["shares"]), "roots": tuple(fields["roots"])})


def node_name(number: int) -> str:
    """Return the host name of node 1, 2 ..."""
    return f"node{number:02d}"


def node_names(count: int) -> tuple[str, ...]:
    """Return the host names of all nodes, without the login node."""
    return tuple(node_name(number) for number in range(1, count + 1))


def node_set(count: int) -> str:
    """Return the names of all nodes as one folded set."""
    return node_name(1) if count == 1 else f"node[01-{count:02d}]"


def address(number: int) -> str:
    """Return the address of node 1, 2 ..."""
    return str(NETWORK[number])


def addresses(count: int) -> dict[str, str]:
    """Return host name -> address of all nodes, without the login node."""
    return {node_name(number): address(number) for number in range(1, count + 1)}


def site_links(pids: dict[int, int]) -> str:
    """Return the `ip -batch` text for the bridge and a cable to each node; `pids`: its first process, by number."""
    lines = ["link set lo up", "link add br0 type bridge", f"addr add {LOGIN_ADDRESS}/{NETWORK.prefixlen} dev br0"]
    lines.append("link set br0 up")
    for number, pid in pids.items():
        lines.append(f"link add v{number} type veth peer name eth0 netns {pid}")
        lines.append(f"link set v{number} master br0 up")
    return "\n".join(lines) + "\n"


def node_links(number: int) -> str:
    """Return the `ip -batch` text that a node runs. There is no route to anywhere else."""
    return f"link set lo up\naddr add {address(number)}/{NETWORK.prefixlen} dev eth0\nlink set eth0 up\n"


def etc_files(plan: Plan, passwd: str, group: str) -> dict[str, str]:
    """Return name -> text of what replaces files in /etc; `passwd` and `group` are the system's own."""
    accounts = _accounts(plan, passwd)
    return {
        "hosts": _hosts(plan.nodes),
        "hostname": f"{LOGIN}\n",
        "passwd": "".join(f"{line}\n" for line in accounts),
        # sshd refuses an account whose password begins with "!": sshd(8), "locked account"
        "shadow": "".join(f"{line.split(':')[0]}:*:19000:0:99999:7:::\n" for line in accounts),
        "group": _groups(plan, group),
        "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
        "resolv.conf": "# a testbed asks no name server\n",
        "ssh/ssh_config": _ssh_config(),
    } | (_slurm_files(plan) if plan.has_slurm else {})


def sshd_config(plan: Plan) -> str:
    """Return the configuration of every node's sshd."""
    return f"""Port 22
AddressFamily inet
HostKey {INSIDE}/hostkey
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile {INSIDE}/id.pub
MaxStartups 200
MaxSessions 200
UseDNS no
PrintMotd no
PrintLastLog no
X11Forwarding no
SetEnv "PATH={plan.path}"
Subsystem sftp internal-sftp
"""


def _ssh_config() -> str:
    return f"""Host *
  IdentityFile {INSIDE}/id
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  GSSAPIAuthentication no
  LogLevel ERROR
  BatchMode yes
  ConnectTimeout 10
"""


def _hosts(count: int) -> str:
    rows = {"localhost": "127.0.0.1", LOGIN: LOGIN_ADDRESS} | addresses(count)
    return "".join(f"{where} {name}\n" for name, where in rows.items())


def _accounts(plan: Plan, passwd: str) -> list[str]:
    """Return the lines of the system's passwd, sshd's and the user's own replaced."""
    kept, name = [], "root" if plan.uid == 0 else "user"
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) < 7 or fields[0] == "sshd":
            continue
        if fields[2] == str(plan.uid):
            name = fields[0] if name == "user" else name
            continue
        kept.append(line)
    user = f"{name}:x:{plan.uid}:{plan.gid}:{name}:{HOME}:{plan.shell}"
    return [user, *kept, "sshd:x:110:65534::/run/sshd:/usr/sbin/nologin"]


def _groups(plan: Plan, group: str) -> str:
    # Where there is a group tty sshd gives terminals to it, which a user namespace of one group cannot: sshpty.c
    kept = [line for line in group.splitlines() if not (plan.is_rootless and line.startswith("tty:"))]
    return "".join(f"{line}\n" for line in kept)


def _slurm_files(plan: Plan) -> dict[str, str]:
    """Return the configuration of a Slurm whose nodes have CPUs enough for any test, whatever this machine has."""
    # cgroup/v1 is not there and is not used, but the plugin that looks for a cgroup v2 fails without one: slurmd(8)
    return {
        "slurm/cgroup.conf": "CgroupPlugin=cgroup/v1\n",
        "slurm/slurm.conf": f"""ClusterName=testbed
SlurmctldHost={LOGIN}
SlurmUser={plan.uid}
SlurmdUser={plan.uid}
AuthType=auth/munge
AuthInfo=socket={MUNGE}/socket
StateSaveLocation={INSIDE}/slurm
SlurmdSpoolDir=/run/slurmd
SlurmdPidFile=/run/slurmd.pid
SlurmctldPidFile=/run/slurmctld.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=pmi2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=2
JobAcctGatherType=jobacct_gather/none
NodeName={",".join(node_names(plan.nodes))} CPUs={SLURM_CPUS} State=UNKNOWN
PartitionName=testbed Nodes=ALL Default=YES MaxTime=INFINITE State=UP
""",
    }
