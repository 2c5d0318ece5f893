"""Batch norm against torch's: outputs, gradients and moving statistics, without padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from tests.support import layer_reference, reference
from tests.support.layer_reference import TOLERANCE
from wav2vec2_tf.models.batch_norm import BatchNorm
from wav2vec2_tf.models.layers import dtype_policy

CHANNELS = 5
MOVING = ("running_mean", "running_var", "num_batches_tracked")


def norms() -> tuple[Any, Any]:
    return layer_reference.pair(BatchNorm(CHANNELS), torch.nn.BatchNorm1d(CHANNELS))


def torch_norm(norm: torch.nn.Module, values: Any) -> Any:
    return norm(values.transpose(1, 2)).transpose(1, 2)


def assert_same_statistics(ours: Any, theirs: Any) -> None:
    got = (ours.moving_mean, ours.moving_variance, ours.num_batches_tracked)
    for name, values in zip(MOVING, got, strict=True):
        wanted = getattr(theirs, name).numpy()
        np.testing.assert_allclose(values.numpy(), wanted, rtol=0, atol=TOLERANCE, err_msg=name)


@pytest.mark.parametrize("mode", layer_reference.MODES)
def test_inference_equals_torch(mode: str) -> None:
    ours, theirs = norms()
    values = reference.noise(3, 7, CHANNELS) * 4 + 2
    with torch.inference_mode():
        wanted = torch_norm(theirs, torch.from_numpy(values)).numpy()
    got = layer_reference.compiled(ours, mode, CHANNELS, masked=False)(values, None)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("mode", layer_reference.MODES)
def test_training_equals_torch(mode: str) -> None:
    ours, theirs = norms()
    theirs.train()

    def call(values: Any, mask: Any) -> Any:
        return ours(values, mask, training=True)

    call = layer_reference.compiled(call, mode, CHANNELS, masked=False)
    for step in range(3):
        values = reference.noise(3, 7 + step, CHANNELS, seed=step) * 4 + 2
        wanted = torch_norm(theirs, torch.from_numpy(values)).detach().numpy()
        np.testing.assert_allclose(call(values, None), wanted, rtol=0, atol=TOLERANCE)
        assert_same_statistics(ours, theirs)
    assert ours.num_batches_tracked.dtype == "int64"


@pytest.mark.parametrize("mode", layer_reference.MODES)
def test_padding_enters_no_statistic(mode: str) -> None:
    """torch gets the valid frames alone, concatenated."""
    ours, theirs = norms()
    theirs.train()
    values, mask = layer_reference.ragged(CHANNELS, np.nan)

    def call(values: Any, mask: Any) -> Any:
        return ours(values, mask, training=True)

    got = layer_reference.compiled(call, mode, CHANNELS, masked=True)(values, mask)
    wanted = theirs(torch.from_numpy(values[mask])).detach().numpy()
    np.testing.assert_allclose(np.asarray(got)[mask], wanted, rtol=0, atol=TOLERANCE)
    assert_same_statistics(ours, theirs)


def test_gradients_equal_torch() -> None:
    """Gradients also flow through the batch's statistics; padding contributes none."""
    ours, theirs = norms()
    theirs.train()
    values, mask = layer_reference.ragged(CHANNELS, np.nan)
    inputs = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = tf.where(mask[..., np.newaxis], ours(inputs, mask, training=True), 0.0)
        loss = tf.reduce_sum(tf.sin(3 * output))
    got = tape.gradient(loss, [inputs, ours.gamma.value, ours.beta.value])

    valid = torch.from_numpy(values[mask]).requires_grad_()
    torch.sin(3 * theirs(valid)).sum().backward()
    wanted = [valid.grad, theirs.weight.grad, theirs.bias.grad]
    got[0] = got[0].numpy()[mask]
    for ours_, theirs_ in zip(got, wanted, strict=True):
        np.testing.assert_allclose(ours_, theirs_.numpy(), rtol=0, atol=5 * TOLERANCE)


@pytest.mark.parametrize("frames", [(1,), (0, 1)])
def test_one_frame_has_no_variance(frames: tuple[int, ...]) -> None:
    ours, _ = norms()
    values, mask = layer_reference.ragged(CHANNELS, np.nan, frames)
    before = ours.moving_mean.numpy(), ours.moving_variance.numpy()
    got = np.asarray(ours(values, mask, training=True))[mask]
    np.testing.assert_allclose(got[0], ours.beta.numpy(), rtol=0, atol=TOLERANCE)
    mean = 0.9 * before[0] + 0.1 * values[mask][0]
    np.testing.assert_allclose(ours.moving_mean.numpy(), mean, rtol=0, atol=TOLERANCE)
    variance = 0.9 * before[1]
    np.testing.assert_allclose(ours.moving_variance.numpy(), variance, rtol=0, atol=TOLERANCE)


def test_no_valid_frame_leaves_the_statistics() -> None:
    ours, _ = norms()
    before = ours.moving_mean.numpy(), ours.moving_variance.numpy()
    values = np.full((2, 3, CHANNELS), np.nan, np.float32)
    got = ours(values, np.zeros((2, 3), bool), training=True)
    assert np.isfinite(got).all()
    np.testing.assert_array_equal(ours.moving_mean.numpy(), before[0])
    np.testing.assert_array_equal(ours.moving_variance.numpy(), before[1])


def test_half_precision_keeps_its_statistics_in_float32() -> None:
    with dtype_policy("mixed_float16"):
        ours, theirs = norms()
    theirs.train()
    values = (reference.noise(3, 2000, CHANNELS) * 4 + 100).astype(np.float16)  # sums pass 65504
    wanted = torch_norm(theirs, torch.from_numpy(values.astype(np.float32))).detach().numpy()
    got = ours(values, training=True)
    assert got.dtype == tf.float16
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-2)
    np.testing.assert_allclose(
        ours.moving_variance.numpy(), theirs.running_var.numpy(), rtol=1e-4, atol=0
    )


def test_a_replica_may_compile_its_step() -> None:
    """Trains under a distribution strategy with each replica's function compiled."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        ours = BatchNorm(CHANNELS)
        ours.build()
    values = reference.noise(2, 7, CHANNELS)
    compiled = tf.function(lambda: ours(values, training=True), jit_compile=True)
    strategy.run(tf.function(lambda: compiled()))
    mean = 0.1 * values.mean(axis=(0, 1))
    np.testing.assert_allclose(ours.moving_mean.numpy(), mean, rtol=0, atol=TOLERANCE)
    assert ours.num_batches_tracked.numpy() == 1
