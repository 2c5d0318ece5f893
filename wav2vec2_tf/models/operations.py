"""Multiply-adds of the parts of a model, as functions of its config and its numbers of frames.

Counted are the products of convolutions and matrices. Normalization, activations and the log-mel
features are left out, and so are heads other than CTC's. Which functions count for a family is in
its row of `families`.
"""

from __future__ import annotations

from typing import Any

from wav2vec2_tf.models.config import (
    Config,
    ConformerConfig,
    Data2VecAudioConfig,
    WaveformConfig,
    WavLMConfig,
)
from wav2vec2_tf.models.frame_counts import convolved_length


def waveform_convolutions(config: WaveformConfig, length: int) -> int:
    """Counts the feature encoder's products for `length` samples."""
    sizes = zip((1, *config.conv_dim), config.conv_dim, config.conv_kernel, strict=False)
    lengths = config.layer_lengths(length)
    return sum(
        steps * before * after * kernel
        for (before, after, kernel), steps in zip(sizes, lengths, strict=True)
    )


def convolutional_positions(config: WaveformConfig, frames: int) -> int:
    """Counts the products of one positional convolution."""
    kernels = config.num_conv_pos_embeddings
    return frames * config.hidden_size**2 * kernels // config.num_conv_pos_embedding_groups


def stacked_positions(config: Data2VecAudioConfig, frames: int) -> int:
    """Counts the products of data2vec's stack of positional convolutions."""
    return config.conv_pos_kernel_size * convolutional_positions(config, frames)


def transformer_layer(config: WaveformConfig, frames: int) -> int:
    """Counts the products of a Transformer layer, with its adapter for a language if any."""
    hidden = config.hidden_size
    feed_forward = 2 * frames * hidden * config.intermediate_size
    language_adapter = 2 * frames * hidden * (config.adapter_attn_dim or 0)
    return attention(hidden, frames) + feed_forward + language_adapter


def gated_transformer_layer(config: WavLMConfig, frames: int) -> int:
    """Counts the products of WavLM's layer, which also projects each frame to gates."""
    return transformer_layer(config, frames) + 8 * frames * config.hidden_size


def conformer_layer(config: ConformerConfig, frames: int) -> int:
    """Counts the products of a Conformer block."""
    hidden = config.hidden_size
    feed_forwards = 4 * frames * hidden * config.intermediate_size
    convolutions = frames * hidden * (3 * hidden + config.conv_depthwise_kernel_size)
    attending = attention(hidden, frames) + _distances(config, frames)
    return attending + feed_forwards + convolutions


def _distances(config: Any, frames: int) -> int:
    """Counts the products that score distances, by the config's scheme of positions."""
    if config.position_embeddings_type == "relative":
        return (2 * frames - 1) * config.hidden_size * (config.hidden_size + frames)
    if config.position_embeddings_type == "relative_key":
        distances = config.left_max_position_embeddings + config.right_max_position_embeddings + 1
        return frames * config.hidden_size * distances
    return 0


def attention(hidden: int, frames: int) -> int:
    """Counts the products of four projections, the scores, and the weighted sum of values."""
    return 4 * frames * hidden**2 + 2 * frames**2 * hidden


def adapter_convolution(config: Config, frames: int) -> int:
    """Counts the products of an adapter's gated convolution, for `frames` frames of output."""
    return 2 * frames * config.adapter_kernel_size * config.last_hidden_size**2


def attending_adapter_layer(config: Config, frames: int) -> int:
    """Counts the products of a layer of Wav2Vec2-BERT's adapter, for `frames` frames of output."""
    width = config.last_hidden_size
    feed_forward = 2 * frames * width * config.intermediate_size
    return 2 * adapter_convolution(config, frames) + attention(width, frames) + feed_forward


def adapter_frames(config: Config, frames: int) -> list[int]:
    """Returns the frames after each layer of the adapter."""
    result = []
    for _ in range(config.num_adapter_layers):
        padded = frames + 2 * config.adapter_padding
        frames = convolved_length(padded, config.adapter_kernel_size, config.adapter_stride)
        result.append(frames)
    return result
