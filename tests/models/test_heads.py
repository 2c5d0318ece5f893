"""Heads other than CTC against transformers', for every family that has them."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from transformers.models.wav2vec2.modeling_wav2vec2 import AMSoftmaxLoss as TheirLoss
from transformers.models.wav2vec2.modeling_wav2vec2 import TDNNLayer as TheirTDNNLayer

from tests.support import reference
from wav2vec2_tf.models import families, heads
from wav2vec2_tf.models.config import Wav2Vec2Config
from wav2vec2_tf.utils.errors import UserError

TOLERANCE = 2e-5
CLASSES = {
    families.PRE_TRAINING: heads.Wav2Vec2ForPreTraining,
    families.SEQUENCE: heads.Wav2Vec2ForSequenceClassification,
    families.FRAME: heads.Wav2Vec2ForAudioFrameClassification,
    families.X_VECTOR: heads.Wav2Vec2ForXVector,
}
CLASSIFIERS = families.CLASSIFIERS
EVERY = [(kind, head) for kind, family in families.FAMILIES.items() for head in family.heads]
EVERY_FAMILY = [  # the tests of a family in one process, which makes its models once
    pytest.param(kind, head, marks=pytest.mark.xdist_group(f"heads-{kind}")) for kind, head in EVERY
]
FUNCTIONAL = [
    row
    for row in EVERY_FAMILY
    if row.values[0] in ("wav2vec2", "wav2vec2-bert") or row.values[1] == families.SEQUENCE
]
PRE_TRAINED = [kind for kind, head in EVERY if head == families.PRE_TRAINING]
VARIANTS = {
    "wav2vec2": "wav2vec2-group",
    "hubert": "hubert-group",
    "wavlm": "wavlm-group",
    "data2vec-audio": "data2vec-audio",
    "unispeech": "unispeech",
    "unispeech-sat": "unispeech-sat",
    "wav2vec2-conformer": "conformer-relative",
    "wav2vec2-bert": "bert",
}
LABELS, CODEBOOKS = 7, 2
SPAN = 2 * 1 + 1 * 2  # frames by which the layers of `tdnn` shorten the states
SHALLOW = {  # the same frames by a model that compiles faster
    "conv_dim": (16,) * 2,
    "conv_kernel": (80, 9),
    "conv_stride": (40, 8),
}
STEPS = 6000  # samples
RAGGED = (6000, 400 + (SPAN + 1) * 320, 5000)  # samples; the second has SPAN + 2 frames


def their_config(kind: str, **changes: Any) -> Any:
    sizes = {"num_hidden_layers": 1, "num_labels": LABELS, "use_weighted_layer_sum": True}
    return reference.tiny_config(VARIANTS[kind], **{**sizes, **changes})


@functools.cache
def folder_of(kind: str, head: str, changes: tuple[tuple[str, Any], ...]) -> Any:
    model = reference.perturbed_model(their_config(kind, **dict(changes)), head=head)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if not name.startswith(model.base_model_prefix) and values.ndim > 1:
                values *= 4  # with initial weights, biases would dominate
    folder = tempfile.TemporaryDirectory(prefix="heads-")
    model.save_pretrained(folder.name)
    return model, folder


def pair(kind: str, head: str, **changes: Any) -> tuple[Any, torch.nn.Module]:
    """Returns our model, loaded from the folder that theirs wrote, and theirs."""
    theirs, _ = folder_of(kind, head, tuple(changes.items()))
    return loaded(kind, head, tuple(changes.items())), theirs


@functools.cache
def loaded(kind: str, head: str, changes: tuple[tuple[str, Any], ...]) -> Any:
    return CLASSES[head].from_pretrained(folder_of(kind, head, changes)[1].name)


def inputs_of(kind: str, lengths: tuple[int, ...] = (STEPS, STEPS)) -> list[np.ndarray]:
    """Returns an utterance of each length in samples, as log-mel features for Wav2Vec2-BERT."""
    seeded = [(samples, samples + index) for index, samples in enumerate(lengths)]
    if kind == "wav2vec2-bert":
        return [reference.noise(reference.frames(n), 160, seed=seed) for n, seed in seeded]
    return [reference.noise(n, seed=seed) for n, seed in seeded]


def padded(inputs: list[np.ndarray], fill: float) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.array([len(values) for values in inputs])
    width = lengths.max() + 700 // (1 if inputs[0].ndim == 1 else 320)
    batch = np.full((len(inputs), width, *inputs[0].shape[1:]), fill, np.float32)
    for row, values in zip(batch, inputs, strict=True):
        row[: len(values)] = values
    return batch, lengths


def run(model: torch.nn.Module, values: np.ndarray, **options: Any) -> dict[str, np.ndarray]:
    with torch.inference_mode():
        result = model(torch.from_numpy(values), **options)
    return {k: v.numpy() for k, v in result.items() if isinstance(v, torch.Tensor)}


def named(outputs: Any) -> dict[str, np.ndarray]:
    """Returns our outputs under transformers' names."""
    fields = outputs._asdict() if isinstance(outputs, tuple) else {"logits": outputs}
    return {
        name: np.asarray(values)
        for name, values in fields.items()
        if name not in ("hidden_states", "attentions")
    }


