"""Very many recordings → tables of transcripts: on all cores of a machine, or on a Ray cluster.

The same command goes on with a job that ended early, however it ended. Each recording has one row,
in OUTPUT/transcripts or in OUTPUT/errors.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wav2vec2_tf.cli.programs import positive
from wav2vec2_tf.cli.shared import (
    add_model_flags,
    add_transcribe_flags,
    hub_options,
    transcribe_options,
)
from wav2vec2_tf.transcription.batch import pool
from wav2vec2_tf.transcription.batch.store import FORMATS, Done, Output
from wav2vec2_tf.utils.progress import ProgressBar

if TYPE_CHECKING:
    from wav2vec2_tf.transcription.batch.plan import Plan
    from wav2vec2_tf.transcription.batch.worker import Model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `batch`."""
    parser.epilog = "example: wav2vec2-tf batch calls/ transcripts/ --model facebook/mms-1b-all"
    parser.add_argument(
        "input",
        metavar="INPUT",
        help="a manifest (.tsv, .csv, .jsonl or .parquet with a column audio, path or file, and "
        "perhaps id), a folder, or a pattern like 'talks/**/*.mp3'",
    )
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="a folder for the tables")
    add_model_flags(parser)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--format", choices=FORMATS, default=FORMATS[0], help="of the tables (default: %(default)s)"
    )
    output.add_argument(
        "--shard-files",
        type=positive,
        metavar="N",
        help="recordings in a file of transcripts (default: by their size)",
    )
    output.add_argument(
        "--overwrite", action="store_true", help="begin anew; else a job that is there goes on"
    )
    pool.add_arguments(add_transcribe_flags(parser))


def run(args: argparse.Namespace) -> int:
    """Runs `batch`: 0, or 1 if recordings could not be transcribed; raises UserError."""
    from wav2vec2_tf.transcription.batch.worker import Job, Model

    transcribe_options(args)  # raises before anything is started
    pool.require_ray()
    args = pool.travelling(args)
    model = Model(args.model, args.target_lang, hub_options(args), transcribe_options(args))
    output = Output(args.output.expanduser().absolute(), args.format)
    with output.held():
        plan = _plan(args, model, output)
        done = {
            shard.number: found
            for shard in plan.shards
            if (found := output.done(shard.number)) is not None
        }
        if kept := len(done):
            print(f"kept: {kept} of {len(plan.shards)} shards were done", file=sys.stderr)
        speed = ""
        if kept < len(plan.shards):
            with (
                pool.session(args.address, args.workers, args.threads) as size,
                _Progress(plan, done) as progress,
            ):
                job = Job(output, model, secrets.token_hex(4), size.threads)
                waiting = [shard.number for shard in plan.shards if shard.number not in done]
                for number, record in pool.transcribe(job, waiting, size):
                    done[number] = record
                    progress.show(number, record)
                speed = f", {progress.speed}"
        in_order = [done[shard.number] for shard in plan.shards]
        output.finish(in_order)
    hours = sum(part.seconds for part in in_order) / 3600
    transcribed = sum(part.transcribed for part in in_order)
    print(f"{args.output}: {transcribed} of {plan.files} recordings, {hours:.2f} h of audio{speed}")
    if failed := sum(len(part.errors) for part in in_order):
        print(f"{failed} could not be transcribed; why is in {output.errors}", file=sys.stderr)
    return 1 if failed else 0


def _plan(args: argparse.Namespace, model: Model, output: Output) -> Plan:
    """That of an earlier start, if it was of the same job, or else a new one."""
    from wav2vec2_tf.transcription.batch.inputs import inputs_named
    from wav2vec2_tf.transcription.batch.plan import Plan
    from wav2vec2_tf.transcription.resume import model_identity

    identity = {
        "model": model_identity(model.source, model.target_lang, model.hub),
        "decoding": model.options.beam_search.identity(),
        "--format": args.format,
        "--vad": model.options.vad,
        "--window": model.options.window,
    }
    if args.shard_files is not None:
        identity["--shard-files"] = args.shard_files
    if args.overwrite:
        if sum(1 for _ in inputs_named(args.input)):  # bad ones raise before anything is removed
            output.clear()
    elif plan := Plan.read(output.job):
        plan.require(identity, inputs_named(args.input))
        return plan
    return Plan.make(output.job, inputs_named(args.input), identity, shard_files=args.shard_files)


class _Progress:
    """How far a job is. Time left is estimated from bytes, which the plan knows."""

    def __init__(self, plan: Plan, done: Mapping[int, Done]) -> None:
        """Of a job of which that is done."""
        self._plan = plan
        self._files = sum(plan.shards[number].files for number in done)
        self._seconds_before = sum(part.seconds for part in done.values())
        self._seconds = 0.0  # of audio, in this run
        self._begun = time.monotonic()
        self._bar = ProgressBar(
            "batch",
            plan.bytes,
            done=sum(plan.shards[number].bytes for number in done),
            leave=False,
            bar_format="{percentage:3.0f}% {bar:30} {remaining} left{postfix}",
        )

    def __enter__(self) -> _Progress:
        return self

    @property
    def speed(self) -> str:
        """Of this run."""
        return f"{self._seconds / (time.monotonic() - self._begun):.1f} × real time"

    def show(self, number: int, done: Done) -> None:
        """A shard is done."""
        shard = self._plan.shards[number]
        self._files += shard.files
        self._seconds += done.seconds
        hours = (self._seconds_before + self._seconds) / 3600
        shown = f"{self._files}/{self._plan.files} files, {hours:.2f} h of audio, {self.speed}"
        self._bar.update(shard.bytes, shown)

    def __exit__(self, *_: object) -> None:
        self._bar.close()
