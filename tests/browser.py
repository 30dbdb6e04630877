"""Debian's own Chromium for tests of pages; a module that imports this is skipped where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None and "CI" in os.environ:
    raise RuntimeError("CI installs chromium: without it, nobody sees the pages")
if CHROMIUM is None:
    pytest.skip("chromium is not on this machine", allow_module_level=True)
if find_spec("playwright") or ("CI" in os.environ and "EDOC_TEST_LOWEST" not in os.environ):
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import expect, sync_playwright
else:
    pytest.skip("playwright (extra dev) is not installed", allow_module_level=True)

TIMEOUT = 20_000  # milliseconds
expect.set_options(timeout=TIMEOUT)

# Colours that are still on their way are no colours of ours: what moves for ever apart, movements are waited for.
FINISH = """Promise.allSettled(document.getAnimations()
    .filter((one) => one.effect.getComputedTiming().endTime !== Infinity)
    .map((one) => one.finished)).then(() => null)"""

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

__all__ = ["expect", "find_barriers", "launch", "open_context"]

# A sandbox of its own is nothing for root; the rest keeps the browser from asking its maker for anything.
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def launch() -> Iterator[Browser]:
    """Launch the browser during a block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def open_context(browser: Browser, complaints: list[str]) -> Iterator[BrowserContext]:
    """Open what one reader has, with nothing chosen yet; errors and warnings of the console are noted."""

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    with browser.new_context(viewport={"width": 1280, "height": 900}, locale="vi-VN") as context:
        context.set_default_timeout(TIMEOUT)
        context.on("console", note)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        yield context


def find_barriers(page: Page) -> list[tuple[str, str]]:
    """What axe finds on a page that is serious: the rule, and the first element that breaks it."""
    page.evaluate(FINISH)
    found = Axe().run(page).response["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
