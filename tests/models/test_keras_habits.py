"""Typical first steps of Keras users: summary, predict, fit, files, cloning, composition."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from wav2vec2_tf import CTCLoss, UserError, Wav2Vec2Config, Wav2Vec2ForCTC
from wav2vec2_tf.models import families
from wav2vec2_tf.models.auto import MODELS

# NumPy warns of the `__array__` with which Keras saves variables.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SAMPLES = 4000
SMALL: dict[str, Any] = {
    "vocab_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": (8, 8),
    "conv_kernel": (80, 9),
    "conv_stride": (40, 8),
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 6,
    "codevector_dim": 4,
    "proj_codevector_dim": 4,
    "tdnn_dim": (8, 8),
    "tdnn_kernel": (3, 1),
    "tdnn_dilation": (1, 1),
    "xvector_output_dim": 6,
}
DETERMINISTIC: dict[str, Any] = {
    "hidden_dropout": 0.0,
    "activation_dropout": 0.0,
    "attention_dropout": 0.0,
    "final_dropout": 0.0,
    "layerdrop": 0.0,
    "mask_time_prob": 0.0,
}
PAIRS = [
    (kind, head)
    for kind, family in families.FAMILIES.items()
    for head in (families.BASE, families.CTC, *family.heads)
]
LENGTHS = np.array([4000, 3000, 400], np.int32)
LABELS = np.array([[1, 2, -1], [3, -1, -1], [5, -1, -1]], np.int32)


def small_config(kind: str = "wav2vec2", **changes: Any) -> Any:
    """Returns the smallest config of a family."""
    family = families.FAMILIES[kind].config
    values = {**SMALL, **changes}
    return family(**{name: values[name] for name in values if name in family.field_kinds()})


def small_model(**changes: Any) -> Wav2Vec2ForCTC:
    return Wav2Vec2ForCTC(small_config(**changes))


def speech(rows: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, SAMPLES)).astype(np.float32)


def compiled(model: keras.Model, **options: Any) -> keras.Model:
    """Compiles the model for eager training, since tracing would take seconds."""
    model.compile(keras.optimizers.Adam(1e-3), loss=CTCLoss(), **{"run_eagerly": True, **options})
    return model


def assert_equal(model: Any, other: Any, *inputs: Any) -> None:
    """Asserts that both models give the same outputs, to the bit."""
    for ours, theirs in zip(
        keras.tree.flatten(model(*inputs)), keras.tree.flatten(other(*inputs)), strict=True
    ):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def reloaded(model: keras.Model, folder: Path) -> Any:
    model.save(folder / "m.keras")
    return keras.models.load_model(folder / "m.keras")


@pytest.fixture
def global_policy() -> Iterator[None]:
    """Puts the global dtype policy back."""
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


# Configs


@pytest.mark.parametrize(("kind", "head"), PAIRS)
def test_a_model_is_made_of_its_config(kind: str, head: str) -> None:
    config = small_config(kind, num_labels=3)
    model = MODELS[head](config, name="mine", dtype="mixed_bfloat16", trainable=False)
    values = json.loads(json.dumps(model.get_config()))
    again = MODELS[head].from_config(values)
    assert again.config == config
    assert (again.name, again.dtype_policy.name) == ("mine", "mixed_bfloat16")
    assert not again.trainable
    assert again.get_config() == model.get_config()
    assert MODELS[head].from_config(config).config == config


def test_what_the_file_held_beyond_the_fields_is_kept() -> None:
    config = Wav2Vec2Config.from_dict({**small_config().to_dict(), "gradient_checkpointing": False})
    again = Wav2Vec2ForCTC.from_config(Wav2Vec2ForCTC(config).get_config())
    assert again.config.to_dict() == config.to_dict()


def test_a_dict_that_is_no_config_is_refused() -> None:
    with pytest.raises(UserError, match="from_config takes a Config or what get_config returns"):
        Wav2Vec2ForCTC.from_config({"name": "mine"})


# Summary and plot


def test_summary_of_a_model_that_was_never_called() -> None:
    model, lines = small_model(), []
    model.summary(print_fn=lambda text, **_: lines.append(text), line_length=90)
    shown = "\n".join(lines)
    assert "unbuilt" not in shown
    assert "base_model (Wav2Vec2Model)" in shown
    assert f"Total params: {model.count_params():,}" in shown
    assert model.count_params() == sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_dot_graph(tmp_path: Path) -> None:
    model = small_model()
    model.build()
    graph = keras.utils.model_to_dot(model, expand_nested=True).to_string()
    assert "Wav2Vec2ForCTC" in graph
    inputs = keras.Input((None,))
    composed = keras.Model(inputs, keras.layers.Dense(2)(model(inputs)))
    assert "Dense" in keras.utils.model_to_dot(composed, show_shapes=True).to_string()
    if shutil.which("dot"):  # graphviz draws what pydot wrote
        keras.utils.plot_model(model, str(tmp_path / "model.png"))
        assert (tmp_path / "model.png").stat().st_size > 0


# Predict, fit and evaluate


def test_predict_on_arrays_and_data_sets() -> None:
    model, batch = small_model(), speech()
    alone, with_lengths = model(batch).numpy(), model(batch, LENGTHS).numpy()
    assert np.abs(model.predict(batch, verbose=0) - alone).max() < 1e-5
    mask = (np.arange(SAMPLES) < LENGTHS[:, np.newaxis]).astype(np.int32)
    for inputs in (
        (batch, LENGTHS),
        {"speech": batch, "lengths": LENGTHS},
        {"input_values": batch, "attention_mask": mask},
    ):
        rows = tf.data.Dataset.from_tensor_slices((inputs,))
        assert np.abs(model.predict(rows.batch(2), verbose=0) - with_lengths).max() < 1e-5


def test_fit_writes_files_that_training_continues_from(tmp_path: Path) -> None:
    model = small_model(**DETERMINISTIC)
    model.freeze_feature_encoder()
    compiled(model, run_eagerly=False)
    rows = tf.data.Dataset.from_tensor_slices(((speech(), LENGTHS), LABELS)).batch(3)
    history = model.fit(
        rows,
        validation_data=rows,
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras"),
            keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
        ],
    ).history
    assert history["loss"][1] < history["loss"][0]
    last = keras.models.load_model(tmp_path / "2.keras")
    best = keras.models.load_model(tmp_path / "best.keras")
    for found in (last, best):
        assert_equal(model, found, speech(), LENGTHS)
    assert last.evaluate(rows, verbose=0) == model.evaluate(rows, verbose=0)
    # Training continues with the optimizer's state, and frozen weights stay frozen.
    assert not last.base_model.feature_encoder.trainable
    assert len(last.trainable_variables) == len(model.trainable_variables)
    assert int(last.optimizer.iterations) == 2
    for one in (model, last):
        one.fit(rows, shuffle=False, verbose=0)
    assert_equal(model, last, speech(), LENGTHS)


# Files


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        *(("wav2vec2", head) for head in MODELS),
        *((kind, families.CTC) for kind in families.FAMILIES if kind != "wav2vec2"),
    ],
)
def test_a_saved_model_loads_to_the_same_outputs(kind: str, head: str, tmp_path: Path) -> None:
    model = MODELS[head](small_config(kind))
    assert_equal(model, reloaded(model, tmp_path), speech(), LENGTHS)


def test_a_new_head_and_frozen_layers_are_in_the_file(tmp_path: Path) -> None:
    model = small_model(adapter_attn_dim=3, add_adapter=True, num_adapter_layers=1)
    model.build()
    model.set_head(11)
    for variable in model.lm_head.weights:
        variable.assign(np.random.default_rng(0).standard_normal(variable.shape))
    model.base_model.encoder.layers[0].trainable = False
    again = reloaded(model, tmp_path)
    assert again.config.vocab_size == 11
    assert_equal(model, again, speech())
    assert not again.base_model.encoder.layers[0].trainable
    assert [v.path for v in again.trainable_variables] == [
        v.path.replace(model.name, again.name, 1) for v in model.trainable_variables
    ]


def test_weights_go_from_one_model_to_another(tmp_path: Path) -> None:
    model, other = small_model(), small_model()
    model.save_weights(tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5")
    assert_equal(model, other, speech())


FRESH = """
import sys
import keras
import numpy as np
from wav2vec2_tf import CTCLoss, Wav2Vec2ForCTC  # registers the classes of the file

