"""The Conformer encoders against transformers' PyTorch modules, every weight perturbed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from transformers.models.wav2vec2_bert import modeling_wav2vec2_bert as bert
from transformers.models.wav2vec2_conformer import modeling_wav2vec2_conformer as conformer

from tests.support import conformer_reference as theirs
from tests.support import layer_reference, reference
from tests.support.reference import difference
from wav2vec2_tf.models.conformer import ConformerEncoder, DepthwiseConv
from wav2vec2_tf.models.conformer_attention import RelativePositions, RotaryPositions
from wav2vec2_tf.models.layers import dtype_policy

HIDDEN = theirs.HIDDEN
KINDS = (
    ("conformer", "relative"),
    ("conformer", "rotary"),
    ("conformer", None),
    ("bert", "relative_key"),
    ("bert", "relative"),
    ("bert", "rotary"),
    ("bert", None),
)
COVERING = (KINDS[0], KINDS[1], KINDS[3])  # every scheme, both convolutions
MODULES = {
    "conformer": conformer.Wav2Vec2ConformerEncoder,
    "bert": bert.Wav2Vec2BertEncoder,
}
NO_DROPOUT = {
    "hidden_dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "conformer_conv_dropout": 0.0,
}
FRAMES = (17, 5, 1, 0)  # valid ones of each row
WIDTH = 17

Pair = tuple[torch.nn.Module, ConformerEncoder]


def pair_of(family: str, positions: str | None, **changes: Any) -> Pair:
    their_config, config = theirs.configs(family, position_embeddings_type=positions, **changes)
    encoder = ConformerEncoder(config, name="encoder")
    encoder, module = layer_reference.pair(encoder, MODULES[family](their_config))
    return module, encoder


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def pair(request: pytest.FixtureRequest) -> Pair:
    """Our encoder and PyTorch's with equal weights. Tests do not change them."""
    return pair_of(*request.param)


