"""Which caught signals say that a process means to be woken by one."""

from __future__ import annotations

import pytest

from hangprobe.observe.procfs import mapped_names
from hangprobe.observe.signals import reason, runtimes, signal_name

from .tree import HEAP, LIBPYTHON, ProcTree

PID, PARENT = 200, 100
HUP, INT, QUIT, USR1, SEGV, USR2, PIPE, TERM, CHLD = 1, 2, 3, 10, 11, 12, 13, 15, 17


def mask(*signals: int) -> int:
    return sum(1 << (number - 1) for number in signals)


def mapped(*names: str) -> list[str]:
    return [
        HEAP,
        *(f"7f00{i}0000000-7f00{i}0100000 r-xp 00000000 fe:00 {i}  /opt/app/lib/{n}" for i, n in enumerate(names)),
    ]


def said(tree: ProcTree) -> str | None:
    return reason(PID, tree.scanned())


def test_a_process_that_catches_nothing_says_nothing(tree: ProcTree) -> None:
    tree.add(PID)
    assert said(tree) is None


@pytest.mark.parametrize("number", [4, 5, 6, 7, 8, 11, 13, 31, 32, 33])
def test_signals_of_crashes_pipes_and_threads_say_nothing(tree: ProcTree, number: int) -> None:
    tree.add(PID, caught=mask(number))
    assert said(tree) is None


@pytest.mark.parametrize(
    ("number", "name"), [(TERM, "TERM"), (HUP, "HUP"), (USR1, "USR1"), (CHLD, "CHLD"), (14, "ALRM")]
)
def test_any_other_signal_may_wake_the_process(tree: ProcTree, number: int, name: str) -> None:
    tree.add(PID, caught=mask(number, SEGV))
    assert said(tree) == f"catches {name}"


def test_several_are_named_in_order(tree: ProcTree) -> None:
    tree.add(PID, caught=mask(TERM, HUP, 40))
    assert said(tree) == "catches HUP, TERM, 40"


def test_python_catches_int_by_itself(tree: ProcTree) -> None:
    tree.add(PID, caught=mask(INT))
    assert said(tree) is None


@pytest.mark.parametrize("name", ["python3.11", "python3", "python", "libpython3.12.so.1.0"])
def test_every_python_is_known_by_what_it_maps(tree: ProcTree, name: str) -> None:
    tree.add(PID, caught=mask(INT), maps=mapped(name))
    assert said(tree) is None


@pytest.mark.parametrize("name", ["pythonista", "python-config", "libpythonic.so", "notpython3"])
def test_what_is_only_called_like_python_is_none(tree: ProcTree, name: str) -> None:
    tree.add(PID, caught=mask(INT), maps=mapped(name))
    assert said(tree) == "catches INT"


def test_at_a_terminal_somebody_may_press_ctrl_c(tree: ProcTree) -> None:
    tree.add(PID, caught=mask(INT), tty=34816)
    assert said(tree) == "catches INT"


def test_a_program_that_is_not_python_catches_int_on_purpose(tree: ProcTree) -> None:
    tree.add(PID, caught=mask(INT), maps=mapped("app"))
    assert said(tree) == "catches INT"


def test_libucs_catches_hup(tree: ProcTree) -> None:
    tree.add(PID, caught=mask(HUP), maps=mapped("libucs.so.0"))
    assert said(tree) is None
    assert reason(PID, tree.scanned()) is None


@pytest.mark.parametrize("name", ["libmpi.so.12.5.2", "libmpi.so", "libmpich.so.12", "libmpi_abi.so.0"])
def test_mpich_catches_usr1(tree: ProcTree, name: str) -> None:
    tree.add(PID, caught=mask(USR1), maps=mapped(name))
    assert said(tree) is None


def test_open_mpi_does_not(tree: ProcTree) -> None:
    tree.add(PID, caught=mask(USR1), maps=mapped("libmpi.so.40.30.1"))
    assert said(tree) == "catches USR1"


def test_a_rank_of_mpich_with_ucx_says_nothing(tree: ProcTree) -> None:
    libraries = mapped("python3.11", "libmpi.so.12.5.2", "libucs.so.0")
    tree.add(PID, caught=mask(HUP, INT, USR1, 33), maps=libraries)
    assert said(tree) is None


