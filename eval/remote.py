"""`eval wer` on a pool of workers: on all cores, or on a Ray cluster. The figures are the same.

The audio travels, not the names of files: a corpus may be an archive, or lie on one machine only.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from wav2vec2_tf.transcription.batch import pool
from wav2vec2_tf.utils.errors import UserError

from .measure import Engine, Heard, Task, hear

AHEAD = 2  # tasks given to each worker: it computes one and has the next
RESTARTS = 10  # of a worker that was killed


class Worker:
    """Has the model, in a process of its own."""

    def __init__(self, args: argparse.Namespace, threads: int) -> None:
        from wav2vec2_tf.transcription.batch.worker import use_threads

        from .wer import recognizer_of

        use_threads(threads)
        self._recognizer = recognizer_of(args)
        self._called: set[tuple[int, bool]] = set()

    def hear(self, task: Task) -> Heard:
        shape = task.length, task.masked
        first = shape not in self._called
        self._called.add(shape)
        return hear(self._recognizer, task, first=first)


@contextmanager
def engine(args: argparse.Namespace) -> Iterator[Engine]:
    """A pool of workers that compute batches; it ends with the context.

    Raises:
        UserError: there is no Ray, or workers were killed more than `RESTARTS` times.
    """
    with pool.session(args.address, args.workers, args.threads) as size:
        import ray

        actor = ray.remote(
            num_cpus=size.threads,
            num_gpus=size.gpus,
            max_restarts=RESTARTS,
            max_task_retries=RESTARTS,
        )(Worker)
        told = pool.travelling(args)
        workers = [actor.remote(told, size.threads) for _ in range(size.workers)]

        def results(tasks: Iterable[Task]) -> Iterator[tuple[Task, Heard]]:
            waiting: deque[tuple[Task, Any]] = deque()
            for place, task in enumerate(tasks):
                worker = workers[place % len(workers)]
                waiting.append((task, worker.hear.remote(replace(task, group=()))))
                if len(waiting) == AHEAD * len(workers):
                    yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())

        yield results


def _result(task: Task, reference: Any) -> tuple[Task, Heard]:
    import ray

    try:
        return task, ray.get(reference)
    except ray.exceptions.RayError as error:
        raise UserError(
            f"the workers cannot go on ({pool.reason(error)}); the same command goes on from here, "
            "if it was given --json or --work"
        ) from None
