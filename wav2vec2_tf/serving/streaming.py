"""Text while the speech arrives: partial transcripts over a WebSocket, and then the final one.

The client sends `{"sample_rate": …, "encoding": …}`, then speech in binary messages, and at the end
`{"type": "end"}`. The speech is written to a temporary file, and the final transcript is the one
that the other endpoint returns for that file: it is normalized over all of the speech and cut
evenly, so it may differ from the last partial transcript.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal, TypeVar

import numpy as np
import soundfile
import soxr
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocket, WebSocketDisconnect

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.audio.normalization import normalize
from wav2vec2_tf.serving import responses
from wav2vec2_tf.serving.context import ServerContext
from wav2vec2_tf.serving.errors import RequestError, one_line
from wav2vec2_tf.serving.jobs import Job, unless_disconnected
from wav2vec2_tf.serving.models import LANGUAGE, Selection
from wav2vec2_tf.serving.scheduler import RequestResult
from wav2vec2_tf.text import ctc
from wav2vec2_tf.transcription.long_form import Windows, seam
from wav2vec2_tf.transcription.recognizer import Recognizer

log = logging.getLogger(__name__)

WINDOWS = Windows(seconds=8.0, overlap_seconds=2.0)
"""Windows of partial transcripts: with one a second, at most 8 s are computed for each second that
arrives. A model of fixed length has windows of that length."""
PARTIAL_SECONDS = 1.0  # of speech from one partial transcript to the next
START_SECONDS = 10.0  # in which the first message must arrive; until then, it holds no place
BLOCK_SECONDS = 0.1  # of speech that is processed together: messages may be as short as a sample
MAX_PENDING_SECONDS = 10.0  # of speech that waits for a partial transcript; then the client waits
MAX_REASON_BYTES = 123  # of a WebSocket's close (RFC 6455, section 5.5)


ENCODINGS = {"pcm_s16le": "<i2", "pcm_f32le": "<f4"}
"""NumPy's names of the types of samples in binary messages."""

Message = TypeVar("Message", bound=BaseModel)


class StartMessage(BaseModel):
    """The first message of a client."""

    model_config = ConfigDict(extra="forbid")

    sample_rate: int = Field(ge=1000, le=384_000)
    encoding: Literal["pcm_s16le", "pcm_f32le"]
    model: str | None = None
    language: str | None = Field(None, pattern=LANGUAGE)
    decoding: str | None = None
    api_key: str | None = None
    """For browsers, which cannot set the header."""


class EndMessage(BaseModel):
    """The last message of a client."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["end"]


async def handle_stream(socket: WebSocket, context: ServerContext) -> None:
    """Handles a WebSocket from its opening to its close."""
    await socket.accept()
    try:
        try:
            result = await _transcribe(socket, context)
            final = responses.verbose_json(result, ("word", "segment", "subtitle"))
            await socket.send_json({"type": "final", **final})
            await socket.close()
        except RequestError as error:
            context.metrics.rejected.labels(error.code).inc()
            await _close(socket, error)
        except (ClientDisconnect, WebSocketDisconnect):
            raise
        except Exception as error:
            log.error("a stream failed: %s", one_line(error))
            log.debug("traceback", exc_info=error)
            await _close(socket, RequestError(500, "the server failed", "internal_error"))
    except (ClientDisconnect, WebSocketDisconnect):
        return


async def _close(socket: WebSocket, error: RequestError) -> None:
    await socket.send_json({"type": "error", **error.body})
    reason = error.message.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
    await socket.close(4000 + error.status, reason)


async def _transcribe(socket: WebSocket, context: ServerContext) -> RequestResult:
    """Receives a client's speech, sends partial transcripts, and returns the final one."""
    options = context.options
    start_seconds = min(START_SECONDS, options.idle_seconds)
    start = _parse(StartMessage, await _receive(socket, start_seconds))
    header = socket.headers.get("authorization", "")
    context.api_keys.require(f"Bearer {start.api_key}" if start.api_key else header)
    selection = context.models.select(start.model, start.language, start.decoding)
    # Speech that is sent as it is spoken has arrived by then.
    max_seconds = options.max_seconds + options.idle_seconds
    with (
        context.stream(),
        NamedTemporaryFile(dir=context.folder, prefix="stream-", suffix=".wav") as file,
    ):
        stream = _SpeechStream(socket, context, start, selection)
        try:
            async with asyncio.timeout(max_seconds):
                await stream.receive(Path(file.name))
        except TimeoutError:
            message = f"the stream took longer than {max_seconds:g} s"
            raise RequestError(408, message, "slow") from None
        scheduler = context.scheduler
        final = scheduler.transcribe(selection, Path(file.name), scheduler.streams)
        return await unless_disconnected(socket.receive, final)


