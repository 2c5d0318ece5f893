"""Layers that every encoder is made of, as the config wants them."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from wav2vec2_tf.config import Config
from wav2vec2_tf.lengths import size


def dense(config: Config, units: int, name: str, **kwargs: object) -> keras.layers.Dense:
    initializer = keras.initializers.RandomNormal(stddev=config.initializer_range)
    return keras.layers.Dense(units, kernel_initializer=initializer, name=name, **kwargs)


def layer_norm(
    config: Config, name: str, epsilon: float | None = None
) -> keras.layers.LayerNormalization:
    """Over channels, with the config's epsilon unless another is given."""
    epsilon = config.layer_norm_eps if epsilon is None else epsilon
    return keras.layers.LayerNormalization(epsilon=epsilon, name=name)


class LayerDrop(keras.layers.Layer):
    """In training, now and then what went into a layer instead of its output (arXiv:1909.11556)."""

    def __init__(self, rate: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, after: tf.Tensor, before: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or self.rate == 0:
            return after
        draw = keras.random.uniform((), seed=self.seed_generator)
        return tf.where(draw < self.rate, before, after)


def attend(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    heads: int,
    scores: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    weights_of: Callable[[tf.Tensor], tf.Tensor] = tf.nn.softmax,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Multi-head attention (arXiv:1706.03762, section 3.2) among projected frames.

    Args:
        query, key, value: (batch, frames, hidden); the query is scaled here.
        scores: of (batch, heads, frames, head_size) queries and keys → (batch, heads, frames,
            frames), with whatever depends on positions or masks.
        weights_of: scores → weights.

    Returns:
        What each frame gathers, (batch, frames, hidden), and the weights.
    """
    batch, frames, hidden_size = size(query, 0), size(query, 1), query.shape[2]

    def split_heads(values: tf.Tensor) -> tf.Tensor:
        values = tf.reshape(values, [batch, frames, heads, hidden_size // heads])
        return tf.transpose(values, [0, 2, 1, 3])  # (batch, heads, frames, head_size)

    scaled = split_heads(query * (hidden_size // heads) ** -0.5)
    weights = weights_of(scores(scaled, split_heads(key)))
    context = tf.transpose(tf.matmul(weights, split_heads(value)), [0, 2, 1, 3])
    return tf.reshape(context, [batch, frames, hidden_size]), weights
