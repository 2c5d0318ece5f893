"""Shows the parameters and GFLOPs of a model, part by part, for one utterance."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from wav2vec2_tf.cli.programs import positive
from wav2vec2_tf.cli.shared import add_hub_flags, hub_options

LENGTH = 246_000
"""Samples of the published fixed-length models."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `info`."""
    parser.epilog = "example: wav2vec2-tf info facebook/wav2vec2-base-960h --length 160000"
    parser.add_argument("model", help="folder, id on the Hugging Face Hub, .pt file, or bundled")
    parser.add_argument(
        "--length",
        type=positive,
        default=LENGTH,
        metavar="N",
        help="samples of the utterance (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_hub_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Runs `info` and returns 0."""
    from wav2vec2_tf.models.flops import Part, describe

    info = describe(args.model, args.length, **hub_options(args).keywords())
    if args.json:
        totals = {"parameters": info.parameters, "flops": info.flops}
        print(json.dumps({**asdict(info), **totals}, indent=2))
        return 0
    print(f"{info.length} samples → {info.frames} frames")
    print(f"{'part':26}{'M parameters':>14}{'GFLOPs':>12}")
    for part in (*info.parts, Part("all", info.parameters, info.flops)):
        print(f"{part.name:26}{part.parameters / 1e6:14.4f}{part.flops / 1e9:12.3f}")
    return 0