def test_a_rank_of_mpich_with_a_handler_of_its_own_says_so(tree: ProcTree) -> None:
    tree.add(PID, caught=mask(HUP, INT, USR1, 33, TERM), maps=mapped("python3.11", "libmpi.so.12.5.2", "libucs.so.0"))
    assert said(tree) == "catches TERM"


def test_a_forked_child_has_the_handlers_of_its_parent(tree: ProcTree) -> None:
    tree.add(PARENT, caught=mask(TERM, USR2))
    tree.add(PID, parent=PARENT, is_forked=True, caught=mask(TERM, USR2))
    assert said(tree) is None


def test_a_handler_that_the_parent_has_not_is_the_childs_own(tree: ProcTree) -> None:
    tree.add(PARENT, caught=mask(USR2))
    tree.add(PID, parent=PARENT, is_forked=True, caught=mask(TERM, USR2))
    assert said(tree) == "catches TERM"


def test_a_program_that_was_execd_inherits_no_handler(tree: ProcTree) -> None:
    tree.add(PARENT, caught=mask(TERM))
    tree.add(PID, parent=PARENT, caught=mask(TERM))
    assert said(tree) == "catches TERM"


def test_who_adopted_an_orphan_did_not_give_it_its_handlers(tree: ProcTree) -> None:
    tree.add(PARENT, caught=mask(TERM))
    tree.add(PID, parent=PARENT, is_forked=True, stack=1, caught=mask(TERM))
    assert said(tree) == "catches TERM"


def test_init_gives_nobody_its_handlers(tree: ProcTree) -> None:
    tree.add(1, parent=0, caught=mask(TERM), stack=5)
    tree.add(PID, parent=1, is_forked=True, stack=5, caught=mask(TERM))
    assert said(tree) == "catches TERM"


def test_a_parent_that_cannot_be_read_gives_no_handlers(tree: ProcTree) -> None:
    tree.add(PARENT, caught=mask(TERM))
    tree.add(PID, parent=PARENT, is_forked=True, caught=mask(TERM))
    (tree.root / f"{PARENT}/status").unlink()
    assert said(tree) == "catches TERM"


def test_where_the_mask_cannot_be_read_signals_may_be_caught(tree: ProcTree) -> None:
    tree.add(PID)
    tree.write(f"{PID}/status", "Name:\tpython\n")
    assert said(tree) == "may catch signals: its signal mask cannot be read"
    (tree.root / f"{PID}/status").unlink()
    assert said(tree) == "may catch signals: its signal mask cannot be read"


def test_where_the_map_cannot_be_read_no_library_excuses_a_signal(tree: ProcTree) -> None:
    tree.add(PID, caught=mask(INT))
    tree.write(f"{PID}/task/{PID}/maps", "")
    assert said(tree) == "catches INT"


def test_a_posix_timer_that_is_set_may_wake_the_process(tree: ProcTree) -> None:
    tree.add(PID, timers="ID: 0\nsignal: 14/0\nnotify: signal/pid.200\nClockID: 0\n")
    assert said(tree) == "has a POSIX timer that is set"


def test_a_kernel_that_shows_no_timers_is_no_reason_to_doubt(tree: ProcTree) -> None:
    tree.add(PID)
    (tree.root / f"{PID}/timers").unlink()
    assert said(tree) is None


def test_the_mpi_runtimes_of_a_process_are_those_it_maps() -> None:
    names = ["libmpi.so.12.5.2", "libucp.so.0", "libfabric.so.1", "libpmix.so.2", "libc.so.6", "libmpiwrap.so"]
    assert runtimes(mapped_names("\n".join(mapped(*names)))) == (
        "libfabric.so.1",
        "libmpi.so.12.5.2",
        "libpmix.so.2",
        "libucp.so.0",
    )


def test_a_map_without_a_runtime_or_none_at_all_shows_none() -> None:
    assert runtimes(mapped_names("\n".join([HEAP, LIBPYTHON]))) == ()
    assert runtimes(()) == ()


def test_signals_have_short_names_where_they_have_one() -> None:
    assert [signal_name(number) for number in (1, 15, 64, 50)] == ["HUP", "TERM", "RTMAX", "50"]
