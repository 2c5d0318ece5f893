"""What HuBERT has of its own: positions from a convolution behind a batch norm."""

from __future__ import annotations

import keras
import tensorflow as tf

from wav2vec2_tf.models.activations import activation
from wav2vec2_tf.models.batch_norm import BatchNorm
from wav2vec2_tf.models.config import HubertConfig
from wav2vec2_tf.models.grouped_conv import GroupedConv
from wav2vec2_tf.models.lengths import silence_padding
from wav2vec2_tf.models.transformer import PositionalConvEmbedding


class BatchNormPositionalConv(keras.layers.Layer):
    """Grouped convolution over batch-normed frames, its kernel not weight-normed.

    Its output is added to its input; transformers' `HubertPositionalConvEmbedding` with
    `conv_pos_batch_norm`.
    """

    def __init__(self, config: HubertConfig, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.batch_norm = BatchNorm(config.hidden_size, name="batch_norm")
        self.conv = GroupedConv(
            config.hidden_size,
            config.num_conv_pos_embeddings,
            config.num_conv_pos_embedding_groups,
            name="conv",
        )
        self.activation = activation(config.feat_extract_activation)

    def build(self, input_shape: object = None) -> None:
        self.batch_norm.build()
        self.conv.build()

    def call(
        self, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        normed = self.batch_norm(hidden_states, frame_mask, training=training)
        # The norm's shift has made the silent frames loud.
        return self.activation(self.conv(silence_padding(normed, frame_mask)))


def hubert_positions(config: HubertConfig, **kwargs: object) -> keras.layers.Layer:
    """The layer of positions that the config asks for."""
    kind = BatchNormPositionalConv if config.conv_pos_batch_norm else PositionalConvEmbedding
    return kind(config, **kwargs)
