"""Loading is strict, accepts every published naming, and saving returns PyTorch's bits."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from safetensors.numpy import load_file, save_file

from tests.support import reference
from wav2vec2_tf import AutoModel, AutoModelForCTC, UserError, Wav2Vec2Config
from wav2vec2_tf.checkpoint import loader, weight_names
from wav2vec2_tf.models import auto, families
from wav2vec2_tf.models.layers import dtype_policy

MASK = "wav2vec2.masked_spec_embed"
POSITIONS = "wav2vec2.encoder.pos_conv_embed.conv."


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """The tiny checkpoint of each style, to damage."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def tensors_of(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model.safetensors")


def rewrite(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def set_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8"
    )


def values_of(model: Any) -> dict[str, np.ndarray]:
    return {key: tensor.read() for key, tensor in loader.tensors(model, model.prefix).items()}


def assert_loads_alike(got: Path, wanted: Path) -> None:
    theirs, ours = (values_of(AutoModelForCTC.from_pretrained(place)) for place in (wanted, got))
    assert set(ours) == set(theirs)
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name], err_msg=name)


# Strictness


def test_everything_wrong_is_listed_in_one_error(copy: Path) -> None:
    tensors = tensors_of(copy)
    del tensors["wav2vec2.encoder.layers.1.attention.k_proj.weight"]
    del tensors["wav2vec2.feature_projection.layer_norm.bias"]
    tensors["wav2vec2.encoder.layers.2.attention.k_proj.weight"] = np.zeros((24, 24), np.float32)
    tensors["wav2vec2.encoder.layers.0.feed_forward.output_dense.weight"] = np.zeros(
        (40, 24), np.float32
    )
    tensors["wav2vec2.encoder.layer_norm.weight"] = np.zeros(24, np.int64)
    tensors["position_ids"] = np.zeros(3, np.int64)
    rewrite(copy, tensors)
    with pytest.raises(UserError) as caught:
        AutoModelForCTC.from_pretrained(copy)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{copy}: 6 tensors do not fit the config")
    for part in (
        "missing wav2vec2.encoder.layers.1.attention.k_proj.weight [24, 24]",
        "missing wav2vec2.feature_projection.layer_norm.bias [16]",
        "unexpected wav2vec2.encoder.layers.2.attention.k_proj.weight",
        "wav2vec2.encoder.layers.0.feed_forward.output_dense.weight is [40, 24], not [24, 40]",
        "wav2vec2.encoder.layer_norm.weight holds int64, not floating-point numbers",
        "unexpected position_ids",
    ):
        assert part in message


def test_what_does_not_fit_is_refused_before_memory_is_taken(copy: Path) -> None:
    """A config may state any size: comparing it with the checkpoint takes no memory."""
    import tracemalloc

    set_config(copy, hidden_size=60_000, intermediate_size=240_000, num_attention_heads=1)
    tracemalloc.start()
    with pytest.raises(UserError, match="is .*24.*, not .*60000"):
        AutoModelForCTC.from_pretrained(copy)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


@pytest.mark.parametrize("dropped", range(0, 40, 7))
def test_no_tensor_may_be_missing(
    tiny_folders: dict[str, Path], tmp_path: Path, dropped: int
) -> None:
    copy = Path(shutil.copytree(tiny_folders["layer"], tmp_path / "copy"))
    tensors = tensors_of(copy)
    name = sorted(tensors)[dropped]
    assert name != MASK
    del tensors[name]
    rewrite(copy, tensors)
    with pytest.raises(
        UserError, match="1 tensors do not fit.*missing " + name.replace(".", r"\.")
    ):
        AutoModelForCTC.from_pretrained(copy)


def test_config_with_other_sizes_is_refused(copy: Path) -> None:
    set_config(copy, hidden_size=48, num_conv_pos_embeddings=8)
    with pytest.raises(UserError, match="is .*24.*, not .*48"):
        AutoModelForCTC.from_pretrained(copy)


