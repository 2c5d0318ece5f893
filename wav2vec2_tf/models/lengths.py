"""Lengths, frame lengths and masks: the one place where padding is understood.

Rows of a batch are padded at their ends. `lengths` counts the samples of each row that are speech.
A layer that mixes time takes the mask of valid frames, or `None` where nothing is padded.
"""

from __future__ import annotations

import bisect
from typing import Any

import tensorflow as tf

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.utils.errors import UserError

BUCKETS = (*(320 * round(50 * 2 ** (step / 4)) for step in range(28)), 1_920_000)
"""Padded lengths in samples, 1 s to 120 s in steps of 2^¼: shapes to compile for, 9 % of padding
on average. The longest is what attention over all frames of a base model holds in about 4 GB."""


def size(values: tf.Tensor, axis: int) -> tf.Tensor | int:
    """The size of an axis: a number where the graph knows it, else a scalar tensor."""
    static = values.shape[axis]
    return tf.shape(values)[axis] if static is None else static


def bucket(length: int) -> int:
    """The least of `BUCKETS` that holds `length` samples."""
    if length > BUCKETS[-1]:
        raise UserError(
            f"{length / SAMPLE_RATE:.0f} s of speech is more than one pass takes "
            f"({BUCKETS[-1] // SAMPLE_RATE} s): cut the recording at pauses"
        )
    return BUCKETS[bisect.bisect_left(BUCKETS, length)]


def unpack(inputs: Any, lengths: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Speech (or features) and lengths, of whichever structure they come in.

    Besides the tensor alone: `(speech, lengths)`, `(speech, attention_mask)`, and a dict of
    `speech` (or `input_features`) and one of these.

    Raises `UserError` for other structures and names.
    """
    if isinstance(inputs, list | tuple) and len(inputs) in (1, 2):
        first, *rest = inputs
        if rest and lengths is None:
            second = tf.convert_to_tensor(rest[0])
            lengths = lengths_of(second) if second.shape.rank == 2 else second
        return first, lengths
    if isinstance(inputs, dict):
        named = {name: value for name, value in inputs.items() if value is not None}
        names = ("speech", "input_values", "input_features")
        first = [named.pop(name) for name in names if name in named]
        if "attention_mask" in named:
            lengths = lengths_of(named.pop("attention_mask"))
        lengths = named.pop("lengths", lengths)
        if len(first) == 1 and not named:
            return first[0], lengths
    if isinstance(inputs, dict | list | tuple):
        given = sorted(inputs) if isinstance(inputs, dict) else f"{len(inputs)} of them"
        raise UserError(
            "inputs must be speech, (speech, lengths), (speech, attention_mask), or a dict of "
            f"'speech' or 'input_features' and 'lengths' or 'attention_mask'; got {given}"
        )
    return inputs, lengths


def clip_lengths(lengths: tf.Tensor, samples: tf.Tensor | int) -> tf.Tensor:
    """int32 lengths, no less than 0 and no more than the row holds."""
    return tf.clip_by_value(tf.cast(lengths, tf.int32), 0, samples)


def lengths_of(attention_mask: tf.Tensor) -> tf.Tensor:
    """(batch, samples) mask of 1 for speech and then 0 for padding → (batch,) lengths.

    Raises:
        UserError: padding before or amid speech, which only eager tensors can be checked for.
    """
    mask = tf.cast(attention_mask, tf.bool)
    if tf.executing_eagerly() and tf.reduce_any(mask[:, 1:] & ~mask[:, :-1]):
        row = int(tf.where(tf.reduce_any(mask[:, 1:] & ~mask[:, :-1], axis=1))[0, 0])
        raise UserError(
            "attention_mask must be 1 for speech and then 0 for padding in each row, got 0 before "
            f"1 in row {row}: pad on the right"
        )
    return tf.reduce_sum(tf.cast(mask, tf.int32), axis=-1)


def valid(lengths: tf.Tensor, size: tf.Tensor | int) -> tf.Tensor:
    """(batch,) lengths → (batch, size) mask, true up to each length."""
    return tf.sequence_mask(lengths, size)


def with_mask(values: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """`values`, marked with the (batch, time) mask of what is valid: for Keras's layers and losses.

    They look for it under this name (keras.io, "Masking and padding").
    """
    if mask is not None:
        values._keras_mask = mask
    return values


def silence_padding(values: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Zero what is not valid, NaN included: (batch, time, …) by a (batch, time) mask."""
    if mask is None:
        return values
    for _ in range(values.shape.rank - 2):
        mask = mask[..., tf.newaxis]
    return tf.where(mask, values, tf.zeros((), values.dtype))


def attention_bias(mask: tf.Tensor | None, dtype: tf.DType) -> tf.Tensor | None:
    """(batch, time) mask → (batch, 1, 1, time) to add to attention scores.

    Finite, so that a row with no valid frame attends evenly instead of yielding NaN; so low that
    the softmax of a padded frame is exactly zero beside any valid one.
    """
    if mask is None:
        return None
    low = tf.constant(dtype.min / 2, dtype)
    return tf.where(mask, tf.zeros((), dtype), low)[:, tf.newaxis, tf.newaxis, :]
