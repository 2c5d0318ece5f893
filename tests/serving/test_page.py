"""The page of `serve --ui`, in Chromium."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import (
    AXE,
    FILE,
    PHONE,
    choose,
    chromium,
    page_of,
    violations,
    wider_than_the_window,
    words,
)
from tests.support.paths import ROOT
from tests.support.server import PATIENCE, Running, serving
from wav2vec2_tf import audio
from wav2vec2_tf.serving.models import SpeechModel
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.serving.page import PAGE
from wav2vec2_tf.text import subtitles
from wav2vec2_tf.text.transcript import Transcript, Word
from wav2vec2_tf.transcription.recognizer import Recognizer

SOURCES = ROOT / "page"
MAX_BYTES = 4_000_000
MAX_SECONDS = 60.0
KEY = "a right key"

expect.set_options(timeout=1000 * PATIENCE)


def in_chromium(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test in Chromium: slow, and in one process with the others."""
    return pytest.mark.slow(pytest.mark.xdist_group("page")(test))


def one_word(log_probabilities: np.ndarray, seconds_per_frame: float) -> Transcript:
    """A decoder whose transcript is always the same."""
    return Transcript("otherwise", (Word("otherwise", 0.5, 1.0, 0.3),))


@pytest.fixture(scope="module")
def expected(bundled_recognizer: Recognizer) -> Transcript:
    """The transcript of `FILE`."""
    return bundled_recognizer.transcribe([audio.load(FILE)])[0]


@pytest.fixture(scope="module")
def server(bundled_recognizer: Recognizer) -> Iterator[Running]:
    models = [
        SpeechModel("bundled", {None: bundled_recognizer}),
        SpeechModel("other", {None: replace(bundled_recognizer, decoder=one_word)}),
    ]
    options = ServeOptions(ui=True, max_megabytes=MAX_BYTES / 1e6, max_seconds=MAX_SECONDS)
    with serving(options=options, models=models) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("microphone")) as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: Running) -> Iterator[Page]:
    with page_of(browser, server.url) as page:
        yield page


def problem(page: Page) -> str:
    """Waits for a problem and returns its message."""
    callout = page.get_by_role("alert").locator("wa-callout")
    callout.wait_for()
    return callout.inner_text()


def focused(page: Page) -> str:
    """Returns the name of the control that has the focus."""
    name: str = page.evaluate(
        """() => {
        const control = document.activeElement;
        return control.ariaLabel ?? control.label ?? control.labels?.[0]?.innerText
            ?? (control.innerText.trim() || control.querySelector("wa-icon").label);
    }"""
    )
    return name.strip()


# The bundle


def test_the_bundle_is_built_from_these_sources() -> None:
    """`make page` builds it again; npm is not needed here."""
    made_from = [SOURCES / name for name in ("build.mjs", "package-lock.json", "package.json")]
    made_from += [SOURCES / "tsconfig.json", *(SOURCES / "src").iterdir()]
    digest = hashlib.sha256()
    for path in sorted(made_from, key=lambda path: path.relative_to(SOURCES).as_posix()):
        name = path.relative_to(SOURCES).as_posix()
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    assert (PAGE / "sources.sha256").read_text().strip() == digest.hexdigest(), "make page"


def test_the_bundle_is_small_and_licensed() -> None:
    assert sum(path.stat().st_size for path in PAGE.iterdir()) < 1_500_000
    licences = (PAGE / "LICENSES.txt").read_text()
    for package in ("@awesome.me/webawesome", "bootstrap-icons", "lit", "wavesurfer.js"):
        assert re.search(rf"^{re.escape(package)} [\d.]+ \((MIT|BSD-3-Clause)\)$", licences, re.M)


