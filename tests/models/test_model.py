"""Base and CTC models against transformers' in PyTorch, under padding and under compilation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from convert import parity_models as parity
from tests.support import reference
from tests.support.paths import ROOT
from tests.support.reference import difference
from wav2vec2_tf import AutoModel, AutoModelForCTC, UserError, Wav2Vec2Config, Wav2Vec2ForCTC
from wav2vec2_tf.checkpoint import loader
from wav2vec2_tf.models import families
from wav2vec2_tf.models.layers import dtype_policy
from wav2vec2_tf.models.spec_augment import span_mask
from wav2vec2_tf.models.transformer import PositionalConvEmbedding

TOLERANCE = 1e-5  # a tenth of the contract's; float32 gives 1e-6 at this size
RAGGED = (3000, 400, 0, 719, 399, 720, 5000)  # samples; one frame takes 400
NO_DROPOUT = {
    "hidden_dropout": 0.0,
    "activation_dropout": 0.0,
    "attention_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "final_dropout": 0.0,
    "layerdrop": 0.0,
}
MODES = {
    "eager": lambda function: function,
    "tf.function": tf.function,
    "jit_compile": lambda function: tf.function(function, jit_compile=True),
}


def gradients_in_modes(compiled_style: str) -> pytest.MarkDecorator:
    """Runs a test eagerly in both styles, and compiled in one; the other modes are slow tests."""
    rows = []
    for style in reference.STYLES:
        for mode in MODES:
            fast = mode == "eager" or (mode, style) == ("jit_compile", compiled_style)
            rows.append(pytest.param(style, mode, marks=() if fast else pytest.mark.slow))
    return pytest.mark.parametrize(("style", "mode"), rows)


SHALLOW: dict[str, Any] = {  # the same frames by convolutions that compile faster
    "conv_dim": (16,) * 2,
    "conv_kernel": (80, 9),
    "conv_stride": (40, 8),
}


# Parity


@pytest.mark.parametrize("samples", [400, 401, 719, 720, 12_345])
def test_logits_equal_pytorch(ours: Any, theirs: Any, samples: int) -> None:
    speech = reference.noise(2, samples)
    wanted = reference.run(theirs, speech)
    assert wanted.shape == (2, reference.frames(samples), 32)
    assert wanted.std() > 0.1  # logits near zero would prove little
    assert difference(ours(speech), wanted) < TOLERANCE


def test_parts_equal_pytorch_on_real_speech(
    ours: Any, theirs: Any, real_speech: np.ndarray
) -> None:
    speech = real_speech[np.newaxis, :60_000]
    paths = parity.inner_parts(ours.config, ours.head)
    wanted = parity.TorchModel(theirs).run(speech, paths)
    got = parity.KerasModel(ours).run(speech, paths=paths)
    assert set(got) == set(wanted) >= {*paths, parity.LAST, parity.LOGITS}
    for part, values in wanted.items():  # the first failure names the part
        scale = max(1.0, np.abs(values).max())
        assert difference(got[part], values) < 5 * TOLERANCE * scale, part
    assert reference.argmax_flips(wanted[parity.LOGITS], got[parity.LOGITS], TOLERANCE) == 0


def test_every_hidden_state_equals_pytorch(ours: Any, theirs: Any) -> None:
    speech = reference.noise(2, 6000)
    with torch.inference_mode():
        wanted = theirs.wav2vec2(torch.from_numpy(speech), output_hidden_states=True)
    got = ours.base_model(speech, output_hidden_states=True)
    assert difference(got.last_hidden_state, wanted.last_hidden_state) < TOLERANCE
    assert len(got.hidden_states) == len(wanted.hidden_states) == 3
    for ours_state, their_state in zip(got.hidden_states, wanted.hidden_states, strict=True):
        assert difference(ours_state, their_state) < TOLERANCE


@pytest.mark.parametrize(
    "changes",
    [
        {"num_conv_pos_embeddings": 15},  # an odd kernel needs no frame cut off
        {"num_conv_pos_embeddings": 1},
        {"hidden_act": "gelu_new", "feat_extract_activation": "relu"},
        {"hidden_act": "silu"},
        {"num_attention_heads": 1, "num_conv_pos_embedding_groups": 24},
        {"conv_dim": [12, 20], "conv_kernel": [7, 4], "conv_stride": [4, 3]},
        {"conv_bias": True},  # a group norm cancels the first layer's bias
        {"feat_extract_norm": "layer"},  # layer norm on the convolutions, post-norm blocks
        {"do_stable_layer_norm": True},
        {"mask_time_prob": 0.0},  # no mask embedding at all
    ],
    ids=str,
)
def test_unusual_configs_equal_pytorch(changes: dict[str, Any], tmp_path: Path) -> None:
    config = reference.tiny_config("group", **{"num_hidden_layers": 1, **changes})
    model = reference.perturbed_model(config)
    reference.save_checkpoint(model, tmp_path)
    speech = reference.noise(2, 3000)
    got = AutoModelForCTC.from_pretrained(tmp_path)(speech)
    assert difference(got, reference.run(model, speech)) < TOLERANCE


# Padding


def alone(model: Any, speeches: list[np.ndarray]) -> list[np.ndarray]:
    """Returns logits of each utterance alone, without lengths; none below one frame."""
    return [model(speech[np.newaxis])[0].numpy() for speech in speeches]


def test_padding_has_no_influence(ours: Any) -> None:
    speeches = [reference.noise(samples, seed=samples) for samples in RAGGED]
    each = alone(ours, speeches)
    bias = ours.lm_head.bias.numpy()
    for fill in (np.nan, np.inf, 1e6, 0.0):
        got = ours(reference.padded(speeches, 5200, fill), np.array(RAGGED)).numpy()
        assert got.shape == (len(RAGGED), reference.frames(5200), 32)
        for row, wanted, samples in zip(got, each, RAGGED, strict=True):
            count = reference.frames(samples)
            assert wanted.shape == (count, 32)
            assert difference(row[:count], wanted) < TOLERANCE, fill
            assert difference(row[count:], np.broadcast_to(bias, row[count:].shape)) == 0, fill


def test_ragged_batch_equals_pytorch_one_at_a_time(ours: Any, theirs: Any) -> None:
    lengths = [samples for samples in RAGGED if samples >= 400]
    speeches = [reference.noise(samples, seed=samples) for samples in lengths]
    got = ours(reference.padded(speeches, 5200, np.nan), np.array(lengths)).numpy()
    for row, speech in zip(got, speeches, strict=True):
        wanted = reference.run(theirs, speech[np.newaxis])[0]
        assert difference(row[: len(wanted)], wanted) < TOLERANCE


def test_ragged_batch_equals_pytorch_with_its_mask(tf_models: Any, torch_models: Any) -> None:
    lengths = np.array([5000, 400, 2345])
    speeches = [reference.noise(samples, seed=samples) for samples in lengths]
    batch = reference.padded(speeches, 5000, 0.0)
    mask = (np.arange(5000) < lengths[:, np.newaxis]).astype(np.int64)
    wanted = reference.run(torch_models["layer"], batch, mask)
    got = tf_models["layer"](batch, lengths).numpy()
    for row, their_row, samples in zip(got, wanted, lengths, strict=True):
        count = reference.frames(samples)
        assert difference(row[:count], their_row[:count]) < TOLERANCE


def test_padded_batch_without_lengths_equals_pytorch(ours: Any, theirs: Any) -> None:
    speeches = [reference.noise(samples, seed=samples) for samples in (5000, 400, 2345)]
    batch = reference.padded(speeches, 8000, 0.0)
    wanted = reference.run(theirs, batch)
    assert difference(ours(batch), wanted) < TOLERANCE
    # Without lengths padding has an influence, so the result differs.
    count = reference.frames(2345)
    exact = ours(batch, np.array([5000, 400, 2345]))[2, :count]
    assert difference(exact, wanted[2, :count]) > 1e-3


@settings(max_examples=3, deadline=None)
@given(lengths=st.lists(st.integers(-5, 2600), min_size=3, max_size=3))
@example(lengths=[-5, 0, 399])
@example(lengths=[400, 2500, 2600])
def test_rows_of_a_batch_are_independent(tf_models: dict[str, Any], lengths: list[int]) -> None:
    batch = reference.noise(3, 2500)
    for model in tf_models.values():
        together = model(batch, np.array(lengths)).numpy()
        assert np.isfinite(together).all()
        other = batch.copy()
        for row, samples in zip(other, lengths, strict=True):
            row[max(samples, 0) :] = np.nan
        order = [2, 0, 1]
        shuffled = model(other[order], np.array(lengths)[order]).numpy()
        assert difference(shuffled, together[order]) < TOLERANCE


def test_hidden_states_of_padding_are_zero(ours: Any) -> None:
    states = ours.base_model(
        reference.noise(2, 4000), np.array([4000, 1000]), output_hidden_states=True
    )
    for state in (states.last_hidden_state, *states.hidden_states):
        assert difference(state[1, 2:], tf.zeros_like(state[1, 2:])) == 0
        assert np.abs(state[1, :2]).min() > 0


# Shapes and types


@pytest.mark.parametrize(("samples", "mode"), [(0, "eager"), (399, "eager"), (399, "jit_compile")])
def test_below_one_frame_there_are_no_frames(ours: Any, samples: int, mode: str) -> None:
    function = MODES[mode](lambda speech, lengths: ours(speech, lengths))
    speech = tf.zeros([2, samples])
    assert function(speech, None).shape == (2, 0, 32)
    assert function(speech, tf.constant([samples, 0])).shape == (2, 0, 32)


def test_an_empty_batch_gives_an_empty_batch(ours: Any) -> None:
    assert ours(tf.zeros([0, 4000])).shape == (0, 12, 32)
    assert ours(tf.zeros([0, 4000]), tf.zeros([0], tf.int32)).shape == (0, 12, 32)


def test_one_trace_takes_any_batch_and_length(ours: Any) -> None:
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([None], tf.int32)])
    def function(speech: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        traces.append(speech.shape)
        return ours(speech, lengths)

    for batch, samples in ((1, 400), (3, 5000), (2, 399), (1, 0), (0, 4000)):
        speech = reference.noise(batch, samples)
        lengths = np.full(batch, samples, np.int32)
        assert difference(function(speech, lengths), ours(speech)) < TOLERANCE
    assert [list(shape) for shape in traces] == [[None, None]]


@pytest.mark.parametrize("mode", ["tf.function", "jit_compile"])
def test_compiled_equals_eager(ours: Any, mode: str) -> None:
    """Compares without lengths; `test_families` compiles these layers with lengths."""
    speech = reference.noise(2, 4000)
    assert difference(MODES[mode](ours)(speech), ours(speech)) < TOLERANCE


@pytest.mark.parametrize("policy", ["float16", "mixed_float16"])
@pytest.mark.parametrize("scale", [1e-4, 4.0])
def test_weight_norm_where_squares_overflow_float16(policy: str, scale: float) -> None:
    """The scale of v is arbitrary in a checkpoint with weight norm."""
    config = Wav2Vec2Config(hidden_size=240, num_attention_heads=2, num_conv_pos_embedding_groups=2)
    kernels = []
    for name in ("float32", policy):
        with dtype_policy(name):
            layer = PositionalConvEmbedding(config)
            layer.build()
        layer.v.assign(np.random.default_rng(0).normal(0, scale, layer.v.shape))
        kernels.append(np.asarray(layer.kernel(), np.float32))
    wanted, got = kernels
    assert np.isfinite(got).all()
    assert np.abs(got - wanted).max() < 2e-3 * np.abs(wanted).max()


def test_functional_api(ours: Any) -> None:
    speech, lengths = reference.noise(2, 4000), np.array([4000, 1000], np.int32)
    fixed = keras.Input((4000,))
    model = keras.Model(fixed, keras.layers.Dense(5)(ours(fixed)))
    assert model.output_shape == (None, 12, 5)
    assert model(speech).shape == (2, 12, 5)
    inputs = keras.Input((None,)), keras.Input((), dtype="int32")
    model = keras.Model(inputs, ours(*inputs))
    assert model.output_shape == (None, None, 32)
    assert difference(model((speech, lengths)), ours(speech, lengths)) < TOLERANCE
    assert (
        difference(model.predict((speech, lengths), verbose=0), ours(speech, lengths)) < TOLERANCE
    )


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint16])
def test_lengths_of_any_integer_type(tf_models: Any, dtype: type) -> None:
    ours, speech = tf_models["group"], reference.noise(2, 4000)
    wanted = ours(speech, np.array([4000, 1000]))
    assert difference(ours(speech, np.array([4000, 1000], dtype)), wanted) == 0


def test_speech_of_float64_is_accepted(tf_models: Any) -> None:
    ours, speech = tf_models["group"], reference.noise(1, 4000)
    assert difference(ours(speech.astype(np.float64)), ours(speech)) == 0


@pytest.mark.parametrize(
    ("speech", "lengths", "complaint"),
    [
        (np.zeros(4000, np.float32), None, "speech"),
        (np.zeros([1, 4000, 1], np.float32), None, "speech"),
        (np.zeros([1, 4000], np.int16), None, "speech"),
        (np.zeros([1, 4000], np.float32), np.array(4000), "lengths"),
        (np.zeros([2, 4000], np.float32), np.array([[4000], [4000]]), "lengths"),
        (np.zeros([2, 4000], np.float32), np.array([0.5, 1.0]), "lengths"),
        (np.zeros([2, 4000], np.float32), np.array([4000]), "lengths"),
    ],
)
def test_input_of_wrong_rank_or_type_is_refused(
    tf_models: Any, speech: np.ndarray, lengths: np.ndarray | None, complaint: str
) -> None:
    with pytest.raises(UserError, match=f"{complaint} must be .*got"):
        tf_models["group"](speech, lengths)


def test_lengths_may_be_a_list(tf_models: Any) -> None:
    speech = reference.noise(2, 4000)
    wanted = tf_models["group"](speech, np.array([4000, 1000]))
    assert difference(tf_models["group"](speech, lengths=[4000, 1000]), wanted) == 0


# Gradients


def loss_weights(shape: tuple[int, ...]) -> np.ndarray:
    """Returns weights of the logits in the loss: each logit gets a gradient of its own."""
    return reference.noise(*shape, seed=7) / np.float32(np.prod(shape) ** 0.5)


def torch_gradients(model: torch.nn.Module, speeches: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Returns gradients of the sum of the utterances' losses, each run alone."""
    model.zero_grad()
    for speech in speeches:
        logits = model(torch.from_numpy(speech[np.newaxis])).logits
        (logits * torch.from_numpy(loss_weights(logits.shape[1:]))).sum().backward()
    gradients = {
        name: None if values.grad is None else values.grad.numpy().copy()
        for name, values in model.named_parameters()
    }
    model.zero_grad()
    return gradients


