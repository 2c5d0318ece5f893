"""HuBERT's positional convolution behind a batch norm against transformers'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import transformers
from transformers.models.hubert.modeling_hubert import HubertPositionalConvEmbedding

from tests.support import layer_reference, reference
from tests.support.reference import difference
from wav2vec2_tf.models.config import HubertConfig
from wav2vec2_tf.models.layers import dtype_policy
from wav2vec2_tf.models.positions import BatchNormPositionalConv, hubert_positions
from wav2vec2_tf.models.transformer import PositionalConvEmbedding

HIDDEN = 12
SIZES: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "num_attention_heads": 2,
    "num_conv_pos_embeddings": 6,
    "num_conv_pos_embedding_groups": 3,
}


def positions(**changes: Any) -> tuple[Any, Any]:
    sizes = {**SIZES, "conv_pos_batch_norm": True, **changes}
    module = HubertPositionalConvEmbedding(transformers.HubertConfig(**sizes))
    layer = hubert_positions(HubertConfig(**sizes), name="pos_conv_embed")
    return layer_reference.pair(layer, module)


@pytest.mark.parametrize(
    ("kernel", "modes"), [(1, ["eager"]), (6, layer_reference.MODES), (7, ["eager"])]
)
def test_equals_transformers(kernel: int, modes: Sequence[str]) -> None:
    ours, theirs = positions(num_conv_pos_embeddings=kernel)
    layer_reference.check_layer(ours, theirs, HIDDEN, modes=modes)


def gradients(
    call: layer_reference.Call, layer: keras.layers.Layer, values: Any, mask: Any
) -> list[np.ndarray]:
    """Returns gradients of a fixed function of the valid outputs, by trainable variable."""
    with tf.GradientTape() as tape:
        output, output_mask = call(values, mask)
        weighted = tf.sin(output * 3.0)
        if output_mask is not None:
            weighted = tf.where(output_mask[..., tf.newaxis], weighted, 0.0)
        loss = tf.reduce_sum(weighted)
    wanted = [variable.value for variable in layer.trainable_variables]
    return [np.asarray(tf.convert_to_tensor(g)) for g in tape.gradient(loss, wanted)]


def test_gradients_in_training_do_not_see_the_padding() -> None:
    """Neither do the gradients through the batch's statistics."""
    ours, _ = positions()

    def call(values: Any, mask: Any) -> tuple[tf.Tensor, tf.Tensor]:
        return ours(values, mask, training=True), mask

    found = [gradients(call, ours, *layer_reference.ragged(HIDDEN, fill)) for fill in (0.0, np.nan)]
    for zeros, nans in zip(*found, strict=True):
        assert np.abs(zeros).max() > 0
        np.testing.assert_array_equal(zeros, nans)


def test_half_precision() -> None:
    with dtype_policy("mixed_float16"):
        ours, theirs = positions()
    values = reference.noise(2, 20, HIDDEN)
    got = ours(values)
    assert got.dtype == tf.float16
    assert difference(got, layer_reference.run(theirs, values)) < 2e-2


@pytest.mark.parametrize(
    ("batch_norm", "kind"), [(True, BatchNormPositionalConv), (False, PositionalConvEmbedding)]
)
def test_the_config_chooses(batch_norm: bool, kind: type) -> None:
    config = HubertConfig(**SIZES, conv_pos_batch_norm=batch_norm)
    layer = hubert_positions(config, name="pos_conv_embed")
    assert type(layer) is kind
    assert layer.name == "pos_conv_embed"
