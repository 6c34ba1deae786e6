"""Ways to run one command on many nodes, each with a deadline: what did not answer is told, and waited for no longer.

ssh goes by ClusterShell: a window of connections at once, and beyond `TREE_FROM` nodes by way of gateways. srun and
pbsdsh go where a batch job runs already, so that no node needs to take ssh.
"""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hangprobe.agent.hosts import need_clustershell
from hangprobe.agent.look.nodereport import by_host
from hangprobe.ranksets import fold_hosts

FANOUT = 64
"""Connections at once, ClusterShell's own default."""
TREE_FROM = 128
"""Nodes from which on gateways take part: each needs ClusterShell in the Python that is named."""
CONNECT_SHARE = 0.5
"""Of the deadline: a node that has not taken the connection by then has no time left to look."""
UNANSWERED = "did not answer within {:g} s"

Answers = dict[str, "bytes | str"]
"""By host: what the command printed, or in a few words why there is nothing."""


def by_ssh(hosts: Sequence[str], command: Sequence[str], deadline_s: float, tree_from: int = TREE_FROM) -> Answers:
    """Run a command on every host by ssh, and return after `deadline_s` seconds at the latest."""
    need_clustershell()
    from ClusterShell.Task import TimeoutError as TaskTimeoutError
    from ClusterShell.Task import task_self, task_terminate

    task = task_self()
    answers: Answers = dict.fromkeys(hosts, UNANSWERED.format(deadline_s))
    with tempfile.TemporaryDirectory(prefix="hangprobe-fanout-") as folder, _gateway_python():
        task.set_info("fanout", FANOUT)
        task.set_info("connect_timeout", max(1, int(deadline_s * CONNECT_SHARE)))
        has_tree = len(hosts) >= tree_from
        if has_tree:
            task.load_topology(_topology(hosts, Path(folder)))
        worker = task.shell(
            shlex.join(command), nodes=",".join(hosts), timeout=deadline_s, stderr=True, stdin=False, tree=has_tree
        )
        with contextlib.suppress(TaskTimeoutError):  # whoever did not answer by then is named below
            task.run(timeout=deadline_s + 1.0)
        answers.update(_collected(worker, hosts, deadline_s))
        task_terminate()
    return answers


def _collected(worker: Any, hosts: Iterable[str], deadline_s: float) -> Answers:
    late = {str(node) for node in worker.iter_keys_timeout()}
    found: Answers = {}
    for host in hosts:
        output, said = bytes(worker.read(host) or b""), bytes(worker.read(host, "stderr") or b"")
        if output:
            found[host] = output
        elif host in late:
            found[host] = UNANSWERED.format(deadline_s)
        else:
            words = said.decode(errors="replace").strip().splitlines()
            found[host] = f"ssh: {words[-1].removeprefix('ssh: ')}" if words else "ssh brought no answer"
    return found


def _topology(hosts: Sequence[str], folder: Path) -> str:
    """Write ClusterShell's topology: this node reaches the gateways, and each gateway its share of the other nodes."""
    import socket

    gateway_count = math.isqrt(len(hosts))
    gateways, others = hosts[:gateway_count], hosts[gateway_count:]
    lines = ["[routes]", f"{socket.gethostname().partition('.')[0]}: {fold_hosts(gateways)}"]
    shares = zip(gateways, _shares(others, gateway_count), strict=False)
    lines += [f"{gateway}: {fold_hosts(share)}" for gateway, share in shares]
    path = folder / "topology.conf"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def _shares(hosts: Sequence[str], count: int) -> list[Sequence[str]]:
    size = math.ceil(len(hosts) / count)
    return [hosts[start : start + size] for start in range(0, len(hosts), size)]


@contextlib.contextmanager
def _gateway_python() -> Any:
    """Let gateways run this very Python and write no log: where there is no folder they go on without."""
    added = {"CLUSTERSHELL_GW_PYTHON_EXECUTABLE": sys.executable, "CLUSTERSHELL_GW_LOG_DIR": os.devnull}
    before = {name: os.environ.get(name) for name in added}
    os.environ.update({name: value for name, value in added.items() if before[name] is None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


def by_srun(job: str, hosts: Sequence[str], command: Sequence[str], deadline_s: float) -> Answers:
    """Run a command on every node of a Slurm job, in a step beside those that run there (srun(1), --overlap)."""
    output, said = _in_time(srun_command(job, hosts, command), deadline_s, speaker="srun: ")
    known = {host.partition(".")[0]: lines for host, lines in by_host(output).items()}
    return {host: known.get(host.partition(".")[0], said) for host in hosts}


def srun_command(job: str, hosts: Sequence[str], command: Sequence[str]) -> tuple[str, ...]:
    """Return the command line: one task a node. With --label srun writes whole lines."""
    step = ("srun", "--overlap", f"--jobid={job}", f"--nodes={len(hosts)}", f"--ntasks={len(hosts)}")
    where = ("--ntasks-per-node=1", f"--nodelist={','.join(hosts)}", "--input=none", "--kill-on-bad-exit=0")
    return (*step, *where, "--mpi=none", "--label", *command)


def by_pbsdsh(hosts: Sequence[str], command: Sequence[str], deadline_s: float, folder: Path) -> Answers:
    """Run a command on every node of the PBS job inside of which this runs (pbsdsh(1B)).

    Its output goes to the job's own, so each node writes a file in `folder`, which all nodes must share.
    """
    _, said = _in_time(pbsdsh_command(command, folder), deadline_s, speaker="pbsdsh: ")
    answers: Answers = {}
    for host in hosts:
        short = host.partition(".")[0]
        files = [path for path in folder.glob("*.report") if path.stem.partition(".")[0] == short]
        output = files[0].read_bytes() if files else b""
        answers[host] = output or said
    return answers


def pbsdsh_command(command: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Return the command line: a shell on every host, which names its file for its node."""
    write = f'{shlex.join(command)} > {shlex.quote(str(folder))}/"$(hostname)".tmp'
    rename = f'mv {shlex.quote(str(folder))}/"$(hostname)".tmp {shlex.quote(str(folder))}/"$(hostname)".report'
    return ("pbsdsh", "-u", "--", "/bin/sh", "-c", f"{write} && {rename}")


def by_fork(command: Sequence[str], deadline_s: float) -> bytes | str:
    """Run a command on this very node."""
    output, said = _in_time(command, deadline_s)
    return output or said


def _in_time(command: Sequence[str], deadline_s: float, speaker: str = "") -> tuple[bytes, str]:
    """Run a command for at most `deadline_s`; return what it printed, and why that may not be all, in a few words."""
    is_late = False
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        return b"", f"cannot run {command[0]}: {error.strerror}"
    with process:
        try:
            output, errors = process.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            is_late = True
            os.killpg(process.pid, signal.SIGTERM)  # with its children: one that keeps the pipe would be waited for
            try:
                output, errors = process.communicate(timeout=1.0)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, errors = process.communicate()
        except BaseException:  # Ctrl-C: the command is in a session of its own, and does not get it
            os.killpg(process.pid, signal.SIGKILL)
            raise
    words = errors.decode(errors="replace").strip().splitlines()
    if words:
        return output, f"{speaker}{words[-1]}"
    return output, UNANSWERED.format(deadline_s) if is_late else f"{speaker}brought no answer"
