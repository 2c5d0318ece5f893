"""What runs in each process of the pool: it loads the model once and transcribes shard after
shard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wav2vec2_tf.audio.discover import AudioFile
from wav2vec2_tf.transcription.batch.attempts import Attempt
from wav2vec2_tf.transcription.batch.inputs import Input
from wav2vec2_tf.transcription.batch.plan import Plan
from wav2vec2_tf.transcription.batch.store import Done, Output, row_of
from wav2vec2_tf.transcription.callbacks import FileCallback
from wav2vec2_tf.transcription.options import TranscribeOptions
from wav2vec2_tf.utils.errors import UserError

if TYPE_CHECKING:
    from wav2vec2_tf.checkpoint.hub import HubOptions


@dataclass(frozen=True)
class Model:
    """The model of a job and how it is used: arguments of `Transcriber`."""

    source: str
    target_lang: str | None
    hub: HubOptions
    options: TranscribeOptions


@dataclass(frozen=True)
class Job:
    """All that a worker must know; only this travels to it, and numbers of shards."""

    output: Output
    model: Model
    run: str
    """Tells one run of the job from others."""
    threads: int


class Worker:
    """Called by Ray Data with numbers of shards."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._problem = ""
        use_threads(job.threads)
        try:
            from wav2vec2_tf.transcription.transcriber import Transcriber

            model = job.model
            self._transcriber = Transcriber(
                model.source, model.options, target_lang=model.target_lang, hub=model.hub
            )
            plan = Plan.read(job.output.job)
            if plan is None:
                raise UserError(
                    f"{job.output.folder}: this worker does not see it; all machines of a cluster "
                    "must see the same files by the same names"
                )
            self._plan = plan
        except UserError as error:  # raised in here, Ray would only try again
            self._problem = str(error)

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
        """Transcribe shards: a row for each, with its number and its record, or what kept it from
        being done."""
        numbers = [int(number) for number in batch["shard"]]
        records, problems = zip(*map(self._tried, numbers), strict=True)
        return {"shard": numbers, "record": list(records), "problem": list(problems)}

    def _tried(self, number: int) -> tuple[str, str]:
        try:
            if self._problem:
                raise UserError(self._problem)
            done = self._job.output.done(number) or self._transcribe(number)
        except UserError as error:
            return "", str(error)
        return done.to_json(), ""

    def _transcribe(self, number: int) -> Done:
        inputs = list(self._plan.inputs(number))
        with Attempt(self._job.output.attempts, number, self._job.run) as attempt:
            waiting = _waiting(attempt, inputs)
            for audio, found in self._transcriber.transcribe_files(waiting, _Notes(attempt)):
                place = _place(audio)
                attempt.add(place, row_of(inputs[place], found.duration, found.transcript))
            rows = [attempt.rows[place] for place in sorted(attempt.rows)]
            errors = [
                {"id": inputs[place].id, "path": inputs[place].path, "reason": reason}
                for place, reason in sorted(attempt.reasons.items())
            ]
            return self._job.output.write(number, rows, errors)


def use_threads(threads: int) -> None:
    """Let TensorFlow compute with so many; before it computes anything."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def _waiting(attempt: Attempt, inputs: Sequence[Input]) -> Iterator[AudioFile]:
    """What is still to be transcribed; each knows its place in the shard."""
    for place, one in enumerate(inputs):
        if place not in attempt.rows and place not in attempt.reasons:
            yield AudioFile(one.path, Path(str(place)), attempt.output_of(place))


def _place(audio: AudioFile) -> int:
    return int(audio.relative.name)


class _Notes(FileCallback):
    """Keeps what happens to files in the journal of an attempt."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def reading(self, audio: AudioFile) -> AbstractContextManager[None]:
        return self._attempt.reading(_place(audio))

    def failed(self, audio: AudioFile, error: UserError) -> None:
        self._attempt.fail(_place(audio), str(error).removeprefix(f"{audio.name}: "))
