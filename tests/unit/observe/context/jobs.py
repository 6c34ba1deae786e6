"""Jobs in a synthetic `/proc`, as Hydra, Open MPI and GNU parallel start them."""

from __future__ import annotations

from collections.abc import Mapping

from hangprobe.context.values import LaunchContext
from hangprobe.model import Launcher, RankView, Stdin
from hangprobe.observe.context.read import Contexts
from hangprobe.observe.holders import Holders

from ..opened import Open, opened, reads, writes
from ..tree import ProcTree, with_status_line

STARTER, PROXY, FIRST = 100, 200, 300
LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            {files}                 20000                files
Max nice priority         0                    0
"""
ENVIRONMENT = {"PATH": "/usr/bin", "PMI_RANK": "1", "PMI_SIZE": "4", "AWS_SECRET_ACCESS_KEY": "hushhush"}


def process(
    tree: ProcTree,
    pid: int,
    *,
    files: int = 1024,
    program: str = "/opt/app/python3.11",
    status: Mapping[str, str] | None = None,
    **more: object,
) -> None:
    """Add a process with the files that launch contexts are read from."""
    tree.add(pid, **more)  # type: ignore[arg-type]
    tree.write(f"{pid}/limits", LIMITS.format(files=files))
    tree.write(f"{pid}/oom_score_adj", "0\n")
    (tree.root / str(pid) / "exe").symlink_to(program)
    (tree.root / str(pid) / "cwd").symlink_to("/scratch/run")
    text = (tree.root / str(pid) / "status").read_text()
    for name, value in (status or {}).items():
        text = with_status_line(text, name, value)
    tree.write(f"{pid}/status", text)


def hydra(tree: ProcTree, ranks: int = 3, *, launcher_of: str = "hydra_pmi_proxy") -> None:
    """Add mpiexec, its proxy and ranks: the write end of rank 0's standard input has been closed."""
    process(tree, STARTER, comm="mpiexec", program="/opt/mpi/bin/mpiexec")
    ends: dict[int, Open] = {}
    for rank in range(ranks):
        ends |= {30 + 2 * rank: writes(1000 + rank)} if rank else {}
        ends |= {31 + 2 * rank: reads(2000 + rank)}
    process(tree, PROXY, parent=STARTER, comm=launcher_of, program="/opt/mpi/bin/proxy", links=ends)
    for rank in range(ranks):
        links = {0: reads(1000 + rank), 1: writes(2000 + rank), 2: opened("/scratch/err", 0o1)}
        links |= {7: reads(1000 + rank), 9: reads(2000)} if rank else {}
        process(tree, FIRST + rank, parent=PROXY, links=links, environment=ENVIRONMENT)


def view(tree: ProcTree, rank: int = 0, pid: int | None = None, *, main: int | None = None, fed: str = "") -> RankView:
    top = tree.id(FIRST + rank if pid is None else pid)
    stdin = Stdin("pipe:[1]", (), fed) if fed else None
    return RankView(rank, Launcher.HYDRA, top, tree.id(main) if main else top, (top,), stdin)


def contexts(tree: ProcTree, *ranks: RankView) -> list[LaunchContext]:
    """Return the contexts of ranks, read in one look."""
    node = Contexts(Holders(tree.scanned()), ranks)
    return [node.read(rank) for rank in ranks]


def context(tree: ProcTree, rank: RankView | None = None) -> LaunchContext:
    return contexts(tree, rank or view(tree))[0]
