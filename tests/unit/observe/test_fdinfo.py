"""Parsers of `fdinfo`, `/proc/locks` and `mountinfo`: what does not read is None or left out, and nothing raises."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.observe.fdinfo import (
    Descriptor,
    EpollTarget,
    FileLock,
    Mount,
    parse_descriptor,
    parse_lock,
    parse_locks,
    parse_mounts,
)
from hangprobe.observe.procfs import mapped_names, parse_maps

from .opened import MOUNTS, epoll, file, lock_line, pidfd, reads, reads_and_writes, unix_socket, waiting_line, writes

SAMPLES = [
    epoll((5, 7, 14), (6, 8, 8)).info,
    file(lock_line(), lock_line("OFDLCK", -1)).info,
    pidfd(4242).info,
    unix_socket(7, in_flight=2).info,
]
LOCKS = "\n".join([lock_line(), waiting_line(), lock_line("POSIX", 7), lock_line("OFDLCK", -1, access="READ")]) + "\n"
numbers = st.integers(0, 2**31 - 1)
inodes = st.integers(0, 2**64 - 1)
extents = st.tuples(st.integers(0, 2**63), st.one_of(st.integers(0, 2**63), st.just("EOF"))).map(
    lambda ends: f"{ends[0]} {ends[1]}"
)
file_locks = st.builds(
    FileLock,
    st.sampled_from(["FLOCK", "POSIX", "OFDLCK", "LEASE", "DELEG", "ACCESS"]),
    st.sampled_from(["READ", "WRITE", "UNLCK", "NONE"]),
    st.integers(-1, 2**22),
    st.tuples(st.integers(0, 4095), st.integers(0, 2**20 - 1), inodes),
    extents,
    st.booleans(),
)


def written(lock: FileLock, by: int = 1) -> str:
    """Return the line that the kernel writes (lock_get_status in fs/locks.c)."""
    arrow = "-> " if lock.is_waiting else ""
    major, minor, inode = lock.inode
    place = f"{major:02x}:{minor:02x}:{inode}"
    return f"{by}: {arrow}{lock.kind:6s} ADVISORY  {lock.access:5s} {lock.pid} {place} {lock.extent}".replace(
        f"{lock.access:5s} ", f"{lock.access} "
    )


# what the kernel writes


def test_the_ends_of_a_pipe_are_told_by_their_flags() -> None:
    ends = [parse_descriptor(each.info) for each in (reads(7), writes(7), reads_and_writes(7))]
    assert [(end.can_read, end.can_write) for end in ends] == [(True, False), (False, True), (True, True)]


def test_where_the_flags_do_not_read_both_may_be_done() -> None:
    found = parse_descriptor("flags:\t09\n")
    assert (found.flags, found.can_read, found.can_write) == (None, True, True)


def test_the_fields_of_a_file() -> None:
    found = parse_descriptor(file(lock_line("FLOCK", 4242)).info)
    assert (found.flags, found.mount, found.inode) == (2, 15, 77)
    assert found.locks == (FileLock("FLOCK", "WRITE", 4242, (254, 2, 77), "0 EOF", False),)


def test_the_fields_of_a_pidfd_and_of_a_socket() -> None:
    assert parse_descriptor(pidfd(-1).info).process == -1
    assert parse_descriptor(unix_socket(7, in_flight=3).info).files_in_flight == 3


def test_the_targets_of_an_epoll_are_hexadecimal() -> None:
    assert parse_descriptor(epoll((5, 0xABC, 0xE), (6, 10, 8)).info).targets == (
        EpollTarget(0xABC, 0xE),
        EpollTarget(10, 8),
    )


def test_a_target_that_does_not_read_is_on_no_device() -> None:
    assert parse_descriptor("tfd:        5 events:       19\n").targets == (EpollTarget(0, 0),)


def test_nothing_at_all_says_nothing() -> None:
    assert parse_descriptor("") == Descriptor(None, None, None, None, None, (), ())


def test_an_entry_of_locks() -> None:
    assert parse_lock("12: POSIX  ADVISORY  READ 4242 fe:02:1234 0 EOF") == FileLock(
        "POSIX", "READ", 4242, (254, 2, 1234), "0 EOF", False
    )


def test_the_entry_of_one_who_waits() -> None:
    found = parse_lock("12: -> FLOCK  ADVISORY  WRITE 4242 00:1a:9 0 EOF")
    assert found is not None
    assert (found.is_waiting, found.kind, found.inode) == (True, "FLOCK", (0, 26, 9))


def test_a_lock_has_the_same_identity_in_both_places() -> None:
    line = lock_line("FLOCK", 7)
    (listed,) = parse_locks(line.replace("1:", "99:", 1)) or ()
    (shown,) = parse_descriptor(file(line).info).locks
    assert listed.identity == shown.identity


@pytest.mark.parametrize(
    "line",
    [
        "2: FLOCK  ADVISORY  WRITE <none>:0 0 EOF",
        "2: FLOCK  ADVISORY  WRITE 7 fe:02 0 EOF",
        "2: FLOCK  ADVISORY  WRITE x fe:02:7 0 EOF",
        "FLOCK  ADVISORY  WRITE 7 fe:02:7 0 EOF",
        "2: FLOCK  ADVISORY  WRITE 7 fe:02:7 0",
        "junk",
    ],
)
def test_one_line_of_locks_that_does_not_read_spoils_the_table(line: str) -> None:
    assert parse_lock(line) is None
    assert parse_locks(f"{LOCKS}{line}\n") is None


def test_an_empty_table_of_locks_is_no_problem() -> None:
    assert parse_locks("") == ()


def test_mounts_are_known_by_their_number() -> None:
    mounts = parse_mounts(MOUNTS)
    assert mounts[15] == Mount((254, 2), "/scratch", "ext4", "rw")
    assert (mounts[16].kind, mounts[17].kind) == ("nfs4", "lustre")


def test_a_mount_may_have_any_number_of_optional_fields() -> None:
    text = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 unbindable - ext3 /dev/root rw,errors=continue\n"
    assert parse_mounts(text) == {36: Mount((98, 0), "/mnt2", "ext3", "rw,errors=continue")}


def test_the_hidepid_of_proc_is_an_option_of_its_super_block() -> None:
    (mount,) = parse_mounts("22 28 0:21 / /proc rw,nosuid - proc proc rw,hidepid=invisible\n").values()
    assert mount.options == "rw,hidepid=invisible"


def test_a_line_of_mounts_that_does_not_read_is_left_out() -> None:
    assert set(parse_mounts(MOUNTS + "junk\n18 1 0:9 / /x rw\n")) == {15, 16, 17}


# names in a memory map


def test_the_names_in_a_map_are_those_of_files_and_rings() -> None:
    text = (
        "00010000-00020000 rw-p 00000000 00:00 0                          [heap]\n"
        "7f0000000000-7f0000100000 r-xp 00000000 fe:00 42                 /opt/a b/libmpi.so.12.5.2\n"
        "7f0000200000-7f0000201000 rw-s 00000000 00:0e 1062               anon_inode:[io_uring]\n"
        "7f0000300000-7f0000301000 rw-p 00000000 00:00 0 \n"
    )
    assert mapped_names(text) == {"libmpi.so.12.5.2", "anon_inode:[io_uring]"}


file_names = st.text(
    st.characters(codec="utf-8", exclude_characters="/\n\0", exclude_categories=["Cc", "Zl", "Zp", "Zs"]),
    min_size=1,
    max_size=20,
)


@given(st.lists(st.tuples(st.lists(file_names, max_size=3), file_names), max_size=5))
def test_the_names_of_generated_maps_are_those_that_parsing_gives(paths: list[tuple[list[str], str]]) -> None:
    lines = [
        f"7f{i:02x}00000000-7f{i:02x}00100000 r-xp 00000000 fe:00 {i + 1}" + " " * 20 + "/".join(["", *folders, name])
        for i, (folders, name) in enumerate(paths)
    ]
    text = "\n".join(lines) + "\n"
    mappings, _ = parse_maps(text)
    assert mapped_names(text) == {name for _, name in paths} == {each.path.rpartition("/")[2] for each in mappings}


# round trips


@given(file_locks, numbers)
def test_every_lock_that_the_kernel_can_write_reads_back(lock: FileLock, by: int) -> None:
    assert parse_lock(written(lock, by)) == lock


@given(st.lists(file_locks, max_size=6))
def test_every_table_of_locks_reads_back(locks: list[FileLock]) -> None:
    text = "".join(f"{written(lock, i)}\n" for i, lock in enumerate(locks, 1))
    assert parse_locks(text) == tuple(locks)
    assert parse_descriptor("".join(f"lock:\t{line}\n" for line in text.splitlines())).locks == tuple(locks)


@given(st.lists(st.tuples(numbers, inodes, st.integers(0, 2**32 - 1)), max_size=6))
def test_every_epoll_set_reads_back(targets: list[tuple[int, int, int]]) -> None:
    found = parse_descriptor(epoll(*targets).info)
    assert found.targets == tuple(EpollTarget(inode, device) for _, inode, device in targets)


@given(st.integers(0, 2**31 - 1), numbers, inodes, numbers, numbers)
def test_every_descriptor_reads_back(flags: int, mount: int, inode: int, process: int, in_flight: int) -> None:
    text = f"pos:\t0\nflags:\t0{flags:o}\nmnt_id:\t{mount}\nino:\t{inode}\nPid:\t{process}\nscm_fds: {in_flight}\n"
    assert parse_descriptor(text) == Descriptor(flags, mount, inode, process, in_flight, (), ())


words = st.text("abcdefghijklmnopqrstuvwxyz0123456789/:,.=_-\\", min_size=1, max_size=12)


@given(numbers, numbers, numbers, words, st.lists(words.filter(lambda word: word != "-"), max_size=3), words, words)
def test_every_mount_reads_back(
    number: int, major: int, minor: int, point: str, fields: list[str], kind: str, options: str
) -> None:
    middle = "".join(f" {field}" for field in fields)
    line = f"{number} 1 {major}:{minor} / /{point} rw,relatime{middle} - {kind} source {options}\n"
    assert parse_mounts(line) == {number: Mount((major, minor), f"/{point}", kind, options)}


# anything at all

PARSERS: list[Callable[[str], object]] = [parse_descriptor, parse_lock, parse_locks, parse_mounts, mapped_names]


@given(st.sampled_from(PARSERS), st.text())
def test_no_text_makes_a_parser_raise(parse: Callable[[str], object], text: str) -> None:
    parse(text)


@given(st.sampled_from(PARSERS), st.binary())
def test_no_bytes_make_a_parser_raise(parse: Callable[[str], object], data: bytes) -> None:
    parse(data.decode(errors="replace"))


@given(
    st.sampled_from([*((parse_descriptor, text) for text in SAMPLES), (parse_locks, LOCKS), (parse_mounts, MOUNTS)]),
    st.integers(0, 2000),
    st.integers(0, 40),
    st.one_of(st.text(max_size=8), st.sampled_from(["f" * 5000, "٣", "-", "\n"])),
)
def test_no_piece_cut_out_or_put_into_a_file_makes_a_parser_raise(
    case: tuple[Callable[[str], object], str], at: int, length: int, text: str
) -> None:
    parse, real = case
    at %= len(real)
    parse(real[:at] + text + real[at + length :])


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_lock, f"1: FLOCK  ADVISORY  WRITE {'9' * 5000} fe:02:7 0 EOF"),
        (parse_lock, f"1: FLOCK  ADVISORY  WRITE 7 fe:02:{'9' * 5000} 0 EOF"),
        (parse_mounts, f"{'9' * 5000} 1 0:1 / / rw - ext4 x rw"),
    ],
    ids=["pid", "inode", "mount"],
)
def test_a_number_of_any_length_makes_no_parser_raise(parse: Callable[[str], object], text: str) -> None:
    parse(text)
