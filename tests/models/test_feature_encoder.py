"""Convolutions as products of matrices, and the statistics of the group norm, against PyTorch."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from wav2vec2_tf.models.config import Wav2Vec2Config
from wav2vec2_tf.models.feature_encoder import FeatureEncoder, GroupNormConvLayer, windows

STACKS = [  # kernels and strides
    ((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)),
    ((3,), (2,)),
    ((2,), (2,)),
    ((5, 4), (3, 4)),
    ((3, 3), (1, 1)),
    ((2, 7, 1), (3, 2, 2)),
]


def torch_features(encoder: FeatureEncoder, speech: np.ndarray) -> np.ndarray:
    """Returns (frames, channels) of (samples,) speech, by PyTorch's convolutions in float64."""
    values = torch.tensor(speech, dtype=torch.float64)[None, None]
    for layer in encoder.conv_layers:
        kernel = torch.tensor(layer.kernel.numpy().transpose(2, 1, 0), dtype=torch.float64)
        values = torch.nn.functional.conv1d(values, kernel, stride=layer.stride)
        if isinstance(layer, GroupNormConvLayer):
            values = torch.nn.functional.group_norm(values, layer.channels)
        elif layer.layer_norm is not None:
            values = torch.nn.functional.layer_norm(values.mT, (layer.channels,)).mT
        values = torch.nn.functional.gelu(values)
    return values[0].mT.numpy()


@pytest.mark.parametrize(("kernels", "strides"), STACKS)
@pytest.mark.parametrize("norm", ["group", "layer"])
def test_features_of_a_batch(kernels: tuple[int, ...], strides: tuple[int, ...], norm: str) -> None:
    """Each row's features equal PyTorch's of it alone, whatever the other rows are."""
    config = Wav2Vec2Config(
        conv_dim=(4,) * len(kernels),
        conv_kernel=kernels,
        conv_stride=strides,
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
    )
    keras.utils.set_random_seed(0)  # random weights may give two frames that hardly differ
    encoder = FeatureEncoder(config)
    encoder.build()
    static = tf.function(encoder)
    run = static.get_concrete_function(tf.TensorSpec([None, None]))  # as in a SavedModel
    random = np.random.default_rng(0)
    least, stride = config.samples_of(2), math.prod(strides)  # PyTorch fails for one frame
    for samples in (*range(least, least + min(2 * stride + 2, 16)), least + 7 * stride - 1):
        speech = random.normal(size=(3, samples)).astype(np.float32)
        expected = np.stack([torch_features(encoder, row) for row in speech])
        for got in (run(tf.constant(speech)), static(tf.constant(speech))):
            np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=2e-5)


def test_windows() -> None:
    seen = windows(tf.reshape(tf.range(9.0), [9, 1]), 5, 2).numpy()
    np.testing.assert_array_equal(seen, [[0, 1, 2, 3, 4], [2, 3, 4, 5, 6]])
    seen = windows(tf.reshape(tf.range(12.0), [6, 2]), 3, 2).numpy()
    np.testing.assert_array_equal(seen, [[0, 1, 2, 3, 4, 5], [4, 5, 6, 7, 8, 9]])


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_group_norm_of_a_filter_that_rejects_most_of_the_signal(offset: float) -> None:
    """The ninth difference of speech-like sound has a millionth of its variance."""
    layer = GroupNormConvLayer(Wav2Vec2Config(conv_dim=(2, 2, 2, 2, 2, 2, 2)))
    layer.build()
    difference = np.array([(-1) ** tap * math.comb(9, tap) for tap in range(10)], np.float64)
    layer.kernel.assign(np.stack([difference, np.ones(10)], axis=-1)[:, np.newaxis])
    random = np.random.default_rng(0)
    sound = 0.3 * np.sin(np.arange(16000) * 2 * np.pi * 150 / 16000) + offset
    sound = (sound + random.normal(0, 1e-3, 16000))[np.newaxis].astype(np.float32)
    got = layer(tf.constant(sound), tf.constant([16000])).numpy()[:, :3199]

    wide = torch.tensor(sound, dtype=torch.float64)[:, None]
    kernel = torch.tensor(layer.kernel.numpy().transpose(2, 1, 0), dtype=torch.float64)
    convolution = torch.nn.functional.conv1d(wide, kernel, stride=5)
    expected = torch.nn.functional.gelu(torch.nn.functional.group_norm(convolution, 2))
    # The filter leaves a thousandth of the signal: float32's rounding of 6e-8 becomes 6e-5.
    # PyTorch's float32 is off by up to 1e-4.
    np.testing.assert_allclose(got, expected.mT.numpy(), rtol=0, atol=1e-4)