def assert_equal(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert set(got) == set(wanted)
    for name, values in wanted.items():
        assert got[name].shape == values.shape, name
        assert np.abs(values).max() > 0.05, name  # zeros would prove nothing
        scale = max(1.0, float(np.abs(values).max()))
        assert np.abs(got[name] - values).max() < TOLERANCE * scale, name


# Parity and padding


@pytest.mark.parametrize(("kind", "head"), EVERY_FAMILY)
def test_outputs_equal_pytorch(kind: str, head: str) -> None:
    ours, theirs = pair(kind, head)
    values = np.stack(inputs_of(kind))
    wanted = run(theirs, values)
    assert_equal(named(ours(values)), wanted)
    for name, (first, second) in ((n, v) for n, v in wanted.items() if v.ndim):
        assert np.abs(first - second).max() > 0.01, (
            name
        )  # they depend on the speech, not on biases alone


@pytest.mark.parametrize(("kind", "head"), EVERY_FAMILY)
def test_states_and_attentions(kind: str, head: str) -> None:
    ours, theirs = pair(kind, head)
    values = np.stack(inputs_of(kind))
    theirs.set_attn_implementation("eager")  # the only one that returns weights
    with torch.inference_mode():
        wanted = theirs(torch.from_numpy(values), output_hidden_states=True, output_attentions=True)
    got = ours(values, output_hidden_states=True, output_attentions=True)
    assert_equal(named(got), run(theirs, values))
    assert len(got.hidden_states) == len(wanted.hidden_states) == 2
    for state, their_state in zip(got.hidden_states, wanted.hidden_states, strict=True):
        np.testing.assert_allclose(state, their_state, atol=TOLERANCE)
    (weights,), (their_weights,) = got.attentions, wanted.attentions
    if kind == "wavlm":  # transformers' are averaged over heads
        weights, their_weights = tf.reduce_mean(weights, axis=1), their_weights[:, 0]
    np.testing.assert_allclose(weights, their_weights, atol=TOLERANCE)
    assert not getattr(ours(values), "hidden_states", ())


@pytest.mark.parametrize(("kind", "head"), FUNCTIONAL)
def test_functional_api(kind: str, head: str) -> None:
    ours, _ = pair(kind, head)
    values = np.stack(inputs_of(kind))
    speech = keras.Input(values.shape[1:])
    got = keras.Model(speech, ours(speech))(values)
    for name, part in named(ours(values)).items():
        symbolic = getattr(got, name) if isinstance(got, tuple) else got
        np.testing.assert_allclose(symbolic, part, atol=1e-6)


@pytest.mark.parametrize(("kind", "head"), EVERY_FAMILY)
def test_ragged_batch_equals_pytorch_one_at_a_time(kind: str, head: str) -> None:
    ours, theirs = pair(kind, head)
    inputs = inputs_of(kind, RAGGED)
    got = named(ours(*padded(inputs, np.nan)))
    perplexity = got.pop("codevector_perplexity", None)
    alone = [run(theirs, values[np.newaxis]) for values in inputs]
    for index, wanted in enumerate(alone):
        wanted.pop("codevector_perplexity", None)
        row = {name: values[index : index + 1] for name, values in got.items()}
        if head in (families.PRE_TRAINING, families.FRAME):
            frames = next(iter(wanted.values())).shape[1]
            assert all(np.isfinite(values).all() for values in row.values())
            row = {name: values[:, :frames] for name, values in row.items()}
        assert_equal(row, wanted)
    if perplexity is not None:  # over the valid frames of all rows
        base, features = theirs.base_model, []
        with torch.inference_mode():
            for values in inputs:
                features.append(base(torch.from_numpy(values[np.newaxis])).extract_features)
            wanted_perplexity = theirs.quantizer(torch.cat(features, dim=1))[1]
        assert abs(float(perplexity) - float(wanted_perplexity)) < TOLERANCE


@pytest.mark.parametrize("head", CLASSIFIERS)
def test_without_the_weighted_sum(head: str) -> None:
    ours, theirs = pair("wav2vec2", head, use_weighted_layer_sum=False)
    assert ours.layer_weights is None
    values = np.stack(inputs_of("wav2vec2"))
    assert_equal(named(ours(values)), run(theirs, values))


@pytest.mark.parametrize("kind", ["wav2vec2", "wav2vec2-conformer", "unispeech"])
def test_masked_frames(kind: str) -> None:
    ours, theirs = pair(kind, families.PRE_TRAINING)
    values = np.stack(inputs_of(kind))
    masked = np.random.default_rng(0).random((2, reference.frames(STEPS))) < 0.4
    wanted = run(theirs, values, mask_time_indices=torch.from_numpy(masked))
    got = named(ours(values, mask_time_indices=masked))
    assert_equal(got, wanted)
    plain = named(ours(values))
    assert np.abs(plain["projected_states"] - got["projected_states"]).max() > 0.05
    changed = plain["codevector_perplexity"] != got["codevector_perplexity"]
    assert changed == (kind != "unispeech")  # UniSpeech counts every frame, masked or not


def test_features_are_masked_beside_the_frames_that_are_given() -> None:
    """Given frames replace drawn ones, as in transformers; features are still drawn."""
    still = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}
    changes = {**still, "feat_proj_dropout": 0.0, "feat_quantizer_dropout": 0.0, "layerdrop": 0.0}
    ours, _ = pair("wav2vec2", families.PRE_TRAINING, mask_feature_prob=0.9, **changes)
    values = np.stack(inputs_of("wav2vec2"))
    masked = np.zeros((2, ours.config.frame_length(STEPS)), bool)
    still_states = ours(values, mask_time_indices=masked).projected_states
    states = ours(values, mask_time_indices=masked, training=True).projected_states
    assert np.abs(states - still_states).max() > 0.1


