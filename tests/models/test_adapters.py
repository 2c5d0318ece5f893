"""Adapters against transformers'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from transformers.models.wav2vec2.modeling_wav2vec2 import (
    Wav2Vec2Adapter,
    Wav2Vec2AttnAdapterLayer,
)

from tests.support import layer_reference, reference
from tests.support.layer_reference import TOLERANCE
from wav2vec2_tf.adapters import AttentionAdapter, ConvolutionalAdapter
from wav2vec2_tf.config import Wav2Vec2Config

HIDDEN = 12
SIZES: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "num_attention_heads": 2,
    "num_conv_pos_embedding_groups": 3,
    "layer_norm_eps": 1e-2,  # not for the adapters' norms
    "initializer_range": 0.5,
}


def adapters(**changes: Any) -> tuple[Any, Any, Wav2Vec2Config]:
    sizes = {**SIZES, "add_adapter": True, **changes}
    module = Wav2Vec2Adapter(transformers.Wav2Vec2Config(**sizes))
    config = Wav2Vec2Config(**sizes)
    return *layer_reference.pair(ConvolutionalAdapter(config, name="adapter"), module), config


# After the encoder


@pytest.mark.parametrize("output_hidden_size", [HIDDEN, 8])
@pytest.mark.parametrize("frames", [1, 2, 3, 8, 9, 30])
def test_convolutional_adapter_equals_transformers(output_hidden_size: int, frames: int) -> None:
    ours, theirs, config = adapters(output_hidden_size=output_hidden_size)
    values = reference.noise(2, frames, HIDDEN)
    wanted = layer_reference.run(theirs, values)
    assert wanted.std() > 0.01
    got, mask = ours(values)
    assert mask is None
    assert got.shape[1] == config.adapted_frames(frames)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("kernel", "stride", "layers"), [(1, 1, 1), (2, 1, 2), (3, 1, 1), (2, 3, 2), (5, 2, 1)]
)
def test_kernels_strides_and_numbers_of_layers(kernel: int, stride: int, layers: int) -> None:
    ours, theirs, config = adapters(
        adapter_kernel_size=kernel, adapter_stride=stride, num_adapter_layers=layers
    )
    values = reference.noise(2, 11, HIDDEN)
    got, _ = ours(values)
    assert got.shape[1] == config.adapted_frames(11)
    np.testing.assert_allclose(got, layer_reference.run(theirs, values), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("output_hidden_size", [HIDDEN, 8])
@pytest.mark.parametrize("mode", layer_reference.MODES)
def test_convolutional_adapter_does_not_see_padding(mode: str, output_hidden_size: int) -> None:
    ours, theirs, config = adapters(output_hidden_size=output_hidden_size)
    values, mask = layer_reference.ragged(HIDDEN, np.nan)
    got, got_mask = layer_reference.compiled(ours, mode, HIDDEN, masked=True)(values, mask)
    assert got.shape[:2] == got_mask.shape
    for row, frames in enumerate(layer_reference.RAGGED):
        after = config.adapted_frames(frames)
        assert np.asarray(got_mask)[row].tolist() == [i < after for i in range(got.shape[1])]
        if frames:
            wanted = layer_reference.run(theirs, values[row : row + 1, :frames])[0]
            assert len(wanted) == after
            np.testing.assert_allclose(got[row, :after], wanted, rtol=0, atol=TOLERANCE)
        np.testing.assert_array_equal(got[row, after:], 0)


@pytest.mark.parametrize(("kernel", "stride"), [(2, 1), (4, 1), (1, 2), (3, 3)])
def test_mask_counts_as_the_frame_length_formula(kernel: int, stride: int) -> None:
    ours, _, config = adapters(
        adapter_kernel_size=kernel, adapter_stride=stride, num_adapter_layers=2
    )
    values, mask = layer_reference.ragged(HIDDEN, np.nan)
    _, got = ours(values, mask)
    wanted = [config.adapted_frames(frames) for frames in layer_reference.RAGGED]
    assert np.asarray(got).sum(axis=-1).tolist() == wanted


def test_without_a_mask_padding_counts_as_it_does_in_transformers() -> None:
    ours, theirs, _ = adapters(output_hidden_size=8)
    values, _ = layer_reference.ragged(HIDDEN, 0.0)
    np.testing.assert_allclose(
        ours(values)[0], layer_reference.run(theirs, values), rtol=0, atol=TOLERANCE
    )


def test_gradients_of_the_convolutional_adapter_do_not_see_the_padding() -> None:
    ours, _, _ = adapters(output_hidden_size=8)

    def call(values: Any, mask: Any) -> tuple[tf.Tensor, tf.Tensor]:
        return ours(values, mask, training=True)

    found = [
        layer_reference.gradients(call, ours, *layer_reference.ragged(HIDDEN, fill))
        for fill in (0.0, np.nan)
    ]
    for zeros, nans in zip(*found, strict=True):
        assert np.abs(zeros).max() > 0
        np.testing.assert_array_equal(zeros, nans)


def test_convolutional_adapter_in_half_precision() -> None:
    with layer_reference.policy("mixed_float16"):
        ours, theirs, _ = adapters(output_hidden_size=8)
    values, mask = layer_reference.ragged(HIDDEN, np.nan, (9, 9))
    got, _ = ours(values, mask)
    assert got.dtype == tf.float16
    np.testing.assert_allclose(got, layer_reference.run(theirs, values), rtol=0, atol=2e-2)


# In each layer of the encoder


def attention_adapters() -> tuple[Any, Any]:
    sizes = {**SIZES, "adapter_attn_dim": 5}
    module = Wav2Vec2AttnAdapterLayer(transformers.Wav2Vec2Config(**sizes))
    layer = AttentionAdapter(Wav2Vec2Config(**sizes), name="adapter_layer")
    return layer_reference.pair(layer, module)


@pytest.mark.parametrize("mode", layer_reference.MODES)
def test_attention_adapter_equals_transformers(mode: str) -> None:
    ours, theirs = attention_adapters()
    values = reference.noise(2, 7, HIDDEN)
    wanted = layer_reference.run(theirs, values)
    assert wanted.std() > 0.1
    got = layer_reference.compiled(lambda values, mask: ours(values), mode, HIDDEN, masked=False)(
        values, None
    )
    np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE)


def test_gradients_of_the_attention_adapter_equal_torch() -> None:
    ours, theirs = attention_adapters()
    values = reference.noise(2, 7, HIDDEN)
    got = layer_reference.gradients(lambda v, mask: (ours(v), mask), ours, values, None)
    torch.sin(3 * theirs(torch.from_numpy(values))).sum().backward()
    parameters = dict(theirs.named_parameters())
    names = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}
    for variable, gradient in zip(ours.trainable_variables, got, strict=True):
        layer, name = variable.path.split("/")[-2:]
        wanted = parameters[f"{layer}.{names[name]}"].grad.numpy()
        np.testing.assert_allclose(gradient.T, wanted, rtol=0, atol=5 * TOLERANCE)
