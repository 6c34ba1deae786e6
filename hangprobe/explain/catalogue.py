"""The mechanisms and the mitigations: text only. Slugs are a public contract."""

from __future__ import annotations

from dataclasses import dataclass

from hangprobe.model import Assumption, Barrier


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One way in which a program that forks under MPI hangs."""

    slug: str
    title: str
    text: str
    mitigations: tuple[str, ...] = ()
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Mitigation:
    """One change that cures some mechanisms."""

    slug: str
    title: str
    text: str


MECHANISMS = {
    mechanism.slug: mechanism
    for mechanism in (
        Mechanism(
            "fork-orphaned-lock",
            "A lock was held by another thread when the process forked",
            "fork(2) copies the memory but only the calling thread. A lock that another thread held at that moment is "
            "locked in the child for ever: the thread that would unlock it does not exist there.",
            ("spawn", "forkserver", "fork-first", "acquire-before-fork", "reinit-lock"),
            "fork(3p), pthread_atfork(3); https://docs.python.org/3/library/os.html#os.fork",
        ),
        Mechanism(
            "openmp-pool-lost",
            "The OpenMP team's threads are missing in the child",
            "libgomp and LLVM's libomp keep the threads of the last parallel region for the next one. After a fork the "
            "child believes to have them: its next region waits for threads that do not exist there.",
            ("omp-pause", "omp-one-thread", "spawn", "forkserver"),
            "https://gcc.gnu.org/bugzilla/show_bug.cgi?id=52303; OpenMP 5.0, omp_pause_resource_all",
        ),
        Mechanism(
            "lock-holder-killed",
            "A process died while it held a lock that processes share",
            "A semaphore or mutex in shared memory does not know who holds it. If that process is killed, nobody gives "
            "it back: multiprocessing's locks, queues and events are made of such semaphores.",
            ("ask-to-stop",),
            "sem_overview(7); https://docs.python.org/3/library/multiprocessing.html#multiprocessing.Process.terminate",
        ),
        Mechanism(
            "queue-feeder-join",
            "A child is joined before what it put on a queue is read",
            "multiprocessing.Queue hands objects to a feeder thread, which writes them to a pipe. A child that ends "
            "joins that thread first; the pipe is full, and who would read it waits for the child.",
            ("get-before-join",),
            "https://docs.python.org/3/library/multiprocessing.html#programming-guidelines",
        ),
        Mechanism(
            "leaked-file-lock",
            "A lock on a file lives on in a child that was forked under it",
            "flock(2) and OFD locks belong to the open file, which a fork shares. When the process that took the lock "
            "closes the file, a child that was forked meanwhile still has it, and with it the lock.",
            ("unlock-explicitly", "spawn", "forkserver"),
            "flock(2), fcntl_locking(2)",
        ),
        Mechanism(
            "inherited-pipe-end",
            "End of file never comes: another forked child keeps the pipe's write end",
            "A reader sees the end of a pipe when its last write end is closed. A child that was forked while the "
            "parent had the write end open has a copy of it, whether it knows that or not.",
            ("close-inherited-ends",),
            "pipe(7), fork(2)",
        ),
        Mechanism(
            "launcher-stdin",
            "A process reads the standard input that the launcher gave its rank, and it never ends",
            "Hydra (MPICH, Intel MPI) forwards its standard input to rank 0 only; the other ranks get a pipe or a "
            "socket that its proxy keeps open. A child that reads its standard input unasked waits for ever.",
            ("stdin-devnull",),
            "MPICH src/pm/hydra/proxy/pmip_cb.c",
        ),
        Mechanism(
            "deadlock",
            "Threads wait for each other in a circle",
            "Every thread of the knot waits for another member of it, or for itself.",
            (),
            "Chandy, Misra, Haas: Distributed deadlock detection, ACM TOCS 1(2), 1983",
        ),
        Mechanism(
            "dead-helper",
            "A helper can never wake, but the rank works on",
            "All threads of a helper process can be woken by nobody but a signal. Many programs park a child like this "
            "and terminate it at the end; it is reported because it may be an orphaned pool worker.",
            (),
        ),
    )
}

MITIGATIONS = {
    mitigation.slug: mitigation
    for mitigation in (
        Mitigation(
            "spawn",
            "start children by spawn",
            'multiprocessing.get_context("spawn"): the child is a fresh interpreter and inherits no lock. Import '
            "mpi4py inside main() only, or the child runs MPI_Init again.",
        ),
        Mitigation(
            "forkserver",
            "start children by forkserver",
            'multiprocessing.get_context("forkserver"), set before threads and MPI start: children are forked from a '
            "server that has one thread and holds no lock.",
        ),
        Mitigation(
            "fork-first",
            "fork before threads are started",
            "Create pools and children before the first thread that takes locks, and before MPI_Init where possible.",
        ),
        Mitigation(
            "acquire-before-fork",
            "hold the lock around the fork",
            "os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release): "
            "nobody else can hold it at the fork.",
        ),
        Mitigation(
            "reinit-lock",
            "make the lock anew in the child",
            "os.register_at_fork(after_in_child=lock._at_fork_reinit): CPython does the same for its own locks.",
        ),
        Mitigation(
            "stdin-devnull",
            "give children an empty standard input",
            "subprocess.run(..., stdin=subprocess.DEVNULL), or once in every rank: "
            "os.dup2(os.open(os.devnull, os.O_RDONLY), 0). `</dev/null` behind mpiexec reaches rank 0 only.",
        ),
        Mitigation(
            "unlock-explicitly",
            "unlock the file, do not only close it",
            "fcntl.flock(file, fcntl.LOCK_UN) before the file is closed takes the lock from every copy of it.",
        ),
        Mitigation(
            "close-inherited-ends",
            "close the pipe ends that a child does not use",
            "The first thing that a forked child does: close every write end that belongs to other children.",
        ),
        Mitigation(
            "get-before-join",
            "take results off a queue before joining its writer",
            "results = queue.get(); child.join() in this order, as multiprocessing's programming guidelines say.",
        ),
        Mitigation(
            "omp-pause",
            "let OpenMP give up its threads before the fork",
            "omp_pause_resource_all(omp_pause_soft) in the parent (libgomp 9 and newer); the next region makes others.",
        ),
        Mitigation(
            "omp-one-thread",
            "use one OpenMP thread in processes that fork",
            "OMP_NUM_THREADS=1, or omp_set_num_threads(1) before the first region: there is no team to lose.",
        ),
        Mitigation(
            "ask-to-stop",
            "ask workers to stop, do not kill them",
            "An Event or a message that the worker looks at lets it leave its `with lock:` first.",
        ),
        Mitigation(
            "drain-the-pipe",
            "never write to a pipe under a lock unless somebody reads it",
            "Keep the reader running as long as there are writers, or write to a file.",
        ),
    )
}

ASSUMPTIONS = {
    Assumption.A1: "A1: processes that may not be read, are older than the job and do not belong to it, have none of "
    "the pipes, files and shared memory that were first seen inside the job",
    Assumption.A2: "A2: a thread in which the MPI runtime waits for its network does not use the application's pipes, "
    "files and locks",
    Assumption.A3: "A3: a path and an inode number that two nodes show alike are one file, on a file system that they "
    "share",
}
BARRIERS = {
    Barrier.PERMISSION: "root may read it; of one's own processes, kernel.yama.ptrace_scope=0 lets everybody, unless "
    "they are not dumpable (setuid programs)",
    Barrier.HIDEPID: "root sees it, and so does everybody where /proc is mounted with hidepid=0",
    Barrier.NAMESPACE: "from the node's own PID namespace (outside of a container) it is to be seen",
    Barrier.UNSETTLED: "another look may tell",
}
"""What would change that something could not be read: hidepid in proc(5), Documentation/admin-guide/LSM/Yama.rst."""