def test_masking_needs_a_mask_embedding() -> None:
    ours, _ = pair("wav2vec2", families.PRE_TRAINING, mask_time_prob=0.0)
    values = np.stack(inputs_of("wav2vec2"))
    masked = np.ones((2, ours.config.frame_length(STEPS)), bool)
    with pytest.raises(UserError, match="load the model with mask_time_prob above 0"):
        ours(values, mask_time_indices=masked)


def test_masked_frames_of_padding_do_not_count() -> None:
    ours, _ = pair("wav2vec2", families.PRE_TRAINING)
    inputs = inputs_of("wav2vec2", RAGGED)
    batch, lengths = padded(inputs, np.nan)
    frames = reference.frames(batch.shape[1])
    masked = np.random.default_rng(0).random((3, frames)) < 0.4
    beyond = np.arange(frames) >= [[reference.frames(n)] for n in RAGGED]
    wanted = ours(batch, lengths, mask_time_indices=masked & ~beyond).codevector_perplexity
    got = ours(batch, lengths, mask_time_indices=masked | beyond).codevector_perplexity
    assert got == wanted


# Adapters


@pytest.mark.parametrize("head", [families.SEQUENCE, families.FRAME])
def test_an_adapter_is_refused(head: str) -> None:
    config = Wav2Vec2Config(add_adapter=True)
    with pytest.raises(UserError, match="add_adapter must be false"):
        CLASSES[head](config)
    with pytest.raises(ValueError, match="adapters"):
        their_class = getattr(transformers, f"Wav2Vec2{head}")
        their_class(their_config("wav2vec2", add_adapter=True))


@pytest.mark.parametrize("head", [families.PRE_TRAINING, families.X_VECTOR])
def test_an_adapter_of_another_width_is_refused(head: str) -> None:
    config = Wav2Vec2Config(add_adapter=True, output_hidden_size=10)
    with pytest.raises(UserError, match="output_hidden_size must equal hidden_size"):
        CLASSES[head](config)


