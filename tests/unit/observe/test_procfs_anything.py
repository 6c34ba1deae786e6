"""No parser of `/proc` raises, whatever it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.model import Unreadable
from hangprobe.observe.procfs import (
    parse_call,
    parse_environ,
    parse_last_ran,
    parse_maps,
    parse_numbers,
    parse_run_count,
    parse_stat,
    parse_status,
)

from .tree import capture, with_stat_field, with_status_line

CHILD = capture("child-on-python-lock")
STAT, STATUS, MAPS = CHILD["stat"].decode(), CHILD["status"].decode(), CHILD["maps"].decode()
CALL = CHILD["syscall"].decode()


# a number of more digits than int() takes

ENDLESS = "9" * 5000


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((parse_stat, with_stat_field(STAT, number, ENDLESS)) for number in (4, 9, 20, 22, 28)),
        (parse_status, with_status_line(STATUS, "TracerPid", ENDLESS)),
        (parse_run_count, f"1 2 {ENDLESS}"),
        (lambda text: parse_numbers(text, "children"), f"1 {ENDLESS}"),
    ],
)
def test_a_number_of_any_length_makes_no_parser_raise(parse: Callable[[str], object], text: str) -> None:
    parse(text)


def test_a_hexadecimal_number_of_any_length_makes_no_parser_raise() -> None:
    assert parse_status(with_status_line(STATUS, "SigCgt", "f" * 5000)).caught == frozenset(range(1, 65))
    assert isinstance(parse_call(CALL.replace("0x189", "0x" + "f" * 5000)), tuple)


# anything at all

PARSERS: list[Callable[[str], object]] = [
    parse_stat,
    parse_status,
    parse_run_count,
    parse_call,
    parse_last_ran,
    parse_maps,
    lambda text: parse_numbers(text, "children"),
    lambda text: parse_environ(text.encode(errors="surrogatepass")),
]


@given(st.sampled_from(PARSERS), st.text())
def test_no_text_makes_a_parser_raise(parse: Callable[[str], object], text: str) -> None:
    parse(text)


@given(st.sampled_from(PARSERS), st.binary())
def test_no_bytes_make_a_parser_raise(parse: Callable[[str], object], data: bytes) -> None:
    parse(data.decode(errors="replace"))


@given(
    st.sampled_from([(parse_stat, STAT), (parse_status, STATUS), (parse_call, CALL), (parse_maps, MAPS)]),
    st.integers(0, 2000),
    st.integers(0, 40),
    st.text(max_size=8),
)
def test_no_piece_cut_out_or_put_into_a_real_file_makes_a_parser_raise(
    case: tuple[Callable[[str], object], str], at: int, length: int, text: str
) -> None:
    parse, real = case
    at %= len(real)
    found = parse(real[:at] + text + real[at + length :])
    assert is_dataclass(found) or isinstance(found, (tuple, Unreadable))
