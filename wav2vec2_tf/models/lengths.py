"""Lengths and masks of padded batches.

Rows of a batch are padded at their ends. `lengths` counts the valid samples of each row. A layer
that combines frames takes the mask of valid frames, or `None` where nothing is padded.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.keras_internals import set_keras_mask

BUCKETS = (*(320 * round(50 * 2 ** (step / 4)) for step in range(28)), 1_920_000)
"""Padded lengths in samples, 1 s to 120 s in steps of 2^¼: the shapes to compile for. Padding is
9 % on average. At the longest, attention of a base model takes about 4 GB."""

MASK_VALUES = "attention_mask must be 1 for speech and then 0 for padding in each row"
PAD = "pad on the right"


def size(values: tf.Tensor, axis: int) -> tf.Tensor | int:
    """Returns the size of an axis: an int where it is static, otherwise a scalar tensor."""
    static = values.shape[axis]
    return tf.shape(values)[axis] if static is None else static


def bucket(length: int) -> int:
    """Returns the smallest of `BUCKETS` that holds `length` samples.

    Raises:
        UserError: the length is above the largest.
    """
    if length > BUCKETS[-1]:
        raise UserError(
            f"{length / SAMPLE_RATE:.0f} s of speech is more than one pass takes "
            f"({BUCKETS[-1] // SAMPLE_RATE} s): cut the recording at pauses"
        )
    return BUCKETS[bisect.bisect_left(BUCKETS, length)]


def unpack(
    inputs: Any,
    lengths: tf.Tensor | None = None,
    of_mask: Callable[[Any, Any], tf.Tensor] | None = None,
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Returns speech (or features) and lengths from any of the structures that models accept.

    Args:
        inputs: a tensor; `(speech, lengths)`; `(speech, attention_mask)`; or a dict of `speech` (or
            `input_features`) and optionally `lengths` or `attention_mask`. A mask is of any type
            of numbers, or of booleans: see `lengths_of`.
        lengths: (batch,) lengths that were passed separately.
        of_mask: used in place of `lengths_of`.

    Raises:
        UserError: another structure or name, or a wrong mask.
    """
    of_mask = of_mask or lengths_of
    if isinstance(inputs, list | tuple) and len(inputs) in (1, 2):
        first, *rest = inputs
        if rest and lengths is None:
            second = tf.convert_to_tensor(rest[0])
            lengths = of_mask(second, first) if second.shape.rank == 2 else second
        return first, lengths
    if isinstance(inputs, dict):
        named = {name: value for name, value in inputs.items() if value is not None}
        names = ("speech", "input_values", "input_features")
        first = [named.pop(name) for name in names if name in named]
        if "attention_mask" in named:
            lengths = of_mask(named.pop("attention_mask"), first[0] if first else None)
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
    """Returns int32 lengths, clipped to 0 and the samples of a row."""
    return tf.clip_by_value(tf.cast(lengths, tf.int32), 0, samples)


def whole_lengths(values: tf.Tensor) -> tf.Tensor:
    """Returns the (batch,) int32 lengths of (batch, time, …) values without padding."""
    return tf.fill([size(values, 0)], size(values, 1))


def lengths_of(attention_mask: Any, speech: Any = None) -> tf.Tensor:
    """Returns the (batch,) lengths of a (batch, samples) mask: 1 for speech, then 0 for padding.

    In a graph, the values are checked where it runs; XLA leaves such checks out.

    Args:
        attention_mask: an array or a tensor of booleans, integers or floating-point numbers.
        speech: the speech or features that it is the mask of, to compare their shapes.

    Raises:
        UserError: the mask is not as large as the speech, has a value that is neither 0 nor 1, or
            there is padding before or within speech.
    """
    attention_mask = tf.convert_to_tensor(attention_mask)
    wanted = tf.TensorShape(getattr(speech, "shape", None))
    shape = attention_mask.shape
    if wanted.rank is not None and not shape.is_compatible_with(wanted[:2]):
        raise UserError(
            f"attention_mask must have the first two dimensions of its speech, {wanted[:2]}, got "
            f"{shape}: take both from one call of the processor, return_attention_mask=True"
        )
    mask = tf.cast(attention_mask, tf.bool)
    others = attention_mask != tf.cast(mask, attention_mask.dtype)  # true for NaN, too
    gaps = mask[:, 1:] & ~mask[:, :-1]
    if not tf.executing_eagerly():
        right = ~(tf.reduce_any(others) | tf.reduce_any(gaps))
        with tf.control_dependencies([tf.debugging.Assert(right, [f"{MASK_VALUES}: {PAD}"])]):
            return tf.reduce_sum(tf.cast(mask, tf.int32), axis=-1)
    if tf.reduce_any(others):
        row, column = tf.where(others)[0].numpy()
        value = attention_mask[row, column].numpy()
        raise UserError(f"{MASK_VALUES}, got {value} in row {row}: compare it with 0 first")
    if tf.reduce_any(gaps):
        row = int(tf.where(tf.reduce_any(gaps, axis=1))[0, 0])
        raise UserError(f"{MASK_VALUES}, got 0 before 1 in row {row}: {PAD}")
    return tf.reduce_sum(tf.cast(mask, tf.int32), axis=-1)


def valid(lengths: tf.Tensor, size: tf.Tensor | int) -> tf.Tensor:
    """Returns the (batch, size) mask that is true up to each of the (batch,) lengths."""
    return tf.sequence_mask(lengths, size)


def with_mask(values: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Returns `values` with the (batch, time) mask that Keras' layers, losses and metrics use."""
    if mask is not None:
        set_keras_mask(values, mask)
    return values


def silence_padding(values: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Returns (batch, time, …) values, zero where the (batch, time) mask is false, even for NaN."""
    if mask is None:
        return values
    for _ in range(values.shape.rank - 2):
        mask = mask[..., tf.newaxis]
    return tf.where(mask, values, tf.zeros((), values.dtype))


def attention_bias(mask: tf.Tensor | None, dtype: tf.DType) -> tf.Tensor | None:
    """Returns the (batch, 1, 1, time) bias that masks attention scores.

    It is finite, so that a row without valid frames attends uniformly instead of giving NaN, and so
    low that a padded frame's weight is exactly zero beside any valid one.
    """
    if mask is None:
        return None
    low = tf.constant(dtype.min / 2, dtype)
    return tf.where(mask, tf.zeros((), dtype), low)[:, tf.newaxis, tf.newaxis, :]
