"""The encoder of Wav2Vec2-Conformer and Wav2Vec2-BERT: Conformer blocks (arXiv:2005.08100).

Wav2Vec2-Conformer is fairseq's (arXiv:2010.05171); Wav2Vec2-BERT is the speech encoder of
Seamless (arXiv:2312.05187), with causal convolutions. Their configs say where they differ.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wav2vec2_tf.models.activations import activation, gated
from wav2vec2_tf.models.batch_norm import BatchNorm
from wav2vec2_tf.models.config import ConformerConfig
from wav2vec2_tf.models.conformer_attention import SCHEMES
from wav2vec2_tf.models.layers import PACKAGE, ConfigLayer, LayerDrop, layer_norm
from wav2vec2_tf.models.lengths import attention_bias, silence_padding, size
from wav2vec2_tf.models.positions import PositionalConvEmbedding
from wav2vec2_tf.models.transformer import EncoderOutput, FeedForward, finished, run_layers


@keras.saving.register_keras_serializable(PACKAGE)
class PointwiseConv(keras.layers.Layer):
    """A convolution over one frame: (batch, frames, channels) → (batch, frames, filters).

    The kernel is (1, channels, filters), as in checkpoints; there is no bias.
    """

    def __init__(self, channels: int, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels, self.filters = channels, filters

    def build(self, input_shape: object = None) -> None:
        """Creates the kernel."""
        shape = (1, self.channels, self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_normal")

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's arguments."""
        return {**super().get_config(), "channels": self.channels, "filters": self.filters}

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        """Returns the product of each frame with the kernel."""
        return tf.matmul(hidden_states, self.kernel[0])


