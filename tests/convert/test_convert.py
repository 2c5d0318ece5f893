"""`python -m convert …`: what it writes, and its errors for invalid input."""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.server
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from safetensors.numpy import load_file, save_file

from convert import module_card
from convert.__main__ import PROGRAMS, main
from convert.checkpoint import ConvertOptions, convert
from convert.package import package
from tests.support import reference
from tests.support.hub_pages import FINE_TUNED_PAGE, run_with_hub
from tests.support.paths import ROOT
from tests.support.reference import difference
from wav2vec2_tf import AutoModelForCTC, Processor, UserError
from wav2vec2_tf.export import saved_model
from wav2vec2_tf.export.provenance import Provenance
from wav2vec2_tf.models.auto import MODELS
from wav2vec2_tf.models.feature_extractor import FeatureExtractor, LogMelFeatureExtractor
from wav2vec2_tf.models.pretrained import SAVED_MODEL_FACTS

CARD = "---\nlanguage: en\nlicense: cc-by-nc-4.0\ntags:\n- speech\n---\n# A model\nlicense: mit\n"


packaging = pytest.mark.xdist_group("packaging")
"""Marks tests that share one SavedModel."""


def run(*arguments: Any) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def source(tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A group-norm checkpoint with a model card; tests do not change it."""
    folder = tmp_path_factory.mktemp("source") / "published"
    shutil.copytree(tiny_folders["group"], folder)
    (folder / "README.md").write_text(CARD)
    return folder


@pytest.fixture(scope="session")
def converted(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("converted") / "model"
    assert run("torch", source, out) == 0
    return out


@pytest.fixture(scope="session")
def saved(converted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel of the published length, which is the default."""
    out = tmp_path_factory.mktemp("saved") / "model"
    assert run("saved-model", converted, out) == 0
    return out


@pytest.fixture(scope="session")
def parity(source: Path, converted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parity") / "parity.json"
    assert run("verify", source, converted, "--json", path) == 0
    return path


@pytest.fixture(scope="session")
def archive(saved: Path, parity: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packaged")
    wer = folder / "wer.json"
    modes = {"padded": {"wer": 0.25, "cer": 0.1, "utterances": 60}}
    wer.write_text(json.dumps({"data": "/somewhere/test-clean", "modes": modes}))
    out = folder / "tiny.tar.gz"
    assert run("package", saved, out, "--name", "us/tiny/1", "--parity", parity, "--wer", wer) == 0
    return out


@pytest.fixture
def copy(source: Path, tmp_path: Path) -> Path:
    """A copy to damage, in a folder of its own."""
    return Path(shutil.copytree(source, tmp_path / "in" / "copy"))


# torch


def test_converted_folder(source: Path, converted: Path) -> None:
    assert {path.name for path in converted.iterdir()} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "provenance.json",
        "tokenizer_config.json",
        "vocab.json",
    }
    before, after = (load_file(place / "model.safetensors") for place in (source, converted))
    assert {name: values.tobytes() for name, values in before.items()} == {
        name: values.tobytes() for name, values in after.items()
    }
    processor = Processor.from_pretrained(converted)
    assert (
        processor.decode([6, 5, 5, 4, 7])
        == Processor.from_pretrained(source).decode([6, 5, 5, 4, 7])
        == "TE A"
    )


def test_conversion_from_python(source: Path, converted: Path, tmp_path: Path) -> None:
    convert(str(source), tmp_path / "out", ConvertOptions(target_lang=None))
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        path.name: path.read_bytes() for path in converted.iterdir()
    }
    with pytest.raises(UserError, match="head must be one of none, ctc"):
        ConvertOptions(head="CTC")


def test_huggingface_is_an_alias_that_help_does_not_list(
    source: Path, converted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("huggingface", source, tmp_path / "out") == 0
    written = (tmp_path / "out" / "model.safetensors").read_bytes()
    assert written == (converted / "model.safetensors").read_bytes()
    capsys.readouterr()
    with pytest.raises(SystemExit):
        run("--help")
    shown = capsys.readouterr().out
    listed = [name for name in PROGRAMS if re.search(rf"^    {name}\b", shown, re.MULTILINE)]
    assert listed == [name for name in PROGRAMS if name != "huggingface"]
    assert "huggingface" not in shown


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(name, "--help")
    shown = capsys.readouterr().out
    alias = "torch" if name == "huggingface" else name
    assert f"wav2vec2-tf convert {alias} " in shown.split("example:")[1]
    assert ("--model-zoo" in shown) == (name == "openvino")


def test_provenance(source: Path, converted: Path) -> None:
    import hashlib

    origin = Provenance.load(converted)
    digest = hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest()
    assert origin == Provenance(
        source=source.name,
        revision="unknown",
        licence="cc-by-nc-4.0",
        sha256={"model.safetensors": digest},
        seeded=(),
        ignored=(),
    )


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        (None, "unknown"),
        ("# No front matter\nlicense: mit\n", "unknown"),
        ("---\nlanguage: en\n---\nlicense: mit\n", "unknown"),
        ("---\nlicense: 'apache-2.0'\n---\n", "apache-2.0"),
        ("---\r\nlicense: mit\r\n---\r\n", "mit"),
    ],
)
def test_licence_of_the_checkpoint(
    copy: Path, tmp_path: Path, card: str | None, licence: str
) -> None:
    (copy / "README.md").unlink()
    if card is not None:
        (copy / "README.md").write_bytes(card.encode())
    assert run("torch", copy, tmp_path / "out") == 0
    assert Provenance.load(tmp_path / "out").licence == licence


