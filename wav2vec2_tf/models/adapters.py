"""What is put beside or after an encoder: adapters."""

from __future__ import annotations

import keras
import tensorflow as tf

from wav2vec2_tf.models.activations import gated
from wav2vec2_tf.models.config import Config, WaveformConfig
from wav2vec2_tf.models.layers import dense, layer_norm
from wav2vec2_tf.models.lengths import silence_padding, size, valid

LAYER_NORM_EPSILON = 1e-5  # torch's default: the config's is not for adapters


class AttentionAdapter(keras.layers.Layer):
    """(batch, frames, hidden) → the same shape, to be added to its input.

    A bottleneck after each layer of the encoder, one for each language (MMS, arXiv:2305.13516);
    transformers' `Wav2Vec2AttnAdapterLayer`.
    """

    def __init__(self, config: WaveformConfig, **kwargs: object) -> None:
        super().__init__(**kwargs)
        assert config.adapter_attn_dim is not None
        self.sizes = (config.hidden_size, config.adapter_attn_dim)
        self.norm = layer_norm(config, "norm", LAYER_NORM_EPSILON)
        self.linear_1 = dense(config, config.adapter_attn_dim, "linear_1")
        self.linear_2 = dense(config, config.hidden_size, "linear_2")

    def build(self, input_shape: object = None) -> None:
        self.norm.build((None, None, self.sizes[0]))
        self.linear_1.build((None, None, self.sizes[0]))
        self.linear_2.build((None, None, self.sizes[1]))

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        return self.linear_2(tf.nn.relu(self.linear_1(self.norm(hidden_states))))


class AdapterLayer(keras.layers.Layer):
    """Strided convolution over time, gated by half of its channels (GLU, arXiv:1612.08083)."""

    def __init__(self, config: Config, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.conv = strided_conv(config, "conv")

    def build(self, input_shape: object = None) -> None:
        self.conv.build((None, None, self.config.last_hidden_size))

    def call(
        self, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        hidden_states = gated(self.conv(silently_padded(self.config, hidden_states, frame_mask)))
        return hidden_states, adapted_mask(self.config, frame_mask, size(hidden_states, 1))


class ConvolutionalAdapter(keras.layers.Layer):
    """(batch, frames, hidden) → (batch, fewer frames, output_hidden_size), and their mask.

    transformers' `Wav2Vec2Adapter`, for an encoder whose frames are too many for what follows.
    Needs `config.fewest_frames`. No layer is dropped in training: without it the frames would be
    others than the lengths say.
    """

    def __init__(
        self,
        config: Config,
        layer: type[keras.layers.Layer] = AdapterLayer,
        norm_epsilon: float | None = LAYER_NORM_EPSILON,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.sizes = (config.hidden_size, config.last_hidden_size)
        self.proj, self.proj_layer_norm = None, None
        if config.last_hidden_size != config.hidden_size:
            self.proj = dense(config, config.last_hidden_size, "proj")
            self.proj_layer_norm = layer_norm(config, "proj_layer_norm", norm_epsilon)
        self.layers = [
            layer(config, name=f"layers_{index}") for index in range(config.num_adapter_layers)
        ]

    def build(self, input_shape: object = None) -> None:
        if self.proj is not None and self.proj_layer_norm is not None:
            self.proj.build((None, None, self.sizes[0]))
            self.proj_layer_norm.build((None, None, self.sizes[1]))
        for layer in self.layers:
            layer.build()

    def call(
        self, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        hidden_states = silence_padding(hidden_states, frame_mask)
        if self.proj is not None and self.proj_layer_norm is not None:
            hidden_states = self.proj_layer_norm(self.proj(hidden_states))
        for layer in self.layers:
            hidden_states, frame_mask = layer(hidden_states, frame_mask, training=training)
        return silence_padding(hidden_states, frame_mask), frame_mask


def strided_conv(config: Config, name: str) -> keras.layers.Conv1D:
    """An adapter's convolution, which gives twice the channels that its gate leaves."""
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
    """What an adapter's convolution sees: no frame that is not valid, and silence around them."""
    padding = [config.adapter_padding, config.adapter_padding]
    return tf.pad(silence_padding(hidden_states, frame_mask), [[0, 0], padding, [0, 0]])


def adapted_mask(
    config: Config, frame_mask: tf.Tensor | None, frames: tf.Tensor | int
) -> tf.Tensor | None:
    """The mask, (batch, frames), after one layer of an adapter."""
    if frame_mask is None:
        return None
    before = tf.reduce_sum(tf.cast(frame_mask, tf.int32), axis=-1)
    return valid(config.adapted_once(before), frames)
