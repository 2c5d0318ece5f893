"""Waveform → latent features, one frame in 20 ms: the convolutions of paper section 2.

A batch is convolved as one stream: its examples end to end, each padded to whole strides of the
last convolution. Each convolution is then one product of matrices, which runs at the machine's
peak, with bias and activation fused into it, where `tf.nn.conv1d` does not. What sees padding or
two examples is cut off at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.models.activations import activation
from wav2vec2_tf.models.config import WaveformConfig, convolved_length
from wav2vec2_tf.models.lengths import silence_padding, size, valid

GROUP_NORM_EPSILON = (
    1e-5  # torch.nn.GroupNorm's default; the checkpoint's layer_norm_eps is not used
)
FRAMES_OF_A_PART = 256  # about the root of the frames of what is usual


def windows(stream: tf.Tensor, kernel: int, stride: int) -> tf.Tensor:
    """(steps, channels) → (frames, kernel · channels): what each step of a convolution sees.

    Put together from whole strides, so that nothing is gathered step by step. Steps after the last
    whole stride are not seen.
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
    """(batch, steps, channels) → (batch · steps, channels): the examples as one stream."""
    return tf.reshape(values, [size(values, 0) * size(values, 1), values.shape[2]])


def apart(
    stream: tf.Tensor, batch: tf.Tensor | int, steps: tf.Tensor | int, channels: int
) -> tf.Tensor:
    """The inverse, of a stream whose end may be missing: there is 0."""
    padded = tf.pad(stream, [[0, batch * steps - size(stream, 0)], [0, 0]])
    return tf.reshape(padded, [batch, steps, channels])


