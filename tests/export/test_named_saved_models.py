"""A SavedModel is a program: it is loaded where it is named, and nowhere else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from convert.__main__ import main as convert
from eval.__main__ import main as measure
from tests.support import reference
from tests.support.exported import DETERMINISTIC, FIXED, LAYER, SavedModel
from tests.support.reference import difference
from wav2vec2_tf import AutoModelForCTC, Recognizer, SavedModelLayer, UserError
from wav2vec2_tf.export import loading
from wav2vec2_tf.export.loading import load_export
from wav2vec2_tf.models import families
from wav2vec2_tf.models.layers import PACKAGE
from wav2vec2_tf.models.pretrained import load_config
from wav2vec2_tf.models.saved_model_folder import named_saved_model, saved_model_folder
from wav2vec2_tf.models.transformer import EncoderLayer
from wav2vec2_tf.serving.models import _names_and_sources
from wav2vec2_tf.transcription import recognizer
from wav2vec2_tf.transcription.resume import model_identity

# Keras 3.15 turns variables into arrays in a way that numpy 2 deprecates, whatever it saves.
pytestmark = [
    pytest.mark.xdist_group("saved_model"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture
def both(fixed: SavedModel, tmp_path: Path) -> Path:
    """A folder with a checkpoint and a SavedModel of it."""
    folder = Path(shutil.copytree(fixed.source, tmp_path / "both"))
    shutil.copytree(fixed.folder, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes TensorFlow's loaders fail the test."""

    def load(*arguments: Any, **keywords: Any) -> None:
        pytest.fail(f"a SavedModel was loaded: {arguments}")

    monkeypatch.setattr(tf.saved_model, "load", load)
    monkeypatch.setattr(tf.compat.v1.saved_model, "load", load)


