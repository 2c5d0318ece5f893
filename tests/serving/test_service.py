"""The server with OpenAI's client, and with clients that send invalid requests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
import soundfile
from websockets.sync.client import connect

from tests.support.paths import CORPUS
from tests.support.server import PATIENCE, Running, serving, wait_until
from wav2vec2_tf import audio
from wav2vec2_tf import serving as package
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.serving import http_connection, scheduler
from wav2vec2_tf.serving.api_keys import ApiKeys
from wav2vec2_tf.serving.errors import RequestError
from wav2vec2_tf.serving.models import SpeechModel
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.text import subtitles
from wav2vec2_tf.text.transcript import Transcript
from wav2vec2_tf.transcription import long_form
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.utils.errors import UserError

FILES = sorted((CORPUS / "1003" / "1").glob("*.flac"))
FILE = FILES[12]


@pytest.fixture(scope="module")
def expected(bundled_recognizer: Recognizer) -> Transcript:
    """The transcript of `FILE`, computed alone."""
    return bundled_recognizer.transcribe([audio.load(FILE)])[0]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 40 s: four windows."""
    speech = np.concatenate([audio.load(file) for file in FILES])[: 40 * 16000]
    assert len(speech) == 40 * 16000
    path = tmp_path_factory.mktemp("long") / "long.wav"
    soundfile.write(path, speech, 16000)
    return path


@pytest.fixture(scope="module")
def server(bundled_recognizer: Recognizer) -> Iterator[Running]:
    with serving(bundled_recognizer) as running:
        yield running


def client(running: Running, key: str = "any", **options: object) -> openai.OpenAI:
    options = {"max_retries": 0, "timeout": PATIENCE, **options}
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key=key, **options)


def test_openai_formats(server: Running, expected: Transcript) -> None:
    seconds = len(audio.load(FILE)) / 16000
    with client(server) as openai_client:
        create = openai_client.audio.transcriptions.create
        assert create(model="bundled", file=FILE).text == expected.text
        written = {"text": "txt", "srt": "srt", "vtt": "vtt"}
        for form, name in written.items():
            found = create(model="bundled", file=FILE, response_format=form)
            assert found == subtitles.FORMATS[name]("", seconds, expected)


def test_openai_verbose_json(server: Running, expected: Transcript) -> None:
    with client(server) as openai_client:
        found = openai_client.audio.transcriptions.create(
            model="bundled",
            file=FILE,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
            temperature=0,
            prompt="without effect",
        )
        assert found.text == expected.text
        assert found.duration == len(audio.load(FILE)) / 16000
        words = [(word.word, word.start, word.end) for word in found.words or []]
        assert words == [(word.text, word.start, word.end) for word in expected.words]
        for word, alone in zip(found.words or [], expected.words, strict=True):
            assert word.confidence == pytest.approx(alone.confidence, abs=1e-4)
        segments = found.segments or []
        assert " ".join(segment.text for segment in segments) == expected.text
        assert [segment.id for segment in segments] == list(range(len(segments)))
        cues = subtitles.cues(expected.words, found.duration)
        assert [(segment.start, segment.end) for segment in segments] == [
            (cue.start, cue.end) for cue in cues
        ]
        for segment in segments:
            assert 0 <= segment.start < segment.end <= found.duration
            assert segment.avg_logprob <= 0
            assert segment.compression_ratio > 0
        only_segments = openai_client.audio.transcriptions.create(
            model="bundled", file=FILE, response_format="verbose_json"
        )
        assert only_segments.words is None
        assert only_segments.segments


def test_a_long_recording_has_segments_as_its_subtitles(
    server: Running, bundled_recognizer: Recognizer, long: Path
) -> None:
    alone = long_form.transcribe(bundled_recognizer, long)
    with client(server) as openai_client:
        found = openai_client.audio.transcriptions.create(
            model="bundled", file=long, response_format="verbose_json"
        )
    assert found.text == alone.text
    cues = subtitles.cues(alone.words, found.duration)
    segments = [(segment.start, segment.end) for segment in found.segments or []]
    assert segments == [(cue.start, cue.end) for cue in cues]
    assert len(cues) > 3


