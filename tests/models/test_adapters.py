"""Adapters against transformers'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import transformers
from transformers.models.wav2vec2.modeling_wav2vec2 import (
    Wav2Vec2Adapter,
    Wav2Vec2AttnAdapterLayer,
)

from tests.support import layer_reference, reference
from tests.support.layer_reference import TOLERANCE
from tests.support.reference import difference
from wav2vec2_tf.models.adapters import AttentionAdapter, ConvolutionalAdapter
from wav2vec2_tf.models.config import Wav2Vec2Config
from wav2vec2_tf.models.layers import dtype_policy
from wav2vec2_tf.models.lengths import silence_padding

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


@pytest.mark.parametrize(
    ("changes", "modes"),
    [
        ({"output_hidden_size": 8}, layer_reference.MODES),
        ({"output_hidden_size": HIDDEN}, ["eager"]),  # without a projection
        ({"adapter_kernel_size": 1, "adapter_stride": 1, "num_adapter_layers": 1}, ["eager"]),
        ({"adapter_kernel_size": 2, "adapter_stride": 1, "num_adapter_layers": 2}, ["eager"]),
        ({"adapter_kernel_size": 2, "adapter_stride": 3, "num_adapter_layers": 2}, ["eager"]),
        ({"adapter_kernel_size": 5, "adapter_stride": 2, "num_adapter_layers": 1}, ["eager"]),
    ],
    ids=str,
)
def test_convolutional_adapter_equals_transformers(
    changes: dict[str, Any], modes: Sequence[str]
) -> None:
    ours, theirs, config = adapters(**changes)
    layer_reference.check_layer(ours, theirs, HIDDEN, modes=modes, frames=(8, 11), zeros=True)
    got, mask = ours(reference.noise(2, 11, HIDDEN))
    assert mask is None
    assert got.shape[1] == config.adapted_frames(11)


def test_padding_has_no_influence_in_training() -> None:
    ours, theirs, _ = adapters()
    layer_reference.check_layer(
        ours, theirs, HIDDEN, modes=["eager"], frames=(8, 11), zeros=True, training=True
    )


@pytest.mark.parametrize("output_hidden_size", [HIDDEN, 8])
@pytest.mark.parametrize("frames", [1, 2, 3, 8, 9, 30])
def test_frames_of_the_convolutional_adapter(output_hidden_size: int, frames: int) -> None:
    ours, theirs, config = adapters(output_hidden_size=output_hidden_size)
    values = reference.noise(2, frames, HIDDEN)
    got, _ = ours(values)
    assert got.shape[1] == config.adapted_frames(frames)
    assert difference(got, layer_reference.run(theirs, values)) < TOLERANCE


@pytest.mark.parametrize(("kernel", "stride"), [(2, 1), (4, 1), (1, 2), (3, 3)])
def test_mask_counts_as_the_frame_length_formula(kernel: int, stride: int) -> None:
    ours, _, config = adapters(
        adapter_kernel_size=kernel, adapter_stride=stride, num_adapter_layers=2
    )
    values, mask = layer_reference.ragged(HIDDEN, np.nan)
    _, got = ours(values, mask)
    wanted = [config.adapted_frames(frames) for frames in layer_reference.RAGGED]
    assert np.asarray(got).sum(axis=-1).tolist() == wanted


def test_convolutional_adapter_in_half_precision() -> None:
    with dtype_policy("mixed_float16"):
        ours, theirs, _ = adapters(output_hidden_size=8)
    values, mask = layer_reference.ragged(HIDDEN, np.nan, (9, 9))
    got, _ = ours(values, mask)
    assert got.dtype == tf.float16
    assert difference(got, layer_reference.run(theirs, values)) < 2e-2


# In each layer of the encoder


def attention_adapters() -> tuple[Any, Any]:
    sizes = {**SIZES, "adapter_attn_dim": 5}
    module = Wav2Vec2AttnAdapterLayer(transformers.Wav2Vec2Config(**sizes))
    layer = AttentionAdapter(Wav2Vec2Config(**sizes), name="adapter_layer")
    return layer_reference.pair(layer, module)


def test_attention_adapter_equals_transformers() -> None:
    ours, theirs = attention_adapters()
    layer_reference.check_layer(
        ours, theirs, HIDDEN, call=lambda values, mask: ours(silenced(values, mask))
    )


def silenced(values: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Zeroes padding, as the encoder does before an adapter that sees one frame at a time."""
    return values if mask is None else silence_padding(values, mask)
