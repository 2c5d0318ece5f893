"""`SavedModelLayer`: SavedModels as layers of Keras 3 models, against the models they came from."""

from __future__ import annotations

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

from tests.support import reference
from tests.support.exported import (
    DETERMINISTIC,
    FIXED,
    HEADED,
    LAYER,
    SavedModel,
    mask_of,
    padded_batch,
)
from tests.support.reference import difference
from wav2vec2_tf import CTCLoss, SavedModelLayer, UserError
from wav2vec2_tf.export import saved_model
from wav2vec2_tf.models import families

SAMPLES = 4000
LENGTHS = np.array([SAMPLES, 1234, 399], np.int32)
FRAMES = [12, 3, 0]
VOCABULARY = 6
TOLERANCE = 1e-5
# Keras 3.15 turns variables into arrays in a way that numpy 2 deprecates, whatever it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
shares_base = pytest.mark.xdist_group("saved_model_layer")


def speech(rows: int = 3, seed: int = 0) -> np.ndarray:
    return reference.noise(rows, SAMPLES, seed=seed)


def labels(rows: int = 3) -> np.ndarray:
    """Returns labels: row 1 has as many as it has frames; row 2, without a frame, has none."""
    padded = [[1, 2, 3, 4], [3, 1, 2, -100], [-100] * 4]
    return np.array(padded[:rows], np.int32)


@pytest.fixture(scope="module")
def it(exported: Callable[..., SavedModel]) -> SavedModel:
    """A deterministic model with layer norm, at any length, without a head."""
    return exported("wav2vec2-layer", families.BASE, length=None, structures=LAYER, **DETERMINISTIC)


@pytest.fixture(scope="module")
def without_head(it: SavedModel) -> Any:
    return it.model


@pytest.fixture(scope="module")
def base(it: SavedModel) -> Path:
    """`without_head` as a SavedModel."""
    return it.folder


@pytest.fixture(scope="module")
def shared(base: Path) -> SavedModelLayer:
    """A frozen layer. Tests do not change it."""
    return SavedModelLayer(base)


@pytest.fixture(scope="module")
def random(exported: Callable[..., SavedModel]) -> Path:
    """A model with group norm, a fixed length, dropout and SpecAugment, but no LayerDrop."""
    it = exported("wav2vec2-group", families.BASE, length=SAMPLES, structures=LAYER, layerdrop=0.0)
    return it.folder


@pytest.fixture
def head() -> keras.layers.Layer:
    return keras.layers.Dense(
        VOCABULARY, kernel_initializer=keras.initializers.GlorotUniform(1), name="head"
    )


# Outputs


STRUCTURES: dict[str, Callable[[np.ndarray], Any]] = {
    "lengths-int32": lambda x: (x, LENGTHS),
    "lengths-int64": lambda x: (x, LENGTHS.astype(np.int64)),
    "lengths-uint16": lambda x: [x, LENGTHS.astype(np.uint16)],
    "lengths-list": lambda x: (x, LENGTHS.tolist()),
    "all-lists": lambda x: [x.tolist(), LENGTHS.tolist()],
    "mask-int32": lambda x: (x, mask_of(LENGTHS, SAMPLES, np.int32)),
    "mask-bool": lambda x: [tf.constant(x), tf.constant(mask_of(LENGTHS, SAMPLES, np.bool_))],
    "dict-lengths": lambda x: {"speech": x, "lengths": LENGTHS.tolist()},
    "dict-mask": lambda x: {
        "attention_mask": mask_of(LENGTHS, SAMPLES, np.int64),
        "speech": tf.constant(x),
    },
    "mask-float64": lambda x: (x, mask_of(LENGTHS, SAMPLES, np.float64)),
    "mask-bfloat16": lambda x: [x, tf.cast(mask_of(LENGTHS, SAMPLES, np.int32), tf.bfloat16)],
    "dict-mask-float32": lambda x: {
        "speech": x,
        "attention_mask": mask_of(LENGTHS, SAMPLES, np.float32),
    },
    "dict-mask-lists": lambda x: {
        "speech": x,
        "attention_mask": mask_of(LENGTHS, SAMPLES, np.float16).tolist(),
    },
    "dict-none": lambda x: {"speech": x, "lengths": LENGTHS, "attention_mask": None},
    "float64": lambda x: (x.astype(np.float64), LENGTHS),
}


