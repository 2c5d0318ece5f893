"""Greedy CTC decoding: logits to text and words with times.

Takes the best token of each frame, collapses repeats, drops blanks (Graves et al. 2006, section
3.2) and special tokens, and cuts words at the delimiter, as transformers' `Wav2Vec2CTCTokenizer`.
`greedy` does so in TensorFlow operations, for graphs; `transcript` in NumPy, with the time of each
character as well. Both return the same words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from wav2vec2_tf.text.spelling import Speller
from wav2vec2_tf.text.tokenizer import CLEAN_UP, CTCTokenizer
from wav2vec2_tf.text.transcript import Character, Transcript, Word


@dataclass(frozen=True)
class Alphabet:
    """The part of a tokenizer that decoding needs."""

    tokens: tuple[str, ...]
    """The text of each id."""
    blank: int
    """Id of the CTC blank."""
    word_delimiter: int
    """Id of the word delimiter; -1 if the vocabulary has none, and all text is one word."""
    space: str = " "
    """The text between words."""
    clean_up: tuple[str, ...] = ()
    """Strings that lose the spaces around them, in this order."""
    hidden: frozenset[int] = frozenset()
    """Ids of special tokens that are left out of the text, as `skip_special_tokens` does."""

    @cached_property
    def silent(self) -> frozenset[int]:
        """Ids that add nothing to a word: the blank and the hidden tokens."""
        return self.hidden | {self.blank}

    @cached_property
    def speller(self) -> Speller:
        """What can come out of decoding."""
        special = self.silent | {self.word_delimiter}
        return Speller({t: id for id, t in enumerate(self.tokens) if id not in special})

    @classmethod
    def of(cls, tokenizer: CTCTokenizer, *, keep_special_tokens: bool = False) -> Alphabet:
        """Returns the alphabet of a tokenizer.

        Args:
            tokenizer: the tokenizer.
            keep_special_tokens: whether `<s>`, `</s>`, `<unk>` and others stay in the text.
        """
        lower = tokenizer.do_lower_case
        delimiter = tokenizer.word_delimiter_token_id
        return cls(
            tuple(token.lower() if lower else token for token in tokenizer.tokens),
            tokenizer.pad_token_id,
            -1 if delimiter is None else delimiter,
            tokenizer.replace_word_delimiter_char,
            CLEAN_UP if tokenizer.clean_up_tokenization_spaces else (),
            frozenset() if keep_special_tokens else tokenizer.hidden_ids,
        )


class Decoded(NamedTuple):
    """The results of a batch. Beyond `count`, `words` is "" and the numbers are 0."""

    text: tf.Tensor
    """(batch,) strings"""
    words: tf.Tensor
    """(batch, words) strings"""
    start: tf.Tensor
    """(batch, words) seconds, float32"""
    end: tf.Tensor
    """(batch, words) seconds, float32"""
    confidence: tf.Tensor
    """(batch, words) mean probability of the word's tokens, each at its best frame, float32"""
    count: tf.Tensor
    """(batch,) words, int32"""


