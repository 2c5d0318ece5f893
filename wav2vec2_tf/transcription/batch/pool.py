"""A pool of workers by Ray, on the cores of this machine or on a cluster."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.transcription.batch.options import THREADS, PoolOptions
from wav2vec2_tf.utils.errors import UserError, first_line
from wav2vec2_tf.utils.files import LOCK, remove_leftovers
from wav2vec2_tf.utils.locks import exclusive

if TYPE_CHECKING:
    from wav2vec2_tf.transcription.batch.store import ShardResult
    from wav2vec2_tf.transcription.batch.worker import Job

STORE_BYTES = 80 * 2**20
"""Ray's minimum for its object store, which only ever holds small values."""
DEATHS = 10
"""Workers that may die in a row while they load the model."""
STARTS = 3
"""Attempts to start Ray."""
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_worker_niceness": "0",  # with its default of 15, workers starve beside other programs
}
QUIET: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False}
TEMPORARY_PREFIX = "wav2vec2-ray-"
LONGEST_TEMPORARY = 40
"""Characters of the temporary folder: paths of Ray's sockets below it may have 107."""


@dataclass(frozen=True)
class Size:
    """The size of a pool."""

    workers: int
    threads: int
    """Cores of each worker."""
    gpus: int
    """GPUs of each worker."""

    @classmethod
    def of(cls, cores: int, gpus: int, workers: int | None, threads: int | None) -> Size:
        """Returns the given size, completed for so many cores and GPUs: one worker for each GPU."""
        workers = workers or gpus
        threads = threads or max(1, min(THREADS, cores // (workers or 1)))
        workers = workers or max(1, cores // threads)
        return cls(workers, threads, int(gpus > 0))


@contextmanager
def session(options: PoolOptions) -> Iterator[Size]:
    """Connects to Ray for the duration of the context; yields the size of the pool.

    Without an address, Ray is started on this machine for this process, with a random token and its
    files in a temporary folder.

    Raises:
        UserError: Ray is not installed or cannot be started, no cluster answers, or no machine has
            as many cores as a worker needs.
    """
    require_ray()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    address, workers, threads = options.address, options.workers, options.threads
    if address is None and "ray" not in sys.modules:  # it reads these when it is imported
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    import ray

    with ExitStack() as ending:
        ending.callback(ray.shutdown)
        if address is None:
            size = Size.of(os.cpu_count() or 1, 0, workers, threads)
            folder = ending.enter_context(_temporary_folder())
            _start(folder, size.workers * size.threads)
        else:
            try:
                ray.init(address=address, **QUIET)
            except (OSError, RuntimeError, ValueError) as error:
                raise UserError(
                    f"--address {address}: no Ray cluster answers ({reason(error)}): start "
                    "one with ray start"
                ) from None
        there = ray.cluster_resources()
        size = Size.of(int(there.get("CPU", 1)), int(there.get("GPU", 0)), workers, threads)
        largest = max(node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"])
        if size.threads > largest:
            raise UserError(f"--threads {size.threads}: no machine has more than {largest:g} cores")
        yield size


def _start(folder: str, cores: int) -> None:
    """Starts Ray on this machine. Ray allows 30 seconds, which a busy machine may exceed."""
    import ray

    for start in range(1, STARTS + 1):
        try:
            ray.init(
                num_cpus=cores,
                include_dashboard=False,
                object_store_memory=STORE_BYTES,
                _temp_dir=folder,
                _node_ip_address="127.0.0.1",
                **QUIET,
            )
            return
        except Exception as error:  # Ray has no exception of its own for this
            ray.shutdown()
            if start == STARTS:
                raise UserError(f"Ray cannot be started ({reason(error)})") from error


def require_ray() -> None:
    """Raises `UserError` if Ray Data is not installed."""
    for name in ("ray", "pyarrow"):
        if importlib.util.find_spec(name) is None:
            raise UserError(f"batch jobs need {name}: pip install 'wav2vec2-tf[batch]'")


@contextmanager
def _temporary_folder() -> Iterator[str]:
    """Makes a folder and removes it at the end, and those of sessions that were killed."""
    usual = tempfile.gettempdir()
    place = "/tmp" if len(usual) > LONGEST_TEMPORARY else usual
    remove_leftovers(Path(place), f"{TEMPORARY_PREFIX}*")
    folder = tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=place)
    try:
        with exclusive(Path(folder, LOCK)):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def transcribe(job: Job, shards: Sequence[int], size: Size) -> Iterator[tuple[int, ShardResult]]:
    """Lets workers transcribe shards; yields the number and the result of each as it is complete.

    A worker that dies is replaced, on another machine if its own is lost. Its shard is started
    again, at most `attempts.MOST_ATTEMPTS` times.

    Raises:
        UserError: a worker cannot do its work.
    """
    import ray.data

    from wav2vec2_tf.transcription.batch.store import ShardResult
    from wav2vec2_tf.transcription.batch.worker import Worker

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # replaced by our messages
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_consecutive_actor_init_deaths = DEATHS
    tasks = ray.data.from_items(
        [{"shard": shard} for shard in shards], override_num_blocks=len(shards)
    )
    done = tasks.map_batches(
        Worker,
        fn_constructor_args=[job],
        batch_size=1,
        # idle workers give way to those that lost their machine
        compute=ray.data.ActorPoolStrategy(
            min_size=1,
            initial_size=size.workers,
            max_size=size.workers,
            max_tasks_in_flight_per_actor=1,
        ),
        num_cpus=size.threads,
        num_gpus=size.gpus,
    )
    try:
        for batch in done.iter_batches(batch_size=1, prefetch_batches=0):
            (problem,) = batch["problem"]
            if problem:
                raise UserError(str(problem))
            yield int(batch["shard"][0]), ShardResult.of(json.loads(str(batch["result"][0])))
    except ray.exceptions.RayError as error:
        raise UserError(
            f"the workers failed ({reason(error)}): the same command resumes the job"
        ) from None


def reason(error: BaseException) -> str:
    """Returns the first line of an error of Ray, of the original one if it occurred in a worker."""
    cause: Any = error
    while isinstance(cause, BaseException):
        error, cause = cause, getattr(cause, "cause", None) or cause.__cause__
    return first_line(error)