@pytest.mark.parametrize(
    ("kind", "head", "weighted"),
    [
        ("wav2vec2", families.PRE_TRAINING, False),
        ("wav2vec2", families.X_VECTOR, False),
        ("wav2vec2", families.X_VECTOR, True),
        ("wav2vec2-bert", families.X_VECTOR, True),
    ],
)
def test_with_an_adapter(kind: str, head: str, weighted: bool) -> None:
    changes = {
        "add_adapter": True,
        "num_adapter_layers": 1,
        "use_weighted_layer_sum": weighted,
    }
    ours, theirs = pair(kind, head, **changes)
    inputs = inputs_of(kind, (6000, 5000))
    batch, lengths = padded(inputs, np.nan)
    got = named(ours(batch, lengths))
    for index, values in enumerate(inputs):
        wanted = run(theirs, values[np.newaxis])
        wanted.pop("codevector_perplexity", None)
        row = {name: got[name][index : index + 1] for name in wanted}
        if head == families.PRE_TRAINING:
            row = {name: row[name][:, : wanted[name].shape[1]] for name in wanted}
        assert_equal(row, wanted)


# Short speech


@pytest.mark.parametrize("head", CLASSIFIERS)
@pytest.mark.parametrize("samples", [0, 399])
def test_below_one_frame_nothing_is_nan(head: str, samples: int) -> None:
    ours, _ = pair("wav2vec2", head)
    bias = ours.classifier.bias.numpy()
    speech = reference.noise(2, samples)
    for lengths in (None, np.array([samples, 0])):
        logits = named(ours(speech, lengths))["logits"]
        if head == families.FRAME:
            assert logits.shape == (2, 0, LABELS)
        elif head == families.SEQUENCE:
            assert np.abs(logits - bias).max() < TOLERANCE
        else:
            wanted = ours.classifier(ours.feature_extractor.bias.numpy()[np.newaxis]).numpy()
            assert np.abs(logits - wanted).max() < TOLERANCE


def test_pre_training_below_one_frame() -> None:
    ours, _ = pair("wav2vec2", families.PRE_TRAINING)
    outputs = ours(reference.noise(2, 399), np.array([399, 0]))
    assert outputs.projected_states.shape == (2, 0, 10)
    assert outputs.projected_quantized_states.shape == (2, 0, 10)
    assert float(outputs.codevector_perplexity) == pytest.approx(CODEBOOKS)


def test_frames_beyond_a_row_hold_the_bias() -> None:
    ours, _ = pair("wav2vec2", families.FRAME)
    logits = ours(reference.noise(2, 4000), np.array([4000, 1000]))
    bias = ours.classifier.bias.numpy()
    assert np.abs(logits[1, 2:] - bias).max() == 0
    assert np.abs(logits[1, :2] - bias).max() > 0.05


@pytest.mark.parametrize("left", [-1, 0, 1, 2])
def test_x_vector_of_few_frames(left: int) -> None:
    """PyTorch raises below one frame after the convolutions, and returns NaN for one."""
    ours, theirs = pair("wav2vec2", families.X_VECTOR)
    speech = reference.noise(1, 400 + (SPAN + left - 1) * 320)
    alone = ours(speech).embeddings
    batch = np.full((2, 9000), np.nan, np.float32)
    batch[0, : speech.shape[1]], batch[1] = speech[0], 0.5
    together = ours(batch, np.array([speech.shape[1], 9000])).embeddings[:1]
    assert np.abs(alone - together).max() < TOLERANCE
    if left == 2:
        assert np.abs(alone - run(theirs, speech)["embeddings"]).max() < TOLERANCE
    elif left == 1:
        with pytest.warns(UserWarning, match="degrees of freedom"):
            assert np.isnan(run(theirs, speech)["embeddings"]).all()
        assert np.isfinite(alone).all()
        assert np.abs(alone - ours.feature_extractor.bias.numpy()).max() > 0.05
    else:
        assert np.abs(alone - ours.feature_extractor.bias.numpy()).max() < TOLERANCE


# Parts