model = keras.models.load_model(sys.argv[1])
np.save(sys.argv[2], model(np.load(sys.argv[3])))
assert isinstance(model, Wav2Vec2ForCTC) and isinstance(model.loss, CTCLoss)
"""


@pytest.mark.slow
def test_a_fresh_process_loads_the_file(tmp_path: Path) -> None:
    model = compiled(small_model())
    model.save(tmp_path / "m.keras")
    np.save(tmp_path / "speech.npy", speech())
    files = [str(tmp_path / name) for name in ("m.keras", "logits.npy", "speech.npy")]
    subprocess.run([sys.executable, "-c", FRESH, *files], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), model(speech()))


def test_export(tmp_path: Path) -> None:
    model, batch = small_model(), speech()
    model.export(tmp_path / "speech", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "speech")
    assert np.abs(loaded.serve(batch) - model(batch)).max() < 1e-5
    signature = [
        keras.InputSpec(dtype="float32", shape=(None, None)),
        keras.InputSpec(dtype="int32", shape=(None,)),
    ]
    model.export(tmp_path / "lengths", verbose=False, input_signature=signature)
    loaded = tf.saved_model.load(tmp_path / "lengths")
    assert np.abs(loaded.serve(batch, LENGTHS) - model(batch, LENGTHS)).max() < 1e-5


def test_clones_are_equal_with_the_same_weights() -> None:
    model = small_model()
    model.build()
    clone = keras.models.clone_model(model)
    assert clone is not model
    clone.set_weights(model.get_weights())
    assert_equal(model, clone, speech())


# Mixed precision


@pytest.mark.parametrize("way", ["global policy", "dtype="])
def test_mixed_precision(way: str, global_policy: None, tmp_path: Path) -> None:
    if way == "dtype=":
        model = Wav2Vec2ForCTC(small_config(**DETERMINISTIC), dtype="mixed_float16")
        assert keras.config.dtype_policy().name == "float32"
    else:
        keras.mixed_precision.set_global_policy("mixed_float16")
        model = small_model(**DETERMINISTIC)
        keras.mixed_precision.set_global_policy("float32")
    compiled(model).fit((speech(), LENGTHS), LABELS, verbose=0)
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    layers = model.base_model.encoder, model.base_model.encoder.layers[0], model.lm_head
    assert {layer.compute_dtype for layer in layers} == {"float16"}
    again = reloaded(model, tmp_path)
    assert again(speech()).dtype == tf.float16
    assert_equal(model, again, speech(), LENGTHS)


def test_a_checkpoint_loads_for_mixed_precision(tiny_folders: dict[str, Path]) -> None:
    model = Wav2Vec2ForCTC.from_pretrained(tiny_folders["group"], dtype="mixed_float16")
    assert model.lm_head.kernel.dtype == "float32"
    assert model(speech()).dtype == tf.float16
    with pytest.raises(UserError, match="dtype must be one of float32, .*got 'half'"):
        Wav2Vec2ForCTC.from_pretrained(tiny_folders["group"], dtype="half")


# Composition


def test_a_layer_on_top(tmp_path: Path) -> None:
    inputs = keras.Input((None,))
    outputs = keras.layers.Dense(5)(small_model(**DETERMINISTIC)(inputs))
    model = compiled(keras.Model(inputs, outputs))
    model.fit(speech(), np.minimum(LABELS, 4), verbose=0)  # 5 classes
    assert_equal(model, reloaded(model, tmp_path), speech())
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert_equal(model, clone, speech())


@pytest.mark.parametrize("names", ["lengths", "attention_mask"])
def test_lengths_as_a_second_input(names: str, tmp_path: Path) -> None:
    """The loss counts valid frames only, before and after saving."""
    inner = small_model(**DETERMINISTIC)
    inputs = keras.Input((None,))
    if names == "lengths":
        more, given = keras.Input((), dtype="int32"), LENGTHS
        outputs = inner(inputs, more)
    else:
        more = keras.Input((None,), dtype="int32")
        given = (np.arange(SAMPLES) < LENGTHS[:, np.newaxis]).astype(np.int32)
        outputs = inner(input_values=inputs, attention_mask=more).logits
    model = compiled(keras.Model((inputs, more), outputs))
    model.fit((speech(), given), LABELS, verbose=0)
    wanted = float(CTCLoss()(LABELS, inner(speech(), LENGTHS)))
    again = reloaded(model, tmp_path)
    for one in (model, again):
        assert one.evaluate((speech(), given), LABELS, verbose=0) == pytest.approx(wanted)
    assert_equal(model, again, (speech(), given))


def test_a_model_of_the_base_model_and_a_head(tmp_path: Path) -> None:
    base = small_model().base_model
    inputs = keras.Input((SAMPLES,))
    pooled = keras.layers.GlobalAveragePooling1D()(base(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(pooled))
    assert model.output_shape == (None, 2)
    assert_equal(model, reloaded(model, tmp_path), speech())
