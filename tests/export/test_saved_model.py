"""Exported SavedModels, loaded by each kind of program."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel as SavedModelFile
from tensorflow.python.framework import op_def_registry

from eval.__main__ import main as measure
from tests.support import reference
from tests.support.exported import FEW, FIXED, SavedModel, mask_of
from tests.support.hub_pages import MASKED_PAGE, PRETRAINED_PAGE, TRAINING_STEP, run_with_hub
from tests.support.reference import difference
from wav2vec2_tf import AutoModel, Processor, Recognizer, UserError
from wav2vec2_tf.audio import load
from wav2vec2_tf.audio.normalization import normalize
from wav2vec2_tf.export import saved_model
from wav2vec2_tf.export.loading import is_export, load_export
from wav2vec2_tf.export.saved_model import STRUCTURES, Structure
from wav2vec2_tf.models import families
from wav2vec2_tf.models.flops import flops
from wav2vec2_tf.models.pretrained import SAVED_MODEL_FACTS

pytestmark = pytest.mark.xdist_group("saved_model")
TOLERANCE = 1e-5
LENGTHS = np.array([FIXED, 2345, 0], np.int32)


@pytest.fixture(scope="session")
def base_folder(fixed: SavedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with group norm, without head and processor, at the published length."""
    folder = tmp_path_factory.mktemp("base") / "model"
    model = AutoModel.from_pretrained(fixed.source, layerdrop=0.0)
    saved_model.export(model, None, folder, structures=FEW)
    return folder


@pytest.fixture(scope="session")
def masked_base(exported: Callable[..., SavedModel]) -> SavedModel:
    """A model with layer norm, without head; it accepts what the published ones with a mask do."""
    structures = (*FEW, Structure(tuple, "attention_mask", tf.float32))
    return exported("wav2vec2-layer", families.BASE, structures=structures, layerdrop=0.0)


@pytest.fixture(params=["fixed", "any_length"])
def either(request: pytest.FixtureRequest) -> SavedModel:
    """SavedModels of both kinds of length and norm, in turn."""
    return request.getfixturevalue(request.param)


def padded_batch(fill: float) -> np.ndarray:
    speeches = [reference.noise(samples, seed=1 + samples) for samples in LENGTHS]
    return reference.padded(speeches, FIXED, fill)


# __call__


def inputs_as(structure: Structure, speech: tf.Tensor, lengths: np.ndarray) -> Any:
    """Makes inputs of a structure, independently of `Structure.specs`."""
    if structure.second is None:
        return {"speech": speech} if structure.container is dict else speech
    dtype = structure.dtype.as_numpy_dtype
    second = lengths.astype(dtype)
    if structure.second == "attention_mask":
        second = mask_of(lengths, FIXED, dtype)
    second = tf.constant(second)
    if structure.container is dict:
        return {"speech": speech, structure.second: second}
    return [speech, second] if structure.container is list else (speech, second)


def name_of(structure: Any) -> str:
    container = structure.container.__name__ if structure.container else "tensor"
    return f"{container}-{structure.second}-{structure.dtype.name}"


def test_all_documented_structures_are_the_default() -> None:
    """The documented structures: speech alone, with lengths or a mask; tuples, lists, dicts."""
    alone = {(None, None), (dict, None)}
    seconds = [("lengths", dtype) for dtype in ("int32", "int64")]
    floats = ("float16", "bfloat16", "float32", "float64")
    seconds += [("attention_mask", dtype) for dtype in ("int32", "int64", "bool", *floats)]
    wanted = {(kind, *second) for kind in (tuple, list, dict) for second in seconds}
    got = {(s.container, s.second, s.dtype.name) for s in STRUCTURES if s.second}
    assert got == wanted
    assert {(s.container, s.second) for s in STRUCTURES if not s.second} == alone
    assert len(STRUCTURES) == len(wanted) + len(alone) == len(set(STRUCTURES))


@pytest.mark.parametrize("structure", [s for s in STRUCTURES if s.second], ids=name_of)
def test_call_with_lengths_or_a_mask(structure: Structure, any_length: SavedModel) -> None:
    assert_masked(any_length, structure)


@pytest.mark.parametrize("structure", [s for s in FEW if s.second], ids=name_of)
def test_call_with_lengths_or_a_mask_at_a_fixed_length(
    structure: Structure, fixed: SavedModel
) -> None:
    assert_masked(fixed, structure)


