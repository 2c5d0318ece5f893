"""Batch norm as in PyTorch, with statistics over valid frames only."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wav2vec2_tf.models.layers import PACKAGE
from wav2vec2_tf.models.lengths import silence_padding, size

EPSILON, MOMENTUM = 1e-5, 0.1  # defaults of torch.nn.BatchNorm1d


@keras.saving.register_keras_serializable(PACKAGE)
class BatchNorm(keras.layers.Layer):
    """Normalizes each channel (arXiv:1502.03167): (batch, frames, channels) → the same shape.

    As `torch.nn.BatchNorm1d`: in training by the mean and the biased variance of the valid frames,
    while the moving variance follows the unbiased one; otherwise by the moving statistics. A batch
    without valid frames does not change the moving statistics.
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels = channels

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's arguments."""
        return {**super().get_config(), "channels": self.channels}

    def build(self, input_shape: object = None) -> None:
        """Creates scale, shift and moving statistics."""
        options = {"shape": (self.channels,), "autocast": False}  # float32 in mixed precision too
        self.gamma = self.add_weight(name="gamma", initializer="ones", **options)
        self.beta = self.add_weight(name="beta", initializer="zeros", **options)
        self.moving_mean = self._observed("moving_mean", "zeros", (self.channels,))
        self.moving_variance = self._observed("moving_variance", "ones", (self.channels,))
        # Only kept for checkpoints, in which PyTorch stores its number of training steps.
        self.num_batches_tracked = self._observed(
            "num_batches_tracked", "zeros", (), dtype="int64", aggregation="only_first_replica"
        )

    def _observed(
        self,
        name: str,
        initializer: str,
        shape: tuple[int, ...],
        dtype: str | None = None,
        aggregation: str = "mean",
    ) -> keras.Variable:
        """Returns a variable that each replica updates alone, combined over replicas when read.

        Variables of `add_weight` are updated by all replicas together, which is impossible in a
        function compiled for one replica.
        """
        return keras.Variable(
            initializer,
            shape=shape,
            dtype=dtype or self.variable_dtype,
            trainable=False,
            autocast=False,
            aggregation=aggregation,
            synchronization="on_read",
            name=name,
        )

    def call(
        self, values: tf.Tensor, frame_mask: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        """Returns the normalized values; those of padded frames are undefined."""
        dtype = values.dtype
        values = tf.cast(silence_padding(values, frame_mask), tf.float32)
        if training:
            mean, variance = self._observe(values, frame_mask)
        else:
            mean = tf.cast(self.moving_mean, tf.float32)
            variance = tf.cast(self.moving_variance, tf.float32)
        scale = tf.cast(self.gamma, tf.float32) * tf.math.rsqrt(variance + EPSILON)
        return tf.cast((values - mean) * scale + tf.cast(self.beta, tf.float32), dtype)

    def _observe(
        self, values: tf.Tensor, frame_mask: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and biased variance over the valid frames, and updates the moving ones."""
        if frame_mask is None:
            count = tf.cast(size(values, 0) * size(values, 1), tf.float32)
        else:
            count = tf.reduce_sum(tf.cast(frame_mask, tf.float32))
        divisor = tf.maximum(count, 1.0)
        mean = tf.reduce_sum(values, axis=(0, 1)) / divisor
        deviations = tf.reduce_sum(
            tf.square(silence_padding(values - mean, frame_mask)), axis=(0, 1)
        )
        momentum = tf.where(count > 0, MOMENTUM, 0.0)
        unbiased = deviations / tf.maximum(count - 1, 1.0)
        for moving, seen in ((self.moving_mean, mean), (self.moving_variance, unbiased)):
            before = tf.cast(moving, tf.float32)
            moving.assign(tf.stop_gradient(before + momentum * (seen - before)))
        self.num_batches_tracked.assign_add(tf.ones((), tf.int64))
        return mean, deviations / divisor
