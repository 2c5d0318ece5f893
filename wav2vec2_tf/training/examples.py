"""Corpora to training examples: which utterances a model can learn from, and their labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.data.bad_recordings import BadRecordings, count_samples
from wav2vec2_tf.data.columns import Columns
from wav2vec2_tf.data.corpus import Corpus, Utterance, open_corpus
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.text.normalize import TextRules, describe, unknown_characters
from wav2vec2_tf.text.tokenizer import CTCTokenizer
from wav2vec2_tf.training.settings import UNKNOWN_CHARACTERS
from wav2vec2_tf.utils.errors import UserError

LONGEST_SECONDS = 20.0
"""Attention over longer utterances takes most of the memory of a batch."""
NAMED = 3
"""Number of utterances that a message names."""

UNREADABLE = "that cannot be read"
TOO_LONG = "too long"
TOO_SHORT = "too short"
NO_TEXT = "without text"
UNKNOWN = "with characters outside the vocabulary"
TOO_FEW_FRAMES = "with more labels than frames"


@dataclass(frozen=True)
class Example:
    """One utterance to train on."""

    id: str
    samples: int
    """Length at 16 kHz as it was counted; the file may have changed since."""
    labels: np.ndarray
    """(labels,) int32; empty in pre-training."""
    load: Callable[[], np.ndarray]
    """Returns the float32 waveform (samples,); raises `UserError` or `OSError`."""
    fingerprint: Callable[[], str] = str
    """See `Utterance.fingerprint`."""


@dataclass(frozen=True)
class Selection:
    """The utterances that a model can learn from, and those that were dropped."""

    examples: tuple[Example, ...]
    dropped: Mapping[str, tuple[str, ...]]
    """Reason to the ids of the utterances."""

    @property
    def samples(self) -> np.ndarray:
        """Lengths of the examples in samples, (examples,) int64."""
        return np.array([example.samples for example in self.examples], np.int64)

    @property
    def label_lengths(self) -> np.ndarray:
        """Numbers of labels of the examples, (examples,) int64."""
        return np.array([len(example.labels) for example in self.examples], np.int64)

    def report(self) -> str:
        """Describes on one line how much is left, and how much was dropped for which reasons."""
        hours = sum(example.samples for example in self.examples) / SAMPLE_RATE / 3600
        line = f"{len(self.examples)} utterances, {hours:.2f} h"
        return line + (f"; dropped: {_counts(self.dropped)}" if self.dropped else "")


def open_corpora(
    names: Sequence[str],
    split: str | None,
    cache_dir: str | None,
    columns: Columns | None = None,
    *,
    transcribed: bool = True,
) -> list[Corpus]:
    """Opens several corpora; see `data.corpus.open_corpus`. Audio files may be missing."""
    return [
        open_corpus(
            name,
            split=split,
            cache_dir=cache_dir,
            transcribed=transcribed,
            columns=columns,
            keep_missing=True,
        )
        for name in names
    ]


def select_examples(
    corpora: Sequence[Corpus],
    config: Config,
    tokenizer: CTCTokenizer | None = None,
    rules: TextRules | None = None,
    *,
    longest_seconds: float = LONGEST_SECONDS,
    shortest_seconds: float = 0.0,
    unknown: str = "refuse",
    bad: BadRecordings | None = None,
) -> Selection:
    """Selects the utterances that a model with this config can learn from; none is ever truncated.

    Dropped are utterances that are longer or shorter than allowed, that give no output frame, that
    have no text left after `rules`, or that have more labels, counting the blank that CTC needs
    between equal ones, than frames (Graves et al. 2006, section 3.1). Audio is decoded only where
    its length cannot be known without.

    Args:
        corpora: utterances of all of them, in this order.
        config: the model's.
        tokenizer: encodes transcripts; None for no labels (pre-training).
        rules: normalize transcripts; `TextRules()` if None.
        longest_seconds: longest utterance allowed.
        shortest_seconds: shortest utterance allowed.
        unknown: with characters outside the vocabulary, raise an error ("refuse"), encode them as
            the unknown token ("map"), or drop their utterances ("drop").
        bad: collects recordings that cannot be read, which are dropped; the caller settles what
            becomes of them. None to refuse them.

    Raises:
        UserError: if transcripts have characters outside the vocabulary (listed with their
            counts), a corpus is an archive, which has no random access, recordings cannot be read
            (all are listed), or every utterance was dropped (the message says why).
    """
    if unknown not in UNKNOWN_CHARACTERS:
        raise UserError(f"unknown must be one of {', '.join(UNKNOWN_CHARACTERS)}, got {unknown!r}")
    for corpus in corpora:
        if corpus.streamed:
            raise UserError(
                f"{corpus.source}: training needs random access, and an archive can only be read "
                "in order: unpack it, or convert it to shards with wav2vec2-tf shards"
            )
    utterances = [utterance for corpus in corpora for utterance in corpus]
    sources = ", ".join(corpus.source for corpus in corpora)
    found = BadRecordings() if bad is None else bad
    counted = count_samples(utterances, found)
    if bad is None:
        found.settle(sources, len(utterances))
    samples = np.array([count or 0 for count in counted], np.int64)
    labels = _encode(utterances, tokenizer, rules or TextRules(), unknown)
    dropped: dict[str, list[str]] = {}
    examples = []
    frames = config.frame_length(samples)
    for utterance, length, ids, count in zip(utterances, counted, labels, frames, strict=True):
        seconds = (length or 0) / SAMPLE_RATE
        reason = None
        if length is None:
            reason = UNREADABLE
        elif seconds > longest_seconds:
            reason = TOO_LONG
        elif seconds < shortest_seconds or count < 1:
            reason = TOO_SHORT
        elif ids is None:
            reason = UNKNOWN
        elif tokenizer is not None and not len(ids):
            reason = NO_TEXT
        elif len(ids) + np.count_nonzero(ids[1:] == ids[:-1]) > count:
            reason = TOO_FEW_FRAMES
        if reason is None and ids is not None and length is not None:
            examples.append(
                Example(utterance.id, length, ids, utterance.load, utterance.fingerprint)
            )
        else:
            dropped.setdefault(reason or UNKNOWN, []).append(utterance.id)
    if not examples:
        found.settle(sources, len(utterances))
        raise UserError(f"{sources}: no utterance can be trained on; dropped: {_counts(dropped)}")
    return Selection(tuple(examples), {reason: tuple(ids) for reason, ids in dropped.items()})


def _encode(
    utterances: Sequence[Utterance], tokenizer: CTCTokenizer | None, rules: TextRules, unknown: str
) -> list[np.ndarray | None]:
    """Returns the labels of each utterance; None if it is dropped for unknown characters."""
    if tokenizer is None:
        return [np.zeros(0, np.int32)] * len(utterances)
    texts = [rules(utterance.text) for utterance in utterances]
    found = unknown_characters(texts, tokenizer)
    if found and (unknown == "refuse" or (unknown == "map" and tokenizer.unk_token_id is None)):
        raise UserError(
            f"the transcripts have characters outside the vocabulary: {describe(found)}; "
            "replace or remove them by the text rules, or set unknown to map or drop"
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


def _counts(dropped: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(
        f"{len(ids)} {reason} ({', '.join(map(repr, ids[:NAMED]))}"
        f"{', …' if len(ids) > NAMED else ''})"
        for reason, ids in dropped.items()
    )