def masked_batch() -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Returns utterances, their batch padded with NaN, and its mask."""
    rows = [reference.noise(frames, HIDDEN, seed=frames) for frames in FRAMES]
    batch = np.full((len(rows), WIDTH, HIDDEN), np.nan, np.float32)
    for padded, row in zip(batch, rows, strict=True):
        padded[: len(row)] = row
    return rows, batch, np.arange(WIDTH) < np.array(FRAMES)[:, np.newaxis]


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_equals_the_reference(pair: Pair, frames: int) -> None:
    module, encoder = pair
    hidden_states = reference.noise(2, frames, HIDDEN)
    expected = theirs.run(module, hidden_states)
    got = encoder(tf.constant(hidden_states), output_hidden_states=True, output_attentions=True)
    assert difference(expected["last_hidden_state"], got.last_hidden_state) <= 1e-5
    assert len(got.hidden_states) == len(expected["hidden_states"]) == 3
    assert len(got.attentions) == len(expected["attentions"]) == 2
    for name in ("hidden_states", "attentions"):
        for layer, ours in zip(expected[name], getattr(got, name), strict=True):
            assert difference(layer, ours) <= 1e-5, name


def test_nothing_more_than_asked_for(pair: Pair) -> None:
    got = pair[1](tf.constant(reference.noise(1, 3, HIDDEN)))
    assert got.hidden_states == () and got.attentions == ()


def test_hidden_states_of_padding(pair: Pair) -> None:
    """Hidden states of each row equal those of the utterance alone, and are zero in padding."""
    module, encoder = pair
    rows, batch, mask = masked_batch()
    got = encoder(tf.constant(batch), tf.constant(mask), output_hidden_states=True)
    for index, row in enumerate(rows):
        frames = len(row)
        assert not any(np.any(state[index, frames:]) for state in got.hidden_states)
        if frames:
            expected = theirs.run(module, row[np.newaxis])["hidden_states"]
            for layer, ours in zip(expected, got.hidden_states, strict=True):
                assert difference(layer, ours[index : index + 1, :frames]) <= 1e-5


def test_ragged_rows_equal_the_reference(pair: Pair) -> None:
    module, encoder = pair
    layer_reference.check_layer(encoder, module, HIDDEN, modes=["eager"], zeros=True)


@pytest.mark.parametrize(("family", "positions"), COVERING)
def test_compiled_equals_the_reference(family: str, positions: str) -> None:
    """Compares states and gradients in a graph and under XLA; one layer, to compile quickly."""
    module, encoder = pair_of(family, positions, num_hidden_layers=1)
    layer_reference.check_layer(
        encoder,
        module,
        HIDDEN,
        modes=["tf.function", "jit_compile"],
        compiled_gradients=True,
        zeros=True,
    )


@pytest.mark.parametrize(("family", "positions"), COVERING)
def test_one_graph_serves_every_length(family: str, positions: str) -> None:
    module, encoder = pair_of(family, positions, num_hidden_layers=1)
    call = tf.function(encoder, input_signature=[tf.TensorSpec([None, None, HIDDEN], tf.float32)])
    for shape in ((1, 1), (3, 19)):
        hidden_states = reference.noise(*shape, HIDDEN)
        expected = theirs.run(module, hidden_states)["last_hidden_state"]
        assert difference(expected, call(tf.constant(hidden_states)).last_hidden_state) <= 1e-5


@pytest.mark.parametrize(("family", "positions"), COVERING)
def test_training_with_empty_rows(family: str, positions: str | None) -> None:
    """With dropout and dropped layers the result varies, and every gradient is finite."""
    rates = {"hidden_dropout": 0.3, "layerdrop": 0.3, "num_hidden_layers": 1}
    _, encoder = pair_of(family, positions, **rates)
    _, batch, mask = masked_batch()
    values = [v.value for v in encoder.trainable_variables]

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            last = encoder(tf.constant(batch), tf.constant(mask), training=True)
            loss = tf.reduce_sum(tf.abs(last.last_hidden_state))
        return loss, tape.gradient(loss, values)

    losses = []
    for _ in range(2):
        loss, gradients = step()
        losses.append(float(loss))
        for gradient in gradients:
            assert np.all(np.isfinite(tf.convert_to_tensor(gradient)))
    assert losses[0] != losses[1]


@pytest.mark.parametrize("family", ["conformer", "bert"])
def test_dropped_layers(family: str) -> None:
    """With every layer dropped, the output is the input, after Wav2Vec2-Conformer's last norm."""
    module, encoder = pair_of(family, None, layerdrop=1.0, **NO_DROPOUT)
    hidden_states = tf.constant(reference.noise(2, 6, HIDDEN))
    kept = encoder(hidden_states, training=False).last_hidden_state
    assert difference(theirs.run(module, hidden_states.numpy())["last_hidden_state"], kept) <= 1e-5
    dropped = encoder(hidden_states, training=True).last_hidden_state
    expected = hidden_states if family == "bert" else encoder.layer_norm(hidden_states)
    assert difference(np.asarray(expected), dropped) == 0


def test_batch_norm_learns_from_valid_frames() -> None:
    """Statistics in training equal torch's on the same frames without padding."""
    module, encoder = pair_of("conformer", "relative", layerdrop=0.0, **NO_DROPOUT)
    row = reference.noise(1, 9, HIDDEN)
    padded = np.pad(row, [(0, 0), (0, 5), (0, 0)], constant_values=np.nan)
    before = int(encoder.layers[0].conv_module.batch_norm.num_batches_tracked)
    got = encoder(tf.constant(padded), tf.sequence_mask([9], 14), training=True)
    module.train()
    with torch.no_grad():
        expected = module(torch.from_numpy(row)).last_hidden_state.numpy()
    assert difference(expected, got.last_hidden_state[:, :9]) <= 1e-5
    state = module.state_dict()
    for index, layer in enumerate(encoder.layers):
        norm, key = layer.conv_module.batch_norm, f"layers.{index}.conv_module.batch_norm"
        assert difference(state[f"{key}.running_mean"].numpy(), norm.moving_mean) <= 1e-5
        assert difference(state[f"{key}.running_var"].numpy(), norm.moving_variance) <= 1e-5
        steps = int(state[f"{key}.num_batches_tracked"])
        assert int(norm.num_batches_tracked) == steps == before + 1


def test_what_is_trained() -> None:
    """The unused positional convolution, frequencies and running statistics are not trained."""
    _, encoder = pair_of("conformer", "rotary")
    fixed = {v.path for v in encoder.non_trainable_variables if "seed_generator" not in v.path}
    statistics = ("moving_mean", "moving_variance", "num_batches_tracked")
    assert fixed == {
        *(f"encoder/pos_conv_embed/{name}" for name in ("g", "v", "bias")),
        "encoder/embed_positions/inv_freq",
        *(
            f"encoder/layers_{index}/conv_module/batch_norm/{name}"
            for index in range(2)
            for name in statistics
        ),
    }


