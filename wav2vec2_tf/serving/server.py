"""The server: runs the application on a socket, and stops without losing requests."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import resource
import signal
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fastapi import FastAPI

from wav2vec2_tf.serving.addresses import bind_sockets, url_of
from wav2vec2_tf.serving.app import create_app
from wav2vec2_tf.serving.context import ServerContext
from wav2vec2_tf.serving.errors import one_line
from wav2vec2_tf.serving.http_connection import HttpConnection
from wav2vec2_tf.serving.models import SpeechModel
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.serving.peer import READ_BYTES, Peer
from wav2vec2_tf.utils.errors import UserError

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MAX_CONNECTIONS = 512
ACCEPTED_AT_ONCE = 64
TICK_SECONDS = 0.05
CLOSING_SECONDS = 2.0  # for answers that have begun when the time to drain is over
CANCEL_SECONDS = 1.0  # for what is cancelled then


def serve(options: ServeOptions | None = None, models: Iterable[SpeechModel] | None = None) -> None:
    """Loads the models and serves them until the process gets SIGINT, SIGTERM or SIGHUP.

    Progress is logged at level INFO, as "listening on http://127.0.0.1:8000".

    Args:
        options: the address, the limits, and the models to load.
        models: loaded models, to be served instead of those in `options`.

    Raises:
        UserError: the address is in use, or a model, its decoder or the keys cannot be used.
    """
    options = options or ServeOptions()
    with contextlib.ExitStack() as open_sockets:
        listeners = bind_sockets(options.host, options.port)  # fails before models are loaded
        for listener in listeners:
            open_sockets.enter_context(listener)
        app = create_app(options, models)
        warn_without_keys(app, listeners)
        asyncio.run(Server(app, options.drain_seconds).run(listeners))


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
        self._logged: tuple[str, int] | None = None
        self.started = False
        """Whether the server accepts connections."""

    async def run(self, listeners: Sequence[socket.socket]) -> None:
        """Serves on bound sockets until `stop` is called, or in the main thread by a signal.

        Raises:
            UserError: another process listens on an address by now.
        """
        asyncio.get_running_loop().set_exception_handler(self._log_in_one_line)
        servers = [await self._listen(listener) for listener in listeners]
        for listener in listeners:
            log.info("listening on %s", url_of(listener))
        self.started = True
        with self._signal_handlers():
            await self._drained.wait()
        for server in servers:
            server.close()
        await self._close_connections()
        await self._context.close()

    async def _listen(self, listener: socket.socket) -> asyncio.Server:
        try:
            server = await asyncio.start_server(
                self._serve, sock=listener, limit=READ_BYTES, backlog=ACCEPTED_AT_ONCE
            )
            listener.listen(MAX_CONNECTIONS)  # wait to be accepted: the other meaning of `backlog`
        except OSError as error:
            raise UserError(f"cannot listen on {url_of(listener)}: {error}") from None
        return server

    def _log_in_one_line(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Logs what failed outside of a request, once a second.

        If no connection can be accepted, asyncio of Python 3.11 tries it `ACCEPTED_AT_ONCE` times.
        """
        error = context.get("exception")
        line = f"{context['message']}: {one_line(error)}" if error else context["message"]
        if (logged := (line, int(loop.time()))) != self._logged:
            log.error(line)
        self._logged = logged

    def stop(self) -> None:
        """Starts to drain; call it in the thread of the event loop."""
        self._stops += 1
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    @contextlib.contextmanager
    def _signal_handlers(self) -> Iterator[None]:
        """Handles signals by `stop`, so that the exit status of a stopped server is 0.

        Those that the process was started to ignore, as by `nohup`, stay ignored.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        numbers = [each for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
        for number in numbers:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in numbers:
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
        if len(self._connections) >= connection_limit() and not self._close_longest_idle():
            peer.abort()
            return
        connection = HttpConnection(self._app, peer, lambda: self._context.draining)
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


def connection_limit() -> int:
    """Returns how many connections there may be: each takes a file, and so does its upload."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files < 0 else min(MAX_CONNECTIONS, files // 2)


def warn_without_keys(app: FastAPI, listeners: Iterable[socket.socket]) -> None:
    """Logs a warning if other machines can reach the server and it accepts requests of all."""
    addresses = [listener.getsockname() for listener in listeners]
    local = all(ipaddress.ip_address(host).is_loopback for host, *_ in addresses)
    if not app.state.context.api_keys and not local:
        port = addresses[0][1]
        log.warning(
            "everyone who can reach port %d may use the server, since it has no API keys: give "
            "--api-key-file, or --host 127.0.0.1",
            port,
        )
