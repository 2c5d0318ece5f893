"""The command `wav2vec2-tf` and its sub-commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wav2vec2_tf.cli.start import start

if TYPE_CHECKING:
    import argparse

PROGRAMS = {
    "transcribe": ("cli.transcribe", "audio files → text, subtitles, or words with times"),
    "serve": ("cli.serve", "a server: OpenAI's audio API, and text while the speech arrives"),
    "batch": (
        "cli.batch",
        "very many recordings → tables of transcripts, on all cores or a cluster",
    ),
    "align": (
        "cli.align",
        "a recording and its text → the times of each word and character",
    ),
    "ngram": ("cli.ngram", "text → an n-gram language model, to decode with"),
    "finetune": ("cli.finetune", "transcribed speech → a model of it, with CTC"),
    "info": ("cli.info", "parameters and GFLOPs of a model, part by part"),
    "convert": (
        "convert.__main__",
        "checkpoints and exports: torch, verify, saved-model, package, litert, onnx, openvino",
    ),
    "pretrain": ("cli.pretrain", "speech alone → a model to fine-tune"),
    "shards": ("cli.shards", "corpora → TFRecord shards of speech, to train from"),
    "eval": ("eval.__main__", "measure: wer, long-form, speed, profile, workers, load, soak"),
}


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    import argparse

    from wav2vec2_tf import __version__
    from wav2vec2_tf.cli.programs import add_programs
    from wav2vec2_tf.cli.streams import NATIVE_LOG

    parser = argparse.ArgumentParser(
        prog="wav2vec2-tf",
        description="wav2vec 2.0 for TensorFlow and Keras 3.",
        epilog=f"The environment variable {NATIVE_LOG}=1 shows the log of TensorFlow's C++ code.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    add_programs(parser, "wav2vec2_tf", PROGRAMS)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs a command and returns its exit status."""
    return start(make_parser, argv)