async def _receive(socket: WebSocket, seconds: float) -> str | bytes:
    try:
        async with asyncio.timeout(seconds):
            message = await socket.receive()
    except TimeoutError:
        raise RequestError(408, f"nothing arrived for {seconds:g} s", "idle") from None
    if message["type"] == "websocket.disconnect":
        raise ClientDisconnect
    text = message.get("text")
    return message["bytes"] if text is None else text


def _parse(model: type[Message], message: str | bytes) -> Message:
    if isinstance(message, bytes):
        text = "speech arrived before the start: send that first, as text"
        raise RequestError(400, text, "not_started")
    try:
        return model.model_validate_json(message)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "the message"
        raise RequestError(400, f"{name}: {first['msg']}", "invalid_value", name) from None


def _require_finite(speech: np.ndarray) -> None:
    if not np.isfinite(speech).all():
        raise RequestError(400, "some samples are NaN or infinite", "invalid_audio")


class _SpeechStream:
    """The speech of one client: written to a file, and transcribed as it arrives.

    The file is at 16 kHz, as the transcription needs it: so its size depends on the duration only.
    """

    def __init__(
        self, socket: WebSocket, context: ServerContext, start: StartMessage, selection: Selection
    ) -> None:
        self._socket, self._context = socket, context
        self._rate, self._dtype = start.sample_rate, np.dtype(ENCODINGS[start.encoding])
        self._resample = None
        if self._rate != SAMPLE_RATE:
            self._resample = soxr.ResampleStream(self._rate, SAMPLE_RATE, 1, dtype="float32")
        self._recognizer = selection.recognizer
        self._transcriber = IncrementalTranscriber(selection.recognizer)
        self._arrived, self._samples = bytearray(), 0  # not processed yet; all that has arrived
        self._pending: list[np.ndarray] = []
        self._pending_samples = 0
        self._partial: asyncio.Task[None] | None = None
        self._text = ""

    async def receive(self, path: Path) -> None:
        """Receives all speech into a WAV file."""
        exact = self._resample is None and self._dtype.kind == "i"
        subtype = "PCM_16" if exact else "FLOAT"
        block = round(BLOCK_SECONDS * self._rate) * self._dtype.itemsize
        try:
            with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, subtype, format="WAV") as writer:
                arrives = True
                while arrives:
                    arrives = await self._receive_message()
                    if len(self._arrived) >= block or not arrives:
                        speech = self._take(last=not arrives)
                        writer.write(speech)
                        if arrives:
                            await self._transcribe(speech)
            if self._partial is not None:
                await self._partial
        finally:
            if self._partial is not None:
                self._partial.cancel()
                await asyncio.wait([self._partial])

    async def _receive_message(self) -> bool:
        """Receives the samples of a message; returns False at the end."""
        options = self._context.options
        message = await _receive(self._socket, options.idle_seconds)
        if isinstance(message, str):
            _parse(EndMessage, message)
            return False
        size = self._dtype.itemsize
        if len(message) % size:
            text = f"a message must be whole samples of {size} bytes, got {len(message)}"
            raise RequestError(400, text, "invalid_audio")
        self._samples += len(message) // size
        if self._samples > options.max_seconds * self._rate:
            text = f"the stream is longer than {options.max_seconds:g} s"
            raise RequestError(413, text, "audio_too_long")
        if self._dtype.kind == "f":
            _require_finite(np.frombuffer(message, self._dtype))
        self._arrived += message
        return True

    def _take(self, last: bool) -> np.ndarray:
        """Returns the speech that has arrived, at 16 kHz."""
        speech = np.frombuffer(bytes(self._arrived), self._dtype)
        self._arrived.clear()
        if self._resample is None:
            return speech
        if self._dtype.kind == "i":
            speech = speech / np.float32(2**15)
        speech = self._resample.resample_chunk(speech.astype(np.float32, copy=False), last=last)
        _require_finite(speech)  # the largest samples overflow
        return speech

    async def _transcribe(self, speech: np.ndarray) -> None:
        """Starts a partial transcript when it is due; waits if too much speech is pending."""
        self._pending.append(speech)
        self._pending_samples += len(speech)
        seconds = self._pending_samples / SAMPLE_RATE
        if self._partial is not None and (self._partial.done() or seconds > MAX_PENDING_SECONDS):
            await self._partial
            self._partial = None
        if self._partial is None and seconds >= PARTIAL_SECONDS:
            pending = np.concatenate(self._pending)
            self._pending.clear()
            self._pending_samples = 0
            self._partial = asyncio.create_task(self._send_partial(pending))

    async def _send_partial(self, speech: np.ndarray) -> None:
        scheduler = self._context.scheduler

        def work(job: Job) -> str:
            recognizer = scheduler.batcher.batched(self._recognizer, job)
            return self._transcriber.add(recognizer, speech)

        text = await scheduler.run(work, scheduler.streams)
        if text != self._text:
            self._text = text
            await self._socket.send_json({"type": "partial", "text": text})


