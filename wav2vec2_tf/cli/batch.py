"""Transcribes a large collection of recordings into tables, on all cores or on a Ray cluster.

Running the same command again resumes a job that was interrupted. Each recording has one row, in
OUTPUT/transcripts or in OUTPUT/errors.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.cli.shared import (
    add_model_flags,
    add_transcribe_flags,
    hub_options,
    transcribe_options,
)
from wav2vec2_tf.data.bad_recordings import left_out
from wav2vec2_tf.transcription.batch.options import BatchOptions, PoolOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `batch`."""
    parser.epilog = "example: wav2vec2-tf batch calls/ transcripts/ --model facebook/mms-1b-all"
    parser.add_argument(
        "input",
        metavar="INPUT",
        help="a manifest (.tsv, .csv, .jsonl, .parquet or NeMo's .json with a column audio, path "
        "or file, and optionally id, offset and duration; fairseq's .tsv), a folder of Common "
        "Voice, AudioFolder or Kaldi, any folder of audio, or a pattern such as 'talks/**/*.mp3'",
    )
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="the folder of the tables")
    add_model_flags(parser)
    add_flags(parser.add_argument_group("output"), BatchOptions)
    add_flags(add_transcribe_flags(parser), PoolOptions)


def run(args: argparse.Namespace) -> int:
    """Runs a job; returns 1 if recordings could not be transcribed, unless with --skip-bad."""
    transcribe, options = transcribe_options(args), options_from(BatchOptions, args)
    from wav2vec2_tf.transcription.batch.job import transcribe_batch

    result = transcribe_batch(
        args.input,
        args.output,
        model=args.model,
        target_lang=args.target_lang,
        options=options,
        transcribe=transcribe,
        pool_options=options_from(PoolOptions, args),
        hub=hub_options(args),
    )
    if kept := result.resumed_shards:
        print(f"kept: {kept} of {result.shards} shards were done", file=sys.stderr)
    speed = "" if result.speed is None else f", {result.speed:.1f} × real time"
    print(
        f"{args.output}: {result.transcribed} of {result.files} recordings, "
        f"{result.seconds / 3600:.2f} h of audio{speed}"
    )
    if result.failed:
        print(left_out(result.failed, result.errors), file=sys.stderr)
    return 1 if result.failed and not options.skip_bad else 0
