"""Parameters and GFLOPs of a model by part, for one utterance of a given length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2vec2_tf.models.config import Config
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
"""Parts, and the prefix of the checkpoint's keys of each; the first that matches counts."""
HEAD = "head"  # everything outside the base model


@dataclass(frozen=True)
class Part:
    """A part of a model."""

    name: str
    parameters: int
    flops: int
    """Multiplications and additions, two for each product of a convolution or matrix."""


@dataclass(frozen=True)
class Info:
    """The size and the cost of a model, for one utterance."""

    length: int
    """Samples of the utterance."""
    frames: int
    """Frames of the output."""
    parts: tuple[Part, ...]

    @property
    def parameters(self) -> int:
        """The parameters of all parts."""
        return sum(part.parameters for part in self.parts)

    @property
    def flops(self) -> int:
        """The operations of all parts."""
        return sum(part.flops for part in self.parts)


def describe(source: str | Path, length: int, **hub: Any) -> Info:
    """Counts a checkpoint's parameters, and its operations on one utterance.

    Args:
        source: a folder, an id on the Hugging Face Hub, or a `.pt` file.
        length: samples of the utterance.
        **hub: as for `checkpoint.hub.resolve`.

    Raises:
        UserError: `length` is too short for one frame, or what `open_model` raises.
    """
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
    """Counts the operations by part: two for each product of a convolution or matrix.

    Normalization, activations, log-mel features, and heads other than CTC's are left out.

    Args:
        config: the model's config.
        length: samples of the utterance.
        ctc: whether the model has a CTC head.
    """
    from wav2vec2_tf.models.families import family_of
    from wav2vec2_tf.models.operations import adapter_frames

    family, frames, hidden = family_of(config), config.encoder_frames(length), config.hidden_size
    products = {
        "feature encoder": 0,
        "feature projection": frames * hidden * config.feature_channels,
        "positional convolution": 0,
        "transformer": config.num_hidden_layers * family.layer_operations(config, frames),
        "adapter": 0,
        HEAD: config.frame_length(length) * config.last_hidden_size * config.vocab_size * ctc,
    }
    if family.feature_operations is not None:
        products["feature encoder"] = family.feature_operations(config, length)
    if family.position_operations is not None:
        products["positional convolution"] = family.position_operations(config, frames)
    if config.use_intermediate_ffn_before_adapter:
        products["intermediate feed-forward"] = 2 * frames * hidden * config.intermediate_size
    if config.add_adapter:
        width = config.last_hidden_size
        projection = frames * hidden * width if width != hidden else 0
        layers = (
            family.adapter_operations(config, count) for count in adapter_frames(config, frames)
        )
        products["adapter"] = projection + sum(layers)
    return {part: 2 * count for part, count in products.items()}
