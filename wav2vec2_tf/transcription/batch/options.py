"""Options of batch jobs and of the pool of workers that computes them."""

from __future__ import annotations

from dataclasses import dataclass

from wav2vec2_tf.data.bad_recordings import SKIP_BY_DEFAULT_HELP
from wav2vec2_tf.data.columns import SPLIT_HELP
from wav2vec2_tf.utils.options import check, option

FORMATS = ("parquet", "jsonl")
THREADS = 4
"""Cores of a worker, if there are as many: more are used better by another worker."""


@dataclass(frozen=True, kw_only=True)
class PoolOptions:
    """A pool of worker processes on this machine or on a Ray cluster."""

    workers: int | None = option(
        None,
        minimum=1,
        metavar="N",
        help="worker processes, each with a copy of the model (default: for all cores, or one for "
        "each GPU)",
    )
    threads: int | None = option(
        None,
        minimum=1,
        metavar="N",
        help=f"cores for each worker (default: {THREADS}, or all if there are fewer)",
    )
    address: str | None = option(
        None,
        help="Ray cluster as HOST:6379, or auto on one of its machines; all machines must see the "
        "same files (default: only this machine)",
    )

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """What a batch job reads and writes."""

    audio_column: str | None = option(
        None, metavar="NAME", help="column of the audio in a manifest (default: as for corpora)"
    )
    split: str | None = option(None, help=SPLIT_HELP)
    format: str = option("parquet", choices=FORMATS, help="file format of the tables")
    shard_files: int | None = option(
        None,
        minimum=1,
        metavar="N",
        help="recordings in each file of transcripts (default: by their sizes)",
    )
    skip_bad: bool | None = option(None, help=SKIP_BY_DEFAULT_HELP)
    overwrite: bool = option(False, help="start again; otherwise an existing job is resumed")

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)
