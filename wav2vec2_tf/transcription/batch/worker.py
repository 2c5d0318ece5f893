"""A worker process of the pool: loads the model once and transcribes one shard after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wav2vec2_tf.audio.discover import AudioFile
from wav2vec2_tf.checkpoint.hub import HubOptions
from wav2vec2_tf.data.paths import printable
from wav2vec2_tf.transcription.batch.attempts import Attempt
from wav2vec2_tf.transcription.batch.inputs import Input
from wav2vec2_tf.transcription.batch.plan import Plan
from wav2vec2_tf.transcription.batch.store import ShardResult, Store, error_row, row_of
from wav2vec2_tf.transcription.callbacks import FileCallback
from wav2vec2_tf.transcription.options import TranscribeOptions
from wav2vec2_tf.utils.errors import UserError


@dataclass(frozen=True)
class Model:
    """The model of a job and how it is used: the arguments of `Transcriber`."""

    source: str
    target_lang: str | None
    hub: HubOptions
    options: TranscribeOptions


@dataclass(frozen=True)
class Job:
    """All that a worker needs to know; only this and numbers of shards are sent to workers."""

    store: Store
    model: Model
    run: str
    """Distinguishes one run of the job from others."""
    threads: int


class Worker:
    """Transcribes shards: Ray Data makes one in each process and calls it with numbers."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._problem = ""
        use_threads(job.threads)
        from wav2vec2_tf.transcription.transcriber import Transcriber

        model = job.model
        try:
            self._transcriber = Transcriber(
                model.source, model.options, target_lang=model.target_lang, hub=model.hub
            )
            plan = Plan.read(job.store.job)
            if plan is None:
                raise UserError(
                    f"{job.store.folder}: this worker cannot see the folder; all machines of a "
                    "cluster must see the same files under the same names"
                )
            self._plan = plan
        except UserError as error:  # if it were raised here, Ray would start another worker
            self._problem = str(error)

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
        """Transcribes shards.

        Args:
            batch: their numbers, as `shard`.

        Returns:
            One row for each: `shard`, its `result` as JSON, and the `problem` if it has none.
        """
        numbers = [int(number) for number in batch["shard"]]
        results, problems = zip(*map(self._result_or_problem, numbers), strict=True)
        return {"shard": numbers, "result": list(results), "problem": list(problems)}

    def _result_or_problem(self, number: int) -> tuple[str, str]:
        try:
            if self._problem:
                raise UserError(self._problem)
            result = self._job.store.result(number) or self._transcribe(number)
        except UserError as error:
            return "", str(error)
        return result.to_json(), ""

    def _transcribe(self, number: int) -> ShardResult:
        inputs = list(self._plan.inputs(number))
        with Attempt(self._job.store.attempts, number, self._job.run) as attempt:
            waiting = _waiting(attempt, inputs)
            results = self._transcriber.transcribe_files(
                waiting, _Recorder(attempt), in_order=False
            )
            for audio, found in results:
                place = _place(audio)
                attempt.add(place, row_of(inputs[place], found.duration, found.transcript))
            rows = [attempt.rows[place] for place in sorted(attempt.rows)]
            reasons = sorted(attempt.reasons.items())
            errors = [error_row(inputs[place], reason) for place, reason in reasons]
            return self._job.store.write(number, rows, errors)


def use_threads(threads: int) -> None:
    """Limits TensorFlow to so many threads; call it before anything is computed."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def _waiting(attempt: Attempt, inputs: Sequence[Input]) -> Iterator[AudioFile]:
    """Yields the files that have no result yet, each with its place in the shard."""
    for place, one in enumerate(inputs):
        if place not in attempt.rows and place not in attempt.reasons:
            yield AudioFile(one.path, Path(str(place)), stretch=one.stretch)


def _place(audio: AudioFile) -> int:
    return int(audio.relative.name)


class _Recorder(FileCallback):
    """Records in the journal of an attempt which file is read, and which cannot be transcribed."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def reading(self, audio: AudioFile) -> AbstractContextManager[None]:
        return self._attempt.reading(_place(audio))

    def failed(self, audio: AudioFile, error: UserError) -> None:
        self._attempt.fail(_place(audio), printable(str(error).removeprefix(f"{audio.name}: ")))
