"""Text while the speech comes: partial results of a WebSocket, and then the final one.

The client sends `{"sample_rate": …, "encoding": …}`, speech in binary messages, and at the end
`{"type": "end"}`. What comes is kept in a temporary file, and the final result is what the file
would get at the other endpoint: normalised over all of it and cut evenly, it may differ from the
last partial one.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import soundfile
import soxr
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocket, WebSocketDisconnect

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.audio.normalization import VARIANCE_EPSILON
from wav2vec2_tf.serving import responses
from wav2vec2_tf.serving.models import Heard
from wav2vec2_tf.serving.responses import Refused
from wav2vec2_tf.serving.scheduler import Job
from wav2vec2_tf.serving.service import LANGUAGE, Choice, Service, unless_disconnected
from wav2vec2_tf.text import ctc
from wav2vec2_tf.transcription.long_form import Windows, seam
from wav2vec2_tf.transcription.recognizer import Recognizer

log = logging.getLogger(__name__)

WINDOWS = Windows(seconds=8.0, overlap_seconds=2.0)
"""Of partial results: with one a second, at most so many seconds are computed for each that comes.
A model of fixed length has windows of its own."""
AHEAD_SECONDS = 10.0  # of speech that waits for a partial result; then the client waits
REASON_BYTES = 123  # of a WebSocket's close (RFC 6455, section 5.5)


class Encoding(NamedTuple):
    kind: str
    """As NumPy knows it."""
    subtype: str
    """As soundfile knows it."""


ENCODINGS = {
    "pcm_s16le": Encoding("<i2", "PCM_16"),
    "pcm_f32le": Encoding("<f4", "FLOAT"),
}
M = TypeVar("M", bound=BaseModel)


class Start(BaseModel):
    """The first message of a client."""

    model_config = ConfigDict(extra="forbid")

    sample_rate: int = Field(ge=1000, le=384_000)
    encoding: Literal["pcm_s16le", "pcm_f32le"]
    model: str | None = None
    language: str | None = Field(None, pattern=LANGUAGE)
    decoding: str | None = None
    api_key: str | None = None
    """For browsers, which can send no header."""


class End(BaseModel):
    """The last message of a client."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["end"]


async def converse(socket: WebSocket, service: Service) -> None:
    """All of a WebSocket, from its opening to its close."""
    await socket.accept()
    try:
        try:
            async with service.stream():
                heard = await _heard(socket, service)
            final = responses.verbose(heard, ("word", "segment", "subtitle"))
            await socket.send_json({"type": "final", **final})
            await socket.close()
        except Refused as error:
            service.metrics.rejected.labels(error.code).inc()
            await _close(socket, error)
        except (ClientDisconnect, WebSocketDisconnect):
            raise
        except Exception:
            log.exception("a stream failed")
            await _close(socket, Refused(500, "the server failed", "internal_error"))
    except (ClientDisconnect, WebSocketDisconnect):
        return


async def _close(socket: WebSocket, error: Refused) -> None:
    await socket.send_json({"type": "error", **error.body})
    reason = error.message.encode()[:REASON_BYTES].decode(errors="ignore")
    await socket.close(4000 + error.status, reason)


async def _heard(socket: WebSocket, service: Service) -> Heard:
    """What is said in all that the client sends."""
    start = _parsed(Start, await _message(socket, service.settings.idle_seconds))
    authorization = socket.headers.get("authorization", "")
    service.authorize(f"Bearer {start.api_key}" if start.api_key else authorization)
    choice = service.choice(start.model, start.language, start.decoding)
    # speech that comes as it is spoken has come by then
    longest = service.settings.max_seconds + service.settings.idle_seconds
    with NamedTemporaryFile(dir=service.folder, prefix="stream-", suffix=".wav") as file:
        stream = _Stream(socket, service, start, choice, Path(file.name))
        try:
            async with asyncio.timeout(longest):
                await stream.received()
        except TimeoutError:
            raise Refused(408, f"the stream took longer than {longest:g} s", "slow") from None
        final = service.heard(choice, stream.path, service.streaming)
        return await unless_disconnected(socket.receive, final)


