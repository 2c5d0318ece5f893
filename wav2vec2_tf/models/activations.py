"""Activations by the names that checkpoints give them."""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf


def gelu(values: tf.Tensor) -> tf.Tensor:
    """The exact GELU, by `erf`: converters to other formats know it, `erfc` not all of them.

    Multiplied in the order that TensorFlow knows, and fuses into the product before it.
    """
    half, scale = tf.constant(0.5, values.dtype), tf.constant(math.sqrt(0.5), values.dtype)
    return values * (half * (1 + tf.math.erf(values * scale)))


def gelu_new(values: tf.Tensor) -> tf.Tensor:
    """The tanh approximation of GELU."""
    return tf.nn.gelu(values, approximate=True)


def gated(values: tf.Tensor) -> tf.Tensor:
    """(…, 2 · channels) → (…, channels): one half times the sigmoid of the other (GLU)."""
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
    """The function of a name in `config.ACTIVATIONS`."""
    return _FUNCTIONS[name]
