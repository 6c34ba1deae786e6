"""The words of a system call give the shape of a wait; whatever is not certainly one without an end is unreadable."""

from __future__ import annotations

import pytest

from hangprobe.model import Unreadable
from hangprobe.observe.waits.shapes import SLEEPS_IN, SYSCALLS, Children, Family, FileLockKind, Shape, shape

NUMBERS = {
    "x86_64": {"poll": 7, "select": 23, "nanosleep": 35, "wait4": 61, "futex": 202, "clock_nanosleep": 230}
    | {"epoll_wait": 232, "waitid": 247, "pselect6": 270, "ppoll": 271, "epoll_pwait": 281, "epoll_pwait2": 441}
    | {"read": 0, "write": 1, "readv": 19, "writev": 20, "fcntl": 72, "flock": 73},
    "aarch64": {"epoll_pwait": 22, "pselect6": 72, "ppoll": 73, "waitid": 95, "futex": 98, "nanosleep": 101}
    | {"clock_nanosleep": 115, "wait4": 260, "epoll_pwait2": 441}
    | {"read": 63, "write": 64, "readv": 65, "writev": 66, "fcntl": 25, "flock": 32},
}
"""arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h, typed in a second time."""
WHERE = {
    "poll": "poll_schedule_timeout",
    "select": "poll_schedule_timeout",
    "pselect6": "poll_schedule_timeout",
    "ppoll": "poll_schedule_timeout",
    "nanosleep": "hrtimer_nanosleep",
    "clock_nanosleep": "hrtimer_nanosleep",
    "wait4": "do_wait",
    "waitid": "do_wait",
    "futex": "futex_do_wait",
    "epoll_wait": "ep_poll",
    "epoll_pwait": "ep_poll",
    "epoll_pwait2": "ep_poll",
    "read": "pipe_read",
    "readv": "pipe_read",
    "write": "pipe_write",
    "writev": "pipe_write",
    "fcntl": "fcntl_setlk",
    "flock": "locks_lock_inode_wait",
}
CALLED = {"readv": "read", "writev": "write"}
ARGUMENTS = {"fcntl": (3, 7)}
MINUS_ONE_32, MINUS_ONE_64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
BOTH = pytest.mark.parametrize("arch", ["x86_64", "aarch64"])


def seen(name: str, *arguments: int, arch: str = "x86_64", wchan: str | None = None) -> Shape | Unreadable:
    words = (NUMBERS[arch][name], *arguments, *[0] * (6 - len(arguments)), 0x7FF0, 0x7FF8)
    return shape(words, WHERE[name] if wchan is None else wchan, arch)


def known(name: str, *arguments: int, arch: str = "x86_64", wchan: str | None = None) -> Shape:
    found = seen(name, *arguments, arch=arch, wchan=wchan)
    assert isinstance(found, Shape), found
    return found


def test_the_tables_hold_exactly_these_numbers() -> None:
    assert {
        arch: {number: CALLED.get(name, name) for name, number in table.items()} for arch, table in NUMBERS.items()
    } == SYSCALLS


# futex


@BOTH
@pytest.mark.parametrize(
    ("operation", "value", "is_private"),
    [
        (0x189, 0, True),  # glibc sem_wait: WAIT_BITSET | PRIVATE | CLOCK_REALTIME
        (0x89, 0, True),  # WAIT_BITSET | PRIVATE
        (0x80, 2, True),  # WAIT | PRIVATE: pthread_mutex_lock
        (0x109, 0, False),  # WAIT_BITSET | CLOCK_REALTIME: pthread_join, process-shared semaphores
        (0x0, 2, False),  # WAIT
    ],
)
def test_a_futex_wait_without_a_time_out(arch: str, operation: int, value: int, is_private: bool) -> None:
    found = known("futex", 0x5000, operation, value, 0, 0, MINUS_ONE_32, arch=arch)
    assert found == Shape(Family.FUTEX, False, 0x5000, is_private, value)


