"""A PyTorch checkpoint in Hugging Face's format → a folder this library loads, without torch.

The result is in Hugging Face's format too: one `model.safetensors`, every tensor accounted for.
"""

from __future__ import annotations

import argparse
import sys
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
    from wav2vec2_tf.auto import family_of
    from wav2vec2_tf.checkpoint.readers import open_checkpoint
    from wav2vec2_tf.files import whole_folder
    from wav2vec2_tf.processor import Processor
    from wav2vec2_tf.provenance import Provenance, hashes, licence_of
    from wav2vec2_tf.sources import resolve
    from wav2vec2_tf.transcribe import fitting_tokenizer

    folder = resolve(source, **hub)
    with whole_folder(out, replace=force) as beside:
        family, checkpoint = family_of(folder), open_checkpoint(folder)
        if head is None:
            head = "ctc" if "lm_head.weight" in checkpoint else "none"
        model = (family.ctc if head == "ctc" else family.base).from_pretrained(folder)
        processor = Processor.from_pretrained(folder)
        if processor.tokenizer is None and head == "ctc":
            print(f"{source} has no vocab.json: there will be no text output", file=sys.stderr)
        elif head == "ctc":
            fitting_tokenizer(folder, model.config, processor)
        model.save_pretrained(beside)
        processor.save_pretrained(beside)
        report = model.load_report
        assert report is not None
        Provenance(
            source=str(source),
            revision=hub.get("revision") or folder.name
            if folder.parent.name == "snapshots"
            else "",
            licence=licence_of(folder),
            sha256=hashes(checkpoint.files),
            seeded=report.seeded,
            ignored=report.ignored,
        ).save(beside)