def test_missing_mask_embedding_is_seeded_and_reported(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The published base-960h has no mask embedding."""
    tensors = tensors_of(copy)
    del tensors[MASK]
    rewrite(copy, tensors)
    with caplog.at_level(logging.WARNING):
        one, other = (AutoModelForCTC.from_pretrained(copy) for _ in range(2))
    assert one.load_report == loader.LoadReport(seeded=(MASK,), ignored=())
    assert caplog.messages == [f"{copy} lacks {MASK}: newly initialized"] * 2
    values = one.base_model.masked_spec_embed.numpy()
    np.testing.assert_array_equal(values, other.base_model.masked_spec_embed)
    assert values.std() > 0.1
    assert ((values >= 0) & (values <= 1)).all()


def test_a_full_checkpoint_reports_nothing(folder: Path) -> None:
    assert AutoModelForCTC.from_pretrained(folder).load_report == loader.LoadReport((), ())


def test_mask_embedding_of_the_wrong_shape_is_refused(copy: Path) -> None:
    rewrite(copy, {**tensors_of(copy), MASK: np.zeros(25, np.float32)})
    with pytest.raises(UserError, match=r"masked_spec_embed is \[25\], not \[24\]"):
        AutoModelForCTC.from_pretrained(copy)


# Heads


def test_a_new_head_is_made_only_when_asked_for(folder: Path) -> None:
    model = AutoModelForCTC.from_pretrained(folder, vocab_size=11)
    assert model.load_report.seeded == ("lm_head.weight", "lm_head.bias")
    assert model(reference.noise(1, 800)).shape == (1, 2, 11)
    assert model.config.vocab_size == 11
    again = AutoModelForCTC.from_pretrained(folder, vocab_size=11)
    np.testing.assert_array_equal(model.lm_head.kernel, again.lm_head.kernel)
    assert model.lm_head.kernel.numpy().std() > 0.01


def test_num_labels_asks_for_a_new_head_too(folder: Path) -> None:
    model = AutoModelForCTC.from_pretrained(folder, num_labels=11)
    assert model(reference.noise(1, 800)).shape == (1, 2, 11)


def test_asking_for_the_size_there_is_keeps_the_head(folder: Path) -> None:
    model = AutoModelForCTC.from_pretrained(folder, vocab_size=32)
    assert model.load_report.seeded == ()
    np.testing.assert_array_equal(model.lm_head.bias.numpy(), tensors_of(folder)["lm_head.bias"])


def test_a_head_that_does_not_fit_the_config_is_refused(copy: Path) -> None:
    set_config(copy, vocab_size=11)
    with pytest.raises(
        UserError, match=r"lm_head\.weight is \[32, 24\], not \[11, 24\].*vocab_size="
    ):
        AutoModelForCTC.from_pretrained(copy)


def test_base_from_a_ctc_checkpoint(folder: Path, torch_models: Any, style: str) -> None:
    model = AutoModel.from_pretrained(folder)
    assert model.load_report.seeded == ()
    assert set(model.load_report.ignored) == {"lm_head.weight", "lm_head.bias"}
    speech = reference.noise(1, 2000)
    with torch.inference_mode():
        wanted = torch_models[style].wav2vec2(torch.from_numpy(speech)).last_hidden_state
    np.testing.assert_allclose(model(speech), wanted, atol=1e-5)


def test_ctc_from_a_base_checkpoint_is_refused(style: str, tmp_path: Path) -> None:
    """With `vocab_size=` the model gets a new head, as at the start of fine-tuning."""
    base = reference.perturbed_model(reference.tiny_config(style), head="Model")
    reference.save_checkpoint(base, tmp_path, tokenizer=False)
    assert "encoder.layer_norm.weight" in tensors_of(tmp_path)  # no prefix in such a file
    with pytest.raises(UserError, match=r"missing lm_head\.weight \[32, 24\].*vocab_size="):
        AutoModelForCTC.from_pretrained(tmp_path)
    model = AutoModelForCTC.from_pretrained(tmp_path, vocab_size=32)
    assert model.load_report.seeded == ("lm_head.weight", "lm_head.bias")
    speech = reference.noise(1, 2000)
    np.testing.assert_allclose(model.base_model(speech), reference.run(base, speech), atol=1e-5)


def test_pretraining_checkpoint_gives_the_base(style: str, tmp_path: Path) -> None:
    """The published wav2vec2-base holds the quantizer and projections of pre-training."""
    torch.manual_seed(0)
    model = transformers.Wav2Vec2ForPreTraining(reference.tiny_config(style)).eval()
    reference.save_checkpoint(model, tmp_path, tokenizer=False)
    ours = AutoModel.from_pretrained(tmp_path)
    assert ours.load_report.seeded == ()
    assert {name.split(".")[0] for name in ours.load_report.ignored} == {
        "quantizer",
        "project_q",
        "project_hid",
    }
    speech = reference.noise(1, 2000)
    np.testing.assert_allclose(ours(speech), reference.run(model.wav2vec2, speech), atol=1e-5)


# Names of weights, formats and precisions


def test_both_spellings_of_weight_norm(copy: Path, folder: Path) -> None:
    older = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): values
        for name, values in tensors_of(copy).items()
    }
    assert {POSITIONS + "weight_g", POSITIONS + "weight_v"} <= set(older)
    rewrite(copy, older)
    assert_loads_alike(copy, folder)


def test_torch_and_safetensors_files_are_equal(copy: Path, folder: Path) -> None:
    values = {name: torch.from_numpy(value) for name, value in tensors_of(copy).items()}
    (copy / "model.safetensors").unlink()
    torch.save(values, copy / "pytorch_model.bin")
    assert_loads_alike(copy, folder)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_precisions_are_widened_exactly(copy: Path, dtype: Any) -> None:
    rewrite(copy, {name: values.astype(dtype) for name, values in tensors_of(copy).items()})
    model = AutoModelForCTC.from_pretrained(copy)
    for name, values in tensors_of(copy).items():
        got = values_of(model)[name]
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, values.astype(np.float32), err_msg=name)


# Round trip


def test_round_trip_is_bit_identical_and_loads_in_transformers(
    folder: Path, tmp_path: Path, style: str, theirs: Any
) -> None:
    AutoModelForCTC.from_pretrained(folder).save_pretrained(tmp_path)
    before, after = tensors_of(folder), tensors_of(tmp_path)
    assert set(before) == set(after)
    for name, values in before.items():
        assert after[name].dtype == values.dtype
        assert after[name].tobytes() == values.tobytes(), name
    model, report = transformers.AutoModelForCTC.from_pretrained(
        tmp_path, output_loading_info=True, attn_implementation="eager"
    )
    assert not any(report.values()), report
    speech = reference.noise(1, 2000)
    np.testing.assert_array_equal(
        reference.run(model.eval(), speech), reference.run(theirs, speech)
    )
    assert_loads_alike(tmp_path, folder)


def test_base_round_trip(folder: Path, tmp_path: Path) -> None:
    AutoModel.from_pretrained(folder).save_pretrained(tmp_path)
    assert not any(name.startswith("wav2vec2.") for name in tensors_of(tmp_path))
    _, report = transformers.AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values()), report
    speech = reference.noise(1, 2000)
    np.testing.assert_array_equal(
        AutoModel.from_pretrained(tmp_path)(speech), AutoModel.from_pretrained(folder)(speech)
    )


def test_config_is_written_back_whole(folder: Path, tmp_path: Path) -> None:
    AutoModelForCTC.from_pretrained(folder).save_pretrained(tmp_path)
    before, after = (
        json.loads((place / "config.json").read_text(encoding="utf-8"))
        for place in (folder, tmp_path)
    )
    assert after == before
    assert after["architectures"] == ["Wav2Vec2ForCTC"]


# The weight table


@pytest.mark.parametrize("head", list(auto.MODELS))
@pytest.mark.parametrize("variant", reference.VARIANTS)
def test_every_variable_has_the_name_and_shape_of_transformers(variant: str, head: str) -> None:
    """Checks every family and head, without allocating values."""
    theirs = reference.tiny_config(variant, conv_bias=True, use_weighted_layer_sum=True)
    config = families.config_of(theirs.to_dict())
    family = families.family_of(config)
    if head not in (families.BASE, families.CTC, *family.heads):
        with pytest.raises(UserError, match=f"has no {head}; it has ForCTC"):
            auto.MODELS[head].check_head(config)
        assert not hasattr(transformers, family.architecture(head))
        return
    if config.add_adapter and head not in (families.BASE, families.CTC):
        return
    ours = loader.tensors(auto.MODELS[head].skeleton(config), family.prefix)
    with torch.device("meta"):
        wanted = getattr(transformers, family.architecture(head))(theirs).state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {
        name: tuple(values.shape) for name, values in wanted.items()
    }


@pytest.mark.parametrize("fails", [False, True])
def test_a_skeleton_never_takes_memory(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras allocates variables made in one stateless scope when the next one closes."""
    made: list[keras.Variable] = []
    add_weight = keras.layers.Layer.add_weight

    def kept(layer: keras.layers.Layer, *arguments: Any, **options: Any) -> keras.Variable:
        if fails and len(made) > 20:
            raise UserError("as a config may")
        made.append(add_weight(layer, *arguments, **options))
        return made[-1]

    monkeypatch.setattr(keras.layers.Layer, "add_weight", kept)
    with contextlib.suppress(UserError):
        AutoModelForCTC.skeleton(Wav2Vec2Config())
    with keras.StatelessScope():
        pass
    assert len(made) > 20
    assert all(variable._value is None for variable in made)


def test_names_are_those_that_only_rows_can_tell() -> None:
    row = weight_names.name_of("encoder/pos_conv_embed/g")
    assert row.keys == (
        "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
        "encoder.pos_conv_embed.conv.weight_g",
    )
    row = weight_names.name_of("encoder/layers_11/adapter_layer/linear_1/kernel")
    assert row.keys == ("encoder.layers.11.adapter_layer.linear_1.weight",)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("variable", ["a/kernel", "a/gamma", "encoder/pos_conv_embed/v"])
def test_layouts_are_invertible(variable: str, shape: tuple[int, ...]) -> None:
    name = weight_names.name_of(variable)
    tensor = np.arange(float(np.prod(shape))).reshape(shape)
    np.testing.assert_array_equal(name.to_checkpoint(name.to_variable(tensor)), tensor)
    assert name.checkpoint_shape(name.to_variable(tensor).shape) == shape


# Sources and overrides


def test_overrides_change_the_config(folder: Path) -> None:
    model = AutoModelForCTC.from_pretrained(folder, hidden_dropout=0.0, layerdrop=0.25)
    assert (model.config.hidden_dropout, model.config.layerdrop) == (0.0, 0.25)


@pytest.mark.parametrize(
    ("name", "suggestion"), [("hiden_dropout", "hidden_dropout"), ("layer_drop", "layerdrop")]
)
def test_a_misspelled_override_is_refused_with_the_nearest(
    folder: Path, name: str, suggestion: str
) -> None:
    with pytest.raises(UserError, match=f"no field {name}.*did you mean {suggestion}"):
        AutoModelForCTC.from_pretrained(folder, **{name: 0.1})


@pytest.mark.parametrize("override", ["model_type", "extra", "zzz"])
def test_what_cannot_be_overridden(folder: Path, override: str) -> None:
    with pytest.raises(UserError, match=f"no field {override}"):
        AutoModelForCTC.from_pretrained(folder, **{override: "x"})


@pytest.mark.parametrize(
    ("model_type", "message"),
    [
        ("wav2vec", "'wav2vec' is unknown; known: wav2vec2, hubert.*did you mean wav2vec2"),
        ("whisper", "'whisper' is unknown; known: wav2vec2"),
        (None, "None is unknown"),
        (["wav2vec2"], "is unknown"),
    ],
)
def test_unknown_model_type(copy: Path, model_type: Any, message: str) -> None:
    set_config(copy, model_type=model_type)
    with pytest.raises(UserError, match=message.replace("(", r"\(")) as caught:
        AutoModelForCTC.from_pretrained(copy)
    assert str(copy / "config.json") in str(caught.value)


def test_folder_without_config(copy: Path) -> None:
    (copy / "config.json").unlink()
    with pytest.raises(UserError, match="config.json: no such file"):
        AutoModelForCTC.from_pretrained(copy)


def test_folder_without_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with pytest.raises(UserError, match="has no weights"):
        AutoModelForCTC.from_pretrained(copy)


def test_truncated_weights(copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"model\.safetensors"):
        AutoModelForCTC.from_pretrained(copy)


# Values


def test_booleans_are_not_numbers(copy: Path) -> None:
    rewrite(copy, {**tensors_of(copy), "lm_head.bias": np.ones(32, np.bool_)})
    with pytest.raises(UserError, match=r"lm_head\.bias holds bool, not floating-point numbers"):
        AutoModelForCTC.from_pretrained(copy)


def test_an_adapter_that_the_family_lacks_is_refused(tmp_path: Path) -> None:
    hubert = reference.perturbed_model(reference.tiny_config("hubert-group"))
    reference.save_checkpoint(hubert, tmp_path)
    with pytest.raises(UserError, match="hubert has no adapter"):
        AutoModelForCTC.from_pretrained(tmp_path, add_adapter=True)


def test_a_saved_model_is_no_checkpoint(copy: Path) -> None:
    """In a folder with weights, it is named by its file only."""
    (copy / "saved_model.pb").touch()
    assert AutoModelForCTC.from_pretrained(copy).source == copy
    with pytest.raises(UserError, match="is a SavedModel; give the checkpoint"):
        AutoModelForCTC.from_pretrained(copy / "saved_model.pb")
    (copy / "model.safetensors").unlink()
    with pytest.raises(UserError, match="is a SavedModel; give the checkpoint"):
        AutoModelForCTC.from_pretrained(copy)


@pytest.mark.parametrize("dtype", [None, "float16"])
def test_numbers_too_large_for_the_type_are_named(copy: Path, dtype: str | None) -> None:
    tensors = tensors_of(copy)
    tensors["lm_head.bias"][0] = 1e5
    rewrite(copy, tensors)
    model = AutoModelForCTC.from_pretrained(copy, dtype=dtype)
    assert model.load_report.not_finite == (("lm_head.bias",) if dtype else ())


@pytest.mark.bfloat16
def test_keras_policy_is_the_default_type(folder: Path) -> None:
    with dtype_policy("mixed_bfloat16"):
        model = AutoModelForCTC.from_pretrained(folder)
        other = AutoModelForCTC.from_pretrained(folder, dtype="float32")
    assert model.lm_head.dtype_policy.name == "mixed_bfloat16"
    assert other.lm_head.dtype_policy.name == "float32"
    assert model(np.zeros((1, 4000), np.float32)).dtype == tf.bfloat16


@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
def test_the_config_names_the_type_that_was_saved(copy: Path, tmp_path: Path, name: str) -> None:
    path = copy / "config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values.pop("dtype", None)
    path.write_text(json.dumps({**values, name: "float32"}), encoding="utf-8")
    AutoModelForCTC.from_pretrained(copy, dtype="bfloat16").save_pretrained(tmp_path / "out")
    assert (
        json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))[name]
        == "bfloat16"
    )


def test_nan_values_are_loaded_and_named(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    tensors = tensors_of(copy)
    tensors["lm_head.bias"][3] = np.nan
    tensors["wav2vec2.encoder.layer_norm.weight"][0] = np.inf
    rewrite(copy, tensors)
    with caplog.at_level(logging.WARNING):
        model = AutoModelForCTC.from_pretrained(copy)
    wanted = {"lm_head.bias", "wav2vec2.encoder.layer_norm.weight"}
    assert set(model.load_report.not_finite) == wanted
    (message,) = caplog.messages
    assert "NaN or infinity in " in message
    assert all(key in message for key in wanted)
    assert np.isnan(model.lm_head.bias.numpy()[3])
