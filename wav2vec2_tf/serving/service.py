"""What all routes share: the models, the bounds, and the way from a file to a transcript."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from wav2vec2_tf.serving.metrics import Metrics
from wav2vec2_tf.serving.models import Engine, Heard, ServedModel, TooLong
from wav2vec2_tf.serving.responses import Refused
from wav2vec2_tf.serving.scheduler import Batcher, Cancelled, Full, Job, Workers
from wav2vec2_tf.serving.uploads import Upload, received
from wav2vec2_tf.transcription.long_form import Windows
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.utils.errors import UserError, did_you_mean

LANGUAGE = r"^[\w-]{1,64}$"
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """The bounds within which a server works."""

    api_keys: frozenset[bytes] = frozenset()
    """SHA-256 of those that are let in; empty: everybody is."""
    max_bytes: int = 25_000_000
    """Of a file, as OpenAI has it."""
    max_seconds: float = 3600.0
    """Of a recording, or a stream."""
    queue: int = 64
    """Recordings in work, those that wait for a batch included; as many more may be on their way
    in."""
    streams: int = 16
    """WebSockets at once."""
    upload_seconds: float = 60.0
    """In which a request must have come."""
    timeout: float = 600.0
    """Seconds in which a recording must be done, from when it has come."""
    idle_seconds: float = 30.0
    """A stream in which so long nothing comes is closed."""
    partial_seconds: float = 1.0
    """Of speech, from one partial result to the next."""
    windows: Windows = field(default_factory=Windows)
    """How long recordings are cut, and how much is computed at once."""
    batching: bool = True
    """Whether recordings are computed beside one another."""
    ui: bool = False
    """Whether there is a page at /."""


@dataclass(frozen=True)
class Choice:
    """Of what a request may choose."""

    model: str
    recognizer: Recognizer
    language: str | None
    """Where it is known."""


class Service:
    """All that the routes share."""

    def __init__(self, settings: Settings, models: Mapping[str, ServedModel]) -> None:
        self.settings, self.models = settings, models
        self.draining = False
        self.uploading = self.streams = 0
        self.metrics = Metrics()
        batch_seconds = settings.windows.batch_seconds if settings.batching else 0.0
        self.batcher = Batcher(batch_seconds, self.metrics.batch)
        self.engine = Engine(self.batcher, settings.windows, settings.max_seconds)
        self.workers = Workers(settings.queue)
        self.streaming = Workers(2 * settings.streams)  # one that has left may still be at work
        self._folder = tempfile.TemporaryDirectory(prefix="wav2vec2-tf-")
        self.folder = Path(self._folder.name)
        gauges = {
            "queue_rows": ("Rows that wait for a batch.", lambda: self.batcher.waiting),
            "recordings": ("Recordings in work.", lambda: self.workers.active),
            "streams": ("WebSockets that are open.", lambda: self.streams),
            "uploads": ("Recordings on their way in.", lambda: self.uploading),
        }
        for name, (summary, value) in gauges.items():
            self.metrics.gauge(name, summary, value)

    @property
    def active(self) -> int:
        """Requests that are not answered yet."""
        return self.metrics.active

    def cancel(self) -> None:
        """All that is in work."""
        self.workers.cancel()
        self.streaming.cancel()

    def close(self) -> None:
        self.cancel()
        self.batcher.close()
        self._folder.cleanup()

    def authorize(self, authorization: str) -> None:
        """Raise `Refused` unless the header has one of our keys.

        Each key takes as long to be compared, whatever was given.
        """
        scheme, _, key = authorization.partition(" ")
        given = key.strip() if scheme.lower() == "bearer" else ""
        digest = hashlib.sha256(given.encode(errors="surrogatepass")).digest()
        keys = self.settings.api_keys
        if keys and not sum(hmac.compare_digest(digest, known) for known in keys):
            raise Refused(401, "the API key is missing or wrong", "invalid_api_key")

    def model(self, name: str | None) -> ServedModel:
        """The one of that name, or the first."""
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            near = did_you_mean(name, self.models)
            raise Refused(404, f"there is no model {name!r}{near}", "model_not_found", "model")
        return self.models[name]

    def choice(self, name: str | None, language: str | None, decoding: str | None) -> Choice:
        """Of a model, the first where none is named, and what it is to do.

        Raises:
            Refused: there is none of that name, or it does not know the language or the decoding.
        """
        model = self.model(name)
        if decoding is not None and decoding not in model.decodings:
            known = ", ".join(model.decodings)
            message = f"there is no decoding {decoding!r} of {model.name!r}, but {known}"
            raise Refused(400, message, "decoding_not_found", "decoding")
        if model.languages:
            language = language or model.languages[0]
            if language not in model.languages:
                known = ", ".join(model.languages)
                message = f"{model.name!r} does not know the language {language!r}, but {known}"
                raise Refused(400, message, "language_not_supported", "language")
        return Choice(model.name, model.recognizer(language, decoding), language)

    def admit(self) -> None:
        """Raise `Refused` where nothing new is taken."""
        if self.draining:
            raise stopping()
        if self.uploading >= self.settings.queue or self.workers.active >= self.settings.queue:
            raise full()

    @asynccontextmanager
    async def upload(self, request: Request) -> AsyncIterator[Upload]:
        """What the request holds, in a temporary file."""
        settings = self.settings
        self.admit()
        self.uploading += 1
        arriving = True
        try:
            async with received(
                request, self.folder, settings.max_bytes, settings.upload_seconds
            ) as upload:
                self.uploading -= 1
                arriving = False
                yield upload
        finally:
            self.uploading -= arriving

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[None]:
        """A place for one WebSocket."""
        if self.draining:
            raise stopping()
        if self.streams >= self.settings.streams:
            raise full()
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    async def heard(self, choice: Choice, path: Path, workers: Workers | None = None) -> Heard:
        """What is said in a file; `Refused` where it is not to be had."""

        def work(job: Job) -> Heard:
            return self.engine.transcribe(choice.recognizer, path, job, choice.language)

        heard = await self.work(work, workers or self.workers)
        self.metrics.audio.labels(choice.model).inc(heard.seconds)
        return heard

    async def work(self, work: Callable[[Job], T], workers: Workers) -> T:
        """What it returns; what it raises is `Refused`."""
        try:
            return await workers.run(work, self.settings.timeout)
        except Full:
            raise full() from None
        except TooLong as error:
            raise Refused(413, str(error), "audio_too_long", "file") from None
        except UserError as error:
            raise Refused(400, str(error), "invalid_audio", "file") from None
        except TimeoutError:
            message = f"it takes longer than {self.settings.timeout:g} s: cut the recording"
            raise Refused(504, message, "timeout") from None
        except Cancelled:
            raise stopping() from None


def stopping() -> Refused:
    return Refused(503, "the server is stopping", "stopping")


def full() -> Refused:
    return Refused(429, "as many recordings are in work as may be: try again", "queue_full")


async def unless_disconnected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """What it returns; it is cancelled where the client, of whom nothing more is read, leaves."""

    async def gone() -> None:
        while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
            pass

    working, leaving = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return await working
    finally:
        for task in (working, leaving):
            task.cancel()
