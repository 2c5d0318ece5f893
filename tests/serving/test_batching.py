"""Rows computed beside one another: exact, within bounds, and none at another's cost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import CORPUS
from tests.support.server import PATIENCE, wait_until
from wav2vec2_tf import audio
from wav2vec2_tf.models.lengths import bucket
from wav2vec2_tf.serving.models import Engine
from wav2vec2_tf.serving.scheduler import (
    MOST_PADDING,
    Batcher,
    Cancelled,
    Full,
    Job,
    Logits,
    Workers,
)
from wav2vec2_tf.text.transcript import Transcript
from wav2vec2_tf.transcription import long_form
from wav2vec2_tf.transcription.long_form import Windows
from wav2vec2_tf.transcription.recognizer import Recognizer

FRAME = 320


@dataclass
class Model:
    """Stands for one: a frame's logits are its samples' sum and their number. It may be held."""

    batches: list[list[int]] = field(default_factory=list)
    """The width of each batch, and then the lengths of its rows."""
    held: threading.Event = field(default_factory=threading.Event)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, speech: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
        values = speech.numpy()
        counts = [values.shape[1]] * len(values) if lengths is None else lengths.numpy().tolist()
        self.batches.append([values.shape[1], *counts])
        self.begun.release()
        assert self.held.wait(PATIENCE)
        if np.isnan(values).any():
            raise RuntimeError("it cannot compute this")
        for row, count in zip(values, counts, strict=True):
            assert not row[count:].any()  # padding
        frames = values[:, : values.shape[1] // FRAME * FRAME].reshape(len(values), -1, FRAME)
        return tf.constant(np.stack([frames.sum(axis=-1), frames.max(axis=-1)], axis=-1))


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    made = Batcher(batch_seconds=60)
    yield made
    made.close()


def row(length: int, value: float = 1.0) -> tuple[tf.Tensor, tf.Tensor]:
    """A batch of one, padded as it would be alone."""
    speech = np.zeros((1, bucket(length)), np.float32)
    speech[0, :length] = value
    return tf.constant(speech), tf.constant([length])


class Callers:
    """Rows that wait for a model, which is held at a first one until all of them do."""

    def __init__(self, batcher: Batcher, model: Model, *, counted: bool = True) -> None:
        self.batcher, self.model, self.counted = batcher, model, counted
        self.pool = ThreadPoolExecutor(64)

    def together(self, lengths: Sequence[int], values: Sequence[float]) -> list[object]:
        """What each gets, or the exception."""
        first = self.pool.submit(self._one, 16000, 1.0)
        assert self.model.begun.acquire(timeout=PATIENCE)
        results = []
        for length, value in zip(lengths, values, strict=True):
            waiting = self.batcher.waiting
            results.append(self.pool.submit(self._one, length, value))
            wait_until(lambda waiting=waiting: self.batcher.waiting > waiting)
        self.model.held.set()
        first.result(PATIENCE)
        found = [result.exception(PATIENCE) or result.result() for result in results]
        self.pool.shutdown()
        return found

    def _one(self, length: int, value: float) -> np.ndarray:
        speech, lengths = row(length, value)
        logits = self.batcher.logits(self.model, Job())
        found: np.ndarray = logits(speech, lengths if self.counted else None).numpy()[0]
        return found


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(4000, 300_000), min_size=1, max_size=12), st.booleans())
def test_each_gets_its_own_and_padding_is_bounded(lengths: list[int], counted: bool) -> None:
    batcher, model = Batcher(batch_seconds=30), Model()
    values = [1.0 + index for index in range(len(lengths))]
    found = Callers(batcher, model, counted=counted).together(lengths, values)
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
            assert width == bucket(count) or width <= (1 + MOST_PADDING) * count
            assert counted or width == count


def test_the_oldest_is_computed_first_and_its_like_beside_it(
    batcher: Batcher, model: Model
) -> None:
    lengths = [200_000, 32_000, 190_000, 33_000, 31_000]
    Callers(batcher, model).together(lengths, [1.0] * 5)
    assert model.batches[1:] == [
        [bucket(200_000), 200_000, 190_000],
        [bucket(33_000), 32_000, 33_000, 31_000],
    ]


def test_without_batching_rows_are_computed_one_by_one(model: Model) -> None:
    batcher = Batcher(batch_seconds=0)
    Callers(batcher, model).together([32_000] * 4, [1.0] * 4)
    batcher.close()
    assert [len(batch) for batch in model.batches] == [2] * 5


def test_a_row_that_fails_fails_alone(batcher: Batcher, model: Model) -> None:
    found = Callers(batcher, model).together([32_000] * 4, [1.0, np.nan, 3.0, 4.0])
    assert isinstance(found[1], RuntimeError)
    for logits, value in zip([found[0], *found[2:]], [1.0, 3.0, 4.0], strict=True):
        assert isinstance(logits, np.ndarray)
        assert logits[0, 1] == value


def test_what_is_cancelled_is_not_computed(batcher: Batcher, model: Model) -> None:
    jobs = [Job() for _ in range(3)]
    with ThreadPoolExecutor() as pool:

        def ask(job: Job, length: int) -> tf.Tensor:
            return batcher.logits(model, job)(*row(length))

        first = pool.submit(ask, Job(), 16_000)
        assert model.begun.acquire(timeout=PATIENCE)
        waiting = [pool.submit(ask, job, 20_000 + i) for i, job in enumerate(jobs)]
        wait_until(lambda: batcher.waiting == 3)
        jobs[1].cancel()
        assert isinstance(waiting[1].exception(PATIENCE), Cancelled)
        assert batcher.waiting == 2
        model.held.set()
        for future in (first, waiting[0], waiting[2]):
            assert len(future.result(PATIENCE)) == 1
        with pytest.raises(Cancelled):  # nor does it begin again
            ask(jobs[1], 16_000)
    assert sorted(count for batch in model.batches for count in batch[1:]) == [
        *(16_000, 20_000, 20_002)
    ]


def test_at_the_end_nobody_is_left_waiting(batcher: Batcher, model: Model) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(batcher.logits(model, Job()), *row(16_000))
        assert model.begun.acquire(timeout=PATIENCE)
        second = pool.submit(batcher.logits(model, Job()), *row(16_000))
        wait_until(lambda: batcher.waiting == 1)
        closing = pool.submit(batcher.close)
        assert isinstance(second.exception(PATIENCE), Cancelled)
        model.held.set()
        closing.result(PATIENCE)
        assert len(first.result(PATIENCE)) == 1
        with pytest.raises(Cancelled):
            batcher.logits(model, Job())(*row(16_000))


def test_workers_are_bounded_and_cancelled() -> None:
    let_go, cancelled = threading.Event(), threading.Event()

    def wait(job: Job) -> str:
        assert let_go.wait(PATIENCE)
        return "done"

    def until_cancelled(job: Job) -> None:
        with pytest.raises(Cancelled):
            while True:
                job.check()
                cancelled.wait(0.01)
        cancelled.set()

    async def all_of_it() -> None:
        workers = Workers(2)
        with pytest.raises(TimeoutError):
            await workers.run(until_cancelled, 0.05)
        assert await asyncio.to_thread(cancelled.wait, PATIENCE)
        while workers.active:
            await asyncio.sleep(0.01)
        tasks = [asyncio.create_task(workers.run(wait, PATIENCE)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Full):
            await workers.run(wait, PATIENCE)
        let_go.set()
        assert await asyncio.gather(*tasks) == ["done", "done"]
        assert await workers.run(wait, PATIENCE) == "done"

    asyncio.run(all_of_it())


# With a model


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of many lengths: from a few frames to four windows."""
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