@shares_base
@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_structure_gives_what_the_model_does(
    structure: str, shared: SavedModelLayer, without_head: Any
) -> None:
    padded = np.where(mask_of(LENGTHS, SAMPLES, np.bool_), speech(), np.nan).astype(np.float32)
    got = shared(STRUCTURES[structure](padded))
    assert difference(got, without_head(padded, LENGTHS)) < TOLERANCE
    assert got._keras_mask.numpy().sum(axis=1).tolist() == FRAMES
    assert not (np.diff(got._keras_mask.numpy().astype(int)) > 0).any()


@shares_base
@pytest.mark.parametrize(
    "make",
    [
        *(lambda x: x, tf.constant, np.ndarray.tolist, lambda x: [x], lambda x: {"speech": x}),
        lambda x: x.astype(np.float64),
    ],
)
def test_speech_alone(make: Any, shared: SavedModelLayer, without_head: Any) -> None:
    got = shared(make(speech()))
    assert difference(got, without_head(speech())) < TOLERANCE
    assert getattr(got, "_keras_mask", None) is None


@shares_base
def test_features_of_a_processor_as_keywords(shared: SavedModelLayer) -> None:
    wanted = shared((speech(), LENGTHS))
    for dtype in (np.int32, np.float32):
        mask = mask_of(LENGTHS, SAMPLES, dtype)
        assert difference(shared(input_values=speech(), attention_mask=mask), wanted) == 0
        assert difference(shared(speech(), attention_mask=mask), wanted) == 0
    assert difference(shared(speech(), lengths=LENGTHS), wanted) == 0
    assert difference(shared({"input_values": speech(), "lengths": LENGTHS}), wanted) == 0


@shares_base
def test_half_precision_is_cast(shared: SavedModelLayer, without_head: Any) -> None:
    half = speech().astype(np.float16)
    assert difference(shared(half), without_head(half.astype(np.float32))) < 1e-5


@pytest.mark.bfloat16
@shares_base
def test_a_policy_of_mixed_precision_leaves_it_as_it_is(base: Path, without_head: Any) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = keras.Sequential([SavedModelLayer(base), keras.layers.Dense(3)])
        assert difference(model.layers[0](speech()), without_head(speech())) < TOLERANCE
        assert model(speech()).dtype == tf.bfloat16
    finally:
        keras.config.set_dtype_policy("float32")


@shares_base
@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(rows: int, shared: SavedModelLayer) -> None:
    got = shared((speech(rows), LENGTHS[:rows]))
    assert got.shape == (rows, 12, 24)
    assert got._keras_mask.shape == (rows, 12)


@shares_base
def test_lengths_beyond_the_row_count_to_its_end(shared: SavedModelLayer) -> None:
    got = shared((speech(2), [10**6, -5]))
    assert got._keras_mask.numpy().sum(axis=1).tolist() == [12, 0]


