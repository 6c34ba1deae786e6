"""A node's report arrives whole or not at all, whatever a login shell prints around it."""

from __future__ import annotations

import base64
import zlib
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.agent.look import nodereport
from hangprobe.agent.look.nodereport import MARK, PIECE, NodeReport, by_host, pack, unpack
from hangprobe.model import Barrier, Unreadable

from .reports import hung, node, reading, starter, working

REPORT = node("node02", hung("node02", 1), reading("node02", 2, "login:1"), starters=(starter(),)).but(
    unreadable=(Unreadable("this node", "late", Barrier.PERMISSION),)
)
LINE = pack(REPORT)


def why(output: bytes) -> str:
    found = unpack(output)
    assert isinstance(found, str), found
    return found


def carried(data: bytes) -> bytes:
    """Return a line that carries any bytes."""
    return MARK + b" node02 1/1 " + base64.b64encode(zlib.compress(data)) + b"\n"


def test_what_is_packed_is_unpacked_the_same() -> None:
    assert unpack(LINE) == REPORT


def test_a_report_is_short_lines_each_of_which_names_its_node() -> None:
    lines = LINE.splitlines()
    assert len(lines) > 1
    assert all(line.startswith(MARK + b" node02 ") and len(line) < 2 * PIECE for line in lines)
    assert LINE.endswith(b"\n")


@given(st.randoms(use_true_random=False))
def test_the_lines_may_come_in_any_order(pick: Random) -> None:
    lines = LINE.splitlines(keepends=True)
    pick.shuffle(lines)
    assert unpack(b"".join(lines)) == REPORT


@given(st.data())
def test_a_report_of_which_lines_are_missing_is_cut(data: st.DataObject) -> None:
    lines = LINE.splitlines(keepends=True)
    left = data.draw(st.lists(st.sampled_from(lines), min_size=1, max_size=len(lines) - 1, unique=True))
    assert why(b"".join(left)) == "its report is cut"


def test_a_line_that_came_twice_is_one() -> None:
    assert unpack(LINE + LINE.splitlines()[0]) == REPORT


def test_a_line_that_promises_a_thousand_million_others_costs_nothing() -> None:
    assert why(MARK + b" node02 1/999999999 QUJD\n") == "its report is cut"


@pytest.mark.parametrize("count", [b"0/0", b"1/0", b"2/1"])
def test_numbers_that_do_not_fit_are_a_cut_report(count: bytes) -> None:
    assert why(MARK + b" node02 " + count + b" QUJD\n") == "its report is cut"


# the reports of many nodes, mixed as srun --label mixes them


def labelled(number: int, report: bytes) -> list[bytes]:
    return [b"%d: %s\n" % (number, line) for line in report.splitlines()]


@given(st.randoms(use_true_random=False))
def test_mixed_reports_are_parted_by_their_nodes(pick: Random) -> None:
    others = {f"node0{n}": node(f"node0{n}", working(f"node0{n}", n)) for n in (3, 4)}
    lines = labelled(0, LINE) + labelled(1, pack(others["node03"])) + labelled(2, pack(others["node04"]))
    pick.shuffle(lines)
    found = by_host(b"".join(lines))
    assert {host: unpack(its) for host, its in found.items()} == {"node02": REPORT, **others}


def test_output_without_a_report_is_nobodys() -> None:
    assert by_host(b"srun: error: node02: task 1: Exited with exit code 1\n") == {}


@given(st.binary(), st.binary())
def test_the_report_is_found_among_whatever_else_is_printed(before: bytes, after: bytes) -> None:
    assert unpack(before + b"\n" + LINE + after) == REPORT


def test_a_message_of_the_day_without_a_line_break_does_not_hide_it() -> None:
    assert unpack(b"Welcome to node02! " + LINE) == REPORT


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\n\n", b"\nlogout\n"])
def test_it_may_end_as_lines_end(end: bytes) -> None:
    assert unpack(LINE.rstrip() + end) == REPORT


def test_of_two_reports_the_last_counts() -> None:
    assert unpack(pack(node("node01", working("node01", 0))) + LINE) == REPORT


@pytest.mark.parametrize(
    "output", [b"", b"\n", b"bash: python3: command not found\n", MARK.strip(), b"hangprobe-report/2 x"]
)
def test_an_answer_without_a_report_is_none(output: bytes) -> None:
    assert why(output) == "its answer has no report"


@given(st.integers(len(MARK), len(LINE) - 2))
def test_a_report_that_is_cut_is_told_and_never_taken_for_a_whole_one(length: int) -> None:
    assert why(LINE[:length])


@given(st.integers(len(MARK), len(LINE) - 2), st.integers(1, 255))
def test_a_report_with_a_wrong_byte_is_the_same_or_none(at: int, change: int) -> None:
    """zlib's sum finds the change; one in the padding of base64 or in the header of zlib may change nothing."""
    found = unpack(LINE[:at] + bytes([LINE[at] ^ change]) + LINE[at + 1 :])
    assert isinstance(found, str) or found == REPORT


@given(st.binary())
def test_no_bytes_make_it_raise(data: bytes) -> None:
    for output in (data, MARK + data, carried(data)):
        assert isinstance(unpack(output), str)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda it: st.lists(it) | st.dictionaries(st.text(), it)
    )
)
def test_a_report_of_another_version_is_told(content: object) -> None:
    assert "damaged or of another version" in why(carried(msgspec.json.encode(content)))


def test_a_field_of_another_type_is_another_version() -> None:
    content = msgspec.json.decode(msgspec.json.encode(REPORT))
    content["jobs"][0]["began_s"] = "yesterday"
    assert "began_s" in why(carried(msgspec.json.encode(content)))


def test_a_field_of_a_later_version_is_passed_over() -> None:
    content = msgspec.json.decode(msgspec.json.encode(REPORT))
    content["mood"] = "fine"
    assert unpack(carried(msgspec.json.encode(content))) == REPORT


def test_a_report_that_would_fill_the_memory_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodereport, "LIMIT", 100_000)
    assert why(carried(bytes(100_000_000))) == "its report is cut or too large"


def test_a_node_without_jobs_has_a_report() -> None:
    assert unpack(pack(NodeReport("node01", ()))) == NodeReport("node01", ())