def test_a_recording_is_heard_as_if_alone(
    bundled_recognizer: Recognizer, recordings: list[Path]
) -> None:
    """Many at once, of all lengths, some of many windows."""
    alone = [long_form.transcribe(bundled_recognizer, path) for path in recordings]
    rows: list[int] = []
    batcher = Batcher(60.0, lambda count, seconds: rows.append(count))
    engine = Engine(batcher, Windows(), longest_seconds=60)
    with ThreadPoolExecutor(len(recordings)) as pool:
        found = list(
            pool.map(lambda path: engine.transcribe(bundled_recognizer, path, Job()), recordings)
        )
    batcher.close()
    for heard, expected in zip(found, alone, strict=True):
        same(heard.transcript, expected)
    assert sum(rows) >= len(recordings) + 1  # windows
    assert max(rows) > 2


def test_short_recordings_do_not_wait_for_the_end_of_a_long_one(
    bundled_recognizer: Recognizer, recordings: list[Path]
) -> None:
    ended: list[str] = []
    begun = threading.Event()

    def seen(call: Logits) -> Callable[..., tf.Tensor]:
        def logits(*batch: tf.Tensor) -> tf.Tensor:
            begun.set()
            return call(*batch)

        return logits

    long = max(recordings, key=lambda path: soundfile.info(path).duration)
    batcher = Batcher(15.4)
    engine = Engine(batcher, Windows(), longest_seconds=60)

    watched = replace(bundled_recognizer, logits=seen(bundled_recognizer.logits))

    def hear(path: Path) -> None:
        engine.transcribe(watched, path, Job())
        ended.append(path.name)

    with ThreadPoolExecutor() as pool:
        first = pool.submit(hear, long)
        assert begun.wait(PATIENCE)
        second = pool.submit(hear, recordings[0])
        first.result(PATIENCE)
        second.result(PATIENCE)
    batcher.close()
    assert ended == [recordings[0].name, long.name]
