"""One WebSocket, as ASGI's `receive` and `send`; websockets parses and writes the frames."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from starlette.types import Message, Scope
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN, SEND_EOF, SERVER, Protocol
from websockets.server import ServerProtocol

from wav2vec2_tf.serving.peer import CLOSE_SECONDS, Peer
from wav2vec2_tf.utils.errors import first_line

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 2**20
MAX_FIRST_BYTES = 2**12  # of the first message, which tells who the client is
READ_BYTES = 2**14  # parsed at once, without a turn for others
ABNORMAL, GOING_AWAY, INVALID_DATA, TOO_BIG, INTERNAL_ERROR = 1006, 1001, 1007, 1009, 1011


class WebSocketConnection:
    """A WebSocket from the request that asks for it to its close.

    A read happens only when the application receives, and waits until the pongs of the last one
    are sent: so nothing accumulates, whatever the client sends or does not read. Messages are not
    compressed, since a compressed one may be a thousand times larger than what arrives.

    Args:
        peer: the connection.
        scope: the scope of the request.
        switch: takes the headers of the answer that accepts the handshake, and returns the answer
            and the bytes that have arrived after the request.
        respond: sends a response of HTTP, by messages of ASGI, in place of a WebSocket.

    Attributes:
        scope: ASGI's scope.
        refusal: status and reason of an invalid handshake, if it is one.
        answered: whether the handshake is answered.
    """

    def __init__(
        self,
        peer: Peer,
        scope: Scope,
        switch: Callable[[list[tuple[bytes, bytes]]], tuple[bytes, bytes]],
        respond: Callable[[Message], Awaitable[None]],
    ) -> None:
        self._peer, self._switch, self._respond = peer, switch, respond
        self._protocol = Protocol(SERVER, max_size=MAX_MESSAGE_BYTES)
        self._messages: deque[Message] = deque([{"type": "websocket.connect"}])
        self._data, self._is_text = bytearray(), False
        self._first, self._unparsed = True, 0  # is it the first message; bytes after the last frame
        self.answered = self._accepted = self._closed = self._ended = self._logged = False
        request = Request(
            scope["raw_path"].decode("ascii"),
            Headers((name.decode(), value.decode("latin-1")) for name, value in scope["headers"]),
        )
        self._handshake = ServerProtocol().accept(request)
        self.refusal: tuple[int, bytes] | None = None
        if self._handshake.status_code != 101:
            self.refusal = self._handshake.status_code, bytes(self._handshake.body or b"")
        self.scope: Scope = {
            **scope,
            "type": "websocket",
            "scheme": "ws",
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }

    async def receive(self) -> Message:
        """Receives the next message, or that the client is disconnected."""
        await asyncio.sleep(0)  # many small messages that arrive together must not hold the loop
        while not self._messages:
            if self._protocol.state is not OPEN:
                close = self._protocol.close_rcvd or self._protocol.close_sent
                code, reason = (close.code, close.reason) if close else (ABNORMAL, "")
                return {"type": "websocket.disconnect", "code": code, "reason": reason}
            await self._read()
        return self._messages.popleft()

    async def send(self, message: Message) -> None:
        """Accepts or denies the handshake, sends a message, or closes the WebSocket.

        A message has no effect once the client is disconnected.
        """
        kind = message["type"].removeprefix("websocket.")
        self.answered = True
        if kind == "accept":
            own = self._handshake.headers.raw_items()
            headers = [(name.encode(), value.encode()) for name, value in own]
            answer, arrived = self._switch([*headers, *message.get("headers", ())])
            self._accepted = True
            await self._peer.write(answer)
            if arrived:
                self._parse(arrived)
        elif kind.startswith("http."):
            await self._respond({**message, "type": kind})
        elif not self._accepted:
            await self._respond({"type": "http.response.start", "status": 403})
            await self._respond({"type": "http.response.body"})
        elif self._protocol.state is OPEN:
            if kind == "close":
                self._send_close(message.get("code", 1000), message.get("reason") or "")
            elif (text := message.get("text")) is not None:
                self._protocol.send_text(text.encode())
            else:
                self._protocol.send_binary(message["bytes"])
            await self._flush()

    async def finish(self) -> None:
        """Closes the WebSocket if the application has not, and waits for the client's close."""
        if self._accepted and self._protocol.state is OPEN:
            self._send_close(INTERNAL_ERROR)
            await self._flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._protocol.close_expected() and not self._ended:
                    await self._read()

    async def go_away(self) -> None:
        """Tells the client that the server stops."""
        if self._accepted and self._protocol.state is OPEN:
            self._send_close(GOING_AWAY)
            await self._flush()

    def _send_close(self, code: int, reason: str = "") -> None:
        self._protocol.send_close(code, reason)
        self._closed = True

    async def _read(self) -> None:
        self._parse(await self._peer.read(READ_BYTES))
        await self._flush()

    def _parse(self, data: bytes) -> None:
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self._unparsed += len(data)
        for frame in self._protocol.events_received():
            self._unparsed = 0
            if isinstance(frame, Frame) and not self._closed:
                self._add(frame)
        error = self._protocol.parser_exc
        if error is not None and not isinstance(error, EOFError):
            self._log_invalid(first_line(error))
        else:
            self._check_first(self._unparsed)

    def _add(self, frame: Frame) -> None:
        """Adds a frame to the message that it belongs to."""
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._data += frame.data
        if not self._check_first() or not frame.fin:
            return
        data, self._data, self._first = bytes(self._data), bytearray(), False
        try:
            content = {"text": data.decode()} if self._is_text else {"bytes": data}
        except UnicodeDecodeError:
            self._fail(INVALID_DATA, "invalid UTF-8")
            return
        self._messages.append({"type": "websocket.receive", **content})

    def _check_first(self, more: int = 0) -> bool:
        """Returns False, and closes the WebSocket, if a first message has more than it may.

        Args:
            more: bytes that have arrived of it, beside those in whole frames.
        """
        if not self._first or len(self._data) + more <= MAX_FIRST_BYTES:
            return True
        if self._protocol.state is OPEN:
            self._fail(TOO_BIG, f"the first message has more than {MAX_FIRST_BYTES} bytes")
        return False

    def _fail(self, code: int, reason: str) -> None:
        """Closes the WebSocket because of what the client sent."""
        self._protocol.fail(code, reason)
        self._closed = True
        self._log_invalid(reason)

    def _log_invalid(self, reason: str) -> None:
        if not self._logged:
            log.warning("%s: invalid WebSocket: %s", self._peer.name, reason)
            self._logged = True

    async def _flush(self) -> None:
        pieces = self._protocol.data_to_send()
        self._ended = self._ended or SEND_EOF in pieces
        await self._peer.write(b"".join(pieces))