@shares_base
def test_training_draws_chance_unless_frozen(random: Path) -> None:
    layer = SavedModelLayer(random, trainable=True)
    still = layer(speech())
    assert difference(layer(speech(), training=False), still) == 0
    once, again = layer(speech(), training=True), layer(speech(), training=True)
    assert difference(once, still) > 0.01
    assert difference(once, again) > 0.01
    layer.trainable = False
    assert difference(layer(speech(), training=True), still) == 0


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(families.PRE_TRAINING, marks=pytest.mark.xdist_group(families.PRE_TRAINING)),
        *(
            pytest.param(kind, marks=[pytest.mark.xdist_group(kind), pytest.mark.slow])
            for kind in HEADED
            if kind != families.PRE_TRAINING
        ),
    ],
)
def test_every_head(kind: str, exported: Callable[..., SavedModel]) -> None:
    """Among several outputs, exactly those with a frame axis carry the mask."""
    saved = exported(HEADED[kind], kind)
    batch, lengths = padded_batch(0.0), np.array([FIXED, 2345, 399], np.int32)
    outputs = SavedModelLayer(saved.folder)((batch, lengths))
    wanted = saved_model.outputs(saved.model, batch, tf.constant(lengths))
    if not isinstance(outputs, dict):
        (outputs,) = ({name: outputs} for name in wanted)
    assert outputs.keys() == wanted.keys()
    valid = [saved.model.config.frame_length(samples) for samples in lengths.tolist()]
    for name, output in outputs.items():
        assert difference(output, wanted[name]) < 5 * TOLERANCE
        mask = getattr(output, "_keras_mask", None)
        assert (mask is not None) == (output.shape.rank == 3), name
        if mask is not None:
            assert mask.shape == output.shape[:2]
            assert mask.numpy().sum(axis=1).tolist() == valid


@pytest.mark.xdist_group("bert-adapter")
def test_wav2vec2_bert_takes_speech_and_features(bert: SavedModel) -> None:
    layer, model = SavedModelLayer(bert.folder), bert.model
    count = model.config.encoder_frames(FIXED)
    features, frames = reference.noise(3, count, 160), np.array([count, 17, 0], np.int32)
    for inputs in ((features, frames), {"input_features": features, "lengths": frames}):
        got = layer(inputs)
        assert difference(got, model(features, frames)) < 5 * TOLERANCE
        wanted = [model.config.adapted_frames(count) for count in frames.tolist()]
        assert got._keras_mask.numpy().sum(axis=1).tolist() == wanted
    batch, lengths = padded_batch(0.0), np.array([FIXED, 1234, 399], np.int32)
    got = layer((batch, lengths))
    assert difference(got, model(batch, lengths)) < 5 * TOLERANCE
    wanted = [model.config.frame_length(samples) for samples in lengths.tolist()]
    assert got._keras_mask.numpy().sum(axis=1).tolist() == wanted
    with pytest.raises(UserError, match=rf"input_features must be .* \(None, {count}, 160\)"):
        layer(features[..., :80])


@pytest.mark.xdist_group("bert-adapter")
def test_wav2vec2_bert_of_any_length(exported: Callable[..., SavedModel]) -> None:
    saved = exported("bert-adapter", families.CTC, length=None, structures=LAYER, trainable=False)
    layer, model = SavedModelLayer(saved.folder), saved.model
    features, frames = reference.noise(3, 40, 160), np.array([40, 17, 0], np.int32)
    inputs = {"input_features": features, "lengths": frames}
    assert difference(layer(inputs), model(features, frames)) < 5 * TOLERANCE
    batch, lengths = reference.noise(2, 4000), np.array([4000, 1234], np.int32)
    inputs = {"speech": batch, "lengths": lengths}
    assert difference(layer(inputs), model(batch, lengths)) < 5 * TOLERANCE
    with pytest.raises(UserError, match=r"input_features must be .* \(None, None, 160\)"):
        layer(features[..., :80])
    with pytest.raises(UserError, match="exported for inference only"):
        SavedModelLayer(saved.folder, trainable=True)


# Its variables


@shares_base
def test_variables_are_the_saved_ones_in_the_same_memory(base: Path, without_head: Any) -> None:
    layer = SavedModelLayer(base, trainable=True)
    inner = layer.loaded
    assert len(layer.variables) == len({id(v) for v in layer.variables}) == len(inner.variables)
    assert {id(v.value) for v in layer.variables} == {id(v) for v in inner.variables}
    trainable = [id(v.value) for v in layer.trainable_variables]
    assert trainable == [id(v) for v in inner.trainable_variables]
    assert layer.count_params() == sum(v.numpy().size for v in inner.variables)

    names = {variable.name: variable for variable in layer.variables}
    kernel = names["encoder.layers_0.attention.q_proj.kernel"]
    assert kernel.path == f"{layer.name}/{kernel.name}"
    assert difference(kernel, without_head.encoder.layers[0].attention.q_proj.kernel) == 0
    bias = names["feature_projection.projection.bias"]
    assert difference(bias, without_head.feature_projection.projection.bias) == 0
    assert sum(name.startswith("encoder.layers_0.") for name in names) > 10

    before = layer(speech())
    layer.trainable_variables[0].assign(2 * layer.trainable_variables[0])
    assert difference(layer(speech()), before) > 0.01  # assigned values are used


