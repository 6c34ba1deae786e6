"""The page in a real browser: quiet, self-contained, right, readable on a telephone and in the dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hangprobe.report.comparison import html
from hangprobe.report.comparison.build import compare
from tests.unit.report.comparison.campaigns import ALL, SCRIPT, flagship

from .chromium import browser, opened

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180, method="thread")]
UNDRAWN = ".plot:not(:has(.main-svg))"
READABLE = 4.5
"""Contrast of text, WCAG 2.2 criterion 1.4.3, level AA."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for name, made in ALL.items():
        campaign, trials = made()
        found[name] = folder / f"{name}.html"
        found[name].write_text(html.page(compare(campaign, trials), trials))
    return found


@pytest.fixture(scope="module")
def flagship_page(chromium: Any, pages: dict[str, Path]) -> Iterator[Any]:
    """Return the open page of the first campaign, for tests that only read it."""
    with opened(chromium, pages["flagship"]) as seen:
        yield seen.page


def luminance(colour: str) -> float:
    """Return the relative luminance of `rgb(r, g, b)`, as WCAG defines it."""
    parts = [int(each) / 255 for each in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ALL)
def test_page_is_quiet_and_asks_for_nothing(chromium: Any, pages: dict[str, Path], name: str) -> None:
    with opened(chromium, pages[name]) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        seen.page.wait_for_selector(UNDRAWN, state="detached")
        assert (seen.said, seen.asked) == ([], [])


def test_counts_on_the_page_are_those_of_the_data(flagship_page: Any) -> None:
    comparison = compare(*flagship())
    for each in comparison.cells:
        cell = flagship_page.locator(
            f'td[data-launcher="{each.cell.launcher}"][data-workload="{each.cell.workload}"] .figure'
        )
        assert cell.inner_text() == f"{each.rate.hung} of {each.rate.started} hung"
    assert flagship_page.locator("#pairs tbody tr").count() == len(comparison.pairs)
    assert flagship_page.locator("#ratios tbody tr").count() == len(comparison.ratios)
    answer = flagship_page.locator("h1").inner_text()
    assert re.sub(r"\s+", " ", answer) == comparison.answer.sentence.replace("`", "")


def test_figures_have_a_mark_for_each_completed_trial(flagship_page: Any) -> None:
    completed = sum(len(each.times) for each in compare(*flagship()).cells)
    plots = flagship_page.locator("#times ~ .plot")
    assert plots.count() == 3
    for number in range(3):
        marks = "(place) => place.data.filter((e) => e.showlegend !== false).reduce((n, e) => n + e.x.length, 0)"
        assert plots.nth(number).evaluate(marks) == completed
        assert plots.nth(number).locator("path.point").count() >= completed


@pytest.mark.parametrize("name", ["flagship", "many-cells", "hostile", "old-parsl"])
def test_page_never_scrolls_sideways(chromium: Any, pages: dict[str, Path], name: str) -> None:
    with opened(chromium, pages[name], width=400) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        for width in (400, 768):
            seen.page.set_viewport_size({"width": width, "height": 900})
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_mode_is_dark_and_both_are_readable(chromium: Any, pages: dict[str, Path]) -> None:
    texts = ("h1", ".lead", ".notes li", "td .small", ".is-hung .figure b", ".is-clear .figure b", "nav a", "caption")
    look = "(e) => getComputedStyle(e).color"
    papers = []
    for is_dark in (False, True):
        with opened(chromium, pages["flagship"], is_dark=is_dark) as seen:
            paper = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
            papers.append(luminance(paper))
            for text in texts:
                assert contrast(seen.page.locator(text).first.evaluate(look), paper) >= READABLE, text
            label = seen.page.locator(".plot .xtick text").first.evaluate("(e) => getComputedStyle(e).fill")
            assert contrast(label, paper) >= READABLE
    assert papers[0] > 0.8
    assert papers[1] < 0.05


def test_mode_that_changes_is_followed_by_the_figures(chromium: Any, pages: dict[str, Path]) -> None:
    from playwright.sync_api import expect

    ink = "(e) => getComputedStyle(e).fill"
    with opened(chromium, pages["flagship"]) as seen:
        before = seen.page.locator(".plot .xtick text").first.evaluate(ink)
        seen.page.emulate_media(color_scheme="dark")
        expect(seen.page.locator(".plot .xtick text").first).not_to_have_css("fill", before, timeout=20_000)
        assert luminance(seen.page.locator(".plot .xtick text").first.evaluate(ink)) > luminance(before)


def test_hostile_strings_stay_text(chromium: Any, pages: dict[str, Path]) -> None:
    with opened(chromium, pages["hostile"]) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        seen.page.wait_for_selector(UNDRAWN, state="detached")
        assert seen.page.title() == f"{SCRIPT}: launchers compared"
        assert SCRIPT in seen.page.locator("#failures ~ pre").first.inner_text()
        assert seen.page.locator("main img, main a[href^=javascript]").count() == 0
        labels = seen.page.locator(".plot .ytick text").all_text_contents()
        assert any(SCRIPT in each for each in labels)
        assert seen.page.locator(".plot script").count() == 0


def test_what_the_mouse_shows_is_text(chromium: Any, pages: dict[str, Path]) -> None:
    with opened(chromium, pages["hostile"]) as seen:
        bar = seen.page.locator("#timeline ~ details .plot .barlayer .trace:last-child .point").first
        bar.scroll_into_view_if_needed()
        bar.hover(force=True)
        seen.page.wait_for_selector(".hoverlayer .hovertext text")
        shown = "".join(seen.page.locator(".hoverlayer .hovertext text").all_text_contents())
        assert "on n1<script>" in shown


def test_sections_can_be_reached_by_keyboard(flagship_page: Any) -> None:
    flagship_page.keyboard.press("Tab")
    assert flagship_page.evaluate("document.activeElement.getAttribute('href')") == "#hung"
    targets = flagship_page.locator("nav a").evaluate_all("(all) => all.map((e) => e.getAttribute('href'))")
    assert [each for each in targets if not flagship_page.locator(each).count()] == []
