"""Self-attention of the Conformer encoders, with each of their schemes of positions."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.models.config import Config, ConformerConfig, Wav2Vec2BertConfig
from wav2vec2_tf.models.layers import PACKAGE, ConfigLayer, attend, dense
from wav2vec2_tf.models.lengths import size


@keras.saving.register_keras_serializable(PACKAGE)
class SelfAttention(ConfigLayer):
    """Multi-head self-attention without positions (arXiv:1706.03762, section 3.2).

    Subclasses add positions. The encoder computes what its layers share, `positions`, once, with
    the layer beside the subclass in `SCHEMES`. transformers' `Wav2Vec2BertSelfAttention`.

    Args:
        config: the model's config.
        hidden_size: channels of input and output; the config's by default.
        **kwargs: as in `keras.layers.Layer`.
    """

    def __init__(self, config: Config, hidden_size: int | None = None, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.hidden_size = hidden_size or config.hidden_size
        self.heads = config.num_attention_heads
        self.head_size = self.hidden_size // self.heads
        self.linear_q = dense(config, self.hidden_size, "linear_q")
        self.linear_k = dense(config, self.hidden_size, "linear_k")
        self.linear_v = dense(config, self.hidden_size, "linear_v")
        self.linear_out = dense(config, self.hidden_size, "linear_out")
        self.dropout = keras.layers.Dropout(config.attention_dropout)

    def build(self, input_shape: object = None) -> None:
        """Builds the projections."""
        for projection in (self.linear_q, self.linear_k, self.linear_v, self.linear_out):
            projection.build((None, None, self.hidden_size))

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's arguments."""
        return {**super().get_config(), "hidden_size": self.hidden_size}

    def positioned(self, hidden_states: tf.Tensor, positions: tf.Tensor | None) -> tf.Tensor:
        """Returns the states that queries and keys, but not values, are projected from."""
        return hidden_states

    def scores(self, query: tf.Tensor, key: tf.Tensor, positions: tf.Tensor | None) -> tf.Tensor:
        """Returns the scores, (batch, heads, frames, frames).

        Args:
            query: (batch, heads, frames, head_size), scaled.
            key: (batch, heads, frames, head_size).
            positions: the output of the layer of positions in `SCHEMES`.
        """
        return tf.matmul(query, key, transpose_b=True)

    def call(
        self,
        hidden_states: tf.Tensor,
        bias: tf.Tensor | None = None,
        positions: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Attends between frames.

        Args:
            hidden_states: (batch, frames, hidden).
            bias: (batch, 1, 1, keys), added to the scores; see `lengths.attention_bias`.
            positions: the output of the layer of positions in `SCHEMES`.
            training: whether dropout is applied to the weights.

        Returns:
            The attended states, (batch, frames, hidden), and the weights, (batch, heads, frames,
            frames).
        """
        positioned = self.positioned(hidden_states, positions)

        def scores(query: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
            scores = self.scores(query, key, positions)
            return scores if bias is None else scores + bias

        context, weights = attend(
            self.linear_q(positioned),
            self.linear_k(positioned),
            self.linear_v(hidden_states),
            self.heads,
            scores,
            lambda scores: self.dropout(tf.nn.softmax(scores), training=training),
        )
        return self.linear_out(context), weights


@keras.saving.register_keras_serializable(PACKAGE)
class RotaryPositions(ConfigLayer):
    """Rotations by each frame's position (RoFormer, arXiv:2104.09864, equation 34).

    (batch, frames, hidden) → their cosines and sines, (2, frames, head_size).
    """

    def __init__(self, config: ConformerConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        head_size = config.hidden_size // config.num_attention_heads
        exponents = np.arange(0, head_size, 2, dtype=np.float32) / np.float32(head_size)
        wavelengths = float(config.rotary_embedding_base) ** exponents.astype(np.float64)
        self.inverse_frequencies = 1 / wavelengths.astype(np.float32)  # rounded as in PyTorch
        self.in_checkpoint = config.stores_positions  # the frequencies, which then replace these

    def build(self, input_shape: object = None) -> None:
        """Creates the frequencies where checkpoints hold them."""
        if self.in_checkpoint:
            self.inv_freq = self.add_weight(
                name="inv_freq",
                shape=self.inverse_frequencies.shape,
                initializer=lambda shape, dtype: tf.constant(self.inverse_frequencies, dtype),
                trainable=False,
                autocast=False,  # angles of late frames need float32
            )

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        """Returns cosines and sines for as many frames as the states have."""
        frequencies = tf.cast(
            self.inv_freq if self.in_checkpoint else self.inverse_frequencies, tf.float32
        )
        frames = tf.range(size(hidden_states, 1), dtype=tf.float32)
        angles = tf.tile(frames[:, tf.newaxis] * frequencies, [1, 2])
        return tf.cast(tf.stack([tf.cos(angles), tf.sin(angles)]), hidden_states.dtype)


@keras.saving.register_keras_serializable(PACKAGE)
class RotaryAttention(SelfAttention):
    """Attention whose states are rotated before queries and keys are projected.

    As in transformers; RoFormer rotates queries and keys themselves.
    """

    def positioned(self, hidden_states: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """Returns the rotated states."""
        batch, frames = size(hidden_states, 0), size(hidden_states, 1)
        heads = tf.reshape(hidden_states, [batch, frames, self.heads, self.head_size])
        first, second = tf.split(heads, 2, axis=-1)
        cosines, sines = tf.unstack(positions[:, :, tf.newaxis])  # (frames, 1, head_size)
        turned = heads * cosines + tf.concat([-second, first], axis=-1) * sines
        return tf.reshape(turned, [batch, frames, self.hidden_size])


@keras.saving.register_keras_serializable(PACKAGE)
class RelativePositions(ConfigLayer):
    """Sinusoids of distances between frames (Transformer-XL, arXiv:1901.02860, section 3.3).

    (batch, frames, hidden) → (2 · frames, hidden). The distances, query's frame minus key's, fall
    from frames - 1 to -frames. Any number of frames is possible: in transformers,
    `max_source_positions` only limits a table computed beforehand.
    """

    def __init__(self, config: ConformerConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.hidden_size = config.hidden_size
        step = np.float32(-math.log(10_000) / self.hidden_size)
        exponents = np.arange(0, self.hidden_size, 2, dtype=np.float32) * step
        # NumPy's float32 exponential is off by one bit more often than PyTorch's, and the angle of
        # a distance of thousands of frames by thousands of times as much.
        self.frequencies = np.exp(exponents.astype(np.float64)).astype(np.float32)

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        """Returns the sinusoids for as many frames as the states have."""
        frames = size(hidden_states, 1)
        distances = tf.cast(tf.range(frames - 1, -frames - 1, -1), tf.float32)
        angles = distances[:, tf.newaxis] * self.frequencies
        sinusoids = tf.stack([tf.sin(angles), tf.cos(angles)], axis=-1)
        sinusoids = tf.reshape(sinusoids, [2 * frames, self.hidden_size])
        return tf.cast(sinusoids, hidden_states.dtype)


@keras.saving.register_keras_serializable(PACKAGE)
class RelativeAttention(SelfAttention):
    """Attention by `RelativePositions` (Transformer-XL, arXiv:1901.02860, section 3.3)."""

    def __init__(
        self, config: ConformerConfig, hidden_size: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(config, hidden_size, **kwargs)
        self.linear_pos = keras.layers.Dense(self.hidden_size, use_bias=False, name="linear_pos")

    def build(self, input_shape: object = None) -> None:
        """Builds the projections and the weights of positions."""
        super().build()
        self.linear_pos.build((None, self.hidden_size))
        shape = (self.heads, self.head_size)
        self.pos_bias_u = self.add_weight(name="pos_bias_u", shape=shape)
        self.pos_bias_v = self.add_weight(name="pos_bias_v", shape=shape)

    def scores(self, query: tf.Tensor, key: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """Returns the paper's four terms summed: by content (a) + (c), by distance (b) + (d)."""

        def biased(bias: keras.Variable) -> tf.Tensor:
            bias = tf.convert_to_tensor(bias) * self.head_size**-0.5  # as the query is scaled
            return query + bias[:, tf.newaxis]

        distances = tf.reshape(self.linear_pos(positions), [-1, self.heads, self.head_size])
        distances = tf.transpose(distances, [1, 0, 2])  # (heads, 2 · frames, head_size)
        by_distance = tf.matmul(biased(self.pos_bias_v), distances, transpose_b=True)
        return tf.matmul(biased(self.pos_bias_u), key, transpose_b=True) + skewed(by_distance)


def skewed(by_distance: tf.Tensor) -> tf.Tensor:
    """Rearranges scores by distance to scores by the key's frame.

    Row i needs its columns from frames - 1 - i on. Read with rows one step shorter, each row begins
    one column further to the left (Transformer-XL, arXiv:1901.02860, appendix B).

    Args:
        by_distance: (batch, heads, frames, 2 · frames), in the order of `RelativePositions`.

    Returns:
        (batch, heads, frames, frames).
    """
    batch, heads, frames = (size(by_distance, axis) for axis in range(3))
    row = 2 * frames - 1
    flat = tf.reshape(by_distance, [batch, heads, frames * (row + 1)])
    flat = flat[:, :, frames - 1 : frames - 1 + frames * row]
    return tf.reshape(flat, [batch, heads, frames, row])[..., :frames]


@keras.saving.register_keras_serializable(PACKAGE)
class RelativeKeyPositions(ConfigLayer):
    """Rows of the scores by distance, for each query and key (arXiv:1803.02155, section 3.2).

    (batch, frames, hidden) → (frames, frames) int32. The row counts the query's frame and the key's
    distance from it, clipped to the distances that have embeddings.
    """

    def __init__(self, config: Wav2Vec2BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.left = config.left_max_position_embeddings
        self.right = config.right_max_position_embeddings

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        """Returns the rows for as many frames as the states have."""
        frames = tf.range(size(hidden_states, 1))
        query = frames[:, tf.newaxis]
        distance = tf.clip_by_value(frames - query, -self.left, self.right)
        return query * (self.left + 1 + self.right) + self.left + distance


@keras.saving.register_keras_serializable(PACKAGE)
class RelativeKeyAttention(SelfAttention):
    """Attention with embeddings of distances for keys (Shaw et al., arXiv:1803.02155, equation 4).

    Each query is scored with every embedding, and the scores are then gathered. Rows hold all heads
    at once: gathered one by one they take five times as long (without XLA, on a CPU).
    """

    def __init__(
        self, config: Wav2Vec2BertConfig, hidden_size: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(config, hidden_size, **kwargs)
        distances = config.left_max_position_embeddings + 1 + config.right_max_position_embeddings
        self.distance_embedding = keras.layers.Embedding(
            distances, self.head_size, name="distance_embedding"
        )

    def build(self, input_shape: object = None) -> None:
        """Builds the projections and the weights of positions."""
        super().build()
        self.distance_embedding.build()

    def scores(self, query: tf.Tensor, key: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """Returns the scores by content plus those by distance."""
        batch, frames = size(query, 0), size(query, 2)
        rows = batch * self.heads
        queries = tf.transpose(query, [2, 3, 0, 1])
        queries = tf.reshape(queries, [frames, self.head_size, rows])
        by_distance = tf.matmul(self.distance_embedding.embeddings, queries)
        by_distance = tf.reshape(by_distance, [-1, rows])  # (frames · distances, batch · heads)
        looked_up = tf.transpose(tf.gather(by_distance, positions), [2, 0, 1])
        looked_up = tf.reshape(looked_up, [batch, self.heads, frames, frames])
        return tf.matmul(query, key, transpose_b=True) + looked_up


SCHEMES: dict[str | None, tuple[type[keras.layers.Layer] | None, type[SelfAttention]]] = {
    None: (None, SelfAttention),
    "rotary": (RotaryPositions, RotaryAttention),
    "relative": (RelativePositions, RelativeAttention),
    "relative_key": (RelativeKeyPositions, RelativeKeyAttention),
}
"""By `position_embeddings_type`: the layer of positions, and the attention that uses them."""
