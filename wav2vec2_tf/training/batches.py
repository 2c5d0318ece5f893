"""Batches: which utterances a model can learn from, in what order, and the pipeline for them.

`prepare` chooses the utterances, `plan_epoch` puts them into batches, `split` shares a batch among
replicas, and `dataset` reads what is their share.

The plan of an epoch is a pure function of lengths, seed and epoch, so a run goes on at a step by
starting the list there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.audio.normalization import normalize
from wav2vec2_tf.data.corpus import Corpus, Utterance
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.lengths import BUCKETS, bucket
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.text.normalize import TextRules, describe, unknown_characters
from wav2vec2_tf.text.tokenizer import CTCTokenizer
from wav2vec2_tf.training.ctc_loss import PADDING
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

LONGEST_SECONDS = 20.0  # attention over longer ones takes most of the memory of a batch
FEWEST_LABELS = 16  # width of the narrowest batch of labels, where widths are few
EMPTY = -1  # row of a piece that no utterance fills
LARGE = 5000  # utterances from which counting their samples shows its progress
NAMED = 3  # of many utterances, how many a message names
UNKNOWN_CHOICES = ("refuse", "map", "drop")

TOO_LONG = "too long"
TOO_SHORT = "too short"
NO_TEXT = "without text"
UNKNOWN = "with characters outside the vocabulary"
TOO_FEW_FRAMES = "with more labels than frames"


@dataclass(frozen=True)
class Example:
    """One utterance to learn from."""

    id: str
    samples: int
    """At 16 kHz, as the header says: what `load` gives, or one more."""
    labels: np.ndarray
    """(labels,) int32; none in pre-training."""
    load: Callable[[], np.ndarray]
    """float32 (samples,); raises `UserError`."""


@dataclass(frozen=True)
class Prepared:
    """The utterances that a model can learn from, and those it cannot."""

    examples: tuple[Example, ...]
    dropped: Mapping[str, tuple[str, ...]]
    """Reason → ids."""

    @property
    def samples(self) -> np.ndarray:
        """(examples,) int64."""
        return np.array([example.samples for example in self.examples], np.int64)

    @property
    def label_lengths(self) -> np.ndarray:
        """(examples,) int64."""
        return np.array([len(example.labels) for example in self.examples], np.int64)

    def report(self) -> str:
        """One line: how many are left, and how many are not, why, and the first of them."""
        hours = sum(example.samples for example in self.examples) / SAMPLE_RATE / 3600
        line = f"{len(self.examples)} utterances, {hours:.2f} h"
        return line + (f"; left out: {_counted(self.dropped)}" if self.dropped else "")


def prepare(
    corpora: Sequence[Corpus],
    config: Config,
    tokenizer: CTCTokenizer | None = None,
    rules: TextRules | None = None,
    *,
    longest_seconds: float = LONGEST_SECONDS,
    shortest_seconds: float = 0.0,
    unknown: str = "refuse",
) -> Prepared:
    """Choose the utterances that a model of this config can learn from; none is ever cut.

    Left out, and named: what is longer or shorter than it may be, or than one frame of output; what
    has no text left after `rules`; and what has more labels, with the blanks that must stand
    between equal ones, than frames (Graves et al. 2006, section 3.1). Only headers are read.

    Args:
        tokenizer: without one there are no labels (pre-training), and texts are not looked at.
        rules: of the transcripts; by default `TextRules()`.
        unknown: characters outside the vocabulary are refused ("refuse"), become the unknown token
            ("map"), or their utterances are left out ("drop").

    Raises:
        UserError: characters outside the vocabulary, listed with their counts; an archive, which
            has no random access; a header that cannot be read; nothing left, and why.
    """
    if unknown not in UNKNOWN_CHOICES:
        raise UserError(f"unknown {unknown!r} is none of {', '.join(UNKNOWN_CHOICES)}")
    for corpus in corpora:
        if corpus.streamed:
            raise UserError(
                f"{corpus.source}: an archive can only be read in order, which training does not: "
                "unpack it, or make shards of it with wav2vec2-tf shards"
            )
    utterances = [utterance for corpus in corpora for utterance in corpus]
    samples = _count_samples(utterances)
    labels = _labels(utterances, tokenizer, rules or TextRules(), unknown)
    dropped: dict[str, list[str]] = {}
    examples = []
    frames = config.frame_length(np.array(samples, np.int64))
    for utterance, length, ids, count in zip(utterances, samples, labels, frames, strict=True):
        seconds = length / SAMPLE_RATE
        reason = None
        if seconds > longest_seconds:
            reason = TOO_LONG
        elif seconds < shortest_seconds or count < 1:
            reason = TOO_SHORT
        elif ids is None:
            reason = UNKNOWN
        elif tokenizer is not None and not len(ids):
            reason = NO_TEXT
        elif len(ids) + np.count_nonzero(ids[1:] == ids[:-1]) > count:
            reason = TOO_FEW_FRAMES
        if reason is None and ids is not None:
            examples.append(Example(utterance.id, length, ids, utterance.load))
        else:
            dropped.setdefault(reason or UNKNOWN, []).append(utterance.id)
    if not examples:
        raise UserError(
            f"{', '.join(corpus.source for corpus in corpora)}: there is nothing to learn from; "
            f"left out: {_counted(dropped)}"
        )
    return Prepared(tuple(examples), {reason: tuple(ids) for reason, ids in dropped.items()})


def _count_samples(utterances: Sequence[Utterance]) -> list[int]:
    name, total = "reading headers", len(utterances)
    counts = []
    with (
        ThreadPoolExecutor() as pool,
        ProgressBar(name, total, "file", shown=total >= LARGE, desc=name) as bar,
    ):
        for count in pool.map(lambda utterance: utterance.samples(), utterances):
            counts.append(count)
            bar.update()
    return counts


def _labels(
    utterances: Sequence[Utterance], tokenizer: CTCTokenizer | None, rules: TextRules, unknown: str
) -> list[np.ndarray | None]:
    """Of each utterance; None where unknown characters are to be dropped and it has some."""
    if tokenizer is None:
        return [np.zeros(0, np.int32)] * len(utterances)
    texts = [rules(utterance.text) for utterance in utterances]
    found = unknown_characters(texts, tokenizer)
    if found and (unknown == "refuse" or (unknown == "map" and tokenizer.unk_token_id is None)):
        raise UserError(
            f"the vocabulary has none of these characters of the transcripts: {describe(found)}; "
            "replace or remove them by the text rules, or map or drop what is unknown"
        )
    labels: list[np.ndarray | None] = []
    for text in texts:
        if found and unknown == "drop" and unknown_characters([text], tokenizer):
            labels.append(None)
            continue
        ids = np.array(tokenizer.encode(text), np.int32)
        # "<pad>" in a transcript, which is unknown like all special tokens, would be the blank
        ids[ids == tokenizer.pad_token_id] = tokenizer.unk_token_id or 0
        labels.append(ids)
    return labels


def _counted(dropped: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(
        f"{len(ids)} {reason} ({', '.join(map(repr, ids[:NAMED]))}"
        f"{', …' if len(ids) > NAMED else ''})"
        for reason, ids in dropped.items()
    )


# The plan


@dataclass(frozen=True)
class Piece:
    """A replica's share of a batch."""

    rows: np.ndarray
    """(rows,) int64: numbers of examples; `EMPTY` for a row without one."""
    samples: int
    """Width that the speech is padded to."""
    labels: int
    """Width that the labels are padded to."""


