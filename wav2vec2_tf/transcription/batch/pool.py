"""Ray: one machine's cores by default, or a cluster, and a pool of workers there."""

from __future__ import annotations

import argparse
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

from wav2vec2_tf.cli.programs import positive
from wav2vec2_tf.utils.errors import UserError, first_line

if TYPE_CHECKING:
    from wav2vec2_tf.transcription.batch.store import Done
    from wav2vec2_tf.transcription.batch.worker import Job

THREADS = 4  # of a worker, where there are as many: more are better used by another worker
STORE_BYTES = 80 * 2**20  # Ray's own least: nothing large is ever in it
DEATHS = 10  # of workers in a row while they load the model
STARTS = 3  # of Ray, before it counts as broken
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_worker_niceness": "0",  # by its default of 15, workers starve beside any other program
}
QUIET: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False}
LONGEST_TEMPORARY = 40  # characters: Ray puts sockets below, whose paths may have 107


def add_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--workers", type=positive, metavar="N", help="processes, each with the model"
    )
    group.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help=f"cores for each worker (default: {THREADS}, or what there is)",
    )
    group.add_argument(
        "--address",
        help="of a Ray cluster, as HOST:6379, or auto on one of its machines, which must all see "
        "the same files; by default this machine works alone",
    )


def travelling(args: argparse.Namespace) -> argparse.Namespace:
    """Arguments as workers can use them, who may run anywhere: with absolute names of files."""
    told = {name: value for name, value in vars(args).items() if not callable(value)}
    for name in ("model", "lm", "lexicon"):
        if told.get(name) and (path := Path(told[name]).expanduser()).exists():
            told[name] = str(path.absolute())
    return argparse.Namespace(**told)


@dataclass(frozen=True)
class Size:
    """Of a pool."""

    workers: int
    threads: int
    """Of each worker; what it asks Ray for."""
    gpus: int
    """Of each worker."""

    @classmethod
    def of(cls, cores: int, gpus: int, workers: int | None, threads: int | None) -> Size:
        """As asked for, or else what suits so many cores and GPUs: a worker for each GPU."""
        workers = workers or gpus
        threads = threads or max(1, min(THREADS, cores // (workers or 1)))
        workers = workers or max(1, cores // threads)
        return cls(workers, threads, int(gpus > 0))


@contextmanager
def session(address: str | None, workers: int | None, threads: int | None) -> Iterator[Size]:
    """Ray, and the size of the pool that it is to have; it ends with the context.

    Without an address it is started here, for this process alone: on this machine, behind a
    password, its files in a folder of its own.

    Raises:
        UserError: Ray is not installed or cannot be started, no cluster answers, or none of its
            machines has so many threads.
    """
    require_ray()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if address is None and "ray" not in sys.modules:  # which reads these when it is imported
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    import ray

    with ExitStack() as ending:
        ending.callback(ray.shutdown)
        if address is None:
            size = Size.of(os.cpu_count() or 1, 0, workers, threads)
            folder = _temporary_folder()
            ending.callback(shutil.rmtree, folder, ignore_errors=True)
            _start(folder, size.workers * size.threads)
        else:
            try:
                ray.init(address=address, **QUIET)
            except (OSError, RuntimeError, ValueError) as error:
                raise UserError(
                    f"--address {address}: no Ray cluster answers ({reason(error)})"
                ) from None
        there = ray.cluster_resources()
        size = Size.of(int(there.get("CPU", 1)), int(there.get("GPU", 0)), workers, threads)
        largest = max(node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"])
        if size.threads > largest:
            raise UserError(f"--threads {size.threads}: no machine there has more than {largest:g}")
        yield size


def _start(folder: str, cores: int) -> None:
    """Start Ray on this machine; it gives itself 30 seconds, which a busy one may exceed."""
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
        except Exception as error:  # Ray has no kind of its own for this
            ray.shutdown()
            if start == STARTS:
                raise UserError(f"Ray does not start here ({reason(error)})") from error


def require_ray() -> None:
    """Raise `UserError` where Ray Data is not installed."""
    for name in ("ray", "pyarrow"):
        if importlib.util.find_spec(name) is None:
            raise UserError(f"this needs {name}: pip install 'wav2vec2-tf[batch]'")


def _temporary_folder() -> str:
    usual = tempfile.gettempdir()
    return tempfile.mkdtemp(
        prefix="wav2vec2-ray-", dir="/tmp" if len(usual) > LONGEST_TEMPORARY else usual
    )


def transcribe(job: Job, shards: Sequence[int], size: Size) -> Iterator[tuple[int, Done]]:
    """Have workers transcribe shards; yields each with its record when it is done.

    A worker that dies is replaced, and so is a machine that is lost, if another has room: the shard
    begins again, `attempts.MOST_ATTEMPTS` times at most.

    Raises:
        UserError: a worker cannot do its work.
    """
    import ray.data

    from wav2vec2_tf.transcription.batch.store import Done
    from wav2vec2_tf.transcription.batch.worker import Worker

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # our own messages say it
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
        # idle workers make room for those that lost their machine
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
            yield int(batch["shard"][0]), Done.of(json.loads(str(batch["record"][0])))
    except ray.exceptions.RayError as error:
        raise UserError(
            f"the workers cannot go on ({reason(error)}); the same command goes on from here"
        ) from None


def reason(error: BaseException) -> str:
    """What an error of Ray's says, shortly: of one in a worker, what it was."""
    cause: Any = error
    while isinstance(cause, BaseException):
        error, cause = cause, getattr(cause, "cause", None) or cause.__cause__
    return first_line(error)