def test_openai_models(server: Running) -> None:
    with client(server) as openai_client:
        (model,) = openai_client.models.list()
        assert (model.id, model.object) == ("bundled", "model")
        assert model.decodings == ["greedy"]
        assert openai_client.models.retrieve("bundled") == model
        with pytest.raises(openai.NotFoundError, match=r"there is no model 'bundlet'; did you"):
            openai_client.models.retrieve("bundlet")
        with pytest.raises(openai.NotFoundError) as error:
            openai_client.audio.transcriptions.create(model="whisper-1", file=FILE)
        assert (error.value.code, error.value.param) == ("model_not_found", "model")


def test_api_keys(bundled_recognizer: Recognizer, expected: Transcript) -> None:
    options = ServeOptions(api_keys=("one", "two"))
    with serving(bundled_recognizer, options) as guarded:
        for key in ("", "three", "one, two", "one two"):
            with client(guarded, key or "x") as wrong, pytest.raises(openai.AuthenticationError):
                wrong.audio.transcriptions.create(model="bundled", file=FILE)
        for path in ("v1/models", "v1/models/bundled", "metrics"):
            assert httpx.get(f"{guarded.url}/{path}").status_code == 401
        assert httpx.get(f"{guarded.url}/health").status_code == 200
        for key in ("one", "two"):
            with client(guarded, key) as right:
                assert right.audio.transcriptions.create(model="bundled", file=FILE).text


def test_keys_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("one\n\n two \n")
    keys = ApiKeys.from_options(ServeOptions(api_key_file=str(file), api_keys=("three ", "")))
    for accepted in ("one", "two", "three"):
        keys.require(f"Bearer {accepted}")
    for rejected in ("Bearer four", "Bearer ", "one", ""):
        with pytest.raises(RequestError, match="key"):
            keys.require(rejected)
    file.write_text("\n")
    for options in (
        ServeOptions(api_key_file=str(file)),
        ServeOptions(api_key_file=str(tmp_path / "none")),
        ServeOptions(api_keys=(" ", " ")),
    ):
        with pytest.raises(UserError, match="key"):
            ApiKeys.from_options(options)
    ApiKeys.from_options(ServeOptions()).require("")
    assert "secret" not in repr(ServeOptions(api_keys=("secret",)))


def test_too_large_and_too_long(bundled_recognizer: Recognizer, tmp_path: Path, long: Path) -> None:
    options = ServeOptions(max_megabytes=1.5, max_seconds=20)
    with serving(bundled_recognizer, options) as small, client(small) as openai_client:
        create = openai_client.audio.transcriptions.create
        for size in (1_500_001, 3_000_000, 30_000_000):
            with pytest.raises(openai.APIStatusError, match="more than 1.5 MB") as error:
                create(model="bundled", file=("big.wav", b"0" * size))
            assert (error.value.status_code, error.value.code) == (413, "too_large")
        with pytest.raises(openai.APIStatusError, match="longer than 20 s") as error:
            create(model="bundled", file=long)
        assert (error.value.status_code, error.value.code) == (413, "audio_too_long")
        assert create(model="bundled", file=FILE).text


def bomb(path: Path, seconds: int) -> Path:
    """Silence as FLAC, which takes little space on disk."""
    soundfile.write(path, np.zeros(8000 * seconds, np.int16), 8000, format="FLAC")
    return path


def test_decompression_bombs_are_rejected_early(
    bundled_recognizer: Recognizer, tmp_path: Path
) -> None:
    path = bomb(tmp_path / "bomb.flac", 1200)
    assert path.stat().st_size < 50_000
    decoded: list[int] = []
    blocks = audio.blocks

    def counted(source: audio.AudioSource) -> Iterator[np.ndarray]:
        for block in blocks(source):
            decoded.append(len(block))
            yield block

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scheduler.audio, "blocks", counted)
        with (
            serving(bundled_recognizer, ServeOptions(max_seconds=60)) as running,
            client(running) as asked,
        ):
            with pytest.raises(openai.APIStatusError, match="longer than 60 s") as error:
                asked.audio.transcriptions.create(model="bundled", file=path)
            assert error.value.status_code == 413
    assert sum(decoded) < 80 * 16000