def test_how_the_page_is_served(server: Running) -> None:
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        first, second = client.get("/"), client.get("/")
        nonces = []
        for answer in (first, second):
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-" in policy
            assert "unsafe" not in policy
            (nonce,) = re.findall("'nonce-([^']+)'", policy)
            assert f'nonce="{nonce}"' in answer.text
            assert answer.headers["cache-control"] == "no-store"
            nonces.append(nonce)
        assert nonces[0] != nonces[1]
        script = client.get("/page/page.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert script.headers["cache-control"] == "no-cache"
        again = client.get("/page/page.js", headers={"If-None-Match": script.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        for name in ("none.js", "../ui.py", "%2e%2e%2fui.py", "/etc/passwd"):
            assert client.get(f"/page/{name}").status_code == 404


# A recording and its words


@in_chromium
def test_a_file_and_its_words(page: Page, expected: Transcript) -> None:
    expect(page.get_by_role("heading", name="Transcript")).to_be_hidden()
    choose(page, FILE)
    assert words(page) == [word.text for word in expected.words]
    shown = page.locator("button.word .confidence").all_inner_texts()
    assert shown == [f"{100 * word.confidence + 1e-9:.0f} %" for word in expected.words]
    expect(page.get_by_role("status")).to_have_text(f"Done: {len(expected.words)} words.")
    expect(page.get_by_role("slider", name="Position")).to_have_attribute(
        "aria-valuetext", re.compile("^0:00 of 0:0")
    )
    page.get_by_role("switch", name="Confidences").press("Space")
    expect(page.locator("button.word .confidence").first).to_be_hidden()


@in_chromium
def test_words_play_and_are_lit(page: Page, expected: Transcript) -> None:
    """Words play by mouse and keyboard; the current one is marked, also in the waveform."""
    choose(page, FILE)
    words(page)
    expect(page.get_by_role("button", name="Play")).to_be_enabled()
    page.evaluate(
        """() => {
        window.lit = [];
        const note = ({ target }) =>
            target.matches("[aria-current]") && lit.push(target.querySelector(".text").innerText);
        new MutationObserver((changes) => changes.forEach(note))
            .observe(document.querySelector("speech-words"),
                     { subtree: true, attributeFilter: ["aria-current"] });
    }"""
    )

    def first_lit() -> str:
        while not page.evaluate("lit.length"):
            page.wait_for_timeout(100)
        expect(page.get_by_role("button", name="Play")).to_be_visible()  # playback has ended
        text: str = page.evaluate("lit.splice(0)[0]")
        return text

    page.locator("button.word").nth(2).click()
    assert first_lit() == expected.words[2].text

    page.locator("button.word").nth(2).press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("End")
    assert page.locator("button.word:focus .text").inner_text() == expected.words[-1].text
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert first_lit() == expected.words[1].text
    tab_stops = page.locator("button.word[tabindex='0']")
    expect(tab_stops).to_have_count(1)
    expect(tab_stops).to_contain_text(expected.words[1].text)

    middle = (expected.words[4].start + expected.words[4].end) / 2
    page.get_by_role("slider", name="Position").fill(f"{middle:.1f}")
    expect(page.locator(".picture [part~=region]")).to_have_text(expected.words[4].text)
    assert first_lit() == expected.words[4].text


@in_chromium
def test_downloads(page: Page, expected: Transcript) -> None:
    """Downloads equal the files that the command line writes."""
    choose(page, FILE)
    words(page)
    seconds = len(audio.load(FILE)) / 16000
    for ending in ("srt", "vtt", "txt", "json"):
        with page.expect_download() as download:
            page.get_by_role("button", name=ending.upper()).click()
        assert download.value.suggested_filename == f"{FILE.stem}.{ending}"
        content = Path(download.value.path()).read_text()
        if ending == "json":
            found = json.loads(content)["words"]
            assert [(word["word"], word["start"], word["end"]) for word in found] == [
                (word.text, word.start, word.end) for word in expected.words
            ]
        else:
            assert content == subtitles.FORMATS[ending]("", seconds, expected)


@in_chromium
def test_a_dropped_file(page: Page, expected: Transcript) -> None:
    script = """async ([name, bytes]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], name));
        for (const type of ["dragover", "drop"]) document.querySelector(".entry").dispatchEvent(
            new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }"""
    expect(page.get_by_role("button", name="Record")).to_be_enabled()
    page.evaluate(script, [FILE.name, list(FILE.read_bytes())])
    assert words(page) == [word.text for word in expected.words]


@in_chromium
def test_model_and_decoding(page: Page) -> None:
    """The choice is used, and restored at the next visit."""
    choose(page, FILE)
    assert words(page) != ["otherwise"]
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="other").click()
    expect(page.get_by_role("combobox", name="Decoding")).to_have_value("lm")  # its usual one
    page.get_by_role("button", name="Transcribe again").click()
    expect(page.locator("button.word .text")).to_have_text(["otherwise"])
    expect(page.locator("button.word.unsure")).to_have_count(1)  # of 0.3
    page.reload()
    expect(page.get_by_role("combobox", name="Model")).to_have_value("other")
    expect(page.get_by_role("combobox", name="Decoding")).to_have_value("lm")
    page.get_by_role("combobox", name="Decoding").click()
    page.get_by_role("option", name="greedy").click()
    choose(page, FILE)
    assert len(words(page)) > 1


@in_chromium
def test_recording(page: Page, expected: Transcript) -> None:
    """Words appear while one speaks; the result is that of the whole recording as a file."""
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("status")).to_have_text("Recording.")
    assert focused(page) == "Stop"
    known = "|".join({word.text for word in expected.words})
    expect(page.locator(".partial")).to_have_text(re.compile(rf"\b({known})\b"))
    page.get_by_role("button", name="Stop").click()
    streamed = words(page)
    assert set(streamed) & {word.text for word in expected.words}
    with page.expect_response("**/v1/audio/transcriptions"):
        page.get_by_role("button", name="Transcribe again").click()
    expect(page.get_by_role("status")).to_have_text(re.compile("^Done"))
    assert words(page) == streamed


@in_chromium
def test_recording_where_no_stream_passes(browser: Browser, server: Running) -> None:
    """Without WebSockets, as behind some proxies, the recording is sent as a file at the end."""

    def prepare(page: Page) -> None:
        page.route_web_socket(re.compile("v1/audio/stream"), lambda socket: socket.close())

    with page_of(browser, server.url, prepare) as page:
        page.get_by_role("button", name="Record").click()
        expect(page.locator(".partial")).to_have_text(re.compile("^Words appear when you stop"))
        expect(page.locator(".recording .time")).to_have_text(re.compile("^0:(0[2-9]|[1-9])"))
        page.get_by_role("button", name="Stop").click()
        assert words(page)


def offering(**limits: float) -> Callable[[Page], None]:
    """A server that reports other limits than it has."""

    def answer(route: Route) -> None:
        answered = route.fetch()
        route.fulfill(response=answered, json=answered.json() | limits)

    return lambda page: page.route("**/v1/models", answer)


@in_chromium
def test_a_recording_ends_where_the_server_takes_no_more(browser: Browser, server: Running) -> None:
    with page_of(browser, server.url, offering(max_seconds=2)) as page:
        page.get_by_role("button", name="Record").click()
        expect(page.locator(".recording .time")).to_contain_text("of 0:02 at most")
        words(page)


@in_chromium
def test_discarding_a_recording(page: Page) -> None:
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("status")).to_have_text("Discarded.")
    expect(page.get_by_role("button", name="Record")).to_be_focused()


