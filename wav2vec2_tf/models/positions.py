"""Positions from convolutions over time: the grouped convolution, and each family's layer of it.

An encoder adds the output of such a layer to its input. WavLM and the Conformer encoders also
bring positions into attention: see `wavlm` and `conformer_attention`.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wav2vec2_tf.models.activations import activation
from wav2vec2_tf.models.batch_norm import BatchNorm
from wav2vec2_tf.models.config import Data2VecAudioConfig, HubertConfig, WaveformConfig
from wav2vec2_tf.models.layers import PACKAGE, ConfigLayer
from wav2vec2_tf.models.lengths import silence_padding

LAYER_NORM_EPSILON = 1e-5  # PyTorch's default: data2vec's layers do not use the config's


def same_padded_grouped_conv(hidden_states: tf.Tensor, kernel: tf.Tensor, groups: int) -> tf.Tensor:
    """Convolves over time, each group of channels by itself.

    A frame sees kernel_size // 2 frames before it and (kernel_size - 1) // 2 after it, as in
    transformers.

    Runs one convolution per group: TensorFlow's own grouped convolution fails on builds without
    oneDNN, and is no faster. Computes in float32: oneDNN's bfloat16 convolution of few channels is
    wrong on processors with AMX (relative error 0.89 at 8 channels per group, in PyTorch as well).
    In bfloat16 this makes the convolution of base at 768 frames take 36 ms instead of 12
    (`python -m tests.tools.grouped_conv_time`).

    Args:
        hidden_states: (batch, frames, channels), at least one frame.
        kernel: (kernel_size, channels / groups, outputs).
        groups: number of groups, which divides channels and outputs.

    Returns:
        (batch, frames, outputs), of the dtype of `hidden_states`.
    """
    dtype = hidden_states.dtype
    width = kernel.shape[0]
    padded = tf.pad(hidden_states, [[0, 0], [width // 2, (width - 1) // 2], [0, 0]])
    inputs = tf.split(tf.cast(padded, tf.float32), groups, axis=-1)
    kernels = tf.split(tf.cast(kernel, tf.float32), groups, axis=-1)
    outputs = [tf.nn.conv1d(x, w, 1, "VALID") for x, w in zip(inputs, kernels, strict=True)]
    return tf.cast(tf.concat(outputs, axis=-1), dtype)


@keras.saving.register_keras_serializable(PACKAGE)
class GroupedConv(keras.layers.Layer):
    """A grouped convolution over time with a bias: (batch, frames, channels) → the same shape."""

    def __init__(self, channels: int, kernel_size: int, groups: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels, self.kernel_size, self.groups = channels, kernel_size, groups

    def build(self, input_shape: object = None) -> None:
        """Creates the kernel and the bias."""
        shape = (self.kernel_size, self.channels // self.groups, self.channels)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_normal")
        self.bias = self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        """Returns the convolved frames; see `same_padded_grouped_conv`."""
        kernel = tf.convert_to_tensor(self.kernel)
        return same_padded_grouped_conv(hidden_states, kernel, self.groups) + self.bias

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's arguments."""
        sizes = {"channels": self.channels, "kernel_size": self.kernel_size, "groups": self.groups}
        return {**super().get_config(), **sizes}


