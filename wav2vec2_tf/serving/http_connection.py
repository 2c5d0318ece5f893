"""HTTP/1.1 on one connection: requests of ASGI, one after the other.

h11 and websockets parse and write the bytes; here is what they leave open: how long each step may
take, and how much is held. It stands in place of a server library because none has these limits:
of uvicorn 0.54, hypercorn 0.18 and granian 2.8, the first and the last answer pings without bound,
hypercorn stores a message that is beyond its limit, and none disconnects a client that does not
read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Callable
from email.utils import formatdate
from http.client import responses
from typing import Any
from urllib.parse import unquote

import h11
from starlette.types import ASGIApp, Message, Scope

from wav2vec2_tf.serving.errors import one_line
from wav2vec2_tf.serving.peer import Peer
from wav2vec2_tf.serving.websocket_connection import WebSocketConnection
from wav2vec2_tf.utils.errors import first_line

log = logging.getLogger(__name__)

HEAD_SECONDS = 10.0  # in which the head of each request must arrive
MAX_HEAD_BYTES = 2**14
MAX_AHEAD_BYTES = 2**16  # of further requests, before the one in progress is answered
SKIP_SECONDS = 5.0  # for the rest of a body that the application has not read
SKIP_BYTES = 2**26
PROBE_SECONDS = 0.1  # from the first to the second probe of a client that sends no more

Headers = list[tuple[bytes, bytes]]


class HttpConnection:
    """Serves the requests of one client.

    Attributes:
        idle_since: when the last request was answered, in seconds of a monotonic clock; None while
            one is in progress.
        bodiless: whether the response has no body, whatever the application sends.
    """

    def __init__(self, app: ASGIApp, peer: Peer, stopping: Callable[[], bool]) -> None:
        """Prepares to serve `app` until `stopping()` is true."""
        self._app, self._peer, self._stopping = app, peer, stopping
        self.idle_since: float | None = time.monotonic()
        self._begin()

    async def run(self) -> None:
        """Serves one request after another until one of the two ends closes the connection."""
        while (request := await self._head()) is not None:
            self.idle_since = None
            if not await self._serve(request) or self._stopping():
                break
            self.idle_since = time.monotonic()
            self._begin(self._http.trailing_data[0])
        await self._peer.close()

    def _begin(self, arrived: bytes = b"") -> None:
        """Prepares for the next request, of which `arrived` may be the beginning."""
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self.bodiless = False
        if arrived:
            self._receive(arrived)

    def _receive(self, data: bytes) -> None:
        """Parses what was read; nothing is the end of what the client sends."""
        if data and self._http.their_state is h11.IDLE and not self._http.trailing_data[0]:
            data = data.lstrip(b"\r\n")  # empty lines before a request (RFC 9112, section 2.2)
            if not data:
                return
        self._http.receive_data(data)

    async def _head(self) -> h11.Request | None:
        """Receives the head of a request; None if there is none, or none in time."""
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                event = await self.event()
            if not isinstance(event, h11.Request):
                return None
            self.bodiless = event.method == b"HEAD"
            _check_head(event)
        except TimeoutError:
            return None
        except h11.RemoteProtocolError as error:
            await self.respond_invalid(error)
            return None
        return event

    @property
    def ended(self) -> bool:
        """Whether the client has ended its side of the connection."""
        return self._http.trailing_data[1]

    async def event(self) -> Any:
        """Receives h11's next event.

        Raises:
            h11.RemoteProtocolError: the client sent invalid HTTP.
        """
        await asyncio.sleep(0)  # many small pieces that arrive together must not hold the loop
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self.send(_informational(100, []))
            self._receive(await self._peer.read())
        return event

    async def send(self, *events: h11.Event) -> None:
        """Sends events of a response, in one piece."""
        await self._peer.write(b"".join(self._http.send(event) or b"" for event in events))

    async def disconnected(self) -> None:
        """Waits until the client disconnects, or has sent too much ahead to notice."""
        while not self.ended:
            if len(self._http.trailing_data[0]) > MAX_AHEAD_BYTES:
                await asyncio.Event().wait()  # until it is cancelled
            self._receive(await self._peer.read())
        await self._left()

    async def _left(self) -> None:
        """Waits until a client that sends no more is gone.

        It may still wait for its response, or have closed the connection: which of the two shows
        only when something is sent to it. HTTP/1.1 has interim responses, which clients skip (RFC
        9110, section 15.2); for HTTP/1.0 there is nothing to send.
        """
        seconds = PROBE_SECONDS
        while self._http.their_http_version != b"1.0" and not self._peer.closed:
            if self._http.our_state is h11.SEND_RESPONSE:
                await self.send(_informational(100, []))
            await asyncio.sleep(seconds)
            seconds *= 2

    def response(self, status: int, headers: Headers) -> h11.Response:
        """Makes the head of a response, with the headers of the server."""
        own = [(b"date", formatdate(usegmt=True).encode())]
        if self._stopping():
            own.append((b"connection", b"close"))
        return h11.Response(status_code=status, headers=[*headers, *own], reason=_reason(status))

    async def _serve(self, request: h11.Request) -> bool:
        """Serves a request; returns whether another one may follow."""
        scope = _scope(request)
        if _is_websocket(request):
            return await self._serve_websocket(scope, request)
        exchange = HttpExchange(self)
        await self._run(scope, exchange)
        if not exchange.complete:
            return False
        await self._skip_body()
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _skip_body(self) -> None:
        """Reads on for a moment: a client that cannot send would not read why it is rejected."""
        skipped = 0
        with contextlib.suppress(TimeoutError, h11.RemoteProtocolError):
            async with asyncio.timeout(SKIP_SECONDS):
                while self._http.their_state is h11.SEND_BODY and skipped <= SKIP_BYTES:
                    event = await self.event()
                    skipped += len(event.data) if isinstance(event, h11.Data) else 0

    async def _serve_websocket(self, scope: Scope, request: h11.Request) -> bool:
        try:
            if not isinstance(await self.event(), h11.EndOfMessage):
                return False  # a handshake has no body
        except h11.RemoteProtocolError as error:
            await self.respond_invalid(error)
            return False
        exchange = HttpExchange(self)
        socket = WebSocketConnection(self._peer, scope, self._switch, exchange.send)
        if socket.refusal is not None:
            await self._respond(*socket.refusal)
            return False
        try:
            await self._run(socket.scope, socket)
        except asyncio.CancelledError:
            await socket.go_away()
            raise
        await socket.finish()
        return False

    def _switch(self, headers: Headers) -> tuple[bytes, bytes]:
        """Returns the answer that opens a WebSocket, and what has arrived on it already."""
        answer = self._http.send(_informational(101, headers))
        return answer or b"", self._http.trailing_data[0]

    async def _run(self, scope: Scope, exchange: HttpExchange | WebSocketConnection) -> None:
        """Runs the application; a failure is one line of the log, and answered if it can be."""
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:
            log.error("%s failed: %s", scope["path"], one_line(error))
            log.debug("traceback", exc_info=error)
        if not exchange.answered:
            await self._respond(500, b"the server failed")

    async def respond_invalid(self, error: h11.RemoteProtocolError) -> None:
        """Logs that a request is not HTTP, and answers it if that is possible."""
        reason = first_line(error).partition(": bytearray(")[0]  # which may have a key in it
        log.warning("%s: invalid HTTP: %s", self._peer.name, reason)
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._respond(error.error_status_hint, f"invalid HTTP: {reason}\n".encode())

    async def _respond(self, status: int, body: bytes) -> None:
        """Sends a whole response, after which the connection is closed."""
        headers = [
            (b"content-type", b"text/plain"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        exchange = HttpExchange(self)
        await exchange.send({"type": "http.response.start", "status": status, "headers": headers})
        await exchange.send({"type": "http.response.body", "body": body})


class HttpExchange:
    """A request and its response, as ASGI's `receive` and `send`.

    Attributes:
        answered: whether the response has begun.
        complete: whether the response is sent.
    """

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection
        self._received = self._refused = False
        self._start: h11.Response | None = None
        self.answered = self.complete = False

    async def receive(self) -> Message:
        """Receives a piece of the body; after its end, waits until the client disconnects."""
        if self._received:
            if not self.complete:
                await self._connection.disconnected()
            return {"type": "http.disconnect"}
        try:
            event = await self._connection.event()
        except h11.RemoteProtocolError as error:
            if not self._connection.ended:
                await self._connection.respond_invalid(error)
                self.answered = self._refused = True
            return {"type": "http.disconnect"}
        body = bytes(event.data) if isinstance(event, h11.Data) else b""
        self._received = not isinstance(event, h11.Data)
        return {"type": "http.request", "body": body, "more_body": not self._received}

    async def send(self, message: Message) -> None:
        """Sends the head of the response, or a piece of its body; not after an invalid request."""
        if self._refused:
            return
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            self._start = self._connection.response(message["status"], headers)
            return
        events: list[h11.Event] = []
        if self._start is not None:
            events.append(self._start)
            self._start, self.answered = None, True
        if (body := message.get("body", b"")) and not self._connection.bodiless:
            events.append(h11.Data(data=body))
        if not message.get("more_body", False):
            events.append(h11.EndOfMessage())
        await self._connection.send(*events)
        self.complete = not message.get("more_body", False)


def _check_head(request: h11.Request) -> None:
    """Raises `h11.RemoteProtocolError` for what h11 accepts and this server does not.

    A body with two lengths, and a coding that HTTP/1.0 does not have, are read by another server in
    the way as other requests than by this one (RFC 9112, section 6.1).
    """
    version = request.http_version
    if not version.startswith(b"1."):
        message = f"the version must be 1.0 or 1.1, got {version.decode()}"
        raise h11.RemoteProtocolError(message, error_status_hint=505)
    size = len(request.target) + sum(len(name) + len(value) for name, value in request.headers)
    if size > MAX_HEAD_BYTES:
        message = f"the head must have at most {MAX_HEAD_BYTES} bytes"
        raise h11.RemoteProtocolError(message, error_status_hint=431)
    names = {name for name, _ in request.headers}
    if b"transfer-encoding" in names and (b"content-length" in names or version == b"1.0"):
        raise h11.RemoteProtocolError(
            "Transfer-Encoding must be sent without Content-Length, and not by HTTP/1.0"
        )


def _reason(status: int) -> bytes:
    return responses.get(status, "").encode()


def _informational(status: int, headers: Headers) -> h11.InformationalResponse:
    return h11.InformationalResponse(status_code=status, headers=headers, reason=_reason(status))


def _scope(request: h11.Request) -> Scope:
    target = re.sub(rb"^https?://[^/?]*/?", b"/", request.target, flags=re.IGNORECASE)
    raw_path, _, query = target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.http_version.decode(),
        "method": request.method.decode(),
        "scheme": "http",
        "path": unquote(raw_path.decode("ascii")),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": list(request.headers),
        "client": None,
        "server": None,
        "state": {},
    }


def _is_websocket(request: h11.Request) -> bool:
    tokens = {
        (name, token.strip().lower())
        for name, value in request.headers
        for token in value.split(b",")
    }
    return (
        (request.method, request.http_version) == (b"GET", b"1.1")
        and (b"connection", b"upgrade") in tokens
        and (b"upgrade", b"websocket") in tokens
    )
