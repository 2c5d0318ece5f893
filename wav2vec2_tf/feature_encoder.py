"""Waveform → latent features, one frame in 20 ms: the convolutions of paper section 2."""

from __future__ import annotations

import keras
import tensorflow as tf

from wav2vec2_tf.activations import activation
from wav2vec2_tf.config import WaveformConfig, convolved_length
from wav2vec2_tf.lengths import silence_padding, size, valid

GROUP_NORM_EPSILON = (
    1e-5  # torch.nn.GroupNorm's default; the checkpoint's layer_norm_eps is not used
)


def windows(values: tf.Tensor, kernel: int, stride: int) -> tf.Tensor:
    """(batch, samples) → (batch, frames, kernel): what each step of a convolution sees.

    Cut from blocks of one stride, so that no sample is gathered one by one.
    """
    blocks = -(-kernel // stride)
    values = tf.pad(values, [[0, 0], [0, blocks * stride - kernel]])
    batch, count = size(values, 0), size(values, 1) // stride
    values = tf.reshape(values[:, : count * stride], [batch, count, stride])
    frames = count - blocks + 1
    return tf.concat([values[:, i : i + frames] for i in range(blocks)], axis=-1)[..., :kernel]


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
        features = tf.nn.conv1d(features, self.kernel, self.stride, "VALID")
        if self.bias is not None:
            features += self.bias
        if self.layer_norm is not None:
            features = self.layer_norm(features)
        return self.activation(features)


class GroupNormConvLayer(keras.layers.Layer):
    """First convolution of the base models, normalised over time channel by channel.

    The convolution is linear, so each channel's mean and variance over the valid frames follow from
    the mean μ and covariance C of the windows it sees: w·μ and wᵀCw. The normalisation then folds
    into the convolution's weights, and the largest tensor of the model is written once. Statistics
    are summed in float64: for a filter that rejects most of the signal, wᵀCw cancels.
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
        wide = tf.cast(seen, tf.float64)
        if lengths is None:
            mask, count = None, tf.cast(tf.maximum(frames, 1), tf.float64)
        else:
            frame_lengths = tf.maximum(convolved_length(lengths, self.kernel_size, self.stride), 0)
            mask = valid(frame_lengths, frames)
            count = tf.cast(tf.maximum(frame_lengths, 1), tf.float64)[:, tf.newaxis]
        mean = tf.reduce_sum(silence_padding(wide, mask), axis=1) / count  # (batch, kernel)
        centred = silence_padding(wide - mean[:, tf.newaxis], mask)
        covariance = tf.matmul(centred, centred, transpose_a=True)
        covariance /= count if lengths is None else count[..., tf.newaxis]

        weights = tf.cast(self.kernel[:, 0], tf.float64)  # (kernel, channels)
        variance = tf.reduce_sum(tf.matmul(covariance, weights) * weights, axis=1)
        scale = tf.cast(self.gamma, tf.float64) * tf.math.rsqrt(variance + GROUP_NORM_EPSILON)
        shift = tf.cast(self.beta, tf.float64) - tf.matmul(mean, weights) * scale
        folded = tf.cast(weights * scale[:, tf.newaxis], seen.dtype)  # (batch, kernel, channels)
        features = tf.matmul(seen, folded) + tf.cast(shift, seen.dtype)[:, tf.newaxis]
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
