"""Self-attention of the Conformer encoders, and the ways it knows of positions."""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.models.config import Config, Wav2Vec2BertConfig, Wav2Vec2ConformerConfig
from wav2vec2_tf.models.layers import attend, dense
from wav2vec2_tf.models.lengths import size

ConformerConfig = Wav2Vec2ConformerConfig | Wav2Vec2BertConfig


class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention without positions: its output, and its weights.

    The weights are (batch, heads, frames, frames). Subclasses bring positions in; what they all
    share of them, `positions`, the encoder makes once by the layer beside them in `SCHEMES`.
    """

    def __init__(self, config: Config, hidden_size: int | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.hidden_size = hidden_size or config.hidden_size
        self.heads = config.num_attention_heads
        self.head_size = self.hidden_size // self.heads
        self.linear_q = dense(config, self.hidden_size, "linear_q")
        self.linear_k = dense(config, self.hidden_size, "linear_k")
        self.linear_v = dense(config, self.hidden_size, "linear_v")
        self.linear_out = dense(config, self.hidden_size, "linear_out")
        self.dropout = keras.layers.Dropout(config.attention_dropout)

    def build(self, input_shape: object = None) -> None:
        for projection in (self.linear_q, self.linear_k, self.linear_v, self.linear_out):
            projection.build((None, None, self.hidden_size))

    def positioned(self, hidden_states: tf.Tensor, positions: tf.Tensor | None) -> tf.Tensor:
        """What queries and keys, though not values, are projected from."""
        return hidden_states

    def scores(self, query: tf.Tensor, key: tf.Tensor, positions: tf.Tensor | None) -> tf.Tensor:
        """Of a scaled query and a key, (batch, heads, frames, head_size) each."""
        return tf.matmul(query, key, transpose_b=True)

    def call(
        self,
        hidden_states: tf.Tensor,
        bias: tf.Tensor | None = None,
        positions: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
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


class RotaryPositions(keras.layers.Layer):
    """(batch, frames, hidden) → cosines and sines of each frame's turns, (2, frames, head_size).

    RoFormer, arXiv:2104.09864, section 3.4.2, equation 34.
    """

    def __init__(self, config: ConformerConfig, **kwargs: object) -> None:
        super().__init__(**kwargs)
        head_size = config.hidden_size // config.num_attention_heads
        exponents = np.arange(0, head_size, 2, dtype=np.float32) / np.float32(head_size)
        wavelengths = float(config.rotary_embedding_base) ** exponents.astype(np.float64)
        self.inverse_frequencies = 1 / wavelengths.astype(np.float32)  # rounded as by torch
        # Checkpoints of Wav2Vec2-Conformer hold what is computed here, and theirs is what counts.
        self.in_checkpoint = isinstance(config, Wav2Vec2ConformerConfig)

    def build(self, input_shape: object = None) -> None:
        if self.in_checkpoint:
            self.inv_freq = self.add_weight(
                name="inv_freq",
                shape=self.inverse_frequencies.shape,
                initializer=lambda shape, dtype: tf.constant(self.inverse_frequencies, dtype),
                trainable=False,
                autocast=False,  # angles of late frames need float32
            )

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        frequencies = tf.cast(
            self.inv_freq if self.in_checkpoint else self.inverse_frequencies, tf.float32
        )
        frames = tf.range(size(hidden_states, 1), dtype=tf.float32)
        angles = tf.tile(frames[:, tf.newaxis] * frequencies, [1, 2])
        return tf.cast(tf.stack([tf.cos(angles), tf.sin(angles)]), hidden_states.dtype)


class RotaryAttention(SelfAttention):
    """As transformers has it: the hidden states are turned, before queries and keys are made."""

    def positioned(self, hidden_states: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        batch, frames = size(hidden_states, 0), size(hidden_states, 1)
        heads = tf.reshape(hidden_states, [batch, frames, self.heads, self.head_size])
        first, second = tf.split(heads, 2, axis=-1)
        cosines, sines = tf.unstack(positions[:, :, tf.newaxis])  # (frames, 1, head_size)
        turned = heads * cosines + tf.concat([-second, first], axis=-1) * sines
        return tf.reshape(turned, [batch, frames, self.hidden_size])


class RelativePositions(keras.layers.Layer):
    """(batch, frames, hidden) → sinusoids of distances, (2 · frames, hidden).

    Distances, of the query's frame less the key's, fall from frames - 1 to -frames. They are made
    for any number of frames: `max_source_positions` bounds only what transformers makes beforehand.
    Transformer-XL, arXiv:1901.02860, section 3.3.
    """

    def __init__(self, config: ConformerConfig, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.hidden_size = config.hidden_size
        step = np.float32(-math.log(10_000) / self.hidden_size)
        exponents = np.arange(0, self.hidden_size, 2, dtype=np.float32) * step
        # NumPy's float32 exponential is off by a bit more often than torch's, and the angle of
        # a frame thousands of frames away by thousands of times as much.
        self.frequencies = np.exp(exponents.astype(np.float64)).astype(np.float32)

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        frames = size(hidden_states, 1)
        distances = tf.cast(tf.range(frames - 1, -frames - 1, -1), tf.float32)
        angles = distances[:, tf.newaxis] * self.frequencies
        sinusoids = tf.stack([tf.sin(angles), tf.cos(angles)], axis=-1)
        sinusoids = tf.reshape(sinusoids, [2 * frames, self.hidden_size])
        return tf.cast(sinusoids, hidden_states.dtype)


class RelativeAttention(SelfAttention):
    """Transformer-XL, arXiv:1901.02860, section 3.3: scores (a) + (c), and (b) + (d)."""

    def __init__(self, config: ConformerConfig, name: str) -> None:
        super().__init__(config, name=name)
        self.linear_pos = keras.layers.Dense(self.hidden_size, use_bias=False, name="linear_pos")

    def build(self, input_shape: object = None) -> None:
        super().build()
        self.linear_pos.build((None, self.hidden_size))
        shape = (self.heads, self.head_size)
        self.pos_bias_u = self.add_weight(name="pos_bias_u", shape=shape)
        self.pos_bias_v = self.add_weight(name="pos_bias_v", shape=shape)

    def scores(self, query: tf.Tensor, key: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        def biased(bias: keras.Variable) -> tf.Tensor:
            bias = tf.convert_to_tensor(bias) * self.head_size**-0.5  # as the query is scaled
            return query + bias[:, tf.newaxis]

        distances = tf.reshape(self.linear_pos(positions), [-1, self.heads, self.head_size])
        distances = tf.transpose(distances, [1, 0, 2])  # (heads, 2 · frames, head_size)
        by_distance = tf.matmul(biased(self.pos_bias_v), distances, transpose_b=True)
        return tf.matmul(biased(self.pos_bias_u), key, transpose_b=True) + skewed(by_distance)


def skewed(by_distance: tf.Tensor) -> tf.Tensor:
    """(batch, heads, frames, 2 · frames) scores by distance, as `RelativePositions` orders them,
    → by the key's frame, (batch, heads, frames, frames).

    Row i wants its columns from frames - 1 - i on. Rows read one step shorter than they are each
    begin one further to the left (Transformer-XL, arXiv:1901.02860, appendix B).
    """
    batch, heads, frames = (size(by_distance, axis) for axis in range(3))
    row = 2 * frames - 1
    flat = tf.reshape(by_distance, [batch, heads, frames * (row + 1)])
    flat = flat[:, :, frames - 1 : frames - 1 + frames * row]
    return tf.reshape(flat, [batch, heads, frames, row])[..., :frames]


class RelativeKeyPositions(keras.layers.Layer):
    """(batch, frames, hidden) → for each query and key the row of its score by distance.

    (frames, frames) int32: of the query's frame, and of the key's distance from it, which counts as
    no more than the model has embeddings for.
    """

    def __init__(self, config: Wav2Vec2BertConfig, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.left = config.left_max_position_embeddings
        self.right = config.right_max_position_embeddings

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        frames = tf.range(size(hidden_states, 1))
        query = frames[:, tf.newaxis]
        distance = tf.clip_by_value(frames - query, -self.left, self.right)
        return query * (self.left + 1 + self.right) + self.left + distance


class RelativeKeyAttention(SelfAttention):
    """Shaw et al., arXiv:1803.02155, equation 4, with embeddings for keys alone.

    Each query is scored with every embedding, and the scores are then looked up. Rows of all heads
    at once: looked up one by one they take five times as long (without XLA, on a CPU).
    """

    def __init__(self, config: Wav2Vec2BertConfig, name: str) -> None:
        super().__init__(config, name=name)
        distances = config.left_max_position_embeddings + 1 + config.right_max_position_embeddings
        self.distance_embedding = keras.layers.Embedding(
            distances, self.head_size, name="distance_embedding"
        )

    def build(self, input_shape: object = None) -> None:
        super().build()
        self.distance_embedding.build()

    def scores(self, query: tf.Tensor, key: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
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
"""By `position_embeddings_type`: what makes an encoder's positions, and what attends by them."""
