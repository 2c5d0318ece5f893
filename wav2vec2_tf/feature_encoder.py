"""Waveform → latent features, one frame in 20 ms: the convolutions of paper section 2."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.activations import activation
from wav2vec2_tf.config import WaveformConfig, convolved_length
from wav2vec2_tf.lengths import silence_padding, size, valid

GROUP_NORM_EPSILON = (
    1e-5  # torch.nn.GroupNorm's default; the checkpoint's layer_norm_eps is not used
)
FRAMES_OF_A_PART = 256  # about the root of the frames of what is usual


def blocks_of(values: tf.Tensor, kernel: int, stride: int) -> list[tf.Tensor]:
    """(batch, samples, channels) → what each step of a convolution sees, a stride at a time.

    (batch, frames, taps · channels) of the first `stride` taps of the kernel, then of those after
    them. No sample is gathered one by one.
    """
    batch, samples, channels = size(values, 0), size(values, 1), values.shape[2]
    frames = (samples - kernel) // stride + 1
    if kernel % stride:
        values = tf.pad(values, [[0, 0], [0, -samples % stride], [0, 0]])
    count = size(values, 1) // stride
    values = tf.reshape(values[:, : count * stride], [batch, count, stride * channels])
    seen = []
    for number, first in enumerate(range(0, kernel, stride)):
        width = min(stride, kernel - first) * channels
        block = values[:, number : number + frames, :width]
        seen.append(tf.reshape(block, [batch, frames, width]))
    return seen


def windows(values: tf.Tensor, kernel: int, stride: int) -> tf.Tensor:
    """(batch, samples) → (batch, frames, kernel): what each step of a convolution sees."""
    return tf.concat(blocks_of(values[..., tf.newaxis], kernel, stride), axis=-1)


def convolved(values: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """(batch, samples, inputs) by (kernel, inputs, outputs) → (batch, frames, outputs), unpadded.

    As products of matrices, which run at the machine's peak, where `tf.nn.conv1d` does not; summed
    over the strides in the kernel, so that no window is written out.
    """
    taps, inputs, outputs = kernel.shape
    seen = blocks_of(values, taps, stride)
    if inputs == 1:  # the windows are small, and the sums over them are not
        seen = [tf.concat(seen, axis=-1)]
    kernels = tf.split(
        tf.reshape(kernel, [taps * inputs, outputs]), [block.shape[2] for block in seen]
    )
    products = [
        tf.matmul(tf.reshape(block, [-1, block.shape[2]]), weights)
        for block, weights in zip(seen, kernels, strict=True)
    ]
    shape = [size(values, 0), size(seen[0], 1), outputs]
    return tf.reshape(sum(products[1:], products[0]), shape)


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
    """Convolution, layer norm over channels where `layer_norm` says so, activation."""

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
            self.layer_norm.build((None, None, self.channels))

    def call(self, features: tf.Tensor) -> tf.Tensor:
        features = convolved(features, tf.convert_to_tensor(self.kernel), self.stride)
        if self.bias is not None:
            features += self.bias
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

    def call(self, speech: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        seen = windows(speech, self.kernel_size, self.stride)  # (batch, frames, kernel)
        frames = size(seen, 1)
        centred = tf.cast(seen, tf.float32)
        if lengths is None:
            mask, count = None, tf.cast(tf.maximum(frames, 1), tf.float32)
        else:
            frame_lengths = tf.maximum(convolved_length(lengths, self.kernel_size, self.stride), 0)
            mask = valid(frame_lengths, frames)
            count = tf.cast(tf.maximum(frame_lengths, 1), tf.float32)[:, tf.newaxis]
        centred = silence_padding(centred, mask)
        for _ in range(2):  # the second time takes out what the first has rounded
            mean = tf.reduce_sum(tf.reduce_sum(in_parts(centred), axis=2), axis=1) / count
            centred = silence_padding(centred - mean[:, tf.newaxis], mask)
        spectra = in_parts(tf.matmul(centred, cosines(self.kernel_size), transpose_b=True))
        covariance = tf.reduce_sum(tf.matmul(spectra, spectra, transpose_a=True), axis=1)
        covariance /= count if lengths is None else count[..., tf.newaxis]

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
        first, *others = self.conv_layers
        features = first(speech, lengths) if self.group_norm else first(speech[..., tf.newaxis])
        for layer in others:
            features = layer(features)
        return features
