"""Checkpoint folders as training runs and `Wav2Vec2ProcessorWithLM` leave them."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

from convert.__main__ import main as convert
from eval.wer.evaluate import evaluate
from eval.wer.options import EvaluateOptions
from tests.support.paths import CORPUS, TEXT
from wav2vec2_tf import (
    Processor,
    Recognizer,
    TranscribeOptions,
    Transcriber,
    UserError,
    load_audio,
)
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.models.feature_extractor import feature_extractor

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


def test_programs_take_it(
    checkpoint_500: Path, processor: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--model", str(checkpoint_500), "--processor", str(processor)]
    assert main(["transcribe", str(FILE), *flags]) == 0
    text = capsys.readouterr().out
    assert main(["transcribe", str(FILE)]) == 0
    assert capsys.readouterr().out == text != ""
    out = tmp_path / "whole"
    assert convert(["torch", str(checkpoint_500), str(out), "--processor", str(processor)]) == 0
    assert main(["transcribe", str(FILE), "--model", str(out)]) == 0
    assert text in capsys.readouterr().out


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