@keras.saving.register_keras_serializable(PACKAGE)
class PositionalConvEmbedding(ConfigLayer):
    """A grouped convolution with weight norm (wav2vec 2.0, arXiv:2006.11477, section 2).

    (batch, frames, hidden) → the same shape. The kernel is g · v / ‖v‖, with a norm for each step
    of the kernel (PyTorch's `weight_norm(dim=2)`). transformers' `Wav2Vec2PositionalConvEmbedding`.
    """

    def __init__(self, config: WaveformConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.hidden_size, self.kernel_size = config.hidden_size, config.num_conv_pos_embeddings
        self.groups = config.num_conv_pos_embedding_groups
        self.activation = activation(config.feat_extract_activation)

    def build(self, input_shape: object = None) -> None:
        """Creates v, g and the bias."""
        shape = (self.kernel_size, self.hidden_size // self.groups, self.hidden_size)
        self.v = self.add_weight(
            name="v", shape=shape, initializer="glorot_uniform", autocast=False
        )
        self.g = self.add_weight(
            name="g", shape=(self.kernel_size, 1, 1), initializer="ones", autocast=False
        )
        self.bias = self.add_weight(name="bias", shape=(self.hidden_size,), initializer="zeros")

    def kernel(self) -> tf.Tensor:
        """Returns the float32 kernel, (kernel_size, hidden / groups, hidden)."""
        # In float16 the squares of plausible weights overflow or vanish.
        v, g = tf.cast(self.v, tf.float32), tf.cast(self.g, tf.float32)
        return v * (g * tf.math.rsqrt(tf.reduce_sum(tf.square(v), axis=(1, 2), keepdims=True)))

    def call(
        self, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        """Returns the positions, (batch, frames, hidden); padded frames have no influence."""
        hidden_states = silence_padding(hidden_states, frame_mask)
        positions = same_padded_grouped_conv(hidden_states, self.kernel(), self.groups)
        return self.activation(positions + self.bias)


@keras.saving.register_keras_serializable(PACKAGE)
class BatchNormPositionalConv(ConfigLayer):
    """A grouped convolution of batch-normalized frames (HuBERT with `conv_pos_batch_norm`).

    (batch, frames, hidden) → the same shape. transformers' `HubertPositionalConvEmbedding`.
    """

    def __init__(self, config: HubertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.batch_norm = BatchNorm(config.hidden_size, name="batch_norm")
        self.conv = GroupedConv(
            config.hidden_size,
            config.num_conv_pos_embeddings,
            config.num_conv_pos_embedding_groups,
            name="conv",
        )
        self.activation = activation(config.feat_extract_activation)

    def build(self, input_shape: object = None) -> None:
        """Builds the norm and the convolution."""
        self.batch_norm.build()
        self.conv.build()

    def call(
        self, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        """Returns the positions, (batch, frames, hidden); padded frames have no influence."""
        normed = self.batch_norm(hidden_states, frame_mask, training=training)
        # The norm's shift makes padded frames non-zero.
        return self.activation(self.conv(silence_padding(normed, frame_mask)))


@keras.saving.register_keras_serializable(PACKAGE)
def hubert_positions(config: HubertConfig, **kwargs: Any) -> keras.layers.Layer:
    """Returns HuBERT's layer of positions: with batch norm or with weight norm."""
    kind = BatchNormPositionalConv if config.conv_pos_batch_norm else PositionalConvEmbedding
    return kind(config, **kwargs)


@keras.saving.register_keras_serializable(PACKAGE)
class PositionalConvLayer(ConfigLayer):
    """A grouped convolution, a layer norm without weights, and the activation.

    (batch, frames, hidden) → the same shape. transformers' `Data2VecAudioPositionalConvLayer`.
    """

    def __init__(self, config: Data2VecAudioConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.conv = GroupedConv(
            config.hidden_size,
            config.conv_pos_kernel_size,
            config.num_conv_pos_embedding_groups,
            name="conv",
        )
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=LAYER_NORM_EPSILON, center=False, scale=False, name="layer_norm"
        )
        self.activation = activation(config.feat_extract_activation)

    def build(self, input_shape: object = None) -> None:
        """Builds the convolution and the norm."""
        self.conv.build()
        self.layer_norm.build((None, None, self.config.hidden_size))

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        """Returns the convolved, normalized and activated frames."""
        return self.activation(self.layer_norm(self.conv(hidden_states)))


@keras.saving.register_keras_serializable(PACKAGE)
class PositionalConvStack(ConfigLayer):
    """`num_conv_pos_embeddings` convolutions one after another (data2vec, arXiv:2202.03555).

    (batch, frames, hidden) → the same shape. transformers'
    `Data2VecAudioPositionalConvEmbedding`.
    """

    def __init__(self, config: Data2VecAudioConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.layers = [
            PositionalConvLayer(config, name=f"layers_{index}")
            for index in range(config.num_conv_pos_embeddings)
        ]

    def build(self, input_shape: object = None) -> None:
        """Builds the layers."""
        for layer in self.layers:
            layer.build()

    def call(
        self, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        """Returns the positions, (batch, frames, hidden); padded frames have no influence."""
        for layer in self.layers:
            hidden_states = layer(silence_padding(hidden_states, frame_mask))
        return hidden_states
