"""`convert verify`: certificates of every family and head, and faults that they find."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from convert import parity
from convert.__main__ import main
from convert.verify import PROVEN, UNPROVEN
from tests.support import reference
from tests.support.paths import FAIRSEQ
from wav2vec2_tf import AutoModelForCTC, families
from wav2vec2_tf.config import Wav2Vec2Config
from wav2vec2_tf.export import saved_model
from wav2vec2_tf.files import BUNDLED_SPEECH

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
    """A checkpoint and what `convert torch` makes of it."""
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
    """The longest noise, which takes most of the time."""
    assert parity.PUBLISHED_LENGTH == 246_000
    monkeypatch.setattr(parity, "PUBLISHED_LENGTH", LONGEST)


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Shared: tests leave them as they are."""
    return pair("layer", families.CTC, tmp_path_factory.mktemp("layer"))


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
def test_certificate(variant: str, head: str, tmp_path: Path) -> None:
    source, out = pair(variant, head, tmp_path)
    values = certificate(source, out)
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
        exact = row["part"] in ("logits", parity.LAST, parity.QUANTIZED, *parity.FINAL.values())
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


def test_the_tolerance_is_that_asked_for(layer: tuple[Path, Path], tmp_path: Path) -> None:
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
            parity.QUANTIZER: values.reshape(1, 3, 8),
            parity.QUANTIZED: chosen,
            parity.PERPLEXITY: np.float32(2),
        }
        for values in (scores, other)
    )
    ours[parity.QUANTIZED] = chosen * [[[1], [9], [1]]]
    rows = {row.part: row for row in parity.compare_parts("noise", theirs, ours, config, 2e-4)}
    assert set(rows) == {parity.QUANTIZER, parity.QUANTIZED}
    assert rows[parity.QUANTIZED].max_difference == 0 and rows[parity.QUANTIZED].frames == 2
    assert rows[parity.QUANTIZER].argmax_flips == flips
    assert rows[parity.QUANTIZER].passes == (flips == 0)


@pytest.mark.parametrize("head", [families.SEQUENCE, families.X_VECTOR])
def test_a_fault_in_a_classifier_is_found(head: str, tmp_path: Path) -> None:
    """A weight, not a bias: what it gives must depend on the speech."""
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
    values = certificate(source, exported)
    assert values["kind"] == "SavedModel, 20000 samples"
    rows = values["comparisons"]
    alone = [("speech 1.2 s", 62), ("noise 20000 samples", 62)]
    padded = [("padded speech 1.2 s", 62), ("padded noise 400 samples", 1)]
    padded += [("padded noise 16000 samples", 49), ("padded noise 20000 samples", 62)]
    assert [(row["input"], row["frames"]) for row in rows] == alone + padded
    assert all(row["part"] == "logits" and row["max_difference"] < TOLERANCE for row in rows)
    other = Path(shutil.copytree(source, tmp_path / "other"))
    change(other, "wav2vec2.encoder.layer_norm.bias", 0.05)
    assert run("verify", other, exported) == 1


# bad input


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
    return message


def test_nothing_there(
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
    """transformers would draw one at random."""
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
