"""Makes the pictures of docs/page.md: `python -m tests.tools.page_pictures docs`."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.support.browser import PHONE, choose, chromium, page_of, words
from tests.support.paths import CORPUS
from tests.support.server import PATIENCE, serving
from wav2vec2_tf.serving.options import ServeOptions

SPEECH = CORPUS / "1001" / "1" / "1001-1-0023.flac"
SMALL = {"width": 800, "height": 560}
TEXT = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no audio"}


def main(folder: Path) -> None:
    """Writes the pictures into a folder."""
    with (
        tempfile.TemporaryDirectory() as microphone,
        serving(options=ServeOptions(ui=True)) as server,
        chromium(Path(microphone)) as browser,
    ):

        @contextmanager
        def picture(name: str, **options: Any) -> Iterator[Page]:
            with page_of(browser, server.url, **options) as page:
                page.locator(".record:not([disabled])").wait_for()
                yield page
                page.screenshot(path=folder / f"page-{name}.png", animations="disabled")

        expect.set_options(timeout=1000 * PATIENCE)
        with picture("words", viewport={"width": 1280, "height": 720}) as page:
            play(page)
        with picture("phone", viewport=PHONE, color_scheme="dark") as page:
            play(page)
            page.evaluate("document.querySelector('#words-heading').scrollIntoView()")
        with picture("recording", viewport=SMALL) as page:
            page.get_by_role("button", name="Record").click()
            expect(page.locator(".partial")).to_have_text(
                re.compile("^(?!Speak:|Words appear).{10}")
            )
        with picture("problem", viewport=SMALL) as page:
            choose(page, TEXT)
            page.locator("wa-callout").wait_for()


def play(page: Page) -> None:
    """Plays until a word in the middle is highlighted."""
    choose(page, SPEECH)
    words(page)
    page.locator("button.word").nth(5).click()
    page.locator("button.word[aria-current]").wait_for()
    page.get_by_role("button", name="Pause").click()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
