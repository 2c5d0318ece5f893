"""Languages of MMS: one adapter and one head each, against transformers' `load_adapter`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tensorflow as tf
import torch
import transformers
from safetensors.numpy import load_file, save_file

from convert.__main__ import main as convert
from tests.support import reference
from tests.support.paths import ROOT
from wav2vec2_tf import AutoModel, AutoModelForCTC, AutoProcessor, UserError
from wav2vec2_tf.checkpoint import loader
from wav2vec2_tf.cli.main import main as cli

LETTERS = {"eng": "ETAON", "fra": "ETAÉÀÇ", "deu": "ENÄÖÜß"}
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "|")


def adapter_of(model: Any) -> dict[str, torch.Tensor]:
    """Returns the tensors of `adapter.<lang>.safetensors`."""
    return {
        key: values
        for key, values in model.state_dict().items()
        if ".adapter_layer." in key or key.startswith("lm_head.")
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like mms-1b-all: English in the checkpoint, an adapter for each language."""
    folder = tmp_path_factory.mktemp("mms")
    for seed, (lang, letters) in enumerate(LETTERS.items()):
        size = len(SPECIAL) + len(letters)
        model = reference.perturbed_model(reference.tiny_config("mms", vocab_size=size), seed=seed)
        if lang == "eng":
            reference.save_checkpoint(model, folder, tokenizer=False)
        if lang == "deu":  # an older file
            torch.save(adapter_of(model), folder / "adapter.deu.bin")
        else:
            values = {key: tensor.numpy() for key, tensor in adapter_of(model).items()}
            save_file(values, folder / f"adapter.{lang}.safetensors", metadata={"format": "pt"})
    vocabulary = {
        lang: {token: index for index, token in enumerate((*SPECIAL, *letters))}
        for lang, letters in LETTERS.items()
    }
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    reference.write_tokenizer_config(folder, target_lang="eng")
    return folder


@pytest.fixture
def speech() -> np.ndarray:
    return reference.noise(1, 5000)


def wanted(folder: Path, lang: str, speech: np.ndarray) -> np.ndarray:
    model = transformers.Wav2Vec2ForCTC.from_pretrained(
        folder, target_lang=lang, ignore_mismatched_sizes=True, attn_implementation="eager"
    )
    return reference.run(model.eval(), speech)


@pytest.mark.parametrize("lang", LETTERS)
def test_target_lang_equals_transformers(folder: Path, lang: str, speech: np.ndarray) -> None:
    model = AutoModelForCTC.from_pretrained(folder, target_lang=lang)
    logits = wanted(folder, lang, speech)
    assert logits.shape[-1] == len(SPECIAL) + len(LETTERS[lang])
    np.testing.assert_allclose(model(speech), logits, atol=1e-5)
    assert model.config.vocab_size == logits.shape[-1]
    tokenizer = AutoProcessor.from_pretrained(folder, target_lang=lang).tokenizer
    assert "".join(tokenizer.tokens[len(SPECIAL) :]) == LETTERS[lang]


@pytest.mark.parametrize("lang", LETTERS)
def test_transcribe_in_a_language(
    folder: Path, lang: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speech = 0.1 * reference.noise(1, 16_000)[0]
    file = tmp_path / "speech.wav"
    soundfile.write(file, speech, 16_000, subtype="FLOAT")
    assert cli(["transcribe", str(file), "--model", str(folder), "--target-lang", lang]) == 0
    extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)
    inputs = extractor(speech, sampling_rate=16_000, return_tensors="np").input_values
    tokenizer = transformers.Wav2Vec2CTCTokenizer.from_pretrained(folder, target_lang=lang)
    text = tokenizer.decode(wanted(folder, lang, inputs)[0].argmax(-1))
    for special in ("<s>", "</s>", "<unk>"):  # left out, between equal letters too
        text = text.replace(special, "")
    assert text and capsys.readouterr().out.split() == text.split()


def test_transcribe_in_a_language_that_is_not_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(["transcribe", "speech.wav", "--model", str(folder), "--target-lang", "fre"]) == 1
    assert "fra" in capsys.readouterr().err


def test_without_target_lang_what_the_checkpoint_holds(folder: Path, speech: np.ndarray) -> None:
    got = AutoModelForCTC.from_pretrained(folder)(speech)
    np.testing.assert_allclose(got, wanted(folder, "eng", speech), atol=1e-5)