class Held:
    """Logits that wait until they may be computed."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.may_compute, self.started = threading.Event(), threading.Event()
        self.recognizer = replace(recognizer, logits=self)
        self._logits = recognizer.logits

    def __call__(self, speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        self.started.set()
        assert self.may_compute.wait(PATIENCE)
        return self._logits(speech, lengths)


@pytest.fixture
def held(bundled_recognizer: Recognizer) -> Iterator[Held]:
    made = Held(bundled_recognizer)
    yield made
    made.may_compute.set()


def nothing_left(running: Running) -> bool:
    """Returns whether there is no temporary file and no request in progress."""
    context = running.context
    jobs = context.scheduler.recordings.active or context.scheduler.streams.active
    busy = jobs or context.uploads or context.scheduler.batcher.waiting
    return not (busy or any(context.folder.iterdir()))


def test_a_full_queue_is_answered_429(held: Held, expected: Transcript) -> None:
    with (
        serving(held.recognizer, ServeOptions(queue=2)) as running,
        client(running) as asked,
        ThreadPoolExecutor() as pool,
    ):
        create = partial(asked.audio.transcriptions.create, model="bundled", file=FILE)
        waiting = [pool.submit(create) for _ in range(2)]
        wait_until(lambda: running.context.scheduler.recordings.active == 2)
        with pytest.raises(openai.RateLimitError, match="try again") as error:
            create()
        assert int(error.value.response.headers["Retry-After"]) >= 1
        held.may_compute.set()
        assert [future.result(PATIENCE).text for future in waiting] == [expected.text] * 2
        assert create().text == expected.text
        wait_until(lambda: nothing_left(running))


def test_a_client_that_disconnects_is_not_computed_for(held: Held, expected: Transcript) -> None:
    with serving(held.recognizer) as running:
        with socket_of(running) as one, socket_of(running) as other:
            one.sendall(request(form(FILE.read_bytes())))
            assert held.started.wait(PATIENCE)
            other.sendall(request(form(FILE.read_bytes())))
            wait_until(lambda: running.context.scheduler.batcher.waiting == 1)
            other.close()
            wait_until(lambda: running.context.scheduler.batcher.waiting == 0)
            held.may_compute.set()
            assert expected.text.encode() in answered(one)
        wait_until(lambda: nothing_left(running))


def test_a_client_that_shuts_down_its_side_gets_its_answer(
    held: Held, expected: Transcript
) -> None:
    """As `nc -N` does: it looks like a client that is gone until it is sent something."""
    content = request(form(FILE.read_bytes()))
    with serving(held.recognizer) as running, socket_of(running) as one:
        one.sendall(content)
        one.shutdown(socket.SHUT_WR)
        assert held.started.wait(PATIENCE)
        assert one.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        held.may_compute.set()
        assert expected.text.encode() in answered(one)
        with socket_of(running) as old:  # no such question in HTTP/1.0
            old.sendall(content.replace(b"HTTP/1.1", b"HTTP/1.0"))
            assert expected.text.encode() in answered(old)
        wait_until(lambda: nothing_left(running))


def test_a_client_that_disconnects_during_the_upload(server: Running) -> None:
    content = request(form(FILE.read_bytes()))
    for sent in (10, 200, len(content) // 2, len(content) - 1):
        with socket_of(server) as socket:
            socket.sendall(content[:sent])
            wait_until(lambda sent=sent: sent < 200 or server.context.uploads == 1)
        wait_until(lambda: nothing_left(server))


def test_slow_uploads_are_answered_408(bundled_recognizer: Recognizer) -> None:
    content = request(form(FILE.read_bytes()))
    with (
        serving(bundled_recognizer, ServeOptions(upload_seconds=0.5)) as running,
        socket_of(running) as socket,
    ):
        socket.sendall(content[: len(content) // 2])
        answer = answered(socket)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"took longer than 0.5 s" in answer
        wait_until(lambda: nothing_left(running))


def test_jobs_that_take_too_long_are_answered_504(held: Held) -> None:
    with serving(held.recognizer, ServeOptions(timeout=0.5)) as running, client(running) as asked:
        with pytest.raises(openai.InternalServerError, match="longer than 0.5 s") as error:
            asked.audio.transcriptions.create(model="bundled", file=FILE)
        assert error.value.status_code == 504
        held.may_compute.set()
        wait_until(lambda: nothing_left(running))


def test_a_model_that_fails_reveals_nothing_to_clients(
    bundled_recognizer: Recognizer, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        raise RuntimeError("secret, in /some/path")

    with serving(replace(bundled_recognizer, logits=fails)) as running, client(running) as asked:
        with pytest.raises(openai.InternalServerError) as error:
            asked.audio.transcriptions.create(model="bundled", file=FILE)
        assert error.value.status_code == 500
        assert error.value.body == {
            **{"message": "the server failed", "type": "server_error"},
            **{"param": None, "code": "internal_error"},
        }
        wait_until(lambda: nothing_left(running))
    (line,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert re.fullmatch(
        r"/v1/audio/transcriptions failed: RuntimeError: secret, in /some/path "
        r"\(test_service.py:\d+\)",
        line.getMessage(),
    )
    assert line.exc_info is None


BAD_FILES = {
    "empty": (b"", 400),
    "text": (b"no audio at all" * 100, 400),
    "cut": (FILE.read_bytes()[:2000], 400),
    "noise": (np.random.default_rng(0).bytes(100_000), 400),
    "flac of noise": (b"fLaC" + np.random.default_rng(0).bytes(100_000), 400),
    "wav of noise": (b"RIFF\0\0\0\0WAVEfmt " + np.random.default_rng(0).bytes(100_000), 400),
    "mp3 of noise": (b"ID3\4\0\0" + b"\xff\xfb\x90" * 5000, 400),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_invalid_audio(server: Running, name: str) -> None:
    content, status = BAD_FILES[name]
    answer = httpx.post(
        f"{server.url}/v1/audio/transcriptions",
        files={"file": ("../../etc/passwd.wav", content)},
        timeout=PATIENCE,
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, "invalid_audio")
    assert error["message"].startswith("the file: ") and error["message"].count("the file") == 1
    for secret in (str(server.context.folder), "Traceback", "upload-", "passwd"):
        assert secret not in error["message"]
    assert nothing_left(server)


def test_too_short_and_not_finite(server: Running, tmp_path: Path) -> None:
    infinite, short = tmp_path / "infinite.wav", tmp_path / "short.wav"
    double, largest = tmp_path / "double.wav", tmp_path / "largest.wav"
    soundfile.write(infinite, np.array([0.0, np.inf] * 500), 16000, subtype="FLOAT")
    soundfile.write(double, np.array([0.0, 1e300] * 500), 16000, subtype="DOUBLE")
    soundfile.write(
        largest, np.array(([-3.4e38] * 50 + [3.4e38] * 50) * 100), 44100, subtype="FLOAT"
    )
    soundfile.write(short, np.zeros(399), 16000)
    with client(server) as asked:
        for path, message in (
            *((path, "NaN or infinite") for path in (infinite, double, largest)),
            (short, "too few"),
        ):
            with pytest.raises(openai.BadRequestError, match=message) as error:
                asked.audio.transcriptions.create(model="bundled", file=path)
            assert error.value.body["message"].count("the file") <= 1


def test_huge_samples_are_scaled(server: Running, tmp_path: Path, expected: Transcript) -> None:
    """Their squares overflowed in float32: a warning in the log, and an empty text."""
    soundfile.write(tmp_path / "huge.wav", 1e30 * audio.load(FILE), 16000, subtype="FLOAT")
    with client(server) as asked:
        found = asked.audio.transcriptions.create(model="bundled", file=tmp_path / "huge.wav")
    assert found.text == expected.text


BAD_FIELDS = {
    "response_format": "xml",
    "temperature": "hot",
    "timestamp_granularities[]": "word",  # of json
    "decoding": "lm",
    "stream": "true",
    "language": "../x",
    "chunking": "auto",
}


@pytest.mark.parametrize("field", BAD_FIELDS)
def test_invalid_fields(server: Running, field: str) -> None:
    answer = httpx.post(
        f"{server.url}/v1/audio/transcriptions",
        files={"file": FILE.read_bytes()},
        data={field: BAD_FIELDS[field]},
        timeout=PATIENCE,
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, field)
    assert error["type"] == "invalid_request_error"
    assert nothing_left(server)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
        (b"", "text/plain"),
        (b'{"file": "x"}', "application/json"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
        (b"\0" * 10_000, "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\n", "multipart/form-data; boundary=x"),
        (
            b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\nno file\r\n--x--\r\n",
            "multipart/form-data; boundary=x",
        ),
        (
            b"".join(
                b'--x\r\nContent-Disposition: form-data; name="n%d"\r\n\r\n\r\n' % i
                for i in range(1000)
            )
            + b"--x--\r\n",
            "multipart/form-data; boundary=x",
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n'
            + b"x" * 100_000
            + b"\r\n--x--\r\n",
            "multipart/form-data; boundary=x",
        ),
    ],
)
def test_garbage_bodies(
    server: Running, caplog: pytest.LogCaptureFixture, content: bytes, kind: str
) -> None:
    answer = httpx.post(
        f"{server.url}/v1/audio/transcriptions",
        content=content,
        headers={"content-type": kind},
        timeout=PATIENCE,
    )
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert nothing_left(server)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_invalid_http(server: Running) -> None:
    with socket_of(server) as socket:
        socket.sendall(b"\x16\x03\x01\0\xff\xff nonsense\r\n\r\n")
        assert socket.recv(65536).startswith(b"HTTP/1.1 400")
    assert httpx.get(f"{server.url}/health").json() == {"status": "ready"}


def test_connections_without_a_request_are_closed(
    bundled_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "HEAD_SECONDS", 0.5)
    with (
        serving(bundled_recognizer) as running,
        socket_of(running) as silent,
        socket_of(running) as slow,
    ):
        with contextlib.suppress(ConnectionError):  # closed earlier, on a busy machine
            slow.sendall(b"GET /health HTTP/1.1\r\nHost:")
        assert closed(silent) and closed(slow)


def test_slow_requests_outlive_the_timeout_of_their_head(
    bundled_recognizer: Recognizer, expected: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers may arrive in pieces; the timeout ends with them, also for a WebSocket."""
    monkeypatch.setattr(http_connection, "HEAD_SECONDS", 2.0)
    content = request(form(FILE.read_bytes()))
    end = content.index(b"\r\n\r\n")
    with (
        serving(bundled_recognizer) as running,
        socket_of(running) as slow,
        connect(running.url.replace("http", "ws") + "/v1/audio/stream") as stream,
    ):
        for piece in (content[:9], content[9 : end + 1], content[end + 1 : end + 3]):
            slow.sendall(piece)
        slow.sendall(content[end + 3 : end + 4])
        time.sleep(2.5)
        slow.sendall(content[end + 4 :])
        assert expected.text.encode() in answered(slow)
        stream.send('{"sample_rate": 16000, "encoding": "opus"}')
        assert json.loads(stream.recv(PATIENCE))["error"]["param"] == "encoding"


