"""Options that several programs share, and their flags."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from wav2vec2_tf.checkpoint.hub import HubOptions, ProcessorOption
from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.cli.shared import add_hub_flags, hub_options
from wav2vec2_tf.models.config import PUBLISHED_LENGTH
from wav2vec2_tf.utils.options import check, option

HEADS = {
    "none": "Model",
    "ctc": "ForCTC",
    "pre-training": "ForPreTraining",
    "sequence-classification": "ForSequenceClassification",
    "frame-classification": "ForAudioFrameClassification",
    "x-vector": "ForXVector",
}
"""Value of `head` → suffix of the names of transformers' classes."""


@dataclass(frozen=True, kw_only=True)
class ConvertOptions(ProcessorOption):
    """How a checkpoint is read, and whether its conversion may replace what is there."""

    head: str | None = option(
        None,
        choices=tuple(HEADS),
        help="the head to keep; by default that of the checkpoint, but exports leave out the head "
        "of pre-training",
    )
    dictionary: Path | None = option(
        None,
        metavar="FILE",
        help="the letters of a fairseq checkpoint; by default dict.ltr.txt beside the .pt file",
    )
    target_lang: str | None = option(
        None,
        metavar="LANG",
        help="the language to keep of an MMS model, which has an adapter for each",
    )
    force: bool = option(False, help="replace OUT if it exists")
    hub: HubOptions = field(default_factory=HubOptions)
    """How a model of the Hugging Face Hub is fetched."""

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)


@dataclass(frozen=True, kw_only=True)
class ExportOptions(ConvertOptions):
    """How a model is exported."""

    length: int | None = option(
        PUBLISHED_LENGTH, minimum=1, help="samples of each row; None for any number"
    )
    log_softmax: bool = option(
        False, help="give log-probabilities in place of logits (for models with a CTC head)"
    )


Options = TypeVar("Options", bound=ConvertOptions)


def add_convert_flags(
    parser: argparse.ArgumentParser,
    options: type[ConvertOptions],
    out: str,
    example: str,
    *,
    without: Collection[str] = (),
) -> None:
    """Adds the arguments of a program that converts a model.

    Args:
        parser: the program's parser.
        options: the program's options.
        out: help text of OUT.
        example: a command line, shown at the end of the help.
        without: fields that get no flag.
    """
    show_example(parser, example)
    parser.add_argument("model", help="folder, id on the Hugging Face Hub, or fairseq's .pt file")
    parser.add_argument("out", type=Path, help=out)
    add_flags(parser, options, without=("length", *without))
    if issubclass(options, ExportOptions):
        default = options().length
        parser.add_argument(
            "--length",
            type=_length,
            default=argparse.SUPPRESS,
            metavar="N|any",
            help=f"samples of each row, or any (default: {default or 'any'}"
            + (", as published)" if default == PUBLISHED_LENGTH else ")"),
        )
    add_hub_flags(parser)


def convert_options(options: type[Options], args: argparse.Namespace) -> Options:
    """Makes the options of a program from its flags."""
    return options_from(options, args, hub=hub_options(args))


def show_example(parser: argparse.ArgumentParser, example: str) -> None:
    """Shows command lines at the end of a program's help, as they are."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"example:\n  {example}"


def print_differences(out: Path, differences: dict[str, float]) -> None:
    """Prints the result of the check in a fresh process."""
    from wav2vec2_tf.export import check

    print(f"{out}: loaded in a fresh process and compared with the Keras model, max |Δ|")
    for name, difference in differences.items():
        print(f"  {name:24} {difference:.2g} {check.SHARES.get(name, '')}".rstrip())


def _length(text: str) -> int | None:
    """Parses `--length`: a number of samples, or None for "any"."""
    if text == "any":
        return None
    if not (text.isascii() and text.isdecimal()) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be 'any' or a number of samples, got {text!r}")
    return int(text)
