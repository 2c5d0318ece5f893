"""WavLM's gated attention against transformers': alone, and in the whole encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from transformers.models.wavlm import modeling_wavlm

from tests.support import layer_reference, reference
from tests.support.layer_reference import TOLERANCE
from tests.support.reference import difference
from wav2vec2_tf.models.config import WavLMConfig
from wav2vec2_tf.models.layers import dtype_policy
from wav2vec2_tf.models.lengths import attention_bias, silence_padding
from wav2vec2_tf.models.transformer import Encoder
from wav2vec2_tf.models.wavlm import GatedAttention, distance_buckets

HIDDEN, HEADS = 12, 3
SIZES: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "num_attention_heads": HEADS,
    "num_hidden_layers": 2,
    "intermediate_size": 16,
    "num_buckets": 12,
    "max_bucket_distance": 8,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 3,
}
NO_DROPOUT = dict.fromkeys(
    ("attention_dropout", "hidden_dropout", "activation_dropout", "layerdrop"), 0.0
)


def attentions(index: int = 0, **changes: Any) -> tuple[Any, Any]:
    sizes = {**SIZES, **NO_DROPOUT, **changes}
    module = modeling_wavlm.WavLMAttention(
        HIDDEN,
        HEADS,
        num_buckets=sizes["num_buckets"],
        max_distance=sizes["max_bucket_distance"],
        has_relative_position_bias=index == 0,
    )
    layer = GatedAttention(WavLMConfig(**sizes), index, name="attention")
    return layer_reference.pair(layer, module)


@pytest.fixture
def per_head(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The weights of every call of torch's attention before they are averaged over the heads."""
    seen: list[np.ndarray] = []
    original = torch.nn.functional.multi_head_attention_forward

    def attend(*arguments: Any, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
        output, weights = original(*arguments, **options, average_attn_weights=False)
        seen.append(weights.numpy())
        return output, weights.mean(dim=1)

    monkeypatch.setattr(torch.nn.functional, "multi_head_attention_forward", attend)
    return seen


# The attention


@pytest.mark.parametrize("frames", [1, 2, 9, 40])  # 8 is the greatest distance
def test_first_layer_equals_transformers(frames: int, per_head: list[np.ndarray]) -> None:
    ours, theirs = attentions()
    values = reference.noise(2, frames, HIDDEN)
    with torch.inference_mode():
        wanted, _, bias = theirs(torch.from_numpy(values))
    position_bias = ours.position_bias(frames)
    np.testing.assert_array_equal(position_bias, bias[:HEADS].numpy())
    got, weights = ours(values, position_bias=position_bias)
    assert difference(got, wanted) < TOLERANCE
    assert difference(weights, per_head[0]) < TOLERANCE


def test_later_layers_gate_the_bias_of_the_first(per_head: list[np.ndarray]) -> None:
    ours, theirs = attentions(index=1)
    assert not hasattr(theirs, "rel_attn_embed")
    values = reference.noise(2, 9, HIDDEN)
    bias = reference.noise(HEADS, 9, 9)
    with torch.inference_mode():
        wanted, _, _ = theirs(
            torch.from_numpy(values), position_bias=torch.from_numpy(np.tile(bias, (2, 1, 1)))
        )
    got, weights = ours(values, position_bias=bias)
    assert difference(got, wanted) < TOLERANCE
    assert difference(weights, per_head[0]) < TOLERANCE


def test_long_speech_at_the_published_distances(per_head: list[np.ndarray]) -> None:
    """900 frames (18 s) exceed the 800 distances that the embedding distinguishes."""
    ours, theirs = attentions(num_buckets=320, max_bucket_distance=800)
    values = reference.noise(1, 900, HIDDEN)
    with torch.inference_mode():
        wanted, _, bias = theirs(torch.from_numpy(values))
    position_bias = ours.position_bias(900)
    np.testing.assert_array_equal(position_bias, bias.numpy())
    got, weights = ours(values, position_bias=position_bias)
    assert difference(got, wanted) < TOLERANCE
    assert difference(weights, per_head[0]) < TOLERANCE


@pytest.mark.parametrize("num_buckets", [4, 5, 12, 32, 64, 320])
@pytest.mark.parametrize("max_distance", [81, 100, 128, 256, 800, 1024])
def test_buckets_equal_transformers(num_buckets: int, max_distance: int) -> None:
    """At powers of two an edge of a bucket may be an integer, where rounding decides."""
    theirs = modeling_wavlm.WavLMAttention(
        HIDDEN, HEADS, num_buckets=num_buckets, max_distance=max_distance
    )
    distances = torch.arange(-2 * max_distance, 2 * max_distance + 1)
    wanted = theirs._relative_positions_bucket(distances).numpy()
    clipped = np.clip(distances.numpy(), -max_distance, max_distance)
    got = distance_buckets(num_buckets, max_distance)[clipped + max_distance]
    np.testing.assert_array_equal(got, wanted)
    assert got.max() < num_buckets


def test_attention_of_ragged_rows_equals_transformers() -> None:
    """Compares hidden states and gradients, including those of the distances and of the gate."""
    ours, theirs = attentions()

    def call(values: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        position_bias = ours.position_bias(tf.shape(values)[1])
        if mask is None:
            return ours(values, position_bias=position_bias)[0]
        values = silence_padding(values, mask)
        return ours(values, attention_bias(mask, values.dtype), position_bias)[0]

    layer_reference.check_layer(ours, theirs, HIDDEN, call=call)


def test_padding_is_given_no_attention(per_head: list[np.ndarray]) -> None:
    ours, theirs = attentions()
    values, mask = layer_reference.ragged(HIDDEN, 0.0)
    bias = attention_bias(tf.constant(mask), tf.float32)
    _, weights = ours(values, bias, ours.position_bias(values.shape[1]))
    for row, frames in enumerate(layer_reference.RAGGED):
        if not frames:
            continue
        layer_reference.run(theirs, values[row : row + 1, :frames])
        of_row = weights[row, :, :frames]
        assert difference(of_row[..., :frames], per_head.pop()[0]) < TOLERANCE
        assert np.abs(of_row[..., frames:]).max(initial=0) == 0


# The encoder


def encoders(stable: bool, **changes: Any) -> tuple[Any, Any]:
    sizes = {**SIZES, **NO_DROPOUT, "do_stable_layer_norm": stable, **changes}
    theirs = transformers.WavLMConfig(**sizes)
    kind = modeling_wavlm.WavLMEncoderStableLayerNorm if stable else modeling_wavlm.WavLMEncoder
    layer = Encoder(WavLMConfig(**sizes), attention=GatedAttention, name="encoder")
    return layer_reference.pair(layer, kind(theirs))


@pytest.mark.parametrize("stable", [False, True])
def test_encoder_equals_transformers(stable: bool, per_head: list[np.ndarray]) -> None:
    ours, theirs = encoders(stable)
    values = reference.noise(2, 20, HIDDEN)
    wanted = layer_reference.run(theirs, values)
    assert wanted.std() > 0.1
    got = ours(values, output_attentions=True)
    assert difference(got.last_hidden_state, wanted) < TOLERANCE
    for ours_, theirs_ in zip(got.attentions, per_head, strict=True):
        assert difference(ours_, theirs_) < TOLERANCE


@pytest.mark.parametrize(("stable", "modes"), [(False, layer_reference.MODES), (True, ["eager"])])
def test_encoder_of_ragged_rows_equals_transformers(stable: bool, modes: Sequence[str]) -> None:
    ours, theirs = encoders(stable)
    layer_reference.check_layer(
        ours, theirs, HIDDEN, modes=modes, compiled_gradients=True, zeros=True
    )


def test_padding_has_no_influence_in_training() -> None:
    layer_reference.check_layer(
        *encoders(stable=False), HIDDEN, modes=["eager"], zeros=True, training=True
    )


def test_half_precision() -> None:
    with dtype_policy("mixed_float16"):
        ours, theirs = encoders(stable=False)
    values = reference.noise(2, 20, HIDDEN)
    got = ours(values).last_hidden_state
    assert got.dtype == tf.float16
    assert difference(got, layer_reference.run(theirs, values)) < 5e-2