async def _message(socket: WebSocket, seconds: float) -> str | bytes:
    try:
        async with asyncio.timeout(seconds):
            message = await socket.receive()
    except TimeoutError:
        raise Refused(408, f"nothing came for {seconds:g} s", "idle") from None
    if message["type"] == "websocket.disconnect":
        raise ClientDisconnect
    text = message.get("text")
    return message["bytes"] if text is None else text


def _parsed(kind: type[M], message: str | bytes) -> M:
    if isinstance(message, bytes):
        raise Refused(400, "speech came before the start: send that first, as text", "not_started")
    try:
        return kind.model_validate_json(message)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "the message"
        raise Refused(400, f"{name}: {first['msg']}", "invalid_value", name) from None


class _Stream:
    """The speech of one client: into a file, and as it comes into partial results."""

    def __init__(
        self, socket: WebSocket, service: Service, start: Start, choice: Choice, path: Path
    ) -> None:
        self.socket, self.service, self.start = socket, service, start
        self.choice, self.path = choice, path
        self._partial = Partial(choice.recognizer, start.sample_rate)
        self._waiting: list[np.ndarray] = []
        self._hearing: asyncio.Task[None] | None = None
        self._text = ""

    async def received(self) -> None:
        """All of it is in the file."""
        rate, encoding = self.start.sample_rate, ENCODINGS[self.start.encoding]
        samples = 0
        try:
            with soundfile.SoundFile(
                self.path, "w", rate, 1, encoding.subtype, format="WAV"
            ) as writer:
                while (speech := await self._speech(encoding)) is not None:
                    samples += len(speech)
                    if samples > self.service.settings.max_seconds * rate:
                        seconds = self.service.settings.max_seconds
                        message = f"the stream is longer than {seconds:g} s"
                        raise Refused(413, message, "audio_too_long")
                    writer.write(speech)
                    await self._hear(speech)
            if self._hearing is not None:
                await self._hearing
        finally:
            if self._hearing is not None:
                self._hearing.cancel()

    async def _speech(self, encoding: Encoding) -> np.ndarray | None:
        """The samples of the next message; None at the end."""
        message = await _message(self.socket, self.service.settings.idle_seconds)
        if isinstance(message, str):
            _parsed(End, message)
            return None
        kind = np.dtype(encoding.kind)
        if len(message) % kind.itemsize:
            text = f"{len(message)} bytes are no whole number of samples of {kind.itemsize}"
            raise Refused(400, text, "invalid_audio")
        speech = np.frombuffer(message, kind)
        if kind.kind == "f" and not np.isfinite(speech).all():
            raise Refused(400, "some samples are NaN or infinite", "invalid_audio")
        return speech

    async def _hear(self, speech: np.ndarray) -> None:
        """Begin the next partial result when it is time; wait, where too much speech does."""
        self._waiting.append(speech)
        seconds = sum(map(len, self._waiting)) / self.start.sample_rate
        if self._hearing is not None and (self._hearing.done() or seconds > AHEAD_SECONDS):
            await self._hearing
            self._hearing = None
        if self._hearing is None and seconds >= self.service.settings.partial_seconds:
            spoken = np.concatenate(self._waiting)
            self._waiting.clear()
            self._hearing = asyncio.create_task(self._send_partial(spoken))

    async def _send_partial(self, spoken: np.ndarray) -> None:
        def work(job: Job) -> str:
            recognizer = self.service.engine.batched(self.choice.recognizer, job)
            return self._partial.hear(recognizer, spoken)

        text = await self.service.work(work, self.service.streaming)
        if text != self._text:
            self._text = text
            await self.socket.send_json({"type": "partial", "text": text})