def assert_masked(it: SavedModel, structure: Structure) -> None:
    """Asserts that outputs equal the model's for any padding, and that training is random."""
    speech = tf.constant(padded_batch(np.nan))
    wanted = it.model(speech, LENGTHS)
    inputs = inputs_as(structure, speech, LENGTHS)
    assert difference(it.loaded(inputs), wanted) < TOLERANCE
    assert difference(it.loaded(inputs, training=False), wanted) < TOLERANCE
    trained = it.loaded(inputs, training=True)
    assert trained.shape == wanted.shape
    assert np.isfinite(trained).all()
    assert difference(trained[:2], wanted[:2]) > 0.01


@pytest.mark.parametrize("name", ["any_length", "fixed"])
def test_call_with_speech_alone(name: str, request: pytest.FixtureRequest) -> None:
    saved: SavedModel = request.getfixturevalue(name)
    loaded = saved.loaded
    speech = tf.constant(padded_batch(0.0))
    wanted = saved.model(speech)
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
    assert difference(one, other) > 0.01  # dropout is drawn again
    assert difference(loaded(speech), wanted) < TOLERANCE


def functions_with(it: SavedModel, *operations: str) -> int:
    """Returns how many functions of the file have all these operations in their bodies."""
    functions = definition_of(it).graph_def.library.function
    return sum({*operations} <= {node.op for node in each.node_def} for each in functions)


def test_all_structures_share_the_traces_of_the_model(
    fixed: SavedModel, any_length: SavedModel
) -> None:
    """Layers with and without lengths, in inference and in training, whatever the input."""
    assert len(any_length.loaded.__call__.concrete_functions) == 2 * len(STRUCTURES)
    for it in (any_length, fixed):
        assert functions_with(it, "BatchMatMulV2", "Softmax") == 4


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int32"])
def test_a_mask_with_other_values_is_refused(dtype: str, any_length: SavedModel) -> None:
    speech, mask = tf.zeros([2, 500]), np.ones((2, 500))
    mask[1, 400:] = 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be 1 for speech and then 0"):
        any_length.loaded((speech, tf.cast(mask, dtype)))


@pytest.mark.parametrize("batch", [0, 1, 5])
def test_batch_is_free(fixed: SavedModel, batch: int) -> None:
    speech = reference.noise(batch, FIXED)
    assert difference(fixed.loaded(tf.constant(speech)), fixed.model(speech)) < TOLERANCE


@pytest.mark.parametrize("samples", [0, 399, 400, 1234, 20_000])
def test_length_is_free_where_it_was_exported_so(any_length: SavedModel, samples: int) -> None:
    speech = tf.constant(reference.noise(2, samples))
    got = any_length.loaded(speech)
    assert got.shape == (2, reference.frames(samples), 32)
    assert difference(got, any_length.model(speech)) < TOLERANCE


def test_other_lengths_are_refused_where_it_was_fixed(fixed: SavedModel) -> None:
    with pytest.raises(ValueError, match="Could not find matching concrete function"):
        fixed.loaded(tf.zeros([1, FIXED - 1]))


def test_structures_and_training_that_were_left_out_are_refused(
    fixed: SavedModel, tmp_path: Path
) -> None:
    speech, lengths = tf.constant(padded_batch(0.0)), tf.constant(LENGTHS)
    with pytest.raises(ValueError, match="Could not find matching concrete function"):
        fixed.loaded([speech, lengths])
    one = Structure(tuple, "lengths", tf.int64)
    saved_model.export(
        fixed.model, None, tmp_path / "one", length=None, structures=[one], trainable=False
    )
    loaded = tf.saved_model.load(tmp_path / "one")
    inputs = inputs_as(one, speech, LENGTHS)
    assert difference(loaded(inputs), fixed.model(speech, LENGTHS)) < TOLERANCE
    for wrong in (speech, (speech, lengths)):
        with pytest.raises(ValueError, match="Could not find matching concrete function"):
            loaded(wrong)
    with pytest.raises(ValueError, match="Could not find matching concrete function"):
        loaded(inputs, training=True)
    assert len(loaded.trainable_variables) == len(fixed.model.trainable_variables)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_inside_a_function(fixed: SavedModel, jit_compile: bool) -> None:
    """The published pages ask for `jit_compile=True`; both values work."""
    function = tf.function(lambda inputs: fixed.loaded(inputs), jit_compile=jit_compile)
    speech, lengths = tf.constant(padded_batch(0.0)), tf.constant(LENGTHS)
    assert difference(function(speech), fixed.model(speech)) < TOLERANCE
    masked = function({"speech": speech, "lengths": lengths})
    assert difference(masked, fixed.model(speech, lengths)) < TOLERANCE


