"""Exported SavedModels, as each kind of program loads them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from eval.__main__ import main as measure
from tests.support import reference
from tests.support.hub_pages import PRETRAINED_PAGE, TRAINING_STEP, run_with_hub
from wav2vec2_tf import AutoModel, Processor, Recognizer, UserError
from wav2vec2_tf.audio import load, normalize
from wav2vec2_tf.export import saved_model
from wav2vec2_tf.info import flops
from wav2vec2_tf.transcribe import SAVED_MODEL_FACTS

FIXED = 8000  # samples
PUBLISHED = 246_000
TOLERANCE = 1e-5
LENGTHS = np.array([FIXED, 2345, 0], np.int32)


def difference(got: Any, wanted: Any) -> float:
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    return float(np.abs(got.astype(np.float64) - wanted).max(initial=0))


@pytest.fixture(scope="session")
def fixed_folder(
    tiny_folders: dict[str, Path], tf_models: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Group norm, CTC, at a fixed length."""
    folder = tmp_path_factory.mktemp("fixed") / "model"
    processor = Processor.from_pretrained(tiny_folders["group"])
    saved_model.export(tf_models["group"], processor, folder, length=FIXED)
    return folder


@pytest.fixture(scope="session")
def any_folder(
    tiny_folders: dict[str, Path], tf_models: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Layer norm, CTC, at any length."""
    folder = tmp_path_factory.mktemp("any") / "model"
    processor = Processor.from_pretrained(tiny_folders["layer"])
    saved_model.export(tf_models["layer"], processor, folder, length=None)
    return folder


@pytest.fixture(scope="session")
def base_model(tiny_folders: dict[str, Path]) -> Any:
    return AutoModel.from_pretrained(tiny_folders["group"], layerdrop=0.0)


@pytest.fixture(scope="session")
def base_folder(base_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Group norm, without a head, at the published length."""
    folder = tmp_path_factory.mktemp("base") / "model"
    saved_model.export(base_model, None, folder)
    return folder


@pytest.fixture(scope="session")
def fixed(fixed_folder: Path) -> Any:
    return tf.saved_model.load(fixed_folder)


@pytest.fixture(scope="session")
def any_length(any_folder: Path) -> Any:
    return tf.saved_model.load(any_folder)


def padded_batch(fill: float) -> np.ndarray:
    speeches = [reference.noise(samples, seed=1 + samples) for samples in LENGTHS]
    return reference.padded(speeches, FIXED, fill)


# __call__


def structures() -> list[Any]:
    """Every documented way to name the valid samples: (id, make(speech, lengths))."""

    def mask(lengths: np.ndarray, dtype: Any) -> np.ndarray:
        return (np.arange(FIXED) < lengths[:, np.newaxis]).astype(dtype)

    seconds = {
        "lengths-int32": lambda lengths: ("lengths", lengths.astype(np.int32)),
        "lengths-int64": lambda lengths: ("lengths", lengths.astype(np.int64)),
        "mask-int32": lambda lengths: ("attention_mask", mask(lengths, np.int32)),
        "mask-int64": lambda lengths: ("attention_mask", mask(lengths, np.int64)),
        "mask-bool": lambda lengths: ("attention_mask", mask(lengths, np.bool_)),
    }
    found = []
    for name, second in seconds.items():
        for container in ("tuple", "list", "dict"):

            def make(speech: Any, lengths: Any, second: Any = second, kind: str = container) -> Any:
                key, values = second(lengths)
                values = tf.constant(values)
                if kind == "dict":
                    return {"speech": speech, key: values}
                return [speech, values] if kind == "list" else (speech, values)

            found.append(pytest.param(make, id=f"{container}-{name}"))
    return found


@pytest.mark.parametrize("make", structures())
@pytest.mark.parametrize("name", ["fixed", "any_length"])
def test_call_with_lengths_or_a_mask(
    make: Any, name: str, request: pytest.FixtureRequest, tf_models: Any
) -> None:
    loaded = request.getfixturevalue(name)
    model = tf_models["group" if name == "fixed" else "layer"]
    speech = tf.constant(padded_batch(np.nan))
    wanted = model(speech, LENGTHS)
    inputs = make(speech, LENGTHS)
    assert difference(loaded(inputs), wanted) < TOLERANCE
    assert difference(loaded(inputs, training=False), wanted) < TOLERANCE
    trained = loaded(inputs, training=True)
    assert trained.shape == wanted.shape
    assert np.isfinite(trained).all()
    assert difference(trained[:2], wanted[:2]) > 0.01


@pytest.mark.parametrize("name", ["fixed", "any_length"])
def test_call_with_speech_alone(name: str, request: pytest.FixtureRequest, tf_models: Any) -> None:
    loaded = request.getfixturevalue(name)
    model = tf_models["group" if name == "fixed" else "layer"]
    speech = tf.constant(padded_batch(0.0))
    wanted = model(speech)
    assert wanted.shape == (3, 24, 32)
    for got in (
        loaded(speech),
        loaded({"speech": speech}),
        loaded(speech, training=False),
        loaded(speech, False),
    ):
        assert difference(got, wanted) < TOLERANCE
    one, other = loaded(speech, training=True), loaded({"speech": speech}, training=True)
    assert difference(one, wanted) > 0.01
    assert difference(one, other) > 0.01  # chance is drawn anew
    assert difference(loaded(speech), wanted) < TOLERANCE


@pytest.mark.parametrize("batch", [0, 1, 5])
def test_batch_is_free(fixed: Any, tf_models: Any, batch: int) -> None:
    speech = reference.noise(batch, FIXED)
    assert difference(fixed(tf.constant(speech)), tf_models["group"](speech)) < TOLERANCE


@pytest.mark.parametrize("samples", [0, 399, 400, 1234, 20_000])
def test_length_is_free_where_it_was_exported_so(
    any_length: Any, tf_models: Any, samples: int
) -> None:
    speech = tf.constant(reference.noise(2, samples))
    got = any_length(speech)
    assert got.shape == (2, reference.frames(samples), 32)
    assert difference(got, tf_models["layer"](speech)) < TOLERANCE


def test_other_lengths_are_refused_where_it_was_fixed(fixed: Any) -> None:
    with pytest.raises(ValueError, match="Could not find matching concrete function"):
        fixed(tf.zeros([1, FIXED - 1]))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_inside_a_function(fixed: Any, tf_models: Any, jit_compile: bool) -> None:
    """The published pages ask for `jit_compile=True`; here it works either way."""
    function = tf.function(lambda inputs: fixed(inputs), jit_compile=jit_compile)
    speech, lengths = tf.constant(padded_batch(0.0)), tf.constant(LENGTHS)
    assert difference(function(speech), tf_models["group"](speech)) < TOLERANCE
    masked = function((speech, lengths))
    assert difference(masked, tf_models["group"](speech, lengths)) < TOLERANCE


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradients_reach_every_variable(any_length: Any, jit_compile: bool) -> None:
    @tf.function(jit_compile=jit_compile)
    def gradients(speech: tf.Tensor, lengths: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(any_length((speech, lengths), training=True)))
        return tape.gradient(loss, any_length.trainable_variables)

    got = gradients(tf.constant(padded_batch(np.nan)), tf.constant(LENGTHS))
    assert len(got) == len(any_length.trainable_variables) == 72
    for gradient in got:
        assert gradient is not None
        assert np.isfinite(gradient).all()


# Signatures


def described(specs: Any) -> dict[str, tuple[str, list[int | None]]]:
    return {name: (spec.dtype.name, spec.shape.as_list()) for name, spec in specs.items()}


def test_signatures_of_a_fixed_length(fixed: Any) -> None:
    assert set(fixed.signatures) == {"serving_default", "with_lengths", "transcribe"}
    inputs = {
        name: described(s.structured_input_signature[1]) for name, s in fixed.signatures.items()
    }
    assert inputs == {
        "serving_default": {"speech": ("float32", [None, FIXED])},
        "with_lengths": {"speech": ("float32", [None, FIXED]), "lengths": ("int32", [None])},
        "transcribe": {"speech": ("float32", [None, None]), "lengths": ("int32", [None])},
    }
    outputs = {name: described(s.structured_outputs) for name, s in fixed.signatures.items()}
    assert outputs["serving_default"] == {"logits": ("float32", [None, 24, 32])}
    assert outputs["with_lengths"] == {
        "logits": ("float32", [None, 24, 32]),
        "frame_lengths": ("int32", [None]),
    }
    types = {name: (dtype, len(shape)) for name, (dtype, shape) in outputs["transcribe"].items()}
    assert types == {
        "text": ("string", 1),
        "words": ("string", 2),
        "start": ("float32", 2),
        "end": ("float32", 2),
        "confidence": ("float32", 2),
        "count": ("int32", 1),
    }


def test_signatures_of_any_length(any_length: Any) -> None:
    signature = any_length.signatures["serving_default"]
    assert described(signature.structured_input_signature[1]) == {
        "speech": ("float32", [None, None])
    }
    assert described(signature.structured_outputs) == {"logits": ("float32", [None, None, 32])}


def test_signatures_of_a_model_without_a_head(base_folder: Path) -> None:
    signatures = tf.saved_model.load(base_folder).signatures
    assert set(signatures) == {"serving_default", "with_lengths"}
    assert described(signatures["serving_default"].structured_outputs) == {
        "hidden_states": ("float32", [None, 768, 24])
    }


@pytest.mark.parametrize("name", ["fixed", "any_length"])
def test_signatures_compute_what_the_model_does(
    name: str, request: pytest.FixtureRequest, tf_models: Any
) -> None:
    loaded = request.getfixturevalue(name)
    model = tf_models["group" if name == "fixed" else "layer"]
    speech = tf.constant(padded_batch(0.0))
    got = loaded.signatures["serving_default"](speech=speech)
    assert difference(got["logits"], model(speech)) < TOLERANCE
    noisy = tf.constant(padded_batch(np.nan))
    got = loaded.signatures["with_lengths"](speech=noisy, lengths=tf.constant(LENGTHS))
    assert difference(got["logits"], model(speech, LENGTHS)) < TOLERANCE
    assert got["frame_lengths"].numpy().tolist() == [reference.frames(n) for n in LENGTHS]


def test_saved_model_cli_reads_it(any_folder: Path) -> None:
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli"]
    done = subprocess.run(
        [*command, "show", "--all", "--dir", any_folder], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    shown = done.stdout
    for part in (
        "signature_def['transcribe']",
        "inputs['lengths']",
        "outputs['frame_lengths']",
        "outputs['confidence']",
    ):
        assert part in shown
    assert "Function Name: '__call__'" in shown


# transcribe


@pytest.fixture(scope="session")
def utterances(audio_folder: Path) -> list[np.ndarray]:
    """Raw speech of several lengths, none beyond `FIXED`."""
    speech = load(audio_folder / "librispeech_sample.flac")
    return [
        speech[20_000:28_000],
        speech[30_000:35_432],
        0.1 * speech[50_000:52_000] + 0.2,
        speech[9000:9400],
    ]


@pytest.mark.parametrize("style_name", ["group", "layer"])
def test_transcribe_equals_the_recognizer(
    style_name: str,
    request: pytest.FixtureRequest,
    tiny_folders: dict[str, Path],
    utterances: list[np.ndarray],
) -> None:
    loaded = request.getfixturevalue("fixed" if style_name == "group" else "any_length")
    wanted = Recognizer.load(tiny_folders[style_name]).transcribe(utterances)
    assert sum(len(transcript.words) for transcript in wanted) >= 8
    lengths = [len(utterance) for utterance in utterances]
    batch = reference.padded(utterances, FIXED + 100, np.nan)
    got = loaded.signatures["transcribe"](speech=tf.constant(batch), lengths=tf.constant(lengths))
    got = {name: column.numpy() for name, column in got.items()}
    assert [text.decode() for text in got["text"]] == [transcript.text for transcript in wanted]
    assert got["count"].tolist() == [len(transcript.words) for transcript in wanted]
    for row, transcript in enumerate(wanted):
        for column, word in enumerate(transcript.words):
            assert got["words"][row, column].decode() == word.text
            for field in ("start", "end", "confidence"):
                assert got[field][row, column] == pytest.approx(getattr(word, field), abs=1e-4)


@pytest.mark.parametrize("style_name", ["group", "layer"])
def test_recognizer_takes_the_saved_model(
    style_name: str,
    request: pytest.FixtureRequest,
    tiny_folders: dict[str, Path],
    utterances: list[np.ndarray],
) -> None:
    folder = request.getfixturevalue("fixed_folder" if style_name == "group" else "any_folder")
    recognizer, wanted = Recognizer.load(folder), Recognizer.load(tiny_folders[style_name])
    assert recognizer.fixed_length == (FIXED if style_name == "group" else None)
    assert recognizer.minimum_length == 400
    assert recognizer.characters == frozenset("ETAONIHSRDLUMWCFGYPBVK'XJQZ")
    for masked in (False, True):
        ours = recognizer.transcribe(utterances, length=FIXED, masked=masked)
        theirs = wanted.transcribe(utterances, length=FIXED, masked=masked)
        assert [t.text for t in ours] == [t.text for t in theirs]
        for one, other in zip(ours, theirs, strict=True):
            for word, their_word in zip(one.words, other.words, strict=True):
                assert (word.text, word.start, word.end) == (
                    their_word.text,
                    their_word.start,
                    their_word.end,
                )
                assert word.confidence == pytest.approx(their_word.confidence, abs=1e-4)


def test_recognizer_of_a_fixed_length_refuses_longer_speech(fixed_folder: Path) -> None:
    with pytest.raises(UserError, match="8001 samples, but this model takes 8000"):
        Recognizer.load(fixed_folder).transcribe([np.zeros(FIXED + 1, np.float32)])


def test_transcribe_refuses_longer_input(fixed: Any) -> None:
    transcribe = fixed.signatures["transcribe"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="longer than the 8000 samples"):
        transcribe(speech=tf.zeros([1, FIXED + 1]), lengths=tf.constant([FIXED + 1]))
    wide = transcribe(speech=tf.zeros([1, FIXED + 1]), lengths=tf.constant([FIXED]))
    assert wide["count"].shape == (1,)


@pytest.mark.parametrize("name", ["fixed", "any_length"])
@pytest.mark.parametrize("batch", [0, 2])
def test_transcribe_of_nothing(name: str, batch: int, request: pytest.FixtureRequest) -> None:
    transcribe = request.getfixturevalue(name).signatures["transcribe"]
    for samples in (0, 399):
        lengths = tf.fill([batch], samples)
        got = transcribe(speech=tf.zeros([batch, samples]), lengths=lengths)
        assert got["text"].numpy().tolist() == [b""] * batch
        assert got["count"].numpy().tolist() == [0] * batch
        assert got["words"].shape == (batch, 0)


def test_transcribe_normalises_loud_and_shifted_speech(
    any_length: Any, utterances: list[np.ndarray]
) -> None:
    transcribe = any_length.signatures["transcribe"]
    speech = utterances[1][np.newaxis]
    lengths = tf.constant([speech.shape[1]])
    plain = transcribe(speech=tf.constant(speech), lengths=lengths)
    moved = transcribe(speech=tf.constant(20 * speech + 3), lengths=lengths)
    assert moved["text"].numpy().tolist() == plain["text"].numpy().tolist()
    assert difference(moved["confidence"], plain["confidence"]) < 1e-3


@pytest.mark.parametrize("loudness", [1.0, 1e-4, 300.0])
def test_normalising_equals_that_of_the_library(loudness: float) -> None:
    speeches = [
        loudness * (reference.noise(samples, seed=samples) + 2) for samples in (900, 400, 1)
    ]
    lengths = tf.constant([900, 400, 1])
    mask = tf.sequence_mask(lengths, 1000)
    batch = tf.where(mask, reference.padded(speeches, 1000, 0.0), 0.0)
    got = saved_model.normalise(batch, lengths, mask)
    wanted = reference.padded([normalize(speech) for speech in speeches], 1000, 0.0)
    np.testing.assert_allclose(got, wanted, atol=2e-6)


# Files


@pytest.mark.parametrize("name", ["fixed_folder", "any_folder"])
def test_weights_are_on_disk_once(
    name: str, request: pytest.FixtureRequest, tf_models: Any
) -> None:
    folder = request.getfixturevalue(name)
    model = tf_models["group" if name == "fixed_folder" else "layer"]
    weights = 4 * model.count_params()
    (data,) = (folder / "variables").glob("variables.data-*")
    # Beside the weights it holds their names, some 150 bytes each: nothing at a real size.
    assert weights <= data.stat().st_size <= weights + 250 * len(model.variables) < 1.5 * weights


def test_variables_are_the_model_s(fixed: Any, tf_models: Any) -> None:
    model = tf_models["group"]
    assert len(fixed.trainable_variables) == len(model.trainable_variables)
    for saved, variable in zip(fixed.trainable_variables, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(saved, variable)
    assert {v.ref() for v in fixed.trainable_variables} <= {v.ref() for v in fixed.variables}
    assert list(fixed.regularization_losses) == []


def test_facts_travel_with_it(fixed_folder: Path, base_folder: Path, tiny_folders: Any) -> None:
    facts = fixed_folder / SAVED_MODEL_FACTS
    source = json.loads((tiny_folders["group"] / "config.json").read_text())
    assert json.loads((facts / "config.json").read_text()) == source
    assert Processor.from_pretrained(facts).tokenizer.vocab_size == 32
    assert [path.name for path in (base_folder / SAVED_MODEL_FACTS).iterdir()] == ["config.json"]


def test_a_folder_that_is_no_saved_model_of_ours(fixed_folder: Path, tmp_path: Path) -> None:
    import shutil

    broken = Path(shutil.copytree(fixed_folder, tmp_path / "broken"))
    (broken / "saved_model.pb").write_bytes(b"not a graph")
    with pytest.raises(UserError, match="not a SavedModel") as caught:
        Recognizer.load(broken)
    assert "\n" not in str(caught.value)


# Keras 3


def test_tfsm_layer(fixed_folder: Path, tf_models: Any) -> None:
    layer = keras.layers.TFSMLayer(fixed_folder, call_endpoint="serving_default")
    speech = padded_batch(0.0)
    inputs = keras.Input((FIXED,))
    model = keras.Model(inputs, keras.layers.Softmax()(layer(inputs)["logits"]))
    wanted = tf.nn.softmax(tf_models["group"](speech))
    assert difference(model.predict(speech, verbose=0), wanted) < TOLERANCE


# TensorFlow Hub

MASKED_CALLS = """
# Layer-norm models on TensorFlow Hub take a mask
layer = hub.KerasLayer(sys.argv[1])
expected = np.load(sys.argv[2])
batch, mask = tf.constant(expected["speech"]), tf.constant(expected["mask"])
lengths = tf.constant(expected["lengths"])
for name, call in {
    "masked": layer,
    "masked and compiled": tf.function(layer, jit_compile=True),
}.items():
    report[name] = {
        "plain": float(np.abs(call(batch) - expected["plain"]).max()),
        "masked": [
            float(np.abs(call(inputs) - expected["masked"]).max())
            for inputs in (
                (batch, mask), (batch, lengths), {"speech": batch, "lengths": lengths}
            )
        ],
    }
inputs = tf.keras.Input((None,)), tf.keras.Input((None,), dtype=tf.int32)
functional = tf.keras.Model(inputs, layer(inputs))
report["functional"] = float(np.abs(functional((batch, mask)) - expected["masked"]).max())
print(json.dumps(report))
"""


@pytest.mark.full_size  # a minute and a half
def test_published_training_page_and_masks(
    base_folder: Path, any_folder: Path, tf_models: Any, tmp_path: Path
) -> None:
    speech = padded_batch(0.0)
    expected = tmp_path / "expected.npz"
    np.savez(
        expected,
        speech=speech,
        lengths=LENGTHS,
        mask=(np.arange(FIXED) < LENGTHS[:, np.newaxis]).astype(np.int32),
        plain=tf_models["layer"](speech).numpy(),
        masked=tf_models["layer"](speech, LENGTHS).numpy(),
    )
    page = PRETRAINED_PAGE.replace("https://tfhub.dev/vasudevgupta7/wav2vec2/1", str(base_folder))
    report = json.loads(run_with_hub(page + TRAINING_STEP + MASKED_CALLS, any_folder, expected))
    assert report["shape"] == [1, 768, 32]
    assert report["none"] == report["not finite"] == []
    assert report["variables"] == len(tf_models["group"].trainable_variables)
    # a key projection's bias has a gradient of mathematically 0, and there are two
    assert report["variables"] - report["moved"] <= 2, report["still"]
    assert report["fresh"] > 0.01
    for way in ("masked", "masked and compiled"):
        assert report[way]["plain"] < TOLERANCE
        assert max(report[way]["masked"]) < TOLERANCE, report[way]
    assert report["functional"] < TOLERANCE


# Where the time goes


def test_profile(
    any_folder: Path, tf_models: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "profile.json"
    options = ["--length", "5000", "--batch", "2", "--json", str(out)]
    assert measure(["profile", "--model", str(any_folder), *options]) == 0
    found = json.loads(out.read_text())
    config = tf_models["layer"].config
    assert found["operations"] == 2 * sum(flops(config, 5000, ctc=True).values())
    calls = {kind["name"]: kind["calls"] for kind in found["kinds"]}
    assert sum(n for name, n in calls.items() if "Softmax" in name) == config.num_hidden_layers
    products = sum(n for name, n in calls.items() if "MatMul" in name)
    # attention has four dense layers and two products, the feed-forward has two dense layers
    assert products >= 8 * config.num_hidden_layers
    spent = [kind["seconds"] for kind in found["kinds"]]
    assert spent == sorted(spent, reverse=True) and sum(spent) > 0
    shown = capsys.readouterr().out
    shares = [float(share) for share in re.findall(r"\| (\d+\.\d)% \|", shown)]
    assert sum(shares) == pytest.approx(100, abs=1)
    assert "0.625 s of speech in one call" in shown


def test_profile_refuses(
    fixed_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model, options, said in (
        (fixed_folder, ["--length", "5000"], f"takes {FIXED} samples; leave it out"),
        (tmp_path, [], "is no SavedModel; `convert saved-model` makes one"),
    ):
        assert measure(["profile", "--model", str(model), *options]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and said in error and error.count("\n") == 1
