"""The command lines of MPI launchers for a job: one pure function a launcher.

Two rules hold for all. Ranks are not bound to processors: several jobs may share a machine, and every launcher that
binds would bind them to the same ones. And nothing is asked of a launcher that it does not need for this job.
"""

from __future__ import annotations

from collections.abc import Callable

from hangprobe.launch.mpijob import CommandLine, MpiJob
from hangprobe.model import Launcher

NETWORK = {"FI_PROVIDER": "tcp", "I_MPI_FABRICS": "shm:ofi"}
"""Intel MPI, on nodes joined by TCP alone: without the first it ends in MPI_Init (MPIDI_OFI_mpi_init_hook, 2021.18)."""
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
"""Open MPI refuses to run as root without both; nobody else is affected: mpirun(1), `--allow-run-as-root`."""


def plain(path: str, job: MpiJob) -> CommandLine:
    """Return what the MPI standard suggests (MPI 4.1, section 11.5), for a launcher that is not known."""
    return CommandLine((path, "-n", str(job.ranks), *job.command))


def hydra(path: str, job: MpiJob) -> CommandLine:
    """MPICH: `mpiexec.hydra --help`. The whole environment goes to every rank, more ranks than processors are fine."""
    # on pretended hosts Hydra's own way to start a proxy without ssh does
    start = ("-launcher", "fork") if job.stand_in else ()
    return CommandLine((path, *start, *_hydra_options(job), *_stdin("-s", job), *_tail(job)))


def intel(path: str, job: MpiJob) -> CommandLine:
    """Intel MPI: its Hydra takes `-launcher fork` for this host's own name only, so pretended hosts need a stand-in."""
    start = ("-launcher", "ssh", "-launcher-exec", str(job.stand_in)) if job.stand_in else ()
    is_one_node = not job.hosts and job.host_file is None
    environment = {"I_MPI_PIN": "off", **({"I_MPI_FABRICS": "shm"} if is_one_node else NETWORK)}
    return CommandLine((path, *start, *_hydra_options(job), *_stdin("-s", job), *_tail(job)), environment)


def _hydra_options(job: MpiJob) -> tuple[str, ...]:
    where: tuple[str, ...] = ()
    if job.hosts:
        where = ("-hosts", ",".join(job.hosts))
    elif job.host_file:
        where = ("-f", str(job.host_file))
    spread = ("-ppn", str(job.ranks_per_node)) if job.ranks_per_node else ()
    if job.output is None:
        return (*where, *spread)
    # %r is the rank: src/pm/hydra/mpiexec of MPICH, `-outfile-pattern`
    files = ("-outfile-pattern", f"{job.output}/rank-%r.out", "-errfile-pattern", f"{job.output}/rank-%r.err")
    return (*where, *spread, *files)


def openmpi(path: str, job: MpiJob) -> CommandLine:
    """Open MPI 5: mpirun(1), prterun(1). The names of its output files hold the job's too: see launch/output.py."""
    agent = ("--prtemca", "plm_ssh_agent", "ssh") if job.hosts or job.host_file else ()
    files = ("--output", f"file={job.output}/rank:nocopy") if job.output else ()
    options = (*_openmpi_options(job), *agent, *files)
    scratch = {"PRTE_MCA_prte_tmpdir_base": str(job.scratch)} if job.scratch else {}
    return CommandLine((path, *options, *_stdin("--stdin", job), *_tail(job)), {**AS_ROOT, **scratch})


def openmpi_4(path: str, job: MpiJob) -> CommandLine:
    """Open MPI before 5, such as Debian 12's: it writes no files without folders of its own, so its output is whole."""
    agent = ("--mca", "plm_rsh_agent", "ssh") if job.hosts or job.host_file else ()
    options = (*_openmpi_options(job), *agent)
    return CommandLine((path, *options, *_stdin("--stdin", job), *_tail(job)), AS_ROOT)


def _openmpi_options(job: MpiJob) -> tuple[str, ...]:
    spread = f"ppr:{job.ranks_per_node}:node" if job.ranks_per_node else ""
    where: tuple[str, ...] = ()
    if job.hosts:
        # a host has one slot unless told otherwise: help-dash-host.txt
        slots = job.ranks_per_node or -(-job.ranks // len(job.hosts))
        where = ("--host", ",".join(f"{host}:{slots}" for host in job.hosts))
    elif job.host_file:
        where = ("--hostfile", str(job.host_file))
    # ranks on other nodes get the launcher's own variables only: mpirun(1), "Exported Environment Variables"
    names = ("PATH", *job.forward) if where else ()
    exports = tuple(word for name in names for word in ("-x", name))
    return ("--map-by", f"{spread}:OVERSUBSCRIBE", "--bind-to", "none", *where, *exports)


def pals(path: str, job: MpiJob) -> CommandLine:
    """HPE Cray PALS: mpiexec(1) of cray-pals. It has `--cpu-bind` and no `--bind-to`, and packs unless told `--ppn`."""
    where: tuple[str, ...] = ()
    if job.hosts:
        where = ("--hostlist", ",".join(job.hosts))
    elif job.host_file:
        where = ("--hostfile", str(job.host_file))
    spread = ("--ppn", str(job.ranks_per_node)) if job.ranks_per_node else ()
    forward = ("--envall",) if job.forward else ()
    return CommandLine((path, *spread, "--cpu-bind", "none", *where, *forward, *_tail(job)))


def srun(path: str, job: MpiJob) -> CommandLine:
    """Slurm: srun(1). `%t` in a file's name is the rank; the environment goes to all nodes unless it is told not to."""
    nodes = -(-job.ranks // job.ranks_per_node) if job.ranks_per_node else len(job.hosts)
    size = ("--nodes", str(nodes)) if nodes else ()
    spread = ("--ntasks-per-node", str(job.ranks_per_node)) if job.ranks_per_node else ()
    where: tuple[str, ...] = ()
    if job.hosts:
        where = ("--nodelist", ",".join(job.hosts))
    elif job.host_file:
        # a name with a slash in it is taken for a file: srun(1), --nodelist
        where = ("--nodelist", str(job.host_file.absolute()))
    files: tuple[str, ...] = ()
    if job.output is not None:
        files = ("--output", f"{job.output}/rank-%t.out", "--error", f"{job.output}/rank-%t.err")
    options = (*size, *spread, "--overcommit", "--cpu-bind", "none", *where, *files)
    return CommandLine((path, *options, *_stdin("--input", job), "--ntasks", str(job.ranks), *job.command))


def _stdin(option: str, job: MpiJob) -> tuple[str, ...]:
    return (option, job.stdin) if job.stdin is not None else ()


def _tail(job: MpiJob) -> tuple[str, ...]:
    return ("-n", str(job.ranks), *job.command)


WRITERS: dict[Launcher, Callable[[str, MpiJob], CommandLine]] = {
    Launcher.HYDRA: hydra,
    Launcher.INTEL: intel,
    Launcher.OPENMPI: openmpi,
    Launcher.PALS: pals,
    Launcher.SRUN: srun,
}
