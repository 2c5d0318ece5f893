"""The routes: OpenAI's audio API, health and metrics."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import tempfile
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from wav2vec2_tf import __version__
from wav2vec2_tf.errors import UserError, did_you_mean
from wav2vec2_tf.long_form import Windows
from wav2vec2_tf.service import responses, ui
from wav2vec2_tf.service.batching import Batcher, Cancelled, Full, Job, Workers
from wav2vec2_tf.service.metrics import Metrics, Watched
from wav2vec2_tf.service.responses import Refused
from wav2vec2_tf.service.served import Engine, Heard, ServedModel, TooLong
from wav2vec2_tf.service.uploads import Upload, discard, received
from wav2vec2_tf.transcribe import Recognizer

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """The bounds within which a server works."""

    api_keys: frozenset[bytes] = frozenset()
    """SHA-256 of those that are let in; empty: everybody is."""
    max_bytes: int = 25_000_000
    """Of a file, as OpenAI has it."""
    max_seconds: float = 3600.0
    """Of a recording."""
    queue: int = 64
    """Recordings in work, those that wait for a batch included; as many more may be on their way
    in."""
    upload_seconds: float = 60.0
    """In which a request must have come."""
    timeout: float = 600.0
    """Seconds in which a recording must be done, from when it has come."""
    windows: Windows = field(default_factory=Windows)
    """How long recordings are cut, and how much is computed at once."""
    batching: bool = True
    """Whether recordings are computed beside one another."""
    ui: bool = False
    """Whether there is a page at /."""


class Form(BaseModel):
    """The fields beside `file`."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    response_format: Literal["json", "text", "srt", "vtt", "verbose_json"] = "json"
    granularities: list[Literal["word", "segment"]] = Field([], alias="timestamp_granularities[]")
    language: str | None = None
    decoding: str | None = None
    prompt: str | None = None
    """Without effect: CTC has no text before to go on from."""
    temperature: float = Field(0.0, ge=0, le=1)
    """Without effect: nothing is drawn at random."""
    stream: Literal["false", "False", "0"] = "false"
    """Text comes in one piece; in parts, over the WebSocket."""

    @classmethod
    def of(cls, fields: Mapping[str, list[str]]) -> Form:
        """Of a form that was sent; `Refused` where a value cannot be taken."""
        many = "timestamp_granularities[]"
        values: dict[str, Any] = {name: given[-1] for name, given in fields.items() if given[-1]}
        granularities = fields.get(many, []) + fields.get("timestamp_granularities", [])
        values.pop("timestamp_granularities", None)
        try:
            form = cls.model_validate({**values, many: granularities})
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            raise Refused(400, f"{name}: {first['msg']}", "invalid_value", name) from None
        if form.granularities and form.response_format != "verbose_json":
            message = f"{many} are for response_format verbose_json"
            raise Refused(400, message, "invalid_value", many)
        return form


class Service:
    """All that the routes share."""

    def __init__(self, settings: Settings, models: Mapping[str, ServedModel]) -> None:
        self.settings, self.models = settings, models
        self.draining = False
        self.uploading = 0
        self.metrics = Metrics()
        batch_seconds = settings.windows.batch_seconds if settings.batching else 0.0
        self.batcher = Batcher(batch_seconds, self.metrics.batch)
        self.engine = Engine(self.batcher, settings.windows, settings.max_seconds)
        self.workers = Workers(settings.queue)
        self._folder = tempfile.TemporaryDirectory(prefix="wav2vec2-tf-")
        self.folder = Path(self._folder.name)
        gauges = {
            "queue_rows": ("Rows that wait for a batch.", lambda: self.batcher.waiting),
            "recordings": ("Recordings in work.", lambda: self.workers.active),
            "uploads": ("Recordings on their way in.", lambda: self.uploading),
        }
        for name, (summary, value) in gauges.items():
            self.metrics.gauge(name, summary, value)

    @property
    def active(self) -> int:
        """Requests that are not answered yet."""
        return self.metrics.active

    def close(self) -> None:
        self.workers.cancel()
        self.batcher.close()
        self._folder.cleanup()

    def authorize(self, key: str) -> None:
        """Raise `Refused` unless the key is one of ours; each takes as long to be compared."""
        keys = self.settings.api_keys
        given = hashlib.sha256(key.encode()).digest()
        if keys and not sum(hmac.compare_digest(given, known) for known in keys):
            raise Refused(401, "the API key is missing or wrong", "invalid_api_key")

    def model(self, name: str | None) -> ServedModel:
        """The one of that name, or the first."""
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            near = did_you_mean(name, self.models)
            raise Refused(404, f"there is no model {name!r}{near}", "model_not_found", "model")
        return self.models[name]

    def recognizer(
        self, model: ServedModel, language: str | None, decoding: str | None
    ) -> Recognizer:
        if decoding is not None and decoding not in model.decodings:
            known = ", ".join(model.decodings)
            message = f"there is no decoding {decoding!r} of {model.name!r}, but {known}"
            raise Refused(400, message, "decoding_not_found", "decoding")
        try:
            return model.recognizer(language, decoding)
        except LookupError:
            known = ", ".join(model.languages)
            message = f"{model.name!r} does not know the language {language!r}, but {known}"
            raise Refused(400, message, "language_not_supported", "language") from None

    def admit(self) -> None:
        """Raise `Refused` where nothing new is taken."""
        if self.draining:
            raise Refused(503, "the server is stopping", "stopping")
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

    async def heard(
        self, recognizer: Recognizer, path: Path, model: str, language: str | None
    ) -> Heard:
        """What is said in a file; `Refused` where it is not to be had."""

        def work(job: Job) -> Heard:
            return self.engine.transcribe(recognizer, path, job, language)

        try:
            heard = await self.workers.run(work, self.settings.timeout)
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
            raise Refused(503, "the server is stopping", "stopping") from None
        self.metrics.audio.labels(model).inc(heard.seconds)
        return heard