@pytest.mark.parametrize("family", ["conformer", "bert"])
@pytest.mark.parametrize("frames", [3, 4, 9, 30])
def test_positions_beyond_those_made_beforehand(family: str, frames: int) -> None:
    module, encoder = pair_of(family, "relative", max_source_positions=4, num_hidden_layers=1)
    hidden_states = reference.noise(1, frames, HIDDEN)
    expected = theirs.run(module, hidden_states)["last_hidden_state"]
    got = encoder(tf.constant(hidden_states)).last_hidden_state
    assert difference(expected, got) <= 1e-5


@pytest.mark.parametrize("left,right", [(0, 0), (0, 3), (3, 0), (64, 8)])
def test_distances_that_have_embeddings(left: int, right: int) -> None:
    module, encoder = pair_of(
        "bert",
        "relative_key",
        left_max_position_embeddings=left,
        right_max_position_embeddings=right,
        num_hidden_layers=1,
    )
    for frames in (1, 2, 7, 90):
        hidden_states = reference.noise(2, frames, HIDDEN)
        expected = theirs.run(module, hidden_states)["last_hidden_state"]
        got = encoder(tf.constant(hidden_states)).last_hidden_state
        assert difference(expected, got) <= 1e-5


@pytest.mark.parametrize("family", ["conformer", "bert"])
def test_positions_of_two_minutes_at_published_size(family: str) -> None:
    """Angles are large, so a few of torch's frequencies may differ in the last bit."""
    frames = 6000
    sizes = {"hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 0}
    their_config, config = theirs.configs(family, **sizes)
    states = np.zeros((1, frames, 1024), np.float32)
    scheme = conformer if family == "conformer" else bert
    name = "Wav2Vec2Conformer" if family == "conformer" else "Wav2Vec2Bert"
    relative = getattr(scheme, f"{name}RelPositionalEmbedding")(their_config)
    rotary = getattr(scheme, f"{name}RotaryPositionalEmbedding")(their_config)
    embed_rotary = RotaryPositions(config)
    embed_rotary.build()
    with torch.inference_mode():
        pairs = (
            (relative(torch.from_numpy(states))[0], RelativePositions(config)(states)[:-1]),
            (rotary(torch.from_numpy(states))[:, :, 0, 0], embed_rotary(states)),
        )
    for expected, got in pairs:
        assert expected.shape == got.shape
        off = np.abs(expected.numpy() - np.asarray(got)).reshape(-1, got.shape[-1]).max(axis=0)
        assert (off > 2e-6).mean() <= 0.02
        assert off.max() <= frames * 2**-23


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 3, 31])
def test_depthwise_conv(kernel_size: int, causal: bool) -> None:
    """Equals torch's in one graph for all lengths, around the multiples of a block."""
    channels = 6
    convolution = DepthwiseConv(channels, kernel_size, causal)
    convolution.build()
    weight = torch.from_numpy(convolution.kernel.numpy().T.copy())
    sides = (kernel_size - 1, 0) if causal else (kernel_size // 2, kernel_size // 2)
    signature = [tf.TensorSpec([None, None, channels], tf.float32)]
    call = tf.function(convolution, input_signature=signature)
    for frames in (1, 2, 3, 4, 30, 31, 32, 63):
        values = torch.from_numpy(reference.noise(2, channels, frames))
        padded = torch.nn.functional.pad(values, sides)
        expected = torch.nn.functional.conv1d(padded, weight, groups=channels)
        got = call(tf.constant(values.numpy().transpose(0, 2, 1)))
        assert difference(expected.numpy().transpose(0, 2, 1), got) <= 1e-5


@pytest.mark.bfloat16
@pytest.mark.parametrize(("family", "positions"), COVERING)
def test_half_precision(family: str, positions: str | None) -> None:
    """Results are near float32's, and neither padding nor an empty row gives NaN."""
    rows, batch, mask = masked_batch()
    with dtype_policy("mixed_bfloat16"):
        module, encoder = pair_of(family, positions)
    got = tf.cast(encoder(tf.constant(batch), tf.constant(mask)).last_hidden_state, tf.float32)
    assert np.all(np.isfinite(got))
    expected = theirs.run(module, rows[0][np.newaxis])["last_hidden_state"]
    assert 1e-5 < difference(expected, got[:1]) <= 0.1 * np.abs(expected).max()