# Names


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (["saved_model.pb"], True),
        (["saved_model.pb", "config.json", "vocab.json", "variables/variables.index"], True),
        (["saved_model.pb", "model.xml", "model.bin"], True),
        (["saved_model.pb", "config.json", "model.safetensors"], False),
        (["saved_model.pb", "model-00001-of-00002.safetensors"], False),
        (["saved_model.pb", "model.safetensors.index.json"], False),
        (["saved_model.pb", "pytorch_model.bin"], False),
        (["saved_model.pb", "pytorch_model-00001-of-00002.bin"], False),
        (["saved_model.pb", "checkpoint_best.pt"], False),
        (["saved_model.pb", "tf_model.h5"], False),
        (["config.json", "model.safetensors"], False),
        ([], False),
    ],
)
def test_what_names_a_saved_model(files: list[str], named: bool, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert saved_model_folder(tmp_path) == (tmp_path if named else None)
    file = tmp_path / "saved_model.pb"
    assert saved_model_folder(file) == (tmp_path if file.exists() else None)
    assert saved_model_folder(tmp_path / "config.json") is None


def test_weights_that_are_a_broken_link_count(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "gone")
    assert saved_model_folder(tmp_path) is None


# Programs


@pytest.mark.usefixtures("nothing_is_loaded")
def test_a_folder_with_weights_is_a_checkpoint(
    both: Path, fixed: SavedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    speech = reference.noise(1, 5000)
    wanted = fixed.model(speech)
    # transcribe, align, serve, batch and eval load models with Recognizer.load
    loaded = Recognizer.load(both)
    assert loaded.fixed_length is None
    assert difference(loaded.logits(speech, None), wanted) < 1e-5
    assert difference(AutoModelForCTC.from_pretrained(both)(speech), wanted) < 1e-5
    assert load_config(both) == fixed.model.config
    named = f"{both}: is the folder of a checkpoint.*name {both}/saved_model.pb if you trust"
    for load in (SavedModelLayer, load_export):
        with pytest.raises(UserError, match=named) as raised:
            load(both)
        assert "\n" not in str(raised.value)
    assert convert(["package", str(both), str(both.parent / "a.tar.gz")]) == 1
    assert measure(["profile", "--model", str(both)]) == 1
    assert capsys.readouterr().err.count(f"{both}: is the folder of a checkpoint") == 2


def test_its_file_names_the_saved_model(both: Path, fixed: SavedModel) -> None:
    file = both / "saved_model.pb"
    speech = tf.constant(reference.noise(1, FIXED))
    wanted = fixed.model(speech)
    loaded = Recognizer.load(file)
    assert loaded.fixed_length == FIXED
    assert difference(loaded.logits(speech.numpy(), None), wanted) < 1e-5
    assert difference(SavedModelLayer(file)(speech), wanted) < 1e-5
    assert load_config(file) == fixed.model.config
    assert _names_and_sources([str(file)]) == [("both", str(file))]


def test_a_saved_model_with_a_config_beside_it_is_one(fixed: SavedModel, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(fixed.folder, tmp_path / "saved"))
    for name in ("config.json", "vocab.json"):
        shutil.copy(fixed.source / name, folder)
    assert Recognizer.load(folder).fixed_length is not None


@pytest.mark.usefixtures("nothing_is_loaded")
def test_the_hub_names_checkpoints_only(fixed: SavedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program may have put a SavedModel into the cache of the hub."""
    monkeypatch.setattr(recognizer, "resolve", lambda source, **options: fixed.folder)
    with pytest.raises(UserError, match="is a SavedModel; give the checkpoint"):
        Recognizer.load("owner/model")


def test_a_resumed_run_compares_all_of_a_saved_model(both: Path) -> None:
    file = both / "saved_model.pb"
    before = model_identity(file, None)
    (both / "variables" / "variables.index").write_bytes(b"other")
    assert model_identity(file, None) != before


# Keras files


def keras_file(folder: Path, layer: keras.layers.Layer) -> Path:
    model = keras.Sequential([keras.Input((4000,)), layer, keras.layers.Dense(3)])
    model.save(folder / "model.keras")
    return folder / "model.keras"


@pytest.fixture(scope="module")
def layer(exported: Callable[..., SavedModel]) -> SavedModelLayer:
    it = exported("wav2vec2-layer", families.BASE, length=None, structures=LAYER, **DETERMINISTIC)
    return SavedModelLayer(it.folder)


SAFE = r"which is a program: pass safe_mode=False to load_model if you trust both[^\n]*\Z"


@pytest.mark.usefixtures("nothing_is_loaded")
def test_keras_loads_no_saved_model_in_safe_mode(layer: SavedModelLayer, tmp_path: Path) -> None:
    file = keras_file(tmp_path, layer)
    model = keras.Sequential([keras.Input((4000,)), layer])
    serialized = keras.saving.serialize_keras_object(layer)
    for load in (
        lambda: keras.saving.load_model(file),
        lambda: keras.saving.load_model(file, safe_mode=True),
        lambda: keras.models.model_from_json(model.to_json()),
        lambda: keras.Sequential.from_config(model.get_config()),
        lambda: keras.layers.deserialize(serialized),
        lambda: keras.saving.deserialize_keras_object(serialized),
        lambda: SavedModelLayer.from_config(layer.get_config(), safe_mode=True),
    ):
        with pytest.raises(UserError, match=SAFE):
            load()


@pytest.mark.usefixtures("nothing_is_loaded")
def test_nor_does_it_for_a_file_of_the_former_format(
    layer: SavedModelLayer, tmp_path: Path
) -> None:
    name = f"{PACKAGE}>SavedModelLayer"
    layers = [{"class_name": name, "config": layer.get_config()}]
    model = {"class_name": "Sequential", "config": {"name": "model", "layers": layers}}
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(model)
    with pytest.raises(UserError, match=SAFE):
        keras.saving.load_model(tmp_path / "model.h5")


@pytest.mark.usefixtures("nothing_is_loaded")
def test_no_layer_makes_it_by_the_constructor_in_safe_mode(layer: SavedModelLayer) -> None:
    class Outer(keras.layers.Layer):
        @classmethod
        def from_config(cls, config: Any) -> Any:
            return SavedModelLayer(config["path"])

    config = {"class_name": "Outer", "config": {"path": layer.folder}, "registered_name": "Outer"}
    with pytest.raises(UserError, match=SAFE):
        keras.layers.deserialize(config, custom_objects={"Outer": Outer})


def test_it_loads_what_is_trusted(layer: SavedModelLayer, tmp_path: Path) -> None:
    speech = reference.noise(2, 4000)
    wanted = layer(speech)
    loaded = keras.saving.load_model(keras_file(tmp_path, layer), safe_mode=False)
    assert difference(loaded.layers[0](speech), wanted) == 0
    clone = keras.models.clone_model(keras.Sequential([keras.Input((4000,)), layer]))
    assert difference(clone(speech), wanted) == 0
    assert difference(SavedModelLayer.from_config(layer.get_config())(speech), wanted) == 0
    with pytest.raises(UserError, match="No such|there is no SavedModel"):  # not of safe mode
        SavedModelLayer(tmp_path / "none")


@pytest.mark.parametrize("name", ["SavedModelLayer", "CTCLoss", "Wav2Vec2Model", "unknown"])
def test_layers_make_no_other_objects_of_the_names_in_a_file(name: str) -> None:
    """`EncoderLayer` is saved with the registered name of its attention."""
    inner = EncoderLayer(load_config("bundled"), 0)
    config = inner.get_config()
    assert isinstance(EncoderLayer.from_config(config), EncoderLayer)
    with pytest.raises(UserError, match=r"attention must be the registered name of a layer"):
        EncoderLayer.from_config({**config, "attention": f"{PACKAGE}>{name}"})


# SavedModels of others


def alien(folder: Path, signatures: Any = None) -> Path:
    module = tf.Module()
    module.__call__ = tf.function(lambda x: x, input_signature=[tf.TensorSpec([None, 3])])
    tf.saved_model.save(module, folder, signatures=signatures)
    return folder


@pytest.mark.parametrize("load", [Recognizer.load, SavedModelLayer, load_export])
def test_the_error_for_saved_models_of_others_names_what_they_lack(
    load: Callable[..., Any], fixed: SavedModel, tmp_path: Path
) -> None:
    other = alien(tmp_path / "other")
    with pytest.raises(UserError) as raised:
        load(other)
    assert str(raised.value).startswith(
        f"{other}: is not a SavedModel of this project, as it lacks the file "
        "assets.extra/config.json: convert its checkpoint with"
    )
    shutil.copytree(fixed.folder / "assets.extra", other / "assets.extra")
    with pytest.raises(UserError, match="lacks the input speech of serving_default, the signature"):
        load(other)
    assert "\n" not in str(raised.value)


def test_a_saved_model_without_signatures(fixed: SavedModel, tmp_path: Path) -> None:
    folder = tmp_path / "bare"
    tf.saved_model.save(tf.train.Checkpoint(step=tf.Variable(1)), folder)
    shutil.copytree(fixed.folder / "assets.extra", folder / "assets.extra")
    message = "lacks __call__, the signature serving_default, the signature with_lengths: convert"
    with pytest.raises(UserError, match=message):
        loading.load_saved_model(folder)


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_graph_gives_one_line(seed: int, fixed: SavedModel, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(fixed.folder, tmp_path / "saved"))
    file = folder / "saved_model.pb"
    content, random = bytearray(file.read_bytes()), np.random.default_rng(seed)
    for place in random.integers(0, len(content), 20):
        content[place] ^= 1 << int(random.integers(8))
    file.write_bytes(content)
    try:
        loading.load_saved_model(folder)  # what was changed may not matter
    except UserError as error:
        assert "\n" not in str(error)
        assert str(folder) in str(error)


def test_config_of_the_facts_is_read_before_the_graph(both: Path, nothing_is_loaded: None) -> None:
    facts = both / "assets.extra" / "config.json"
    facts.write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(UserError, match="model_type 'gpt2' is unknown"):
        load_export(both / "saved_model.pb")


@pytest.mark.parametrize("name", ["run[1]", "back\\slash"])
def test_a_path_that_tensorflow_takes_for_a_pattern(tmp_path: Path, name: str) -> None:
    """It finds no variables there, and said that the SavedModel is damaged."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "saved_model.pb").touch()
    with pytest.raises(UserError, match="for a pattern: rename the folder"):
        named_saved_model(folder)
