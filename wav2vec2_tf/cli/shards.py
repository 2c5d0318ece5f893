"""Writes corpora to TFRecord shards of 16 kHz speech, which training reads without decoding.

A manifest of checksums reveals any damage. The same command goes on with an interrupted run: whole
shards are kept.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.cli.programs import positive
from wav2vec2_tf.data.bad_recordings import BAD_FILE, SKIP_BAD_HELP, left_out, read_bad
from wav2vec2_tf.data.columns import CORPUS_HELP, SPLIT_HELP, Columns
from wav2vec2_tf.data.make_shards import SHARD_SECONDS
from wav2vec2_tf.utils.errors import UserError

if TYPE_CHECKING:
    from wav2vec2_tf.data.shards import Manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `shards`."""
    parser.epilog = "example: wav2vec2-tf shards LibriSpeech/train-clean-100 shards/"
    parser.add_argument(
        "corpora",
        nargs="*",
        metavar="CORPUS",
        help=CORPUS_HELP,
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="folder of the shards")
    parser.add_argument(
        "--check", action="store_true", help="verify hashes and records of OUT; write nothing"
    )
    parser.add_argument(
        "--untranscribed",
        action="store_true",
        help="for pre-training: take only the speech of CORPUS, which may be any folder of audio",
    )
    parser.add_argument("--split", help=SPLIT_HELP)
    add_flags(parser, Columns)
    parser.add_argument("--cache-dir", metavar="DIR", help="where downloaded datasets are kept")
    parser.add_argument("--skip-bad", action="store_true", help=SKIP_BAD_HELP)
    parser.add_argument(
        "--shard-seconds",
        type=positive,
        default=SHARD_SECONDS,
        metavar="N",
        help="speech in a shard (default: %(default)s)",
    )
    parser.add_argument(
        "--processes",
        type=positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that decode at once (default: one a core)",
    )


def run(args: argparse.Namespace) -> int:
    """Runs `shards` and returns 0.

    Raises:
        UserError: a corpus cannot be read, or `--check` finds damage.
    """
    if args.check:
        return _run_check(args)
    if not args.corpora:
        raise UserError("name the corpora and then the folder for their shards, or give --check")
    from wav2vec2_tf.data.corpus import open_corpus
    from wav2vec2_tf.data.make_shards import make

    corpora = [
        open_corpus(
            spec,
            split=args.split,
            cache_dir=args.cache_dir,
            transcribed=not args.untranscribed,
            columns=options_from(Columns, args),
            keep_missing=True,
        )
        for spec in args.corpora
    ]
    manifest = make(
        corpora,
        args.out,
        shard_seconds=args.shard_seconds,
        processes=args.processes,
        skip_bad=args.skip_bad,
    )
    print(f"{args.out}: {_summary(manifest)}")
    if bad := read_bad(args.out):
        print(left_out(len(bad), args.out / BAD_FILE), file=sys.stderr)
    if clipped := sum(shard.clipped for shard in manifest.shards):
        print(f"{clipped} samples were louder than full scale and are clipped", file=sys.stderr)
    return 0


def _run_check(args: argparse.Namespace) -> int:
    from wav2vec2_tf.data.make_shards import check
    from wav2vec2_tf.data.shards import Manifest

    if args.corpora:
        raise UserError("--check takes the folder of shards alone: leave the corpora out")
    if faults := check(args.out, processes=args.processes):
        print("\n".join(faults))
        raise UserError(
            f"{args.out}: {len(faults)} faults; run the command that made the shards to repair them"
        )
    print(f"{args.out}: {_summary(Manifest.read(args.out))}, all whole")
    return 0


def _summary(manifest: Manifest) -> str:
    from wav2vec2_tf.audio import SAMPLE_RATE

    utterances = sum(len(shard.records) for shard in manifest.shards)
    hours = sum(shard.samples for shard in manifest.shards) / SAMPLE_RATE / 3600
    return f"{len(manifest.shards)} shards, {utterances} utterances, {hours:.2f} h"
