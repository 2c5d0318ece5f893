"""Options that several programs share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

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
        help="the head to keep; by default what the checkpoint holds, but a SavedModel leaves out "
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