def test_unknown_routes_and_methods(server: Running) -> None:
    for method, path, status in (
        ("GET", "v1/nothing", 404),
        ("GET", "v1/audio/transcriptions", 405),
        ("GET", "", 404),
        ("POST", "v1/models", 405),
    ):
        answer = httpx.request(method, f"{server.url}/{path}")
        assert answer.status_code == status
        assert answer.json()["error"]["type"]


def test_languages(bundled_recognizer: Recognizer, expected: Transcript) -> None:
    """Requests a language of models that list their languages, and of one that does not."""
    models = [
        SpeechModel("many", {"eng": bundled_recognizer, "fra": bundled_recognizer}),
        SpeechModel("one", {None: bundled_recognizer}),
    ]
    with serving(models=models) as running, client(running) as asked:
        create = partial(
            asked.audio.transcriptions.create, file=FILE, response_format="verbose_json"
        )
        assert asked.models.retrieve("many").languages == ["eng", "fra"]
        assert create(model="many", language="fra").language == "fra"
        assert create(model="many").language == "eng"
        assert create(model="one", language="en").language == "en"
        assert create(model="one").language == "unknown"
        with pytest.raises(openai.BadRequestError, match="must be one of eng, fra, got 'deu'"):
            create(model="many", language="deu")


def test_decodings(bundled_recognizer: Recognizer, expected: Transcript) -> None:
    """The server's decoder is the default; a request may choose greedy decoding."""
    decoded = Transcript("BY THE DECODER", ())
    recognizer = replace(bundled_recognizer, decoder=lambda logits, seconds_per_frame: decoded)
    with serving(recognizer) as running, client(running) as asked:
        assert asked.models.retrieve("bundled").decodings == ["lm", "greedy"]
        create = partial(asked.audio.transcriptions.create, model="bundled", file=FILE)
        assert create().text == create(extra_body={"decoding": "lm"}).text == decoded.text
        assert create(extra_body={"decoding": "greedy"}).text == expected.text


