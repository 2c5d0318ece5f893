"""What data2vec-audio has of its own: positions from a stack of convolutions."""

from __future__ import annotations

import keras
import tensorflow as tf

from wav2vec2_tf.models.activations import activation
from wav2vec2_tf.models.config import Data2VecAudioConfig
from wav2vec2_tf.models.grouped_conv import GroupedConv
from wav2vec2_tf.models.lengths import silence_padding

LAYER_NORM_EPSILON = 1e-5  # torch's default: the config's is not for these


class PositionalConvLayer(keras.layers.Layer):
    """Grouped convolution over time, a layer norm without weights, and the activation."""

    def __init__(self, config: Data2VecAudioConfig, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.hidden_size = config.hidden_size
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
        self.conv.build()
        self.layer_norm.build((None, None, self.hidden_size))

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        return self.activation(self.layer_norm(self.conv(hidden_states)))


class PositionalConvStack(keras.layers.Layer):
    """(batch, frames, hidden) → the same shape: data2vec, arXiv:2202.03555.

    `num_conv_pos_embeddings` convolutions one after another; the last one's output is added to the
    stack's input.
    """

    def __init__(self, config: Data2VecAudioConfig, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.layers = [
            PositionalConvLayer(config, name=f"layers_{index}")
            for index in range(config.num_conv_pos_embeddings)
        ]

    def build(self, input_shape: object = None) -> None:
        for layer in self.layers:
            layer.build()

    def call(
        self, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        for layer in self.layers:
            hidden_states = layer(silence_padding(hidden_states, frame_mask))
        return hidden_states
