"""The grouped convolution of positions against PyTorch in float64, in every precision."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import torch

from tests.support import reference
from wav2vec2_tf.models.positions import same_padded_grouped_conv

FRAMES = 40
ROUNDING = {"float32": 1e-5, "float16": 1e-3, "bfloat16": 8e-3}
"""Largest error relative to the largest output: half a unit in the last place of the type."""


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize(
    ("channels", "groups", "width"),
    [
        (24, 4, 16),
        (32, 4, 8),  # oneDNN is wrong at this size in bfloat16 with AMX
        (64, 4, 16),
        (80, 16, 128),
        (768, 16, 128),  # base
    ],
)
def test_equals_pytorch(
    channels: int, groups: int, width: int, dtype: str, jit_compile: bool
) -> None:
    values = tf.cast(reference.noise(2, FRAMES, channels), dtype)
    kernel = tf.cast(reference.noise(width, channels // groups, channels, seed=1) / width, dtype)
    got = tf.function(same_padded_grouped_conv, jit_compile=jit_compile)(values, kernel, groups)
    assert got.dtype == dtype

    inputs = torch.from_numpy(tf.cast(values, tf.float64).numpy()).transpose(1, 2)
    weights = torch.from_numpy(tf.cast(kernel, tf.float64).numpy()).permute(2, 1, 0)
    wanted = torch.nn.functional.conv1d(inputs, weights, padding=width // 2, groups=groups)
    wanted = wanted.transpose(1, 2)[:, :FRAMES].numpy()
    error = np.abs(tf.cast(got, tf.float64) - wanted).max()
    assert error < ROUNDING[dtype] * np.abs(wanted).max()
