"""The quantizer of pre-training against transformers', and the distribution of its draws."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from transformers.models.unispeech_sat.modeling_unispeech_sat import (
    UniSpeechSatGumbelVectorQuantizer,
)
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2GumbelVectorQuantizer

from tests.support import reference
from wav2vec2_tf.models.config import UniSpeechSatConfig, Wav2Vec2Config
from wav2vec2_tf.models.quantizer import GumbelVectorQuantizer

TOLERANCE = 1e-5
CHANNELS, HIDDEN, ENTRIES, CODEBOOKS, WIDTH = 16, 24, 5, 3, 12
SIZES: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "num_attention_heads": 3,
    "conv_dim": (CHANNELS,) * 7,
    "num_conv_pos_embedding_groups": 4,
    "num_codevectors_per_group": ENTRIES,
    "num_codevector_groups": CODEBOOKS,
    "codevector_dim": WIDTH,
}
FEATURES = reference.noise(2, 7, CHANNELS)
CHOSEN = np.array([[1, 1, 1, 0, 0, 1, 0], [0, 1, 0, 0, 1, 1, 0]], bool)


@pytest.fixture(scope="module")
def theirs() -> torch.nn.Module:
    torch.manual_seed(0)
    quantizer = Wav2Vec2GumbelVectorQuantizer(reference.tiny_config("group", **SIZES)).eval()
    with torch.no_grad():
        for values in quantizer.parameters():
            values.copy_(torch.randn_like(values))
    return quantizer


@pytest.fixture(scope="module")
def ours(theirs: torch.nn.Module) -> GumbelVectorQuantizer:
    quantizer = GumbelVectorQuantizer(Wav2Vec2Config(**SIZES))
    quantizer.build()
    quantizer.codevectors.assign(theirs.codevectors.detach().numpy())
    quantizer.weight_proj.kernel.assign(theirs.weight_proj.weight.detach().numpy().T)
    quantizer.weight_proj.bias.assign(theirs.weight_proj.bias.detach().numpy())
    return quantizer


def entries_of(quantizer: GumbelVectorQuantizer, quantized: Any) -> np.ndarray:
    """Returns the (batch, frames, codebooks) indices of the entries in quantized frames."""
    books = quantizer.codevectors.numpy().reshape(CODEBOOKS, ENTRIES, -1)
    parts = np.asarray(quantized).reshape(*quantized.shape[:2], CODEBOOKS, 1, -1)
    distance = np.abs(parts - books).max(axis=-1)
    assert distance.min(axis=-1).max() == 0  # each is an entry, exactly
    return distance.argmin(axis=-1)


@pytest.mark.parametrize("chosen", [None, CHOSEN], ids=["all", "chosen"])
def test_inference_equals_pytorch(ours: Any, theirs: Any, chosen: np.ndarray | None) -> None:
    with torch.no_grad():
        mask = None if chosen is None else torch.from_numpy(chosen)
        wanted, wanted_perplexity = theirs(torch.from_numpy(FEATURES), mask)
    got, perplexity = ours(FEATURES, chosen=chosen)
    assert np.abs(got - wanted.numpy()).max() == 0
    assert abs(float(perplexity) - float(wanted_perplexity)) < TOLERANCE
    assert perplexity > CODEBOOKS + 1  # several entries are in use


def test_training_perplexity_equals_pytorch(ours: Any, theirs: Any) -> None:
    theirs.train()
    try:
        with torch.no_grad():
            _, wanted = theirs(torch.from_numpy(FEATURES), torch.from_numpy(CHOSEN))
    finally:
        theirs.eval()
    _, perplexity = ours(FEATURES, chosen=CHOSEN, training=True)
    assert abs(float(perplexity) - float(wanted)) < TOLERANCE


def test_frames_not_chosen_do_not_enter_perplexity(ours: Any) -> None:
    features = np.where(CHOSEN[..., np.newaxis], FEATURES, np.nan).astype(np.float32)
    for training in (False, True):
        _, perplexity = ours(features, chosen=CHOSEN, training=training)
        _, wanted = ours(FEATURES, chosen=CHOSEN, training=training)
        assert abs(float(perplexity) - float(wanted)) < TOLERANCE


def test_perplexity_of_no_frame_and_of_one(ours: Any) -> None:
    for features in (FEATURES[:, :0], FEATURES[:1, :1]):
        quantized, perplexity = ours(features)
        assert quantized.shape == (*features.shape[:2], WIDTH)
        assert float(perplexity) == pytest.approx(CODEBOOKS)
    _, perplexity = ours(FEATURES, chosen=np.zeros_like(CHOSEN))
    assert float(perplexity) == pytest.approx(CODEBOOKS)


def test_draws_are_entries_with_the_softmax_of_the_logits(ours: Any) -> None:
    draws = 4000
    features = np.broadcast_to(FEATURES[:1, :1], (1, draws, CHANNELS))
    for temperature in (2.0, 0.1):  # it scales the gradient, not the draws
        ours.temperature.assign(temperature)
        quantized, _ = ours(features, training=True)
        entries = entries_of(ours, quantized)[0]
        logits = ours.weight_proj(features[:, :1]).numpy().reshape(CODEBOOKS, ENTRIES)
        for book in range(CODEBOOKS):
            wanted = tf.nn.softmax(logits[book]).numpy()
            share = np.bincount(entries[:, book], minlength=ENTRIES) / draws
            deviation = np.sqrt(wanted * (1 - wanted) / draws)
            assert (np.abs(share - wanted) < 5 * deviation + 1e-3).all()
            assert ((share > 0) & (share < 1)).sum() > 1
    ours.temperature.assign(2.0)


def test_draws_of_codebooks_and_frames_are_independent(ours: Any) -> None:
    features = np.zeros((2, 1500, CHANNELS), np.float32)
    bias = ours.weight_proj.bias.numpy()
    ours.weight_proj.bias.assign(np.zeros_like(bias))
    entries = entries_of(ours, ours(features, training=True)[0])
    again = entries_of(ours, ours(features, training=True)[0])
    ours.weight_proj.bias.assign(bias)
    pairs = {
        "codebooks": (entries[..., 0], entries[..., 1]),
        "frames": (entries[:, 1:], entries[:, :-1]),
        "rows": (entries[0], entries[1]),
        "calls": (entries, again),
    }
    for name, (left, right) in pairs.items():
        assert abs((left == right).mean() - 1 / ENTRIES) < 0.05, name


def test_gradient_is_that_of_the_soft_choice(ours: Any, theirs: Any) -> None:
    """The straight-through gradient equals PyTorch's for the same noise."""
    noise = np.random.default_rng(0).gumbel(size=(2, 7, CODEBOOKS, ENTRIES)).astype(np.float32)
    outward = reference.noise(2, 7, WIDTH, seed=1)
    fixed = GumbelVectorQuantizer(Wav2Vec2Config(**SIZES))
    fixed.build()
    for variable, values in zip(fixed.weights, ours.weights, strict=True):
        variable.assign(values)
    fixed.gumbel_noise = lambda shape: tf.constant(noise)
    features = tf.constant(FEATURES)
    with tf.GradientTape() as tape:
        tape.watch(features)
        quantized, _ = fixed(features, training=True)
        loss = tf.reduce_sum(quantized * outward)
    variables = [fixed.codevectors.value, fixed.weight_proj.kernel.value]
    got = tape.gradient(loss, [features, *variables])

    their_features = torch.tensor(FEATURES, requires_grad=True)
    logits = theirs.weight_proj(their_features).view(2, 7, CODEBOOKS, ENTRIES)
    soft = ((logits + torch.from_numpy(noise)) / 2).softmax(-1)
    hard = torch.nn.functional.one_hot(soft.argmax(-1), ENTRIES)
    choice = hard - soft.detach() + soft
    books = theirs.codevectors.view(CODEBOOKS, ENTRIES, -1)
    their_quantized = torch.einsum("bfce,ces->bfcs", choice, books).reshape(2, 7, WIDTH)
    theirs.zero_grad()
    (their_quantized * torch.from_numpy(outward)).sum().backward()
    wanted = [their_features.grad, theirs.codevectors.grad, theirs.weight_proj.weight.grad.T]
    assert np.abs(quantized - their_quantized.detach().numpy()).max() < TOLERANCE
    for ours_gradient, their_gradient in zip(got, wanted, strict=True):
        assert their_gradient.abs().max() > 0.1
        assert np.abs(ours_gradient - their_gradient.numpy()).max() < TOLERANCE
    theirs.zero_grad()


