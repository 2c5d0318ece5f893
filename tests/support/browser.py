"""Chromium, with a microphone that plays a file, before the page of a server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.paths import CORPUS
from tests.support.server import PATIENCE

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FILE = CORPUS / "1003" / "1" / "1003-1-0012.flac"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 640}
AXE = {"bypass_csp": True}  # it measures with styles that the page's own policy forbids


def executable() -> str:
    """The path of a Chromium; skips the test where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip("needs Chromium: apt install chromium")


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Its microphone hears `FILE` over and over."""
    program = executable()
    heard = folder / "microphone.wav"  # the one format that Chromium takes
    soundfile.write(heard, *soundfile.read(FILE))
    arguments = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={heard}",
        "--no-sandbox",  # which root, in a container, has not
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=[*arguments], timeout=1000 * PATIENCE
        )
        yield browser
        browser.close()


@contextmanager
def page_of(
    browser: Browser, url: str, prepare: Callable[[Page], object] | None = None, **options: Any
) -> Iterator[Page]:
    """The page of a server, as one who was never there sees it; `prepare` comes before it loads.

    It asks nobody but its server for anything, breaks no rule of its own, and raises no error.
    """
    context = browser.new_context(**{"viewport": DESKTOP, **options})
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    if prepare is not None:
        prepare(page)
    page.goto(url)
    page.get_by_role("heading", name="Speech to text").wait_for()
    yield page
    context.close()
    elsewhere = [each for each in asked if not each.startswith((url, "data:", "blob:"))]
    errors = [each for each in said if not each.startswith("Failed to load resource")]
    assert not elsewhere and not errors, (elsewhere, errors)


def choose(page: Page, *files: Any) -> None:
    """A path, or a name with its type and bytes."""
    page.locator("input[type=file]:enabled").set_input_files(*files)


def words(page: Page) -> list[str]:
    """Of the transcript, when it is there."""
    page.locator("button.word").first.wait_for()
    return page.locator("button.word .text").all_inner_texts()


def wider_than_the_window(page: Page) -> float:
    """Pixels that one would have to scroll sideways for."""
    script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    excess: float = page.evaluate(script)
    return excess


def violations(page: Page) -> list[str]:
    """What axe-core finds, of WCAG and of good practice."""
    return [
        f"{each['id']}: {each['nodes'][0]['html']}"
        for each in Axe().run(page).response["violations"]
    ]
