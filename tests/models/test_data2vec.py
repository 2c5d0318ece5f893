"""data2vec-audio's stack of positional convolutions against transformers'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import tensorflow as tf
import transformers
from transformers.models.data2vec.modeling_data2vec_audio import (
    Data2VecAudioPositionalConvEmbedding,
)

from tests.support import layer_reference, reference
from tests.support.reference import difference
from wav2vec2_tf.models.config import Data2VecAudioConfig
from wav2vec2_tf.models.layers import dtype_policy
from wav2vec2_tf.models.positions import PositionalConvStack

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


@pytest.mark.parametrize(
    ("layers", "kernel", "modes"),
    [(3, 5, layer_reference.MODES), (3, 4, ["eager"]), (1, 5, ["eager"]), (5, 1, ["eager"])],
)
def test_equals_transformers(layers: int, kernel: int, modes: Sequence[str]) -> None:
    ours, theirs = positions(num_conv_pos_embeddings=layers, conv_pos_kernel_size=kernel)
    assert len(ours.trainable_variables) == 2 * layers
    layer_reference.check_layer(ours, theirs, HIDDEN, modes=modes)


def test_padding_has_no_influence_in_training() -> None:
    layer_reference.check_layer(*positions(), HIDDEN, modes=["eager"], training=True)


def test_half_precision() -> None:
    with dtype_policy("mixed_float16"):
        ours, theirs = positions()
    values = reference.noise(2, 20, HIDDEN)
    got = ours(values)
    assert got.dtype == tf.float16
    assert difference(got, layer_reference.run(theirs, values)) < 2e-2
