"""`convert verify`: certificates of every family and head, and the faults that it finds."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from convert import parity, parity_inputs, recorded
from convert.__main__ import main
from convert.parity_models import (
    LAST,
    PERPLEXITY,
    QUANTIZED,
    QUANTIZER,
    KeptFrames,
    ReferenceOutputs,
)
from convert.verify import PROVEN, UNPROVEN
from tests.support import reference
from tests.support.paths import FAIRSEQ, ROOT
from tests.support.without_pytorch import hide_pytorch
from wav2vec2_tf import AutoModelForCTC
from wav2vec2_tf.data.bundled import BUNDLED_MODEL, BUNDLED_REFERENCE, BUNDLED_SPEECH
from wav2vec2_tf.export import saved_model
from wav2vec2_tf.models import families
from wav2vec2_tf.models import log_mel as features
from wav2vec2_tf.models.config import Wav2Vec2BertConfig, Wav2Vec2Config
from wav2vec2_tf.utils.errors import UserError

TOLERANCE = 2e-5  # a tenth of the program's: float32 gives a few 1e-6 at this size
CASES = [
    # every family with its CTC head
    ("wav2vec2-adapter", families.CTC),
    ("hubert-batch-norm", families.CTC),
    ("wavlm-group", families.CTC),
    ("data2vec-audio", families.CTC),
    ("unispeech", families.CTC),
    ("unispeech-sat-layer", families.CTC),
    ("conformer-relative", families.CTC),
    ("bert-adapter", families.CTC),
    # every other head
    ("data2vec-audio-adapter", families.BASE),
    ("wav2vec2-layer", families.PRE_TRAINING),
    ("unispeech-sat", families.PRE_TRAINING),
    ("hubert-layer", families.SEQUENCE),
    ("bert", families.FRAME),
    ("wavlm-layer", families.X_VECTOR),
]
OUTPUTS = {
    families.BASE: set(),
    families.PRE_TRAINING: {
        *("quantizer.weight_proj", "projected_states", "projected_quantized_states"),
        "codevector_perplexity",
    },
    families.X_VECTOR: {"logits", "embeddings"},
}
LONGEST = 40_000  # samples
CONFORMER = {"layers.0.ffn1", "layers.0.self_attn", "layers.0.conv_module"}


def run(*arguments: Any) -> int:
    return main([str(argument) for argument in arguments])


def certificate(source: Path, out: Path, *options: str) -> dict[str, Any]:
    assert run("verify", source, out, *options) == 0
    return json.loads((out / "parity.json").read_text())


def pair(variant: str, head: str, folder: Path) -> tuple[Path, Path]:
    """Makes a checkpoint, and converts it by `convert torch`."""
    config = reference.tiny_config(variant)
    source, out = folder / "source", folder / "out"
    model = reference.perturbed_model(config, head=head)
    if head in families.CLASSIFIERS:
        reference.strengthen_head(model)
    reference.save_checkpoint(model, source)
    assert run("torch", source, out) == 0
    return source, out


@pytest.fixture(autouse=True)
def shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the longest noise, which takes most of the time."""
    assert parity_inputs.PUBLISHED_LENGTH == 246_000
    monkeypatch.setattr(parity_inputs, "PUBLISHED_LENGTH", LONGEST)


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint and its conversion; tests do not change them."""
    return pair("layer", families.CTC, tmp_path_factory.mktemp("layer"))


@pytest.fixture(scope="module")
def recording(layer: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PyTorch's outputs of `layer`; tests do not change the file."""
    file = tmp_path_factory.mktemp("recording") / "outputs.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity_inputs, "PUBLISHED_LENGTH", LONGEST)
        assert run("verify", *layer, "--json", file.with_suffix(".json"), "--record", file) == 0
    return file