@shares_base
def test_trainable_flips(base: Path, head: Any) -> None:
    layer = SavedModelLayer(base)
    model = keras.Sequential([layer, head])
    model(speech())
    assert not layer.trainable
    assert layer.trainable_variables == []
    assert [v.name for v in model.trainable_variables] == ["kernel", "bias"]
    everything = len(model.variables)
    layer.trainable = True
    assert len(layer.trainable_variables) == len(layer.loaded.trainable_variables) > 20
    assert len(model.trainable_variables) == len(layer.trainable_variables) + 2
    layer.trainable = False
    assert layer.trainable_variables == []
    assert len(model.variables) == everything


@pytest.mark.xdist_group(families.SEQUENCE)
def test_statistics_of_a_batch_norm_are_weights_that_do_not_train(
    exported: Callable[..., SavedModel],
) -> None:
    saved = exported(HEADED[families.SEQUENCE], families.SEQUENCE)
    layer = SavedModelLayer(saved.folder, trainable=True)
    batch = padded_batch(0.0)
    (mean,) = (v for v in layer.non_trainable_variables if v.name.endswith("moving_mean"))
    before = mean.numpy()
    layer(batch, training=True)
    assert difference(mean, before) > 1e-4
    layer.trainable, after = False, mean.numpy()
    layer(batch, training=True)
    assert difference(mean, after) == 0


@shares_base
def test_gradients_are_those_of_the_model(base: Path, without_head: Any, head: Any) -> None:
    layer, loss = SavedModelLayer(base, trainable=True), CTCLoss()
    head.build((None, None, 24))

    @tf.function
    def gradients(inputs: Any, whose: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(labels(), head(whose(inputs, training=True)))
        return value, tape.gradient(value, [v.value for v in whose.trainable_variables])

    inputs = {"speech": tf.constant(speech()), "lengths": tf.constant(LENGTHS)}
    wanted_loss, wanted = gradients(inputs, without_head)
    got_loss, got = gradients(inputs, layer)
    assert difference(got_loss, wanted_loss) < TOLERANCE
    assert len(got) == len(wanted)
    names = [variable.name for variable in layer.trainable_variables]
    largest = max(np.abs(gradient).max() for gradient in wanted)
    for name, one, other in zip(names, got, wanted, strict=True):
        assert difference(one, other) < 1e-5 * largest, name


# In models


def sequential(layer: Any, head: Any) -> keras.Model:
    return keras.Sequential([layer, head])


def functional(layer: Any, head: Any) -> keras.Model:
    inputs = {
        "speech": keras.Input((SAMPLES,), name="speech"),
        "lengths": keras.Input((), dtype="int32", name="lengths"),
    }
    return keras.Model(inputs, head(layer(inputs)))


def functional_with_a_mask(layer: Any, head: Any) -> keras.Model:
    inputs = (keras.Input((None,)), keras.Input((None,), dtype="bool"))
    return keras.Model(inputs, head(layer(inputs)))


NAMED = {"speech": speech(), "lengths": LENGTHS}
MODELS_OF_KERAS = [
    pytest.param(sequential, NAMED, id="sequential", marks=pytest.mark.slow),
    pytest.param(functional, NAMED, id="functional"),
    pytest.param(
        functional_with_a_mask,
        (speech(), mask_of(LENGTHS, SAMPLES, np.bool_)),
        id="mask",
        marks=pytest.mark.slow,
    ),
]


@shares_base
@pytest.mark.parametrize(("make", "inputs"), MODELS_OF_KERAS)
def test_fit_predict_save_and_load(
    make: Any, inputs: Any, base: Path, head: Any, tmp_path: Path
) -> None:
    layer = SavedModelLayer(base, trainable=True)
    model = make(layer, head)
    model.compile(keras.optimizers.Adam(1e-3), CTCLoss(), jit_compile=False)
    history = model.fit(inputs, labels(), epochs=5, verbose=0).history["loss"]
    assert history == sorted(history, reverse=True)
    assert history[-1] < 0.9 * history[0]
    logits = model.predict(inputs, verbose=0)
    assert logits.shape == (3, 12, VOCABULARY)

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=False)
    assert difference(again.predict(inputs, verbose=0), logits) == 0
    (same,) = (other for other in again.layers if isinstance(other, SavedModelLayer))
    assert [v.path for v in same.variables] == [v.path for v in layer.variables]
    assert len(again.trainable_variables) == len(model.trainable_variables)


