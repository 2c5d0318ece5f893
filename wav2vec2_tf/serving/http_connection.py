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

Headers = list[tuple[bytes, bytes]]


class HttpConnection:
    """Serves the requests of one client.

    Attributes:
        idle_since: when the last request was answered, in seconds of a monotonic clock; None while
            one is in progress.
    """

    def __init__(self, app: ASGIApp, peer: Peer, stopping: Callable[[], bool]) -> None:
        """Prepares to serve `app` until `stopping()` is true."""
        self._app, self._peer, self._stopping = app, peer, stopping
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self.idle_since: float | None = time.monotonic()

    async def run(self) -> None:
        """Serves one request after another until one of the two ends closes the connection."""
        while (request := await self._head()) is not None:
            self.idle_since = None
            if not await self._serve(request) or self._stopping():
                break
            self.idle_since = time.monotonic()
        await self._peer.close()

    async def _head(self) -> h11.Request | None:
        """Receives the head of a request; None if there is none, or none in time."""
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                event = await self.event()
        except TimeoutError:
            return None
        except h11.RemoteProtocolError as error:
            await self.respond_invalid(error)
            return None
        return event if isinstance(event, h11.Request) else None

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
            self._http.receive_data(await self._peer.read())
        return event

    async def send(self, *events: h11.Event) -> None:
        """Sends events of a response, in one piece."""
        await self._peer.write(b"".join(self._http.send(event) or b"" for event in events))

    async def disconnected(self) -> None:
        """Waits until the client disconnects, or has sent too much ahead to notice."""
        while len(self._http.trailing_data[0]) <= MAX_AHEAD_BYTES:
            data = await self._peer.read()
            self._http.receive_data(data)
            if not data:
                return
        await asyncio.Event().wait()  # until it is cancelled

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
        exchange = HttpExchange(self, request.method == b"HEAD")
        await self._run(scope, exchange)
        if not exchange.complete:
            return False
        await self._skip_body()
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

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
        log.warning("%s: invalid HTTP: %s", self._peer.name, first_line(error))
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._respond(error.error_status_hint, b"invalid HTTP")

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

    def __init__(self, connection: HttpConnection, head: bool = False) -> None:
        self._connection, self._head = connection, head
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
        if (body := message.get("body", b"")) and not self._head:
            events.append(h11.Data(data=body))
        if not message.get("more_body", False):
            events.append(h11.EndOfMessage())
        await self._connection.send(*events)
        self.complete = not message.get("more_body", False)


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
