"""Parameters and GFLOPs of a model by part, for one utterance of a given length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2vec2_tf.models.config import (
    Config,
    Data2VecAudioConfig,
    Wav2Vec2BertConfig,
    Wav2Vec2ConformerConfig,
    WaveformConfig,
    WavLMConfig,
    convolved_length,
)
from wav2vec2_tf.utils.errors import UserError

PARTS = (
    ("feature encoder", "feature_extractor."),
    ("feature projection", "feature_projection."),
    ("positional convolution", "encoder.pos_conv_embed."),
    ("transformer", "encoder."),
    ("intermediate feed-forward", "intermediate_ffn."),
    ("adapter", "adapter."),
    ("mask embedding", "masked_spec_embed"),
)
"""Parts, and how the checkpoint's keys of each begin; the first that fits counts."""
HEAD = "head"  # whatever lies outside the base model


@dataclass(frozen=True)
class Part:
    name: str
    parameters: int
    flops: int
    """Of multiplications and additions, two to each product of a convolution or matrix."""


@dataclass(frozen=True)
class Info:
    length: int
    """Samples in."""
    frames: int
    """Frames out."""
    parts: tuple[Part, ...]

    @property
    def parameters(self) -> int:
        return sum(part.parameters for part in self.parts)

    @property
    def flops(self) -> int:
        return sum(part.flops for part in self.parts)


def describe(source: str | Path, length: int, **hub: Any) -> Info:
    """Count a checkpoint's parameters, and the operations on `length` samples."""
    from wav2vec2_tf.models.families import family_of
    from wav2vec2_tf.models.pretrained import open_model

    config, checkpoint = open_model(source, **hub)
    if length < config.samples_of(1):
        raise UserError(
            f"length must be at least one frame, {config.samples_of(1)} samples, got {length}"
        )
    prefix = family_of(config).prefix
    has_prefix = any(key.startswith(prefix) for key in checkpoint)
    parameters = dict.fromkeys((*(name for name, _ in PARTS), HEAD), 0)
    for key, tensor in checkpoint.items():
        below = key.removeprefix(prefix)
        part = next((name for name, start in PARTS if below.startswith(start)), HEAD)
        in_base = not has_prefix or key.startswith(prefix)
        if tensor.dtype.kind != "i":  # a batch norm's number of steps
            parameters[part if in_base else HEAD] += math.prod(tensor.shape)
    work = flops(config, length, ctc="lm_head.weight" in checkpoint)
    parts = (Part(name, count, work.get(name, 0)) for name, count in parameters.items() if count)
    return Info(length, config.frame_length(length), tuple(parts))


def flops(config: Config, length: int, *, ctc: bool) -> dict[str, int]:
    """Operations by part: two to each product of a convolution or matrix, the rest left out.

    Left out, too, are heads other than CTC's and the log-mel features of Wav2Vec2-BERT.
    """
    frames, hidden = config.encoder_frames(length), config.hidden_size
    products = {
        "feature encoder": 0,
        "feature projection": frames * hidden,
        "positional convolution": 0,
        "transformer": config.num_hidden_layers * _layer(config, frames),
        "adapter": _adapter(config, frames) if config.add_adapter else 0,
        HEAD: config.frame_length(length) * config.last_hidden_size * config.vocab_size * ctc,
    }
    if isinstance(config, WaveformConfig):
        products["feature projection"] *= config.conv_dim[-1]
        products["positional convolution"] = _positions(config, frames)
        sizes = zip((1, *config.conv_dim), config.conv_dim, config.conv_kernel, strict=False)
        for (before, after, kernel), count in zip(sizes, config.layer_lengths(length), strict=True):
            products["feature encoder"] += count * before * after * kernel
    if isinstance(config, Wav2Vec2BertConfig):
        products["feature projection"] *= config.feature_projection_input_dim
        if config.use_intermediate_ffn_before_adapter:
            products["intermediate feed-forward"] = 2 * frames * hidden * config.intermediate_size
    return {part: 2 * count for part, count in products.items()}


def _positions(config: WaveformConfig, frames: int) -> int:
    if isinstance(config, Wav2Vec2ConformerConfig):
        return 0  # held, but not used
    kernels = config.num_conv_pos_embeddings
    if isinstance(config, Data2VecAudioConfig):
        kernels *= config.conv_pos_kernel_size
    return frames * config.hidden_size**2 * kernels // config.num_conv_pos_embedding_groups


def _attention(hidden: int, frames: int) -> int:
    """Four projections, the scores, and what they weigh."""
    return 4 * frames * hidden**2 + 2 * frames**2 * hidden


def _layer(config: Config, frames: int) -> int:
    hidden = config.hidden_size
    attention = _attention(hidden, frames)
    feed_forward = 2 * frames * hidden * config.intermediate_size
    if not isinstance(config, Wav2Vec2ConformerConfig | Wav2Vec2BertConfig):
        gates = 8 * frames * hidden if isinstance(config, WavLMConfig) else 0
        width = getattr(config, "adapter_attn_dim", None) or 0  # an adapter for a language
        return attention + feed_forward + gates + 2 * frames * hidden * width
    if config.position_embeddings_type == "relative":
        attention += (2 * frames - 1) * hidden * (hidden + frames)
    elif config.position_embeddings_type == "relative_key":
        assert isinstance(config, Wav2Vec2BertConfig)
        distances = config.left_max_position_embeddings + config.right_max_position_embeddings + 1
        attention += frames * hidden * distances
    convolutions = frames * hidden * (3 * hidden + config.conv_depthwise_kernel_size)
    return attention + 2 * feed_forward + convolutions


def _adapter(config: Config, frames: int) -> int:
    width = config.last_hidden_size
    total = frames * config.hidden_size * width if width != config.hidden_size else 0
    for _ in range(config.num_adapter_layers):
        frames = convolved_length(
            frames + 2 * config.adapter_padding, config.adapter_kernel_size, config.adapter_stride
        )
        convolution = 2 * frames * config.adapter_kernel_size * width**2
        total += convolution
        if isinstance(config, Wav2Vec2BertConfig):  # a layer of a Transformer
            feed_forward = 2 * frames * width * config.intermediate_size
            total += convolution + _attention(width, frames) + feed_forward
    return total