@shares_base
@pytest.mark.slow
def test_training_goes_on_from_a_file(base: Path, head: Any, tmp_path: Path) -> None:
    inputs = {"speech": speech(), "lengths": LENGTHS}
    model = sequential(SavedModelLayer(base, trainable=True), head)
    model.compile(keras.optimizers.Adam(1e-3), CTCLoss(), jit_compile=False)
    model.fit(inputs, labels(), epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    after = model.evaluate(inputs, labels(), verbose=0)

    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=False)
    wanted, got = (
        one.fit(inputs, labels(), epochs=2, verbose=0).history["loss"] for one in (model, again)
    )
    assert got == pytest.approx(wanted, abs=1e-4)
    assert got[0] == pytest.approx(after, abs=1e-4)

    fresh = sequential(SavedModelLayer(base), keras.layers.Dense(VOCABULARY, name="head"))
    logits = fresh(inputs)
    assert difference(logits, model(inputs)) > 0.01
    model.save_weights(tmp_path / "only.weights.h5")
    fresh.load_weights(tmp_path / "only.weights.h5")
    assert difference(fresh(inputs), model(inputs)) < TOLERANCE


@shares_base
@pytest.mark.slow
def test_compiled_training_is_the_same(base: Path) -> None:
    """One step with XLA equals one step without it."""
    layers = [SavedModelLayer(base, trainable=True) for _ in range(2)]
    losses = []
    for layer in layers:
        model = keras.Sequential([layer, keras.layers.GlobalAveragePooling1D()])
        model.compile("sgd", "mse", jit_compile=layer is layers[1])
        losses += model.fit(speech(), np.ones((3, 24)), verbose=0).history["loss"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    for plain, compiled in zip(layers[0].variables, layers[1].variables, strict=True):
        assert difference(plain, compiled) < 1e-4, plain.name


@shares_base
def test_the_loss_counts_valid_frames_alone(base: Path, head: Any) -> None:
    """The padding that a batch adds does not change the loss of a row."""
    model = sequential(SavedModelLayer(base), head)
    model.compile(loss=CTCLoss(), jit_compile=False)
    alone = {"speech": speech()[1:2, : LENGTHS[1]], "lengths": LENGTHS[1:2]}
    padded = {"speech": speech()[1:2], "lengths": LENGTHS[1:2]}
    wanted = model.evaluate(alone, labels()[1:2], verbose=0)
    assert model.evaluate(padded, labels()[1:2], verbose=0) == pytest.approx(wanted, abs=1e-4)
    unmasked = model.evaluate(padded["speech"], labels()[1:2], verbose=0)
    assert abs(unmasked - wanted) > 0.1


@shares_base
def test_frozen_it_stays_while_the_head_learns(random: Path, head: Any) -> None:
    layer = SavedModelLayer(random)
    model = sequential(layer, head)
    model.compile(keras.optimizers.Adam(0.01), CTCLoss(), jit_compile=False)
    before = [v.numpy() for v in layer.variables]
    history = model.fit(speech(), labels(), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert all(difference(v, b) == 0 for v, b in zip(layer.variables, before, strict=True))
    layer.trainable = True
    model.compile(keras.optimizers.Adam(0.01), CTCLoss(), jit_compile=False)
    model.fit(speech(), labels(), verbose=0)
    # Every weight has a gradient, except key biases, which softmax cancels.
    for variable, earlier in zip(layer.variables, before, strict=True):
        moved = difference(variable, earlier) > 0
        assert moved or variable.name.endswith(("k_proj.bias", "seed_generator_state"))


@shares_base
def test_the_mask_reaches_layers_that_ask_for_one(base: Path) -> None:
    recurrent = keras.layers.LSTM(5, kernel_initializer=keras.initializers.GlorotUniform(1))
    model = sequential(SavedModelLayer(base), recurrent)
    wanted = model({"speech": speech()[1:2, :1234], "lengths": LENGTHS[1:2]})
    got = model({"speech": speech()[1:2], "lengths": LENGTHS[1:2]})
    assert difference(got, wanted) < TOLERANCE
    assert difference(model(speech()[1:2]), wanted) > 1e-3


@shares_base
def test_export_of_a_model_with_it(base: Path, head: Any, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((None,)), SavedModelLayer(base), head])
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    assert difference(exported.serve(speech()), model(speech())) < TOLERANCE


@shares_base
def test_config(base: Path) -> None:
    layer = SavedModelLayer(base, trainable=True, name="encoder")
    config = layer.get_config()
    assert config["path"] == str(base)
    assert config["trainable"] is True
    again = SavedModelLayer.from_config(config)
    assert again.name == "encoder"
    assert difference(again(speech()), layer(speech())) == 0


@shares_base
@pytest.mark.slow
def test_a_fresh_process_loads_the_file(base: Path, head: Any, tmp_path: Path) -> None:
    model = functional(SavedModelLayer(base), head)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "speech.npy", speech())
    code = (
        "import sys, keras, numpy as np\n"
        "from wav2vec2_tf import SavedModelLayer\n"
        "model = keras.saving.load_model(sys.argv[1], safe_mode=False)\n"
        "speech = np.load(sys.argv[2])\n"
        "logits = model({'speech': speech, 'lengths': np.array([4000, 1234, 399])})\n"
        "np.save(sys.argv[3], logits)\n"
    )
    files = [tmp_path / name for name in ("model.keras", "speech.npy", "logits.npy")]
    subprocess.run([sys.executable, "-c", code, *map(str, files)], check=True)
    wanted = model({"speech": speech(), "lengths": LENGTHS})
    assert difference(np.load(files[-1]), wanted) < TOLERANCE


