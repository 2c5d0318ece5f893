"""Pre-trains a model on speech without transcripts, from a checkpoint or from random weights.

An interrupted run resumes when the same command is started again, and ends with the same weights,
bit for bit.
"""

from __future__ import annotations

import argparse

from wav2vec2_tf.cli.shared import hub_options
from wav2vec2_tf.cli.training import add_training_flags, print_result, training_options
from wav2vec2_tf.training.settings import PretrainOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `wav2vec2-tf pretrain`."""
    parser.epilog = (
        "example: wav2vec2-tf pretrain --model facebook/wav2vec2-base --output run --train speech/ "
        "--steps 10000"
    )
    add_training_flags(parser, PretrainOptions)


def run(args: argparse.Namespace) -> int:
    """Runs `wav2vec2-tf pretrain`, with operations that give the same result each time."""
    options, hub = training_options(PretrainOptions, args), hub_options(args)
    import tensorflow as tf

    from wav2vec2_tf.training.pretrain import pretrain

    tf.config.experimental.enable_op_determinism()
    print_result(pretrain(options, restart=args.restart, hub=hub))
    return 0
