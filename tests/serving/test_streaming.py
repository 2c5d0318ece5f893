"""Speech over the WebSocket: partial results as it arrives, and the file's result at the end."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jiwer
import numpy as np
import pytest
import soundfile
import soxr
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.paths import CORPUS
from tests.support.server import PATIENCE, Running, serving, wait_until
from wav2vec2_tf import audio
from wav2vec2_tf.serving.jobs import Job
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.serving.scheduler import Batcher
from wav2vec2_tf.serving.streaming import WINDOWS, IncrementalTranscriber
from wav2vec2_tf.transcription.recognizer import Recognizer

FILES = sorted((CORPUS / "1003" / "1").glob("*.flac"))
PCM = {"sample_rate": 16000, "encoding": "pcm_s16le"}


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """20 s of 16-bit speech: two windows, and four of partial results."""
    whole = np.concatenate([soundfile.read(file, dtype="int16")[0] for file in FILES])
    assert len(whole) > 20 * 16000
    return whole[: 20 * 16000]


@pytest.fixture(scope="module")
def server(bundled_recognizer: Recognizer) -> Iterator[Running]:
    options = ServeOptions(streams=2, max_seconds=25, idle_seconds=60)
    with serving(bundled_recognizer, options) as running:
        yield running


def opened(running: Running, **options: Any) -> ClientConnection:
    url = running.url.replace("http", "ws") + "/v1/audio/stream"
    return connect(url, open_timeout=PATIENCE, close_timeout=PATIENCE, **options)


def messages(socket: ClientConnection) -> list[dict[str, Any]]:
    """Returns all messages up to the final one."""
    found = [json.loads(socket.recv(PATIENCE))]
    while found[-1]["type"] == "partial":
        found.append(json.loads(socket.recv(PATIENCE)))
    return found


def refusal(socket: ClientConnection) -> tuple[int, str]:
    """Returns the code and reason of the close; the last message has the same reason."""
    last = messages(socket)[-1]
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(PATIENCE)
    assert closed.value.rcvd is not None
    code, reason = closed.value.rcvd.code, closed.value.rcvd.reason
    assert last["type"] == "error"
    assert last["error"]["message"].startswith(reason)
    return code, reason


def of_file(running: Running, path: Path) -> dict[str, Any]:
    """Returns the answer of the other endpoint."""
    answer = httpx.post(
        f"{running.url}/v1/audio/transcriptions",
        files={"file": path.read_bytes()},
        data={
            "response_format": "verbose_json",
            "timestamp_granularities[]": ["word", "segment"],
        },
        timeout=PATIENCE,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("rate", "encoding"), [(16000, "pcm_s16le"), (44100, "pcm_f32le"), (8000, "pcm_s16le")]
)
def test_the_final_result_is_that_of_the_file(
    server: Running, speech: np.ndarray, tmp_path: Path, rate: int, encoding: str
) -> None:
    sent = speech
    if rate != 16000:
        sent = soxr.resample(speech[: 6 * 16000].astype(np.float32) / 2**15, 16000, rate)
        if encoding == "pcm_s16le":
            sent = (sent * 2**15).clip(-(2**15), 2**15 - 1).astype(np.int16)
    subtype = {"pcm_s16le": "PCM_16", "pcm_f32le": "FLOAT"}[encoding]
    soundfile.write(tmp_path / "sent.wav", sent, rate, subtype)
    with opened(server) as socket:
        socket.send(json.dumps({"sample_rate": rate, "encoding": encoding, "model": "bundled"}))
        for start in range(0, len(sent), rate // 4):
            socket.send(sent[start : start + rate // 4].tobytes())
        socket.send(json.dumps({"type": "end"}))
        *partials, final = messages(socket)
    assert final.pop("type") == "final"
    expected = of_file(server, tmp_path / "sent.wav")
    assert final["text"] == expected["text"] != ""
    assert final["duration"] == expected["duration"]
    assert [word["word"] for word in final["words"]] == final["text"].split()
    for found, other in zip(final["words"], expected["words"], strict=True):
        assert found == {**other, "confidence": pytest.approx(other["confidence"], abs=1e-4)}
    assert partials
    wait_until(lambda: not any(server.context.folder.iterdir()))


def test_partial_results_arrive_while_speech_does(server: Running, speech: np.ndarray) -> None:
    with opened(server) as socket:
        socket.send(json.dumps(PCM))
        texts = []
        for start in range(0, 6 * 16000, 32000):
            socket.send(speech[start : start + 32000].tobytes())
            texts.append(json.loads(socket.recv(PATIENCE)))
    assert [text["type"] for text in texts] == ["partial"] * 3
    lengths = [len(text["text"]) for text in texts]
    assert 0 < lengths[0] < lengths[1] < lengths[2]
    wait_until(lambda: server.context.streams == 0)  # the client sent no end message
    wait_until(lambda: not any(server.context.folder.iterdir()))


def test_the_computing_for_a_second_of_speech_is_bounded(
    bundled_recognizer: Recognizer, speech: np.ndarray
) -> None:
    """The text equals that of one pass, but for at most one word in ten."""
    computed: list[int] = []

    def logits(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        computed.append(speech.shape[1])
        return bundled_recognizer.logits(speech, lengths)

    batcher = Batcher(15.4)
    recognizer = batcher.batched(replace(bundled_recognizer, logits=logits), Job())
    transcriber = IncrementalTranscriber(bundled_recognizer)
    seconds, text = len(speech) // 16000, ""
    for second in range(seconds):
        before, begun = sum(computed), text
        text = transcriber.add(recognizer, speech[16000 * second : 16000 * (second + 1)])
        most = WINDOWS.seconds + WINDOWS.overlap_seconds + 1  # a full window and the next one
        assert sum(computed) - before <= 1.2 * 16000 * most  # 1.2 allows for padding
        common = begun.split()[: -8 * 3]  # words older than a window
        assert text.split()[: len(common)] == common
    batcher.close()
    whole = bundled_recognizer.transcribe([audio.load(soundfile_of(speech))])[0].text.split()
    assert jiwer.wer(" ".join(whole), text) < 0.2


def soundfile_of(speech: np.ndarray) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, speech, 16000, "PCM_16", format="WAV")
    return content.getvalue()


STARTS = {
    "no JSON": ("{", 4400, "the message"),
    "no object": ("[]", 4400, ""),
    "no rate": ('{"encoding": "pcm_s16le"}', 4400, "sample_rate"),
    "a rate of 0": ('{"sample_rate": 0, "encoding": "pcm_s16le"}', 4400, "sample_rate"),
    "another encoding": ('{"sample_rate": 16000, "encoding": "opus"}', 4400, "encoding"),
    "another field": (json.dumps({**PCM, "channels": 2}), 4400, "channels"),
    "another model": (json.dumps({**PCM, "model": "x"}), 4404, "there is no model"),
    "another decoding": (
        json.dumps({**PCM, "decoding": "x"}),
        4400,
        "decoding of 'bundled' must be one of greedy",
    ),
    "a lone surrogate": ('{"model": "\\ud800"}', 4400, ""),
    "speech": (b"\0\0", 4400, "speech arrived before the start"),
}


@pytest.mark.parametrize("name", STARTS)
def test_bad_starts(server: Running, name: str) -> None:
    message, code, reason = STARTS[name]
    with opened(server) as socket:
        socket.send(message)
        found = refusal(socket)
    assert found[0] == code
    assert reason in found[1]


@pytest.mark.parametrize(
    ("start", "message", "code", "reason"),
    [
        (PCM, b"\0\0\0", 4400, "whole samples of 2 bytes, got 3"),
        (PCM, "nonsense", 4400, "the message"),
        (PCM, '{"type": "start"}', 4400, "type"),
        (PCM, '{"type": "end"}', 4400, "no samples"),
        ({**PCM, "encoding": "pcm_f32le"}, np.float32([np.nan]).tobytes(), 4400, "NaN"),
        (
            {"sample_rate": 44100, "encoding": "pcm_f32le"},
            np.repeat(np.float32([-3.4e38, 3.4e38] * 1000), 50).tobytes(),
            *(4400, "NaN or infinite"),
        ),
        ({**PCM, "sample_rate": 1000}, bytes(2 * 25_001), 4413, "longer than 25 s"),
    ],
)
def test_bad_messages(
    server: Running, start: dict[str, Any], message: bytes | str, code: int, reason: str
) -> None:
    with opened(server) as socket:
        socket.send(json.dumps(start))
        socket.send(message)
        found = refusal(socket)
    assert found[0] == code
    assert reason in found[1]
    wait_until(lambda: not any(server.context.folder.iterdir()))


def test_the_limit_of_streams(server: Running) -> None:
    with opened(server) as one, opened(server) as other:
        for socket in (one, other):
            socket.send(json.dumps(PCM))
        wait_until(lambda: server.context.streams == 2)
        with opened(server) as third:
            third.send(json.dumps(PCM))
            assert refusal(third)[0] == 4429
    wait_until(lambda: server.context.streams == 0)


RIGHT_KEYS = (
    ({}, {**PCM, "api_key": "right"}),
    ({"additional_headers": {"Authorization": "Bearer right"}}, PCM),
)


def test_keys(bundled_recognizer: Recognizer) -> None:
    options = ServeOptions(api_keys=("right",), idle_seconds=PATIENCE)
    with serving(bundled_recognizer, options) as guarded:
        for sent, start in (
            ({}, PCM),
            ({}, {**PCM, "api_key": "wrong"}),
            ({"additional_headers": {"Authorization": "Bearer wrong"}}, PCM),
        ):
            with opened(guarded, **sent) as socket:
                socket.send(json.dumps(start))
                assert refusal(socket) == (4401, "the API key is missing or wrong")
        for sent, start in RIGHT_KEYS:
            with opened(guarded, **sent) as socket:
                socket.send(json.dumps(start))
                socket.send(json.dumps({"type": "end"}))
                code, reason = refusal(socket)
            assert code == 4400 and "no samples" in reason  # the key was right


def test_idle_streams(bundled_recognizer: Recognizer) -> None:
    options = ServeOptions(api_keys=("right",), idle_seconds=1)
    with serving(bundled_recognizer, options) as guarded:
        for sent, start in RIGHT_KEYS:
            with opened(guarded, **sent) as socket:
                with suppress(ConnectionClosed):  # on a machine that stalls for a second
                    socket.send(json.dumps(start))
                assert refusal(socket) == (4408, "nothing arrived for 1 s")
        with opened(guarded) as silent:
            assert refusal(silent)[0] == 4408
