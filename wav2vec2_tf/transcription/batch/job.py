"""A batch job from its inputs to its tables.

A job that was interrupted in any way is resumed by running it again. Each recording has exactly one
row, in OUTPUT/transcripts or in OUTPUT/errors.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path

from wav2vec2_tf.checkpoint.hub import BUNDLED, HubOptions, pinned
from wav2vec2_tf.data.bad_recordings import require_readable
from wav2vec2_tf.data.columns import Columns
from wav2vec2_tf.transcription.batch import pool
from wav2vec2_tf.transcription.batch.inputs import Input, inputs_named
from wav2vec2_tf.transcription.batch.options import BatchOptions, PoolOptions
from wav2vec2_tf.transcription.batch.plan import Plan
from wav2vec2_tf.transcription.batch.store import ShardResult, Store
from wav2vec2_tf.transcription.batch.worker import Job, Model
from wav2vec2_tf.transcription.options import TranscribeOptions
from wav2vec2_tf.transcription.resume import model_identity
from wav2vec2_tf.utils.files import absolute_if_exists
from wav2vec2_tf.utils.progress import ProgressBar
from wav2vec2_tf.utils.version import __version__


@dataclass(frozen=True)
class BatchResult:
    """The outcome of a batch job."""

    folder: Path
    files: int
    """Recordings of the job."""
    transcribed: int
    seconds: float
    """Duration of the transcribed recordings."""
    failed: int
    """Recordings that could not be transcribed; `errors` has the reasons."""
    errors: Path
    shards: int
    resumed_shards: int
    """Shards that an earlier run had completed."""
    speed: float | None
    """Seconds of audio per second in this run; None if nothing was left to do."""


def transcribe_batch(
    recordings: str | PathLike[str],
    output: str | PathLike[str],
    *,
    model: str | PathLike[str] = BUNDLED,
    target_lang: str | None = None,
    options: BatchOptions | None = None,
    transcribe: TranscribeOptions | None = None,
    pool_options: PoolOptions | None = None,
    hub: HubOptions | None = None,
) -> BatchResult:
    """Transcribes a collection of recordings into tables, or resumes a job that was interrupted.

    Args:
        recordings: a corpus, pattern or file; see `inputs_named`.
        output: the folder of the job.
        model: see `Recognizer.load`; all machines must see it under the same name.
        target_lang: the language, for models with an adapter for each (MMS).
        options: what is written.
        transcribe: how recordings are cut, computed and decoded.
        pool_options: the workers.
        hub: how the model is fetched from the Hugging Face Hub.

    Raises:
        UserError: an input or option is wrong, Ray is not installed, `output` holds another job or
            other files, the workers cannot do their work, or recordings cannot be read and
            `options.skip_bad` is False.
    """
    pool.require_ray()
    options, workers = options or BatchOptions(), pool_options or PoolOptions()
    job_model = _for_any_machine(
        Model(str(model), target_lang, hub or HubOptions(), transcribe or TranscribeOptions())
    )
    store = Store(Path(output).expanduser().absolute(), options.format)
    columns = Columns(audio_column=options.audio_column)
    named = partial(inputs_named, str(recordings), columns, options.split)
    if options.skip_bad is False:
        require_readable(str(recordings), ((one.id, one.samples) for one in named()))
    with store.locked():
        plan = _plan(named, job_model, options, store)
        done = {
            shard.number: result
            for shard in plan.shards
            if (result := store.result(shard.number)) is not None
        }
        resumed, speed = len(done), None
        waiting = [shard.number for shard in plan.shards if shard.number not in done]
        if waiting:
            with pool.session(workers) as size, _Progress(plan, done) as progress:
                job = Job(store, job_model, secrets.token_hex(4), size.threads)
                for number, result in pool.transcribe(job, waiting, size):
                    done[number] = result
                    progress.update(number, result)
                speed = progress.speed
        results = [done[shard.number] for shard in plan.shards]
        store.finish(results)
    return BatchResult(
        folder=store.folder,
        files=plan.files,
        transcribed=sum(result.transcribed for result in results),
        seconds=sum(result.seconds for result in results),
        failed=sum(len(result.errors) for result in results),
        errors=store.errors,
        shards=len(plan.shards),
        resumed_shards=resumed,
        speed=speed,
    )


def _for_any_machine(model: Model) -> Model:
    """Returns the model as workers that may run anywhere find it: by absolute paths, one commit."""
    search = model.options.beam_search.with_absolute_paths()
    processor = model.options.processor and absolute_if_exists(model.options.processor)
    options = replace(model.options, beam_search=search, processor=processor)
    commit = pinned(model.source, model.hub, adapter=model.target_lang).revision
    hub = replace(model.hub, revision=commit)
    return replace(model, source=absolute_if_exists(model.source), options=options, hub=hub)


def _plan(
    named: Callable[[], Iterator[Input]], model: Model, options: BatchOptions, store: Store
) -> Plan:
    """Returns the plan of an earlier run if it has the same identity, or makes one."""
    identity = {
        "model": model_identity(
            model.source, model.target_lang, model.hub, model.options.processor
        ),
        "decoding": model.options.beam_search.identity(),
        "--format": options.format,
        "--vad": model.options.vad,
        "--window": model.options.window,
        "version of this program": __version__,
    }
    if model.options.keep_special_tokens:
        identity["--keep-special-tokens"] = True
    if options.shard_files is not None:
        identity["--shard-files"] = options.shard_files
    if options.overwrite:
        if sum(1 for _ in named()):  # raises before anything is removed
            store.clear()
    elif plan := Plan.read(store.job):
        plan.require(identity, named())
        plan.restore(named())
        return plan
    return Plan.make(store.job, named(), identity, shard_files=options.shard_files)


class _Progress:
    """The progress bar of a job. The time left is estimated from bytes, which the plan has."""

    def __init__(self, plan: Plan, done: Mapping[int, ShardResult]) -> None:
        self._plan = plan
        self._files = sum(plan.shards[number].files for number in done)
        self._seconds_before = sum(result.seconds for result in done.values())
        self._seconds = 0.0  # of audio, in this run
        self._started = time.monotonic()
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
    def speed(self) -> float:
        """Seconds of audio per second in this run."""
        return self._seconds / (time.monotonic() - self._started)

    def update(self, number: int, result: ShardResult) -> None:
        """Shows that a shard is complete."""
        shard = self._plan.shards[number]
        self._files += shard.files
        self._seconds += result.seconds
        hours = (self._seconds_before + self._seconds) / 3600
        speed = f"{self.speed:.1f} × real time"
        shown = f"{self._files}/{self._plan.files} files, {hours:.2f} h of audio, {speed}"
        self._bar.update(shard.bytes, shown)

    def __exit__(self, *_: object) -> None:
        self._bar.close()
