"""The service as its clients meet it: OpenAI's own client, and those who mean no good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from serving_helpers import PATIENCE, Running, serving

from wav2vec2_tf import audio, subtitles
from wav2vec2_tf.files import BUNDLED_MODEL
from wav2vec2_tf.transcribe import Recognizer
from wav2vec2_tf.transcript import Transcript

CORPUS = Path(__file__).parent / "data" / "corpus"
FILES = sorted((CORPUS / "1003" / "1").glob("*.flac"))
FILE = FILES[12]


@pytest.fixture(scope="module")
def bundled() -> Recognizer:
    return Recognizer.load(BUNDLED_MODEL)


@pytest.fixture(scope="module")
def heard(bundled: Recognizer) -> Transcript:
    """What the model hears in `FILE`, alone."""
    return bundled.transcribe([audio.load(FILE)])[0]


@pytest.fixture(scope="module")
def server(bundled: Recognizer) -> Iterator[Running]:
    with serving(bundled) as running:
        yield running


def client(running: Running, key: str = "any", **options: object) -> openai.OpenAI:
    options = {"max_retries": 0, "timeout": PATIENCE, **options}
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key=key, **options)


def test_openai_formats(server: Running, heard: Transcript) -> None:
    seconds = len(audio.load(FILE)) / 16000
    with client(server) as openai_client:
        create = openai_client.audio.transcriptions.create
        assert create(model="bundled", file=FILE).text == heard.text
        written = {"text": "txt", "srt": "srt", "vtt": "vtt"}
        for form, name in written.items():
            found = create(model="bundled", file=FILE, response_format=form)
            assert found == subtitles.FORMATS[name]("", seconds, heard)
