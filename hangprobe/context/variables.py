"""The environment variables whose values may be told, each group with its reason. No other value leaves a process.

Apart from the reading of environments because who compares launch contexts needs the groups too.
"""

from __future__ import annotations

FORK = (
    "CXI_FORK_SAFE",
    "CXI_FORK_SAFE_HP",
    "IBV_FORK_SAFE",
    "RDMAV_FORK_SAFE",
    "RDMAV_HUGEPAGES_SAFE",
    "FI_EFA_FORK_SAFE",
    "FI_MR_CACHE_MONITOR",
    "FI_PROVIDER",
    "UCX_IB_FORK_INIT",
    "MPICH_ASYNC_PROGRESS",
    "MPIR_CVAR_ASYNC_PROGRESS",
    "I_MPI_ASYNC_PROGRESS",
    "KMP_INIT_AT_FORK",
)
"""They decide what a fork does to the fabric's library, and whether MPI has a thread that holds its lock at a fork."""
THREADS = (
    "OMP_NUM_THREADS",
    "OMP_PLACES",
    "OMP_PROC_BIND",
    "OMP_WAIT_POLICY",
    "KMP_BLOCKTIME",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)
"""They decide whether there is a team of threads that a fork loses."""
STDIN = ("HYDRA_STDIN", "I_MPI_HYDRA_STDIN", "OMPI_MCA_orte_stdin_target")
"""They name the ranks that get standard input."""
PROGRAMS = ("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX")
"""They decide which program, which MPI library and which interposer a rank runs."""
PLACES = ("HOME", "SHELL", "PWD", "LANG", "LC_ALL", "TMPDIR")
"""Launchers differ in whether they pass these on."""
LISTED = frozenset((*FORK, *THREADS, *STDIN, *PROGRAMS, *PLACES))
"""Every variable whose value may be told."""
