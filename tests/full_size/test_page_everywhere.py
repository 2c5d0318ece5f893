"""The page at every usual width, in both themes and in each of its states."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page

from tests.support.browser import (
    AXE,
    FILE,
    choose,
    chromium,
    page_of,
    violations,
    wider_than_the_window,
    words,
)
from tests.support.server import Running, serving
from wav2vec2_tf.serving.options import ServeOptions

pytestmark = pytest.mark.full_size


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(options=ServeOptions(ui=True)) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("microphone")) as running:
        yield running


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two and a half minutes of speech: waveform and words are longer than any window."""
    path = tmp_path_factory.mktemp("speech") / "minutes.flac"
    samples, rate = soundfile.read(FILE)
    soundfile.write(path, np.tile(samples, 150 * rate // len(samples)), rate)
    return path


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 768, 1024, 1280, 1920])
def test_accessible_everywhere(
    browser: Browser, server: Running, minutes: Path, width: int, theme: str
) -> None:
    def fits(page: Page) -> None:
        assert violations(page) == []
        assert wider_than_the_window(page) == 0

    viewport = {"width": width, "height": 640}
    with page_of(browser, server.url, **AXE, viewport=viewport, color_scheme=theme) as page:
        page.locator(".record:not([disabled])").wait_for()
        fits(page)
        page.get_by_role("button", name="Record").click()
        page.get_by_role("button", name="Stop").wait_for()
        fits(page)
        page.get_by_role("button", name="Discard").click()
        choose(page, {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no audio"})
        page.locator("wa-callout").wait_for()
        fits(page)
        choose(page, minutes)
        words(page)
        page.locator("button.word").last.click()
        page.locator("button.word[aria-current]").wait_for()
        fits(page)
        page.get_by_role("button", name="API key").click()
        page.get_by_role("dialog").wait_for()
        fits(page)
