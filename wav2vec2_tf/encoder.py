"""Features → contextual representations: the Transformer of paper section 2, in two norm styles."""

from __future__ import annotations

import keras
import tensorflow as tf

from wav2vec2_tf.activations import activation
from wav2vec2_tf.config import Wav2Vec2Config
from wav2vec2_tf.lengths import attention_bias, silence_padding, size


class FeatureProjection(keras.layers.Layer):
    """(batch, frames, conv channels) features → (batch, frames, hidden)."""

    def __init__(self, config: Wav2Vec2Config, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.channels = config.conv_dim[-1]
        self.layer_norm = layer_norm(config, "layer_norm")
        self.projection = dense(config, config.hidden_size, "projection")
        self.dropout = keras.layers.Dropout(config.feat_proj_dropout)

    def build(self, input_shape: object = None) -> None:
        self.layer_norm.build((None, None, self.channels))
        self.projection.build((None, None, self.channels))

    def call(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.dropout(self.projection(self.layer_norm(features)), training=training)


class PositionalConvEmbedding(keras.layers.Layer):
    """Grouped convolution over time with weight norm; its output is added to its input.

    w = g · v / ‖v‖, the norm taken for each step of the kernel (torch's `weight_norm(dim=2)`).
    One convolution a group: TensorFlow's own grouped convolution fails on builds without oneDNN,
    and is no faster.
    """

    def __init__(self, config: Wav2Vec2Config, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.hidden_size, self.kernel_size = config.hidden_size, config.num_conv_pos_embeddings
        self.groups = config.num_conv_pos_embedding_groups
        self.activation = activation(config.feat_extract_activation)

    def build(self, input_shape: object = None) -> None:
        shape = (self.kernel_size, self.hidden_size // self.groups, self.hidden_size)
        self.v = self.add_weight(name="v", shape=shape, initializer="glorot_uniform")
        self.g = self.add_weight(name="g", shape=(self.kernel_size, 1, 1), initializer="ones")
        self.bias = self.add_weight(name="bias", shape=(self.hidden_size,), initializer="zeros")

    def kernel(self) -> tf.Tensor:
        """(kernel, hidden / groups, hidden)"""
        v = tf.convert_to_tensor(self.v)
        return v * (self.g * tf.math.rsqrt(tf.reduce_sum(tf.square(v), axis=(1, 2), keepdims=True)))

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        left, right = self.kernel_size // 2, (self.kernel_size - 1) // 2
        padded = tf.pad(hidden_states, [[0, 0], [left, right], [0, 0]])
        inputs = tf.split(padded, self.groups, axis=-1)
        kernels = tf.split(self.kernel(), self.groups, axis=-1)
        positions = [tf.nn.conv1d(x, w, 1, "VALID") for x, w in zip(inputs, kernels, strict=True)]
        return self.activation(tf.concat(positions, axis=-1) + self.bias)


class Attention(keras.layers.Layer):
    """Multi-head self-attention. `bias` is added to the scores: (batch, 1, 1, keys) or None."""

    def __init__(self, config: Wav2Vec2Config, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.hidden_size, self.heads = config.hidden_size, config.num_attention_heads
        self.head_size = self.hidden_size // self.heads
        self.q_proj = dense(config, self.hidden_size, "q_proj")
        self.k_proj = dense(config, self.hidden_size, "k_proj")
        self.v_proj = dense(config, self.hidden_size, "v_proj")
        self.out_proj = dense(config, self.hidden_size, "out_proj")
        self.dropout = keras.layers.Dropout(config.attention_dropout)

    def build(self, input_shape: object = None) -> None:
        for projection in (self.q_proj, self.k_proj, self.v_proj, self.out_proj):
            projection.build((None, None, self.hidden_size))

    def call(
        self, hidden_states: tf.Tensor, bias: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        batch, frames = size(hidden_states, 0), size(hidden_states, 1)

        def split_heads(values: tf.Tensor) -> tf.Tensor:
            values = tf.reshape(values, [batch, frames, self.heads, self.head_size])
            return tf.transpose(values, [0, 2, 1, 3])  # (batch, heads, frames, head_size)

        query = split_heads(self.q_proj(hidden_states) * self.head_size**-0.5)
        key = split_heads(self.k_proj(hidden_states))
        value = split_heads(self.v_proj(hidden_states))
        scores = tf.matmul(query, key, transpose_b=True)  # (batch, heads, frames, frames)
        if bias is not None:
            scores += bias
        weights = self.dropout(tf.nn.softmax(scores), training=training)
        context = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])
        return self.out_proj(tf.reshape(context, [batch, frames, self.hidden_size]))


class FeedForward(keras.layers.Layer):
    def __init__(self, config: Wav2Vec2Config, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.sizes = (config.hidden_size, config.intermediate_size)
        self.intermediate_dense = dense(config, config.intermediate_size, "intermediate_dense")
        self.activation = activation(config.hidden_act)
        self.intermediate_dropout = keras.layers.Dropout(config.activation_dropout)
        self.output_dense = dense(config, config.hidden_size, "output_dense")
        self.output_dropout = keras.layers.Dropout(config.hidden_dropout)

    def build(self, input_shape: object = None) -> None:
        self.intermediate_dense.build((None, None, self.sizes[0]))
        self.output_dense.build((None, None, self.sizes[1]))

    def call(self, hidden_states: tf.Tensor, training: bool = False) -> tf.Tensor:
        hidden_states = self.activation(self.intermediate_dense(hidden_states))
        hidden_states = self.intermediate_dropout(hidden_states, training=training)
        return self.output_dropout(self.output_dense(hidden_states), training=training)


class EncoderLayer(keras.layers.Layer):
    """Attention and feed-forward with residuals; layer norm before them (stable) or after."""

    def __init__(self, config: Wav2Vec2Config, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.pre_norm, self.hidden_size = config.do_stable_layer_norm, config.hidden_size
        self.attention = Attention(config, name="attention")
        self.dropout = keras.layers.Dropout(config.hidden_dropout)
        self.layer_norm = layer_norm(config, "layer_norm")
        self.feed_forward = FeedForward(config, name="feed_forward")
        self.final_layer_norm = layer_norm(config, "final_layer_norm")

    def build(self, input_shape: object = None) -> None:
        self.attention.build()
        self.layer_norm.build((None, None, self.hidden_size))
        self.feed_forward.build()
        self.final_layer_norm.build((None, None, self.hidden_size))

    def call(
        self, hidden_states: tf.Tensor, bias: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        attended = self.layer_norm(hidden_states) if self.pre_norm else hidden_states
        attended = self.attention(attended, bias, training=training)
        hidden_states += self.dropout(attended, training=training)
        if self.pre_norm:
            normed = self.final_layer_norm(hidden_states)
            return hidden_states + self.feed_forward(normed, training=training)
        hidden_states = self.layer_norm(hidden_states)
        hidden_states += self.feed_forward(hidden_states, training=training)
        return self.final_layer_norm(hidden_states)


class Encoder(keras.layers.Layer):
    """(batch, frames, hidden) → the last state, and those after the embedding and after each layer.

    `frame_mask` is true for valid frames, (batch, frames); states of other frames come out zero.
    In the stable style the last state is normed and the layers' are not, as in transformers.
    """

    def __init__(self, config: Wav2Vec2Config, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.pre_norm, self.hidden_size = config.do_stable_layer_norm, config.hidden_size
        self.layerdrop = config.layerdrop
        self.pos_conv_embed = PositionalConvEmbedding(config, name="pos_conv_embed")
        self.layer_norm = layer_norm(config, "layer_norm")
        self.dropout = keras.layers.Dropout(config.hidden_dropout)
        self.layers = [
            EncoderLayer(config, name=f"layers_{index}")
            for index in range(config.num_hidden_layers)
        ]
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape: object = None) -> None:
        self.pos_conv_embed.build()
        self.layer_norm.build((None, None, self.hidden_size))
        for layer in self.layers:
            layer.build()

    def call(
        self, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        hidden_states = silence_padding(hidden_states, frame_mask)
        hidden_states += self.pos_conv_embed(hidden_states)
        if not self.pre_norm:
            hidden_states = self.layer_norm(hidden_states)
        hidden_states = self.dropout(hidden_states, training=training)
        bias = attention_bias(frame_mask, hidden_states.dtype)
        states = [hidden_states]
        for layer in self.layers:
            after = layer(hidden_states, bias, training=training)
            if training and self.layerdrop > 0:  # LayerDrop, arXiv:1909.11556
                draw = keras.random.uniform((), seed=self.seed_generator)
                after = tf.where(draw < self.layerdrop, hidden_states, after)
            hidden_states = after
            states.append(hidden_states)
        if self.pre_norm:
            hidden_states = self.layer_norm(hidden_states)
        states = [silence_padding(state, frame_mask) for state in states]
        return silence_padding(hidden_states, frame_mask), states


def dense(config: Wav2Vec2Config, units: int, name: str) -> keras.layers.Dense:
    initializer = keras.initializers.RandomNormal(stddev=config.initializer_range)
    return keras.layers.Dense(units, kernel_initializer=initializer, name=name)


def layer_norm(config: Wav2Vec2Config, name: str) -> keras.layers.LayerNormalization:
    return keras.layers.LayerNormalization(epsilon=config.layer_norm_eps, name=name)
