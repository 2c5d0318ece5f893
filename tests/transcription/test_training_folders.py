"""Checkpoint folders as training runs and `Wav2Vec2ProcessorWithLM` leave them."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from convert.__main__ import main as convert
from eval.wer.evaluate import evaluate
from eval.wer.options import EvaluateOptions
from tests.support.paths import CORPUS, TEXT
from wav2vec2_tf import (
    AutoConfig,
    Processor,
    Recognizer,
    TranscribeOptions,
    Transcriber,
    UserError,
    load_audio,
)
from wav2vec2_tf.checkpoint.hub import HubOptions
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.models.feature_extractor import feature_extractor
from wav2vec2_tf.serving.models import load_models
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.training.finetune import finetune, load_processor
from wav2vec2_tf.training.settings import FinetuneOptions
from wav2vec2_tf.transcription.long_form import windows

FILE = CORPUS / "1003" / "1" / "1003-1-0000.flac"
PROCESSOR_FILES = ("vocab.json", "tokenizer_config.json", "preprocessor_config.json")


@pytest.fixture(scope="module")
def checkpoint_500(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as transformers' Trainer writes it: no processor, and the state of the training."""
    folder = tmp_path_factory.mktemp("run") / "checkpoint-500"
    shutil.copytree(BUNDLED_MODEL, folder)
    for path in folder.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    (folder / "trainer_state.json").write_text("{}")
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"):
        (folder / name).write_bytes(b"not read by anything")
    return folder


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bundled model's processor and nothing else."""
    folder = tmp_path_factory.mktemp("processor")
    for name in PROCESSOR_FILES:
        if (BUNDLED_MODEL / name).exists():
            shutil.copy(BUNDLED_MODEL / name, folder)
    return folder


def test_a_processor_from_elsewhere(
    checkpoint_500: Path, processor: Path, bundled_recognizer: Recognizer
) -> None:
    (expected,) = bundled_recognizer.transcribe([load_audio(FILE)])
    with pytest.raises(UserError, match=r"has no vocab\.json.*name a folder that has it \(--proc"):
        Recognizer.load(checkpoint_500)
    options = TranscribeOptions(processor=str(processor))
    assert Transcriber(checkpoint_500, options).transcribe(FILE).text == expected.text


def test_the_revision_is_that_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other options of the hub are for both."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def resolve(source: str, **hub: Any) -> Path:
        asked.append((source, hub))
        return BUNDLED_MODEL

    monkeypatch.setattr("wav2vec2_tf.checkpoint.hub.resolve", resolve)
    hub = {"revision": "v2", "token": "t", "cache_dir": None, "local_files_only": True}
    Processor.of_model("us/model", None, **hub)
    Processor.of_model("us/model", "us/base", **hub)
    assert asked == [("us/model", hub), ("us/base", {**hub, "revision": None})]


def test_programs_take_it(
    checkpoint_500: Path, processor: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--model", str(checkpoint_500), "--processor", str(processor)]
    assert main(["transcribe", str(FILE), *flags]) == 0
    text = capsys.readouterr().out
    assert main(["transcribe", str(FILE)]) == 0
    assert capsys.readouterr().out == text != ""
    aligned = ["align", str(FILE), "--text", text, "--format", "tsv"]
    assert main(aligned) == main([*aligned, *flags]) == 0
    first, second = np.array_split(capsys.readouterr().out.splitlines(), 2)
    assert first.tolist() == second.tolist() != []
    out = tmp_path / "whole"
    assert convert(["torch", str(checkpoint_500), str(out), "--processor", str(processor)]) == 0
    assert main(["transcribe", str(FILE), "--model", str(out)]) == 0
    assert text in capsys.readouterr().out


@pytest.mark.parametrize("name", ["", "mine="])
def test_served_with_it(
    checkpoint_500: Path,
    processor: Path,
    name: str,
    bundled_recognizer: Recognizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wav2vec2_tf.serving.models.warm_up", lambda *arguments: None)
    models, processors = (f"mine={checkpoint_500}",), (f"{name}{processor}",)
    (mine,) = load_models(ServeOptions(models=models, processors=processors), windows(1.0, 1.0))
    assert mine.recognizers[None].tokenizer.tokens == bundled_recognizer.tokenizer.tokens


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("mime=folder",), r"NAME=FOLDER .* got 'mime=folder'; did you mean mine\?"),
        (("mine=",), "NAME=FOLDER with a model's name, got 'mine='"),
        (("a", "mine=b"), "the model mine has two processors"),
    ],
)
def test_a_processor_is_of_a_served_model(given: tuple[str, ...], message: str) -> None:
    options = ServeOptions(models=("mine=nowhere", "other=nowhere"), processors=given)
    with pytest.raises(UserError, match=message):
        load_models(options, windows(1.0, 1.0))


def test_trained_with_it(checkpoint_500: Path, processor: Path, tmp_path: Path) -> None:
    folder = str(tmp_path / "run")
    options = FinetuneOptions(
        model=str(checkpoint_500), processor=str(processor), output=folder, train=("none",)
    )
    found = load_processor(options, [], HubOptions()).tokenizer
    wanted = Processor.from_pretrained(BUNDLED_MODEL).tokenizer
    assert found is not None and wanted is not None and found.tokens == wanted.tokens
    with pytest.raises(UserError, match="checkpoint-500 has no vocabulary: build one"):
        load_processor(replace(options, processor=None), [], HubOptions())


