"""Recordings of many requests: each in a thread of its own, their windows in shared batches.

While a batch is computed, further rows wait; the next batch is the oldest row and those of similar
length. So no row waits for others to arrive, and the busier the server, the larger the batches.
A model that takes lengths gives each row the result that it would get alone, whatever else is in
the batch; for a model that takes none, only rows of one padded length share a batch, for the same
reason.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from wav2vec2_tf import audio
from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.serving.errors import RequestError, queue_full, stopping
from wav2vec2_tf.serving.jobs import Job, JobCancelled, JobPool, PoolFull
from wav2vec2_tf.serving.metrics import Metrics
from wav2vec2_tf.serving.models import Selection
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.text.transcript import Transcript
from wav2vec2_tf.transcription import long_form
from wav2vec2_tf.transcription.long_form import Recording, Windows
from wav2vec2_tf.transcription.recognizer import Logits, Recognizer
from wav2vec2_tf.utils.errors import UserError

MAX_PADDING = 0.25  # of a row's own samples; with more, a batch of its own costs less

BatchObserver = Callable[[int, float], None]
"""Called after each batch with its number of rows and the seconds that it took."""

T = TypeVar("T")


@dataclass(frozen=True)
class RequestResult:
    """The result of a request."""

    transcript: Transcript
    seconds: float
    """Duration of the recording."""
    language: str | None
    """Language of the transcript, if it is known."""


class RecordingTooLong(UserError):
    """A recording is longer than the server accepts."""


@dataclass(eq=False)
class _Row:
    logits: Logits
    speech: np.ndarray
    """(samples,) float32, padded as it would be alone."""
    length: int | None
    """Valid samples; None for a model that takes no lengths."""
    future: Future[np.ndarray] = field(default_factory=Future)

    @property
    def width(self) -> int:
        return len(self.speech)

    def fits(self, width: int) -> bool:
        """Whether the row may be padded to `width` samples."""
        if self.length is None or width <= self.width:
            return width == self.width
        return width <= (1 + MAX_PADDING) * self.length


class Batcher:
    """Computes rows in batches, the oldest first, one batch at a time in a thread of its own.

    Args:
        batch_seconds: seconds of speech in a batch, padding included; 0 for one row at a time.
        observer: called after each batch.
    """

    def __init__(
        self, batch_seconds: float, observer: BatchObserver = lambda rows, seconds: None
    ) -> None:
        self._batch_samples = batch_seconds * SAMPLE_RATE
        self._observer = observer
        self._changed = threading.Condition()
        self._waiting: list[_Row] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """The number of rows that wait for a batch."""
        return sum(not row.future.cancelled() for row in self._waiting)

    def batched(self, recognizer: Recognizer, job: Job) -> Recognizer:
        """Returns a recognizer whose logits are computed together with those of other jobs.

        It raises `JobCancelled` once the job is cancelled.
        """

        def logits(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
            valid = [None] * len(speech) if lengths is None else lengths.tolist()
            rows = [_Row(recognizer.logits, *row) for row in zip(speech, valid, strict=True)]
            self._add(rows)
            results = job.results([row.future for row in rows])
            frames = min(map(len, results))  # rows of a wider batch have more, all of it padding
            return np.stack([result[:frames] for result in results])

        return replace(recognizer, logits=logits)

    def close(self, seconds: float = 10.0) -> None:
        """Cancels rows that wait and ends the thread, if its batch takes no longer than this."""
        with self._changed:
            self._closed = True
            for row in self._waiting:
                row.future.cancel()
            self._changed.notify()
        self._thread.join(seconds)

    def _add(self, rows: Sequence[_Row]) -> None:
        with self._changed:
            if self._closed:
                raise JobCancelled
            self._waiting.extend(rows)
            self._changed.notify()

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            width, rows = batch
            start = time.monotonic()
            self._compute(width, rows)
            self._observer(len(rows), time.monotonic() - start)

    def _next(self) -> tuple[int, list[_Row]] | None:
        """Returns the padded length and the rows of the next batch; None once it is closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return None
                self._waiting = [row for row in self._waiting if not row.future.cancelled()]
                if not self._waiting:
                    continue
                width, chosen = self._choose()
                self._waiting = [row for row in self._waiting if row not in chosen]
            if rows := [row for row in chosen if row.future.set_running_or_notify_cancel()]:
                return width, rows

    def _choose(self) -> tuple[int, list[_Row]]:
        """Chooses the oldest row and as many others as can be computed with it."""
        oldest = self._waiting[0]
        candidates = [
            row
            for row in self._waiting
            if row.logits is oldest.logits and (row.length is None) == (oldest.length is None)
        ]

        def rows_at(width: int) -> list[_Row]:
            limit = max(1, int(self._batch_samples // width))
            return [row for row in candidates if row.fits(width)][:limit]

        widths = {row.width for row in candidates if oldest.fits(row.width)}
        width = max(widths, key=lambda width: (len(rows_at(width)), -width))
        return width, rows_at(width)

    def _compute(self, width: int, rows: Sequence[_Row]) -> None:
        """Computes a batch; if it fails, each row is computed alone, and fails alone."""
        try:
            results = self._logits(width, rows)
        except Exception as error:  # whatever a runtime raises, the thread goes on
            if len(rows) == 1:
                rows[0].future.set_exception(error)
                return
            for row in rows:
                self._compute(row.width, [row])
            return
        for row, logits in zip(rows, results, strict=True):
            row.future.set_result(logits)

    def _logits(self, width: int, rows: Sequence[_Row]) -> np.ndarray:
        speech = np.zeros((len(rows), width), np.float32)
        for padded, row in zip(speech, rows, strict=True):
            padded[: row.width] = row.speech
        lengths = [row.length for row in rows]
        return rows[0].logits(speech, None if None in lengths else np.array(lengths, np.int32))


class Scheduler:
    """Transcribes recordings within the limits of the options."""

    def __init__(self, options: ServeOptions, windows: Windows, metrics: Metrics) -> None:
        self._options, self._windows, self._metrics = options, windows, metrics
        batch_seconds = windows.batch_seconds if options.batching else 0.0
        self.batcher = Batcher(batch_seconds, metrics.observe_batch)
        self.recordings = JobPool(options.queue)
        self.streams = JobPool(2 * options.streams)  # jobs of closed streams may not have ended

    async def transcribe(
        self, selection: Selection, path: Path, pool: JobPool | None = None
    ) -> RequestResult:
        """Transcribes a file in a job of `pool`, by default `recordings`.

        A long recording computes one batch of windows after another, in the same queue as all
        others: so it takes turns with short ones, and holds the logits of one batch at a time.

        Raises:
            RequestError: the audio cannot be read, is too long or shorter than one frame, or the
                server has too much to do.
        """

        def work(job: Job) -> tuple[Transcript, float]:
            recognizer = self.batcher.batched(selection.recognizer, job)
            try:
                recording = Recording.measured(str(path), lambda: self._blocks(path, job))
                transcript = long_form.transcribe(recognizer, recording, self._windows)
            except UserError:
                job.check()
                raise
            return transcript, recording.seconds

        try:
            transcript, seconds = await self.run(work, pool or self.recordings)
        except RecordingTooLong as error:
            raise RequestError(413, str(error), "audio_too_long", "file") from None
        except UserError as error:
            message = str(error).replace(str(path), "the file")
            raise RequestError(400, message, "invalid_audio", "file") from None
        self._metrics.audio.labels(selection.model).inc(seconds)
        return RequestResult(transcript, seconds, selection.language)

    async def run(self, work: Callable[[Job], T], pool: JobPool) -> T:
        """Returns what `work` returns.

        Raises:
            RequestError: the pool is full, the job takes too long, or the server stops.
        """
        try:
            return await pool.run(work, self._options.timeout)
        except PoolFull:
            raise queue_full() from None
        except TimeoutError:
            seconds = self._options.timeout
            message = f"transcribing took longer than {seconds:g} s: cut the recording"
            raise RequestError(504, message, "timeout") from None
        except JobCancelled:
            raise stopping() from None

    def cancel(self) -> None:
        """Cancels all jobs."""
        self.recordings.cancel()
        self.streams.cancel()

    def close(self) -> None:
        """Cancels all jobs and ends the thread of the batches."""
        self.cancel()
        self.batcher.close()

    def _blocks(self, path: Path, job: Job) -> Iterator[np.ndarray]:
        """Decodes a file; counts its samples, since a header may give a wrong duration."""
        samples, max_seconds = 0, self._options.max_seconds
        with closing(audio.blocks(path)) as blocks:
            for block in blocks:
                job.check()
                samples += len(block)
                if samples > max_seconds * SAMPLE_RATE:
                    raise RecordingTooLong(
                        f"the recording is longer than {max_seconds:g} s: cut it"
                    )
                yield block
