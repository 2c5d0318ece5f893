"""Every family in every variant against transformers: parity, padding, compilation, round trip."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from safetensors.numpy import load_file

from tests.support import reference
from tests.support.reference import difference
from wav2vec2_tf import AutoModel, AutoModelForCTC, CTCLoss, UserError
from wav2vec2_tf.models.config import Config, config_from_dict
from wav2vec2_tf.models.families import FAMILIES, MEMBERS

TOLERANCE = 2e-5  # a tenth of the contract's: float32 gives a few 1e-6 at this size
NO_GRADIENT = ("k_proj/bias", "linear_k/bias", "masked_spec_embed")
SAMPLES = 9000
RAGGED = (9000, 400, 0, 1039, 399, 720, 5000)  # samples; one frame takes 400, of BERT's 560
DISTINCT = (  # each layer of the families is in one of these variants
    "wav2vec2-group",  # group norm, post-norm, the positional convolution
    "mms",  # layer norm, pre-norm, adapters in the layers
    "hubert-batch-norm",
    "wavlm-layer",
    "data2vec-audio-adapter",
    "conformer-relative",
    "conformer-rotary",
    "bert-adapter",  # log-mel features, distances as keys
)


def group_of(name: str) -> pytest.MarkDecorator:
    """Returns the mark that keeps the tests of a variant in one process, to share models."""
    return pytest.mark.xdist_group(f"families-{name}")


of_distinct_layers = pytest.mark.parametrize(
    "pair",
    [
        pytest.param(name, marks=[group_of(name)] + [pytest.mark.slow] * (name not in DISTINCT))
        for name in reference.VARIANTS
    ],
    indirect=True,
)
"""Marks the variants that repeat another's layers as slow."""


class Pair(NamedTuple):
    theirs: Any
    ours: Any
    folder: Path

    def reference(self, speech: np.ndarray) -> np.ndarray:
        """Returns transformers' logits of (samples,) speech, run alone."""
        return reference.run(self.theirs, inputs(self, speech)[np.newaxis])[0]


def inputs(pair: Pair, speech: np.ndarray) -> np.ndarray:
    """Returns transformers' input of an utterance: the waveform, or BERT's features."""
    if pair.theirs.config.model_type != "wav2vec2-bert":
        return speech
    extractor = transformers.SeamlessM4TFeatureExtractor()
    features = extractor(speech, sampling_rate=16_000, return_tensors="np")
    count = int(features["attention_mask"].sum())
    return features["input_features"][0, :count]


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=group_of(name)) for name in reference.VARIANTS],
)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp(request.param)
    theirs = reference.perturbed_model(reference.tiny_config(request.param))
    reference.save_checkpoint(theirs, folder)
    theirs = reference.torch_model(folder)
    return Pair(theirs, AutoModelForCTC.from_pretrained(folder), folder)


def tolerance(pair: Pair, raw: bool = True) -> float:
    # transformers' log-mel features are float32 and cause the difference
    return 1e-3 if raw and pair.theirs.config.model_type == "wav2vec2-bert" else TOLERANCE


def test_every_family_is_in_a_config_and_a_row() -> None:
    assert set(Config.classes) == set(FAMILIES)
    for model_type, kind in Config.classes.items():
        assert FAMILIES[model_type].config is kind
        assert (FAMILIES[model_type].feature_encoder is None) == kind.log_mel_input
        assert FAMILIES[model_type].config() == config_from_dict(kind().to_dict())


def test_every_family_has_its_variants() -> None:
    families = {member.name for member in MEMBERS}
    assert {family for family, _ in reference.VARIANTS.values()} == families


def test_states_and_attentions_equal_pytorch(pair: Pair) -> None:
    speech = inputs(pair, reference.noise(SAMPLES))[np.newaxis]
    with torch.inference_mode():
        base = pair.theirs.base_model
        wanted = base(torch.from_numpy(speech), output_hidden_states=True, output_attentions=True)
        logits = pair.theirs(torch.from_numpy(speech)).logits
    got = pair.ours.base_model(
        tf.constant(speech), output_hidden_states=True, output_attentions=True
    )
    assert np.std(wanted.last_hidden_state.numpy()) > 0.1
    for ours, theirs in (
        (got.hidden_states, wanted.hidden_states),
        (got.attentions, wanted.attentions),
    ):
        assert len(ours) == len(theirs) > 1
        for state, their_state in zip(ours, theirs, strict=True):
            if state.shape.rank == 4 and pair.theirs.config.model_type == "wavlm":
                state = tf.reduce_mean(state, axis=1, keepdims=True)  # transformers' are averaged
                their_state = their_state[:, :1]
            assert difference(state, their_state) < TOLERANCE
    assert difference(got.last_hidden_state, wanted.last_hidden_state) < TOLERANCE
    assert difference(pair.ours(tf.constant(speech)), logits) < TOLERANCE


