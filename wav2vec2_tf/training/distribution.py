"""Devices to train on: a strategy by its name, and the share of the data that each replica has.

The trainer does the same on all of them. `multi-worker` reads the cluster from TF_CONFIG, as
TensorFlow does (tensorflow.org/guide/distributed_training). Workers watch each other: one without
a sign of life for 10 s counts as gone.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from wav2vec2_tf.utils.errors import UserError

JOBS = ("chief", "worker")  # of a cluster, in the order of their replicas
log = logging.getLogger(__name__)


def strategy_of(name: str) -> tf.distribute.Strategy:
    """One of `settings.STRATEGIES`; made before anything else of TensorFlow is used.

    Workers wait here for each other. Raises `UserError` where there is no such cluster or device.
    """
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        return _mirrored(tuple(device.name for device in tf.config.list_logical_devices(kind)))
    return _of_workers() if name == "multi-worker" else _of_tpu()


@functools.cache
def _mirrored(devices: Sequence[str]) -> tf.distribute.Strategy:
    """Always the same one: a second would number its reductions as the first, and mix them up."""
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def _of_workers() -> tf.distribute.Strategy:
    try:
        facts = json.loads(os.environ["TF_CONFIG"])
        jobs, kind, index = facts["cluster"], facts["task"]["type"], facts["task"]["index"]
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
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # which TensorFlow notes, and goes on
    return strategy


def _of_tpu() -> tf.distribute.Strategy:
    try:
        # "local" are the TPUs of this machine, as on a TPU VM
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            os.environ.get("TPU_NAME", "local")
        )
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, OSError, RuntimeError, tf.errors.OpError) as error:
        raise UserError(
            f"no TPU was found ({_first_sentence(error)}): set TPU_NAME to one that is not of this "
            "machine, or choose another strategy"
        ) from None
    return tf.distribute.TPUStrategy(resolver)


def _first_sentence(error: Exception) -> str:
    """Returns the first sentence of an error of TensorFlow."""
    text = " ".join(str(getattr(error, "message", error)).split())
    return text.partition(". ")[0].rstrip(".") or "no reason given"


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes what is written: the first worker, or the only process."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True
    resolver = strategy.cluster_resolver
    first = next(job for job in JOBS if job in resolver.cluster_spec().jobs)
    return (resolver.task_type, resolver.task_id) == (first, 0)


def own_replicas(context: tf.distribute.InputContext) -> range:
    """Which of all replicas a pipeline feeds: those of its machine."""
    each = context.num_replicas_in_sync // context.num_input_pipelines
    first = context.input_pipeline_id * each
    return range(first, first + each)


def meet(strategy: tf.distribute.Strategy, number: int = 0) -> bool:
    """Wait for all workers; whether they came with the same number."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True

    @tf.function
    def numbers(own: tf.Tensor) -> tf.Tensor:
        return strategy.gather(strategy.run(tf.identity, args=(own,)), axis=0)

    found = numbers(tf.constant([number]))
    return bool(tf.reduce_all(found == number))


@contextmanager
def seeds_of_replicas() -> Iterator[None]:
    """Models made inside have random states that each replica sets by itself.

    Keras makes them equal in all, which would then drop out the same units.
    """

    def creator(make: Callable[..., tf.Variable], **options: Any) -> tf.Variable:
        if "seed_generator_state" in (options.get("name") or ""):
            options["synchronization"] = tf.VariableSynchronization.ON_READ
            options["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return make(**options)

    with tf.variable_creator_scope(creator):
        yield


@contextmanager
def peers_may_go(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """A worker that is gone stops the others with one line.

    All that waits for others raises what TensorFlow's watch over them has found.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError):
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            raise
        raise UserError(
            "another worker is gone, so this one stops: start all of them again, and they go on "
            "from the last checkpoint"
        ) from None
