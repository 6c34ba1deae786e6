"""Every format tells the same figures, and nothing in the data can break out of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from hangprobe.ensemble.records import Unseen
from hangprobe.report.comparison import html, markdown
from hangprobe.report.comparison.build import compare
from hangprobe.report.comparison.document import document
from hangprobe.report.comparison.junit import junit
from hangprobe.report.comparison.values import COMPARISON, Comparison

from .campaigns import ALL, SCRIPT, Kept, as_shipped, flagship, hostile

GOLDEN = Path(__file__).parents[3] / "golden"
CAMPAIGNS = pytest.mark.parametrize("made", ALL.values(), ids=ALL.keys())


class Page(HTMLParser):
    """What a browser makes of a page: elements, and the text outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._raw = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw += tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._raw -= tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        self.text += "" if self._raw else data


def test_markdown_is_as_it_was() -> None:
    """tests/golden/comparison.md; to renew it after a change that is meant: write this page there."""
    assert markdown.page(compare(*flagship())) == (GOLDEN / "comparison.md").read_text()


@CAMPAIGNS
def test_summary_has_ten_lines_at_most(made: Callable[[], Kept]) -> None:
    assert len("\n".join(markdown.summary(compare(*made()))).split("\n")) <= 10


def test_nothing_in_markdown_is_markup_of_the_data() -> None:
    page = markdown.page(compare(*hostile()))
    outside = re.sub(r"(?ms)^(`{3,}).*?^\1", "", page)
    outside = re.sub(r"(?<!\\)`[^`\n]*`", "", outside)
    assert not re.search(r"(?<!\\)<", outside)
    assert "\x1b" not in outside


@CAMPAIGNS
def test_document_can_be_read_back(made: Callable[[], Kept]) -> None:
    comparison = compare(*made())
    assert msgspec.json.decode(document(comparison), type=Comparison) == comparison
    assert comparison.schema == COMPARISON


@CAMPAIGNS
def test_junit_counts_its_cases_and_is_well_formed(made: Callable[[], Kept]) -> None:
    campaign, trials = made()
    comparison = compare(campaign, trials)
    root = ElementTree.fromstring(junit(comparison, trials))
    assert root.tag == "testsuites"
    cases = root.findall("testsuite/testcase")
    assert len(cases) == len(comparison.cells)
    for suite in root:
        for name in ("failures", "errors", "skipped"):
            kind = {"failures": "failure", "errors": "error"}.get(name, name)
            assert suite.attrib[name] == str(len(suite.findall(f"testcase/{kind}")))
        assert suite.attrib["tests"] == str(len(suite.findall("testcase")))
        assert [each.tag for each in suite][:1] == ["properties"]


def test_junit_fails_for_hangs_and_errs_for_launchers() -> None:
    campaign, trials = as_shipped()
    root = ElementTree.fromstring(junit(compare(campaign, trials), trials))
    kinds = {
        (suite.attrib["name"], case.attrib["name"]): [each.tag for each in case if each.tag != "system-out"]
        for suite in root
        for case in suite.findall("testcase")
    }
    assert kinds["mpiexec", "stdin-child"] == ["failure"]
    assert kinds["gnu-parallel-repaired", "stdin-child"] == []
    assert kinds["gnu-parallel", "stdin-child"] == ["error"]
    assert kinds["mpiexec", "thread-lock"] == []  # it must hang


@CAMPAIGNS
def test_page_shows_the_figures_of_every_cell(made: Callable[[], Kept]) -> None:
    campaign, trials = made()
    comparison = compare(campaign, trials)
    page = Page(html.page(comparison, trials))
    shown: dict[tuple[str | None, str | None], list[tuple[str | None, str | None]]] = {}
    for tag, each in page.tags:
        if tag == "td" and "data-hung" in each:
            figures = (each["data-hung"], each["data-started"])
            shown.setdefault((each["data-launcher"], each["data-workload"]), []).append(figures)
    assert sum(map(len, shown.values())) == len(comparison.cells)
    for result in comparison.cells:
        assert (str(result.rate.hung), str(result.rate.started)) in shown[result.cell.launcher, result.cell.workload]


@CAMPAIGNS
def test_page_asks_nobody_for_anything(made: Callable[[], Kept]) -> None:
    campaign, trials = made()
    page = Page(html.page(compare(campaign, trials), trials))
    links = [each.get(name) for _, each in page.tags for name in ("src", "href") if each.get(name)]
    assert [each for each in links if each and not each.startswith(("#", "data:,"))] == []


def test_script_in_a_name_stays_text() -> None:
    campaign, trials = hostile()
    text = html.page(compare(campaign, trials), trials)
    page = Page(text)
    assert SCRIPT in page.text
    assert sum(tag == "script" for tag, _ in page.tags) == 3
    assert not any(tag == "img" for tag, _ in page.tags)
    figures = text.partition('id="figures">')[2].partition("</script>")[0]
    assert "<" not in figures
    msgspec.json.decode(figures)


def test_headings_descend_by_one_and_tables_have_captions() -> None:
    campaign, trials = flagship()
    page = Page(html.page(compare(campaign, trials), trials))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(later - sooner <= 1 for sooner, later in pairwise(levels))
    assert sum(tag == "table" for tag, _ in page.tags) == sum(tag == "caption" for tag, _ in page.tags)


def test_page_is_the_same_each_time() -> None:
    campaign, trials = flagship(3)
    comparison = compare(campaign, trials)
    assert html.page(comparison, trials) == html.page(comparison, trials)


@pytest.mark.parametrize("is_unseen", [False, True])
def test_what_trials_left_behind_and_who_could_not_be_looked_at_is_told(is_unseen: bool) -> None:
    campaign, trials = flagship()
    unseen = (Unseen("node03", "no ssh"),) if is_unseen else ()
    found = (*trials[:-1], trials[-1].but(unseen=unseen))
    comparison = compare(campaign, found)
    assert comparison.leftovers > 0
    for page in (markdown.page(comparison), Page(html.page(comparison, found)).text):
        assert "left behind" in page
        assert ("not looked at after trials" in page) is is_unseen
