"""The work that systems are timed on: batches, a corpus, a training step, a cold start.

The corpus has the durations of LibriSpeech's test-clean, by its published quantiles. Speech is a
real utterance, repeated, since the calibration of int8 and denormal numbers may depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wav2vec2_tf.models.config import PUBLISHED_LENGTH

if TYPE_CHECKING:
    import numpy as np

    Recognize = Callable[[np.ndarray, np.ndarray | None], np.ndarray]
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
"""Samples of a batch of the corpus, padding included, at most: memory grows with it."""
WASTE = 0.05
"""Share of a row that may be padding so that utterances share a batch."""
LABELS_PER_SECOND = 14  # characters of read English


@dataclass(frozen=True)
class Work:
    """One kind of call and its size."""

    key: str
    kind: str
    batch: int
    """Rows, or utterances of a corpus."""
    length: int
    """Samples of a row; a corpus is scaled by its ratio to the published length."""

    @property
    def shape(self) -> tuple[int, int] | None:
        """Shape of each call; None where shapes vary."""
        return (self.batch, self.length) if self.kind in (BATCH, TRAINING) else None

    @property
    def title(self) -> str:
        """Title in tables and plots."""
        from wav2vec2_tf.audio import SAMPLE_RATE

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
    """Returns (batch, length) float32 speech of zero mean and unit variance.

    It is the bundled utterance, repeated, each row with another start, with a little noise.
    """
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
    """Returns utterances of (samples,) each, in random order.

    Their durations are the quantiles of `TEST_CLEAN` at the middles of as many equal parts,
    interpolated in the logarithm, and scaled by `length` over the published length.
    """
    import numpy as np

    from wav2vec2_tf.audio import SAMPLE_RATE

    parts, seconds = zip(*TEST_CLEAN, strict=True)
    middles = (np.arange(utterances) + 0.5) / utterances
    durations = np.exp(np.interp(middles, parts, np.log(seconds)))
    np.random.default_rng(0).shuffle(durations)
    samples = (durations * SAMPLE_RATE * length / PUBLISHED_LENGTH).astype(int)
    return [speech(1, count, seed)[0] for seed, count in enumerate(samples)]


def labels(batch: int, length: int, vocabulary: int) -> np.ndarray:
    """Returns (batch, labels) int32 without blanks, at the rate of read English."""
    import numpy as np

    from wav2vec2_tf.audio import SAMPLE_RATE

    count = max(1, LABELS_PER_SECOND * length // SAMPLE_RATE)
    return np.random.default_rng(0).integers(1, vocabulary, (batch, count)).astype(np.int32)


# Ways to batch a corpus


def alone(utterances: Sequence[np.ndarray], run: Recognize) -> list[np.ndarray]:
    """Runs each utterance by itself, unpadded, which is exact for every system."""
    return [run(utterance[None], None)[0] for utterance in utterances]


def bucketed(utterances: Sequence[np.ndarray], run: Recognize) -> list[np.ndarray]:
    """Runs batches padded to `lengths.BUCKETS`, with lengths: few shapes to compile."""
    from wav2vec2_tf.models.lengths import bucket

    return _in_batches(utterances, run, bucket)


def near_equal(utterances: Sequence[np.ndarray], run: Recognize) -> list[np.ndarray]:
    """Runs batches of near-equal lengths, padded to the longest of each, with lengths."""
    return _in_batches(utterances, run, lambda samples: samples)


def published(
    utterances: Sequence[np.ndarray], run: Recognize, length: int = PUBLISHED_LENGTH
) -> list[np.ndarray]:
    """Runs each utterance padded or cut to `length` samples, without lengths.

    So the published models were used. It is not exact.
    """
    import numpy as np

    results = []
    for utterance in utterances:
        row = np.zeros((1, length), np.float32)
        row[0, : len(utterance)] = utterance[:length]
        results.append(run(row, None)[0])
    return results


WAYS = {way.__name__: way for way in (alone, bucketed, near_equal, published)}


def _in_batches(
    utterances: Sequence[np.ndarray], run: Recognize, padded: Callable[[int], int]
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
    """Returns the indices of the utterances of each batch, the longest first.

    Utterances share a batch if less than `WASTE` of each row is padding and the batch has no more
    than `CORPUS_BATCH` samples.

    Args:
        samples: of each utterance.
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
