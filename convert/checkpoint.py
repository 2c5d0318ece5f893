"""Converts a checkpoint to a folder in Hugging Face's format, which this library and PyTorch load.

The checkpoint may be a folder or id in Hugging Face's format, or fairseq's `.pt`; neither torch nor
fairseq is needed. Every tensor is accounted for and written unchanged, one at a time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import ConvertOptions, add_convert_flags, convert_options

EXAMPLE = "wav2vec2-tf convert torch facebook/wav2vec2-base-960h build/base-960h"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `convert torch`."""
    add_convert_flags(parser, ConvertOptions, "folder to make", EXAMPLE)


def run(args: argparse.Namespace) -> int:
    """Runs `convert torch`."""
    convert(args.model, args.out, convert_options(ConvertOptions, args))
    print(f"{args.out}: converted from {args.model}")
    return 0


def convert(source: str, out: Path, options: ConvertOptions | None = None) -> None:
    """Converts a checkpoint to a folder in Hugging Face's format; writes all of it or nothing.

        from wav2vec2_tf.convert.checkpoint import ConvertOptions, convert

        convert("facebook/wav2vec2-base-960h", Path("build/base"), ConvertOptions(head="none"))

    Args:
        source: a folder, an id on the Hugging Face Hub or fairseq's `.pt` file.
        out: the folder to make.
        options: see `ConvertOptions`.

    Raises:
        UserError: the checkpoint does not fit its config, or `out` exists.
    """
    from wav2vec2_tf.utils.files import whole_folder

    from .source import open_source

    options = options or ConvertOptions()
    with whole_folder(out, replace=options.force) as beside:
        open_source(source, out, options).write(beside)
