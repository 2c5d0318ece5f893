"""The state that the routes of one server share, and its limits."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from starlette.requests import Request

from wav2vec2_tf.serving.api_keys import ApiKeys
from wav2vec2_tf.serving.errors import queue_full, stopping
from wav2vec2_tf.serving.metrics import Metrics
from wav2vec2_tf.serving.models import Models, SpeechModel
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.serving.scheduler import Scheduler
from wav2vec2_tf.serving.uploads import Upload, receive_upload
from wav2vec2_tf.transcription.long_form import Windows


class ServerContext:
    """The options, models, scheduler and metrics of one server, and its requests in progress.

    Attributes:
        draining: whether the server finishes its requests and admits no more.
        uploads: recordings that are being uploaded.
        streams: WebSockets that are transcribed.
        folder: the folder of temporary files.
    """

    def __init__(
        self,
        options: ServeOptions,
        models: Iterable[SpeechModel],
        windows: Windows,
        api_keys: ApiKeys,
    ) -> None:
        self.options, self.models, self.api_keys = options, Models(models), api_keys
        self.metrics = Metrics()
        self.scheduler = Scheduler(options, windows, self.metrics)
        self.draining = False
        self.uploads = self.streams = 0
        self._temporary = tempfile.TemporaryDirectory(prefix="wav2vec2-tf-")
        self.folder = Path(self._temporary.name)
        scheduler = self.scheduler
        for name, summary, value in (
            ("queue_rows", "Rows that wait for a batch.", lambda: scheduler.batcher.waiting),
            ("recordings", "Recordings in progress.", lambda: scheduler.recordings.active),
            ("streams", "WebSockets that are transcribed.", lambda: self.streams),
            ("uploads", "Recordings that are being uploaded.", lambda: self.uploads),
        ):
            self.metrics.gauge(name, summary, value)

    @asynccontextmanager
    async def upload(self, request: Request) -> AsyncIterator[Upload]:
        """Receives the upload of a request, if the queue admits one more.

        Raises:
            RequestError: the server is stopping or at its limit, or the upload is invalid.
        """
        options, busy = self.options, self.scheduler.recordings.active
        if self.draining:
            raise stopping()
        if self.uploads >= options.queue or busy >= options.queue:
            raise queue_full()
        self.uploads += 1
        arriving = True
        try:
            async with receive_upload(
                request, self.folder, options.max_bytes, options.upload_seconds
            ) as upload:
                self.uploads -= 1
                arriving = False
                yield upload
        finally:
            self.uploads -= arriving

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Counts a WebSocket that is transcribed.

        Raises:
            RequestError: the server is stopping or at its limit of WebSockets.
        """
        if self.draining:
            raise stopping()
        if self.streams >= self.options.streams:
            raise queue_full()
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    async def close(self) -> None:
        """Cancels all jobs and removes the temporary files."""
        await asyncio.to_thread(self.scheduler.close)
        self._temporary.cleanup()
