"""Measures the cost of float32 in the positional convolution of a bfloat16 model.

`python -m tests.tools.grouped_conv_time` prints the median time of base's convolution over 768
frames, in bfloat16 and as the library computes it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import tensorflow as tf

from tests.support import reference
from wav2vec2_tf.models.positions import same_padded_grouped_conv

FRAMES, CHANNELS, GROUPS, WIDTH = 768, 768, 16, 128
REPETITIONS = 15


def in_bfloat16(values: tf.Tensor, kernel: tf.Tensor, groups: int) -> tf.Tensor:
    """Computes the same convolution without the cast to float32."""
    padded = tf.pad(values, [[0, 0], [WIDTH // 2, (WIDTH - 1) // 2], [0, 0]])
    pairs = zip(tf.split(padded, groups, -1), tf.split(kernel, groups, -1), strict=True)
    return tf.concat([tf.nn.conv1d(x, w, 1, "VALID") for x, w in pairs], axis=-1)


def milliseconds(call: Callable[..., tf.Tensor]) -> float:
    """Returns the median time of a call, after one that traces it."""
    values = tf.cast(reference.noise(1, FRAMES, CHANNELS), tf.bfloat16)
    kernel = tf.cast(reference.noise(WIDTH, CHANNELS // GROUPS, CHANNELS) / WIDTH, tf.bfloat16)
    compiled = tf.function(lambda values, kernel: call(values, kernel, GROUPS))
    times = []
    for _ in range(REPETITIONS + 1):
        began = time.perf_counter()
        compiled(values, kernel).numpy()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[1:])


if __name__ == "__main__":
    print(f"bfloat16: {milliseconds(in_bfloat16):.1f} ms")
    print(f"float32:  {milliseconds(same_padded_grouped_conv):.1f} ms")
