"""Flags and output that the commands `finetune` and `pretrain` share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wav2vec2_tf.cli.flags import add_flags, given
from wav2vec2_tf.cli.shared import add_hub_flags
from wav2vec2_tf.data.bad_recordings import BAD_FILE, left_out
from wav2vec2_tf.training.settings import TrainingOptions

if TYPE_CHECKING:
    from wav2vec2_tf.training.trainer import TrainingResult

Options = TypeVar("Options", bound=TrainingOptions)


def add_training_flags(parser: argparse.ArgumentParser, options: type[TrainingOptions]) -> None:
    """Adds a YAML file of settings, a flag for each of them, and those of the Hugging Face Hub."""
    parser.add_argument(
        "config", type=Path, nargs="?", help="YAML file of settings, which flags override"
    )
    add_flags(parser, options, from_file=True)
    parser.add_argument(
        "--restart", action="store_true", help="delete what an earlier run has left in the output"
    )
    add_hub_flags(parser)


def training_options(options: type[Options], args: argparse.Namespace) -> Options:
    """Returns the options in the YAML file, overridden by the flags that were given."""
    return options.read(args.config, given(options, args))


def print_result(result: TrainingResult) -> None:
    """Prints the folder of the best model, and the last metrics on dev."""
    if not result.is_chief:
        return
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in result.metrics.items())
    print(f"{result.best}: at the end, {metrics} on dev" if metrics else result.best)
    if result.bad:
        print(left_out(len(result.bad), result.best.parent / BAD_FILE), file=sys.stderr)
