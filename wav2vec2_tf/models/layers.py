"""Layers that every encoder is made of, as the config wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.lengths import size


class Dense(keras.layers.Dense):
    """Keras's layer, as one product of two matrices: whatever the rank of what comes in.

    So TensorFlow fuses bias and activation into the product; Keras's reshapes stand between them.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        outputs = tf.matmul(tf.reshape(inputs, [-1, inputs.shape[-1]]), self.kernel)
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, self.bias)
        shape = [size(inputs, axis) for axis in range(inputs.shape.rank - 1)]
        return tf.reshape(self.activation(outputs), [*shape, self.units])


def dense(config: Config, units: int, name: str, **kwargs: object) -> Dense:
    initializer = keras.initializers.RandomNormal(stddev=config.initializer_range)
    return Dense(units, kernel_initializer=initializer, name=name, **kwargs)


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


def recomputed(
    layer: keras.layers.Layer,
    hidden_states: tf.Tensor,
    context: Sequence[tf.Tensor | None],
    training: bool,
) -> Any:
    """`layer(hidden_states, *context, training=training)`, its inner values computed again.

    They are not kept for the gradient: less memory for a third more work (arXiv:1604.06174).

    What is drawn and observed inside is drawn and observed once: the second time starts from the
    state in which the first did, so the gradient is that of what was computed.
    """
    state = [
        variable
        for part in layer._flatten_layers()
        for variable in (
            *part._non_trainable_variables,
            *(generator.state for generator in part._seed_generators),
        )
    ]
    differentiable = [
        index
        for index, value in enumerate(context)
        if value is not None and value.dtype.is_floating
    ]

    def call(hidden_states: tf.Tensor, *values: tf.Tensor) -> Any:
        floats, before = values[: len(differentiable)], values[len(differentiable) :]
        for variable, value in zip(state, before, strict=True):
            variable.assign(value)
        full = list(context)
        for index, value in zip(differentiable, floats, strict=True):
            full[index] = value
        return layer(hidden_states, *full, training=training)

    return tf.recompute_grad(call)(
        hidden_states,
        *(context[index] for index in differentiable),
        *(tf.identity(variable.value) for variable in state),
    )


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
