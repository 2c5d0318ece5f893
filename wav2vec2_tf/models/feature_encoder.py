"""The feature encoder (arXiv:2006.11477, section 2): speech → a frame of features each 20 ms.

A batch is convolved as one stream: its rows end to end, each padded to whole strides of the last
convolution. Each convolution is then one matrix product with bias and activation fused into it,
which runs at the machine's peak, unlike `tf.nn.conv1d`. Frames that see padding or two rows are cut
off at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.models.activations import activation
from wav2vec2_tf.models.config import WaveformConfig
from wav2vec2_tf.models.frame_counts import convolved_length
from wav2vec2_tf.models.layers import PACKAGE, ConfigLayer
from wav2vec2_tf.models.lengths import silence_padding, size, valid, whole_lengths

NORM_EPSILON = 1e-5  # PyTorch's default: transformers does not use layer_norm_eps here
FRAMES_OF_A_PART = 256  # about the square root of the frames of usual speech


def windows(stream: tf.Tensor, kernel: int, stride: int) -> tf.Tensor:
    """Returns the window of each frame of a convolution.

    The windows are concatenated from whole strides, so that nothing is gathered step by step.

    Args:
        stream: (steps, channels); steps after the last whole stride are dropped.
        kernel: steps of a window.
        stride: steps between windows.

    Returns:
        (frames, kernel · channels).
    """
    count, channels = size(stream, 0) // stride, stream.shape[1]
    strides = tf.reshape(stream[: count * stride], [count, stride * channels])
    others = (kernel - 1) // stride  # strides that a window reaches into after its first
    seen = [
        strides[number : count - others + number, : (kernel - number * stride) * channels]
        for number in range(others + 1)
    ]
    return tf.concat(seen, axis=-1)


def end_to_end(values: tf.Tensor) -> tf.Tensor:
    """Joins the rows: (batch, steps, channels) → a stream of (batch · steps, channels)."""
    return tf.reshape(values, [size(values, 0) * size(values, 1), values.shape[2]])


def apart(
    stream: tf.Tensor, batch: tf.Tensor | int, steps: tf.Tensor | int, channels: int
) -> tf.Tensor:
    """Returns the (batch, steps, channels) rows of a stream, zero where the stream has ended."""
    padded = tf.pad(stream, [[0, batch * steps - size(stream, 0)], [0, 0]])
    return tf.reshape(padded, [batch, steps, channels])


def frames_lost(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Returns how many frames fewer than strides a stream has after `windows` of each layer."""
    whole = steps = math.prod(strides) * sum(kernels)
    for kernel, stride in zip(kernels, strides, strict=True):
        steps = steps // stride - (kernel - 1) // stride
    return whole // math.prod(strides) - steps


def cosines(count: int) -> np.ndarray:
    """Returns the orthonormal basis of the discrete cosine transform, (count, count) float32."""
    rows, columns = np.ogrid[:count, :count]
    basis = np.cos(np.pi / count * rows * (columns + 0.5)) * np.sqrt(2 / count)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


def in_parts(values: tf.Tensor) -> tf.Tensor:
    """Cuts frames into parts that are summed one by one.

    In one sum over all frames, float32 would lose the last digits.

    Args:
        values: (batch, frames, channels).

    Returns:
        (batch, parts, frames of a part, channels), with zeros at the end.
    """
    batch, frames, channels = size(values, 0), size(values, 1), values.shape[2]
    parts = (frames + FRAMES_OF_A_PART - 1) // FRAMES_OF_A_PART
    values = tf.pad(values, [[0, 0], [0, parts * FRAMES_OF_A_PART - frames], [0, 0]])
    return tf.reshape(values, [batch, parts, FRAMES_OF_A_PART, channels])


