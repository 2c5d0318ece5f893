"""Fine-tunes a model with CTC on transcribed speech, in any language.

An interrupted run resumes when the same command is started again, and ends with the same weights,
bit for bit.
"""

from __future__ import annotations

import argparse

from wav2vec2_tf.cli.shared import hub_options
from wav2vec2_tf.cli.training import add_training_flags, print_result, training_options
from wav2vec2_tf.training.settings import FinetuneOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `wav2vec2-tf finetune`."""
    parser.epilog = (
        "example: wav2vec2-tf finetune --model facebook/wav2vec2-base --output run --train "
        "LibriSpeech/train-clean-100 --dev LibriSpeech/dev-clean --vocabulary transcripts"
    )
    add_training_flags(parser, FinetuneOptions)


def run(args: argparse.Namespace) -> int:
    """Runs `wav2vec2-tf finetune`, with operations that give the same result each time."""
    options, hub = training_options(FinetuneOptions, args), hub_options(args)
    import tensorflow as tf

    from wav2vec2_tf.training.finetune import finetune

    tf.config.experimental.enable_op_determinism()
    print_result(finetune(options, restart=args.restart, hub=hub))
    return 0
