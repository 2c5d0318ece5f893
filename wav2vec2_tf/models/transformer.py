"""The Transformer encoder of wav2vec 2.0 (arXiv:2006.11477, section 2), in two norm styles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import keras
import tensorflow as tf

from wav2vec2_tf.models.adapters import AttentionAdapter
from wav2vec2_tf.models.config import Config, WaveformConfig
from wav2vec2_tf.models.layers import (
    PACKAGE,
    ConfigLayer,
    LayerDrop,
    attend,
    dense,
    layer_norm,
    recomputed,
    registered,
)
from wav2vec2_tf.models.lengths import attention_bias, silence_padding, size
from wav2vec2_tf.models.positions import PositionalConvEmbedding
from wav2vec2_tf.models.shared_trace import call_layer


class EncoderOutput(NamedTuple):
    """The states of an encoder; those of padded frames are zero."""

    last_hidden_state: tf.Tensor
    """(batch, frames, hidden)"""
    hidden_states: tuple[tf.Tensor, ...] = ()
    """The input of the first layer and the output of each, (batch, frames, hidden) each.

    Empty unless `output_hidden_states` is true.
    """
    attentions: tuple[tf.Tensor, ...] = ()
    """The weights of each layer, (batch, heads, frames, frames) each.

    Empty unless `output_attentions` is true.
    """


@keras.saving.register_keras_serializable(PACKAGE)
class FeatureProjection(ConfigLayer):
    """A layer norm and a projection: (batch, frames, channels) → (batch, frames, hidden).

    The norm is left out where `feat_proj_layer_norm` is false (some HuBERT models). transformers'
    `Wav2Vec2FeatureProjection`.
    """

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.channels = config.feature_channels
        self.layer_norm = layer_norm(config, "layer_norm") if config.feat_proj_layer_norm else None
        self.projection = dense(config, config.hidden_size, "projection")
        self.dropout = keras.layers.Dropout(config.feat_proj_dropout)

    def build(self, input_shape: object = None) -> None:
        """Builds the layers inside."""
        if self.layer_norm is not None:
            self.layer_norm.build((None, None, self.channels))
        self.projection.build((None, None, self.channels))

    def call(self, features: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the projected features, and the normalized ones before their projection."""
        if self.layer_norm is not None:
            features = self.layer_norm(features)
        return self.dropout(self.projection(features), training=training), features