def assert_gradients_equal(model: Any, got: list[Any], wanted: dict[str, np.ndarray]) -> None:
    """Compares gradients of `model.trainable_variables` with PyTorch's, tensor by tensor."""
    twin = Wav2Vec2ForCTC(model.config)
    twin.build()
    for variable, gradient in zip(twin.trainable_variables, got, strict=True):
        variable.assign(tf.zeros(variable.shape) if gradient is None else gradient)
    named = {key: tensor.read() for key, tensor in loader.tensors(twin, twin.prefix).items()}
    assert set(named) == set(wanted)
    missing = [v.path for v, g in zip(model.trainable_variables, got, strict=True) if g is None]
    assert len(missing) == 1
    assert missing[0].endswith("masked_spec_embed")  # only SpecAugment uses it, in PyTorch too
    largest = max(np.abs(g).max() for g in wanted.values() if g is not None)
    assert largest > 0.1
    for name, gradient in wanted.items():
        if gradient is None:
            assert name.endswith("masked_spec_embed")
            continue
        # The gradient of a key projection's bias is mathematically 0: only rounding is left.
        scale = max(np.abs(gradient).max(), 1e-3 * largest)
        assert difference(named[name], gradient) < 1e-4 * scale, name


@gradients_in_modes(compiled_style="layer")
def test_gradients_equal_pytorch(ours: Any, theirs: Any, mode: str) -> None:
    speech = reference.noise(1, 4000)
    weights = loss_weights((12, 32))

    def gradients(speech: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(ours(speech) * weights)
        return tape.gradient(loss, [v.value for v in ours.trainable_variables])

    got = MODES[mode](gradients)(tf.constant(speech))
    assert_gradients_equal(ours, got, torch_gradients(theirs, [speech[0]]))


@gradients_in_modes(compiled_style="group")
def test_padding_has_no_influence_on_gradients(ours: Any, theirs: Any, mode: str) -> None:
    lengths = (400, 4000, 0, 1999)
    speeches = [reference.noise(samples, seed=samples) for samples in lengths]
    weights = np.zeros((4, 15, 32), np.float32)
    for row, samples in zip(weights, lengths, strict=True):
        count = reference.frames(samples)
        row[:count] = loss_weights((count, 32)) if count else 0

    def gradients(speech: tf.Tensor, lengths: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(ours(speech, lengths) * weights)
        return tape.gradient(loss, [v.value for v in ours.trainable_variables])

    batch = reference.padded(speeches, 5000, np.nan)
    got = MODES[mode](gradients)(tf.constant(batch), tf.constant(lengths))
    wanted = torch_gradients(theirs, [s for s in speeches if len(s) >= 400])
    assert_gradients_equal(ours, got, wanted)


@gradients_in_modes(compiled_style="group")
def test_a_training_step_reaches_every_variable(
    tiny_folders: dict[str, Path], style: str, mode: str
) -> None:
    model = AutoModelForCTC.from_pretrained(tiny_folders[style], layerdrop=0.0)
    weights = loss_weights((2, 24, 32))

    def gradients(speech: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(speech, training=True) * weights)
        return tape.gradient(loss, [v.value for v in model.trainable_variables])

    got = MODES[mode](gradients)(tf.constant(reference.noise(2, 8000)))
    for variable, gradient in zip(model.trainable_variables, got, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


WITHOUT_ONEDNN = """
import sys
import numpy as np
import tensorflow as tf
from wav2vec2_tf import AutoModelForCTC

for folder in sys.argv[1:]:
    model = AutoModelForCTC.from_pretrained(folder)
    expected = np.load(folder + "/expected.npz")
    variables = [variable.value for variable in model.trainable_variables]

    def step(speech, lengths):
        with tf.GradientTape() as tape:
            logits = model(speech, lengths)
            loss = tf.reduce_sum(logits * expected["weights"])
        gradients = tape.gradient(loss, variables)
        return logits, [g for g in gradients if g is not None]

    jit = tf.function(step, jit_compile=True)
    for name, mode in {"eager": step, "tf.function": tf.function(step), "jit": jit}.items():
        logits, gradients = mode(tf.constant(expected["speech"]), tf.constant(expected["lengths"]))
        off = [np.abs(logits - expected["logits"]).max()]
        off += [np.abs(g - expected[f"g{i}"]).max() for i, g in enumerate(gradients)]
        assert len(off) == len(variables), (len(off), len(variables))
        print(name, max(off))
"""


@pytest.mark.slow
def test_forward_and_gradients_without_onednn(
    tiny_folders: dict[str, Path], tf_models: dict[str, Any], tmp_path: Path
) -> None:
    """Builds without oneDNN (macOS) lack a grouped convolution that works."""
    folders = []
    for style, model in tf_models.items():
        folder = tmp_path / style
        model.save_pretrained(folder)
        speech, lengths = reference.noise(2, 4000), np.array([4000, 1000], np.int32)
        weights = loss_weights((2, 12, 32))
        with tf.GradientTape() as tape:
            logits = model(speech, lengths)
            loss = tf.reduce_sum(logits * weights)
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        present = [gradient.numpy() for gradient in gradients if gradient is not None]
        arrays = {f"g{index}": gradient for index, gradient in enumerate(present)}
        np.savez(
            folder / "expected.npz",
            speech=speech,
            lengths=lengths,
            weights=weights,
            logits=logits.numpy(),
            **arrays,
        )
        folders.append(str(folder))
    environment = {
        **os.environ,
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ONEDNN, *folders],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, _ in lines] == ["eager", "tf.function", "jit"] * 2
    assert all(float(off) < 1e-4 for _, off in lines), lines


# Training


STILL: dict[str, Any] = {**NO_DROPOUT, "apply_spec_augment": False}


def training_model(style: str = "group", **changes: Any) -> Wav2Vec2ForCTC:
    """Returns a model with random weights, deterministic in training but for `changes`."""
    keras.utils.set_random_seed(0)
    sizes = reference.tiny_config(style, **SHALLOW).to_dict()
    model = Wav2Vec2ForCTC(families.config_of({**sizes, **STILL, **changes}))
    model.build()
    return model


def test_training_without_dropout_equals_inference(style: str) -> None:
    model, speech = training_model(style), reference.noise(2, 8000)
    assert difference(model(speech, training=True), model(speech)) == 0


FEATURES = {"mask_time_prob": 0.0, "mask_feature_prob": 0.5, "mask_feature_length": 2}


@pytest.mark.parametrize(
    ("chance", "mode"),
    [
        ({"apply_spec_augment": True}, "jit_compile"),
        ({"apply_spec_augment": True, **FEATURES}, "jit_compile"),
        ({"hidden_dropout": 0.1}, "jit_compile"),
        ({"layerdrop": 0.5}, "jit_compile"),
        ({"apply_spec_augment": True}, "tf.function"),
        ({"hidden_dropout": 0.1}, "tf.function"),
        ({"layerdrop": 0.5}, "tf.function"),
        ({"activation_dropout": 0.1}, "eager"),
        ({"attention_dropout": 0.1}, "eager"),
        ({"feat_proj_dropout": 0.1}, "eager"),
        ({"final_dropout": 0.1}, "eager"),
    ],
    ids=str,
)
def test_random_draws_differ_between_calls(chance: dict[str, Any], mode: str) -> None:
    # Dropping two layers gives only four outcomes; other randomness never repeats.
    layers, calls, least = (2, 12, 2) if "layerdrop" in chance else (1, 4, 4)
    model = training_model(num_hidden_layers=layers, **chance)
    train = MODES[mode](lambda speech: model(speech, training=True))
    speech = tf.constant(reference.noise(2, 8000))
    assert len({train(speech).numpy().tobytes() for _ in range(calls)}) >= least
    assert difference(model(speech), model(speech)) == 0


def test_every_layer_dropped_leaves_the_embedding(style: str) -> None:
    model = training_model(style, layerdrop=0.999999)
    speech = reference.noise(1, 4000)
    states = model.base_model(speech, output_hidden_states=True, training=True)
    for state in states.hidden_states[1:-1]:
        assert difference(state, states.hidden_states[0]) == 0


def test_spec_augment_puts_the_embedding_in_place() -> None:
    """With every frame masked, the output does not depend on the speech."""
    model = training_model(apply_spec_augment=True, mask_time_prob=0.99999, mask_time_length=1)
    one, other = (model(reference.noise(1, 4000, seed=s), training=True) for s in (0, 1))
    assert difference(one, other) < TOLERANCE
    assert difference(model(reference.noise(1, 4000)), one) > 0.1


def draw(lengths: list[int], size: int, **settings: Any) -> np.ndarray:
    seed = keras.random.SeedGenerator(1)
    return span_mask(tf.constant(lengths, tf.int32), size, seed=seed, **settings).numpy()


def test_number_of_spans() -> None:
    """Counts spans of one position: 25.5 expected are 25 or 26, each as often."""
    counts = []
    seed = keras.random.SeedGenerator(0)
    lengths = tf.fill([4], 102)
    for _ in range(300):
        mask = span_mask(lengths, 110, probability=0.25, span=1, minimum=0, seed=seed).numpy()
        assert not mask[:, 102:].any()
        counts += mask.sum(axis=1).tolist()
    assert set(counts) == {25, 26}
    assert 0.4 < counts.count(26) / len(counts) < 0.6


@pytest.mark.parametrize(
    ("length", "span", "minimum", "masked"),
    [
        (0, 5, 2, 0),
        (4, 5, 2, 0),  # shorter than a span
        (5, 5, 2, 5),  # room for one
        (9, 5, 2, 5),
        (50, 5, 0, 0),  # probability 0 and no minimum
        (10, 10, 7, 10),
    ],
)
def test_short_rows(length: int, span: int, minimum: int, masked: int) -> None:
    mask = draw([length] * 8, 60, probability=0.0, span=span, minimum=minimum)
    assert mask.sum(axis=1).tolist() == [masked] * 8
    assert not mask[:, length:].any()


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    probability=st.floats(0, 1),
    span=st.integers(1, 12),
    minimum=st.integers(0, 4),
)
def test_spans_are_whole_and_inside_their_row(
    lengths: list[int], probability: float, span: int, minimum: int
) -> None:
    mask = draw(lengths, 60, probability=probability, span=span, minimum=minimum)
    assert mask.shape == (len(lengths), 60)
    for row, length in zip(mask, lengths, strict=True):
        assert not row[length:].any()
        edges = np.flatnonzero(np.diff(np.pad(row.astype(int), 1)))
        runs = edges[1::2] - edges[::2]
        assert (runs >= span).all()
        assert row.sum() <= (probability * length / span + max(minimum, 1)) * span


def test_spans_are_distributed_as_in_transformers() -> None:
    """Compares how often each position is masked with transformers' own sampler."""
    from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices

    rows, size, length = 4000, 50, 40
    mask = draw([length] * rows, size, probability=0.5, span=5, minimum=1)
    np.random.seed(0)
    valid = torch.arange(size).expand(rows, size) < length
    wanted = _compute_mask_indices((rows, size), 0.5, 5, attention_mask=valid, min_masks=1)
    assert not wanted[:, length:].any()
    # Standard deviation of each share is below 0.008: this is five of the difference.
    np.testing.assert_allclose(mask.mean(axis=0), wanted.mean(axis=0), atol=0.055)
    assert abs(mask.mean() - wanted.mean()) < 0.01


def test_each_row_has_its_own_spans() -> None:
    mask = draw([50] * 64, 50, probability=0.3, span=3, minimum=1)
    assert len({row.tobytes() for row in mask}) > 60


def test_seeds_come_from_keras() -> None:
    """`keras.utils.set_random_seed` makes a new model's weights reproducible."""
    config = Wav2Vec2Config(
        **{
            **NO_DROPOUT,
            "hidden_size": 16,
            "num_attention_heads": 2,
            "num_hidden_layers": 1,
            "conv_dim": (4,) * 7,
        }
    )
    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        model = Wav2Vec2ForCTC(config)
        model.build()
        weights.append([variable.numpy() for variable in model.trainable_variables])
    for one, other in zip(*weights, strict=True):
        assert difference(one, other) == 0


def test_auto_model_is_the_base_model(tiny_folders: dict[str, Path], torch_models: Any) -> None:
    speech = reference.noise(1, 4000)
    model = AutoModel.from_pretrained(tiny_folders["layer"])
    with torch.inference_mode():
        wanted = torch_models["layer"].wav2vec2(torch.from_numpy(speech)).last_hidden_state
    assert difference(model(speech), wanted) < TOLERANCE
