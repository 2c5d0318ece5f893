"""Adapters: for a language in each layer of an encoder, and for fewer frames after it."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import tensorflow as tf

from wav2vec2_tf.models.activations import gated
from wav2vec2_tf.models.config import Config, WaveformConfig
from wav2vec2_tf.models.layers import PACKAGE, ConfigLayer, dense, layer_norm
from wav2vec2_tf.models.lengths import silence_padding, size, valid

LAYER_NORM_EPSILON = 1e-5  # PyTorch's default: adapters do not use the config's


@keras.saving.register_keras_serializable(PACKAGE)
class AttentionAdapter(ConfigLayer):
    """A bottleneck after a layer of the encoder, one for each language (MMS, arXiv:2305.13516).

    (batch, frames, hidden) → the same shape, which is added to the input. transformers'
    `Wav2Vec2AttnAdapterLayer`.
    """

    def __init__(self, config: WaveformConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        assert config.adapter_attn_dim is not None
        self.sizes = (config.hidden_size, config.adapter_attn_dim)
        self.norm = layer_norm(config, "norm", LAYER_NORM_EPSILON)
        self.linear_1 = dense(config, config.adapter_attn_dim, "linear_1")
        self.linear_2 = dense(config, config.hidden_size, "linear_2")

    def build(self, input_shape: object = None) -> None:
        """Builds the layers inside."""
        self.norm.build((None, None, self.sizes[0]))
        self.linear_1.build((None, None, self.sizes[0]))
        self.linear_2.build((None, None, self.sizes[1]))

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        """Returns what is added to the states."""
        return self.linear_2(tf.nn.relu(self.linear_1(self.norm(hidden_states))))


@keras.saving.register_keras_serializable(PACKAGE)
class AdapterLayer(ConfigLayer):
    """A strided convolution over time, gated by half of its channels (GLU, arXiv:1612.08083).

    (batch, frames, channels) → (batch, fewer frames, channels). transformers'
    `Wav2Vec2AdapterLayer`.
    """

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.conv = strided_conv(config, "conv")

    def build(self, input_shape: object = None) -> None:
        """Builds the layers inside."""
        self.conv.build((None, None, self.config.last_hidden_size))

    def call(
        self, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the states and their mask; those of padded frames are undefined."""
        hidden_states = gated(self.conv(silently_padded(self.config, hidden_states, frame_mask)))
        return hidden_states, adapted_mask(self.config, frame_mask, size(hidden_states, 1))


@keras.saving.register_keras_serializable(PACKAGE)
class ConvolutionalAdapter(ConfigLayer):
    """Strided convolutions after the encoder, for a model that follows and takes fewer frames.

    (batch, frames, hidden) → (batch, fewer frames, output_hidden_size). transformers'
    `Wav2Vec2Adapter`. Unlike there, LayerDrop does not skip its layers in training: the number of
    frames would not be that of `Config.frame_length`.

    Attributes:
        layer_class: the class of the layers.
        norm_epsilon: epsilon of the projection's layer norm; None means the config's.
    """

    layer_class: ClassVar[type[ConfigLayer]] = AdapterLayer
    norm_epsilon: ClassVar[float | None] = LAYER_NORM_EPSILON

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.sizes = (config.hidden_size, config.last_hidden_size)
        self.proj, self.proj_layer_norm = None, None
        if config.last_hidden_size != config.hidden_size:
            self.proj = dense(config, config.last_hidden_size, "proj")
            self.proj_layer_norm = layer_norm(config, "proj_layer_norm", self.norm_epsilon)
        self.layers = [
            self.layer_class(config, name=f"layers_{index}")
            for index in range(config.num_adapter_layers)
        ]

    def build(self, input_shape: object = None) -> None:
        """Builds the layers inside."""
        if self.proj is not None and self.proj_layer_norm is not None:
            self.proj.build((None, None, self.sizes[0]))
            self.proj_layer_norm.build((None, None, self.sizes[1]))
        for layer in self.layers:
            layer.build()

    def call(
        self, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Shortens the states.

        Args:
            hidden_states: (batch, frames, hidden), at least `config.fewest_frames` frames.
            frame_mask: (batch, frames), true for valid frames; None if all are.
            training: whether dropout is applied.

        Returns:
            (batch, fewer frames, output_hidden_size), zero for padded frames, and their mask.
        """
        hidden_states = silence_padding(hidden_states, frame_mask)
        if self.proj is not None and self.proj_layer_norm is not None:
            hidden_states = self.proj_layer_norm(self.proj(hidden_states))
        for layer in self.layers:
            hidden_states, frame_mask = layer(hidden_states, frame_mask, training=training)
        return silence_padding(hidden_states, frame_mask), frame_mask


def strided_conv(config: Config, name: str) -> keras.layers.Conv1D:
    """Returns an adapter's convolution, with twice the channels that remain after its gate."""
    return keras.layers.Conv1D(
        2 * config.last_hidden_size,
        config.adapter_kernel_size,
        config.adapter_stride,
        kernel_initializer="he_normal",
        name=name,
    )


def silently_padded(
    config: Config, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None
) -> tf.Tensor:
    """Returns the input of an adapter's convolution: padded frames zero, and zeros around all."""
    padding = [config.adapter_padding, config.adapter_padding]
    return tf.pad(silence_padding(hidden_states, frame_mask), [[0, 0], padding, [0, 0]])


def adapted_mask(
    config: Config, frame_mask: tf.Tensor | None, frames: tf.Tensor | int
) -> tf.Tensor | None:
    """Returns the mask, (batch, frames), after one layer of an adapter."""
    if frame_mask is None:
        return None
    before = tf.reduce_sum(tf.cast(frame_mask, tf.int32), axis=-1)
    return valid(config.adapted_once(before), frames)