# Problems


@in_chromium
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"no audio at all", "This is not a recording that the server can read."),
        ("empty.wav", b"", "This file is empty."),
        ("large.wav", bytes(MAX_BYTES + 1), "This file is too large."),
    ],
)
def test_files_that_are_rejected(page: Page, name: str, content: bytes, message: str) -> None:
    choose(page, {"name": name, "mimeType": "audio/wav", "buffer": content})
    assert problem(page).startswith(message)
    expect(page.get_by_role("heading", name="Transcript")).to_be_hidden()
    choose(page, FILE)  # the next file is accepted
    assert words(page)
    expect(page.locator("wa-callout")).to_have_count(0)


@in_chromium
def test_a_file_that_the_server_finds_too_large(browser: Browser, server: Running) -> None:
    with page_of(browser, server.url, offering(max_bytes=1e9)) as page:
        large = {"name": "large.wav", "mimeType": "audio/wav", "buffer": bytes(MAX_BYTES + 1)}
        choose(page, large)
        found = problem(page)
        assert found.startswith("This file is too large.")
        assert "4 MB" in found  # the server's limit


@in_chromium
def test_a_file_that_is_too_long(page: Page, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.flac", np.zeros(16000 * 61), 16000)
    choose(page, tmp_path / "long.flac")
    found = problem(page)
    assert found.startswith("This recording is too long.")
    assert "60 s" in found  # the server's limit


@in_chromium
def test_a_file_that_the_browser_cannot_play(page: Page, tmp_path: Path) -> None:
    """Its words are shown nevertheless."""
    soundfile.write(tmp_path / "speech.au", *soundfile.read(FILE))
    choose(page, tmp_path / "speech.au")
    assert words(page)
    expect(page.locator("speech-waveform .note")).to_contain_text("cannot draw or play")


@in_chromium
def test_a_server_that_does_not_answer(page: Page) -> None:
    expect(page.get_by_role("button", name="Record")).to_be_enabled()
    page.context.set_offline(True)
    choose(page, FILE)
    assert problem(page).startswith("The server does not answer.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    assert words(page)


@in_chromium
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (429, "The server has too much to do."),
        (500, "The server could not do this."),
        (503, "The server is stopping."),
        (504, "The server took too long."),
    ],
)
def test_a_server_in_trouble(page: Page, status: int, message: str) -> None:
    """Covers answers of something else, such as a proxy's HTML page."""
    page.route("**/v1/audio/transcriptions", lambda route: route.fulfill(status=status, body="<p>"))
    choose(page, FILE)
    assert problem(page).startswith(message)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