# Invalid input


@shares_base
def test_a_file_whose_saved_model_is_gone_says_so(base: Path, head: Any, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "saved")
    model = sequential(SavedModelLayer(tmp_path / "saved"), head)
    wanted = model(speech())
    model.save(tmp_path / "model.keras")
    (tmp_path / "saved").rename(tmp_path / "moved")
    # Keras adds lines before ours, which is the last.
    with pytest.raises(TypeError, match=r"saved: there is no SavedModel.*load_weights[^\n]*\Z"):
        keras.saving.load_model(tmp_path / "model.keras", safe_mode=False)
    again = sequential(
        SavedModelLayer(tmp_path / "moved"), keras.layers.Dense(VOCABULARY, name="head")
    )
    again(speech())
    again.load_weights(tmp_path / "model.keras")
    assert difference(again(speech()), wanted) == 0


@shares_base
def test_other_folders(base: Path, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no SavedModel") as raised:
        SavedModelLayer(tmp_path / "none")
    assert "\n" not in str(raised.value)
    with pytest.raises(UserError, match="there is no SavedModel"):
        SavedModelLayer(tiny_folders["group"])

    module = tf.Module()
    module.__call__ = tf.function(lambda x: x, input_signature=[tf.TensorSpec([None, 3])])
    tf.saved_model.save(module, tmp_path / "other")
    with pytest.raises(UserError, match="config.json") as raised:
        SavedModelLayer(tmp_path / "other")
    assert "\n" not in str(raised.value)

    shutil.copytree(base, tmp_path / "damaged")
    (tmp_path / "damaged" / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(UserError, match="not a SavedModel of this project") as raised:
        SavedModelLayer(tmp_path / "damaged")
    assert "\n" not in str(raised.value)


@shares_base
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, SAMPLES), np.int16), "speech must be floating-point numbers.*got int16"),
        (np.zeros((2, SAMPLES - 1), np.float32), r"shape \(None, 4000\), got .*\(2, 3999\)"),
        (np.zeros(SAMPLES, np.float32), r"got float32 of shape \(4000,\)"),
        (np.zeros((1, 2, 3), np.float32), r"speech must be .*got float32 of shape \(1, 2, 3\)"),
        ([[0.1, 0.2], [0.3]], "pad the rows of a batch to one length"),
        ((speech(), [1, 2]), r"lengths must be integers of shape \(3,\).*\(2,\)"),
        ((speech(), [1.0, 2.0, 3.0]), "lengths must be integers .*got float32"),
        (
            (speech(), mask_of(LENGTHS, SAMPLES, np.float32) / 2),
            "attention_mask must be 1 for speech and then 0 .*got 0.5 in row 0",
        ),
        (
            {"speech": speech(), "attention_mask": 1 - mask_of(LENGTHS, SAMPLES, int)},
            "attention_mask must be .*got 0 before 1 in row 1: pad on the right",
        ),
        (
            (speech(), mask_of(LENGTHS, SAMPLES, int)[:, :9]),
            r"attention_mask must be .*\(3, 4000\).*\(3, 9\)",
        ),
        ((speech(), LENGTHS, LENGTHS), "must be speech and its lengths, got 3 tensors"),
        ({"audio": speech()}, "must be speech, alone or with lengths or attention_mask, got audio"),
        (
            {
                "speech": speech(),
                "lengths": LENGTHS,
                "attention_mask": mask_of(LENGTHS, SAMPLES, int),
            },
            "alone or with lengths or attention_mask, got speech, lengths, attention_mask",
        ),
        ({}, "got nothing"),
    ],
)
def test_wrong_inputs(inputs: Any, message: str, random: Path) -> None:
    with pytest.raises(UserError, match=message) as raised:
        SavedModelLayer(random)(inputs)
    assert "\n" not in str(raised.value)


