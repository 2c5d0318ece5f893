"""Convolutions as products of matrices, and the statistics of the group norm, against PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
import torch

from wav2vec2_tf.config import Wav2Vec2Config
from wav2vec2_tf.feature_encoder import GroupNormConvLayer, convolved, windows


@pytest.mark.parametrize(("kernel", "stride"), [(10, 5), (3, 2), (2, 2), (5, 3), (4, 4), (3, 1)])
@pytest.mark.parametrize("inputs", [1, 3])
def test_convolution(kernel: int, stride: int, inputs: int) -> None:
    random = np.random.default_rng(0)
    weights = random.normal(size=(kernel, inputs, 4)).astype(np.float32)
    run = tf.function(lambda values: convolved(values, tf.constant(weights), stride))
    run = run.get_concrete_function(tf.TensorSpec([None, None, inputs]))  # as in a SavedModel
    for samples in range(kernel, kernel + 3 * stride):
        values = random.normal(size=(2, samples, inputs)).astype(np.float32)
        theirs = torch.nn.functional.conv1d(
            torch.tensor(values).mT, torch.tensor(weights.transpose(2, 1, 0)), stride=stride
        )
        got = run(tf.constant(values)).numpy()
        np.testing.assert_allclose(got, theirs.mT.numpy(), rtol=0, atol=1e-5)


def test_windows() -> None:
    values = tf.reshape(tf.range(18.0), [2, 9])
    seen = windows(values, 5, 2).numpy()
    np.testing.assert_array_equal(seen[0], [[0, 1, 2, 3, 4], [2, 3, 4, 5, 6], [4, 5, 6, 7, 8]])
    np.testing.assert_array_equal(seen[1], seen[0] + 9)


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_group_norm_of_a_filter_that_rejects_most_of_the_signal(offset: float) -> None:
    """A ninth difference of speech-like sound: the variance is a millionth of what goes in."""
    layer = GroupNormConvLayer(Wav2Vec2Config(conv_dim=(2, 2, 2, 2, 2, 2, 2)))
    layer.build()
    difference = np.array([(-1) ** tap * math.comb(9, tap) for tap in range(10)], np.float64)
    layer.kernel.assign(np.stack([difference, np.ones(10)], axis=-1)[:, np.newaxis])
    random = np.random.default_rng(0)
    sound = 0.3 * np.sin(np.arange(16000) * 2 * np.pi * 150 / 16000) + offset
    sound = (sound + random.normal(0, 1e-3, 16000))[np.newaxis].astype(np.float32)
    got = layer(tf.constant(sound)).numpy()

    wide = torch.tensor(sound, dtype=torch.float64)[:, None]
    kernel = torch.tensor(layer.kernel.numpy().transpose(2, 1, 0), dtype=torch.float64)
    convolution = torch.nn.functional.conv1d(wide, kernel, stride=5)
    expected = torch.nn.functional.gelu(torch.nn.functional.group_norm(convolution, 2))
    np.testing.assert_allclose(got, expected.mT.numpy(), rtol=0, atol=3e-5)
