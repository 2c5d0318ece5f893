"""Wav2Vec2-BERT's adapter against transformers' PyTorch module, every weight perturbed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import Wav2Vec2BertAdapter

from tests.support import conformer_reference as theirs
from tests.support import reference
from wav2vec2_tf.bert_adapter import BertAdapter

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
    module = theirs.perturbed(Wav2Vec2BertAdapter(their_config))
    adapter = BertAdapter(config, name="adapter")
    adapter.build()
    theirs.copy_weights(module, adapter)
    return module, adapter


def expected_of(module: torch.nn.Module, hidden_states: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return module(torch.from_numpy(hidden_states)).numpy()


def difference(expected: np.ndarray, got: Any) -> float:
    assert expected.shape == tuple(got.shape)
    return float(np.abs(expected - np.asarray(got)).max())


@pytest.mark.parametrize("frames", [4, 5, 6, 7, 8, 23])
def test_equals_the_reference(pair: Pair, frames: int) -> None:
    module, adapter = pair
    hidden_states = reference.noise(2, frames, HIDDEN)
    got, frame_mask = adapter(tf.constant(hidden_states))
    assert frame_mask is None
    assert difference(expected_of(module, hidden_states), got) <= 1e-5


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_padding_has_no_influence(pair: Pair, mode: str) -> None:
    """Each utterance of a padded batch comes out as it does alone, and silence after it."""
    module, adapter = pair
    batch = np.full((len(FRAMES), WIDTH, HIDDEN), np.nan, np.float32)
    rows = [reference.noise(frames, HIDDEN, seed=frames) for frames in FRAMES]
    for padded, row in zip(batch, rows, strict=True):
        padded[: len(row)] = row
    call = adapter
    if mode != "eager":
        signature = [
            tf.TensorSpec([None, None, HIDDEN], tf.float32),
            tf.TensorSpec([None, None], tf.bool),
        ]
        call = tf.function(adapter, input_signature=signature, jit_compile=mode == "xla")
    got, mask = call(tf.constant(batch), tf.sequence_mask(FRAMES, WIDTH))
    assert mask.shape == got.shape[:2]
    for row, states, valid in zip(rows, got.numpy(), mask.numpy(), strict=True):
        frames = int(valid.sum())
        assert valid[:frames].all()
        assert np.all(states[frames:] == 0)
        try:
            expected = expected_of(module, row[np.newaxis])[0] if len(row) else row
        except RuntimeError:  # torch's refusal of fewer frames than the kernel is long
            expected = row[:0]
        assert frames == len(expected)
        if frames:
            assert difference(expected, states[:frames]) <= 1e-5


def test_as_many_frames_as_the_config_says(pair: Pair) -> None:
    _, adapter = pair
    config = adapter.layers[0].config
    frames = [config.adapted_frames(frames) for frames in FRAMES]
    _, mask = adapter(tf.zeros([len(FRAMES), WIDTH, HIDDEN]), tf.sequence_mask(FRAMES, WIDTH))
    assert mask.numpy().sum(axis=1).tolist() == frames
    assert mask.shape[1] == frames[0]


def test_gradients_equal_the_reference(pair: Pair) -> None:
    """Over padding, as the reference's without it."""
    module, adapter = pair
    row = reference.noise(1, 9, HIDDEN)
    module.zero_grad()
    output = module(torch.from_numpy(row))
    target = reference.noise(*output.shape, seed=1)
    (output * torch.from_numpy(target)).sum().backward()

    padded = np.pad(row, [(0, 0), (0, 9), (0, 0)], constant_values=np.nan)
    with tf.GradientTape() as tape:
        got, _ = adapter(tf.constant(padded), tf.sequence_mask([9], 18))
        loss = tf.reduce_sum(got[:, : target.shape[1]] * target)
    variables = adapter.trainable_variables
    gradients = tape.gradient(loss, [v.value for v in variables])
    expected = dict(module.named_parameters())
    for variable, gradient in zip(variables, gradients, strict=True):
        path = variable.path.removeprefix("adapter/")
        grad = expected.pop(theirs.key_of(path)).grad.numpy()
        grad = grad.T if path.endswith("/kernel") else grad
        assert difference(grad, gradient) <= 1e-4 * max(1, np.abs(grad).max()), path
    assert not expected


def test_training_differs_and_is_finite(pair: Pair) -> None:
    """Dropout acts, no layer is dropped, and empty rows and NaN in padding reach nothing."""
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
