"""A PyTorch checkpoint in Hugging Face's format → a folder this library loads, without torch.

The result is in Hugging Face's format too: one `model.safetensors`, every tensor accounted for.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wav2vec2_tf.hub_options import add_hub_options, hub_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="folder, or id on the Hugging Face Hub")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument(
        "--head",
        choices=["ctc", "none"],
        help="keep the CTC head or leave it; by default what the checkpoint holds",
    )
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    add_hub_options(parser)


def run(args: argparse.Namespace) -> int:
    convert(args.source, args.out, head=args.head, force=args.force, **hub_options(args))
    print(f"{args.out}: converted from {args.source}")
    return 0


def convert(
    source: str, out: Path, *, head: str | None = None, force: bool = False, **hub: Any
) -> None:
    """See above; `hub` as `from_pretrained` takes it. Raises `UserError`; writes all or nothing."""
    from wav2vec2_tf.files import whole_folder

    from .source import open_source

    with whole_folder(out, replace=force) as beside:
        model, processor, provenance = open_source(source, out, head, **hub)
        model.save_pretrained(beside)
        processor.save_pretrained(beside)
        provenance.save(beside)