def test_logits_of_speech_equal_pytorch(pair: Pair, real_speech: np.ndarray) -> None:
    """The input is the waveform: Wav2Vec2-BERT computes its features in the graph."""
    speech = real_speech[:30_000]
    wanted = pair.reference(speech)
    got = pair.ours(speech[np.newaxis])[0].numpy()
    assert difference(got, wanted) < tolerance(pair)
    assert reference.argmax_flips(wanted, got, tolerance(pair)) == 0


def ragged_batch() -> tuple[list[np.ndarray], tf.Tensor, tf.Tensor]:
    """Returns utterances, their batch padded with NaN, and their lengths."""
    speeches = [reference.noise(samples, seed=samples) for samples in RAGGED]
    return speeches, tf.constant(reference.padded(speeches, 9600, np.nan)), tf.constant(RAGGED)


def test_padding_has_no_influence(pair: Pair) -> None:
    speeches, batch, lengths = ragged_batch()
    got = pair.ours(batch, lengths).numpy()
    assert np.isfinite(got).all()
    config = pair.ours.config
    assert got.shape == (len(RAGGED), config.frame_length(9600), len(reference.TOKENS))
    for row, speech in zip(got, speeches, strict=True):
        count = config.frame_length(len(speech))
        alone = pair.ours(tf.constant(speech[np.newaxis]))[0]
        assert difference(row[:count], alone) < TOLERANCE
        if count:
            assert difference(row[:count], pair.reference(speech)) < tolerance(pair)
        bias = pair.ours.lm_head.bias.numpy()
        assert difference(row[count:], np.broadcast_to(bias, row[count:].shape)) == 0


@of_distinct_layers
def test_compiled_equals_eager(pair: Pair) -> None:
    _, batch, lengths = ragged_batch()
    got = tf.function(pair.ours, jit_compile=True)(batch, lengths)
    assert difference(got, pair.ours(batch, lengths)) < TOLERANCE


def test_frame_length_of_numbers_and_tensors_is_that_of_the_output(pair: Pair) -> None:
    config = pair.ours.config
    samples = [0, 1, 399, 400, 559, 560, 719, 720, 1039, 1040, 4321, 246_000]
    numbers = [config.frame_length(count) for count in samples]
    assert config.frame_length(tf.constant(samples)).numpy().tolist() == numbers
    for count in (0, 1, 559, 560, 719, 1040):
        frames = numbers[samples.index(count)]
        assert pair.ours(tf.zeros([1, count])).shape == (1, frames, len(reference.TOKENS))