@pytest.mark.parametrize(
    ("kernel", "dilation", "mode"),
    [
        *((1, 1, "eager"), (3, 1, "eager"), (2, 3, "eager"), (5, 2, "eager")),
        *((1, 1, "dynamic"), (5, 2, "dynamic"), (2, 3, "jit")),
    ],
)
def test_tdnn_layer(kernel: int, dilation: int, mode: str) -> None:
    sizes = {"tdnn_dim": (6, 4), "tdnn_kernel": (1, kernel), "tdnn_dilation": (1, dilation)}
    torch.manual_seed(0)
    theirs = TheirTDNNLayer(transformers.Wav2Vec2Config(**sizes), 1)
    ours = heads.TDNNLayer(Wav2Vec2Config(**sizes), 1)
    ours.build()
    ours.kernel.assign(theirs.kernel.weight.detach().numpy().T)
    ours.bias.assign(theirs.kernel.bias.detach().numpy())
    shape = tf.TensorSpec([None, None, 6])
    call = {
        "eager": ours,
        "dynamic": tf.function(lambda x: ours(x), input_signature=[shape]),
        "jit": tf.function(lambda x: ours(x), jit_compile=True),
    }[mode]
    assert ours.span == (kernel - 1) * dilation
    for frames in (ours.span + 1, ours.span + 6):
        states = reference.noise(2, frames, 6)
        with torch.no_grad():
            wanted = theirs(torch.from_numpy(states)).numpy()
        got = call(tf.constant(states))
        assert got.shape == wanted.shape == (2, frames - ours.span, 4)
        assert wanted.max() > 0.1
        assert np.abs(got - wanted).max() < TOLERANCE
    for frames in range(ours.span + 1):
        assert call(tf.zeros([2, frames, 6])).shape == (2, 0, 4)


def test_statistics_and_their_gradient_equal_pytorch() -> None:
    states = reference.noise(4, 9, 5)
    states[:, :, 0] = 0  # the deviation of a channel that ReLU zeroed has no gradient
    counts = (9, 2, 5, 3)
    outward = reference.noise(4, 10, seed=1)
    values = tf.constant(states)
    with tf.GradientTape() as tape:
        tape.watch(values)
        pooled = heads.statistics_pooling(values, tf.constant(counts))
        loss = tf.reduce_sum(pooled * outward)
    gradient = tape.gradient(loss, values)
    their_states = torch.tensor(states, requires_grad=True)
    rows = [row[:count] for row, count in zip(their_states, counts, strict=True)]
    wanted = torch.stack([torch.cat([row.mean(0), row.std(0)]) for row in rows])
    (wanted * torch.from_numpy(outward)).sum().backward()
    assert np.abs(pooled - wanted.detach().numpy()).max() < TOLERANCE
    assert np.abs(gradient - their_states.grad.numpy()).max() < TOLERANCE
    assert their_states.grad.abs().max() > 0.1


def test_statistics_ignore_padded_frames() -> None:
    states = reference.noise(3, 4, 2)
    states[0], states[1, 1:], states[2, 3:] = np.nan, np.inf, np.nan
    pooled = heads.statistics_pooling(tf.constant(states), tf.constant([0, 1, 3])).numpy()
    assert (pooled[0] == 0).all()
    assert np.abs(pooled[1] - [*states[1, 0], 0, 0]).max() < TOLERANCE
    wanted = [*states[2, :3].mean(0), *states[2, :3].std(0, ddof=1)]
    assert np.abs(pooled[2] - wanted).max() < TOLERANCE


def test_x_vector_loss_and_its_gradient_equal_pytorch() -> None:
    torch.manual_seed(0)
    theirs = TheirLoss(6, 7)
    ours = heads.AMSoftmaxLoss(Wav2Vec2Config(xvector_output_dim=6, num_labels=7))
    ours.build()
    ours.weight.assign(theirs.weight.detach().numpy())
    values, speakers = reference.noise(5, 6), np.array([0, 6, 3, 3, 1])
    their_values = torch.tensor(values, requires_grad=True)
    wanted = theirs(their_values, torch.from_numpy(speakers))
    wanted.backward()
    logits = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = ours(logits, speakers)
    got = tape.gradient(loss, [logits, ours.weight.value])
    assert abs(float(loss) - wanted.item()) < TOLERANCE * wanted.item()
    for gradient, their_gradient in zip(got, (their_values.grad, theirs.weight.grad), strict=True):
        assert their_gradient.abs().max() > 0.1
        assert np.abs(gradient - their_gradient.numpy()).max() < TOLERANCE * 10


