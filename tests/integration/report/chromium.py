"""The system's Chromium without a window, for pages in files; whatever else a page asks for is refused and kept.

Wait by selectors, not by `wait_for_function`: that evaluates strings in the page, which the page's policy forbids.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(slots=True)
class Seen:
    """A page, and what went on while it was open."""

    page: Any
    said: list[str] = field(default_factory=list)
    """Errors and warnings of its console."""
    asked: list[str] = field(default_factory=list)
    """Everything that it asked for beside itself."""


@contextmanager
def browser() -> Iterator[Any]:
    """Yield a browser; it has ended when this is left. Fails if there is none: scripts/browser brings it."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, NAMES)), None)
    assert path is not None, "no Chromium on PATH: scripts/browser installs it"
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as running:
        found = running.chromium.launch(executable_path=path, args=options)
        try:
            yield found
        finally:
            found.close()


@contextmanager
def opened(found: Any, file: Path, *, width: int = 1280, is_dark: bool = False) -> Iterator[Seen]:
    """Yield a page that has drawn its figures."""
    context = found.new_context(viewport={"width": width, "height": 900}, color_scheme="dark" if is_dark else "light")
    seen = Seen(context.new_page())
    seen.page.on("console", lambda message: seen.said.append(message.text))
    seen.page.on("pageerror", lambda error: seen.said.append(str(error)))

    def look(route: Any) -> None:
        if route.request.url == file.as_uri():
            route.continue_()
        else:
            seen.asked.append(route.request.url)
            route.abort()

    context.route("**/*", look)
    try:
        seen.page.goto(file.as_uri())
        seen.page.wait_for_selector("html[data-drawn]", timeout=60_000)
        yield seen
    finally:
        context.close()
