"""Features → contextual representations: the Transformer of paper section 2, in two norm styles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from wav2vec2_tf.models.activations import activation
from wav2vec2_tf.models.adapters import AttentionAdapter
from wav2vec2_tf.models.config import Config, WaveformConfig
from wav2vec2_tf.models.grouped_conv import same_padded_grouped_conv
from wav2vec2_tf.models.layers import LayerDrop, attend, dense, layer_norm, recomputed
from wav2vec2_tf.models.lengths import attention_bias, silence_padding, size


class EncoderOutput(NamedTuple):
    """States of frames that are not valid are zero."""

    last_hidden_state: tf.Tensor
    """(batch, frames, hidden)"""
    hidden_states: tuple[tf.Tensor, ...] = ()
    """The embedding's and each layer's, each (batch, frames, hidden); empty unless asked for."""
    attentions: tuple[tf.Tensor, ...] = ()
    """Each layer's weights, (batch, heads, frames, frames); empty unless asked for."""


class FeatureProjection(keras.layers.Layer):
    """(batch, frames, channels) features → (batch, frames, hidden), and the features normalised.

    `normalise` is false for the HuBERT models that project the features as they are.
    """

    def __init__(
        self, config: Config, channels: int, normalise: bool = True, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        self.layer_norm = layer_norm(config, "layer_norm") if normalise else None
        self.projection = dense(config, config.hidden_size, "projection")
        self.dropout = keras.layers.Dropout(config.feat_proj_dropout)

    def build(self, input_shape: object = None) -> None:
        if self.layer_norm is not None:
            self.layer_norm.build((None, None, self.channels))
        self.projection.build((None, None, self.channels))

    def call(self, features: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        if self.layer_norm is not None:
            features = self.layer_norm(features)
        return self.dropout(self.projection(features), training=training), features


class PositionalConvEmbedding(keras.layers.Layer):
    """Grouped convolution over time with weight norm; its output is added to its input.

    w = g · v / ‖v‖, the norm taken for each step of the kernel (torch's `weight_norm(dim=2)`).
    """

    def __init__(self, config: WaveformConfig, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.hidden_size, self.kernel_size = config.hidden_size, config.num_conv_pos_embeddings
        self.groups = config.num_conv_pos_embedding_groups
        self.activation = activation(config.feat_extract_activation)

    def build(self, input_shape: object = None) -> None:
        shape = (self.kernel_size, self.hidden_size // self.groups, self.hidden_size)
        self.v = self.add_weight(
            name="v", shape=shape, initializer="glorot_uniform", autocast=False
        )
        self.g = self.add_weight(
            name="g", shape=(self.kernel_size, 1, 1), initializer="ones", autocast=False
        )
        self.bias = self.add_weight(name="bias", shape=(self.hidden_size,), initializer="zeros")

    def kernel(self) -> tf.Tensor:
        """Returns the float32 kernel, (kernel, hidden / groups, hidden)."""
        # In float16 the squares of plausible weights overflow or vanish.
        v, g = tf.cast(self.v, tf.float32), tf.cast(self.g, tf.float32)
        return v * (g * tf.math.rsqrt(tf.reduce_sum(tf.square(v), axis=(1, 2), keepdims=True)))

    def call(
        self, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        hidden_states = silence_padding(hidden_states, frame_mask)
        positions = same_padded_grouped_conv(hidden_states, self.kernel(), self.groups)
        return self.activation(positions + self.bias)


class Attention(keras.layers.Layer):
    """Multi-head self-attention: its output, and its weights, (batch, heads, frames, frames).

    `bias` is added to the scores: (batch, 1, 1, keys) or None.
    """

    def __init__(self, config: Config, index: int = 0, **kwargs: object) -> None:
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

    def position_bias(self, frames: tf.Tensor | int) -> tf.Tensor | None:
        """What all layers share of `score_bias`; asked of the first layer's attention."""
        return None

    def score_bias(
        self, hidden_states: tf.Tensor, position_bias: tf.Tensor | None
    ) -> tf.Tensor | None:
        """What depends on positions, added to the scores: (batch, heads, frames, frames)."""
        return None

    def call(
        self,
        hidden_states: tf.Tensor,
        bias: tf.Tensor | None = None,
        position_bias: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        added = [self.score_bias(hidden_states, position_bias), bias]

        def scores(query: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
            products = tf.matmul(query, key, transpose_b=True)
            return sum((term for term in added if term is not None), products)

        context, weights = attend(
            self.q_proj(hidden_states),
            self.k_proj(hidden_states),
            self.v_proj(hidden_states),
            self.heads,
            scores,
            lambda scores: self.dropout(tf.nn.softmax(scores), training=training),
        )
        return self.out_proj(context), weights


class FeedForward(keras.layers.Layer):
    """Two dense layers; of the config's sizes and activation unless others are given."""

    def __init__(
        self,
        config: Config,
        hidden_size: int | None = None,
        hidden_act: str | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.sizes = (hidden_size or config.hidden_size, config.intermediate_size)
        act = activation(hidden_act or config.hidden_act)
        self.intermediate_dense = dense(config, self.sizes[1], "intermediate_dense", activation=act)
        self.intermediate_dropout = keras.layers.Dropout(config.activation_dropout)
        self.output_dense = dense(config, self.sizes[0], "output_dense")
        self.output_dropout = keras.layers.Dropout(config.hidden_dropout)

    def build(self, input_shape: object = None) -> None:
        self.intermediate_dense.build((None, None, self.sizes[0]))
        self.output_dense.build((None, None, self.sizes[1]))

    def call(self, hidden_states: tf.Tensor, training: bool = False) -> tf.Tensor:
        hidden_states = self.intermediate_dense(hidden_states)
        hidden_states = self.intermediate_dropout(hidden_states, training=training)
        return self.output_dropout(self.output_dense(hidden_states), training=training)


class EncoderLayer(keras.layers.Layer):
    """Attention and feed-forward with residuals; layer norm before them (stable) or after.

    In the stable style an adapter for one language may follow (MMS).
    """

    def __init__(
        self, config: WaveformConfig, attention: Attention, name: str, **kwargs: object
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pre_norm, self.hidden_size = config.do_stable_layer_norm, config.hidden_size
        self.attention = attention
        self.dropout = keras.layers.Dropout(config.hidden_dropout)
        self.layer_norm = layer_norm(config, "layer_norm")
        self.feed_forward = FeedForward(config, name="feed_forward")
        self.final_layer_norm = layer_norm(config, "final_layer_norm")
        self.adapter_layer = (
            AttentionAdapter(config, name="adapter_layer")
            if config.adapter_attn_dim is not None and self.pre_norm
            else None
        )

    def build(self, input_shape: object = None) -> None:
        self.attention.build()
        self.layer_norm.build((None, None, self.hidden_size))
        self.feed_forward.build()
        self.final_layer_norm.build((None, None, self.hidden_size))
        if self.adapter_layer is not None:
            self.adapter_layer.build()

    def call(
        self,
        hidden_states: tf.Tensor,
        bias: tf.Tensor | None = None,
        position_bias: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        attended = self.layer_norm(hidden_states) if self.pre_norm else hidden_states
        attended, weights = self.attention(attended, bias, position_bias, training=training)
        hidden_states += self.dropout(attended, training=training)
        if not self.pre_norm:
            hidden_states = self.layer_norm(hidden_states)
            hidden_states += self.feed_forward(hidden_states, training=training)
            return self.final_layer_norm(hidden_states), weights
        normed = self.final_layer_norm(hidden_states)
        hidden_states += self.feed_forward(normed, training=training)
        if self.adapter_layer is not None:
            hidden_states += self.adapter_layer(hidden_states)
        return hidden_states, weights


class Encoder(keras.layers.Layer):
    """(batch, frames, hidden) → `EncoderOutput`. `frame_mask` is true for valid frames.

    Attributes:
        gradient_checkpointing: compute the layers' inner values again for the gradient; see
            `layers.recomputed`.

    In the stable style the last state is normed and the layers' are not, as in transformers.
    """

    gradient_checkpointing = False

    def __init__(
        self,
        config: WaveformConfig,
        positions: Callable[..., keras.layers.Layer] = PositionalConvEmbedding,
        attention: type[Attention] = Attention,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.pre_norm, self.hidden_size = config.do_stable_layer_norm, config.hidden_size
        self.pos_conv_embed = positions(config, name="pos_conv_embed")
        self.layer_norm = layer_norm(config, "layer_norm")
        self.dropout = keras.layers.Dropout(config.hidden_dropout)
        self.layers = [
            EncoderLayer(config, attention(config, index, name="attention"), f"layers_{index}")
            for index in range(config.num_hidden_layers)
        ]
        self.layer_drop = LayerDrop(config.layerdrop)

    def build(self, input_shape: object = None) -> None:
        self.pos_conv_embed.build()
        self.layer_norm.build((None, None, self.hidden_size))
        for layer in self.layers:
            layer.build()

    def call(
        self,
        hidden_states: tf.Tensor,
        frame_mask: tf.Tensor | None = None,
        training: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> EncoderOutput:
        hidden_states = silence_padding(hidden_states, frame_mask)
        hidden_states += self.pos_conv_embed(hidden_states, frame_mask, training=training)
        if not self.pre_norm:
            hidden_states = self.layer_norm(hidden_states)
        hidden_states = self.dropout(hidden_states, training=training)
        bias = attention_bias(frame_mask, hidden_states.dtype)
        position_bias = None
        if self.layers:
            position_bias = self.layers[0].attention.position_bias(size(hidden_states, 1))
        output = run_layers(
            self.layers,
            hidden_states,
            (bias, position_bias),
            self.layer_drop,
            training,
            output_hidden_states,
            output_attentions,
            self.gradient_checkpointing,
        )
        return finished(output, self.layer_norm if self.pre_norm else None, frame_mask)


def run_layers(
    layers: Sequence[keras.layers.Layer],
    hidden_states: tf.Tensor,
    context: tuple[tf.Tensor | None, ...],
    layer_drop: LayerDrop,
    training: bool,
    output_hidden_states: bool,
    output_attentions: bool,
    gradient_checkpointing: bool = False,
) -> EncoderOutput:
    """One layer after another, each given `context` as well, with what is asked for kept."""
    states, attentions = [hidden_states] if output_hidden_states else [], []
    for layer in layers:
        if gradient_checkpointing and training:
            after, weights = recomputed(layer, hidden_states, context, training)
        else:
            after, weights = layer(hidden_states, *context, training=training)
        hidden_states = layer_drop(after, hidden_states, training=training)
        if output_hidden_states:
            states.append(hidden_states)
        if output_attentions:
            attentions.append(weights)
    return EncoderOutput(hidden_states, tuple(states), tuple(attentions))


def finished(
    output: EncoderOutput, norm: keras.layers.Layer | None, frame_mask: tf.Tensor | None
) -> EncoderOutput:
    """With the last state normed, and every state silent where it is not valid."""
    last = output.last_hidden_state if norm is None else norm(output.last_hidden_state)
    return EncoderOutput(
        silence_padding(last, frame_mask),
        tuple(silence_padding(state, frame_mask) for state in output.hidden_states),
        output.attentions,
    )