def test_perplexity_has_a_gradient_in_training(ours: Any) -> None:
    with tf.GradientTape() as tape:
        _, perplexity = ours(FEATURES, chosen=CHOSEN, training=True)
    gradient = tape.gradient(perplexity, ours.weight_proj.kernel.value)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 1e-3


@pytest.mark.parametrize("jit", [False, True])
def test_a_compiled_function_draws_again_and_uses_the_temperature(ours: Any, jit: bool) -> None:
    specification = [tf.TensorSpec([None, None, CHANNELS])] if not jit else None

    @tf.function(jit_compile=jit, input_signature=specification)
    def run(features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            quantized, _ = ours(features, training=True)
        return quantized, tape.gradient(quantized, ours.weight_proj.kernel.value)

    features = tf.constant(reference.noise(2, 40, CHANNELS))
    first, smooth = run(features)
    second, _ = run(features)
    assert first.shape == (2, 40, WIDTH)
    assert np.abs(first - second).max() > 0.1
    ours.temperature.assign(1e6)
    _, flat = run(features)
    ours.temperature.assign(2.0)
    assert np.abs(flat).max() < 1e-3 * np.abs(smooth).max()


def test_temperature_is_no_weight(ours: Any) -> None:
    shapes = {variable.path.split("/", 1)[1]: tuple(variable.shape) for variable in ours.weights}
    assert shapes == {
        "codevectors": (1, CODEBOOKS * ENTRIES, WIDTH // CODEBOOKS),
        "weight_proj/kernel": (CHANNELS, CODEBOOKS * ENTRIES),
        "weight_proj/bias": (CODEBOOKS * ENTRIES,),
    }
    assert all(variable.trainable for variable in ours.weights)


@pytest.mark.bfloat16
def test_mixed_precision(ours: Any) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = GumbelVectorQuantizer(Wav2Vec2Config(**SIZES))
        half.build()
    finally:
        keras.config.set_dtype_policy("float32")
    for variable, values in zip(half.weights, ours.weights, strict=True):
        variable.assign(values)
    for training in (False, True):
        quantized, perplexity = half(FEATURES, training=training)
        assert quantized.dtype == tf.bfloat16
        assert perplexity.dtype == tf.float32
        wanted = ours(FEATURES, training=True)[1] if training else ours(FEATURES)[1]
        assert float(perplexity) == pytest.approx(float(wanted), rel=0.1)


def test_unispeech_sat_holds_one_of_the_width_of_its_states() -> None:
    config = UniSpeechSatConfig(**SIZES)
    quantizer = GumbelVectorQuantizer(config, config.hidden_size)
    quantizer.build()
    their = UniSpeechSatGumbelVectorQuantizer(reference.tiny_config("group", **SIZES))
    shape = tuple(their.weight_proj.weight.shape)
    assert tuple(quantizer.weight_proj.kernel.shape) == shape[::-1] == (HIDDEN, 15)