def test_head_none_gives_the_base(source: Path, tmp_path: Path) -> None:
    assert run("torch", source, tmp_path / "out", "--head", "none") == 0
    names = set(load_file(tmp_path / "out" / "model.safetensors"))
    assert "encoder.layer_norm.weight" in names
    assert not any("lm_head" in name for name in names)
    assert set(Provenance.load(tmp_path / "out").ignored) == {"lm_head.weight", "lm_head.bias"}


def test_missing_mask_embedding_is_reported(
    copy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tensors = load_file(copy / "model.safetensors")
    del tensors["wav2vec2.masked_spec_embed"]
    save_file(tensors, copy / "model.safetensors")
    assert run("torch", copy, tmp_path / "out") == 0
    assert Provenance.load(tmp_path / "out").seeded == ("wav2vec2.masked_spec_embed",)
    assert "lacks wav2vec2.masked_spec_embed: newly initialized" in caplog.text


def test_nan_in_weights_is_reported(
    copy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tensors = load_file(copy / "model.safetensors")
    tensors["lm_head.bias"][5] = np.nan
    save_file(tensors, copy / "model.safetensors")
    assert run("torch", copy, tmp_path / "out") == 0
    assert "NaN or infinity in lm_head.bias" in caplog.text
    written = load_file(tmp_path / "out" / "model.safetensors")["lm_head.bias"]
    np.testing.assert_array_equal(written, tensors["lm_head.bias"])


def test_two_blanks_are_reported(
    copy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert run("torch", copy, tmp_path / "out") == 0
    assert caplog.text == ""
    change_config(copy, pad_token_id=5)
    assert run("torch", copy, tmp_path / "other") == 0
    assert "the blank is token 5 in config.json and 0 in the vocabulary" in caplog.text


def test_without_tokenizer_files(
    copy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("vocab.json", "tokenizer_config.json"):
        (copy / name).unlink()
    assert run("torch", copy, tmp_path / "out") == 0
    assert caplog.messages == [f"{copy} has no vocab.json: there will be no text output"]
    assert not (tmp_path / "out" / "vocab.json").exists()


WITHOUT_TORCH = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Blocker())
from convert import module_card
from convert.__main__ import main
for out, source in zip(sys.argv[1::2], sys.argv[2::2]):
    assert main(["torch", source, out]) == 0
assert not {"torch", "transformers"} & set(sys.modules)
"""


@pytest.mark.slow
def test_needs_neither_torch_nor_transformers(source: Path, copy: Path, tmp_path: Path) -> None:
    (copy / "model.safetensors").unlink()
    tensors = load_file(source / "model.safetensors")
    torch.save(
        {name: torch.from_numpy(v) for name, v in tensors.items()}, copy / "pytorch_model.bin"
    )
    outs = tmp_path / "safetensors", tmp_path / "bin"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, outs[0], source, outs[1], copy],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    written = [(out / "model.safetensors").read_bytes() for out in outs]
    assert written[0] == written[1]


def test_force_replaces_a_model(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("torch", source, out, "--head", "none") == 0
    (out / "old.txt").write_text("of the model that was")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert run("torch", source, out) == 1
    assert "exists already: name another, or replace it with --force" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert run("torch", source, out, "--force") == 0
    assert not (out / "old.txt").exists()
    assert "lm_head.weight" in load_file(out / "model.safetensors")


def test_force_replaces_nothing_else(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    for options in ([], ["--force"]):
        assert run("torch", source, out, *options) == 1
        assert capsys.readouterr().err.count("\n") == 1
        assert [path.name for path in out.iterdir()] == ["mine.txt"]
        assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_is_filled(source: Path, tmp_path: Path) -> None:
    assert run("torch", source, tmp_path) == 0
    assert (tmp_path / "model.safetensors").exists()


# Bad input: one line, status 1, nothing written


def change_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def change_tensors(folder: Path, change: Callable[[dict[str, np.ndarray]], Any]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


class Payload:
    """An object whose pickle runs a command when it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def dangerous(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"a": Payload(f"touch {folder / 'ran'}")}, folder / "pytorch_model.bin")


def dangerous_bare(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    payload = pickle.dumps(Payload(f"touch {folder / 'ran'}"))
    (folder / "pytorch_model.bin").write_bytes(payload)


BIAS = "wav2vec2.encoder.layer_norm.bias"
DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (shutil.rmtree, "no such folder"),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json: no such file"),
    "config not JSON": (lambda f: (f / "config.json").write_text("{"), "not readable as JSON"),
    "unknown model type": (
        lambda f: change_config(f, model_type="wav2vec"),
        "'wav2vec' is unknown",
    ),
    "bad field": (lambda f: change_config(f, hidden_size="big"), "hidden_size must be int"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "has no weights"),
    "missing tensor": (lambda f: change_tensors(f, lambda t: t.pop(BIAS)), f"missing {BIAS}"),
    "extra tensor": (
        lambda f: change_tensors(f, lambda t: t.update(odd=np.zeros(2, np.float32))),
        "unexpected odd",
    ),
    "mis-shaped tensor": (
        lambda f: change_tensors(f, lambda t: t.update({BIAS: np.zeros(25, np.float32)})),
        f"{BIAS} is [25], not [24]",
    ),
    "truncated weights": (lambda f: truncate(f / "model.safetensors"), "model.safetensors"),
    "pickle with code": (dangerous, "pytorch_model.bin"),
    "bare pickle with code": (dangerous_bare, "pytorch_model.bin"),
    "vocabulary of another size": (
        lambda f: (f / "vocab.json").write_text(
            json.dumps({"<pad>": 0, "<unk>": 1, "|": 2, "A": 3})
        ),
        "the vocabulary has",
    ),
    "vocabulary not JSON": (lambda f: (f / "vocab.json").write_text("["), "vocab.json"),
    "a feature extractor of another kind": (
        lambda f: LogMelFeatureExtractor().save_pretrained(f),
        "preprocessor_config.json describes a SeamlessM4TFeatureExtractor",
    ),
    "a feature extractor of another rate": (
        lambda f: FeatureExtractor(sampling_rate=8000).save_pretrained(f),
        "must be 16000 Hz, got 8000",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_bad_source_gives_one_line_and_nothing_else(
    copy: Path, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, complaint = DAMAGES[damage]
    spoil(copy)
    for program in ("torch", "saved-model"):
        assert run(program, copy, tmp_path / "out") == 1
        shown = capsys.readouterr()
        assert shown.err.startswith("error: ")
        assert shown.err.count("\n") == 1
        assert complaint in shown.err
        assert shown.out == ""
        assert [path.name for path in tmp_path.iterdir()] == ["in"]  # no partial OUT, hidden or not
    assert not (copy / "ran").exists()


def test_a_folder_that_cannot_be_made(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("torch", copy, copy / "config.json" / "out") == 1
    message = f"error: {copy / 'config.json'}: no folder can be made there"
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize(
    ("head", "variant"),
    [
        *((head, "layer") for head in MODELS),
        ("ForPreTraining", "unispeech-sat"),
        ("ForXVector", "data2vec-audio"),
    ],
)
def test_the_head_is_known_by_its_tensors(
    head: str, variant: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Checkpoints whose config names no class, or one that transformers lacks."""
    source, out = tmp_path / "in", tmp_path / "out"
    model = reference.perturbed_model(reference.tiny_config(variant), head=head)
    reference.save_checkpoint(model, source)
    change_config(source, architectures=["Wav2Vec2ForSpeechClassification"])
    assert run("torch", source, out) == 0
    (written,) = json.loads((out / "config.json").read_text())["architectures"]
    assert written == type(model).__name__
    assert "left out" not in caplog.text
    if head not in ("Model", "ForCTC"):
        assert run("torch", source, tmp_path / "base", "--head", "none") == 0
        assert "left out, this head does not use them: " in caplog.text


def test_a_missing_head(tmp_path: Path, style: str, capsys: pytest.CaptureFixture[str]) -> None:
    base = reference.perturbed_model(reference.tiny_config(style), head="Model")
    reference.save_checkpoint(base, tmp_path / "in")
    assert run("torch", tmp_path / "in", tmp_path / "out", "--head", "ctc") == 1
    assert "missing lm_head.weight" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("length", ["399", "1"])
def test_length_below_one_frame(
    source: Path, tmp_path: Path, length: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("saved-model", source, tmp_path / "out", "--length", length) == 1
    assert (
        capsys.readouterr().err
        == f"error: length must be at least 400 samples (one frame), got {length}\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", ["0", "-5", "some", "1.5", ""])
def test_invalid_length(
    source: Path, tmp_path: Path, length: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run("saved-model", source, tmp_path / "out", f"--length={length}")
    assert caught.value.code == 2
    assert "must be 'any' or a number of samples" in capsys.readouterr().err


# saved-model


@packaging
def test_saved_model_at_the_published_length(saved: Path, converted: Path) -> None:
    loaded = tf.saved_model.load(saved)
    speech = reference.noise(1, 246_000)
    wanted = AutoModelForCTC.from_pretrained(converted)(speech)
    np.testing.assert_allclose(loaded(tf.constant(speech)), wanted, atol=1e-5)
    assert Provenance.load(saved / SAVED_MODEL_FACTS) == Provenance.load(converted)


def test_log_softmax_and_inference_of_the_layer_norm_style(
    tiny_folders: dict[str, Path],
    tf_models: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    options = ("--length", "2000", "--log-softmax", "--inference")
    assert run("saved-model", tiny_folders["layer"], out, *options) == 0
    shown = capsys.readouterr().out
    for name in ("serving_default", "with_lengths", "__call__ with lengths", "transcribe"):
        assert f"  {name} " in shown
    speech = reference.noise(2, 2000)
    wanted = tf.nn.log_softmax(tf_models["layer"](speech))
    loaded = tf.saved_model.load(out)
    np.testing.assert_allclose(loaded(tf.constant(speech)), wanted, atol=1e-5)
    with pytest.raises(ValueError, match="Could not find matching concrete function"):
        loaded(tf.constant(speech), training=True)


# package


@packaging
def test_archive_holds_the_saved_model_at_its_root(
    archive: Path, saved: Path, tmp_path: Path
) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    files = {
        path.relative_to(saved): path.read_bytes() for path in saved.rglob("*") if path.is_file()
    }
    assert files == {
        path.relative_to(tmp_path): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert Path("saved_model.pb") in files


@packaging
def test_the_same_model_gives_the_same_archive(archive: Path, saved: Path, tmp_path: Path) -> None:
    assert run("package", saved, tmp_path / "tiny.tar.gz") == 0
    assert (tmp_path / "tiny.tar.gz").read_bytes() == archive.read_bytes()


@packaging
def test_module_card(archive: Path, converted: Path, parity: Path) -> None:
    card = archive.with_name("tiny.md").read_text(encoding="utf-8")
    assert card.startswith("# Module us/tiny/1\n")
    origin = Provenance.load(converted)
    largest = max(
        r["max_difference"]
        for r in json.loads(parity.read_text())["comparisons"]
        if r["part"] == "logits"
    )
    for part in (
        "<!-- asset-path: tiny.tar.gz -->",
        "<!-- task: audio-stt -->",
        "<!-- network-architecture: wav2vec2 -->",
        "<!-- format: saved_model_2 -->",
        "<!-- fine-tunable: true -->",
        "<!-- license: cc-by-nc-4.0 -->",
        "<!-- language: en -->",
        "The checkpoint's licence: `cc-by-nc-4.0`.",
        origin.sha256["model.safetensors"],
        "2 Transformer layers of 24, group norm",
        "246000 samples (15.4 s)",
        "one frame of output in 20 ms",
        "| `speech` float32 (any, 246000) | `logits` float32 (any, 768, 32) |",
        "`lengths` int32 (any), `speech` float32 (any, any)",
        f"| {largest:.2e} |",
        "On `test-clean`:",
        "| padded | 25.00 % | 10.00 % | 60 |",
        "those of the PyTorch checkpoint `published`, converted",
        "arxiv.org/abs/2006.11477",
        "at most 0.0002 passes. Compared: Keras model, with torch 2.",
        "speech 6.7 s: samples 106640",
        "- The reference is transformers' PyTorch model in float32, one utterance at a time.",
    ):
        assert part in card, part


def code_blocks(card: Path) -> list[str]:
    text = card.read_text(encoding="utf-8")
    assert text.count("```") == 2 * text.count("```python")
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@packaging
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:tensorflow_hub")  # pkg_resources is deprecated
def test_every_block_of_the_card_runs(
    saved: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the folder of the archive and its card; the archive is published at an address."""
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    published = tmp_path / "published"
    published.mkdir()
    monkeypatch.chdir(published)
    speech = reference.noise(1, saved_model.PUBLISHED_LENGTH)
    wanted = tf.saved_model.load(saved)(tf.constant(speech))
    with served(published) as address:
        url = f"{address}/tiny.tar.gz"
        assert run("package", saved, published / "tiny.tar.gz", "--url", url) == 0
        card = published / "tiny.md"
        assert f"<!-- asset-path: {url} -->" in card.read_text(encoding="utf-8")
        blocks = code_blocks(card)
        assert len(blocks) == 2
        assert 'tarfile.open("tiny.tar.gz")' in blocks[0] and url in blocks[1]
        for block in blocks:
            names: dict[str, Any] = {}
            exec(block, names)
            assert difference(names["model"](tf.constant(speech)), wanted) < 1e-5
    assert (published / "tiny" / "saved_model.pb").is_file()
    (only,) = code_blocks(archive.with_name("tiny.md"))  # where no address was given
    assert only == blocks[0]


AWKWARD = "sprach-Modell é {x} (1) ?* 'a' \"b\" | %s"


@packaging
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:tensorflow_hub")  # pkg_resources is deprecated
def test_names_with_any_characters(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names in the folder, the archive, its address and the card."""
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    place = tmp_path / AWKWARD / "published"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    model = Path(shutil.copytree(saved, tmp_path / AWKWARD / "model"))
    speech = tf.constant(reference.noise(1, saved_model.PUBLISHED_LENGTH))
    wanted = tf.saved_model.load(saved)(speech)
    with served(place) as address:
        url = f"{address}/{AWKWARD.replace('%', '%25').replace('?', '%3F')}.tar.gz"
        assert run("package", model, f"{AWKWARD}.tar.gz", "--name", AWKWARD, "--url", url) == 0
        card = Path(f"{AWKWARD}.md")
        assert card.read_text(encoding="utf-8").startswith(f"# Module {AWKWARD}\n")
        for block in code_blocks(card):
            names: dict[str, Any] = {}
            exec(block, names)
            assert difference(names["model"](speech), wanted) < 1e-5


@packaging
def test_the_same_archive_of_a_copy_with_other_rights(
    archive: Path, saved: Path, tmp_path: Path
) -> None:
    """The copy links to its files, as a cache does, and was made with another umask."""
    linked, files = tmp_path / "linked", tmp_path / "files"
    shutil.copytree(saved, files)
    for number, path in enumerate(sorted(files.rglob("*"))):
        place = linked / path.relative_to(files)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            place.mkdir(mode=0o700, exist_ok=True)
            continue
        path.chmod(0o600)
        (place.symlink_to if number % 2 else place.hardlink_to)(path)
    assert run("package", linked, tmp_path / "tiny.tar.gz") == 0
    assert (tmp_path / "tiny.tar.gz").read_bytes() == archive.read_bytes()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("a|b", "`a|b`"), ("a`b", "`` a`b ``"), ("``", "``` `` ```"), ("a\n# b", "`a # b`")],
)
def test_code_in_the_card(text: str, wanted: str) -> None:
    assert module_card._code(text) == wanted


@packaging
def test_an_archive_whose_name_is_not_utf_8(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="would not be valid Unicode: name the archive in UTF-8"):
        package(saved, tmp_path / "caf\udce9.tar.gz")
    assert not list(tmp_path.iterdir())


@packaging
def test_the_card_and_the_archive_name_no_path_of_the_machine(
    saved: Path, archive: Path, converted: Path, parity: Path
) -> None:
    card = archive.with_name("tiny.md").read_text(encoding="utf-8")
    with gzip.open(archive) as file:
        content = file.read()
    for folder in (saved, archive.parent, converted.parent, parity.parent, ROOT):
        assert str(folder) not in card
        assert str(folder).encode() not in content


def test_provenance_of_former_releases_is_shown_without_the_path(tmp_path: Path) -> None:
    for recorded, shown in (
        ("/home/me/models/small", "small"),
        ("~/models/small", "small"),
        ("../small", "small"),
        ("C:\\models\\small", "small"),
        ("facebook/wav2vec2-base-960h", "facebook/wav2vec2-base-960h"),
        ("bundled", "bundled"),
    ):
        (tmp_path / "provenance.json").write_text(json.dumps({"source": recorded}))
        assert Provenance.load(tmp_path).source == shown


@packaging
def test_the_archive_holds_nothing_but_the_saved_model(
    saved: Path, converted: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint is never packaged, nor loaded as a SavedModel because one lies beside it."""
    both = Path(shutil.copytree(saved, tmp_path / "both"))
    shutil.copytree(converted, both, dirs_exist_ok=True)
    assert run("package", both, tmp_path / "tiny.tar.gz") == 1
    assert f"name {both}/saved_model.pb if you trust" in capsys.readouterr().err
    assert run("package", both / "saved_model.pb", tmp_path / "tiny.tar.gz") == 0
    assert (tmp_path / "tiny.tar.gz").read_bytes() == archive.read_bytes()


def test_the_address_of_an_archive_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("package", tmp_path, tmp_path / "a.tar.gz", "--url", "models/a.tar.gz") == 1
    error = capsys.readouterr().err
    assert error == "error: --url must be the archive's address, https://…, got models/a.tar.gz\n"


@packaging
def test_module_card_without_provenance(saved: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(saved, tmp_path / "bare"))
    (bare / SAVED_MODEL_FACTS / "provenance.json").unlink()
    assert run("package", bare, tmp_path / "bare.tar.gz") == 0
    card = (tmp_path / "bare.md").read_text(encoding="utf-8")
    assert "<!-- license: unknown -->" in card
    assert "licence: unknown" in card
    assert "Not compared with PyTorch." in card
    assert "Not evaluated." in card


@packaging
@pytest.mark.parametrize(
    ("model", "out", "complaint"),
    [
        ("none", "a.tar.gz", "there is no SavedModel: make one with `wav2vec2-tf convert saved"),
        ("saved", "a.zip", "the archive's name must be NAME.tar.gz"),
        ("saved", ".tar.gz", "the archive's name must be NAME.tar.gz"),
        ("saved", "there.tar.gz", "there.tar.gz exists already"),
        ("saved", "card.tar.gz", "card.md exists already"),
    ],
)
def test_invalid_arguments_of_package(
    saved: Path,
    tmp_path: Path,
    model: str,
    out: str,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("there.tar.gz", "card.md"):
        (tmp_path / name).write_text("precious")
    source = saved if model == "saved" else tmp_path / "none"
    assert run("package", source, tmp_path / out) == 1
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert complaint in shown.err
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
        "there.tar.gz": "precious",
        "card.md": "precious",
    }


@packaging
def test_a_file_that_is_no_report(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "parity.json").write_text("{}")
    for options in (["--parity", tmp_path / "parity.json"], ["--wer", tmp_path / "parity.json"]):
        assert run("package", saved, tmp_path / "a.tar.gz", *options) == 1
        shown = capsys.readouterr()
        assert shown.err.startswith("error: ")
        assert shown.err.count("\n") == 1
        assert str(tmp_path / "parity.json") in shown.err
        assert [path.name for path in tmp_path.iterdir()] == ["parity.json"]


@packaging
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"equal": False}, "says that the model differs"),
        ({"head": "Model"}, "the certificate is of ('wav2vec2', 'Model'), and the SavedModel of"),
        ({"sha256": {"model.safetensors": "0" * 64}}, "is of another checkpoint"),
        ({"comparisons": 5}, "not a report of `convert verify` or `eval wer`"),
        ({"comparisons": [{}]}, "not a report of `convert verify` or `eval wer`"),
    ],
)
def test_a_certificate_of_another_model(
    changes: dict[str, Any],
    complaint: str,
    saved: Path,
    parity: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "parity.json"
    path.write_text(json.dumps({**json.loads(parity.read_text()), **changes}))
    assert run("package", saved, tmp_path / "a.tar.gz", "--parity", path) == 1
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert complaint in shown.err
    assert [path.name for path in tmp_path.iterdir()] == ["parity.json"]


@packaging
def test_a_certificate_of_another_language(
    saved: Path, parity: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All languages of MMS share all weights except their adapters."""
    values = json.loads(parity.read_text())
    values["sha256"]["adapter.deu.safetensors"] = "0" * 64
    path = tmp_path / "parity.json"
    path.write_text(json.dumps(values))
    assert run("package", saved, tmp_path / "a.tar.gz", "--parity", path) == 1
    assert "of another checkpoint, or another language of it" in capsys.readouterr().err


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Yields the address of an HTTP server on loopback for the files in a folder."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


RUN_MODEL = """
import sys
import numpy as np
expected = np.load(sys.argv[1])
print(float(np.abs(model(tf.constant(expected["speech"])) - expected["logits"]).max()))
"""


@pytest.mark.slow
def test_published_inference_page_from_an_address(
    archive: Path, converted: Path, tmp_path: Path
) -> None:
    """Loads the archive from a server, by the page's code with another address."""
    speech = reference.noise(2, 246_000)
    logits = AutoModelForCTC.from_pretrained(converted)(speech).numpy()
    np.savez(tmp_path / "expected.npz", speech=speech, logits=logits)
    with served(archive.parent) as address:
        page = FINE_TUNED_PAGE.replace(
            "https://tfhub.dev/vasudevgupta7/wav2vec2-960h/1", f"{address}/{archive.name}"
        )
        settings = {"TFHUB_CACHE_DIR": str(tmp_path / "cache"), "no_proxy": "127.0.0.1"}
        off = run_with_hub(page + RUN_MODEL, tmp_path / "expected.npz", **settings)
    assert float(off) < 1e-5
