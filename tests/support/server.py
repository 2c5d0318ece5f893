"""A server of the bundled model in the tests' own process, on a free port."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.serving.addresses import bind_sockets, url_of
from wav2vec2_tf.serving.app import create_app
from wav2vec2_tf.serving.context import ServerContext
from wav2vec2_tf.serving.models import SpeechModel
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.serving.server import Server
from wav2vec2_tf.transcription.recognizer import Recognizer

PATIENCE = 120.0  # seconds: the machine may be busy with something else


@dataclass(frozen=True)
class Running:
    """A server that accepts requests."""

    url: str
    context: ServerContext
    stop: Callable[[], None]
    """Stops the server as a signal does; returns at once."""


@contextmanager
def serving(
    recognizer: Recognizer | None = None,
    options: ServeOptions | None = None,
    *,
    models: Sequence[SpeechModel] | None = None,
    drain_seconds: float = 30.0,
) -> Iterator[Running]:
    """Serves a recognizer under the name `bundled`; by default, loads the bundled model."""
    if models is None:
        recognizer = recognizer or Recognizer.load(BUNDLED_MODEL)
        models = [SpeechModel("bundled", {None: recognizer})]
    options = options or ServeOptions()
    app = create_app(options, models)
    server, listeners = Server(app, drain_seconds), bind_sockets(options.host, 0)
    url = url_of(listeners[0])
    loop = asyncio.new_event_loop()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(server.run(listeners))

    def stop() -> None:
        with suppress(RuntimeError):  # it has ended meanwhile
            loop.call_soon_threadsafe(server.stop)

    thread = threading.Thread(target=run, name="server")
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert thread.is_alive()
        yield Running(url, app.state.context, stop)
    finally:
        stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Waits until the condition is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
