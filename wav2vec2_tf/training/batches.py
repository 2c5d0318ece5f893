"""Batches of training examples: their plan, the share of each replica, and the input pipeline.

`plan_epoch` groups examples into batches, `split_batch` shares a batch among replicas,
`make_dataset` reads the shares, and `Batches` is all of these for one set of examples.

The plan of an epoch is a pure function of lengths, seed and epoch, so a run resumes at a step by
starting the list there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.audio.normalization import normalize
from wav2vec2_tf.data.bad_recordings import BadRecordings
from wav2vec2_tf.models.lengths import BUCKETS, bucket
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.training.ctc_loss import PADDING
from wav2vec2_tf.training.distribution import own_replicas
from wav2vec2_tf.training.examples import Example, Selection
from wav2vec2_tf.training.settings import TrainingOptions
from wav2vec2_tf.utils.errors import UserError

FEWEST_LABELS = 16
"""Narrowest width of labels where the number of widths is limited."""
EMPTY = -1
"""Index in `ReplicaBatch.rows` of a row without an example."""


@dataclass(frozen=True)
class Batches:
    """Batches of examples, epoch by epoch.

    Attributes:
        selection: the examples.
        processor: says whether waveforms are normalized.
        options: size of batches, seed, and `accumulate`.
        unread: collects the recordings that cannot be read when their turn comes.
    """

    selection: Selection
    processor: Processor
    options: TrainingOptions
    unread: BadRecordings = field(default_factory=BadRecordings)

    def steps(self, epoch: int) -> list[list[np.ndarray]]:
        """Returns the batches of each optimizer step: one, or those that are accumulated."""
        batches = plan_epoch(
            self.selection.samples,
            seed=self.options.seed,
            epoch=epoch,
            batch_seconds=self.options.batch_seconds,
            most_rows=self.options.most_rows,
            bucketed=self.options.jit_compile,
        )
        count = self.options.accumulate
        return [batches[start : start + count] for start in range(0, len(batches), count)]

    def iterator(
        self, strategy: tf.distribute.Strategy, batches: Sequence[np.ndarray]
    ) -> Iterator[Any]:
        """Returns an iterator over `(inputs, labels)` of batches, each replica with its share."""
        replicas = strategy.num_replicas_in_sync
        if replicas == 1:
            return iter(self.dataset(batches, 1, range(1)))
        return iter(
            strategy.distribute_datasets_from_function(
                lambda context: self.dataset(batches, replicas, own_replicas(context))
            )
        )

    def dataset(self, batches: Sequence[np.ndarray], replicas: int, own: range) -> tf.data.Dataset:
        """Returns a dataset of the shares of the replicas `own`, in turn, batch after batch."""
        samples, label_lengths = self.selection.samples, self.selection.label_lengths
        shares = []
        for batch in batches:
            split = split_batch(
                batch, replicas, samples, label_lengths, bucketed=self.options.jit_compile
            )
            shares += [split[replica] for replica in own]
        return make_dataset(self.selection.examples, shares, self.processor, self.unread)

    def ids(self, batch: np.ndarray) -> list[str]:
        """Returns the ids of a batch's utterances."""
        return [self.selection.examples[index].id for index in batch]


# The plan of an epoch


@dataclass(frozen=True)
class ReplicaBatch:
    """The share of a batch that one replica computes."""

    rows: np.ndarray
    """(rows,) int64: indices of examples; `EMPTY` for a row without one."""
    samples: int
    """Padded width of the waveforms."""
    labels: int
    """Padded width of the labels."""


