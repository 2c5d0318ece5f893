"""Grouped convolutions over time that keep the number of frames, for positions."""

from __future__ import annotations

import keras
import tensorflow as tf


def same_padded_grouped_conv(hidden_states: tf.Tensor, kernel: tf.Tensor, groups: int) -> tf.Tensor:
    """(batch, frames, channels) by (kernel, channels / groups, outputs) → (batch, frames, outputs).

    A frame sees kernel // 2 frames before it and (kernel - 1) // 2 after it, as in transformers.
    Needs at least one frame.

    Runs one convolution per group: TensorFlow's own grouped convolution fails on builds without
    oneDNN, and is no faster. Computes in float32 and returns the type of the inputs: oneDNN's
    bfloat16 convolution of few channels is wrong on processors with AMX (relative error 0.89 at 8
    channels per group, in PyTorch as well). In bfloat16 this makes the convolution of base at 768
    frames take 36 ms in place of 12 (`python -m tests.tools.grouped_conv_time`).
    """
    dtype = hidden_states.dtype
    width = kernel.shape[0]
    padded = tf.pad(hidden_states, [[0, 0], [width // 2, (width - 1) // 2], [0, 0]])
    inputs = tf.split(tf.cast(padded, tf.float32), groups, axis=-1)
    kernels = tf.split(tf.cast(kernel, tf.float32), groups, axis=-1)
    outputs = [tf.nn.conv1d(x, w, 1, "VALID") for x, w in zip(inputs, kernels, strict=True)]
    return tf.cast(tf.concat(outputs, axis=-1), dtype)


class GroupedConv(keras.layers.Layer):
    """(batch, frames, channels) → the same shape, each group of channels by itself, and a bias."""

    def __init__(self, channels: int, kernel_size: int, groups: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.channels, self.kernel_size, self.groups = channels, kernel_size, groups

    def build(self, input_shape: object = None) -> None:
        shape = (self.kernel_size, self.channels // self.groups, self.channels)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_normal")
        self.bias = self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        kernel = tf.convert_to_tensor(self.kernel)
        return same_padded_grouped_conv(hidden_states, kernel, self.groups) + self.bias