@keras.saving.register_keras_serializable(PACKAGE)
class DepthwiseConv(keras.layers.Layer):
    """A convolution of each channel over time: (batch, frames, channels) → the same shape.

    The kernel is (kernel_size, 1, channels). Blocks of frames are multiplied with a Toeplitz matrix
    of the kernel. TensorFlow's own depthwise convolution is 4 times as fast without XLA but 3 to 10
    times slower compiled by it, and sums of shifted products are 4 times faster compiled but slower
    in gradients and without XLA.

    Args:
        channels: channels of input and output.
        kernel_size: frames of the kernel, an odd number.
        causal: whether a frame sees no later one.
        **kwargs: as in `keras.layers.Layer`.
    """

    def __init__(
        self, channels: int, kernel_size: int, causal: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.kernel_size, self.causal = channels, kernel_size, causal
        self.before = kernel_size - 1 if causal else (kernel_size - 1) // 2

    def build(self, input_shape: object = None) -> None:
        """Creates the kernel."""
        shape = (self.kernel_size, 1, self.channels)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_normal")

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's arguments."""
        sizes = {"channels": self.channels, "kernel_size": self.kernel_size}
        return {**super().get_config(), **sizes, "causal": self.causal}

    def _toeplitz(self) -> tf.Tensor:
        """Returns the weights of two blocks' frames in one's, (channels, block, 2 · block).

        The kernel followed by zeros is repeated with a period one step longer than a row, so that
        each row begins one step further to the right.
        """
        block = self.kernel_size
        kernel = tf.transpose(tf.convert_to_tensor(self.kernel)[:, 0])
        row = tf.pad(kernel, [[0, 0], [0, block + 1]])  # (channels, 2 · block + 1)
        rows = tf.tile(row, [1, block])[:, : 2 * block * block]
        return tf.reshape(rows, [self.channels, block, 2 * block])

    def call(self, hidden_states: tf.Tensor) -> tf.Tensor:
        """Returns the convolved frames."""
        batch, frames = size(hidden_states, 0), size(hidden_states, 1)
        block = self.kernel_size
        blocks = -(-frames // block) + 1
        after = blocks * block - frames - self.before
        padded = tf.pad(hidden_states, [[0, 0], [self.before, after], [0, 0]])
        padded = tf.transpose(padded, [0, 2, 1])  # (batch, channels, frames)
        padded = tf.reshape(padded, [batch, self.channels, blocks, block])
        pairs = tf.concat([padded[:, :, :-1], padded[:, :, 1:]], axis=-1)
        convolved = tf.matmul(pairs, self._toeplitz(), transpose_b=True)
        convolved = tf.reshape(convolved, [batch, self.channels, (blocks - 1) * block])
        return tf.transpose(convolved[:, :, :frames], [0, 2, 1])  # (batch, frames, channels)


@keras.saving.register_keras_serializable(PACKAGE)
class ConvolutionModule(ConfigLayer):
    """A gate, a depthwise convolution and a norm (arXiv:2005.08100, section 2.2).

    (batch, frames, hidden) → the same shape. transformers'
    `Wav2Vec2ConformerConvolutionModule`, with batch norm, and `Wav2Vec2BertConvolutionModule`, with
    a causal convolution and layer norm.
    """

    def __init__(self, config: ConformerConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.channels = channels = config.hidden_size
        self.layer_norm = block_norm(config, "layer_norm")
        self.pointwise_conv1 = PointwiseConv(channels, 2 * channels, name="pointwise_conv1")
        self.depthwise_conv = DepthwiseConv(
            channels, config.conv_depthwise_kernel_size, config.conv_causal, name="depthwise_conv"
        )
        self.batch_norm = self.depthwise_layer_norm = None
        if config.conv_norm == "batch":
            self.batch_norm = BatchNorm(channels, name="batch_norm")
        else:
            self.depthwise_layer_norm = block_norm(config, "depthwise_layer_norm")
        self.activation = activation(config.hidden_act)
        self.pointwise_conv2 = PointwiseConv(channels, channels, name="pointwise_conv2")
        self.dropout = keras.layers.Dropout(config.conformer_conv_dropout)

    def build(self, input_shape: object = None) -> None:
        """Builds the layers inside."""
        self.layer_norm.build((None, None, self.channels))
        for convolution in (self.pointwise_conv1, self.depthwise_conv, self.pointwise_conv2):
            convolution.build()
        if self.batch_norm is not None:
            self.batch_norm.build()
        if self.depthwise_layer_norm is not None:
            self.depthwise_layer_norm.build((None, None, self.channels))

    def call(
        self, hidden_states: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        """Returns what is added to the states; padded frames have no influence on others."""
        hidden_states = gated(self.pointwise_conv1(self.layer_norm(hidden_states)))
        hidden_states = self.depthwise_conv(silence_padding(hidden_states, frame_mask))
        if self.batch_norm is not None:
            hidden_states = self.batch_norm(hidden_states, frame_mask, training=training)
        if self.depthwise_layer_norm is not None:
            hidden_states = self.depthwise_layer_norm(hidden_states)
        hidden_states = self.pointwise_conv2(self.activation(hidden_states))
        return self.dropout(hidden_states, training=training)


@keras.saving.register_keras_serializable(PACKAGE)
class ConformerLayer(ConfigLayer):
    """Attention and convolution between half-step feed-forwards (arXiv:2005.08100, section 2.4).

    (batch, frames, hidden) → the same shape. transformers' `Wav2Vec2ConformerEncoderLayer` and
    `Wav2Vec2BertEncoderLayer`.
    """

    def __init__(self, config: ConformerConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.hidden_size = config.hidden_size
        _, attention = SCHEMES[config.position_embeddings_type]
        self.ffn1_layer_norm = block_norm(config, "ffn1_layer_norm")
        self.ffn1 = FeedForward(config, name="ffn1")
        self.self_attn_layer_norm = block_norm(config, "self_attn_layer_norm")
        self.self_attn = attention(config, name="self_attn")
        self.self_attn_dropout = keras.layers.Dropout(config.attention_dropout)
        self.conv_module = ConvolutionModule(config, name="conv_module")
        self.ffn2_layer_norm = block_norm(config, "ffn2_layer_norm")
        self.ffn2 = FeedForward(config, name="ffn2")
        self.final_layer_norm = block_norm(config, "final_layer_norm")

    def build(self, input_shape: object = None) -> None:
        """Builds the layers inside."""
        for part in (self.ffn1, self.self_attn, self.conv_module, self.ffn2):
            part.build()
        for norm in (
            *(self.ffn1_layer_norm, self.self_attn_layer_norm),
            *(self.ffn2_layer_norm, self.final_layer_norm),
        ):
            norm.build((None, None, self.hidden_size))

    def call(
        self,
        hidden_states: tf.Tensor,
        frame_mask: tf.Tensor | None = None,
        bias: tf.Tensor | None = None,
        positions: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns (batch, frames, hidden) states and the weights; see `SelfAttention.call`."""
        normed = self.ffn1_layer_norm(hidden_states)
        hidden_states += 0.5 * self.ffn1(normed, training=training)
        normed = self.self_attn_layer_norm(hidden_states)
        attended, weights = self.self_attn(normed, bias, positions, training=training)
        hidden_states += self.self_attn_dropout(attended, training=training)
        hidden_states += self.conv_module(hidden_states, frame_mask, training=training)
        normed = self.ffn2_layer_norm(hidden_states)
        hidden_states += 0.5 * self.ffn2(normed, training=training)
        return self.final_layer_norm(hidden_states), weights


@keras.saving.register_keras_serializable(PACKAGE)
class ConformerEncoder(ConfigLayer):
    """A stack of `ConformerLayer`s.

    transformers' `Wav2Vec2ConformerEncoder` and `Wav2Vec2BertEncoder`.

    Attributes:
        gradient_checkpointing: whether the layers' inner values are computed again for the
            gradient; see `layers.recomputed`.
    """

    gradient_checkpointing = False

    def __init__(self, config: ConformerConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.hidden_size = config.hidden_size
        positions, _ = SCHEMES[config.position_embeddings_type]
        self.embed_positions = positions and positions(config, name="embed_positions")
        self.dropout = keras.layers.Dropout(config.hidden_dropout)
        self.layers = [
            ConformerLayer(config, name=f"layers_{index}")
            for index in range(config.num_hidden_layers)
        ]
        self.layer_drop = LayerDrop(config.layerdrop)
        self.pos_conv_embed = None
        if config.stores_positions:
            # Never computed, so not trainable: only kept because checkpoints hold its weights.
            self.pos_conv_embed = PositionalConvEmbedding(
                config,  # type: ignore[arg-type]  # has the fields of WaveformConfig
                name="pos_conv_embed",
                trainable=False,
            )
        self.layer_norm = layer_norm(config, "layer_norm") if config.encoder_norm else None

    def build(self, input_shape: object = None) -> None:
        """Builds the layers inside."""
        if self.embed_positions is not None:
            self.embed_positions.build((None, None, self.hidden_size))
        for layer in self.layers:
            layer.build()
        if self.pos_conv_embed is not None:
            self.pos_conv_embed.build()
        if self.layer_norm is not None:
            self.layer_norm.build((None, None, self.hidden_size))

    def call(
        self,
        hidden_states: tf.Tensor,
        frame_mask: tf.Tensor | None = None,
        training: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> EncoderOutput:
        """Computes contextual representations; see `Encoder.call`."""
        hidden_states = silence_padding(hidden_states, frame_mask)
        positions = None if self.embed_positions is None else self.embed_positions(hidden_states)
        hidden_states = self.dropout(hidden_states, training=training)
        bias = attention_bias(frame_mask, hidden_states.dtype)
        output = run_layers(
            self.layers,
            hidden_states,
            (frame_mask, bias, positions),
            self.layer_drop,
            training,
            output_hidden_states,
            output_attentions,
            self.gradient_checkpointing,
        )
        return finished(output, self.layer_norm, frame_mask)


def block_norm(config: ConformerConfig, name: str) -> keras.layers.LayerNormalization:
    """Returns a layer norm inside a block."""
    return layer_norm(config, name, config.block_norm_eps)