def plan_epoch(
    samples: np.ndarray,
    *,
    seed: int,
    epoch: int,
    batch_seconds: float,
    most_rows: int | None = None,
    bucketed: bool = True,
) -> list[np.ndarray]:
    """Returns the batches of an epoch, in which every example occurs once.

    Utterances of similar length are batched together: they are shuffled, sorted into
    `lengths.BUCKETS`, and each bucket is cut into batches. The remainder of a bucket joins the next
    one, so at most one batch is not full. Then the batches are shuffled. Membership and order
    differ between epochs; the sizes of the batches do not.

    Args:
        samples: (examples,) lengths in samples.
        seed: of the order.
        epoch: 0-based number of the epoch.
        batch_seconds: largest duration of a batch, with the padding of `split_batch`.
        most_rows: largest number of utterances in a batch.
        bucketed: as for `split_batch`.

    Returns:
        Batches, each a (rows,) int64 array of indices of examples.

    Raises:
        UserError: if the longest utterance is longer than a batch, or than the last bucket.
    """
    samples = np.asarray(samples, np.int64)
    draws = np.random.PCG64(np.random.SeedSequence((seed, epoch)))
    # NumPy may change its shuffling from version to version, but not these raw draws
    order = np.argsort(draws.random_raw(len(samples)), kind="stable")
    buckets = np.searchsorted(BUCKETS, samples[order])  # `len(BUCKETS)` holds all beyond
    room = int(batch_seconds * SAMPLE_RATE)
    batches: list[np.ndarray] = []
    remainder = order[:0]
    for number in np.unique(buckets):
        pending = np.concatenate([remainder, order[buckets == number]])
        width = _speech_width(int(samples[pending].max()), bucketed)
        if width > room:
            raise UserError(
                f"batch_seconds must hold the longest utterance "
                f"({samples[pending].max() / SAMPLE_RATE:.1f} s, padded to "
                f"{width / SAMPLE_RATE:.1f} s), got {batch_seconds:g}: raise batch_seconds, or "
                "lower longest_seconds"
            )
        rows = min(room // width, most_rows or len(samples))
        full = len(pending) // rows * rows
        batches += np.split(pending[:full], full // rows) if full else []
        remainder = pending[full:]
    if len(remainder):
        batches.append(remainder)
    shuffled = np.argsort(draws.random_raw(len(batches)), kind="stable")
    return [batches[number] for number in shuffled]


def split_batch(
    batch: np.ndarray,
    replicas: int,
    samples: np.ndarray,
    label_lengths: np.ndarray,
    *,
    bucketed: bool = True,
) -> list[ReplicaBatch]:
    """Shares a batch among replicas, with equal numbers of rows and equal widths.

    The last replicas get empty rows if the batch is not divisible.

    Args:
        batch: (rows,) indices of examples, one or more.
        replicas: number of replicas.
        samples: (examples,) lengths of all examples.
        label_lengths: (examples,) numbers of labels of all examples.
        bucketed: pad waveforms to the smallest of `lengths.BUCKETS` and labels to a power of two,
            so that XLA compiles few shapes; otherwise to the longest.
    """
    rows = -(-len(batch) // replicas)
    filled = np.full(rows * replicas, EMPTY, np.int64)
    filled[: len(batch)] = batch
    speech = _speech_width(int(samples[batch].max()), bucketed)
    labels = int(label_lengths[batch].max())
    if bucketed and labels:
        labels = max(FEWEST_LABELS, 1 << (labels - 1).bit_length())
    return [ReplicaBatch(own, speech, labels) for own in filled.reshape(replicas, rows)]


def _speech_width(longest: int, bucketed: bool) -> int:
    return bucket(longest) if bucketed else longest


# The input pipeline


def make_dataset(
    examples: Sequence[Example],
    shares: Sequence[ReplicaBatch],
    processor: Processor,
    unread: BadRecordings,
    *,
    parallel: int | None = None,
    prefetch: int = 4,
) -> tf.data.Dataset:
    """Returns a dataset that reads `shares` in order: `({"speech": …, "lengths": …}, labels)`.

    `speech` is (rows, samples) float32, normalized over each utterance if the processor does so
    (never for Wav2Vec2-BERT, which takes log-mel features) and then padded with zeros; `lengths` is
    (rows,) int32; `labels` is (rows, labels) int32, padded with `PADDING`. An empty row, and that
    of a recording that cannot be read, has length 0 and no label.

    Args:
        examples: all examples.
        shares: what to read.
        processor: says whether waveforms are normalized.
        unread: collects the recordings that cannot be read.
        parallel: shares decoded at once; by default one for each core.
        prefetch: shares kept ready.
    """
    normalized = processor.normalizes

    # TensorFlow never releases a function that it calls: this one must not hold the shares
    def read(rows: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count, samples, labels = map(int, widths)
        share = ReplicaBatch(rows[:count], samples, labels)
        return read_batch(examples, share, normalized, unread)

    def element(rows: tf.Tensor, widths: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        speech, lengths, labels = tf.numpy_function(
            read, [rows, widths], (tf.float32, tf.int32, tf.int32)
        )
        speech.set_shape((None, None))
        lengths.set_shape((None,))
        labels.set_shape((None, None))
        return {"speech": speech, "lengths": lengths}, labels

    rows = np.full((len(shares), max((len(share.rows) for share in shares), default=0)), EMPTY)
    widths = np.zeros((len(shares), 3), np.int64)
    for index, share in enumerate(shares):
        rows[index, : len(share.rows)] = share.rows
        widths[index] = len(share.rows), share.samples, share.labels
    return (
        tf.data.Dataset.from_tensor_slices((rows, widths))
        .map(element, num_parallel_calls=parallel or os.cpu_count() or 1, deterministic=True)
        .prefetch(prefetch)
    )


def read_batch(
    examples: Sequence[Example], share: ReplicaBatch, normalized: bool, unread: BadRecordings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Loads the examples of a replica's share.

    Args:
        examples: all examples.
        share: what to read.
        normalized: scale each waveform to zero mean and unit variance.
        unread: collects the recordings that cannot be read, whose rows stay empty.

    Returns:
        Speech (rows, samples) float32, lengths (rows,) int32, labels (rows, labels) int32.
    """
    speech = np.zeros((len(share.rows), share.samples), np.float32)
    lengths = np.zeros(len(share.rows), np.int32)
    labels = np.full((len(share.rows), share.labels), PADDING, np.int32)
    for row, index in enumerate(share.rows):
        if index == EMPTY:
            continue
        example = examples[index]
        loaded = unread.read(example.id, partial(_load, example, share.samples))
        if loaded is None:
            continue
        speech[row, : len(loaded)] = normalize(loaded) if normalized else loaded
        lengths[row] = len(loaded)
        labels[row, : len(example.labels)] = example.labels
    return speech, lengths, labels


def _load(example: Example, width: int) -> np.ndarray:
    """Returns the waveform of an example, which may be shorter than it was counted."""
    loaded = example.load()
    if len(loaded) > width:  # a cut would leave labels without their sound
        raise UserError(
            f"must have the {example.samples} samples that were counted, got {len(loaded)}: the "
            "file has changed since"
        )
    return loaded
