"""Devices to train on: a strategy by its name, and the share of the data that each replica has.

The trainer does the same on all of them. `multi-worker` reads the cluster from TF_CONFIG, as
TensorFlow does (tensorflow.org/guide/distributed_training).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from wav2vec2_tf.errors import UserError

PEER_SECONDS = 60  # without a word from another worker before it counts as gone


def strategy_of(name: str) -> tf.distribute.Strategy:
    """One of `settings.STRATEGIES`; made before anything else of TensorFlow is used.

    Raises `UserError` where there is no such cluster or device.
    """
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        devices = [device.name for device in tf.config.list_logical_devices(kind)]
        return tf.distribute.MirroredStrategy(devices)
    if name == "multi-worker":
        try:
            cluster = json.loads(os.environ["TF_CONFIG"])
            cluster["cluster"]["worker"][cluster["task"]["index"]]
        except (KeyError, ValueError, TypeError, IndexError):
            raise UserError(
                "multi-worker needs the environment variable TF_CONFIG of each worker: "
                '{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
            ) from None
        return tf.distribute.MultiWorkerMirroredStrategy(
            communication_options=tf.distribute.experimental.CommunicationOptions(
                timeout_seconds=PEER_SECONDS
            )
        )
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, OSError, tf.errors.OpError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise UserError(f"no TPU was found ({reason}); choose another strategy") from None
    return tf.distribute.TPUStrategy(resolver)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes what is written: the first worker, or the only process."""
    resolver = strategy.cluster_resolver
    return not isinstance(
        strategy, tf.distribute.MultiWorkerMirroredStrategy
    ) or resolver.task_id in (None, 0)


def own_replicas(strategy: tf.distribute.Strategy) -> range:
    """Which of all replicas are in this process."""
    count = strategy.num_replicas_in_sync
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return range(count)
    each = count // max(1, len(strategy.cluster_resolver.cluster_spec().as_dict()["worker"]))
    first = strategy.cluster_resolver.task_id * each
    return range(first, first + each)


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
    """A worker that is gone stops the others with one line."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError):
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            raise
        raise UserError(
            "another worker is gone, so this one stops: start all of them again, and they go on "
            "from the last checkpoint"
        ) from None