# Modes, training, precision, round trips


@pytest.mark.parametrize("head", [families.PRE_TRAINING, families.X_VECTOR])
@pytest.mark.parametrize("mode", ["dynamic", "jit"])
def test_compiled(head: str, mode: str) -> None:
    ours, _ = pair("wav2vec2", head, **SHALLOW)
    batch, lengths = padded(inputs_of("wav2vec2", (6000, 4000)), 0.0)
    wanted = named(ours(batch, lengths))
    specification = [tf.TensorSpec([None, None]), tf.TensorSpec([None], tf.int64)]

    @tf.function(
        jit_compile=mode == "jit", input_signature=specification if mode == "dynamic" else None
    )
    def call(speech: tf.Tensor, lengths: tf.Tensor) -> Any:
        return ours(speech, lengths)

    assert_equal(named(call(tf.constant(batch), tf.constant(lengths))), wanted)


@pytest.mark.parametrize("head", list(CLASSES))
def test_every_weight_learns(head: str) -> None:
    ours, _ = pair("wav2vec2", head, layerdrop=0.0)  # a dropped layer would make states equal
    batch, lengths = padded(inputs_of("wav2vec2", RAGGED), np.nan)
    with tf.GradientTape() as tape:
        outputs = ours(batch, lengths, training=True)
        every = outputs if isinstance(outputs, tuple) else (outputs,)
        parts = [part for part in every if not isinstance(part, tuple)]
        loss = tf.add_n([tf.reduce_sum(tf.square(part)) for part in parts])
    variables = ours.trainable_variables
    for variable, gradient in zip(
        variables, tape.gradient(loss, [v.value for v in variables]), strict=True
    ):
        path = variable.path.split("/", 1)[1]
        if gradient is None:
            assert path == "objective/weight", path  # the loss's own weight
        else:
            values = tf.convert_to_tensor(gradient).numpy()
            assert np.isfinite(values).all(), path
            if not path.startswith("base_model/"):
                assert np.abs(values).max() > 0, path


def test_pre_training_samples_codevectors_in_training_only() -> None:
    ours, _ = pair("wav2vec2", families.PRE_TRAINING)
    values = np.stack(inputs_of("wav2vec2"))
    calm = [ours(values).projected_quantized_states for _ in range(2)]
    ours.quantizer.temperature.assign(2.0)
    drawn = [ours(values, training=True).projected_quantized_states for _ in range(12)]
    assert np.abs(calm[0] - calm[1]).max() == 0
    # With these weights most codes are certain, so one draw often equals another.
    assert max(np.abs(drawn[0] - other).max() for other in drawn[1:]) > 0.1


@pytest.mark.bfloat16
@pytest.mark.parametrize("head", list(CLASSES))
def test_mixed_precision(head: str) -> None:
    ours, _ = pair("wav2vec2", head)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = CLASSES[head](ours.config)
        half.build()
    finally:
        keras.config.set_dtype_policy("float32")
    for variable, values in zip(half.weights, ours.weights, strict=True):
        variable.assign(values)
    batch, lengths = padded(inputs_of("wav2vec2", (6000, 4000)), 0.0)
    wanted, got = named(ours(batch, lengths)), named(half(batch, lengths))
    for name, values in got.items():
        if name == "codevector_perplexity":
            continue  # a near tie may be decided the other way
        assert values.dtype.name == "bfloat16"
        if name != "projected_quantized_states":
            error = np.abs(values.astype(np.float32) - wanted[name]).max()
            assert error < 0.1 * max(1.0, np.abs(wanted[name]).max()), name


@pytest.mark.parametrize(
    ("kind", "head"),
    [*((kind, families.PRE_TRAINING) for kind in PRE_TRAINED), ("wavlm", families.X_VECTOR)],
)
def test_round_trip_is_bit_identical(kind: str, head: str, tmp_path: Path) -> None:
    ours, theirs = pair(kind, head)
    ours.save_pretrained(tmp_path)
    again, report = type(theirs).from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    before, after = theirs.state_dict(), again.state_dict()
    assert set(before) == set(after)
    for key, values in before.items():
        assert torch.equal(values, after[key]), key