@shares_base
def test_speech_is_given_once(shared: SavedModelLayer) -> None:
    with pytest.raises(UserError, match="takes speech once"):
        shared(speech(), input_values=speech())


@shares_base
@pytest.mark.parametrize(
    "dtype",
    [
        "float32",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("bool", "float64", "float16")),
        pytest.param("bfloat16", marks=[pytest.mark.slow, pytest.mark.bfloat16]),
    ],
)
def test_masks_in_compiled_functions_and_functional_models(
    dtype: str, base: Path, shared: SavedModelLayer
) -> None:
    mask = tf.cast(mask_of(LENGTHS, SAMPLES, np.int32), dtype)
    wanted = shared((speech(), LENGTHS))
    for structure in (tuple, list):
        compiled = tf.function(shared, jit_compile=True, autograph=False)
        got = compiled(structure([tf.constant(speech()), mask]))
        assert difference(got, wanted) < TOLERANCE
    inputs = (keras.Input((SAMPLES,)), keras.Input((SAMPLES,), dtype=dtype))
    model = keras.Model(inputs, SavedModelLayer(base)(inputs))
    assert difference(model((tf.constant(speech()), mask)), wanted) < TOLERANCE


@shares_base
def test_wrong_symbolic_inputs(random: Path) -> None:
    with pytest.raises(UserError, match=r"\(None, 4000\), got float32 of shape \(None, 3999\)"):
        SavedModelLayer(random)(keras.Input((3999,)))
