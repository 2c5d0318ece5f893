"""WavLM's attention, whose relative position bias is gated by the frame's content."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.models.config import WavLMConfig
from wav2vec2_tf.models.layers import PACKAGE, dense
from wav2vec2_tf.models.lengths import size
from wav2vec2_tf.models.transformer import Attention

GATES, GATE_CHANNELS = 2, 4  # two gates, each the sum of four projected channels


@keras.saving.register_keras_serializable(PACKAGE)
class GatedAttention(Attention):
    """Attention with a gated relative position bias (WavLM, arXiv:2110.13900, section III).

    The first layer holds the embedding of distances; all layers share the bias computed from it,
    and each gates it by its own input. transformers' `WavLMAttention`, which returns the weights
    averaged over the heads; here they are (batch, heads, frames, frames).
    """

    def __init__(self, config: WavLMConfig, index: int = 0, **kwargs: Any) -> None:
        super().__init__(config, index, **kwargs)
        self.max_distance = config.max_bucket_distance
        self.rel_attn_embed = None
        if index == 0:
            self.buckets = distance_buckets(config.num_buckets, config.max_bucket_distance)
            self.rel_attn_embed = keras.layers.Embedding(
                config.num_buckets, self.heads, name="rel_attn_embed"
            )
        self.gru_rel_pos_linear = dense(config, GATES * GATE_CHANNELS, "gru_rel_pos_linear")

    def build(self, input_shape: object = None) -> None:
        """Builds the projections, the embedding and the gates' constant."""
        super().build(input_shape)
        if self.rel_attn_embed is not None:
            self.rel_attn_embed.build()
        self.gru_rel_pos_linear.build((None, None, self.head_size))
        self.gru_rel_pos_const = self.add_weight(
            name="gru_rel_pos_const", shape=(1, self.heads, 1, 1), initializer="ones"
        )

    def position_bias(self, frames: tf.Tensor | int) -> tf.Tensor:
        """Returns the embedded distances between `frames` frames, (heads, queries, keys).

        Only the first layer (`index` 0) has the embedding.
        """
        assert self.rel_attn_embed is not None
        distances = tf.range(1 - frames, frames)  # key - query
        clipped = tf.clip_by_value(distances, -self.max_distance, self.max_distance)
        buckets = tf.gather(tf.constant(self.buckets), clipped + self.max_distance)
        by_distance = tf.transpose(self.rel_attn_embed(buckets))  # (heads, distances)
        positions = tf.range(frames)
        return tf.gather(by_distance, positions - positions[:, tf.newaxis] + frames - 1, axis=1)

    def score_bias(
        self, hidden_states: tf.Tensor, position_bias: tf.Tensor | None
    ) -> tf.Tensor | None:
        """Returns the gated bias, (batch, heads, frames, frames)."""
        batch, frames = size(hidden_states, 0), size(hidden_states, 1)
        heads = tf.reshape(hidden_states, [batch, frames, self.heads, self.head_size])
        projected = self.gru_rel_pos_linear(tf.transpose(heads, [0, 2, 1, 3]))
        shape = [batch, self.heads, frames, GATES, GATE_CHANNELS]
        gates = tf.sigmoid(tf.reduce_sum(tf.reshape(projected, shape), axis=-1))
        update, reset = tf.split(gates, GATES, axis=-1)  # (batch, heads, frames, 1) each
        return (update * (reset * self.gru_rel_pos_const - 1) + 2) * position_bias


def distance_buckets(num_buckets: int, max_distance: int) -> np.ndarray:
    """Returns the bucket of each distance of key from query, -max_distance to max_distance.

    Half of the buckets are for keys after the query. In each half, the first half of the buckets
    holds one distance each, and the others widen logarithmically up to `max_distance`, whose bucket
    farther keys share (T5, arXiv:1910.10683). A table computed with float32 logarithms, as in
    transformers: at the edges of buckets their last bit decides.

    Args:
        num_buckets: the number of buckets.
        max_distance: the distance from which all share a bucket.

    Returns:
        (2 · max_distance + 1,) int32.
    """
    half = num_buckets // 2
    exact = half // 2
    distances = np.arange(max_distance + 1)
    ratios = np.maximum(distances, exact).astype(np.float32) / np.float32(exact)
    logarithms = np.log(ratios.astype(np.float64)).astype(np.float32)
    scaled = logarithms / np.float32(math.log(max_distance / exact)) * np.float32(half - exact)
    wide = (np.float32(exact) + scaled).astype(np.int64)
    buckets = np.where(distances < exact, distances, np.minimum(wide, half - 1))
    return np.concatenate([buckets[:0:-1], [buckets[0]], buckets[1:] + half]).astype(np.int32)
