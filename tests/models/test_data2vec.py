"""data2vec-audio's stack of positional convolutions against transformers'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import transformers
from transformers.models.data2vec.modeling_data2vec_audio import (
    Data2VecAudioPositionalConvEmbedding,
)

from tests.support import layer_reference, reference
from tests.support.layer_reference import TOLERANCE
from wav2vec2_tf.config import Data2VecAudioConfig
from wav2vec2_tf.data2vec import PositionalConvStack

HIDDEN = 12


def positions(**changes: Any) -> tuple[Any, Any]:
    sizes: dict[str, Any] = {
        "hidden_size": HIDDEN,
        "num_attention_heads": 2,
        "num_conv_pos_embeddings": 3,
        "conv_pos_kernel_size": 5,
        "num_conv_pos_embedding_groups": 3,
        "layer_norm_eps": 1e-2,  # not for these norms
        **changes,
    }
    module = Data2VecAudioPositionalConvEmbedding(transformers.Data2VecAudioConfig(**sizes))
    layer = PositionalConvStack(Data2VecAudioConfig(**sizes), name="pos_conv_embed")
    return layer_reference.pair(layer, module)


@pytest.mark.parametrize("kernel", [1, 4, 5])
@pytest.mark.parametrize("frames", [1, 2, 20])
def test_equals_transformers(kernel: int, frames: int) -> None:
    ours, theirs = positions(conv_pos_kernel_size=kernel)
    values = reference.noise(2, frames, HIDDEN)
    wanted = layer_reference.run(theirs, values)
    assert wanted.std() > 0.1
    np.testing.assert_allclose(ours(values), wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("layers", [1, 5])
def test_any_number_of_layers(layers: int) -> None:
    ours, theirs = positions(num_conv_pos_embeddings=layers)
    values = reference.noise(2, 9, HIDDEN)
    assert len(ours.trainable_variables) == 2 * layers
    np.testing.assert_allclose(
        ours(values), layer_reference.run(theirs, values), rtol=0, atol=TOLERANCE
    )


@pytest.mark.parametrize("mode", layer_reference.MODES)
def test_padding_has_no_influence(mode: str) -> None:
    ours, theirs = positions()
    values, mask = layer_reference.ragged(HIDDEN, np.nan)
    got = layer_reference.compiled(ours, mode, HIDDEN, masked=True)(values, mask)
    for row, frames in enumerate(layer_reference.RAGGED):
        if frames:
            wanted = layer_reference.run(theirs, values[row : row + 1, :frames])[0]
            np.testing.assert_allclose(got[row, :frames], wanted, rtol=0, atol=TOLERANCE)
    assert np.isfinite(got).all()


def test_without_a_mask_padding_counts_as_it_does_in_transformers() -> None:
    ours, theirs = positions()
    values, _ = layer_reference.ragged(HIDDEN, 0.0)
    np.testing.assert_allclose(
        ours(values), layer_reference.run(theirs, values), rtol=0, atol=TOLERANCE
    )


def test_gradients_do_not_see_the_padding() -> None:
    ours, _ = positions()

    def call(values: Any, mask: Any) -> tuple[tf.Tensor, tf.Tensor]:
        return ours(values, mask, training=True), mask

    found = [
        layer_reference.gradients(call, ours, *layer_reference.ragged(HIDDEN, fill))
        for fill in (0.0, np.nan)
    ]
    for zeros, nans in zip(*found, strict=True):
        assert np.abs(zeros).max() > 0
        np.testing.assert_array_equal(zeros, nans)


def test_half_precision() -> None:
    with layer_reference.policy("mixed_float16"):
        ours, theirs = positions()
    values = reference.noise(2, 20, HIDDEN)
    got = ours(values)
    assert got.dtype == tf.float16
    np.testing.assert_allclose(got, layer_reference.run(theirs, values), rtol=0, atol=2e-2)