def frames_lost(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Frames that a stream of whole strides has fewer than it has strides, after `windows` each."""
    whole = steps = math.prod(strides) * sum(kernels)
    for kernel, stride in zip(kernels, strides, strict=True):
        steps = steps // stride - (kernel - 1) // stride
    return whole // math.prod(strides) - steps


def cosines(count: int) -> np.ndarray:
    """(count, count) float32, the rows of an orthonormal basis: the discrete cosine transform."""
    rows, columns = np.ogrid[:count, :count]
    basis = np.cos(np.pi / count * rows * (columns + 0.5)) * np.sqrt(2 / count)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


def in_parts(values: tf.Tensor) -> tf.Tensor:
    """(batch, frames, channels) → (batch, parts, frames of a part, channels), zeros at the end.

    To be summed part by part: in one sum over all frames, float32 loses the digits of the last.
    """
    batch, frames, channels = size(values, 0), size(values, 1), values.shape[2]
    parts = (frames + FRAMES_OF_A_PART - 1) // FRAMES_OF_A_PART
    values = tf.pad(values, [[0, 0], [0, parts * FRAMES_OF_A_PART - frames], [0, 0]])
    return tf.reshape(values, [batch, parts, FRAMES_OF_A_PART, channels])


class ConvLayer(keras.layers.Layer):
    """Convolution, layer norm over channels where `layer_norm` says so, activation.

    (steps, inputs) → (frames, channels) of a stream.
    """

    def __init__(self, config: WaveformConfig, index: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.inputs = config.conv_dim[index - 1] if index else 1
        self.channels = config.conv_dim[index]
        self.kernel_size, self.stride = config.conv_kernel[index], config.conv_stride[index]
        self.use_bias = config.conv_bias
        self.activation = activation(config.feat_extract_activation)
        self.layer_norm = (
            # HF's LayerNorm here has PyTorch's default epsilon, whatever the config says.
            keras.layers.LayerNormalization(epsilon=1e-5, name="layer_norm")
            if config.feat_extract_norm == "layer"
            else None
        )

    def build(self, input_shape: object = None) -> None:
        shape = (self.kernel_size, self.inputs, self.channels)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_normal")
        self.bias = (
            self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")
            if self.use_bias
            else None
        )
        if self.layer_norm is not None:
            self.layer_norm.build((None, self.channels))

    def call(self, stream: tf.Tensor) -> tf.Tensor:
        kernel = tf.reshape(self.kernel, [self.kernel_size * self.inputs, self.channels])
        products = tf.matmul(windows(stream, self.kernel_size, self.stride), kernel)
        if self.bias is None:
            # TensorFlow fuses an activation with a bias only, and takes out a constant of zeros
            bias = tf.stop_gradient(kernel[0] - kernel[0])
        else:
            bias = tf.convert_to_tensor(self.bias)
        features = tf.nn.bias_add(products, bias)
        if self.layer_norm is not None:
            features = self.layer_norm(features)
        return self.activation(features)


class GroupNormConvLayer(keras.layers.Layer):
    """First convolution of the base models, normalised over time channel by channel.

    The convolution is linear, so each channel's mean and variance over the valid frames follow from
    the mean μ and covariance C of the windows it sees: w·μ and wᵀCw. The normalisation then folds
    into the convolution's weights, and the largest tensor of the model is written once. C is that
    of the windows' spectra: speech has little in common at two frequencies, so C is nearly diagonal
    and wᵀCw does not cancel in float32, for a filter that rejects most of the signal either.
    """

    def __init__(self, config: WaveformConfig, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.channels = config.conv_dim[0]
        self.kernel_size, self.stride = config.conv_kernel[0], config.conv_stride[0]
        self.use_bias = config.conv_bias
        self.activation = activation(config.feat_extract_activation)

    def build(self, input_shape: object = None) -> None:
        shape = (self.kernel_size, 1, self.channels)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_normal")
        if self.use_bias:  # part of the checkpoint, but the normalisation takes it out again
            self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")
        self.gamma = self.add_weight(name="gamma", shape=(self.channels,), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(self.channels,), initializer="zeros")

    def call(self, speech: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """(batch, samples) whole strides of speech, (batch,) samples → (batch, frames, channels)"""
        frames = size(speech, 1) // self.stride
        seen = windows(end_to_end(speech[..., tf.newaxis]), self.kernel_size, self.stride)
        seen = apart(seen, size(speech, 0), frames, self.kernel_size)
        frame_lengths = tf.maximum(convolved_length(lengths, self.kernel_size, self.stride), 0)
        mask = valid(frame_lengths, frames)
        count = tf.cast(tf.maximum(frame_lengths, 1), tf.float32)[:, tf.newaxis]
        centred = tf.cast(seen, tf.float32)
        centred = silence_padding(centred, mask)
        for _ in range(2):  # the second time takes out what the first has rounded
            mean = tf.reduce_sum(tf.reduce_sum(in_parts(centred), axis=2), axis=1) / count
            centred = silence_padding(centred - mean[:, tf.newaxis], mask)
        spectra = in_parts(tf.matmul(centred, cosines(self.kernel_size), transpose_b=True))
        covariance = tf.reduce_sum(tf.matmul(spectra, spectra, transpose_a=True), axis=1)
        covariance /= count[..., tf.newaxis]

        weights = tf.cast(self.kernel[:, 0], tf.float32)  # (kernel, channels)
        bands = tf.matmul(cosines(self.kernel_size), weights)
        variance = tf.reduce_sum(tf.matmul(covariance, bands) * bands, axis=1)
        scale = tf.cast(self.gamma, tf.float32) * tf.math.rsqrt(variance + GROUP_NORM_EPSILON)
        folded = tf.cast(weights * scale[:, tf.newaxis], seen.dtype)  # (batch, kernel, channels)
        # μ is taken from the windows, not from their products, which are far larger
        features = tf.matmul(tf.cast(centred, seen.dtype), folded) + self.beta
        return self.activation(features)


class FeatureEncoder(keras.layers.Layer):
    """(batch, samples) speech → (batch, frames, channels) features.

    Needs at least one frame of samples. Convolutions do not pad, so a valid frame sees valid
    samples only; only the group norm must be told where the speech ends.
    """

    def __init__(self, config: WaveformConfig, **kwargs: object) -> None:
        super().__init__(**kwargs)
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
        for layer in self.conv_layers:
            layer.build(None)

    def call(self, speech: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        batch, samples = size(speech, 0), size(speech, 1)
        frames = self.frames(samples)
        needed = [(samples + self.stride - 1) // self.stride, frames + self.frames_lost]
        room = tf.maximum(*needed) if tf.is_tensor(samples) else max(needed)
        speech = tf.pad(speech, [[0, 0], [0, room * self.stride - samples]])
        first, *others = self.conv_layers
        if self.group_norm:
            of_speech = tf.fill([batch], samples) if lengths is None else lengths
            stream = end_to_end(first(speech, of_speech))
        else:
            stream = first(end_to_end(speech[..., tf.newaxis]))
        for layer in others:
            stream = layer(stream)
        return apart(stream, batch, room, stream.shape[1])[:, :frames]
