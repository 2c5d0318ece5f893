"""Chromium with a microphone that plays a file, to test the page of a server."""

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
AXE = {
    "bypass_csp": True,  # axe-core adds styles that the page's own policy forbids
    "reduced_motion": "reduce",  # a dialog that fades in has too little contrast meanwhile
}


def executable() -> str:
    """Returns the path of Chromium; skips the test if it is not installed."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip("needs Chromium: apt install chromium")


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Starts Chromium with a microphone that plays `FILE` over and over."""
    program = executable()
    microphone = folder / "microphone.wav"  # the one format that Chromium takes
    soundfile.write(microphone, *soundfile.read(FILE))
    arguments = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
        "--no-sandbox",  # it does not work for root in a container
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
    """Opens the page of a server for the first time; `prepare` is called before it loads.

    Afterwards, asserts that it sent requests to its server only, broke no rule of its content
    security policy, and raised no error.
    """
    context = browser.new_context(**{"viewport": DESKTOP, **options})
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    requested: list[str] = []
    logged: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: logged.append(message.text))
    page.on("pageerror", lambda error: logged.append(str(error)))
    if prepare is not None:
        prepare(page)
    page.goto(url)
    page.get_by_role("heading", name="Speech to text").wait_for()
    yield page
    context.close()
    elsewhere = [each for each in requested if not each.startswith((url, "data:", "blob:"))]
    errors = [each for each in logged if not each.startswith("Failed to load resource")]
    assert not elsewhere and not errors, (elsewhere, errors)


def choose(page: Page, *files: Any) -> None:
    """Chooses files: paths, or dicts of name, type and bytes."""
    page.locator("input[type=file]:enabled").set_input_files(*files)


def words(page: Page) -> list[str]:
    """Waits for the transcript and returns its words."""
    page.locator("button.word").first.wait_for()
    return page.locator("button.word .text").all_inner_texts()


def wider_than_the_window(page: Page) -> float:
    """Returns the number of pixels by which the page scrolls sideways."""
    script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    excess: float = page.evaluate(script)
    return excess


ANIMATIONS_END = """() => Promise.allSettled(document.getAnimations()
    .filter((each) => each.effect.getComputedTiming().endTime !== Infinity)
    .map((each) => each.finished))"""


def violations(page: Page) -> list[str]:
    """Returns the violations of WCAG and best practices that axe-core finds after animations.

    A dialog has too little contrast while it fades in.
    """
    page.evaluate(ANIMATIONS_END)
    return [
        f"{each['id']}: {each['nodes'][0]['html']}"
        for each in Axe().run(page).response["violations"]
    ]
