"""A checkpoint → a folder in Hugging Face's format, which this library and PyTorch load.

The checkpoint may be a folder or id in Hugging Face's format, or fairseq's `.pt`; neither torch nor
fairseq is needed. Every tensor is accounted for, and written as it is, one at a time.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wav2vec2_tf.cli.hub_options import add_hub_options, hub_options

from .options import add_source_options, source_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="folder, id on the Hugging Face Hub, or fairseq's .pt file")
    parser.add_argument("out", type=Path, help="folder to make")
    add_source_options(parser)
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    add_hub_options(parser)


def run(args: argparse.Namespace) -> int:
    convert(
        args.source,
        args.out,
        force=args.force,
        **source_options(args),
        **hub_options(args),
    )
    print(f"{args.out}: converted from {args.source}")
    return 0


def convert(
    source: str,
    out: Path,
    *,
    head: str | None = None,
    dictionary: Path | None = None,
    target_lang: str | None = None,
    force: bool = False,
    **hub: Any,
) -> None:
    """See above; `hub` as `from_pretrained` takes it. Raises `UserError`; writes all or nothing."""
    from wav2vec2_tf.utils.files import whole_folder

    from .source import open_source

    with whole_folder(out, replace=force) as beside:
        opened = open_source(
            source, out, head, dictionary=dictionary, target_lang=target_lang, **hub
        )
        opened.write(beside)
