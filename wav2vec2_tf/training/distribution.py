"""Devices to train on: strategies by name, the share of each replica, and clusters of workers.

The trainer is the same on all of them. `multi-worker` reads the cluster from TF_CONFIG, as
TensorFlow does (tensorflow.org/guide/distributed_training). Workers monitor each other: one that
does not respond for 10 s counts as lost.
"""

from __future__ import annotations

import functools
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from wav2vec2_tf.models.layers import dtype_policy
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import parse_json
from wav2vec2_tf.utils.keras_internals import SEED_STATE_NAME

JOBS = ("chief", "worker")
"""Jobs of a cluster that train, in the order of their replicas."""
log = logging.getLogger(__name__)


@contextmanager
def open_strategy(name: str) -> Iterator[tf.distribute.Strategy]:
    """Makes a strategy to train with; a lost worker stops the others with one clear error.

    Args:
        name: one of `settings.STRATEGIES`.

    Raises:
        UserError: if there is no such cluster or device, or if another worker is lost.
    """
    strategy = make_strategy(name)
    try:
        yield strategy
    # whatever waits for other workers raises what TensorFlow's monitoring of them has found
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError):
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            raise
        raise UserError(
            "another worker was lost, so this one stops: start all workers again to resume from "
            "the last checkpoint"
        ) from None


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Returns a strategy by its name; must be called before anything else of TensorFlow is used.

    Workers wait here for each other.

    Args:
        name: one of `settings.STRATEGIES`.

    Raises:
        UserError: if there is no such cluster or device.
    """
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        return _mirrored(tuple(device.name for device in tf.config.list_logical_devices(kind)))
    return _multi_worker() if name == "multi-worker" else _tpu()


@functools.cache
def _mirrored(devices: Sequence[str]) -> tf.distribute.Strategy:
    """Returns the same strategy at each call.

    A second one would number its reductions like the first, and mix them up.
    """
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def _multi_worker() -> tf.distribute.Strategy:
    try:
        config = parse_json(os.environ["TF_CONFIG"])
        jobs, kind, index = config["cluster"], config["task"]["type"], config["task"]["index"]
        address = jobs[kind][index]
        if kind not in JOBS:
            raise ValueError(kind)
    except (KeyError, ValueError, TypeError, IndexError):
        raise UserError(
            "multi-worker needs the environment variable TF_CONFIG of each worker: "
            '{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
        ) from None
    count = sum(len(jobs.get(job, ())) for job in JOBS)
    log.warning("%s %d of a cluster of %d, at %s", kind, index, count, address)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, tf.errors.OpError) as error:
        raise UserError(
            f"{address}: the workers did not connect ({_first_sentence(error)}): start all of them "
            "again, with the same cluster in TF_CONFIG"
        ) from None
    if threading.current_thread() is threading.main_thread():
        # TensorFlow installs a handler that does not end the process
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return strategy


def _tpu() -> tf.distribute.Strategy:
    try:
        # "local" means the TPUs of this machine, as on a TPU VM
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            os.environ.get("TPU_NAME", "local")
        )
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, OSError, RuntimeError, tf.errors.OpError) as error:
        raise UserError(
            f"no TPU was found ({_first_sentence(error)}): set TPU_NAME to the name of one outside "
            "this machine, or choose another strategy"
        ) from None
    return tf.distribute.TPUStrategy(resolver)


def _first_sentence(error: Exception) -> str:
    """Returns the first sentence of a TensorFlow error's message."""
    text = " ".join(str(getattr(error, "message", error)).split())
    return text.partition(". ")[0].rstrip(".") or "no reason given"


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process writes files: it is the first worker, or the only process."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True
    resolver = strategy.cluster_resolver
    first = next(job for job in JOBS if job in resolver.cluster_spec().jobs)
    return (resolver.task_type, resolver.task_id) == (first, 0)


def own_replicas(context: tf.distribute.InputContext) -> range:
    """Returns the indices of the replicas that an input pipeline feeds: those of its machine."""
    each = context.num_replicas_in_sync // context.num_input_pipelines
    first = context.input_pipeline_id * each
    return range(first, first + each)


def workers_agree(strategy: tf.distribute.Strategy, number: int = 0) -> bool:
    """Waits for all workers, and returns whether each has passed the same number."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True

    @tf.function
    def gathered(own: tf.Tensor) -> tf.Tensor:
        return strategy.gather(strategy.run(tf.identity, args=(own,)), axis=0)

    return bool(tf.reduce_all(gathered(tf.constant([number])) == number))


@contextmanager
def model_scope(strategy: tf.distribute.Strategy, precision: str) -> Iterator[None]:
    """Models made inside are placed on the strategy's devices, with a dtype policy of this name."""
    with strategy.scope(), per_replica_seeds(), dtype_policy(precision):
        yield


@contextmanager
def per_replica_seeds() -> Iterator[None]:
    """Models made inside have random states that each replica sets by itself.

    Keras makes them equal in all replicas, which would then drop out the same units.
    """

    def creator(make: Callable[..., tf.Variable], **options: Any) -> tf.Variable:
        if SEED_STATE_NAME in (options.get("name") or ""):
            options["synchronization"] = tf.VariableSynchronization.ON_READ
            options["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return make(**options)

    with tf.variable_creator_scope(creator):
        yield
