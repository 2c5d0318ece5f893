"""The routes: OpenAI's audio API, health and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

from fastapi import Depends, FastAPI, Request, Response, WebSocket
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from wav2vec2_tf import __version__
from wav2vec2_tf.serving import responses, streaming, ui
from wav2vec2_tf.serving.metrics import Watched
from wav2vec2_tf.serving.models import ServedModel
from wav2vec2_tf.serving.responses import Refused
from wav2vec2_tf.serving.service import LANGUAGE, Service, Settings, unless_disconnected
from wav2vec2_tf.serving.uploads import discard


class Form(BaseModel):
    """The fields beside `file`."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    response_format: Literal["json", "text", "srt", "vtt", "verbose_json"] = "json"
    granularities: list[Literal["word", "segment", "subtitle"]] = Field(
        [], alias="timestamp_granularities[]"
    )
    language: str | None = Field(None, pattern=LANGUAGE)
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

    async def with_key(request: Request) -> None:
        service.authorize(request.headers.get("authorization", ""))

    guarded = [Depends(with_key)]

    @app.post("/v1/audio/transcriptions", dependencies=guarded, openapi_extra=_form_schema())
    async def transcriptions(request: Request) -> Response:
        async with service.upload(request) as upload:
            form = Form.of(upload.fields)
            choice = service.choice(form.model, form.language, form.decoding)
            working = service.heard(choice, upload.path)
            heard = await unless_disconnected(request.receive, working)
        granularities = form.granularities or ["segment"]
        return responses.transcription(heard, form.response_format, granularities)

    @app.websocket("/v1/audio/stream")
    async def stream(socket: WebSocket) -> None:
        await streaming.converse(socket, service)

    @app.get("/v1/models", dependencies=guarded)
    async def list_models() -> dict[str, Any]:
        cards = [*map(responses.model_card, models.values())]
        limits = {"max_bytes": settings.max_bytes, "max_seconds": settings.max_seconds}
        return {"object": "list", "data": cards} | limits

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

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        service.metrics.rejected.labels(error.code).inc()
        if error.status != 408:  # who is slow has been waited for
            await discard(request)
        return error.response()

    @app.exception_handler(HTTPException)
    async def not_routed(request: Request, error: HTTPException) -> Response:
        code = error.detail.lower().replace(" ", "_")
        return await refused(request, Refused(error.status_code, error.detail, code))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return await refused(request, Refused(500, "the server failed", "internal_error"))

    @app.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=499)  # nobody reads it

    app.add_middleware(Watched, metrics=service.metrics)
    return app


def _form_schema() -> dict[str, Any]:
    schema = Form.model_json_schema()
    schema["properties"]["file"] = {"type": "string", "format": "binary"}
    content = {"multipart/form-data": {"schema": schema | {"required": ["file"]}}}
    return {"requestBody": {"required": True, "content": content}}
