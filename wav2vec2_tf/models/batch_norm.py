"""Batch norm as torch's, whose statistics padding does not enter."""

from __future__ import annotations

import keras
import tensorflow as tf

from wav2vec2_tf.models.lengths import silence_padding, size

EPSILON, MOMENTUM = 1e-5, 0.1  # torch's BatchNorm1d


class BatchNorm(keras.layers.Layer):
    """(batch, frames, channels) → the same, each channel normalised (arXiv:1502.03167).

    As `torch.nn.BatchNorm1d`: in training by the mean and the biased variance of the valid frames,
    while the moving variance follows the unbiased one; otherwise by the moving statistics. Without
    one valid frame the moving statistics stay. What comes out of other frames is of no meaning.
    """

    def __init__(self, channels: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.channels = channels

    def build(self, input_shape: object = None) -> None:
        options = {"shape": (self.channels,), "autocast": False}  # float32 in mixed precision too
        self.gamma = self.add_weight(name="gamma", initializer="ones", **options)
        self.beta = self.add_weight(name="beta", initializer="zeros", **options)
        self.moving_mean = self._observed("moving_mean", "zeros", (self.channels,))
        self.moving_variance = self._observed("moving_variance", "ones", (self.channels,))
        # Not used here: torch counts its training steps, and a checkpoint holds the number.
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
        """A variable that each replica updates by itself: replicas agree when it is read.

        `add_weight` makes variables that replicas update together, which none can do in a function
        compiled for one replica.
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
        """Mean and biased variance over the valid frames; the moving statistics follow them."""
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
