"""The server: runs the application on a socket, and stops without losing requests."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Iterable, Iterator

from fastapi import FastAPI

from wav2vec2_tf.serving.app import create_app
from wav2vec2_tf.serving.context import ServerContext
from wav2vec2_tf.serving.errors import one_line
from wav2vec2_tf.serving.http_connection import HttpConnection
from wav2vec2_tf.serving.models import SpeechModel
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.serving.peer import READ_BYTES, Peer
from wav2vec2_tf.utils.errors import UserError

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)
MAX_CONNECTIONS = 512  # of the 1024 files that a process may open by default
TICK_SECONDS = 0.05
CLOSING_SECONDS = 2.0  # for answers that have begun when the time to drain is over
CANCEL_SECONDS = 1.0  # for what is cancelled then


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
        warn_without_keys(app, listener)
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
        self._app = app
        self._context: ServerContext = app.state.context
        self._drain_seconds = drain_seconds
        self._stops = 0
        self._draining: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()
        self._connections: dict[asyncio.Task[None], HttpConnection] = {}
        self.started = False
        """Whether the server accepts connections."""

    async def run(self, listener: socket.socket) -> None:
        """Serves on a bound socket until `stop` is called, or in the main thread by a signal."""
        server = await asyncio.start_server(
            self._serve, sock=listener, limit=READ_BYTES, backlog=MAX_CONNECTIONS
        )
        log.info("listening on %s", url_of(listener))
        self.started = True
        with self._signal_handlers():
            await self._drained.wait()
        server.close()
        await self._close_connections()
        await self._context.close()

    def stop(self) -> None:
        """Starts to drain; call it in the thread of the event loop."""
        self._stops += 1
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    @contextlib.contextmanager
    def _signal_handlers(self) -> Iterator[None]:
        """Handles signals by `stop`, so that the exit status of a stopped server is 0."""
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
        self._drained.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        task, peer = asyncio.current_task(), Peer(reader, writer)
        assert task is not None
        if len(self._connections) >= MAX_CONNECTIONS and not self._close_longest_idle():
            peer.abort()
            return
        connection = HttpConnection(self._app, peer, self._drained.is_set)
        self._connections[task] = connection
        try:
            await connection.run()
        except asyncio.CancelledError:
            pass  # by the server: asyncio of Python 3.11 logs a traceback of it
        except Exception as error:
            log.error("%s: the connection failed: %s", peer.name, one_line(error))
        finally:
            del self._connections[task]
            peer.abort()

    def _close_longest_idle(self) -> bool:
        """Closes the connection that has been without a request for longest, if there is one."""
        idle = [
            (connection.idle_since, task)
            for task, connection in self._connections.items()
            if connection.idle_since is not None and not task.cancelling()
        ]
        return bool(idle) and min(idle, key=lambda pair: pair[0])[1].cancel()

    async def _close_connections(self) -> None:
        """Closes idle connections, and the others as soon as they have sent their answers."""
        for task, connection in self._connections.items():
            if connection.idle_since is not None:
                task.cancel()
        for seconds in (CLOSING_SECONDS, CANCEL_SECONDS):
            if not self._connections:
                return
            _, late = await asyncio.wait(self._connections, timeout=seconds)
            for task in late:
                task.cancel()


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


def warn_without_keys(app: FastAPI, listener: socket.socket) -> None:
    """Logs a warning if other machines can reach the server and it accepts requests of all."""
    host, port = listener.getsockname()[:2]
    if not app.state.context.api_keys and not ipaddress.ip_address(host).is_loopback:
        log.warning(
            "everyone who can reach port %d may use the server, since it has no API keys: give "
            "--api-key-file, or --host 127.0.0.1",
            port,
        )