@in_chromium
def test_cancelling(page: Page) -> None:
    page.route("**/v1/audio/transcriptions", lambda route: None)  # no answer
    choose(page, FILE)
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Cancelled.")
    expect(page.locator("wa-callout")).to_have_count(0)


def denies(name: str) -> Callable[[Page], None]:
    """A browser that denies the microphone, with the error of this name."""
    script = (
        "navigator.mediaDevices.getUserMedia = () =>"
        f" Promise.reject(new DOMException('none', '{name}'))"
    )
    return lambda page: page.add_init_script(script)


def no_media(page: Page) -> None:
    """Removes the media devices, as over plain HTTP from another machine."""
    page.add_init_script("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")


def muted_microphone(page: Page) -> None:
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () =>"
        " new AudioContext().createMediaStreamDestination().stream"
    )


def dead_microphone(page: Page) -> None:
    """A microphone that sends no samples."""
    page.add_init_script(
        "window.AudioContext = class extends AudioContext {"
        " constructor(options) { super(options); this.suspend(); } }"
    )


@in_chromium
@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (denies("NotAllowedError"), "This page may not use the microphone."),
        (denies("NotFoundError"), "No microphone was found."),
        (no_media, "The browser does not let this page use a microphone."),
        (muted_microphone, "The recording is silent."),
        (dead_microphone, "Nothing was recorded."),
    ],
)
def test_microphones(
    browser: Browser, server: Running, prepare: Callable[[Page], None], message: str
) -> None:
    with page_of(browser, server.url, prepare) as page:
        page.get_by_role("button", name="Record").click()
        if prepare is muted_microphone:
            expect(page.locator(".recording .time")).not_to_contain_text("0:00 of")
        if prepare in (muted_microphone, dead_microphone):
            page.get_by_role("button", name="Stop").click()
        assert problem(page).startswith(message)
        expect(page.get_by_role("button", name="Record")).to_be_enabled()


