"""What the systems are timed on: batches of one shape, a corpus, a step of training, a cold start.

The corpus has the durations of LibriSpeech's test-clean, by its published quantiles. Speech is a
real utterance, repeated; random weights do not care, but int8's calibration and denormal numbers
might.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.models.config import PUBLISHED_LENGTH

if TYPE_CHECKING:
    import numpy as np

    Recognise = Callable[[np.ndarray, np.ndarray | None], np.ndarray]
    """(batch, samples) speech, (batch,) lengths or None → (batch, frames, vocabulary) logits"""

BATCH, CORPUS, TRAINING, COLD_START = "batch", "corpus", "training", "cold start"

TEST_CLEAN = (
    (0.0, 1.3), (0.001, 1.6), (0.005, 1.8), (0.01, 2.0), (0.05, 2.3), (0.1, 2.7), (0.25, 3.7),
    (0.5, 5.8), (0.75, 9.6), (0.9, 14.6), (0.95, 17.8), (0.99, 25.5), (0.995, 28.4),
    (0.999, 32.8), (1.0, 35.0),
)  # fmt: skip
"""Quantiles of the seconds of its 2620 utterances (5.4 h, mean 7.4 s), as lhotse's `describe()`
gives them in icefall, egs/librispeech/ASR/local/display_manifest_statistics.py."""
CORPUS_BATCH = 2 * PUBLISHED_LENGTH
"""Samples of a batch of the corpus at most, padding included: memory grows with it."""
WASTE = 0.05
"""The part of a row that may be padding for the sake of sharing a batch."""
LABELS_PER_SECOND = 14  # characters of read English


@dataclass(frozen=True)
class Work:
    key: str
    kind: str
    batch: int
    """Rows, or utterances of a corpus."""
    length: int
    """Samples of a row; of the longest utterance of a corpus where it is below the published."""

    @property
    def shape(self) -> tuple[int, int] | None:
        """Of each call; None where shapes vary."""
        return (self.batch, self.length) if self.kind in (BATCH, TRAINING) else None

    @property
    def title(self) -> str:
        seconds = f"{self.length / SAMPLE_RATE:g} s"
        return {
            BATCH: f"({self.key}) batch {self.batch} × {self.length} samples ({seconds})",
            CORPUS: f"({self.key}) corpus of {self.batch} utterances, durations of test-clean",
            TRAINING: f"(training) one step, batch {self.batch} × {self.length} samples",
            COLD_START: f"(cold) first result of a fresh process, one file of {seconds}",
        }[self.kind]


WORKS = {
    work.key: work
    for work in (
        Work("a", BATCH, 1, PUBLISHED_LENGTH),
        Work("b", BATCH, 1, 80000),
        Work("c", BATCH, 4, PUBLISHED_LENGTH),
        Work("d", CORPUS, 100, PUBLISHED_LENGTH),
        Work("training", TRAINING, 4, 80000),
        Work("cold", COLD_START, 1, 160000),
    )
}
QUICK_WORKS = {
    work.key: work
    for work in (
        Work("a", BATCH, 1, 8000),
        Work("b", BATCH, 2, 8000),
        Work("c", BATCH, 4, 8000),
        Work("d", CORPUS, 5, 8000),
        Work("training", TRAINING, 2, 8000),
        Work("cold", COLD_START, 1, 16000),
    )
}


def speech(batch: int, length: int, seed: int = 0) -> np.ndarray:
    """(batch, length) float32 of zero mean and unit variance: the bundled utterance, repeated,
    each row from another place on, with a little noise."""
    import numpy as np
    import soundfile

    from wav2vec2_tf.data.bundled import BUNDLED_SPEECH

    random = np.random.default_rng(seed)
    samples, _ = soundfile.read(BUNDLED_SPEECH, dtype="float32")
    starts = random.integers(0, len(samples), batch)
    rows = np.stack([np.resize(np.roll(samples, -start), length) for start in starts])
    rows += random.normal(0, 0.01 * rows.std(), rows.shape)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= rows.std(axis=1, keepdims=True)
    return rows.astype(np.float32)


def corpus(utterances: int, length: int) -> list[np.ndarray]:
    """(samples,) each, in an order drawn at random.

    Their durations are `TEST_CLEAN` at the middles of as many equal parts, between its figures by
    their logarithms, and scaled where `length` is not the published one.
    """
    import numpy as np

    parts, seconds = zip(*TEST_CLEAN, strict=True)
    middles = (np.arange(utterances) + 0.5) / utterances
    durations = np.exp(np.interp(middles, parts, np.log(seconds)))
    np.random.default_rng(0).shuffle(durations)
    samples = (durations * SAMPLE_RATE * length / PUBLISHED_LENGTH).astype(int)
    return [speech(1, count, seed)[0] for seed, count in enumerate(samples)]


def labels(batch: int, length: int, vocabulary: int) -> np.ndarray:
    """(batch, labels) int32 without blanks, as many as are spoken in such a time."""
    import numpy as np

    count = max(1, LABELS_PER_SECOND * length // SAMPLE_RATE)
    return np.random.default_rng(0).integers(1, vocabulary, (batch, count)).astype(np.int32)


# Ways through a corpus


def alone(utterances: Sequence[np.ndarray], run: Recognise) -> list[np.ndarray]:
    """Each by itself, as it is: exact for every system, and the only exact way for many."""
    return [run(utterance[None], None)[0] for utterance in utterances]


def bucketed(utterances: Sequence[np.ndarray], run: Recognise) -> list[np.ndarray]:
    """In batches padded to `lengths.BUCKETS`, with lengths: few shapes to compile for."""
    from wav2vec2_tf.models.lengths import bucket

    return _in_batches(utterances, run, bucket)


def near_equal(utterances: Sequence[np.ndarray], run: Recognise) -> list[np.ndarray]:
    """In batches of near-equal lengths padded to the longest of each, with lengths."""
    return _in_batches(utterances, run, lambda samples: samples)


def published(
    utterances: Sequence[np.ndarray], run: Recognise, length: int = PUBLISHED_LENGTH
) -> list[np.ndarray]:
    """Each padded to `length` samples and cut beyond, and the model told nothing of it: as the
    published models were used. Not exact."""
    import numpy as np

    results = []
    for utterance in utterances:
        row = np.zeros((1, length), np.float32)
        row[0, : len(utterance)] = utterance[:length]
        results.append(run(row, None)[0])
    return results


WAYS = {way.__name__: way for way in (alone, bucketed, near_equal, published)}


def _in_batches(
    utterances: Sequence[np.ndarray], run: Recognise, padded: Callable[[int], int]
) -> list[np.ndarray]:
    import numpy as np

    results: list[np.ndarray] = [np.empty(0)] * len(utterances)
    for numbers in batches([len(utterance) for utterance in utterances], padded):
        lengths = np.array([len(utterances[number]) for number in numbers], np.int32)
        rows = np.zeros((len(numbers), padded(int(lengths.max()))), np.float32)
        for row, number in zip(rows, numbers, strict=True):
            row[: len(utterances[number])] = utterances[number]
        for number, logits in zip(numbers, run(rows, lengths), strict=True):
            results[number] = logits
    return results


def batches(samples: Sequence[int], padded: Callable[[int], int]) -> list[list[int]]:
    """Numbers of the utterances of each batch, the longest first, `CORPUS_BATCH` at most.

    Utterances share a batch where rows of one width hold them with less than `WASTE` of padding.

    Args:
        padded: samples → samples of the row that holds them.
    """
    order = sorted(range(len(samples)), key=lambda number: -samples[number])
    result: list[list[int]] = []
    for number in order:
        width = padded(samples[result[-1][0]]) if result else 0
        fits = result and (len(result[-1]) + 1) * width <= CORPUS_BATCH
        if fits and padded(samples[number]) >= (1 - WASTE) * width:
            result[-1].append(number)
        else:
            result.append([number])
    return result