@BOTH
@pytest.mark.parametrize("operation", [0x189, 0x89, 0x80, 0x109, 0x0])
def test_a_futex_wait_with_a_time_out(arch: str, operation: int) -> None:
    assert known("futex", 0x5000, operation, 0, 0x7FFE0000, arch=arch).is_timed


@pytest.mark.parametrize(
    "operation",
    [1, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 0x86, 0x8D, 0x8B],
    # wake, requeue, cmp_requeue, wake_op, lock_pi, unlock_pi, trylock_pi, wake_bitset, wait_requeue_pi, cmp_requeue_pi,
    # lock_pi2, and the private lock_pi, lock_pi2, wait_requeue_pi
    ids=hex,
)
def test_any_other_futex_operation_is_unreadable(operation: int) -> None:
    assert isinstance(seen("futex", 0x5000, operation, 0, 0, arch="x86_64", wchan="futex_do_wait"), Unreadable)


def test_an_operation_with_bits_that_no_kernel_has_is_unreadable() -> None:
    assert isinstance(seen("futex", 0x5000, 0x289, 0, 0), Unreadable)


def test_only_the_low_word_of_a_futex_operation_and_value_counts() -> None:
    found = known("futex", 0x5000, 0xABCD_0000_0080, 0xFFFF_0000_0002)
    assert (found.is_private, found.expected) == (True, 2)


# children


@BOTH
def test_wait4_for_one_child(arch: str) -> None:
    assert known("wait4", 4242, arch=arch) == Shape(Family.CHILD, False, children=Children.ONE, target=4242)


@BOTH
@pytest.mark.parametrize("word", [MINUS_ONE_32, MINUS_ONE_64, 0, -77 & MINUS_ONE_32, -77 & MINUS_ONE_64], ids=hex)
def test_wait4_for_any_child_or_a_group(arch: str, word: int) -> None:
    assert known("wait4", word, arch=arch) == Shape(Family.CHILD, False, children=Children.ANY)


@BOTH
@pytest.mark.parametrize(
    ("kind", "children", "target"),
    [(0, Children.ANY, 0), (1, Children.ONE, 77), (2, Children.ANY, 0), (3, Children.PIDFD, 77)],
)
def test_waitid_by_kind(arch: str, kind: int, children: Children, target: int) -> None:
    assert known("waitid", kind, 77, arch=arch) == Shape(Family.CHILD, False, children=children, target=target)


def test_waitid_of_a_kind_that_is_not_known_is_unreadable() -> None:
    assert isinstance(seen("waitid", 4, 77), Unreadable)


# poll, select, epoll


@pytest.mark.parametrize(
    ("timeout", "is_timed"),
    [(MINUS_ONE_32, False), (MINUS_ONE_64, False), (-500 & MINUS_ONE_32, False), (0, True), (1500, True)],
)
def test_poll_is_timed_unless_its_time_out_is_negative(timeout: int, is_timed: bool) -> None:
    assert known("poll", 0x5000, 2, timeout) == Shape(Family.POLL, is_timed, 0x5000, expected=2)


@BOTH
@pytest.mark.parametrize(("time", "mask", "is_timed"), [(0, 0, False), (0x7FF0, 0, True), (0, 0x7FF0, True)])
def test_ppoll_is_timed_by_a_time_out_or_a_signal_mask(arch: str, time: int, mask: int, is_timed: bool) -> None:
    assert known("ppoll", 0x5000, 2, time, mask, arch=arch) == Shape(Family.POLL, is_timed, 0x5000, expected=2)


@pytest.mark.parametrize(("time", "is_timed"), [(0, False), (0x7FF0, True)])
def test_select_is_timed_by_its_time_out(time: int, is_timed: bool) -> None:
    assert known("select", 5, 0x5000, 0, 0x6000, time) == Shape(
        Family.POLL, is_timed, expected=5, sets=(0x5000, 0, 0x6000)
    )