@in_chromium
def test_keys(browser: Browser, bundled_recognizer: Recognizer) -> None:
    """The page asks for a key until one is valid, and again when it is no longer accepted."""
    options = ServeOptions(ui=True, api_keys=(KEY,))
    with (
        serving(bundled_recognizer, options) as server,
        page_of(browser, server.url) as page,
    ):
        alert = page.locator("speech-key").get_by_role("alert")
        dialog, field = page.get_by_role("dialog"), page.get_by_label("Key", exact=True)
        expect(dialog).to_be_visible()
        expect(field).to_be_focused()
        field.press("Enter")
        expect(alert).to_have_text("Enter a key first.")
        field.fill("a wrong key")
        field.press("Enter")
        expect(alert).to_have_text("The server rejects this key.")
        expect(field).to_be_focused()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        assert problem(page).startswith("The server requires an API key.")
        expect(page.get_by_role("button", name="Record")).to_be_disabled()

        page.get_by_role("button", name="Enter a key").click()
        field.fill(KEY)
        field.press("Enter")
        expect(dialog).to_be_hidden()
        expect(page.locator("wa-callout")).to_have_count(0)
        page.get_by_role("button", name="Record").click()
        expect(page.locator(".partial")).not_to_have_text(re.compile("^Speak"))
        page.get_by_role("button", name="Stop").click()
        assert words(page)

        page.evaluate("sessionStorage.setItem('wav2vec2-tf key', 'taken back')")
        choose(page, FILE)
        expect(dialog).to_be_visible()
        page.evaluate(  # a dialog that opens while the last one closes
            "document.querySelector('wa-dialog').open = false;"
            "document.querySelector('header wa-button').click()"
        )
        page.evaluate(
            "new Promise(done => document.querySelector('wa-dialog')"
            ".addEventListener('wa-after-show', done, { once: true }))"
        )
        expect(dialog).to_be_visible()
        field.fill(KEY)
        field.press("Enter")
        assert words(page)  # of the file that waited for the key


# Accessibility


@in_chromium
def test_the_keyboard_reaches_all(page: Page) -> None:
    choose(page, FILE)
    words(page)
    page.get_by_role("heading", name="Speech to text").click()  # Tab continues from here
    reached = []
    while len(reached) < 20:
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break  # past the end
        name = focused(page)
        ring = page.evaluate(
            """() => {
            let control = document.activeElement;
            while (control.shadowRoot?.activeElement) control = control.shadowRoot.activeElement;
            const seen = [control, control.closest("label"), control.closest("[part=combobox]")];
            return seen.some((each) => each && getComputedStyle(each).outlineStyle !== "none");
        }"""
        )
        assert ring, name
        reached.append(name)
    first_word = page.locator("button.word").first.inner_text().strip()
    wanted = ["API key", "Record", "Choose a file", "Model", "Decoding", "Transcribe again"]
    wanted += ["Play", "Position", first_word, "Confidences", "SRT", "VTT", "TXT", "JSON"]
    assert reached == wanted


@in_chromium
@pytest.mark.parametrize(
    "options",
    [{"color_scheme": "light"}, {"color_scheme": "dark", "viewport": PHONE}],
    ids=["light desktop", "dark phone"],
)
def test_accessible_at_any_width(
    browser: Browser, server: Running, options: dict[str, Any]
) -> None:
    """tests/full_size has more widths."""
    with page_of(browser, server.url, **AXE, **options) as page:
        expect(page.get_by_role("button", name="Record")).to_be_enabled()
        choose(page, {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no audio"})
        problem(page)
        assert violations(page) == []
        assert wider_than_the_window(page) == 0
        choose(page, FILE)
        words(page)
        page.locator("button.word").nth(1).click()
        assert violations(page) == []
        assert wider_than_the_window(page) == 0
        page.get_by_role("button", name="API key").click()
        page.get_by_role("dialog").wait_for()
        assert violations(page) == []


@in_chromium
def test_reduced_motion(browser: Browser, server: Running) -> None:
    with page_of(browser, server.url, reduced_motion="reduce") as page:
        moving = """() => [...document.querySelectorAll("*")].filter((each) => {
            const { transitionDuration, animationDuration } = getComputedStyle(each);
            return parseFloat(transitionDuration) || parseFloat(animationDuration);
        }).length"""
        assert page.evaluate(moving) == 0
