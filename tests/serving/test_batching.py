"""Rows computed in shared batches: exact, within limits, and independent of each other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import CORPUS
from tests.support.server import PATIENCE, wait_until
from wav2vec2_tf import audio
from wav2vec2_tf.models.lengths import bucket
from wav2vec2_tf.serving.jobs import Job, JobCancelled, JobPool, PoolFull
from wav2vec2_tf.serving.metrics import Metrics
from wav2vec2_tf.serving.models import Selection
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.serving.scheduler import MAX_PADDING, Batcher, RequestResult, Scheduler
from wav2vec2_tf.text.transcript import Transcript
from wav2vec2_tf.transcription import long_form
from wav2vec2_tf.transcription.long_form import Windows
from wav2vec2_tf.transcription.recognizer import Recognizer

FRAME = 320


@dataclass
class Model:
    """Stands for a model: the logits of a frame are the sum and the maximum of its samples.

    It computes nothing until `may_compute` is set.
    """

    batches: list[list[int]] = field(default_factory=list)
    """The width of each batch, followed by the lengths of its rows."""
    may_compute: threading.Event = field(default_factory=threading.Event)
    started: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        width = speech.shape[1]
        valid = [width] * len(speech) if lengths is None else lengths.tolist()
        self.batches.append([width, *valid])
        self.started.release()
        assert self.may_compute.wait(PATIENCE)
        if np.isnan(speech).any():
            raise RuntimeError("it cannot compute this")
        for row, length in zip(speech, valid, strict=True):
            assert not row[length:].any()  # padding
        frames = speech[:, : width // FRAME * FRAME].reshape(len(speech), -1, FRAME)
        return np.stack([frames.sum(axis=-1), frames.max(axis=-1)], axis=-1)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def recognizer(bundled_recognizer: Recognizer, model: Model) -> Recognizer:
    return replace(bundled_recognizer, logits=model)


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    made = Batcher(batch_seconds=60)
    yield made
    made.close()


def row(length: int, value: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Returns a batch of one row, padded as for a single request."""
    speech = np.zeros((1, bucket(length)), np.float32)
    speech[0, :length] = value
    return speech, np.array([length], np.int32)


class Callers:
    """Threads whose rows wait for a model, which is held at a first row until all rows wait."""

    def __init__(
        self, batcher: Batcher, recognizer: Recognizer, *, with_lengths: bool = True
    ) -> None:
        assert isinstance(recognizer.logits, Model)
        self.batcher, self.recognizer, self.model = batcher, recognizer, recognizer.logits
        self.with_lengths = with_lengths
        self.pool = ThreadPoolExecutor(64)

    def together(self, lengths: Sequence[int], values: Sequence[float]) -> list[object]:
        """Returns the logits of each row, or the exception."""
        first = self.pool.submit(self._one, 16000, 1.0)
        assert self.model.started.acquire(timeout=PATIENCE)
        results = []
        for length, value in zip(lengths, values, strict=True):
            waiting = self.batcher.waiting
            results.append(self.pool.submit(self._one, length, value))
            wait_until(lambda waiting=waiting: self.batcher.waiting > waiting)
        self.model.may_compute.set()
        first.result(PATIENCE)
        found = [result.exception(PATIENCE) or result.result() for result in results]
        self.pool.shutdown()
        return found

    def _one(self, length: int, value: float) -> np.ndarray:
        speech, lengths = row(length, value)
        logits = self.batcher.batched(self.recognizer, Job()).logits
        return logits(speech, lengths if self.with_lengths else None)[0]


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(4000, 300_000), min_size=1, max_size=12),
    with_lengths=st.booleans(),
)
def test_each_gets_its_own_and_padding_is_bounded(
    bundled_recognizer: Recognizer, lengths: list[int], with_lengths: bool
) -> None:
    batcher, model = Batcher(batch_seconds=30), Model()
    recognizer = replace(bundled_recognizer, logits=model)
    values = [1.0 + index for index in range(len(lengths))]
    callers = Callers(batcher, recognizer, with_lengths=with_lengths)
    found = callers.together(lengths, values)
    batcher.close()
    for length, value, logits in zip(lengths, values, found, strict=True):
        assert isinstance(logits, np.ndarray)
        frames = length // FRAME
        assert len(logits) >= bucket(length) // FRAME
        assert (logits[:frames] == [FRAME * value, value]).all()
    assert sum(len(batch) - 1 for batch in model.batches) == 1 + len(lengths)
    for width, *counts in model.batches:
        assert len(counts) == 1 or width * len(counts) <= 30 * 16000
        for count in counts:
            assert width == bucket(count) or width <= (1 + MAX_PADDING) * count
            assert with_lengths or width == count