def greedy(
    logits: tf.Tensor, frame_lengths: tf.Tensor, alphabet: Alphabet, seconds_per_frame: float
) -> Decoded:
    """Decodes a batch of logits in TensorFlow operations.

    A word starts with the first frame of its first character and ends after the last frame of its
    last: transformers' `output_word_offsets`, times `seconds_per_frame`.

    Args:
        logits: `(batch, frames, vocab)`.
        frame_lengths: `(batch,)` valid frames of each row, int32.
        alphabet: the vocabulary.
        seconds_per_frame: seconds from the start of a frame to that of the next.
    """
    batch, frames = tf.shape(logits)[0], tf.shape(logits)[1]
    probabilities = tf.reduce_max(tf.nn.softmax(logits), axis=-1)
    ids = tf.argmax(logits, axis=-1, output_type=tf.int32)
    valid = tf.sequence_mask(frame_lengths, frames)
    ids = tf.where(valid, ids, alphabet.blank)

    # A run is a sequence of frames with the same token: a character, a delimiter, or silent.
    before = tf.pad(ids, [[0, 0], [1, 0]], constant_values=-1)[:, :frames]
    starts_run = ids != before
    run = tf.cumsum(tf.cast(starts_run, tf.int32), axis=-1) - 1
    is_silent = tf.reduce_any(ids[..., tf.newaxis] == sorted(alphabet.silent), axis=-1)
    is_character = ~is_silent & (ids != alphabet.word_delimiter) & valid
    # A character's section is the number of delimiters before it.
    gap = starts_run & (ids == alphabet.word_delimiter)
    section = tf.cumsum(tf.cast(gap, tf.int32), axis=-1)

    # Sections without a character (doubled or leading delimiters) are not words: number the rest.
    sections = frames + 1
    flat_section = tf.range(batch)[:, tf.newaxis] * sections + section
    occupied = tf.math.unsorted_segment_max(
        tf.cast(tf.reshape(is_character, [-1]), tf.int32),
        tf.reshape(flat_section, [-1]),
        batch * sections,
    )
    occupied = tf.reshape(tf.maximum(occupied, 0), [batch, sections])
    number = tf.cumsum(occupied, axis=-1) - 1
    count = tf.reduce_sum(occupied, axis=-1)
    width = tf.reduce_max(tf.pad(count, [[0, 1]]))  # 0 for an empty batch
    word = tf.gather(number, section, batch_dims=1)
    flat_word = tf.where(is_character, tf.range(batch)[:, tf.newaxis] * width + word, -1)

    def per_word(combine: tf.types.experimental.GenericFunction, values: tf.Tensor) -> tf.Tensor:
        chosen = tf.reshape(is_character, [-1])
        values = tf.boolean_mask(tf.reshape(values, [-1]), chosen)
        ids_of_words = tf.boolean_mask(tf.reshape(flat_word, [-1]), chosen)
        return tf.reshape(combine(values, ids_of_words, batch * width), [batch, width])

    first = tf.broadcast_to(tf.range(frames), [batch, frames])
    start = per_word(tf.math.unsorted_segment_min, first)
    end = per_word(tf.math.unsorted_segment_max, first + 1)

    flat_run = tf.range(batch)[:, tf.newaxis] * frames + run
    best = tf.math.unsorted_segment_max(
        tf.reshape(probabilities, [-1]), tf.reshape(flat_run, [-1]), batch * frames
    )
    best_of_run = tf.gather(best, flat_run)
    once = tf.cast(starts_run, probabilities.dtype)
    confidence = tf.math.divide_no_nan(
        per_word(tf.math.unsorted_segment_sum, best_of_run * once),
        per_word(tf.math.unsorted_segment_sum, once),
    )

    letters = tf.gather(tf.constant(alphabet.tokens), ids)
    letters = tf.where(starts_run & is_character, letters, "")
    chosen = tf.reshape(is_character, [-1])
    words = tf.reshape(
        tf.strings.unsorted_segment_join(
            tf.boolean_mask(tf.reshape(letters, [-1]), chosen),
            tf.boolean_mask(tf.reshape(flat_word, [-1]), chosen),
            batch * width,
        ),
        [batch, width],
    )
    present = tf.sequence_mask(count, width)

    def seconds(at: tf.Tensor) -> tf.Tensor:
        return tf.where(present, tf.cast(at, tf.float32) * seconds_per_frame, 0.0)

    spoken = tf.ragged.boolean_mask(words, present)
    text = tf.strings.reduce_join(spoken, axis=-1, separator=alphabet.space)
    for spaced in alphabet.clean_up:
        text = tf.strings.regex_replace(text, re.escape(spaced), spaced.strip())
    return Decoded(
        text=text,
        words=words,
        start=seconds(start),
        end=seconds(end),
        confidence=tf.where(present, tf.cast(confidence, tf.float32), 0.0),
        count=count,
    )


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Returns natural logarithms of the softmax over the last axis, in the type of `logits`."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


class BestPath(NamedTuple):
    """The best token of each frame of a recording."""

    tokens: np.ndarray
    """(frames,) ids, int32"""
    probabilities: np.ndarray
    """(frames,) their probabilities, float32"""

    @classmethod
    def of(cls, logits: np.ndarray) -> BestPath:
        """Returns the best path of `(frames, vocab)` logits."""
        tokens = logits.argmax(axis=-1).astype(np.int32)
        best = np.take_along_axis(logits, tokens[:, np.newaxis], axis=-1)
        return cls(tokens, (1 / np.exp(logits - best).sum(axis=-1)).astype(np.float32))


def transcript(path: BestPath, alphabet: Alphabet, seconds_per_frame: float) -> Transcript:
    """Decodes one recording like `greedy`, and adds each word's characters with their times."""
    tokens, probabilities = path
    starts = np.flatnonzero(np.diff(tokens, prepend=-1))  # of runs of frames with the same token
    ends = np.append(starts, len(tokens))[1:]
    best = np.maximum.reduceat(probabilities, starts) if len(starts) else probabilities

    def seconds(frame: int) -> float:
        return round(frame * seconds_per_frame, 5)

    words: list[Word] = []
    letters: list[Character] = []

    def end_word() -> None:
        if letters:
            text = "".join(letter.text for letter in letters)
            confidence = sum(letter.confidence for letter in letters) / len(letters)
            words.append(Word(text, letters[0].start, letters[-1].end, confidence, tuple(letters)))
            letters.clear()

    runs = (column.tolist() for column in (tokens[starts], starts, ends, best))
    for token, start, end, probability in zip(*runs, strict=True):
        if token == alphabet.word_delimiter:
            end_word()
        elif token not in alphabet.silent:
            text = alphabet.tokens[token]
            letters.append(Character(text, seconds(start), seconds(end), probability))
    end_word()
    text = alphabet.space.join(word.text for word in words)
    for spaced in alphabet.clean_up:
        text = text.replace(spaced, spaced.strip())
    return Transcript(text, tuple(words))
