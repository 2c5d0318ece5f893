"""The HTTP server: runs the application on a socket, and stops without losing requests.

Everything that depends on uvicorn is here. It is used through its documented settings, `serve`,
`started` and `should_exit`; `HeadTimeoutProtocol` overrides methods of `asyncio.Protocol` only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
import socket
import threading
from collections.abc import Iterable, Iterator

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from wav2vec2_tf.serving.app import create_app
from wav2vec2_tf.serving.context import ServerContext
from wav2vec2_tf.serving.models import SpeechModel
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.utils.errors import UserError

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)
MAX_MESSAGE_BYTES = 2**20  # of a WebSocket
HEAD_SECONDS = 10.0  # in which the head of a connection's first request must arrive
END_OF_HEAD = re.compile(rb"\n\r?\n")
TICK_SECONDS = 0.05
CLOSING_SECONDS = 2  # for answers that have begun when the time to drain is over


def serve(options: ServeOptions | None = None, models: Iterable[SpeechModel] | None = None) -> None:
    """Loads the models and serves them until the process gets SIGINT or SIGTERM.

    Progress is logged at level INFO, as "listening on http://127.0.0.1:8000".

    Args:
        options: the address, the limits, and the models to load.
        models: loaded models, to be served instead of those in `options`.

    Raises:
        UserError: the address is in use, or a model, its decoder or the keys cannot be used.
    """
    options = options or ServeOptions()
    with bind_socket(options.host, options.port) as listener:  # fails before models are loaded
        app = create_app(options, models)
        asyncio.run(Server(app, options.drain_seconds).run(listener))


class Server:
    """Runs an application of `create_app` until it is stopped.

    From the first signal on, `/health` answers 503 and no request is admitted. The server ends when
    all requests are answered, or after `drain_seconds`, when the rest is answered 503; a second
    signal does not wait.

    Args:
        app: the application.
        drain_seconds: time in which requests may finish.
    """

    def __init__(self, app: FastAPI, drain_seconds: float) -> None:
        self._context: ServerContext = app.state.context
        self._drain_seconds = drain_seconds
        self._stops = 0
        self._draining: asyncio.Task[None] | None = None
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                app,
                http=HeadTimeoutProtocol,
                ws="websockets-sansio",
                ws_max_size=MAX_MESSAGE_BYTES,
                # A stream that waits for its turn reads no pongs; `idle_seconds` ends dead ones.
                ws_ping_interval=None,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=CLOSING_SECONDS,
            )
        )

    @property
    def started(self) -> bool:
        """Whether the server accepts connections."""
        return self._uvicorn.started

    async def run(self, listener: socket.socket) -> None:
        """Serves on a bound socket until `stop` is called, or in the main thread by a signal."""
        serving = asyncio.create_task(self._uvicorn.serve([listener]))
        while not self.started and not serving.done():
            await asyncio.sleep(TICK_SECONDS)
        if self.started:
            log.info("listening on %s", url_of(listener))
        with self._signal_handlers():
            await serving

    def stop(self) -> None:
        """Starts to drain; call it in the thread of the event loop."""
        self._stops += 1
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    @contextlib.contextmanager
    def _signal_handlers(self) -> Iterator[None]:
        """Handles signals by `stop`, in place of uvicorn, which would raise them again at its end.

        So the exit status of a stopped server is 0.
        """
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

    async def _drain(self) -> None:
        self._context.draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_seconds):
                while self._context.metrics.active and self._stops < 2:
                    await asyncio.sleep(TICK_SECONDS)
        self._context.scheduler.cancel()
        self._uvicorn.should_exit = True


class HeadTimeoutProtocol(H11Protocol):
    """Closes a connection if the head of its first request does not arrive in `HEAD_SECONDS`.

    uvicorn has no setting for this: `timeout_keep_alive` starts after the first answer.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the timeout."""
        super().connection_made(transport)
        self._head = b""
        self._head_timeout = asyncio.get_running_loop().call_later(HEAD_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        """Ends the timeout when the head is complete."""
        if not self._head_timeout.cancelled():
            self._head = self._head[-2:] + data
            if END_OF_HEAD.search(self._head):
                self._head_timeout.cancel()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the timeout."""
        self._head_timeout.cancel()
        super().connection_lost(exc)


def bind_socket(host: str, port: int) -> socket.socket:
    """Returns a socket that is bound to an address and does not listen yet.

    Raises:
        UserError: the address is in use or not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise UserError(f"cannot listen on host {host}, port {port}: {error}") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Returns the URL of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