def test_the_oldest_is_computed_first_with_rows_of_similar_length(
    batcher: Batcher, recognizer: Recognizer, model: Model
) -> None:
    lengths = [200_000, 32_000, 190_000, 33_000, 31_000]
    Callers(batcher, recognizer).together(lengths, [1.0] * 5)
    assert model.batches[1:] == [
        [bucket(200_000), 200_000, 190_000],
        [bucket(33_000), 32_000, 33_000, 31_000],
    ]


def test_without_batching_rows_are_computed_one_by_one(
    recognizer: Recognizer, model: Model
) -> None:
    batcher = Batcher(batch_seconds=0)
    Callers(batcher, recognizer).together([32_000] * 4, [1.0] * 4)
    batcher.close()
    assert [len(batch) for batch in model.batches] == [2] * 5


def test_a_row_that_fails_fails_alone(batcher: Batcher, recognizer: Recognizer) -> None:
    found = Callers(batcher, recognizer).together([32_000] * 4, [1.0, np.nan, 3.0, 4.0])
    assert isinstance(found[1], RuntimeError)
    for logits, value in zip([found[0], *found[2:]], [1.0, 3.0, 4.0], strict=True):
        assert isinstance(logits, np.ndarray)
        assert logits[0, 1] == value


def test_a_cancelled_job_is_not_computed(
    batcher: Batcher, recognizer: Recognizer, model: Model
) -> None:
    jobs = [Job() for _ in range(3)]
    with ThreadPoolExecutor() as pool:

        def ask(job: Job, length: int) -> np.ndarray:
            return batcher.batched(recognizer, job).logits(*row(length))

        first = pool.submit(ask, Job(), 16_000)
        assert model.started.acquire(timeout=PATIENCE)
        waiting = [pool.submit(ask, job, 20_000 + i) for i, job in enumerate(jobs)]
        wait_until(lambda: batcher.waiting == 3)
        jobs[1].cancel()
        assert isinstance(waiting[1].exception(PATIENCE), JobCancelled)
        assert batcher.waiting == 2
        model.may_compute.set()
        for future in (first, waiting[0], waiting[2]):
            assert len(future.result(PATIENCE)) == 1
        with pytest.raises(JobCancelled):  # and no new one starts
            ask(jobs[1], 16_000)
    assert sorted(count for batch in model.batches for count in batch[1:]) == [
        *(16_000, 20_000, 20_002)
    ]


def test_closing_cancels_rows_that_wait(
    batcher: Batcher, recognizer: Recognizer, model: Model
) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(batcher.batched(recognizer, Job()).logits, *row(16_000))
        assert model.started.acquire(timeout=PATIENCE)
        second = pool.submit(batcher.batched(recognizer, Job()).logits, *row(16_000))
        wait_until(lambda: batcher.waiting == 1)
        closing = pool.submit(batcher.close)
        assert isinstance(second.exception(PATIENCE), JobCancelled)
        model.may_compute.set()
        closing.result(PATIENCE)
        assert len(first.result(PATIENCE)) == 1
        with pytest.raises(JobCancelled):
            batcher.batched(recognizer, Job()).logits(*row(16_000))