@pytest.fixture
def no_pytorch(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hides PyTorch once the recording is made."""
    hide_pytorch(monkeypatch)


@pytest.fixture
def damaged(layer: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of OUT, to change."""
    return Path(shutil.copytree(layer[1], tmp_path / "damaged"))


def test_every_family_and_head_is_among_the_cases() -> None:
    names = {member.name for member in families.MEMBERS}
    assert {reference.VARIANTS[v][0] for v, head in CASES if head == families.CTC} == names
    heads = {head for member in families.MEMBERS for head in member.heads}
    assert {head for _, head in CASES} == heads | {families.BASE, families.CTC}


@pytest.mark.parametrize(("variant", "head"), CASES)
def test_certificate(
    variant: str, head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = pair(variant, head, tmp_path)
    file = tmp_path / "outputs.safetensors"
    values = certificate(source, out, "--record", str(file))
    config = json.loads((source / "config.json").read_text())
    assert values["family"] == config["model_type"] and values["head"] == head
    assert values["kind"] == "Keras model" and values["equal"] is True
    weights = (source / "model.safetensors").read_bytes()
    assert values["sha256"] == {"model.safetensors": hashlib.sha256(weights).hexdigest()}
    packages = {"torch", "transformers", "tensorflow", "numpy", "wav2vec2_tf"}
    assert set(values["versions"]) == packages

    rows = values["comparisons"]
    bert, conformer = config["model_type"] == "wav2vec2-bert", "conformer" in config["model_type"]
    parts = {"feature_projection", "layers.0", "layers.1", "last_hidden_state"}
    parts |= {"log_mel"} if bert else {"feature_encoder"}
    parts |= CONFORMER if bert or conformer else {"pos_conv_embed"}
    parts |= {"adapter"} if config.get("add_adapter") else set()
    is_sat = config["model_type"] == "unispeech-sat"
    if is_sat and head == families.PRE_TRAINING:
        parts |= {"projected_states", "logits"}
    else:
        parts |= OUTPUTS.get(head, {"logits"})
    assert {row["part"] for row in rows} == parts
    assert all(row["argmax_flips"] == 0 for row in rows)
    assert all(row["scale"] > 1e-3 for row in rows), "a comparison of zeros would prove nothing"
    for row in rows:
        of_scale = max(1.0, row["scale"])
        exact = row["part"] in (
            "logits",
            LAST,
            QUANTIZED,
            *parity.FINAL.values(),
        )
        wanted = 1e-3 if row["part"] == "log_mel" else 2e-4 * (1 if exact else of_scale)
        assert row["allowed"] == pytest.approx(wanted)
        if row["part"] != "log_mel":
            assert row["max_difference"] <= TOLERANCE * of_scale
    final = parity.FINAL.get(head, "logits")
    off = [row["max_difference"] for row in rows if row["part"] == final]
    assert values["max_difference"] == max(off) > 0

    assert [entry["samples"] for entry in values["inputs"]][2:] == [16_000, LONGEST]
    spoken, shortest = values["inputs"][:2]
    assert spoken["sha256"] == hashlib.sha256(BUNDLED_SPEECH.read_bytes()).hexdigest()
    alone = [row for row in rows if row["part"] == final and "padded" not in row["input"]]
    padded = [row for row in rows if row["part"] == final and "padded" in row["input"]]
    assert len(alone) == len(padded) == 4
    if head not in (families.SEQUENCE, families.X_VECTOR):
        assert [row["frames"] for row in alone] == [row["frames"] for row in padded]
        assert alone[1]["frames"] == 1, shortest

    # the same from the recorded outputs
    hide_pytorch(monkeypatch)
    again = certificate(source, out, "--reference", str(file))
    assert again.keys() == values.keys()
    for key in values.keys() - {"comparisons", "notes", "max_difference"}:
        assert again[key] == values[key], key
    assert again["notes"][:-1] == values["notes"] and str(file) in again["notes"][-1]
    assert len(again["comparisons"]) == len(rows)
    for row, live in zip(again["comparisons"], rows, strict=True):
        assert (row["input"], row["part"]) == (live["input"], live["part"])
        whole = row["part"] in ("log_mel", *recorded.WHOLE) or live["frames"] <= recorded.FRAMES
        assert row["frames"] == (live["frames"] if whole else recorded.FRAMES)
        if whole:
            assert row["max_difference"] == pytest.approx(live["max_difference"], abs=1e-6)
        assert 0 < row["scale"] <= live["scale"]


@pytest.mark.bfloat16
def test_half_precision_is_reported(layer: tuple[Path, Path]) -> None:
    source, out = layer
    values = certificate(source, out, "--dtypes", "bfloat16", "float16")
    off = {}
    for dtype, rows in values["half_precision"].items():
        assert [row["part"] for row in rows] == ["last_hidden_state", "logits"]
        assert all(row["allowed"] is None for row in rows)
        off[dtype] = rows[1]["max_difference"]
    assert 1e-3 < off["float16"] < off["bfloat16"] < 1
    assert values["max_difference"] < TOLERANCE


# faults


def change(folder: Path, key: str, by: float) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors[key] = tensors[key] + np.float32(by)
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("key", "equal", "off"),
    [
        (
            "wav2vec2.encoder.pos_conv_embed.conv.bias",
            {"feature_encoder", "feature_projection"},
            {"pos_conv_embed"},
        ),
        ("lm_head.bias", {"last_hidden_state"}, {"logits"}),
    ],
)
def test_a_difference_is_found_and_named(
    layer: tuple[Path, Path],
    damaged: Path,
    key: str,
    equal: set[str],
    off: set[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(damaged, key, 0.05)
    assert run("verify", layer[0], damaged) == 1
    shown = capsys.readouterr()
    file = damaged / "parity.json"
    assert shown.err == f"error: {damaged} differs from {layer[0]}; see {file}\n"
    values = json.loads(file.read_text())
    assert values["equal"] is False
    beyond = {row["part"] for row in values["comparisons"] if row["max_difference"] > 1e-3}
    assert off <= beyond and not beyond & equal
    marked = [line for line in shown.out.splitlines() if line.endswith("← beyond tolerance")]
    assert any(part in line for part in off for line in marked)


def test_nan_is_not_equal(layer: tuple[Path, Path], damaged: Path) -> None:
    change(damaged, "lm_head.bias", np.nan)
    assert run("verify", layer[0], damaged) == 1


def test_tolerance(layer: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "parity.json"
    assert run("verify", *layer, "--tolerance", "1e-9", "--json", path) == 1
    assert json.loads(path.read_text())["tolerance"] == 1e-9


def test_flips_count_where_the_reference_is_sure() -> None:
    wanted = np.array([[[0.0, 1.0], [0.0, 3e-4], [0.0, 5e-4]]], np.float32)
    got = wanted[..., ::-1]
    row = parity.compare("noise", "logits", wanted, got, 2.0, 2e-4)
    assert row.argmax_flips == 2 and row.frames == 3 and not row.passes
    assert parity.compare("noise", "layers.0", wanted, got, 2.0, 2e-4).passes


@pytest.mark.parametrize(("margin", "flips"), [(1e-4, 0), (1e-2, 1)])
def test_codewords_that_tie_are_left_out(margin: float, flips: int) -> None:
    config = Wav2Vec2Config(num_codevector_groups=2)
    scores = np.zeros((1, 3, 2, 4), np.float32)
    scores[..., 1] = 1
    scores[0, 1, 0] = [0, 0, 1, 1 + margin]
    other = scores.copy()
    other[0, 1, 0] = [0, 0, 1 + margin, 1]
    chosen = np.ones((1, 3, 5), np.float32)
    theirs, ours = (
        {
            QUANTIZER: values.reshape(1, 3, 8),
            QUANTIZED: chosen,
            PERPLEXITY: np.float32(2),
        }
        for values in (scores, other)
    )
    ours[QUANTIZED] = chosen * [[[1], [9], [1]]]
    rows = {row.part: row for row in parity.compare_parts("noise", theirs, ours, config, 2e-4)}
    assert set(rows) == {QUANTIZER, QUANTIZED}
    assert rows[QUANTIZED].max_difference == 0 and rows[QUANTIZED].frames == 2
    assert rows[QUANTIZER].argmax_flips == flips
    assert rows[QUANTIZER].passes == (flips == 0)


@pytest.mark.parametrize("head", [families.SEQUENCE, families.X_VECTOR])
def test_a_fault_in_a_classifier_is_found(head: str, tmp_path: Path) -> None:
    """A weight is changed, not a bias, so that the difference depends on the speech."""
    source, out = pair("wav2vec2-layer", head, tmp_path)
    path = out / "model.safetensors"
    tensors = load_file(path)
    key = "projector.weight"
    tensors[key] = tensors[key] * np.float32(1.01)
    save_file(tensors, path, metadata={"format": "pt"})
    assert run("verify", source, out) == 1
    rows = json.loads((out / "parity.json").read_text())["comparisons"]
    beyond = {row["part"] for row in rows if row["max_difference"] > row["allowed"]}
    assert beyond == {"logits"} | ({"embeddings"} if head == families.X_VECTOR else set())


# recorded outputs


PERTURBED = {
    "feature_extractor.conv_layers.1.conv.weight": "feature_encoder",
    "feature_projection.projection.weight": "feature_projection",
    "encoder.pos_conv_embed.conv.parametrizations.weight.original1": "pos_conv_embed",
    "encoder.layers.0.attention.v_proj.weight": "layers.0",
    "encoder.layers.1.feed_forward.output_dense.weight": "layers.1",
    "encoder.layer_norm.weight": "last_hidden_state",
    "lm_head.weight": "logits",
}
"""A tensor of each part, and the first part whose output depends on it."""
PARTS = list(PERTURBED.values())


@pytest.mark.parametrize("key", PERTURBED)
def test_one_weight_is_found_in_recorded_outputs(
    layer: tuple[Path, Path], recording: Path, damaged: Path, no_pytorch: None, key: str
) -> None:
    path = damaged / "model.safetensors"
    tensors = load_file(path)
    (name,) = (name for name in tensors if name.endswith(key))
    tensors[name].flat[0] += 0.2
    save_file(tensors, path, metadata={"format": "pt"})
    assert run("verify", layer[0], damaged, "--reference", recording) == 1
    values = json.loads((damaged / "parity.json").read_text())
    assert values["equal"] is False
    beyond = {row["part"] for row in values["comparisons"] if not passes(row)}
    assert min(beyond, key=PARTS.index) == PERTURBED[key] and "logits" in beyond


def passes(row: dict[str, Any]) -> bool:
    return row["max_difference"] <= row["allowed"] and row["argmax_flips"] == 0


def test_frames_kept_are_the_first_the_last_and_some_between() -> None:
    for total in (33, 49, 768):
        kept = recorded.frames_to_keep(total)
        assert len(set(kept.tolist())) == len(kept) == recorded.FRAMES
        assert kept[0] == 0 and kept[-1] == total - 1 and (np.diff(kept) > 0).all()
        assert (kept == recorded.frames_to_keep(total)).all()


def test_frames_are_picked_from_the_same_number() -> None:
    kept = KeptFrames(125, np.array([0, 7, 124]))
    given = ReferenceOutputs({}, {}, frames={"adapter": kept})
    got = {"adapter": np.arange(125.0).reshape(1, 125, 1), "logits": np.zeros((1, 125, 2))}
    picked = given.pick("noise", got)
    assert picked["adapter"].ravel().tolist() == [0, 7, 124]
    assert picked["logits"] is got["logits"]
    with pytest.raises(
        UserError, match="adapter of noise has 125 frames in the recording and 124 here"
    ):
        given.pick("noise", {"adapter": got["adapter"][:, 1:]})


def test_log_mel_features_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []
    log_mel = features.log_mel
    monkeypatch.setattr(features, "log_mel", lambda speech: computed.append(1) or log_mel(speech))
    utterance = parity_inputs.noise(Wav2Vec2BertConfig(), 4000)
    assert utterance.log_mel is utterance.log_mel
    assert computed == [1] and utterance.log_mel.shape[1] == 160


def test_recording_again_gives_the_same_file(
    layer: tuple[Path, Path], recording: Path, tmp_path: Path
) -> None:
    """A recording depends neither on OUT nor on what was at FILE before."""
    file, out = tmp_path / "outputs.safetensors", tmp_path / "out"
    shutil.copytree(layer[1], out)
    change(out, "lm_head.bias", 0.05)
    for _ in range(2):
        assert run("verify", layer[0], out, "--record", file) == 1
        assert file.read_bytes() == recording.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "outputs.safetensors"]


def test_the_bundled_outputs_are_those_of_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity_inputs, "PUBLISHED_LENGTH", 246_000)
    assert BUNDLED_REFERENCE.stat().st_size < 700_000
    file = tmp_path / "outputs.safetensors"
    options = ("--json", tmp_path / "parity.json", "--record", file)
    assert run("verify", BUNDLED_MODEL, BUNDLED_MODEL, *options) == 0
    old, new = (recorded.Recorded.load(path) for path in (BUNDLED_REFERENCE, file))
    for name in ("family", "head", "target_lang", "inputs", "sha256"):
        assert getattr(old.identity, name) == getattr(new.identity, name)
    tensors = load_file(BUNDLED_REFERENCE)
    again = load_file(file)
    assert tensors.keys() == again.keys() and len(tensors) == 4 * 7
    for key, values in tensors.items():
        scale = max(1.0, float(np.abs(values).max()))
        np.testing.assert_allclose(again[key], values, rtol=0, atol=TOLERANCE * scale, err_msg=key)


@pytest.mark.slow
def test_a_process_without_pytorch(tmp_path: Path) -> None:
    """Runs in a fresh process in which PyTorch cannot be imported."""
    program = (
        "import sys; from tests.support.without_pytorch import Finder;"
        "sys.meta_path.insert(0, Finder);"
        "from convert.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    path = tmp_path / "parity.json"
    options = ["--json", path, "--reference", BUNDLED_REFERENCE]
    command = [sys.executable, "-c", program, "verify", BUNDLED_MODEL, BUNDLED_MODEL, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"equal within 0.0002; {path}" in done.stdout
    assert json.loads(path.read_text())["versions"]["torch"].startswith("2.")


@pytest.mark.slow
def test_triton_is_imported_before_tensorflow(tmp_path: Path) -> None:
    """In the other order the process crashes. A stand-in for Triton prints the order."""
    (tmp_path / "triton.py").write_text(
        "import sys; print('triton', 'tensorflow' in sys.modules, flush=True)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    command = [sys.executable, "-m", "convert", "verify", BUNDLED_MODEL, tmp_path / "none"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "triton False\n")
    assert "no such folder" in done.stderr


# other sources


@pytest.mark.parametrize("name", ["pretrained_group_norm", "finetuned_ctc_layer_norm_cfg"])
def test_fairseq(name: str, tmp_path: Path) -> None:
    source, out = FAIRSEQ / f"{name}.pt", tmp_path / "out"
    assert run("torch", source, out) == 0
    values = certificate(source, out)
    assert values["head"] == ("ForPreTraining" if "pre" in name else "ForCTC")
    assert values["sha256"].keys() == {source.name}
    assert PROVEN in values["notes"] and UNPROVEN not in values["notes"]


def test_one_language_of_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    model = reference.perturbed_model(reference.tiny_config("mms"))
    reference.save_checkpoint(model, source)
    adapter = {key: values.detach().numpy() * 1.5 for key, values in model._get_adapters().items()}
    tokens = len(reference.TOKENS)
    adapter["lm_head.weight"] = reference.noise(tokens + 1, 24)
    adapter["lm_head.bias"] = reference.noise(tokens + 1)
    save_file(adapter, source / "adapter.fra.safetensors", metadata={"format": "pt"})
    english = json.loads((source / "vocab.json").read_text())
    vocabularies = {"eng": english, "fra": {**english, "é": tokens}}
    (source / "vocab.json").write_text(json.dumps(vocabularies))
    assert run("torch", source, out, "--target-lang", "fra") == 0
    assert list(json.loads((out / "vocab.json").read_text())) == ["fra"]
    for options in ((), ("--target-lang", "eng")):
        capsys.readouterr()
        assert run("verify", source, out, *options) == 1
        assert "is of the language 'fra': pass --target-lang fra" in one_line(capsys)
    values = certificate(source, out, "--target-lang", "fra")
    assert values["target_lang"] == "fra"
    assert values["sha256"].keys() == {"model.safetensors", "adapter.fra.safetensors"}
    assert max(row["scale"] for row in values["comparisons"] if row["part"] == "logits") > 1


def test_saved_model_of_log_probabilities(layer: tuple[Path, Path], tmp_path: Path) -> None:
    source, out = layer
    exported = tmp_path / "saved"
    model = AutoModelForCTC.from_pretrained(out)
    saved_model.export(model, None, exported, length=20_000, log_softmax=True)
    file = tmp_path / "outputs.safetensors"
    values = certificate(source, exported, "--record", str(file))
    assert values["kind"] == "SavedModel, 20000 samples"
    rows = values["comparisons"]
    alone = [("speech 1.2 s", 62), ("noise 20000 samples", 62)]
    padded = [("padded speech 1.2 s", 62), ("padded noise 400 samples", 1)]
    padded += [("padded noise 16000 samples", 49), ("padded noise 20000 samples", 62)]
    assert [(row["input"], row["frames"]) for row in rows] == alone + padded
    assert all(row["part"] == "logits" and row["max_difference"] < TOLERANCE for row in rows)
    assert certificate(source, exported, "--reference", str(file))["comparisons"] == rows
    other = Path(shutil.copytree(source, tmp_path / "other"))
    change(other, "wav2vec2.encoder.layer_norm.bias", 0.05)
    assert run("verify", other, exported) == 1


# bad input


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
    return message


def test_missing_out(
    layer: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify", layer[0], tmp_path / "none") == 1
    assert f"{tmp_path / 'none'}: no such folder" in one_line(capsys)


def test_another_family(
    layer: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = reference.perturbed_model(reference.tiny_config("hubert-layer"))
    reference.save_checkpoint(other, tmp_path)
    capsys.readouterr()
    assert run("verify", tmp_path, layer[1]) == 1
    assert "is of the family wav2vec2" in one_line(capsys)


def test_a_head_that_the_source_lacks(
    layer: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """transformers would draw it at random."""
    base = reference.perturbed_model(reference.tiny_config("layer"), head=families.BASE)
    reference.save_checkpoint(base, tmp_path)
    capsys.readouterr()
    assert run("verify", tmp_path, layer[1]) == 1
    assert "lacks lm_head.bias, lm_head.weight, which transformers draws" in one_line(capsys)


def test_a_saved_model_has_one_type(
    layer: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = tmp_path / "assets.extra"
    facts.mkdir()
    shutil.copy(layer[1] / "config.json", facts)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert run("verify", layer[0], tmp_path, "--dtypes", "float16") == 1
    assert "--dtypes is for Keras models" in one_line(capsys)
    assert run("verify", layer[0], tmp_path) == 1
    assert "not a SavedModel" in one_line(capsys)
    assert not (tmp_path / "parity.json").exists()


def test_without_pytorch_the_error_names_reference(
    layer: tuple[Path, Path], no_pytorch: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify", *layer) == 1
    message = one_line(capsys)
    assert "pip install 'wav2vec2-tf[convert]'" in message and "--reference FILE" in message


def test_recording_and_reading_at_once_is_a_usage_error(
    layer: tuple[Path, Path], recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run("verify", *layer, "--record", tmp_path / "new", "--reference", recording)
    assert ended.value.code == 2
    assert "not allowed with argument --record" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def refused(
    capsys: pytest.CaptureFixture[str], source: Path, out: Path, file: Path, *options: Any
) -> str:
    """Returns the error of a run with `--reference`, which wrote no certificate."""
    capsys.readouterr()
    assert run("verify", source, out, "--reference", file, *options) == 1
    assert not (out / "parity.json").exists()
    message = one_line(capsys)
    assert str(file) in message
    return message


def test_recorded_from_another_checkpoint(
    layer: tuple[Path, Path],
    recording: Path,
    damaged: Path,
    no_pytorch: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = Path(shutil.copytree(layer[0], tmp_path / "other"))
    change(other, "lm_head.bias", 0.05)
    assert "from other weights than those of" in refused(capsys, other, damaged, recording)


def test_recorded_with_another_head(
    layer: tuple[Path, Path],
    recording: Path,
    no_pytorch: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert run("torch", layer[0], out, "--head", "none") == 0
    message = refused(capsys, layer[0], out, recording)
    assert f"from a wav2vec2 ForCTC, and {out} is a wav2vec2 Model" in message


def test_recorded_from_another_family(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = pair("hubert-layer", families.CTC, tmp_path)
    message = refused(capsys, source, out, recording)
    assert f"from a wav2vec2 ForCTC, and {out} is a hubert ForCTC" in message


def test_recorded_with_another_language(
    layer: tuple[Path, Path],
    recording: Path,
    damaged: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "outputs.safetensors"
    there = recorded.Recorded.load(recording)
    identity = dataclasses.replace(there.identity, target_lang="fra")
    dataclasses.replace(there, identity=identity).save(file)
    message = refused(capsys, layer[0], damaged, file)
    assert "with the language 'fra', and --target-lang is None" in message


def test_recorded_with_other_inputs(
    layer: tuple[Path, Path],
    recording: Path,
    damaged: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(parity_inputs, "PUBLISHED_LENGTH", 30_000)
    message = refused(capsys, layer[0], damaged, recording)
    assert "with other inputs than" in message
    assert "noise 40000 samples (" in message and "noise 30000 samples (" in message


@pytest.mark.parametrize("damage", ["empty", "cut", "start", "metadata", "tensor", "last"])
def test_a_damaged_recording(
    layer: tuple[Path, Path],
    recording: Path,
    damaged: Path,
    no_pytorch: None,
    tmp_path: Path,
    damage: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "outputs.safetensors"
    content = bytearray(recording.read_bytes())
    at = {
        "start": 3,
        "metadata": content.index(b"target_lang") + 2,
        "tensor": len(content) // 2,
        "last": -1,
    }
    if damage in at:
        content[at[damage]] ^= 1
    file.write_bytes(content[: {"empty": 0, "cut": -5}.get(damage)])
    assert "damaged" in refused(capsys, layer[0], damaged, file)


def test_files_that_are_no_recordings(
    layer: tuple[Path, Path],
    damaged: Path,
    no_pytorch: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weights, text = layer[1] / "model.safetensors", tmp_path / "text"
    text.write_text("PyTorch's outputs")
    for file, message in {
        weights: "not a file that `convert verify --record` wrote",
        text: "damaged, or not a file that `convert verify --record` wrote",
        tmp_path / "none": "no such file; `convert verify --record` writes one",
        tmp_path: "not a file that `convert verify --record` wrote",
    }.items():
        assert message in refused(capsys, layer[0], damaged, file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "the format must be 1, found 2: record it again"),
        ({"format": None}, "found None"),
        ({"digest": "0"}, "damaged"),
        ({"facts": []}, "damaged"),
    ],
)
def test_another_format(
    layer: tuple[Path, Path],
    recording: Path,
    damaged: Path,
    tmp_path: Path,
    changes: dict[str, Any],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "outputs.safetensors"
    with safe_open(recording, "np") as opened:
        ((entry, header),) = opened.metadata().items()
    header = json.dumps({**json.loads(header), **changes})
    save_file(load_file(recording), file, metadata={entry: header})
    assert message in refused(capsys, layer[0], damaged, file)


def test_files_that_recording_leaves_alone(
    layer: tuple[Path, Path], damaged: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = damaged / "model.safetensors"
    before = weights.read_bytes()
    assert run("verify", layer[0], damaged, "--record", weights) == 1
    assert "--record does not replace it: name another file" in one_line(capsys)
    assert weights.read_bytes() == before
    before = recording.read_bytes()
    assert run("verify", *layer, "--reference", recording, "--json", recording) == 1
    assert "--json and --reference name the same file" in one_line(capsys)
    assert recording.read_bytes() == before


def test_nothing_is_recorded_of_a_source_that_pytorch_does_not_load(
    layer: tuple[Path, Path], tmp_path: Path
) -> None:
    base = reference.perturbed_model(reference.tiny_config("layer"), head=families.BASE)
    reference.save_checkpoint(base, tmp_path / "source")
    assert run("verify", tmp_path / "source", layer[1], "--record", tmp_path / "outputs") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
