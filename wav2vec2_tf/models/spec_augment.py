"""SpecAugment (arXiv:1904.08779) on latent frames: random spans of time and of channels."""

from __future__ import annotations

import keras
import tensorflow as tf


def span_mask(
    lengths: tf.Tensor,
    size: tf.Tensor | int,
    *,
    probability: float,
    span: int,
    minimum: int,
    seed: keras.random.SeedGenerator,
) -> tf.Tensor:
    """Draws spans of each row, in or out of a graph.

    As in transformers' `_compute_mask_indices`: a row of n positions gets probability · n / span
    spans (rounded up or down at random, at least `minimum`, no more than fit). Their starts are
    drawn without replacement from those that leave the whole span inside the row; spans may
    overlap.

    Args:
        lengths: (batch,) int32 positions of each row.
        size: positions of the mask.
        probability: expected share of masked positions, if spans do not overlap.
        span: positions of a span.
        minimum: fewest spans of a row.
        seed: the generator to draw from.

    Returns:
        (batch, size) bool, true inside the spans.
    """
    batch = tf.shape(lengths)[0]
    starts = tf.maximum(lengths - span + 1, 0)  # none in a row shorter than one span
    expected = probability * tf.cast(lengths, tf.float32) / span
    rounding = keras.random.uniform((), seed=seed)
    count = tf.maximum(tf.cast(expected + rounding, tf.int32), minimum)
    count = tf.minimum(tf.minimum(count, lengths // span), starts)
    noise = keras.random.uniform((batch, size), seed=seed)
    noise = tf.where(tf.sequence_mask(starts, size), noise, 2.0)
    rank = tf.argsort(tf.argsort(noise, axis=-1), axis=-1)
    begun = tf.cumsum(tf.cast(rank < count[:, tf.newaxis], tf.int32), axis=-1)
    ended = tf.pad(begun, [[0, 0], [span, 0]])[:, :size]
    return begun > ended