@pytest.mark.parametrize(
    ("name", "jit_compile"),
    [
        ("any_length", False),
        ("fixed", True),
        pytest.param("any_length", True, marks=pytest.mark.slow),
    ],
)
def test_gradients_reach_every_variable(
    name: str, jit_compile: bool, request: pytest.FixtureRequest
) -> None:
    saved: SavedModel = request.getfixturevalue(name)
    loaded = saved.loaded

    @tf.function(jit_compile=jit_compile)
    def gradients(speech: tf.Tensor, lengths: tf.Tensor) -> list[tf.Tensor]:
        inputs = {"speech": speech, "lengths": lengths}
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(loaded(inputs, training=True)))
        return tape.gradient(loss, loaded.trainable_variables)

    got = gradients(tf.constant(padded_batch(np.nan)), tf.constant(LENGTHS))
    assert len(got) == len(loaded.trainable_variables) > 30
    assert len(got) == len(saved.model.trainable_variables)
    for gradient in got:
        assert gradient is not None
        assert np.isfinite(gradient).all()


# Signatures


def described(specs: Any) -> dict[str, tuple[str, list[int | None]]]:
    return {name: (spec.dtype.name, spec.shape.as_list()) for name, spec in specs.items()}


def test_signatures_of_a_fixed_length(fixed: SavedModel) -> None:
    signatures = fixed.loaded.signatures
    assert set(signatures) == {"serving_default", "with_lengths", "transcribe"}
    inputs = {name: described(s.structured_input_signature[1]) for name, s in signatures.items()}
    assert inputs == {
        "serving_default": {"speech": ("float32", [None, FIXED])},
        "with_lengths": {"speech": ("float32", [None, FIXED]), "lengths": ("int32", [None])},
        "transcribe": {"speech": ("float32", [None, None]), "lengths": ("int32", [None])},
    }
    outputs = {name: described(s.structured_outputs) for name, s in signatures.items()}
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


def test_signatures_of_any_length(any_length: SavedModel) -> None:
    signature = any_length.loaded.signatures["serving_default"]
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


def test_signatures_compute_what_the_model_does(either: SavedModel) -> None:
    loaded, model = either.loaded, either.model
    speech = tf.constant(padded_batch(0.0))
    got = loaded.signatures["serving_default"](speech=speech)
    assert difference(got["logits"], model(speech)) < TOLERANCE
    noisy = tf.constant(padded_batch(np.nan))
    got = loaded.signatures["with_lengths"](speech=noisy, lengths=tf.constant(LENGTHS))
    assert difference(got["logits"], model(speech, LENGTHS)) < TOLERANCE
    assert got["frame_lengths"].numpy().tolist() == [reference.frames(n) for n in LENGTHS]


def definition_of(it: SavedModel) -> MetaGraphDef:
    """Returns the part of the file that TensorFlow Serving reads first."""
    content = (it.folder / "saved_model.pb").read_bytes()
    (definition,) = SavedModelFile.FromString(content).meta_graphs
    return definition


def test_signatures_are_of_batches(either: SavedModel) -> None:
    """TensorFlow Serving batches along the first dimension of every tensor."""
    names = {"serving_default", "with_lengths", "transcribe"}
    definition = definition_of(either)
    assert list(definition.meta_info_def.tags) == ["serve"]
    assert definition.asset_file_def == []
    signatures = definition.signature_def
    assert set(signatures) - {"__saved_model_init_op"} == names
    for name in names:
        assert signatures[name].method_name == "tensorflow/serving/predict"
        tensors = {**signatures[name].inputs, **signatures[name].outputs}
        for key, tensor in tensors.items():
            assert tensor.tensor_shape.dim[0].size == -1, (name, key)
            assert not key.endswith("_bytes"), "REST would send it in base64"
    kinds = {key: tensor.dtype for key, tensor in signatures["transcribe"].inputs.items()}
    assert kinds == {"speech": tf.float32.as_datatype_enum, "lengths": tf.int32.as_datatype_enum}


