"""What may follow the encoder of Wav2Vec2-BERT: attention over fewer frames."""

from __future__ import annotations

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
from wav2vec2_tf.models.layers import layer_norm
from wav2vec2_tf.models.lengths import attention_bias, size
from wav2vec2_tf.models.transformer import FeedForward


class BertAdapterLayer(keras.layers.Layer):
    """Two strided convolutions, one for the residual and one to attend over; then a feed-forward.

    transformers' `Wav2Vec2BertAdapterLayer`. What is not valid comes out as anything.
    """

    def __init__(self, config: Wav2Vec2BertConfig, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.config, self.channels = config, config.last_hidden_size
        self.residual_layer_norm = layer_norm(config, "residual_layer_norm")
        self.residual_conv = strided_conv(config, "residual_conv")
        self.self_attn_layer_norm = layer_norm(config, "self_attn_layer_norm")
        self.self_attn_conv = strided_conv(config, "self_attn_conv")
        self.self_attn = SelfAttention(config, self.channels, name="self_attn")
        self.self_attn_dropout = keras.layers.Dropout(config.conformer_conv_dropout)
        self.ffn_layer_norm = layer_norm(config, "ffn_layer_norm")
        self.ffn = FeedForward(config, self.channels, config.adapter_act, name="ffn")

    def build(self, input_shape: object = None) -> None:
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


class BertAdapter(ConvolutionalAdapter):
    """`ConvolutionalAdapter` of such layers; transformers' `Wav2Vec2BertAdapter`."""

    def __init__(self, config: Wav2Vec2BertConfig, **kwargs: object) -> None:
        super().__init__(config, BertAdapterLayer, norm_epsilon=None, **kwargs)
