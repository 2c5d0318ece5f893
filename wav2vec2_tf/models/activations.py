"""Activations, by the names of `hidden_act` and `feat_extract_activation` in a config."""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf


def gelu(values: tf.Tensor) -> tf.Tensor:
    """Returns the exact GELU (arXiv:1606.08415) by `erf`, which every export format has.

    Keras's uses `erfc`, which some lack. The factors are in the order that TensorFlow recognizes
    and fuses into the matrix product before them.
    """
    half, scale = tf.constant(0.5, values.dtype), tf.constant(math.sqrt(0.5), values.dtype)
    return values * (half * (1 + tf.math.erf(values * scale)))


def gelu_new(values: tf.Tensor) -> tf.Tensor:
    """Returns the tanh approximation of GELU."""
    return tf.nn.gelu(values, approximate=True)


def gated(values: tf.Tensor) -> tf.Tensor:
    """Gates half of the channels by the others (GLU, arXiv:1612.08083).

    (…, 2 · channels) → (…, channels): the first half times the sigmoid of the second.
    """
    content, gate = tf.split(values, 2, axis=-1)
    return content * tf.sigmoid(gate)


_FUNCTIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "gelu": gelu,
    "gelu_new": gelu_new,
    "relu": tf.nn.relu,
    "silu": tf.nn.silu,
    "swish": tf.nn.silu,
}


def activation(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function with a name in `config.ACTIVATIONS`."""
    return _FUNCTIONS[name]
