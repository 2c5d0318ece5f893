"""A server of the bundled model within the tests' own process, on a free port."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.serving.app import Service, Settings, create_app
from wav2vec2_tf.serving.models import ServedModel
from wav2vec2_tf.serving.server import Server, address, bound
from wav2vec2_tf.transcription.recognizer import Recognizer

PATIENCE = 120.0  # seconds: the machine may be busy with something else


@dataclass(frozen=True)
class Running:
    url: str
    service: Service
    stop: Callable[[], None]
    """As a signal does; returns at once."""


@contextmanager
def serving(
    recognizer: Recognizer | None = None,
    settings: Settings | None = None,
    *,
    models: Mapping[str, ServedModel] | None = None,
    drain_seconds: float = 30.0,
) -> Iterator[Running]:
    """Serve a recognizer (the bundled model, loaded, where there is none) as `bundled`."""
    if models is None:
        recognizer = recognizer or Recognizer.load(BUNDLED_MODEL)
        models = {"bundled": ServedModel("bundled", {None: recognizer})}
    app = create_app(settings or Settings(), models)
    server, listener = Server(app, drain_seconds), bound("127.0.0.1", 0)
    url = address(listener)
    loop = asyncio.new_event_loop()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(server.serve([listener]))

    def stop() -> None:
        with suppress(RuntimeError):  # it has ended meanwhile
            loop.call_soon_threadsafe(server.stop)

    thread = threading.Thread(target=run, name="server")
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert thread.is_alive()
        yield Running(url, app.state.service, stop)
    finally:
        stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def wait_until(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