def test_a_pool_is_limited_and_cancels_its_jobs() -> None:
    let_go, cancelled = threading.Event(), threading.Event()

    def wait(job: Job) -> str:
        assert let_go.wait(PATIENCE)
        return "done"

    def until_cancelled(job: Job) -> None:
        with pytest.raises(JobCancelled):
            while True:
                job.check()
                cancelled.wait(0.01)
        cancelled.set()

    async def all_of_it() -> None:
        pool = JobPool(2)
        with pytest.raises(TimeoutError):
            await pool.run(until_cancelled, 0.05)
        assert await asyncio.to_thread(cancelled.wait, PATIENCE)
        while pool.active:
            await asyncio.sleep(0.01)
        tasks = [asyncio.create_task(pool.run(wait, PATIENCE)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(PoolFull):
            await pool.run(wait, PATIENCE)
        let_go.set()
        assert await asyncio.gather(*tasks) == ["done", "done"]
        assert await pool.run(wait, PATIENCE) == "done"

    asyncio.run(all_of_it())


# With a model


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Recordings of many lengths: from a few frames to four windows."""
    folder = tmp_path_factory.mktemp("recordings")
    files = sorted(CORPUS.rglob("*.flac"))[::8]
    whole = np.concatenate([audio.load(file) for file in files])
    assert len(whole) > 400_000
    paths = files
    for samples in (500, 3000, 12_000, 400_000):
        paths.append(folder / f"{samples}.wav")
        soundfile.write(paths[-1], whole[:samples], 16000)
    return paths


def same(found: Transcript, alone: Transcript) -> None:
    assert found.text == alone.text
    for one, other in zip(found.words, alone.words, strict=True):
        assert (one.text, one.start, one.end) == (other.text, other.start, other.end)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)


def transcribe_all(
    recognizer: Recognizer, paths: Sequence[Path], batch_seconds: float, metrics: Metrics
) -> list[RequestResult]:
    """Transcribes files at the same time."""

    async def run() -> list[RequestResult]:
        windows = Windows(batch_seconds=batch_seconds)
        scheduler = Scheduler(ServeOptions(max_seconds=60), windows, metrics)
        selection = Selection("bundled", recognizer, None)
        works = [scheduler.transcribe(selection, path) for path in paths]
        results = await asyncio.gather(*works)
        await asyncio.to_thread(scheduler.close)
        return results

    return asyncio.run(run())


def test_a_recording_is_transcribed_as_if_alone(
    bundled_recognizer: Recognizer, recordings: list[Path]
) -> None:
    """Transcribes many recordings at once, of all lengths, some of several windows."""
    alone = [long_form.transcribe(bundled_recognizer, path) for path in recordings]
    rows: list[int] = []
    metrics = Metrics()
    metrics.observe_batch = lambda count, seconds: rows.append(count)  # type: ignore[method-assign]
    found = transcribe_all(bundled_recognizer, recordings, 60.0, metrics)
    for result, expected in zip(found, alone, strict=True):
        same(result.transcript, expected)
    assert sum(rows) >= len(recordings) + 1  # windows
    assert max(rows) > 2


def test_short_recordings_do_not_wait_for_the_end_of_a_long_one(
    bundled_recognizer: Recognizer, recordings: list[Path]
) -> None:
    ended: list[str] = []
    started = threading.Event()

    def logits(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        started.set()
        return bundled_recognizer.logits(speech, lengths)

    long = max(recordings, key=lambda path: soundfile.info(path).duration)

    async def run() -> None:
        scheduler = Scheduler(ServeOptions(max_seconds=60), Windows(), Metrics())
        selection = Selection("bundled", replace(bundled_recognizer, logits=logits), None)

        async def transcribe(path: Path) -> None:
            await scheduler.transcribe(selection, path)
            ended.append(path.name)

        first = asyncio.create_task(transcribe(long))
        assert await asyncio.to_thread(started.wait, PATIENCE)
        await transcribe(recordings[0])
        await first
        await asyncio.to_thread(scheduler.close)

    asyncio.run(run())
    assert ended == [recordings[0].name, long.name]
