"""The adapter of Wav2Vec2-BERT: strided convolutions and attention over fewer frames."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import tensorflow as tf

from wav2vec2_tf.models.activations import gated
from wav2vec2_tf.models.adapters import (
    ConvolutionalAdapter,
    adapted_mask,
    silently_padded,
    strided_conv,
)
from wav2vec2_tf.models.config import Wav2Vec2BertConfig
from wav2vec2_tf.models.conformer_attention import SelfAttention
from wav2vec2_tf.models.layers import PACKAGE, ConfigLayer, layer_norm
from wav2vec2_tf.models.lengths import attention_bias, size
from wav2vec2_tf.models.transformer import FeedForward


@keras.saving.register_keras_serializable(PACKAGE)
class BertAdapterLayer(ConfigLayer):
    """Two strided convolutions, for the residual and for attention, and a feed-forward.

    (batch, frames, channels) → (batch, fewer frames, channels). transformers'
    `Wav2Vec2BertAdapterLayer`.
    """

    def __init__(self, config: Wav2Vec2BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.channels = config.last_hidden_size
        self.residual_layer_norm = layer_norm(config, "residual_layer_norm")
        self.residual_conv = strided_conv(config, "residual_conv")
        self.self_attn_layer_norm = layer_norm(config, "self_attn_layer_norm")
        self.self_attn_conv = strided_conv(config, "self_attn_conv")
        self.self_attn = SelfAttention(config, self.channels, name="self_attn")
        self.self_attn_dropout = keras.layers.Dropout(config.conformer_conv_dropout)
        self.ffn_layer_norm = layer_norm(config, "ffn_layer_norm")
        self.ffn = FeedForward(config, self.channels, config.adapter_act, name="ffn")

    def build(self, input_shape: object = None) -> None:
        """Builds the layers inside."""
        shape = (None, None, self.channels)
        for norm in (self.residual_layer_norm, self.self_attn_layer_norm, self.ffn_layer_norm):
            norm.build(shape)
        self.residual_conv.build(shape)
        self.self_attn_conv.build(shape)
        self.self_attn.build()
        self.ffn.build()

    def call(
        self, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the states and their mask; those of padded frames are undefined."""

        def convolved(conv: keras.layers.Layer, values: tf.Tensor) -> tf.Tensor:
            return gated(conv(silently_padded(self.config, values, frame_mask)))

        residual = convolved(self.residual_conv, self.residual_layer_norm(hidden_states))
        attending = convolved(self.self_attn_conv, self.self_attn_layer_norm(hidden_states))
        frame_mask = adapted_mask(self.config, frame_mask, size(residual, 1))
        bias = attention_bias(frame_mask, attending.dtype)
        attended, _ = self.self_attn(attending, bias, training=training)
        hidden_states = residual + self.self_attn_dropout(attended, training=training)
        hidden_states += self.ffn(self.ffn_layer_norm(hidden_states), training=training)
        return hidden_states, frame_mask


@keras.saving.register_keras_serializable(PACKAGE)
class BertAdapter(ConvolutionalAdapter):
    """A `ConvolutionalAdapter` of `BertAdapterLayer`s; transformers' `Wav2Vec2BertAdapter`."""

    layer_class: ClassVar[type[ConfigLayer]] = BertAdapterLayer
    norm_epsilon: ClassVar[float | None] = None
