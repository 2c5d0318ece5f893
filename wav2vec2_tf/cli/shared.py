"""Groups of flags that several programs have, and the options that they make."""

from __future__ import annotations

import argparse

from wav2vec2_tf.checkpoint.hub import BUNDLED, HubOptions
from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.text.decoding import BeamSearchOptions
from wav2vec2_tf.transcription.options import TranscribeOptions


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Adds `--model` and `--target-lang`."""
    parser.add_argument(
        "--model",
        default=BUNDLED,
        help="folder, SavedModel, .tflite, .onnx or .xml file made by `convert`, Hugging Face id, "
        "fairseq .pt file, or bundled: the small model of this package, trained on 200 words of "
        "synthetic speech (default: %(default)s)",
    )
    parser.add_argument(
        "--target-lang",
        metavar="LANG",
        help="language to transcribe, for MMS models with an adapter for each, such as fra",
    )


def add_hub_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `HubOptions`."""
    add_flags(parser.add_argument_group("Hugging Face Hub"), HubOptions)


def hub_options(args: argparse.Namespace) -> HubOptions:
    """Returns the options that the flags of `add_hub_flags` ask for."""
    return options_from(HubOptions, args)


def add_beam_search_flags(parser: argparse.ArgumentParser, *, n_best: bool = True) -> None:
    """Adds the flags of `BeamSearchOptions`.

    Args:
        parser: the parser of a program.
        n_best: whether there is `--n-best`: not if only the best hypothesis counts.
    """
    switches = "--lm, --lexicon, --hotword, --beam-size" + (" or --n-best" if n_best else "")
    group = parser.add_argument_group(
        "beam search", f"replaces greedy decoding if any of {switches} is given (extra: lm)"
    )
    add_flags(group, BeamSearchOptions, without=() if n_best else ("n_best",))


def beam_search_options(args: argparse.Namespace) -> BeamSearchOptions:
    """Returns the options that the flags of `add_beam_search_flags` ask for."""
    return options_from(BeamSearchOptions, args)


def add_transcribe_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds the flags of `TranscribeOptions` and its beam search, and those of the hub.

    Returns:
        The group "computing", for more flags.
    """
    computing = parser.add_argument_group("computing")
    add_flags(computing, TranscribeOptions)
    add_beam_search_flags(parser)
    add_hub_flags(parser)
    return computing


def transcribe_options(args: argparse.Namespace) -> TranscribeOptions:
    """Returns the options that the flags of `add_transcribe_flags` ask for."""
    return options_from(TranscribeOptions, args, beam_search=beam_search_options(args))