def test_all_operations_are_tensorflow_s_own(either: SavedModel) -> None:
    """TensorFlow Serving has only TensorFlow's operations, and refuses functions marked for XLA."""
    graph = definition_of(either).graph_def
    functions = {function.signature.name for function in graph.library.function}
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    used = {node.op for node in nodes} - functions
    assert {"Conv2D", "BatchMatMulV2", "StatefulPartitionedCall"} <= used
    unknown = [name for name in used if op_def_registry.get(name) is None]
    assert unknown == []
    assert [name for name in used if "Py" in name or "Xla" in name] == []
    compiled = [node.name for node in nodes if node.attr["_XlaMustCompile"].b]
    assert compiled == []


@pytest.mark.slow
def test_saved_model_cli_reads_it(any_length: SavedModel) -> None:
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli"]
    done = subprocess.run(
        [*command, "show", "--all", "--dir", any_length.folder], capture_output=True, text=True
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
    """Raw speech of several lengths up to `FIXED`."""
    speech = load(audio_folder / "librispeech_sample.flac")
    return [
        speech[20_000:28_000],
        speech[30_000:35_432],
        0.1 * speech[50_000:52_000] + 0.2,
        speech[9000:9400],
    ]


def test_transcribe_equals_the_recognizer(either: SavedModel, utterances: list[np.ndarray]) -> None:
    wanted = Recognizer.load(either.source).transcribe(utterances)
    assert sum(len(transcript.words) for transcript in wanted) >= 8
    lengths = [len(utterance) for utterance in utterances]
    batch = reference.padded(utterances, FIXED + 100, np.nan)
    got = either.loaded.signatures["transcribe"](
        speech=tf.constant(batch), lengths=tf.constant(lengths)
    )
    got = {name: column.numpy() for name, column in got.items()}
    assert [text.decode() for text in got["text"]] == [transcript.text for transcript in wanted]
    assert got["count"].tolist() == [len(transcript.words) for transcript in wanted]
    for row, transcript in enumerate(wanted):
        for column, word in enumerate(transcript.words):
            assert got["words"][row, column].decode() == word.text
            for field in ("start", "end", "confidence"):
                assert got[field][row, column] == pytest.approx(getattr(word, field), abs=1e-4)


def test_recognizer_takes_the_saved_model(
    either: SavedModel, fixed: SavedModel, utterances: list[np.ndarray]
) -> None:
    recognizer, wanted = Recognizer.load(either.folder), Recognizer.load(either.source)
    assert recognizer.fixed_length == (FIXED if either is fixed else None)
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


def test_recognizer_of_a_fixed_length_refuses_longer_speech(fixed: SavedModel) -> None:
    with pytest.raises(UserError, match="at most 8000 samples for this model, got 8001"):
        Recognizer.load(fixed.folder).transcribe([np.zeros(FIXED + 1, np.float32)])


def test_transcribe_refuses_longer_input(fixed: SavedModel) -> None:
    transcribe = fixed.loaded.signatures["transcribe"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="longer than the 8000 samples"):
        transcribe(speech=tf.zeros([1, FIXED + 1]), lengths=tf.constant([FIXED + 1]))
    wide = transcribe(speech=tf.zeros([1, FIXED + 1]), lengths=tf.constant([FIXED]))
    assert wide["count"].shape == (1,)


@pytest.mark.parametrize("batch", [0, 2])
def test_transcribe_of_nothing(either: SavedModel, batch: int) -> None:
    transcribe = either.loaded.signatures["transcribe"]
    for samples in (0, 399):
        lengths = tf.fill([batch], samples)
        got = transcribe(speech=tf.zeros([batch, samples]), lengths=lengths)
        assert got["text"].numpy().tolist() == [b""] * batch
        assert got["count"].numpy().tolist() == [0] * batch
        assert got["words"].shape == (batch, 0)


def test_transcribe_normalizes_loud_and_shifted_speech(
    any_length: SavedModel, utterances: list[np.ndarray]
) -> None:
    transcribe = any_length.loaded.signatures["transcribe"]
    speech = utterances[1][np.newaxis]
    lengths = tf.constant([speech.shape[1]])
    plain = transcribe(speech=tf.constant(speech), lengths=lengths)
    moved = transcribe(speech=tf.constant(20 * speech + 3), lengths=lengths)
    assert moved["text"].numpy().tolist() == plain["text"].numpy().tolist()
    assert difference(moved["confidence"], plain["confidence"]) < 1e-3


@pytest.mark.parametrize("loudness", [1.0, 1e-4, 300.0])
def test_normalization_equals_that_in_numpy(loudness: float) -> None:
    speeches = [
        loudness * (reference.noise(samples, seed=samples) + 2) for samples in (900, 400, 1)
    ]
    lengths = tf.constant([900, 400, 1])
    mask = tf.sequence_mask(lengths, 1000)
    batch = tf.where(mask, reference.padded(speeches, 1000, 0.0), 0.0)
    got = saved_model.normalize_padded(batch, lengths, mask)
    wanted = reference.padded([normalize(speech) for speech in speeches], 1000, 0.0)
    np.testing.assert_allclose(got, wanted, atol=2e-6)


# load_export


@pytest.mark.parametrize("jit_compile", [False, True])
def test_load_export_runs_numpy_arrays(fixed: SavedModel, jit_compile: bool) -> None:
    exported = load_export(fixed.folder, head=families.CTC, jit_compile=jit_compile)
    assert (exported.fixed_length, exported.takes_lengths) == (FIXED, True)
    assert exported.config == fixed.model.config
    speech, lengths = padded_batch(np.nan), np.array([FIXED, 2345, 399])
    outputs = exported(speech, lengths)
    assert set(outputs) == {"logits", "frame_lengths"}
    wanted = fixed.model(speech, lengths)
    for row, count in enumerate(outputs["frame_lengths"]):
        assert difference(outputs["logits"][row, :count], wanted[row, :count]) < TOLERANCE
    speech = np.nan_to_num(speech)
    assert difference(exported(speech)["logits"], fixed.model(speech)) < TOLERANCE


def test_load_export_refuses_another_head(fixed: SavedModel) -> None:
    assert is_export(fixed.folder) and not is_export(fixed.source)
    with pytest.raises(UserError, match="has no ForXVector: it was exported as ForCTC"):
        load_export(fixed.folder, head=families.X_VECTOR)


# Files


def test_weights_are_on_disk_once(either: SavedModel) -> None:
    model = either.model
    weights = 4 * model.count_params()
    (data,) = (either.folder / "variables").glob("variables.data-*")
    # The file also holds the weights' names, some 150 bytes each.
    assert weights <= data.stat().st_size <= weights + 250 * len(model.variables) < 1.5 * weights


def test_variables_are_the_model_s(fixed: SavedModel) -> None:
    loaded, model = fixed.loaded, fixed.model
    assert len(loaded.trainable_variables) == len(model.trainable_variables)
    for saved, variable in zip(loaded.trainable_variables, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(saved, variable)
    assert {v.ref() for v in loaded.trainable_variables} <= {v.ref() for v in loaded.variables}
    assert list(loaded.regularization_losses) == []


def test_description_is_beside_the_weights(fixed: SavedModel, base_folder: Path) -> None:
    facts = fixed.folder / SAVED_MODEL_FACTS
    source = json.loads((fixed.source / "config.json").read_text())
    assert json.loads((facts / "config.json").read_text()) == source
    assert Processor.from_pretrained(facts).tokenizer.vocab_size == 32
    assert [path.name for path in (base_folder / SAVED_MODEL_FACTS).iterdir()] == ["config.json"]


def test_a_damaged_saved_model(fixed: SavedModel, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(fixed.folder, tmp_path / "broken"))
    (broken / "saved_model.pb").write_bytes(b"not a graph")
    with pytest.raises(UserError, match="not a SavedModel") as caught:
        Recognizer.load(broken)
    assert "\n" not in str(caught.value)


# Keras 3


def test_tfsm_layer(fixed: SavedModel) -> None:
    layer = keras.layers.TFSMLayer(fixed.folder, call_endpoint="serving_default")
    speech = padded_batch(0.0)
    inputs = keras.Input((FIXED,))
    model = keras.Model(inputs, keras.layers.Softmax()(layer(inputs)["logits"]))
    wanted = tf.nn.softmax(fixed.model(speech))
    assert difference(model.predict(speech, verbose=0), wanted) < TOLERANCE


# TensorFlow Hub


@pytest.mark.filterwarnings("ignore::UserWarning:tensorflow_hub")  # pkg_resources is deprecated
def test_hub_keras_layer(fixed: SavedModel) -> None:
    """Uses Keras 3; `run_with_hub` runs processes in which `tf.keras` is Keras 2."""
    import tensorflow_hub as hub

    layer = hub.KerasLayer(str(fixed.folder), trainable=True)
    speech, mask = tf.constant(padded_batch(np.nan)), mask_of(LENGTHS, FIXED, np.int32)
    inputs = (speech, tf.constant(mask))
    assert difference(layer(inputs), fixed.model(speech, LENGTHS)) < TOLERANCE
    assert len(layer.trainable_variables) == len(fixed.model.trainable_variables)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(layer(inputs, training=True)))
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert all(np.isfinite(tf.convert_to_tensor(gradient)).all() for gradient in gradients)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pkg_resources and tf_keras
@pytest.mark.filterwarnings("ignore::UserWarning:tensorflow_hub")
@pytest.mark.parametrize(
    "name", ["wav2vec2-robust", pytest.param("wav2vec2-xlsr-53", marks=pytest.mark.slow)]
)
def test_published_pages_with_a_mask(name: str, masked_base: SavedModel) -> None:
    """The code of two published pages, at another length and with Keras 2 by its own name."""
    page = MASKED_PAGE.replace("wav2vec2-robust", name).replace("246000", str(FIXED))
    page = page.replace(f"https://tfhub.dev/vasudevgupta7/{name}/1", str(masked_base.folder))
    page = page.replace("tf.keras", "tf_keras")
    names: dict[str, Any] = {"tf_keras": importlib.import_module("tf_keras")}
    exec(page, names)
    speech, mask = padded_batch(np.nan), mask_of(LENGTHS, FIXED, np.float32)
    logits = names["forward"](speech, mask)
    assert logits.shape == (3, 24, 32)
    assert np.isfinite(logits).all()
    states = names["pretrained_layer"]((speech, mask), training=False)
    assert difference(states, masked_base.model(speech, LENGTHS)) < TOLERANCE


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
for dtype in (tf.int32, tf.float32):
    inputs = tf.keras.Input((None,)), tf.keras.Input((None,), dtype=dtype)
    functional = tf.keras.Model(inputs, layer(inputs))
    found = functional((batch, tf.cast(mask, dtype)))
    report["functional " + dtype.name] = float(np.abs(found - expected["masked"]).max())
print(json.dumps(report))
"""


@pytest.mark.slow
def test_published_training_page_and_masks(
    base_folder: Path, fixed: SavedModel, any_length: SavedModel, tmp_path: Path
) -> None:
    speech = padded_batch(0.0)
    expected = tmp_path / "expected.npz"
    np.savez(
        expected,
        speech=speech,
        lengths=LENGTHS,
        mask=(np.arange(FIXED) < LENGTHS[:, np.newaxis]).astype(np.int32),
        plain=any_length.model(speech).numpy(),
        masked=any_length.model(speech, LENGTHS).numpy(),
    )
    page = PRETRAINED_PAGE.replace("https://tfhub.dev/vasudevgupta7/wav2vec2/1", str(base_folder))
    report = json.loads(
        run_with_hub(page + TRAINING_STEP + MASKED_CALLS, any_length.folder, expected)
    )
    assert report["shape"] == [1, 768, 32]
    assert report["none"] == report["not finite"] == []
    # the dense layer's two weights replace those of the head
    assert report["variables"] == len(fixed.model.trainable_variables)
    # the gradient of a key projection's bias is mathematically 0
    assert report["variables"] - report["moved"] <= 1, report["still"]
    assert report["fresh"] > 0.01
    for way in ("masked", "masked and compiled"):
        assert report[way]["plain"] < TOLERANCE
        assert max(report[way]["masked"]) < TOLERANCE, report[way]
    assert report["functional int32"] < TOLERANCE
    assert report["functional float32"] < TOLERANCE


# `eval profile`


def test_profile(
    any_length: SavedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "profile.json"
    options = ["--length", "5000", "--batch", "2", "--json", str(out)]
    assert measure(["profile", "--model", str(any_length.folder), *options]) == 0
    found = json.loads(out.read_text())
    config = any_length.model.config
    assert found["operations"] == 2 * sum(flops(config, 5000, ctc=True).values())
    functions = definition_of(any_length).graph_def.library.function
    assert found["functions"] == len(functions)
    assert found["nodes"] == sum(len(f.node_def) + len(f.signature.input_arg) for f in functions)
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
    fixed: SavedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model, options, message in (
        (fixed.folder, ["--length", "5000"], f"length must be {FIXED}"),
        (tmp_path, [], "there is no SavedModel: make one with `wav2vec2-tf convert saved-model`"),
    ):
        assert measure(["profile", "--model", str(model), *options]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and message in error and error.count("\n") == 1