@BOTH
@pytest.mark.parametrize(("time", "mask", "is_timed"), [(0, 0, False), (0x7FF0, 0, True), (0, 0x7FF0, True)])
def test_pselect_is_timed_by_a_time_out_or_a_signal_mask(arch: str, time: int, mask: int, is_timed: bool) -> None:
    assert known("pselect6", 5, 0x5000, 0, 0, time, mask, arch=arch) == Shape(
        Family.POLL, is_timed, expected=5, sets=(0x5000, 0, 0)
    )


@pytest.mark.parametrize("name", ["epoll_wait", "epoll_pwait"])
@pytest.mark.parametrize(
    ("timeout", "is_timed"), [(MINUS_ONE_32, False), (MINUS_ONE_64, False), (0, True), (250, True)]
)
def test_epoll_is_timed_unless_its_time_out_is_negative(name: str, timeout: int, is_timed: bool) -> None:
    assert known(name, 3, 0x5000, 16, timeout) == Shape(Family.EPOLL, is_timed, descriptor=3)


@BOTH
@pytest.mark.parametrize("name", ["epoll_pwait", "epoll_pwait2"])
def test_an_epoll_with_a_signal_mask_waits_for_signals_too(arch: str, name: str) -> None:
    no_end = MINUS_ONE_32 if name == "epoll_pwait" else 0
    assert not known(name, 3, 0x5000, 16, no_end, 0, arch=arch).is_timed
    assert known(name, 3, 0x5000, 16, no_end, 0x7FF0, arch=arch).is_timed


@BOTH
def test_epoll_pwait2_is_timed_by_its_time_out(arch: str) -> None:
    assert not known("epoll_pwait2", 3, 0x5000, 16, 0, arch=arch).is_timed
    assert known("epoll_pwait2", 3, 0x5000, 16, 0x7FF0, arch=arch).is_timed


@BOTH
@pytest.mark.parametrize("name", ["nanosleep", "clock_nanosleep"])
def test_a_sleep_is_always_timed(arch: str, name: str) -> None:
    assert known(name, arch=arch) == Shape(Family.SLEEP, True)


# pipes, sockets and files


@BOTH
@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("read", Family.PIPE_READ),
        ("readv", Family.PIPE_READ),
        ("write", Family.PIPE_WRITE),
        ("writev", Family.PIPE_WRITE),
    ],
)
def test_a_read_or_write_of_a_pipe_names_its_descriptor(arch: str, name: str, family: Family) -> None:
    assert known(name, 0xABCD_0000_0005, 0x5000, 1, arch=arch) == Shape(family, False, descriptor=5)


@pytest.mark.parametrize("wchan", ["unix_stream_read_generic", "unix_stream_data_wait"])
def test_a_read_that_sleeps_in_a_unix_socket_is_one_of_a_socket(wchan: str) -> None:
    assert known("read", 5, 0x5000, 1, wchan=wchan) == Shape(Family.SOCKET_READ, False, descriptor=5)


@pytest.mark.parametrize("wchan", ["sk_wait_data", "n_tty_read", "eventfd_read", "folio_wait_bit_common", "wait_woken"])
def test_a_read_of_anything_else_is_unreadable(wchan: str) -> None:
    assert isinstance(seen("read", 5, 0x5000, 1, wchan=wchan), Unreadable)


@BOTH
def test_a_lock_on_a_file_by_flock(arch: str) -> None:
    assert known("flock", 5, 2, arch=arch) == Shape(Family.FILE_LOCK, False, descriptor=5, lock=FileLockKind.FLOCK)


@BOTH
@pytest.mark.parametrize(("command", "kind"), [(7, FileLockKind.POSIX), (38, FileLockKind.OFD)])
def test_a_lock_on_a_file_by_fcntl(arch: str, command: int, kind: FileLockKind) -> None:
    found = known("fcntl", 5, command, 0x5000, arch=arch)
    assert found == Shape(Family.FILE_LOCK, False, descriptor=5, lock=kind)


