"""What is told of an environment: all names, few values, no secret."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.context.values import origin
from hangprobe.context.variables import LISTED
from hangprobe.observe.context.variables import LONGEST, masked, parse_variables

WORD = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!$%^*+~", min_size=8, max_size=20)


def test_values_are_those_of_listed_names_only() -> None:
    found = parse_variables(b"OMP_NUM_THREADS=4\0AWS_SECRET_ACCESS_KEY=hushhush\0MY_SETTING=on\0")
    assert found.names == ("AWS_SECRET_ACCESS_KEY", "MY_SETTING", "OMP_NUM_THREADS")
    assert found.values == (("OMP_NUM_THREADS", "4"),)


def test_no_listed_name_is_that_of_a_secret() -> None:
    assert [name for name in LISTED if any(word in name for word in ("KEY", "TOKEN", "PASS", "SECRET", "AUTH"))] == []


@given(st.dictionaries(st.from_regex(r"[A-Z_]{3,12}", fullmatch=True), WORD.map("{}-Secret".format), max_size=5))
def test_values_that_are_not_listed_are_nowhere(environment: dict[str, str]) -> None:
    data = "".join(f"{name}={value}\0" for name, value in environment.items()).encode()
    encoded = msgspec.msgpack.encode(parse_variables(data))
    told = [value for name, value in environment.items() if name not in LISTED and value.encode() in encoded]
    assert told == []


@given(user=WORD, password=WORD)
def test_password_in_an_address_is_masked(user: str, password: str) -> None:
    for value in (f"https://{user}:{password}@host/x", f"a https://{password}@h b", f"{user}:{password}@host"):
        assert password not in masked(value)


@pytest.mark.parametrize(
    "value",
    [
        "--token=Xhidden1",
        "api_key: x;GITHUB_TOKEN=Xhidden1",
        "password=Xhidden1&x=y",
        "Bearer Xhidden1",
        "ghp_Xhidden1aaaaaaaaaaaaaaaaa",
        "eyJhbGciOiJI.Xhidden1",
        "ftp://a:b@c:Xhidden1@host",
    ],
)
def test_what_looks_like_a_credential_is_masked(value: str) -> None:
    assert "Xhidden1" not in masked(value)


@pytest.mark.parametrize(
    "value", ["/usr/bin:/bin", "/spack/python@3.11/bin:/spack/gcc@12/bin", "cxi", "/home/jane doe", "de_DE.UTF-8", ""]
)
def test_plain_values_are_left_alone(value: str) -> None:
    assert masked(value) == value


def test_entries_that_are_no_assignments_are_counted_and_not_told() -> None:
    found = parse_variables(b"PATH=/bin\0worker: token hushhush\0my secret=1\0=x\0\xff\xfe=1\0BASH_FUNC_ml%%=() {  x\0")
    assert (found.names, found.odd) == (("BASH_FUNC_ml%%", "PATH"), 4)


def test_long_values_are_cut() -> None:
    assert len(parse_variables(b"PATH=" + b"x" * 10_000).values[0][1]) == LONGEST


def test_first_of_two_assignments_counts_as_for_getenv() -> None:
    assert parse_variables(b"HOME=/a\0HOME=/b\0").values == (("HOME", "/a"),)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("PMI_RANK", "PMI_"),
        ("PMIX_NAMESPACE", "PMIX_"),
        ("HYDI_CONTROL_FD", "HYDRA_"),
        ("MPI_LOCALRANKID", "HYDRA_"),
        ("I_MPI_FABRICS", "I_MPI_"),
        ("PARALLEL", "PARALLEL_"),
        ("PARALLEL_SEQ", "PARALLEL_"),
        ("PARALLELISM", ""),
        ("HOME", ""),
    ],
)
def test_prefix_tells_who_sets_a_variable(name: str, prefix: str) -> None:
    assert origin(name) == prefix


def test_names_are_told_by_who_sets_them() -> None:
    found = parse_variables(b"PMI_SIZE=1\0HOME=/x\0PMI_RANK=0\0")
    assert found.by_origin() == {"": ("HOME",), "PMI_": ("PMI_RANK", "PMI_SIZE")}