def test_load_adapter_replaces_adapter_and_head(folder: Path, speech: np.ndarray) -> None:
    model = AutoModelForCTC.from_pretrained(folder)
    model.predict(speech, verbose=0)
    for lang in ("fra", "deu", "eng"):
        model.load_adapter(lang)
        logits = wanted(folder, lang, speech)
        np.testing.assert_allclose(model(speech), logits, atol=1e-5)
        np.testing.assert_allclose(model.predict(speech, verbose=0), logits, atol=1e-5)
        compiled = tf.function(model, jit_compile=True)
        np.testing.assert_allclose(compiled(tf.constant(speech)), logits, atol=1e-5)
        heads = [v for v in model.trainable_variables if "lm_head" in v.path]
        assert [tuple(v.shape) for v in heads] == [(24, logits.shape[-1]), (logits.shape[-1],)]


def test_nan_in_an_adapter_is_reported(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    tensors = load_file(copy / "adapter.fra.safetensors")
    tensors["lm_head.bias"] = np.full_like(tensors["lm_head.bias"], np.nan)
    save_file(tensors, copy / "adapter.fra.safetensors", metadata={"format": "pt"})
    model = AutoModelForCTC.from_pretrained(copy)
    assert model.load_report.not_finite == ()
    model.load_adapter("fra")
    assert model.load_report.not_finite == ("lm_head.bias",)
    assert "NaN or infinity in lm_head.bias" in caplog.text


def test_one_language_is_kept_in_conversion(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert convert(["torch", str(folder), str(tmp_path / "eng")]) == 0
    assert "the language kept is 'eng', of 3; --target-lang names" in caplog.text
    caplog.clear()
    assert convert(["torch", str(folder), str(tmp_path / "fra"), "--target-lang", "fra"]) == 0
    assert "language" not in caplog.text
    for lang in ("eng", "fra"):
        tokenizer = AutoProcessor.from_pretrained(tmp_path / lang).tokenizer
        assert tokenizer.target_lang == lang and tokenizer.languages == (lang,)
        theirs = transformers.Wav2Vec2CTCTokenizer.from_pretrained(tmp_path / lang)
        assert theirs.convert_ids_to_tokens(range(len(tokenizer))) == list(tokenizer.tokens)
        with pytest.raises(UserError, match="has vocabularies of 1 languages, and 'deu' is not"):
            AutoProcessor.from_pretrained(tmp_path / lang, target_lang="deu")


def test_the_example_of_the_docs(folder: Path) -> None:
    page = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
    [example] = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(example.replace("facebook/mms-1b-all", str(folder)), names)
    assert names["processor"].tokenizer.target_lang == "deu"
    assert names["model"].config.vocab_size == len(SPECIAL) + len(LETTERS["deu"])


def test_functions_traced_before(folder: Path, tmp_path: Path, speech: np.ndarray) -> None:
    """Traced functions use a new head of the same size; for another size they return NaN."""
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    tensors = load_file(copy / "adapter.fra.safetensors")
    size = len(SPECIAL) + len(LETTERS["eng"])
    for key in ("lm_head.weight", "lm_head.bias"):
        tensors[key] = np.ascontiguousarray(tensors[key][:size])
    save_file(tensors, copy / "adapter.sam.safetensors", metadata={"format": "pt"})
    model = AutoModelForCTC.from_pretrained(copy)
    traced = tf.function(model)
    assert traced(tf.constant(speech)).shape[-1] == size
    model.load_adapter("sam")
    np.testing.assert_allclose(traced(tf.constant(speech)), model(speech), atol=1e-5)
    model.load_adapter("fra")
    assert np.isnan(traced(tf.constant(speech))).all()
    assert np.isfinite(model(speech)).all()


@pytest.mark.bfloat16
def test_half_precision_is_kept(folder: Path, speech: np.ndarray) -> None:
    model = AutoModelForCTC.from_pretrained(folder, dtype="bfloat16")
    model.load_adapter("fra")
    assert model(speech).dtype == model.lm_head.kernel.dtype == "bfloat16"


def test_a_head_of_another_size_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="leave it out"):
        AutoModelForCTC.from_pretrained(folder, target_lang="fra", vocab_size=99)
    with pytest.raises(UserError, match="target_lang must be text"):
        AutoModelForCTC.from_pretrained(folder, target_lang=["fra"])


@pytest.mark.parametrize(
    ("lang", "near"), [("fre", "fra"), ("FRA", "fra"), ("deutsch", "deu"), ("zzz", ""), ("", "")]
)
def test_a_language_that_is_not_there_names_near_ones(
    folder: Path, lang: str, near: str, speech: np.ndarray
) -> None:
    with pytest.raises(UserError) as caught:
        AutoModelForCTC.from_pretrained(folder, target_lang=lang)
    assert near in str(caught.value)
    assert "\n" not in str(caught.value)
    model = AutoModelForCTC.from_pretrained(folder)
    before = model(speech)
    with pytest.raises(UserError):
        model.load_adapter(lang)
    np.testing.assert_array_equal(model(speech), before)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda t: t.pop("lm_head.weight"), "must hold the matrix lm_head.weight"),
        (lambda t: t.pop("lm_head.bias"), r"missing lm_head\.bias"),
        (
            lambda t: t.pop("wav2vec2.encoder.layers.1.adapter_layer.norm.weight"),
            r"missing wav2vec2\.encoder\.layers\.1\.adapter_layer\.norm\.weight",
        ),
        (lambda t: t.update({"lm_head.more": np.zeros(1)}), r"unexpected lm_head\.more"),
        (
            lambda t: t.update({"wav2vec2.encoder.layer_norm.weight": np.zeros(24)}),
            "must hold tensors of adapters",
        ),
        (
            lambda t: t.update({"lm_head.weight": np.zeros((), np.float32)}),
            "must hold the matrix lm_head.weight",
        ),
        (
            lambda t: t.update({"lm_head.weight": np.zeros((11, 3), np.float32)}),
            r"lm_head\.weight is \[11, 3\], not \[11, 24\]",
        ),
    ],
)
def test_an_adapter_that_does_not_fit_changes_nothing(
    folder: Path, tmp_path: Path, damage: Any, complaint: str, speech: np.ndarray
) -> None:
    """Tensors missing from an adapter are never taken from the previous language."""
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    tensors = load_file(copy / "adapter.fra.safetensors")
    damage(tensors)
    save_file(tensors, copy / "adapter.fra.safetensors")
    with pytest.raises(UserError, match=complaint):
        AutoModelForCTC.from_pretrained(copy, target_lang="fra")
    model = AutoModelForCTC.from_pretrained(copy)
    before = model(speech)
    with pytest.raises(UserError, match=complaint):
        model.load_adapter("fra")
    np.testing.assert_array_equal(model(speech), before)
    assert model.config.vocab_size == before.shape[-1]


