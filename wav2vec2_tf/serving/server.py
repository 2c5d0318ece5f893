"""A server of the application: from a socket to a stop in which nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from wav2vec2_tf.utils.errors import UserError

SIGNALS = (signal.SIGINT, signal.SIGTERM)
MESSAGE_BYTES = 2**20  # of a WebSocket
HEAD_SECONDS = 10.0  # from a connection to its first request
TICK_SECONDS = 0.05
CLOSING_SECONDS = 2  # for answers that have begun, when there is no time left


def bound(host: str, port: int) -> socket.socket:
    """A socket of that address, which does not listen yet.

    Raises:
        UserError: the address is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise UserError(f"--host {host} --port {port}: {error}") from None
    return listener


def address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Protocol(H11Protocol):
    """HTTP; a connection on which no request begins in time is closed."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(HEAD_SECONDS, self._require_request)

    def _require_request(self) -> None:
        is_websocket = self.transport.get_protocol() is not self
        if self.cycle is None and not is_websocket:
            self.transport.close()


class Server(uvicorn.Server):
    """Serves until it is told to stop, and then until what it has begun is done.

    From the first signal on, `/health` says 503 and nothing new is taken. It ends when nothing is
    in work any more, or after so many seconds, in which case the rest is told so; a second signal
    ends it at once.
    """

    def __init__(self, app: FastAPI, drain_seconds: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="websockets-sansio",
                ws_max_size=MESSAGE_BYTES,
                # no answer is read while a stream waits for its turn; `idle_seconds` ends dead ones
                ws_ping_interval=None,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=CLOSING_SECONDS,
            )
        )
        self.service, self.drain_seconds = app.state.service, drain_seconds
        self._signals = 0
        self._draining: asyncio.Task[None] | None = None

    def listen(self, listener: socket.socket) -> None:
        """Serve on a socket to the end."""
        self.run([listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if sockets:
            print(f"listening on {address(sockets[0])}", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ours, which leave the exit status at 0; uvicorn's would raise them again at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Begin to; in the event loop's thread."""
        self._signals += 1
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        self.service.draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.drain_seconds):
                while self.service.active and self._signals < 2:
                    await asyncio.sleep(TICK_SECONDS)
        self.service.cancel()
        self.should_exit = True