def test_trained_with_the_processor_of_another_model(processor: Path, tmp_path: Path) -> None:
    other = shutil.copytree(processor, tmp_path / "other")
    tokens = ("<pad>", "<s>", "</s>", "<unk>", "|", "A")
    (other / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    options = FinetuneOptions(
        model="bundled", processor=str(other), output=str(tmp_path / "run"), train=(str(CORPUS),)
    )
    with pytest.raises(UserError, match="the vocabulary has 6 tokens and the model's head 32"):
        finetune(options)


def test_a_vocabulary_whose_blank_is_not_named(tmp_path: Path) -> None:
    """Without it every frame would be a letter: "[PAD][PAD]H[PAD]I"."""
    folder = shutil.copytree(BUNDLED_MODEL, tmp_path / "model")
    tokens = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    tokens = {token.replace("<pad>", "[PAD]"): index for token, index in tokens.items()}
    (folder / "vocab.json").write_text(json.dumps(tokens))
    (folder / "tokenizer_config.json").unlink()
    config = AutoConfig.from_pretrained(folder)
    with pytest.raises(UserError, match="the vocabulary lacks the blank, '<pad>': name the token"):
        Processor.from_pretrained(folder).tokenizer_for(folder, config)
    (folder / "tokenizer_config.json").write_text('{"pad_token": "[PAD]"}')
    assert Processor.from_pretrained(folder).tokenizer_for(folder, config).pad_token_id == 0


def test_evaluated_with_it(
    checkpoint_500: Path, processor: Path, tmp_path: Path, bundled_recognizer: Recognizer
) -> None:
    """Results of another processor are not taken over: it is part of the run's identity."""
    options = EvaluateOptions(modes=("variable",), limit=1, processor=str(processor))
    found = evaluate(checkpoint_500, CORPUS, options, resume=tmp_path / "journal")
    assert found.options["processor"] == str(processor)
    (wanted,) = evaluate(
        bundled_recognizer, CORPUS, replace(options, processor=None)
    ).modes.values()
    (mode,) = found.modes.values()
    assert mode.rows == wanted.rows
    with pytest.raises(UserError, match="left by a run with another"):
        other = replace(options, processor=str(BUNDLED_MODEL))
        evaluate(checkpoint_500, CORPUS, other, resume=tmp_path / "journal")


def test_the_processor_of_an_export_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"")
    with pytest.raises(UserError, match="an exported model has a processor: leave processor out"):
        Recognizer.load(tmp_path / "model.tflite", processor=tmp_path)


@pytest.mark.parametrize(
    ("model_type", "kind"),
    [
        ("wav2vec2", transformers.Wav2Vec2FeatureExtractor),
        ("wavlm", transformers.Wav2Vec2FeatureExtractor),
        ("wav2vec2-bert", transformers.SeamlessM4TFeatureExtractor),
    ],
)
def test_defaults_are_those_of_transformers(
    tmp_path: Path, model_type: str, kind: type, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with caplog.at_level(logging.WARNING):
        ours = Processor.from_pretrained(tmp_path).feature_extractor
    (line,) = caplog.messages
    assert "has no preprocessor_config.json, so transformers' defaults are used" in line
    assert "16000 Hz" in line and "\n" not in line
    theirs = kind().to_dict()
    fields = {name: value for name, value in vars(ours).items() if name in theirs}
    assert fields == {name: theirs[name] for name in fields} and len(fields) > 4
    assert ours.kind == kind.__name__


def test_a_processor_without_a_model_still_needs_its_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"preprocessor_config\.json: no such file"):
        feature_extractor(tmp_path)


def with_language_model(folder: Path, weights: str) -> Path:
    shutil.copytree(BUNDLED_MODEL, folder)
    (folder / "alphabet.json").write_text('{"labels": [], "is_bpe": false}')
    (folder / "language_model").mkdir()
    (folder / "language_model" / "attrs.json").write_text(weights)
    return folder


def test_a_language_model_is_not_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = with_language_model(tmp_path / "model", '{"alpha": 0.5, "beta": 1.5}')
    Recognizer.load(folder)  # from a hub: the n-gram file itself is not fetched
    wanted = "has a language model, used only if it is named: --lm "
    weights = " --lm-weight 0.5 --word-score 1.5"
    file = folder / "language_model" / "5gram.arpa"
    assert caplog.messages[0].startswith(f"{folder}: {wanted}FILE, a copy of the n-gram file")
    assert caplog.messages[0].endswith(weights)
    shutil.copy(TEXT / "small.arpa", file)
    caplog.clear()
    Recognizer.load(folder)
    assert caplog.messages == [f"{folder}: {wanted}{file}{weights}"]
    assert main(["transcribe", str(FILE), "--lm", str(file), *weights.split()]) == 0


@pytest.mark.parametrize(
    "weights", ['{"alpha": NaN, "beta": 1e999}', '{"alpha": 1' + "0" * 400 + "}"]
)
def test_weights_that_are_none(
    tmp_path: Path, weights: str, caplog: pytest.LogCaptureFixture
) -> None:
    Recognizer.load(with_language_model(tmp_path / "model", weights))
    assert caplog.messages[0].endswith("in language_model")


def test_wrapped_weights_are_loaded(checkpoint_500: Path, processor: Path, tmp_path: Path) -> None:
    """A state dict of `DistributedDataParallel` transcribes as the model itself."""
    import safetensors.torch

    folder = tmp_path / "parallel"
    folder.mkdir()
    shutil.copy(checkpoint_500 / "config.json", folder)
    state = safetensors.torch.load_file(checkpoint_500 / "model.safetensors")
    torch.save(
        {f"module.{key}": value for key, value in state.items()}, folder / "pytorch_model.bin"
    )
    speech = load_audio(FILE)
    wrapped, plain = (
        Recognizer.load(source, processor=processor).transcribe([speech])
        for source in (folder, checkpoint_500)
    )
    assert wrapped == plain
