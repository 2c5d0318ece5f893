"""The routes: OpenAI's audio API, the WebSocket, health and metrics.

A transcription goes from its route to the scheduler, which runs the recognizer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

from fastapi import Depends, FastAPI, Request, Response, WebSocket
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from wav2vec2_tf import __version__
from wav2vec2_tf.serving import responses
from wav2vec2_tf.serving.api_keys import ApiKeys
from wav2vec2_tf.serving.context import ServerContext
from wav2vec2_tf.serving.errors import RequestError
from wav2vec2_tf.serving.jobs import unless_disconnected
from wav2vec2_tf.serving.metrics import MetricsMiddleware
from wav2vec2_tf.serving.models import LANGUAGE, SpeechModel, load_models
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.serving.origins import OriginMiddleware, normalized
from wav2vec2_tf.serving.page import add_page
from wav2vec2_tf.serving.streaming import handle_stream
from wav2vec2_tf.transcription import long_form

CPU_BATCH_SECONDS = 60.0  # short recordings of many requests fill it
GRANULARITIES = "timestamp_granularities[]"


class TranscriptionForm(BaseModel):
    """The fields of a transcription request beside `file`."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    response_format: Literal["json", "text", "srt", "vtt", "verbose_json"] = "json"
    granularities: list[Literal["word", "segment", "subtitle"]] = Field(
        [], alias="timestamp_granularities[]"
    )
    language: str | None = Field(None, pattern=LANGUAGE)
    decoding: str | None = None
    prompt: str | None = None
    """Has no effect: CTC does not continue a text."""
    temperature: float = Field(0.0, ge=0, le=1)
    """Has no effect: decoding is not random."""
    stream: Literal["false", "False", "0"] = "false"
    """The text is one answer; the WebSocket sends it in parts."""

    @classmethod
    def parse(cls, fields: Mapping[str, list[str]]) -> TranscriptionForm:
        """Validates the fields of an uploaded form.

        Raises:
            RequestError: a field is unknown or its value is not allowed.
        """
        values: dict[str, Any] = {name: sent[-1] for name, sent in fields.items() if sent[-1]}
        granularities = fields.get(GRANULARITIES, []) + fields.get("timestamp_granularities", [])
        values.pop("timestamp_granularities", None)
        try:
            form = cls.model_validate({**values, GRANULARITIES: granularities})
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            raise RequestError(400, f"{name}: {first['msg']}", "invalid_value", name) from None
        if form.granularities and form.response_format != "verbose_json":
            message = f"{GRANULARITIES} needs response_format verbose_json"
            raise RequestError(400, message, "invalid_value", GRANULARITIES)
        return form


def create_app(
    options: ServeOptions | None = None, models: Iterable[SpeechModel] | None = None
) -> FastAPI:
    """Creates the ASGI application; `serve` also runs it.

    `app.state.context` is its `ServerContext`.

    Args:
        options: its limits, and the models to load.
        models: loaded models, to be served instead of those in `options`; the first serves
            requests that name none.

    Raises:
        UserError: a model, its decoder or the API keys cannot be used.
    """
    options = options or ServeOptions()
    api_keys = ApiKeys.from_options(options)
    windows = long_form.windows(options.window, options.batch_seconds, CPU_BATCH_SECONDS)
    if models is None:
        models = load_models(options, windows)
    context = ServerContext(options, models, windows, api_keys)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await context.close()

    app = FastAPI(
        title="wav2vec2-tf",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # to an address that is wrong behind a proxy
    )
    app.state.context = context
    _add_routes(app, context)
    if options.ui:
        add_page(app)
    _add_error_handlers(app, context)
    _add_middleware(app, context)
    return app


def _add_middleware(app: FastAPI, context: ServerContext) -> None:
    """Adds what every request passes through, the innermost first."""
    options, metrics = context.options, context.metrics
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(map(normalized, options.allowed_origins)),
        allow_methods=("GET", "POST"),
        allow_headers=("*",),
        expose_headers=("Retry-After",),
    )
    hosts = (options.host, *options.allowed_hosts)
    app.add_middleware(
        OriginMiddleware, hosts=hosts, origins=options.allowed_origins, metrics=metrics
    )
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_middleware(HeadMiddleware)


class HeadMiddleware:
    """ASGI middleware that handles HEAD as GET: the server leaves out the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request of HTTP; the rest passes through."""
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive, send)


def _add_routes(app: FastAPI, context: ServerContext) -> None:
    async def require_key(request: Request) -> None:
        context.api_keys.require(request.headers.get("authorization", ""))

    with_key = [Depends(require_key)]

    @app.post("/v1/audio/transcriptions", dependencies=with_key, openapi_extra=_form_schema())
    async def transcriptions(request: Request) -> Response:
        async with context.upload(request) as upload:
            form = TranscriptionForm.parse(upload.fields)
            selection = context.models.select(form.model, form.language, form.decoding)
            work = context.scheduler.transcribe(selection, upload.path)
            result = await unless_disconnected(request.receive, work)
        granularities = form.granularities or ["segment"]
        return responses.transcription(result, form.response_format, granularities)

    @app.websocket("/v1/audio/stream")
    async def stream(socket: WebSocket) -> None:
        await handle_stream(socket, context)

    @app.get("/v1/models", dependencies=with_key)
    async def list_models() -> dict[str, Any]:
        cards = [responses.model_card(model) for model in context.models]
        options = context.options
        limits = {"max_bytes": options.max_bytes, "max_seconds": options.max_seconds}
        return {"object": "list", "data": cards} | limits

    @app.get("/v1/models/{name:path}", dependencies=with_key)
    async def retrieve_model(name: str) -> dict[str, Any]:
        return responses.model_card(context.models.get(name))

    @app.get("/health")
    async def health() -> JSONResponse:
        if context.draining:
            return JSONResponse({"status": "stopping"}, 503)
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", dependencies=with_key)
    async def metrics() -> Response:
        content = generate_latest(context.metrics.registry)
        return Response(content, media_type=CONTENT_TYPE_LATEST)


def _add_error_handlers(app: FastAPI, context: ServerContext) -> None:
    @app.exception_handler(RequestError)
    async def request_error(request: Request, error: RequestError) -> Response:
        context.metrics.rejected.labels(error.code).inc()
        return responses.error_response(error)

    @app.exception_handler(HTTPException)
    async def http_exception(request: Request, error: HTTPException) -> Response:
        code = error.detail.lower().replace(" ", "_")
        message = f"{error.detail}: {request.method} {request.scope['path']}"
        answer = await request_error(request, RequestError(error.status_code, message, code))
        answer.headers.update(error.headers or {})
        if answer.headers.get("allow") == "GET":
            answer.headers["allow"] = "GET, HEAD"
        return answer

    @app.exception_handler(Exception)
    async def internal_error(request: Request, error: Exception) -> Response:
        answered = RequestError(500, "the server failed", "internal_error")
        return await request_error(request, answered)

    @app.exception_handler(ClientDisconnect)
    async def disconnected(request: Request, error: ClientDisconnect) -> Response:
        message = "the client disconnected before the answer: use HTTP/1.1, or do not shut down"
        return responses.error_response(RequestError(499, message, "disconnected"))


def _form_schema() -> dict[str, Any]:
    """Describes the form for OpenAPI, since the route reads its body itself."""
    schema = TranscriptionForm.model_json_schema()
    schema["properties"]["file"] = {"type": "string", "format": "binary"}
    content = {"multipart/form-data": {"schema": schema | {"required": ["file"]}}}
    return {"requestBody": {"required": True, "content": content}}