def test_metrics(bundled_recognizer: Recognizer) -> None:
    with serving(bundled_recognizer) as running, client(running) as asked:
        for _ in range(2):
            asked.audio.transcriptions.create(model="bundled", file=FILE)
        with pytest.raises(openai.NotFoundError):
            asked.audio.transcriptions.create(model="other", file=FILE)
        httpx.get(f"{running.url}/no/such/route")
        text = httpx.get(f"{running.url}/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    route = 'route="/v1/audio/transcriptions"'
    seconds = len(audio.load(FILE)) / 16000
    for name, value in {
        f'requests_total{{{route},status="200"}}': 2,
        f'requests_total{{{route},status="404"}}': 1,
        'requests_total{route="other",status="404"}': 1,
        f"request_seconds_count{{{route}}}": 3,
        'rejected_total{code="model_not_found"}': 1,
        'audio_seconds_total{model="bundled"}': 2 * seconds,
        "batch_rows_sum": 2,
        "batch_seconds_count": 2,
        "queue_rows": 0,
        "recordings": 0,
        "uploads": 0,
        "streams": 0,
    }.items():
        assert float(values[f"wav2vec2_tf_{name}"]) == pytest.approx(value), name


def test_a_stop_finishes_requests_in_progress(
    bundled_recognizer: Recognizer, expected: Transcript
) -> None:
    content = request(form(FILE.read_bytes()))
    with serving(bundled_recognizer) as running, socket_of(running) as socket:
        socket.sendall(content[:5000])
        wait_until(lambda: running.context.uploads == 1)
        running.stop()
        wait_until(lambda: httpx.get(f"{running.url}/health").status_code == 503)
        with client(running) as asked, pytest.raises(openai.InternalServerError) as error:
            asked.audio.transcriptions.create(model="bundled", file=FILE)
        assert (error.value.status_code, error.value.code) == (503, "stopping")
        socket.sendall(content[5000:])
        answer = answered(socket)
        assert expected.text.encode() in answer
        assert answer.startswith(b"HTTP/1.1 200")


def test_a_stop_does_not_wait_for_ever(held: Held) -> None:
    with (
        ThreadPoolExecutor() as pool,
        serving(held.recognizer, drain_seconds=0.5) as running,
        client(running) as asked,
    ):
        begun = pool.submit(asked.audio.transcriptions.create, model="bundled", file=FILE)
        assert held.started.wait(PATIENCE)
        waits = pool.submit(asked.audio.transcriptions.create, model="bundled", file=FILE)
        wait_until(lambda: running.context.scheduler.batcher.waiting == 1)
        running.stop()
        error = waits.exception(PATIENCE)
        assert isinstance(error, openai.InternalServerError)
        assert error.status_code == 503
        held.may_compute.set()
        assert isinstance(begun.exception(PATIENCE), openai.APIError)


def test_the_public_names(bundled_recognizer: Recognizer) -> None:
    """`create_app` is for any ASGI server, here the test client of httpx."""
    app = package.create_app(package.ServeOptions(models=(f"mine={BUNDLED_MODEL}",)))

    async def names() -> list[str]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as asked:
            models = (await asked.get("/v1/models")).json()["data"]
        await app.state.context.close()
        return [model["id"] for model in models]

    assert asyncio.run(names()) == ["mine"]
    assert set(package.__all__) == {"ServeOptions", "SpeechModel", "create_app", "serve"}
    for name in package.__all__:
        assert getattr(package, name).__doc__


@pytest.mark.slow
def test_the_command(tmp_path: Path, expected: Transcript) -> None:
    """Runs the command until a signal ends it, with a request in progress."""
    keys = tmp_path / "keys"
    keys.write_text("secret-key\n")
    command = [sys.executable, "-m", "wav2vec2_tf.cli", "serve", "--port", "0"]
    command += ["--model", f"mine={BUNDLED_MODEL}", "--api-key-file", str(keys)]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "WAV2VEC2_TF_API_KEYS": "other-key"}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    with process:
        assert process.stderr is not None and process.stdout is not None
        try:
            lines = []
            while not lines or not lines[-1].startswith("listening on "):
                lines.append(process.stderr.readline())
                assert lines[-1], lines
            assert lines[:-1] == ["loading mine\n", "warming up\n"]
            url = lines[-1].split()[-1]
            for key in ("secret-key", "other-key"):
                with openai.OpenAI(base_url=f"{url}/v1", api_key=key, timeout=PATIENCE) as asked:
                    found = asked.audio.transcriptions.create(model="mine", file=FILE)
                assert found.text == expected.text
            content = request(form(FILE.read_bytes()), "secret-key")
            address = httpx.URL(url)
            with socket.create_connection((address.host, address.port or 0), PATIENCE) as sending:
                sending.sendall(content[:5000])
                metrics = {"Authorization": "Bearer secret-key"}
                wait_until(lambda: "uploads 1" in httpx.get(f"{url}/metrics", headers=metrics).text)
                process.send_signal(signal.SIGTERM)
                wait_until(lambda: httpx.get(f"{url}/health").status_code == 503)
                sending.sendall(content[5000:])
                assert expected.text.encode() in answered(sending)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
        assert process.stderr.read() == process.stdout.read() == ""
    assert list(tmp_path.iterdir()) == [keys]


