"""Rules over what a keyword is given: address, strategy, cpu_affinity; and what an import names."""

from __future__ import annotations

import pytest

from ..subjects import OLD, TODAY, found, slugs

BOUND = TODAY.but(address_use="bound", is_hostname_resolved=False, parsl="2023.10.23")


@pytest.mark.parametrize("address", ["10.0.0.1", "::1", "fe80::1", "*", ""])
def test_an_ip_address_is_one(address: str) -> None:
    assert slugs(f"HighThroughputExecutor(address={address!r})") == []


def test_a_host_name_is_refused_where_the_interchange_reads_it_as_an_address() -> None:
    text = "HighThroughputExecutor(address='login1')"
    assert slugs(text, TODAY) == ["address-host-name"]
    assert slugs(text, BOUND) == ["address-host-name?"]
    assert slugs(text, OLD) == []
    assert slugs(text, TODAY.but(address_use=None)) == []


def test_what_a_call_returns_is_only_warned_of() -> None:
    assert slugs("HighThroughputExecutor(address=address_by_hostname())") == ["address-by-hostname?"]
    assert slugs("import socket\nHighThroughputExecutor(address=socket.gethostname())") == ["address-host-name?"]
    assert slugs("def mine(): ...\nHighThroughputExecutor(address=mine())") == []
    (one,) = found("HighThroughputExecutor(address=address_by_hostname())", BOUND)
    assert "it returns a host name" in one.why


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("'simple'", []),
        ("'none'", []),
        ("None", []),
        ("'htex_auto_scale'", []),
        ("'smiple'", ["unknown-strategy"]),
        ("mine()", []),
        ("opts['strategy']", ["unknown-strategy"]),
    ],
)
def test_a_strategy_is_one_of_those_known(strategy: str, expected: list[str]) -> None:
    text = f"def mine(): ...\nopts = {{'strategy': 'smiple'}}\nConfig(strategy={strategy})"
    assert slugs(text) == expected
    assert slugs(text, TODAY.but(strategies=None)) == []


def test_a_strategy_that_is_younger_than_the_subject_is_refused_there() -> None:
    assert slugs("Config(strategy='none')", OLD) == ["unknown-strategy"]


@pytest.mark.parametrize("value", ["none", "block", "Alternating", "block-reverse", "list:0-1:2,3", "listed:0", "$A x"])
def test_an_affinity_that_managers_take_is_none_of_our_business(value: str) -> None:
    assert slugs(f"HighThroughputExecutor(cpu_affinity={value!r})") == []


@pytest.mark.parametrize("value", ["blocks", "numa", "list", "list:", "list:a-b", "list:0-1-2"])
def test_any_other_affinity_is_refused(value: str) -> None:
    assert slugs(f"HighThroughputExecutor(cpu_affinity={value!r})") == ["bad-affinity"]
    assert slugs(f"HighThroughputExecutor(cpu_affinity={value!r})", TODAY.but(affinities=None)) == []


def test_affinities_are_those_of_the_subject() -> None:
    assert slugs("HighThroughputExecutor(cpu_affinity='list:0')", OLD) == ["bad-affinity"]
    assert slugs("HighThroughputExecutor(cpu_affinity='Block')", OLD) == ["bad-affinity"]
    assert slugs("HighThroughputExecutor(cpu_affinity='alternating')", OLD) == []


def test_an_affinity_is_only_warned_of_where_the_managers_command_is_the_users_own() -> None:
    assert slugs("HighThroughputExecutor(cpu_affinity='numa', launch_cmd='mine')") == ["bad-affinity?"]
    assert slugs("o = f()\ndef f(): ...\nHighThroughputExecutor(cpu_affinity='numa', **o)") == ["bad-affinity?"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from parsl.executors import Nope", ["unknown-import"]),
        ("import parsl\nparsl.executors.Nope()", ["unknown-import"]),
        ("from parsl.channels import LocalChannel", ["unknown-import"]),
        ("try:\n    from parsl.executors import Nope\nexcept ImportError:\n    Nope = None", []),
        ("if True:\n    from parsl.executors import Nope", ["unknown-import?"]),
        ("from mysite import Nope", []),
        ("from parsl.unasked import Nope", []),
    ],
)
def test_an_import_names_what_the_subject_has(text: str, expected: list[str]) -> None:
    assert slugs(text) == expected


def test_what_is_imported_instead_is_offered() -> None:
    (one,) = found("from parsl.executors import Nope", TODAY)
    assert one.what == "Parsl 2026.10.26 has no parsl.executors.Nope"