@keras.saving.register_keras_serializable(PACKAGE)
class ConvLayer(ConfigLayer):
    """A convolution, a layer norm over channels if `feat_extract_norm` is "layer", an activation.

    (steps, inputs) → (frames, channels) of a stream. transformers'
    `Wav2Vec2LayerNormConvLayer` and `Wav2Vec2NoLayerNormConvLayer`.

    Args:
        config: the model's config.
        index: the number of the convolution, from 0.
        **kwargs: as in `keras.layers.Layer`.
    """

    def __init__(self, config: WaveformConfig, index: int, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.index = index
        self.inputs = config.conv_dim[index - 1] if index else 1
        self.channels = config.conv_dim[index]
        self.kernel_size, self.stride = config.conv_kernel[index], config.conv_stride[index]
        self.use_bias = config.conv_bias
        self.activation = activation(config.feat_extract_activation)
        self.layer_norm = (
            keras.layers.LayerNormalization(epsilon=NORM_EPSILON, name="layer_norm")
            if config.feat_extract_norm == "layer"
            else None
        )

    def build(self, input_shape: object = None) -> None:
        """Creates the kernel and what the norm and the bias need."""
        shape = (self.kernel_size, self.inputs, self.channels)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_normal")
        self.bias = (
            self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")
            if self.use_bias
            else None
        )
        if self.layer_norm is not None:
            self.layer_norm.build((None, self.channels))

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's arguments."""
        return {**super().get_config(), "index": self.index}

    def call(self, stream: tf.Tensor) -> tf.Tensor:
        """Returns the convolved stream."""
        kernel = tf.reshape(self.kernel, [self.kernel_size * self.inputs, self.channels])
        products = tf.matmul(windows(stream, self.kernel_size, self.stride), kernel)
        if self.bias is None:
            # TensorFlow fuses an activation only after a bias, and removes a constant zero bias.
            bias = tf.stop_gradient(kernel[0] - kernel[0])
        else:
            bias = tf.convert_to_tensor(self.bias)
        features = tf.nn.bias_add(products, bias)
        if self.layer_norm is not None:
            features = self.layer_norm(features)
        return self.activation(features)


@keras.saving.register_keras_serializable(PACKAGE)
class GroupNormConvLayer(ConfigLayer):
    """The first convolution of the base models, each channel normalized over time.

    transformers' `Wav2Vec2GroupNormConvLayer`. The convolution is linear, so the mean and variance
    of a channel over the valid frames follow from the mean μ and covariance C of the windows: w·μ
    and wᵀCw. The normalization is then folded into the kernel, and the largest tensor of the model
    is written once. C is that of the windows' spectra: speech at two frequencies is nearly
    uncorrelated, so C is nearly diagonal and wᵀCw does not cancel in float32, even for a filter
    that rejects most of the signal.
    """

    def __init__(self, config: WaveformConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.channels = config.conv_dim[0]
        self.kernel_size, self.stride = config.conv_kernel[0], config.conv_stride[0]
        self.use_bias = config.conv_bias
        self.activation = activation(config.feat_extract_activation)

    def build(self, input_shape: object = None) -> None:
        """Creates the kernel and what the norm and the bias need."""
        shape = (self.kernel_size, 1, self.channels)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_normal")
        if self.use_bias:  # part of the checkpoint, but the normalization cancels it
            self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")
        self.gamma = self.add_weight(name="gamma", shape=(self.channels,), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(self.channels,), initializer="zeros")

    def call(self, speech: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Convolves and normalizes speech.

        Args:
            speech: (batch, samples), padded to whole strides.
            lengths: (batch,) valid samples of each row, which the statistics are computed over.

        Returns:
            (batch, frames, channels).
        """
        frames = size(speech, 1) // self.stride
        seen = windows(end_to_end(speech[..., tf.newaxis]), self.kernel_size, self.stride)
        seen = apart(seen, size(speech, 0), frames, self.kernel_size)
        frame_lengths = tf.maximum(convolved_length(lengths, self.kernel_size, self.stride), 0)
        mask = valid(frame_lengths, frames)
        count = tf.cast(tf.maximum(frame_lengths, 1), tf.float32)[:, tf.newaxis]
        centred = tf.cast(seen, tf.float32)
        centred = silence_padding(centred, mask)
        for _ in range(2):  # the second removes the rounding error of the first
            mean = tf.reduce_sum(tf.reduce_sum(in_parts(centred), axis=2), axis=1) / count
            centred = silence_padding(centred - mean[:, tf.newaxis], mask)
        spectra = in_parts(tf.matmul(centred, cosines(self.kernel_size), transpose_b=True))
        covariance = tf.reduce_sum(tf.matmul(spectra, spectra, transpose_a=True), axis=1)
        covariance /= count[..., tf.newaxis]

        weights = tf.cast(self.kernel[:, 0], tf.float32)  # (kernel, channels)
        bands = tf.matmul(cosines(self.kernel_size), weights)
        variance = tf.reduce_sum(tf.matmul(covariance, bands) * bands, axis=1)
        scale = tf.cast(self.gamma, tf.float32) * tf.math.rsqrt(variance + NORM_EPSILON)
        folded = tf.cast(weights * scale[:, tf.newaxis], seen.dtype)  # (batch, kernel, channels)
        # μ is subtracted from the windows, not from their products, which are far larger.
        features = tf.matmul(tf.cast(centred, seen.dtype), folded) + self.beta
        return self.activation(features)


@keras.saving.register_keras_serializable(PACKAGE)
class FeatureEncoder(ConfigLayer):
    """The stack of convolutions over the waveform; transformers' `Wav2Vec2FeatureEncoder`.

    Convolutions do not pad, so a valid frame sees valid samples only; only the group norm needs the
    lengths.
    """

    def __init__(self, config: WaveformConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.frames = config.encoder_frames
        self.stride = math.prod(config.conv_stride)
        self.frames_lost = frames_lost(config.conv_kernel, config.conv_stride)
        self.group_norm = config.feat_extract_norm == "group"
        self.conv_layers = [
            GroupNormConvLayer(config, name="conv_layers_0")
            if index == 0 and self.group_norm
            else ConvLayer(config, index, name=f"conv_layers_{index}")
            for index in range(len(config.conv_dim))
        ]

    def build(self, input_shape: object = None) -> None:
        """Builds the convolutions."""
        for layer in self.conv_layers:
            layer.build(None)

    def call(self, speech: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        """Computes features.

        Args:
            speech: (batch, samples), at least one frame of them.
            lengths: (batch,) valid samples of each row; None if all are.

        Returns:
            (batch, frames, channels).
        """
        lengths = whole_lengths(speech) if lengths is None else lengths
        batch, samples = size(speech, 0), size(speech, 1)
        frames = self.frames(samples)
        needed = [(samples + self.stride - 1) // self.stride, frames + self.frames_lost]
        room = tf.maximum(*needed) if tf.is_tensor(samples) else max(needed)
        speech = tf.pad(speech, [[0, 0], [0, room * self.stride - samples]])
        first, *others = self.conv_layers
        if self.group_norm:
            stream = end_to_end(first(speech, lengths))
        else:
            stream = first(end_to_end(speech[..., tf.newaxis]))
        for layer in others:
            stream = layer(stream)
        return apart(stream, batch, room, stream.shape[1])[:, :frames]