def test_models_without_adapters_say_so(folder: Path, tiny_folders: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="needs a CTC model with adapters"):
        AutoModelForCTC.from_pretrained(tiny_folders["layer"]).load_adapter("fra")
    with pytest.raises(UserError, match="needs a CTC model with adapters"):
        AutoModel.from_pretrained(folder).load_adapter("fra")
    with pytest.raises(UserError, match="no adapter"):
        AutoModelForCTC.from_pretrained(tiny_folders["layer"], target_lang="fra")


def test_converted_for_one_language(folder: Path, tmp_path: Path, speech: np.ndarray) -> None:
    """transformers loads the folder of one language without changes."""
    out = tmp_path / "fra"
    assert convert(["huggingface", str(folder), str(out), "--target-lang", "fra"]) == 0
    model, report = transformers.AutoModelForCTC.from_pretrained(
        out, output_loading_info=True, attn_implementation="eager"
    )
    assert not any(report.values()), report
    logits = wanted(folder, "fra", speech)
    np.testing.assert_array_equal(reference.run(model.eval(), speech), logits)
    np.testing.assert_allclose(AutoModelForCTC.from_pretrained(out)(speech), logits, atol=1e-5)
    processor = AutoProcessor.from_pretrained(out)
    assert processor.tokenizer.target_lang == "fra"
    ids = logits.argmax(-1)
    theirs = transformers.Wav2Vec2CTCTokenizer.from_pretrained(out)
    assert processor.batch_decode(ids) == theirs.batch_decode(ids)


def test_round_trip_keeps_adapter_and_head(folder: Path, tmp_path: Path) -> None:
    model = AutoModelForCTC.from_pretrained(folder, target_lang="deu")
    model.save_pretrained(tmp_path)
    got, before = load_file(tmp_path / "model.safetensors"), load_file(folder / "model.safetensors")
    adapter = torch.load(folder / "adapter.deu.bin", weights_only=True)
    assert set(got) == set(before) == set(loader.tensors(model, model.prefix))
    for key, values in got.items():
        theirs = adapter[key].numpy() if key in adapter else before[key]
        np.testing.assert_array_equal(values, theirs, err_msg=key)
