"""What the watch over a node's ranks tells of their locks on files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from hangprobe.agent.observer.lockwatch import file_holders, file_waits
from hangprobe.filewaits import Extent, FileWait, Kept, SharedFile
from hangprobe.judgement import Judgement, Progress, Quiet, RankVerdict
from hangprobe.model import Launcher, RankState, RankView
from hangprobe.observe.snapshot import double_collect
from hangprobe.policy import Policy
from hangprobe.watchdog import Watchdog

from ...observe.calls import Thread, in_flock, on_futex
from ...observe.opened import FILE, LUSTRE, file, lock_line
from ...observe.tree import ARCH, HOST, ProcTree

MAIN = 100
LEDGER = SharedFile(FILE, 77, "lustre", "FLOCK")
POLICY = Policy(stall_after_s=3.0, has_stacks=False)


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    return ProcTree(tmp_path / "proc")


def watchdog(
    tree: ProcTree, quiet_s: float = 5.0, state: RankState = RankState.STALLED, *, hung: bool = False
) -> Watchdog:
    """Return as much of a watch as is asked for: rank 3 in a state."""
    main = tree.id(MAIN)
    rank = RankView(3, Launcher.HYDRA, main, main, (main,))
    double = double_collect(tree.world, [main], 0.0, sleep=lambda seconds: None)
    progress = {3: Progress(3, quiet_s, (Quiet(main, quiet_s),))}
    watched = SimpleNamespace(
        reader=tree.reader(),
        host=HOST,
        ranks=(rank,),
        running={3},
        policy=POLICY,
        sample=SimpleNamespace(progress=progress),
        double=double,
        judgement=Judgement(0.0, frozenset(), frozenset(), (RankVerdict(3, state, "", hung=hung),)),
    )
    return cast(Watchdog, watched)


@pytest.mark.parametrize(("quiet_s", "kept"), [(5.0, Kept.ASLEEP), (1.0, None)])
def test_a_holder_that_has_not_run_for_the_window_may_keep_its_lock(
    tree: ProcTree, quiet_s: float, kept: Kept | None
) -> None:
    tree.add(MAIN, [on_futex()], links={5: file(lock_line(), mount=LUSTRE)})
    (lock,) = file_holders(watchdog(tree, quiet_s), [LEDGER])
    assert (lock.host, lock.rank, lock.pid, lock.kept) == (HOST, 3, MAIN, kept)


@pytest.mark.parametrize(
    ("state", "hung", "is_told"),
    [
        (RankState.STALLED, False, True),
        (RankState.STALLED, True, False),
        (RankState.PROGRESSING, False, False),
        (RankState.BLOCKED, False, False),
        (RankState.PROVEN, True, False),
    ],
)
@pytest.mark.skipif("platform.machine() != 'x86_64'", reason=f"the synthetic calls are those of {ARCH}")
def test_only_ranks_that_have_stalled_and_are_not_hung_tell_their_waits(
    tree: ProcTree, state: RankState, hung: bool, is_told: bool
) -> None:
    tree.add(MAIN, [Thread(in_flock(3).syscall, "ldlm_flock_completion_ast")], links={3: file(mount=LUSTRE)})
    told = (FileWait(3, LEDGER, Extent(is_exclusive=True)),)
    assert file_waits(watchdog(tree, state=state, hung=hung)) == (told if is_told else ())