@keras.saving.register_keras_serializable(PACKAGE)
class Attention(ConfigLayer):
    """Multi-head self-attention (arXiv:1706.03762, section 3.2); transformers' `Wav2Vec2Attention`.

    Args:
        config: the model's config.
        index: the number of the encoder's layer, from 0: a subclass may hold in the first layer
            what all share.
        **kwargs: as in `keras.layers.Layer`.
    """

    def __init__(self, config: Config, index: int = 0, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.index = index
        self.hidden_size, self.heads = config.hidden_size, config.num_attention_heads
        self.head_size = self.hidden_size // self.heads
        self.q_proj = dense(config, self.hidden_size, "q_proj")
        self.k_proj = dense(config, self.hidden_size, "k_proj")
        self.v_proj = dense(config, self.hidden_size, "v_proj")
        self.out_proj = dense(config, self.hidden_size, "out_proj")
        self.dropout = keras.layers.Dropout(config.attention_dropout)

    def build(self, input_shape: object = None) -> None:
        """Builds the layers inside."""
        for projection in (self.q_proj, self.k_proj, self.v_proj, self.out_proj):
            projection.build((None, None, self.hidden_size))

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's arguments."""
        return {**super().get_config(), "index": self.index}

    def position_bias(self, frames: tf.Tensor | int) -> tf.Tensor | None:
        """Returns the part of `score_bias` that all layers share, from the first layer's weights.

        None where there is none.
        """
        return None

    def score_bias(
        self, hidden_states: tf.Tensor, position_bias: tf.Tensor | None
    ) -> tf.Tensor | None:
        """Returns what is added to the scores for positions, (batch, heads, frames, frames).

        Args:
            hidden_states: (batch, frames, hidden), the layer's input.
            position_bias: the result of the first layer's `position_bias`.
        """
        return None

    def call(
        self,
        hidden_states: tf.Tensor,
        bias: tf.Tensor | None = None,
        position_bias: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Attends between frames.

        Args:
            hidden_states: (batch, frames, hidden).
            bias: (batch, 1, 1, keys), added to the scores; see `lengths.attention_bias`.
            position_bias: the result of the first layer's `position_bias`.
            training: whether dropout is applied to the weights.

        Returns:
            The attended states, (batch, frames, hidden), and the weights, (batch, heads, frames,
            frames).
        """
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


@keras.saving.register_keras_serializable(PACKAGE)
class FeedForward(ConfigLayer):
    """Two dense layers: (batch, frames, hidden) → the same shape.

    Args:
        config: the model's config.
        hidden_size: channels of input and output; the config's by default.
        hidden_act: a name in `config.ACTIVATIONS`; the config's by default.
        **kwargs: as in `keras.layers.Layer`.
    """

    def __init__(
        self,
        config: Config,
        hidden_size: int | None = None,
        hidden_act: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, **kwargs)
        self.sizes = (hidden_size or config.hidden_size, config.intermediate_size)
        self.hidden_act = act = hidden_act or config.hidden_act
        self.intermediate_dense = dense(config, self.sizes[1], "intermediate_dense", activation=act)
        self.intermediate_dropout = keras.layers.Dropout(config.activation_dropout)
        self.output_dense = dense(config, self.sizes[0], "output_dense")
        self.output_dropout = keras.layers.Dropout(config.hidden_dropout)

    def build(self, input_shape: object = None) -> None:
        """Builds the layers inside."""
        self.intermediate_dense.build((None, None, self.sizes[0]))
        self.output_dense.build((None, None, self.sizes[1]))

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's arguments."""
        options = {"hidden_size": self.sizes[0], "hidden_act": self.hidden_act}
        return {**super().get_config(), **options}

    def call(self, hidden_states: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the states after both layers."""
        hidden_states = self.intermediate_dense(hidden_states)
        hidden_states = self.intermediate_dropout(hidden_states, training=training)
        return self.output_dropout(self.output_dense(hidden_states), training=training)


@keras.saving.register_keras_serializable(PACKAGE)
class EncoderLayer(ConfigLayer):
    """Attention and feed-forward with residuals, layer norm before them (stable) or after them.

    In the stable style an adapter for one language may follow (MMS). transformers'
    `Wav2Vec2EncoderLayer` and `Wav2Vec2EncoderLayerStableLayerNorm`.

    Args:
        config: the model's config.
        index: the number of the layer, from 0.
        attention: the class of its attention.
        **kwargs: as in `keras.layers.Layer`.
    """

    def __init__(
        self,
        config: WaveformConfig,
        index: int = 0,
        attention: type[Attention] = Attention,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, **kwargs)
        self.pre_norm, self.hidden_size = config.do_stable_layer_norm, config.hidden_size
        self.attention = attention(config, index, name="attention")
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
        """Builds the layers inside."""
        self.attention.build()
        self.layer_norm.build((None, None, self.hidden_size))
        self.feed_forward.build()
        self.final_layer_norm.build((None, None, self.hidden_size))
        if self.adapter_layer is not None:
            self.adapter_layer.build()

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's arguments, the class of the attention by its registered name."""
        name = keras.saving.get_registered_name(type(self.attention))
        return {**super().get_config(), "index": self.attention.index, "attention": name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Returns a new layer with the arguments that `get_config` returned."""
        return super().from_config(registered(config, "attention"))

    def call(
        self,
        hidden_states: tf.Tensor,
        bias: tf.Tensor | None = None,
        position_bias: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the states, (batch, frames, hidden), and the weights; see `Attention.call`."""
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


@keras.saving.register_keras_serializable(PACKAGE)
class Encoder(ConfigLayer):
    """Positions and a stack of `EncoderLayer`s; transformers' `Wav2Vec2Encoder`.

    In the stable style the last state is normalized and those of the layers are not, as in
    transformers (`Wav2Vec2EncoderStableLayerNorm`).

    Args:
        config: the model's config.
        positions: makes the layer whose output is added to the input: a registered class or
            function of the config and a name.
        attention: the class of the layers' attention.
        **kwargs: as in `keras.layers.Layer`.

    Attributes:
        gradient_checkpointing: whether the layers' inner values are computed again for the
            gradient; see `layers.recomputed`.
    """

    gradient_checkpointing = False

    def __init__(
        self,
        config: WaveformConfig,
        positions: Callable[..., keras.layers.Layer] = PositionalConvEmbedding,
        attention: type[Attention] = Attention,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, **kwargs)
        self.registered_names = {
            "positions": keras.saving.get_registered_name(positions),
            "attention": keras.saving.get_registered_name(attention),
        }
        self.pre_norm, self.hidden_size = config.do_stable_layer_norm, config.hidden_size
        self.pos_conv_embed = positions(config, name="pos_conv_embed")
        self.layer_norm = layer_norm(config, "layer_norm")
        self.dropout = keras.layers.Dropout(config.hidden_dropout)
        self.layers = [
            EncoderLayer(config, index, attention, name=f"layers_{index}")
            for index in range(config.num_hidden_layers)
        ]
        self.layer_drop = LayerDrop(config.layerdrop)

    def build(self, input_shape: object = None) -> None:
        """Builds the layers inside."""
        self.pos_conv_embed.build()
        self.layer_norm.build((None, None, self.hidden_size))
        for layer in self.layers:
            layer.build()

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's arguments, classes by their registered names."""
        return {**super().get_config(), **self.registered_names}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Returns a new encoder with the arguments that `get_config` returned."""
        return super().from_config(registered(config, "positions", "attention"))

    def call(
        self,
        hidden_states: tf.Tensor,
        frame_mask: tf.Tensor | None = None,
        training: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> EncoderOutput:
        """Computes contextual representations.

        Args:
            hidden_states: (batch, frames, hidden) projected features.
            frame_mask: (batch, frames), true for valid frames; None if all are.
            training: whether dropout and LayerDrop are applied.
            output_hidden_states: whether the output has the states of every layer.
            output_attentions: whether the output has the attention weights of every layer.

        Returns:
            The states; padded frames have no influence on others, and are zero.
        """
        hidden_states = silence_padding(hidden_states, frame_mask)
        hidden_states += call_layer(
            self.pos_conv_embed, hidden_states, frame_mask, training=training
        )
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
    """Runs an encoder's layers one after another.

    Args:
        layers: layers that map states and `context` to states and attention weights.
        hidden_states: (batch, frames, hidden).
        context: further arguments of each layer.
        layer_drop: skips layers in training.
        training: whether the layers run in training mode.
        output_hidden_states: whether the output has the states of every layer.
        output_attentions: whether the output has the attention weights of every layer.
        gradient_checkpointing: see `layers.recomputed`.

    Returns:
        The last state, and the states and weights that were requested.
    """
    states, attentions = [hidden_states] if output_hidden_states else [], []
    for layer in layers:
        if gradient_checkpointing and training:
            after, weights = recomputed(layer, hidden_states, context, training)
        else:
            after, weights = call_layer(layer, hidden_states, *context, training=training)
        hidden_states = layer_drop(after, hidden_states, training=training)
        if output_hidden_states:
            states.append(hidden_states)
        if output_attentions:
            attentions.append(weights)
    return EncoderOutput(hidden_states, tuple(states), tuple(attentions))


def finished(
    output: EncoderOutput, norm: keras.layers.Layer | None, frame_mask: tf.Tensor | None
) -> EncoderOutput:
    """Returns the output with the last state normalized by `norm`, and padded frames zero."""
    last = output.last_hidden_state if norm is None else norm(output.last_hidden_state)
    return EncoderOutput(
        silence_padding(last, frame_mask),
        tuple(silence_padding(state, frame_mask) for state in output.hidden_states),
        output.attentions,
    )