def test_bad_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, complaint in (
            (["--port", port], "in use"),
            (["--host", "no.such.host.invalid"], "no.such.host.invalid"),
            (["--api-key-file", str(tmp_path / "none")], "API key file"),
            (["--port", "0", "--model", "x=/no/such/model"], "/no/such/model"),
            (["--port", "0", "--model", "=x"], "NAME=SOURCE"),
            (["--port", "0", "--lm-weight", "1"], "--lm-weight"),
            (["--port", "0", "--window", "1000"], "window"),
            (["--port", "0", "--target-lang", "fra"], "language"),
        ):
            assert main(["serve", *arguments]) == 1
            *_, line = capsys.readouterr().err.splitlines()
            assert line.startswith("error: ")
            assert complaint in line
    for arguments in (["--port", "65536"], ["--queue", "0"], ["--timeout", "nan"]):
        with pytest.raises(SystemExit) as stop:
            main(["serve", *arguments])
        assert stop.value.code == 2


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "h11", None)
    for name in ("server", "http_connection"):
        monkeypatch.delitem(sys.modules, f"wav2vec2_tf.serving.{name}")
    monkeypatch.delattr(package, "server")
    assert main(["serve", "--port", "0"]) == 1
    assert "pip install 'wav2vec2-tf[serve]'" in capsys.readouterr().err


def socket_of(running: Running) -> socket.socket:
    url = httpx.URL(running.url)
    return socket.create_connection((url.host, url.port or 0), timeout=PATIENCE)


def closed(connection: socket.socket) -> bool:
    """Waits until the other end closes the connection; False if it sends something."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def answered(connection: socket.socket) -> bytes:
    """Returns a whole response, which may arrive in pieces."""
    answer = b""
    while not (length := re.search(rb"content-length: (\d+)\r\n", answer)) or (
        len(answer.partition(b"\r\n\r\n")[2]) < int(length[1])
    ):
        piece = connection.recv(65536)
        assert piece, answer
        answer += piece
    return answer


def form(content: bytes) -> bytes:
    return (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.flac"\r\n\r\n'
        + content
        + b"\r\n--x--\r\n"
    )


def request(body: bytes, key: str = "any") -> bytes:
    head = (
        "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