@of_distinct_layers
def test_one_trace_takes_any_batch_and_length(pair: Pair) -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([None], tf.int32)])
    def function(speech: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        return pair.ours(speech, lengths)

    for batch, samples in ((2, 5000), (1, 399), (0, 4000), (1, 0)):
        speech = reference.noise(batch, samples)
        got = function(speech, np.full(batch, samples, np.int32))
        assert difference(got, pair.ours(tf.constant(speech))) < TOLERANCE


def test_training_has_finite_gradients(pair: Pair) -> None:
    speech = tf.constant(reference.noise(2, SAMPLES))
    before = [v.numpy() for v in pair.ours.non_trainable_variables]
    with tf.GradientTape() as tape:
        logits = pair.ours(speech, tf.constant([SAMPLES, 3000]), training=True)
        loss = tf.reduce_mean(tf.square(logits - 1))
    variables = pair.ours.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    for variable, value in zip(pair.ours.non_trainable_variables, before, strict=True):
        variable.assign(value)
    for variable, gradient in zip(variables, gradients, strict=True):
        if gradient is None:
            assert variable.path.endswith("masked_spec_embed"), variable.path
        else:
            assert np.isfinite(np.asarray(tf.convert_to_tensor(gradient))).all(), variable.path


@of_distinct_layers
def test_ctc_loss_and_every_gradient_equal_pytorch(pair: Pair, tmp_path: Path) -> None:
    """Compares a ragged batch with PyTorch's single utterances, without dropout."""
    speeches = [inputs(pair, reference.noise(count, seed=count)) for count in (SAMPLES, 6000)]
    labels = np.array([[5, 8, 8], [11, -100, -100]])  # labels that also fit after an adapter
    carrier = copy.deepcopy(pair.theirs)
    for speech, row in zip(speeches, labels, strict=True):
        logits = carrier(torch.from_numpy(speech[np.newaxis])).logits[0].double()
        target = torch.from_numpy(row[row >= 0])
        counts = torch.tensor(len(logits)), torch.tensor(len(target))
        loss = torch.nn.functional.ctc_loss(
            logits.log_softmax(-1), target, *counts, reduction="sum"
        )
        loss.backward()
    with torch.no_grad():  # gradients are converted to our layout like weights
        for values in carrier.parameters():
            values.copy_(torch.zeros_like(values) if values.grad is None else values.grad)
    reference.save_checkpoint(carrier, tmp_path)
    wanted = AutoModelForCTC.from_pretrained(tmp_path).trainable_variables

    longest = max(map(len, speeches))
    batch = np.zeros((2, longest, *speeches[0].shape[1:]), np.float32)
    for row, speech in zip(batch, speeches, strict=True):
        row[: len(speech)] = speech
    variables = pair.ours.trainable_variables
    with tf.GradientTape() as tape:
        logits = pair.ours(tf.constant(batch), tf.constant([len(speech) for speech in speeches]))
        loss = CTCLoss(reduction="sum")(labels, logits)
    gradients = tape.gradient(
        loss, [variable.value for variable in variables], unconnected_gradients="zero"
    )
    compared = 0
    for variable, gradient, values in zip(variables, gradients, wanted, strict=True):
        largest = np.abs(values.numpy()).max()
        if largest < 1e-6 * float(loss):  # zero up to rounding, or without a gradient
            assert variable.path.endswith(NO_GRADIENT), variable.path
            continue
        error = difference(tf.convert_to_tensor(gradient), values)
        assert error < 1e-4 * largest, variable.path
        compared += 1
    assert compared > 0.7 * len(variables)


def test_back_to_hugging_face_is_bit_identical(pair: Pair, tmp_path: Path) -> None:
    pair.ours.save_pretrained(tmp_path)
    wanted, got = (load_file(f / "model.safetensors") for f in (pair.folder, tmp_path))
    assert set(got) == set(wanted)
    for key, values in wanted.items():
        assert got[key].dtype == values.dtype
        np.testing.assert_array_equal(got[key], values, err_msg=key)
    written = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert written["architectures"] == [type(pair.theirs).__name__]
    again, report = type(pair.theirs).from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    speech = inputs(pair, reference.noise(3000))[np.newaxis]
    assert difference(reference.run(again, speech), reference.run(pair.theirs, speech)) < TOLERANCE


@of_distinct_layers
@pytest.mark.parametrize("dtype", [pytest.param("bfloat16", marks=pytest.mark.bfloat16), "float16"])
def test_half_precision_is_near(pair: Pair, dtype: str, real_speech: np.ndarray) -> None:
    half = AutoModelForCTC.from_pretrained(pair.folder, dtype=dtype)
    speech = tf.constant(real_speech[np.newaxis, :16_000])
    got, wanted = half(speech), pair.ours(speech)
    assert got.dtype == dtype
    assert all(v.dtype in (dtype, "int64") for v in half.weights)
    scale = float(np.abs(wanted).max())
    assert difference(tf.cast(got, tf.float32), wanted) < scale * (
        0.2 if dtype == "bfloat16" else 0.05
    )


def test_base_model_alone_loads_without_prefix(pair: Pair, tmp_path: Path) -> None:
    pair.theirs.base_model.save_pretrained(tmp_path)
    speech = tf.constant(reference.noise(1, 4000))
    bare = AutoModel.from_pretrained(tmp_path)
    wanted = pair.ours.base_model(speech)
    assert difference(bare(speech), wanted) == 0
    with_prefix = AutoModel.from_pretrained(pair.folder)  # the file has a head as well
    assert difference(with_prefix(speech), wanted) == 0


def test_a_checkpoint_of_another_family_is_named(pair: Pair, tmp_path: Path) -> None:
    other = "hubert" if pair.ours.config.model_type != "hubert" else "unispeech"
    reference.tiny_config("hubert-group" if other == "hubert" else other).save_pretrained(tmp_path)
    weights = (pair.folder / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights)
    message = f"model_type .* that of the weights, {pair.ours.config.model_type}, got {other}"
    with pytest.raises(UserError, match=message):
        AutoModelForCTC.from_pretrained(tmp_path)
