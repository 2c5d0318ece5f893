"""Wav2Vec2-BERT's adapter against transformers' PyTorch module, every weight perturbed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import Wav2Vec2BertAdapter

from tests.support import conformer_reference as theirs
from tests.support import layer_reference, reference
from tests.support.reference import difference
from wav2vec2_tf.models.bert_adapter import BertAdapter

HIDDEN = theirs.HIDDEN
KINDS: dict[str, dict[str, Any]] = {
    "published": {"num_adapter_layers": 1},
    "narrower": {"num_adapter_layers": 2, "output_hidden_size": 12, "adapter_act": "gelu"},
    "even kernel": {"adapter_kernel_size": 4, "adapter_stride": 3},
    "wide stride": {"adapter_kernel_size": 2, "adapter_stride": 4},
}
FRAMES = (17, 8, 5, 1, 0)  # valid ones of each row
WIDTH = 17

Pair = tuple[torch.nn.Module, BertAdapter]


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest) -> Pair:
    changes = {"add_adapter": True, "adapter_kernel_size": 3, **KINDS[request.param]}
    their_config, config = theirs.configs("bert", **changes)
    adapter = BertAdapter(config, name="adapter")
    adapter, module = layer_reference.pair(adapter, Wav2Vec2BertAdapter(their_config))
    return module, adapter


@pytest.mark.parametrize("frames", [4, 5, 6, 7, 8, 23])
def test_equals_the_reference(pair: Pair, frames: int) -> None:
    module, adapter = pair
    hidden_states = reference.noise(2, frames, HIDDEN)
    got, frame_mask = adapter(tf.constant(hidden_states))
    assert frame_mask is None
    assert difference(layer_reference.run(module, hidden_states), got) <= 1e-5


@pytest.mark.parametrize(
    ("pair", "modes"),
    [
        ("narrower", layer_reference.MODES),
        *((kind, ["eager"]) for kind in KINDS if kind != "narrower"),
    ],
    indirect=["pair"],
)
def test_ragged_rows_equal_the_reference(pair: Pair, modes: Sequence[str]) -> None:
    """Each row of a padded batch equals the utterance alone, followed by zeros."""
    module, adapter = pair
    layer_reference.check_layer(adapter, module, HIDDEN, frames=(), modes=modes, zeros=True)


def test_as_many_frames_as_the_config_says(pair: Pair) -> None:
    _, adapter = pair
    config = adapter.layers[0].config
    frames = [config.adapted_frames(frames) for frames in FRAMES]
    _, mask = adapter(tf.zeros([len(FRAMES), WIDTH, HIDDEN]), tf.sequence_mask(FRAMES, WIDTH))
    assert mask.numpy().sum(axis=1).tolist() == frames
    assert mask.shape[1] == frames[0]


def test_training_differs_and_is_finite(pair: Pair) -> None:
    """Dropout is active, no layer is dropped, and NaN in padding stays out of the results."""
    _, adapter = pair
    batch = tf.fill([2, WIDTH, HIDDEN], float("nan"))
    batch = tf.concat([reference.noise(2, 9, HIDDEN), batch[:, 9:]], axis=1)
    mask = tf.sequence_mask([9, 0], WIDTH)
    still, _ = adapter(batch, mask)
    moving, _ = adapter(batch, mask, training=True)
    assert moving.shape == still.shape
    assert np.all(np.isfinite(moving))
    assert difference(still.numpy()[:1], moving[:1]) > 1e-3
    assert np.all(moving[1] == 0)