class IncrementalTranscriber:
    """Transcribes speech that arrives in pieces, by greedy decoding.

    Windows of one length overlap, and are joined where they agree, as in `long_form`. The text
    before the last seam is fixed, and only the window that is not full yet is computed again.
    Speech is normalized by the mean and variance of all that has arrived.

    Args:
        recognizer: the model.
        windows: how the speech is cut.
    """

    def __init__(self, recognizer: Recognizer, windows: Windows = WINDOWS) -> None:
        config = recognizer.config
        self._length = windows.length(recognizer)
        overlap = min(round(windows.overlap_seconds * SAMPLE_RATE), self._length // 2)
        self._overlap = self._length - (self._length - overlap) // config.stride * config.stride
        self._shared_frames = config.frame_length(self._overlap)  # of two windows
        self._samples, self._sum, self._squares = 0, 0.0, 0.0
        self._speech = np.zeros(0, np.float32)  # of the window that is not full
        self._logits = np.zeros((0, config.vocab_size or 0), np.float32)  # before that window
        self._path = ctc.BestPath.of(self._logits)  # of the last word, which may go on
        self._words: list[str] = []

    def add(self, recognizer: Recognizer, speech: np.ndarray) -> str:
        """Adds a piece of speech and returns the text of all pieces.

        Args:
            recognizer: the model; its logits may be computed in a batch with others.
            speech: (samples,) int16 or float32, at 16 kHz.
        """
        self._append(speech)
        while len(self._speech) >= self._length:
            logits = self._emit(recognizer, self._speech[: self._length])
            fixed, self._logits = self._join(logits)
            self._fix(recognizer.alphabet, ctc.BestPath.of(fixed))
            self._speech = self._speech[self._length - self._overlap :]
        rest = [self._logits]
        if len(self._speech) >= recognizer.minimum_length:
            rest = [*self._join(self._emit(recognizer, self._speech))]
        path = _concatenate(self._path, *map(ctc.BestPath.of, rest))
        last = ctc.transcript(path, recognizer.alphabet, recognizer.seconds_per_frame).text
        return recognizer.alphabet.space.join(filter(None, [*self._words, last]))

    def _append(self, speech: np.ndarray) -> None:
        if speech.dtype.kind == "i":
            speech = speech / np.float32(2**15)
        speech = speech.astype(np.float32, copy=False)
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
            speech = normalize(speech, mean, variance)
        return recognizer.emit([speech], normalized=True)[0][:frames]

    def _join(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the logits before and after the seam of the last windows with this one."""
        if not len(self._logits):
            return self._logits, logits
        own = len(self._logits) - self._shared_frames
        cut = seam(self._logits[own:], logits[: self._shared_frames])
        return self._logits[: own + cut], logits[cut:]

    def _fix(self, alphabet: ctc.Alphabet, path: ctc.BestPath) -> None:
        """Fixes the text of whole words, and keeps the path of the last."""
        path = _concatenate(self._path, path)
        ends = np.flatnonzero(path.tokens == alphabet.word_delimiter)
        end = ends[-1] + 1 if len(ends) else 0
        words = ctc.BestPath(path.tokens[:end], path.probabilities[:end])
        self._words.append(ctc.transcript(words, alphabet, 0.0).text)
        self._path = ctc.BestPath(path.tokens[end:], path.probabilities[end:])


def _concatenate(*paths: ctc.BestPath) -> ctc.BestPath:
    return ctc.BestPath(*map(np.concatenate, zip(*paths, strict=True)))