def plan_epoch(
    samples: np.ndarray,
    *,
    seed: int,
    epoch: int,
    batch_seconds: float,
    most_rows: int | None = None,
    bucketed: bool = True,
) -> list[np.ndarray]:
    """The batches of an epoch, each an (rows,) int64 array of examples; all examples occur once.

    Utterances of about one length go together: they are shuffled, sorted into `lengths.BUCKETS`,
    and each bucket is cut into batches. What does not fill a batch goes with the next bucket, so
    one batch at most is not full. Then the batches are shuffled. Membership and order are new in
    each epoch; the sizes of the batches stay.

    Args:
        samples: (examples,) their lengths.
        batch_seconds: no more than this in a batch with its padding, as `split` pads it.
        most_rows: utterances in a batch.
        bucketed: as for `split`.

    Raises:
        UserError: the longest utterance is longer than a batch, or than the last bucket.
    """
    samples = np.asarray(samples, np.int64)
    draws = np.random.PCG64(np.random.SeedSequence((seed, epoch)))
    # NumPy may change its shuffling from version to version, but not these raw draws
    order = np.argsort(draws.random_raw(len(samples)), kind="stable")
    buckets = np.searchsorted(BUCKETS, samples[order])  # `len(BUCKETS)` holds all beyond
    room = int(batch_seconds * SAMPLE_RATE)
    batches: list[np.ndarray] = []
    rest = order[:0]
    for number in np.unique(buckets):
        waiting = np.concatenate([rest, order[buckets == number]])
        width = _speech_width(int(samples[waiting].max()), bucketed)
        if width > room:
            raise UserError(
                f"a batch of {batch_seconds:g} s does not hold the longest utterance "
                f"({samples[waiting].max() / SAMPLE_RATE:.1f} s, padded to "
                f"{width / SAMPLE_RATE:.1f} s): raise batch_seconds, or leave out longer ones"
            )
        rows = min(room // width, most_rows or len(samples))
        full = len(waiting) // rows * rows
        batches += np.split(waiting[:full], full // rows) if full else []
        rest = waiting[full:]
    if len(rest):
        batches.append(rest)
    shuffled = np.argsort(draws.random_raw(len(batches)), kind="stable")
    return [batches[number] for number in shuffled]


def split(
    batch: np.ndarray,
    replicas: int,
    samples: np.ndarray,
    label_lengths: np.ndarray,
    *,
    bucketed: bool = True,
) -> list[Piece]:
    """Share a batch among replicas: pieces of the same number of rows and the same widths.

    The last have empty rows where the batch does not divide.

    Args:
        batch: (rows,) numbers of examples, one or more.
        samples, label_lengths: (examples,) of all examples.
        bucketed: pad speech to the least of `lengths.BUCKETS`, and labels to a power of two: few
            shapes for XLA to compile. Else to the longest.
    """
    rows = -(-len(batch) // replicas)
    filled = np.full(rows * replicas, EMPTY, np.int64)
    filled[: len(batch)] = batch
    speech = _speech_width(int(samples[batch].max()), bucketed)
    labels = int(label_lengths[batch].max())
    if bucketed and labels:
        labels = max(FEWEST_LABELS, 1 << (labels - 1).bit_length())
    return [Piece(piece, speech, labels) for piece in filled.reshape(replicas, rows)]


def padding_share(batches: Sequence[np.ndarray], samples: np.ndarray, *, bucketed: bool) -> float:
    """The part of all that a model sees in these batches that is padding, 0 to 1."""
    seen = sum(len(batch) * _speech_width(int(samples[batch].max()), bucketed) for batch in batches)
    return 1 - sum(int(samples[batch].sum()) for batch in batches) / seen


def _speech_width(longest: int, bucketed: bool) -> int:
    return bucket(longest) if bucketed else longest


# The pipeline


def dataset(
    examples: Sequence[Example],
    pieces: Sequence[Piece],
    processor: Processor,
    *,
    parallel: int | None = None,
    prefetch: int = 4,
) -> tf.data.Dataset:
    """Read pieces, in order: `({"speech": …, "lengths": …}, labels)`.

    `speech` is (rows, samples) float32, normalised over each utterance if the processor says so
    (never for Wav2Vec2-BERT, which starts from log-mel features) and then padded with zeros;
    `lengths` (rows,) int32; `labels` (rows, labels) int32, padded with `PADDING`. An empty row has
    length 0 and no label.

    Args:
        parallel: pieces decoded at once; by default one a core.
        prefetch: pieces held ready.

    A file that cannot be read, or is longer than its header says, stops the iteration with an error
    of TensorFlow; within `user_errors` it is a `UserError` that names it.
    """
    normalized = processor.normalizes

    # TensorFlow never lets go of a function that it calls: this one must not hold the pieces
    def read(rows: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count, samples, labels = map(int, widths)
        return read_piece(examples, Piece(rows[:count], samples, labels), normalized)

    def element(rows: tf.Tensor, widths: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        speech, lengths, labels = tf.numpy_function(
            read, [rows, widths], (tf.float32, tf.int32, tf.int32)
        )
        speech.set_shape((None, None))
        lengths.set_shape((None,))
        labels.set_shape((None, None))
        return {"speech": speech, "lengths": lengths}, labels

    rows = np.full((len(pieces), max((len(piece.rows) for piece in pieces), default=0)), EMPTY)
    widths = np.zeros((len(pieces), 3), np.int64)
    for number, piece in enumerate(pieces):
        rows[number, : len(piece.rows)] = piece.rows
        widths[number] = len(piece.rows), piece.samples, piece.labels
    return (
        tf.data.Dataset.from_tensor_slices((rows, widths))
        .map(element, num_parallel_calls=parallel or os.cpu_count() or 1, deterministic=True)
        .prefetch(prefetch)
    )


def read_piece(
    examples: Sequence[Example], piece: Piece, normalized: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Speech (rows, samples) float32, lengths (rows,) int32, labels (rows, labels) int32."""
    speech = np.zeros((len(piece.rows), piece.samples), np.float32)
    lengths = np.zeros(len(piece.rows), np.int32)
    labels = np.full((len(piece.rows), piece.labels), PADDING, np.int32)
    for row, number in enumerate(piece.rows):
        if number == EMPTY:
            continue
        example = examples[number]
        loaded = example.load()
        # resampling rounds to the nearest sample, and the header's count is rounded up
        if not example.samples - 1 <= len(loaded) <= example.samples:
            raise UserError(
                f"{example.id}: its header tells of {example.samples} samples at 16 kHz, and it "
                f"has {len(loaded)}: write it anew, or make shards with wav2vec2-tf shards"
            )
        speech[row, : len(loaded)] = normalize(loaded) if normalized else loaded
        lengths[row] = len(loaded)
        labels[row, : len(example.labels)] = example.labels
    return speech, lengths, labels


@contextmanager
def user_errors() -> Iterator[None]:
    """Where a `dataset` is iterated: its `UserError`s, which TensorFlow wraps in its own."""
    try:
        yield
    except tf.errors.OpError as error:
        if found := re.search(rf"{UserError.__name__}: (.*)", error.message):
            raise UserError(found[1]) from None
        raise
