"""The script that a subject runs: what it tells of live objects and of installed sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from hangprobe.ensemble import signatures

POOL = "parsl.executors.high_throughput.process_worker_pool"
CHANGE = "parsl.executors.high_throughput.interchange"
STRATEGY = "parsl.jobs.strategy"


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The installed sources, as the test says."""
    texts: dict[str, str] = {}
    monkeypatch.setattr(signatures, "source_of", lambda module: texts.get(module, ""))
    return texts


def test_a_name_is_described_as_it_is() -> None:
    assert signatures.describe("json") == {"name": "json", "kind": "module", "keywords": None}
    assert signatures.describe("json.decoder")["kind"] == "module"
    assert signatures.describe("fractions.Fraction.limit_denominator")["kind"] == "function"
    assert signatures.describe("json.JSONDecoder")["keywords"][:2] == ["object_hook", "parse_float"]
    assert signatures.describe("string.digits")["kind"] == "value"


def test_what_takes_any_keyword_or_cannot_be_told_has_none() -> None:
    assert signatures.describe("json.dumps")["keywords"] is None
    assert signatures.describe("builtins.dict")["keywords"] is None


def test_a_missing_name_has_its_neighbours() -> None:
    told = signatures.describe("json.JSONDecodr")
    assert (told["kind"], "JSONDecoder" in told["beside"]) == ("missing", True)
    assert signatures.describe("no_such_module_x.y")["kind"] == "missing"
    assert signatures.describe("json.no_such.deeper")["kind"] == "missing"


def test_a_module_that_cannot_be_imported_is_broken_and_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_more_q.py").write_text("import not_installed_q\n")
    monkeypatch.syspath_prepend(tmp_path)
    told = signatures.describe("needs_more_q.Thing")
    assert (told["kind"], "not_installed_q" in told["why"]) == ("broken", True)


def test_strategies_are_read_where_they_are_chosen(sources: dict[str, str]) -> None:
    assert signatures.strategies() is None
    sources[STRATEGY] = "class S:\n    def __init__(s):\n        self.strategies = {None: s.a, 'simple': s.b}"
    assert signatures.strategies() == [None, "simple"]
    sources[STRATEGY] = "self.strategies = {'simple': 1, **more}"
    assert signatures.strategies() is None


def test_affinities_are_read_of_both_generations(sources: dict[str, str]) -> None:
    assert signatures.affinities() == (None, False, False)
    sources[POOL] = "parser.add_argument('--cpu-affinity', type=str, choices=['none', 'block'])"
    assert signatures.affinities() == (["none", "block"], False, False)
    sources[POOL] = "def f(s):\n  s = s.lower()\n  allowed_strategies = ('none',)\n  if s[0:4] == 'list': return s"
    assert signatures.affinities() == (["none"], True, True)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", None),
        ("bind('tcp://*:{}'.format(port))", "none"),
        ("bind(f'tcp://{self.interchange_address}:{port}')", "bound"),
        ("tcp_url(self.interchange_address, port)", "parsed"),
    ],
)
def test_the_use_of_the_address_is_read(sources: dict[str, str], source: str, expected: str | None) -> None:
    sources.update({CHANGE: source, "parsl.addresses": "ipaddress.ip_address(address)"})
    assert signatures.address_use() == expected


def test_whether_the_host_name_is_resolved_is_read(sources: dict[str, str]) -> None:
    assert signatures.is_hostname_resolved() is None
    sources["parsl.addresses"] = "def address_by_hostname():\n    return platform.node()"
    assert signatures.is_hostname_resolved() is False
    sources["parsl.addresses"] = "def address_by_hostname():\n    return socket.gethostbyname(platform.node())"
    assert signatures.is_hostname_resolved() is True


def test_syntax_is_told_with_its_words() -> None:
    assert dict(signatures.syntax("x = 1")) == {"compiles": True}
    told = dict(signatures.syntax("x = 1\ny = = 2"))
    assert (told["compiles"], told["syntax_line"]) == (False, 2)
    assert dict(signatures.syntax("x\0"))["compiles"] is False