def full() -> Refused:
    return Refused(429, "as many recordings are in work as may be: try again", "queue_full")


async def unless_disconnected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What it returns; it is cancelled where the client, whose request is read, leaves."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
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


def create_app(settings: Settings, models: Mapping[str, ServedModel]) -> FastAPI:
    """The application; `app.state.service` is what the server stops it by.

    Args:
        models: by name; the first is that of who names none.
    """
    service = Service(settings, models)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="wav2vec2-tf", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.service = service

    def with_key(request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        service.authorize(key.strip() if scheme.lower() == "bearer" else "")

    guarded = [Depends(with_key)]

    @app.post("/v1/audio/transcriptions", dependencies=guarded, openapi_extra=_form_schema())
    async def transcriptions(request: Request) -> Response:
        async with service.upload(request) as upload:
            form = Form.of(upload.fields)
            model = service.model(form.model)
            recognizer = service.recognizer(model, form.language, form.decoding)
            heard = await unless_disconnected(
                request, service.heard(recognizer, upload.path, model.name, form.language)
            )
        granularities = form.granularities or ["segment"]
        return responses.transcription(heard, form.response_format, granularities)

    @app.get("/v1/models", dependencies=guarded)
    async def list_models() -> dict[str, Any]:
        return {"object": "list", "data": [*map(responses.model_card, models.values())]}

    @app.get("/v1/models/{name:path}", dependencies=guarded)
    async def retrieve_model(name: str) -> dict[str, Any]:
        return responses.model_card(service.model(name))

    @app.get("/health")
    async def health() -> JSONResponse:
        status = "stopping" if service.draining else "ready"
        return JSONResponse({"status": status}, 503 if service.draining else 200)

    @app.get("/metrics", dependencies=guarded)
    async def metrics() -> Response:
        content = generate_latest(service.metrics.registry)
        return Response(content, media_type=CONTENT_TYPE_LATEST)

    if settings.ui:
        ui.mount(app)

    async def refused(request: Request, error: Refused) -> Response:
        service.metrics.rejected.labels(error.code).inc()
        await discard(request)
        return error.response()

    async def not_routed(request: Request, error: HTTPException) -> Response:
        code = error.detail.lower().replace(" ", "_")
        return await refused(request, Refused(error.status_code, error.detail, code))

    async def failed(request: Request, error: Exception) -> Response:
        return await refused(request, Refused(500, "the server failed", "internal_error"))

    async def left(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=499)  # nobody reads it

    app.add_middleware(Watched, metrics=service.metrics)
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(HTTPException, not_routed)
    app.add_exception_handler(ClientDisconnect, left)
    app.add_exception_handler(Exception, failed)
    return app


def _form_schema() -> dict[str, Any]:
    schema = Form.model_json_schema()
    schema["properties"]["file"] = {"type": "string", "format": "binary"}
    content = {"multipart/form-data": {"schema": schema | {"required": ["file"]}}}
    return {"requestBody": {"required": True, "content": content}}