class Partial:
    """What is said so far, by greedy decoding.

    Windows of one length overlap, and are joined where they agree, as in `long_form`; what is
    before the last seam is fixed, and only the window that is not full yet is computed again.
    Speech is normalised by the mean and variance of all so far.
    """

    def __init__(self, recognizer: Recognizer, rate: int, windows: Windows = WINDOWS) -> None:
        config = recognizer.config
        self._length = windows.length(recognizer)
        overlap = min(round(windows.overlap_seconds * SAMPLE_RATE), self._length // 2)
        self._overlap = self._length - (self._length - overlap) // config.stride * config.stride
        self._shared = config.frame_length(self._overlap)  # frames of two windows
        self._resample = None
        if rate != SAMPLE_RATE:
            self._resample = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
        self._samples, self._sum, self._squares = 0, 0.0, 0.0
        self._speech = np.zeros(0, np.float32)  # of the window that is not full
        self._held = np.zeros((0, config.vocab_size or 0), np.float32)  # logits before it
        self._path = ctc.BestPath.of(self._held)  # of a word that is not at its end
        self._words: list[str] = []

    def hear(self, recognizer: Recognizer, speech: np.ndarray) -> str:
        """All that is said, where this comes next: (samples,) int16 or float32."""
        self._take(speech)
        while len(self._speech) >= self._length:
            full = self._emit(recognizer, self._speech[: self._length])
            fixed, self._held = self._joined(full)
            self._fix(recognizer.alphabet, ctc.BestPath.of(fixed))
            self._speech = self._speech[self._length - self._overlap :]
        rest = [self._held]
        if len(self._speech) >= recognizer.minimum_length:
            rest = [*self._joined(self._emit(recognizer, self._speech))]
        path = _end_to_end(self._path, *map(ctc.BestPath.of, rest))
        said = ctc.transcript(path, recognizer.alphabet, recognizer.seconds_per_frame).text
        return recognizer.alphabet.space.join(filter(None, [*self._words, said]))

    def _take(self, speech: np.ndarray) -> None:
        if speech.dtype.kind == "i":
            speech = speech / np.float32(2**15)
        speech = speech.astype(np.float32, copy=False)
        if self._resample is not None:
            speech = self._resample.resample_chunk(speech)
        wide = speech.astype(np.float64)
        self._samples += len(wide)
        self._sum += float(wide.sum())
        self._squares += float(np.square(wide).sum())
        self._speech = np.concatenate([self._speech, speech])

    def _emit(self, recognizer: Recognizer, speech: np.ndarray) -> np.ndarray:
        frames = recognizer.config.frame_length(len(speech))
        if recognizer.do_normalize:
            mean = self._sum / self._samples
            variance = max(0.0, self._squares / self._samples - mean**2)
            speech = ((speech - mean) / np.sqrt(variance + VARIANCE_EPSILON)).astype(np.float32)
        return recognizer.emit([speech], normalized=True)[0][:frames]

    def _joined(self, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The logits before the seam of the windows before with this one, and those behind."""
        if not len(self._held):
            return self._held, found
        own = len(self._held) - self._shared
        cut = seam(self._held[own:], found[: self._shared])
        return self._held[: own + cut], found[cut:]

    def _fix(self, alphabet: ctc.Alphabet, path: ctc.BestPath) -> None:
        """Keep the text of whole words only, and the path of the last."""
        path = _end_to_end(self._path, path)
        ends = np.flatnonzero(path.tokens == alphabet.word_delimiter)
        end = ends[-1] + 1 if len(ends) else 0
        words = ctc.BestPath(path.tokens[:end], path.probabilities[:end])
        self._words.append(ctc.transcript(words, alphabet, 0.0).text)
        self._path = ctc.BestPath(path.tokens[end:], path.probabilities[end:])


def _end_to_end(*paths: ctc.BestPath) -> ctc.BestPath:
    return ctc.BestPath(*map(np.concatenate, zip(*paths, strict=True)))
