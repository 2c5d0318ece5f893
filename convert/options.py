"""Options that several programs share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wav2vec2_tf.cli.hub_options import add_hub_options, hub_options
from wav2vec2_tf.models.config import PUBLISHED_LENGTH

HEAD_OPTIONS = {
    "none": "Model",
    "ctc": "ForCTC",
    "pre-training": "ForPreTraining",
    "sequence-classification": "ForSequenceClassification",
    "frame-classification": "ForAudioFrameClassification",
    "x-vector": "ForXVector",
}
"""`--head` → how the names of transformers' classes end."""


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """What to take of a checkpoint that holds more, or lacks what lies beside it."""
    parser.add_argument(
        "--head",
        choices=HEAD_OPTIONS,
        help="the head to keep; by default what the checkpoint holds, but an export leaves out "
        "that of pre-training",
    )
    parser.add_argument(
        "--dictionary",
        type=Path,
        metavar="FILE",
        help="fairseq's letters; by default dict.ltr.txt beside the .pt file",
    )
    parser.add_argument(
        "--target-lang", metavar="LANG", help="the language to keep, of MMS models with one each"
    )


def source_options(args: argparse.Namespace) -> dict[str, Any]:
    """As `source.open_source` takes them."""
    return {"head": args.head, "dictionary": args.dictionary, "target_lang": args.target_lang}


def length(text: str) -> int | None:
    """`--length`: samples, or None for "any"."""
    if text == "any":
        return None
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'any' nor a number of samples")
    return int(text)


def add_export_options(
    parser: argparse.ArgumentParser, out: str, default_length: int | None = None
) -> None:
    """What every program that exports a model takes.

    Args:
        out: what OUT is.
        default_length: samples of each row; None for any.
    """
    parser.add_argument("model", help="folder, id on the Hugging Face Hub, or fairseq's .pt file")
    parser.add_argument("out", type=Path, help=out)
    published = default_length == PUBLISHED_LENGTH
    parser.add_argument(
        "--length",
        type=length,
        default=default_length,
        metavar=f"{PUBLISHED_LENGTH}|N|any" if published else "N|any",
        help="samples of each row "
        + ("(default: %(default)s, as published), or any" if published else "(default: any)"),
    )
    parser.add_argument(
        "--log-softmax", action="store_true", help="give log-probabilities in place of logits"
    )
    add_source_options(parser)
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    add_hub_options(parser)


def export_options(args: argparse.Namespace) -> dict[str, Any]:
    """But for the model and OUT."""
    return {
        "length": args.length,
        "log_softmax": args.log_softmax,
        "force": args.force,
        **source_options(args),
        **hub_options(args),
    }


def print_differences(out: Path, differences: dict[str, float]) -> None:
    """What the check in a fresh process found."""
    from wav2vec2_tf.export import check

    print(f"{out}: loaded in a fresh process and compared with the Keras model, max |Δ|")
    for name, difference in differences.items():
        print(f"  {name:24} {difference:.2g} {check.SHARES.get(name, '')}".rstrip())
