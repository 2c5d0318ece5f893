"""`eval wer` on a pool of workers: on all cores, or on a Ray cluster. The results are the same.

Workers are sent the audio and not the names of files: a corpus may be an archive, or be on one
machine only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from wav2vec2_tf.transcription.batch import pool
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import absolute_if_exists

from .batches import Batch, Engine, Transcripts, transcribe
from .inputs import load_recognizer
from .options import EvaluateOptions, PoolOptions

AHEAD = 2  # batches sent to each worker: it computes one and has the next
RESTARTS = 10  # of a worker that was killed


class Worker:
    """Holds the model in a process of its own."""

    def __init__(self, model: str, options: EvaluateOptions, threads: int) -> None:
        """Loads the model."""
        from wav2vec2_tf.transcription.batch.worker import use_threads

        use_threads(threads)
        self._recognizer = load_recognizer(model, options)
        self._called: set[tuple[int, bool]] = set()

    def transcribe(self, batch: Batch) -> Transcripts:
        """Transcribes a batch."""
        shape = batch.length, batch.masked
        first = shape not in self._called
        self._called.add(shape)
        return transcribe(self._recognizer, batch, first=first)


@contextmanager
def ray_engine(model: str, options: EvaluateOptions) -> Iterator[Engine]:
    """Starts a pool of workers that compute batches; it ends with the context.

    Raises:
        UserError: Ray is not installed, or workers were killed more than `RESTARTS` times.
    """
    cluster = options.cluster or PoolOptions()
    with pool.session(cluster) as size:
        import ray

        actor = ray.remote(
            num_cpus=size.threads,
            num_gpus=size.gpus,
            max_restarts=RESTARTS,
            max_task_retries=RESTARTS,
        )(Worker)
        # Workers may run in any folder.
        search = options.beam_search.with_absolute_paths()
        processor = options.processor and absolute_if_exists(options.processor)
        portable = replace(options, beam_search=search, processor=processor)
        arguments = absolute_if_exists(model), portable, size.threads
        workers = [actor.remote(*arguments) for _ in range(size.workers)]

        def results(batches: Iterable[Batch]) -> Iterator[tuple[Batch, Transcripts]]:
            waiting: deque[tuple[Batch, Any]] = deque()
            for place, batch in enumerate(batches):
                worker = workers[place % len(workers)]
                waiting.append((batch, worker.transcribe.remote(replace(batch, utterances=()))))
                if len(waiting) == AHEAD * len(workers):
                    yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())

        yield results


def _result(batch: Batch, reference: Any) -> tuple[Batch, Transcripts]:
    import ray

    try:
        return batch, ray.get(reference)
    except ray.exceptions.RayError as error:
        raise UserError(
            f"the workers failed ({pool.reason(error)}): the same command continues from here if "
            "it was given --json or --work"
        ) from None