@pytest.mark.parametrize("command", [0, 1, 4, 5, 6, 8, 36, 37, 1024, 1031])
def test_any_other_command_of_fcntl_is_unreadable(command: int) -> None:
    assert isinstance(seen("fcntl", 5, command), Unreadable)


# what is not in the tables


@pytest.mark.parametrize("number", [2, 3, 45, 219, 128, -1, 999, 202 | 0x40000000])
def test_a_call_that_is_not_in_the_table_is_unreadable(number: int) -> None:
    # open, close, recvfrom, restart_syscall, rt_sigtimedwait, none, unknown, x32's futex
    assert isinstance(shape((number, *[0] * 8), "futex_do_wait", "x86_64"), Unreadable)


@pytest.mark.parametrize("arch", ["i686", "armv7l", "ppc64le", "riscv64", ""])
def test_on_a_machine_without_a_table_every_call_is_unreadable(arch: str) -> None:
    found = shape((202, 0x5000, 0x189, *[0] * 6), "futex_do_wait", arch)
    assert isinstance(found, Unreadable)
    assert arch in found.why


def test_the_number_of_one_machine_says_nothing_on_another() -> None:
    assert isinstance(shape((202, 0x5000, 0x189, *[0] * 6), "futex_do_wait", "aarch64"), Unreadable)
    assert isinstance(shape((98, 0x5000, 0x189, *[0] * 6), "futex_do_wait", "x86_64"), Unreadable)


# where it sleeps


@pytest.mark.parametrize("name", sorted(NUMBERS["x86_64"]))
@pytest.mark.parametrize("wchan", ["get_signal", "do_freezer_trap", "", "0", "ptrace_stop", "_futex_wait"])
def test_a_thread_that_sleeps_elsewhere_than_in_its_call_is_unreadable(name: str, wchan: str) -> None:
    assert isinstance(seen(name, *ARGUMENTS.get(name, (0x5000, 0x80)), wchan=wchan), Unreadable)


@pytest.mark.parametrize("name", sorted(NUMBERS["x86_64"]))
@pytest.mark.parametrize("other", sorted(SLEEPS_IN))
def test_the_place_of_another_family_does_not_fit(name: str, other: str) -> None:
    own = {family for family, names in SLEEPS_IN.items() if WHERE[name].startswith(names)}
    if name in {"read", "readv"}:
        own.add("socket-read")
    common = {wchan for family in own for wchan in SLEEPS_IN[family]}
    for wchan in SLEEPS_IN[other]:
        fits = wchan.startswith(tuple(common))
        assert isinstance(seen(name, *ARGUMENTS.get(name, (1, 0x80)), wchan=wchan), Shape) is fits


@pytest.mark.parametrize("wchan", ["futex_wait_queue_me", "futex_wait_queue", "futex_do_wait"])
def test_every_kernels_name_for_a_futex_wait_fits(wchan: str) -> None:
    assert known("futex", 0x5000, 0x189, wchan=wchan).family is Family.FUTEX


@pytest.mark.parametrize("wchan", ["do_wait", "do_wait.part.0", "kernel_waitid"])
def test_every_kernels_name_for_a_wait_for_children_fits(wchan: str) -> None:
    assert known("wait4", 42, wchan=wchan).family is Family.CHILD


@pytest.mark.parametrize("wchan", ["poll_schedule_timeout.constprop.0", "do_sys_poll", "do_poll.constprop.0"])
def test_every_kernels_name_for_a_poll_fits(wchan: str) -> None:
    assert known("poll", 0x5000, 1, MINUS_ONE_32, wchan=wchan).family is Family.POLL


def test_what_cannot_be_read_and_what_does_not_fit_are_told_apart() -> None:
    hidden, frozen = seen("futex", 0x5000, 0x189, wchan="0"), seen("futex", 0x5000, 0x189, wchan="get_signal")
    assert isinstance(hidden, Unreadable)
    assert isinstance(frozen, Unreadable)
    assert "cannot be read" in hidden.why
    assert "is get_signal" in frozen.why
