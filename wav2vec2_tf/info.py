"""Parameters and GFLOPs of a model by part, for one utterance of a given length."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wav2vec2_tf.config import PUBLISHED_LENGTH
from wav2vec2_tf.errors import UserError
from wav2vec2_tf.hub_options import add_hub_options, hub_options

if TYPE_CHECKING:
    from wav2vec2_tf.config import Wav2Vec2Config

PARTS = (
    ("feature encoder", "feature_extractor."),
    ("feature projection", "feature_projection."),
    ("positional convolution", "encoder.pos_conv_embed."),
    ("transformer", "encoder."),
    ("mask embedding", "masked_spec_embed"),
    ("head", "lm_head."),
)
"""Parts, and how the checkpoint's keys of each begin; the first that fits counts."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="folder, or id on the Hugging Face Hub")
    parser.add_argument(
        "--length", type=int, default=PUBLISHED_LENGTH, help="samples (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    add_hub_options(parser)


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


def run(args: argparse.Namespace) -> int:
    from wav2vec2_tf.sources import resolve

    info = describe(resolve(args.model, **hub_options(args)), args.length)
    if args.json:
        totals = {"parameters": info.parameters, "flops": info.flops}
        print(json.dumps({**asdict(info), **totals}, indent=2))
        return 0
    print(f"{info.length} samples → {info.frames} frames")
    print(f"{'part':24}{'M parameters':>14}{'GFLOPs':>12}")
    for part in (*info.parts, Part("all", info.parameters, info.flops)):
        print(f"{part.name:24}{part.parameters / 1e6:14.4f}{part.flops / 1e9:12.3f}")
    return 0


def describe(folder: Path, length: int) -> Info:
    """Count the checkpoint's parameters, and the operations on `length` samples."""
    from math import prod

    from wav2vec2_tf.checkpoint.readers import open_checkpoint
    from wav2vec2_tf.pretrained import read_config

    config, checkpoint = read_config(folder), open_checkpoint(folder)
    if length < config.samples_of(1):
        raise UserError(f"--length {length}: one frame takes {config.samples_of(1)} samples")
    parameters = dict.fromkeys((name for name, _ in PARTS), 0)
    for key, tensor in checkpoint.items():
        below = key.removeprefix("wav2vec2.")
        part = next((name for name, prefix in PARTS if below.startswith(prefix)), None)
        if part is not None:
            parameters[part] += prod(tensor.shape)
    frames = config.frame_length(length)
    work = flops(config, length, head=parameters["head"] > 0)
    parts = (Part(name, count, work.get(name, 0)) for name, count in parameters.items() if count)
    return Info(length, frames, tuple(parts))


def flops(config: Wav2Vec2Config, length: int, *, head: bool) -> dict[str, int]:
    """Operations by part: two to each product of a convolution or matrix, the rest left out."""
    encoder, channels = 0, 1
    steps = config.layer_lengths(length)
    for size, kernel, count in zip(config.conv_dim, config.conv_kernel, steps, strict=True):
        encoder += count * size * channels * kernel
        channels = size
    frames, hidden = steps[-1], config.hidden_size
    positions = frames * hidden * hidden * config.num_conv_pos_embeddings
    layer = frames * hidden * (4 * hidden + 2 * config.intermediate_size)
    attention = 2 * frames * frames * hidden
    products = {
        "feature encoder": encoder,
        "feature projection": frames * channels * hidden,
        "positional convolution": positions // config.num_conv_pos_embedding_groups,
        "transformer": config.num_hidden_layers * (layer + attention),
        "head": frames * hidden * config.vocab_size if head else 0,
    }
    return {part: 2 * count for part, count in products.items()}
