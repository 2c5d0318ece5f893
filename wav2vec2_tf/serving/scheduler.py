"""Rows of speech of many callers → batches, computed one at a time in a thread of its own.

While a batch is computed, the rows that come wait; the next batch is the oldest of them and those
of like length. So nobody waits for others to come, and the busier it is, the larger the batches.
A model that takes lengths gives each row what it would get alone, whatever stands beside it; of a
model that takes none, only rows of one padded length share a batch, for the same reason.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import tensorflow as tf

from wav2vec2_tf.audio import SAMPLE_RATE

log = logging.getLogger(__name__)

MOST_PADDING = 0.25  # of a row's own samples; with more, a batch of its own costs less

Logits = Callable[[tf.Tensor, tf.Tensor | None], tf.Tensor]
"""(batch, samples) speech, (batch,) lengths or None → (batch, frames, vocab)."""
Observer = Callable[[int, float], None]
"""Told of each batch: its rows, and the seconds that it took."""


T = TypeVar("T")


class Full(Exception):
    """As many recordings are in work as may be."""


class Cancelled(Exception):
    """Nobody waits for the result any more."""


class Job:
    """One recording in work: its own thread asks whether to go on, any thread may cancel it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._awaited: Sequence[Future[np.ndarray]] = ()

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            for future in self._awaited:
                future.cancel()

    def check(self) -> None:
        """Raise `Cancelled` where it was."""
        if self._cancelled:
            raise Cancelled

    def results(self, futures: Sequence[Future[np.ndarray]]) -> list[np.ndarray]:
        """Wait for them; `Cancelled` as soon as the job is, and none of them is left waiting."""
        with self._lock:
            self._awaited = futures
        try:
            self.check()
            found = [future.result() for future in futures]
            self.check()
            return found
        except CancelledError:
            raise Cancelled from None
        finally:
            for future in futures:
                future.cancel()


@dataclass(eq=False)
class _Row:
    call: Logits
    speech: np.ndarray
    """(samples,) padded as it would be alone."""
    length: int | None
    """Samples that count; None of a model that takes no lengths."""
    future: Future[np.ndarray] = field(default_factory=Future)

    @property
    def width(self) -> int:
        return len(self.speech)

    def fits(self, width: int) -> bool:
        """Whether it may be padded to so many samples."""
        if self.length is None or width <= self.width:
            return width == self.width
        return width <= (1 + MOST_PADDING) * self.length


class Batcher:
    """Computes rows in batches, the oldest first."""

    def __init__(self, batch_seconds: float, observer: Observer = lambda rows, seconds: None):
        """Of up to so many seconds of speech, padding included; 0 for one row at a time."""
        self._batch_samples = batch_seconds * SAMPLE_RATE
        self._observer = observer
        self._changed = threading.Condition()
        self._waiting: list[_Row] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that are."""
        return sum(not row.future.cancelled() for row in self._waiting)

    def logits(self, call: Logits, job: Job) -> Logits:
        """`call`, computed beside what others ask for; in a thread of the caller's, which waits.

        Raises:
            Cancelled: the job was.
        """

        def batched(speech: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
            counts = [None] * len(speech) if lengths is None else lengths.numpy().tolist()
            rows = [_Row(call, *row) for row in zip(speech.numpy(), counts, strict=True)]
            self._add(rows)
            found = job.results([row.future for row in rows])
            frames = min(map(len, found))  # those of a wider batch have more, all padding
            return tf.constant(np.stack([logits[:frames] for logits in found]))

        return batched

    def close(self, seconds: float = 10.0) -> None:
        """End what waits, and then the thread, unless its batch takes longer than so."""
        with self._changed:
            self._closed = True
            for row in self._waiting:
                row.future.cancel()
            self._changed.notify()
        self._thread.join(seconds)

    def _add(self, rows: Sequence[_Row]) -> None:
        with self._changed:
            if self._closed:
                raise Cancelled
            self._waiting.extend(rows)
            self._changed.notify()

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            width, rows = batch
            begun = time.monotonic()
            self._compute(width, rows)
            self._observer(len(rows), time.monotonic() - begun)

    def _next(self) -> tuple[int, list[_Row]] | None:
        """The padded length and the rows of the next batch; None at the end."""
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
        """The oldest row and as many of the others as can be computed beside it."""
        oldest = self._waiting[0]
        alike = [
            row
            for row in self._waiting
            if row.call is oldest.call and (row.length is None) == (oldest.length is None)
        ]

        def beside(width: int) -> list[_Row]:
            most = max(1, int(self._batch_samples // width))
            return [row for row in alike if row.fits(width)][:most]

        widths = {row.width for row in alike if oldest.fits(row.width)}
        width = max(widths, key=lambda width: (len(beside(width)), -width))
        return width, beside(width)

    def _compute(self, width: int, rows: Sequence[_Row]) -> None:
        """Where a batch fails, each of its rows is computed alone, and fails alone."""
        try:
            found = self._logits(width, rows)
        except Exception as error:  # whatever a runtime raises, the thread goes on
            if len(rows) == 1:
                log.error("a batch failed: %s", error)
                rows[0].future.set_exception(error)
                return
            for row in rows:
                self._compute(row.width, [row])
            return
        for row, logits in zip(rows, found, strict=True):
            row.future.set_result(logits)

    def _logits(self, width: int, rows: Sequence[_Row]) -> np.ndarray:
        speech = np.zeros((len(rows), width), np.float32)
        for padded, row in zip(speech, rows, strict=True):
            padded[: row.width] = row.speech
        lengths = [row.length for row in rows]
        counted = None if None in lengths else tf.constant(lengths, tf.int32)
        logits: np.ndarray = rows[0].call(tf.constant(speech), counted).numpy()
        return logits


class Workers:
    """Recordings in work, a thread each, and no more than so many.

    The threads are daemons: one that is deep in a decoder does not keep the process from ending.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._jobs: set[Job] = set()

    @property
    def active(self) -> int:
        """Recordings in work, those included that nobody waits for any more."""
        return len(self._jobs)

    async def run(self, work: Callable[[Job], T], seconds: float) -> T:
        """What `work` returns; it is cancelled where that takes too long, or the caller is.

        Raises:
            Full: there are as many already.
            Cancelled: it was, by `cancel`.
            TimeoutError: it took more than so many seconds.
        """
        if self.active >= self.limit:
            raise Full
        job, future, loop = Job(), Future[T](), asyncio.get_running_loop()
        self._jobs.add(job)

        def in_thread() -> None:
            try:
                result = work(job)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        future.set_running_or_notify_cancel()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._jobs.discard, job))
        threading.Thread(target=in_thread, name="recording", daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(future)
        finally:
            job.cancel()

    def cancel(self) -> None:
        """All of them."""
        for job in list(self._jobs):
            job.cancel()
