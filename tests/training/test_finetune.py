"""Fine-tuning: PyTorch's steps, exact resumption, frozen parts, and errors."""

from __future__ import annotations

import errno
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file

from tests.support import reference
from tests.support.training import (
    CORPUS,
    PATIENCE,
    SHALLOW,
    interrupted_at,
    killed_at,
    log_lines,
    losses,
    without_determinism,
)
from wav2vec2_tf import Processor, UserError, Wav2Vec2Config, Wav2Vec2ForCTC
from wav2vec2_tf.audio import load
from wav2vec2_tf.audio.normalization import normalize
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.training import checkpoints as checkpoint_files
from wav2vec2_tf.training.batches import Batches
from wav2vec2_tf.training.finetune import finetune
from wav2vec2_tf.training.optimizer import decays
from wav2vec2_tf.training.settings import FinetuneOptions

WITHOUT_RANDOMNESS = {
    "hidden_dropout": 0.0,
    "activation_dropout": 0.0,
    "attention_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "final_dropout": 0.0,
    "layerdrop": 0.0,
    "mask_time_prob": 0.0,
}
RANDOMNESS = {"hidden_dropout": 0.1, "layerdrop": 0.2, "mask_time_prob": 0.3, "mask_time_length": 3}

pytestmark = pytest.mark.xdist_group("finetune")


def save_model(folder: Path, variant: str, **changes: Any) -> Path:
    """Saves a shallow random model with the bundled model's vocabulary."""
    config = reference.tiny_config(variant, vocab_size=32, **{**SHALLOW, **changes})
    reference.save_checkpoint(reference.perturbed_model(config), folder)
    Processor.from_pretrained(BUNDLED_MODEL).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("tiny"), "wav2vec2-group")


def make_settings(tiny: Path, output: Path) -> FinetuneOptions:
    """Returns settings of a deterministic run: eight utterances, three batches per epoch."""
    return FinetuneOptions(
        model=str(tiny),
        output=str(output),
        train=(str(CORPUS),),
        longest_seconds=2.0,
        batch_seconds=6.0,
        steps=3,
        save_every=3,
        rate=1e-3,
        model_config=WITHOUT_RANDOMNESS,
    )


@pytest.fixture
def settings(tiny: Path, tmp_path: Path) -> FinetuneOptions:
    return make_settings(tiny, tmp_path / "run")


@pytest.fixture(scope="module")
def exact(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneOptions:
    """The settings of a finished, deterministic run. Tests do not change it."""
    settings = make_settings(tiny, tmp_path_factory.mktemp("exact") / "run")
    finetune(settings)
    return settings


@pytest.fixture(scope="module")
def drawn(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneOptions:
    """The settings of a finished run, with dropout, masks and an evaluation after each epoch.

    Shared: tests leave it as it is.
    """
    settings = with_randomness(make_settings(tiny, tmp_path_factory.mktemp("drawn") / "run"))
    finetune(settings)
    return settings


def with_randomness(settings: FinetuneOptions) -> FinetuneOptions:
    """Returns settings: six steps, two per epoch, saved after steps 2, 3, 4 and 6."""
    return replace(settings, dev=(str(CORPUS),), steps=6, model_config=RANDOMNESS, accumulate=2)


def copied(run: FinetuneOptions, folder: Path) -> FinetuneOptions:
    """Copies a run; returns the settings of the copy."""
    shutil.copytree(run.output, folder)
    return replace(run, output=str(folder))


def weights(settings: FinetuneOptions, which: str = "last") -> dict[str, np.ndarray]:
    return load_file(Path(settings.output) / which / "model.safetensors")


def changed_keys(settings: FinetuneOptions) -> set[str]:
    """Returns the names of the weights that a run has changed."""
    before, after = load_file(Path(settings.model) / "model.safetensors"), weights(settings)
    return {key for key in after if not np.array_equal(after[key], before[key])}


def checkpoints(settings: FinetuneOptions) -> list[int]:
    """Returns the steps of the checkpoints of a run."""
    return sorted(int(path.name) for path in (Path(settings.output) / "checkpoints").iterdir())


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def assert_same_run(run: FinetuneOptions, other: FinetuneOptions) -> None:
    assert same(weights(run), weights(other))
    assert same(weights(run, "best"), weights(other, "best"))
    assert log_lines(run.output) == log_lines(other.output)


def arguments(settings: FinetuneOptions, folder: Path) -> list[str]:
    path = folder / "settings.yaml"
    path.write_text(settings.to_yaml(), encoding="utf-8")
    return ["finetune", str(path)]


def command(settings: FinetuneOptions, folder: Path) -> list[str]:
    return [sys.executable, "-m", "wav2vec2_tf.cli", *arguments(settings, folder)]


# Against PyTorch


def torch_steps(model: Any, settings: FinetuneOptions, steps: list[list[list[str]]]) -> None:
    """Trains the same steps in PyTorch, one utterance at a time."""
    audio = {path.stem: normalize(load(path)) for path in CORPUS.rglob("*.flac")}
    (transcripts,) = CORPUS.rglob("*.trans.txt")
    texts = dict(line.split(" ", 1) for line in transcripts.read_text().splitlines())
    tokenizer = Processor.from_pretrained(settings.model).tokenizer
    assert tokenizer is not None
    model.train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "feature_extractor" not in name
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for _, p in trained if decays(p) is decayed], "weight_decay": decayed * 0.01}
        for decayed in (True, False)
    ]
    optimizer = torch.optim.AdamW(groups, betas=settings.betas, eps=settings.epsilon)
    for number, batches in enumerate(steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate(number, len(steps))
        ids = [name for batch in batches for name in batch]
        labels = [tokenizer.encode(texts[name]) for name in ids]
        for name, label in zip(ids, labels, strict=True):
            logits = model(torch.tensor(audio[name])[None]).logits[0].double()
            loss = torch.nn.functional.ctc_loss(
                logits.log_softmax(-1),
                torch.tensor(label),
                torch.tensor(len(logits)),
                torch.tensor(len(label)),
                reduction="sum",
            )
            (loss / sum(map(len, labels))).backward()
        torch.nn.utils.clip_grad_norm_([p for _, p in trained], settings.clip_norm)
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize(("variant", "accumulate"), [("wav2vec2-group", 2), ("wav2vec2-layer", 1)])
def test_three_steps_give_torchs_parameters(
    settings: FinetuneOptions, tmp_path: Path, variant: str, accumulate: int
) -> None:
    source = save_model(tmp_path / "model", variant, **WITHOUT_RANDOMNESS)
    settings = replace(settings, model=str(source), accumulate=accumulate)
    names: list[list[list[str]]] = []

    from wav2vec2_tf.training import trainer

    def remembered(self: Any, iterator: Any, batches: Any) -> dict[str, float]:
        names.append([self.batches.ids(batch) for batch in batches])
        return step(self, iterator, batches)

    step = trainer.Trainer.step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.Trainer, "step", remembered)
        finetune(settings)
    theirs = transformers.Wav2Vec2ForCTC.from_pretrained(source)
    assert max(len(batch) for batches in names for batch in batches) > 1  # ragged batches
    torch_steps(theirs, settings, names)
    ours = weights(settings)
    moved = changed_keys(settings)
    for key, value in theirs.state_dict().items():
        if key.endswith("k_proj.bias"):  # its gradient is zero up to rounding
            continue
        np.testing.assert_allclose(ours[key], value.numpy(), rtol=0, atol=1e-5, err_msg=key)
        still = "feature_extractor" in key or key == "wav2vec2.masked_spec_embed"
        assert (key in moved) == (not still), key


def test_accumulated_batches_are_one_large_batch(settings: FinetuneOptions) -> None:
    once = replace(settings, batch_seconds=40.0, steps=2)
    finetune(once)

    # rows differ in width, so the large batch is cut into small ones in the same order
    def cut(self: Batches, epoch: int) -> list[list[np.ndarray]]:
        return [np.array_split(batch, 3) for (batch,) in whole(self, epoch)]

    parts = replace(once, output=settings.output + "-parts")
    whole = Batches.steps
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batches, "steps", cut)
        finetune(parts)
    for one, other in zip(log_lines(once.output), log_lines(parts.output), strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert other["norm"] == pytest.approx(one["norm"], rel=1e-4)


# Resuming


def test_a_run_that_died_and_was_interrupted_ends_with_the_same_weights_to_the_bit(
    settings: FinetuneOptions, drawn: FinetuneOptions, caplog: pytest.LogCaptureFixture
) -> None:
    run = replace(drawn, output=settings.output)
    with killed_at(3):
        finetune(run)
    assert checkpoints(run) == [2, 3]
    with interrupted_at(4):
        finetune(run)
    assert checkpoints(run) == [4, 5]  # the step is completed first
    finetune(run)
    assert "resuming from step 3 of 6" in caplog.text
    assert "resuming from step 5 of 6" in caplog.text
    assert_same_run(run, drawn)
    assert len(set(losses(run.output))) == 6


@pytest.mark.slow
def test_a_killed_process_ends_with_the_same_weights_to_the_bit(
    settings: FinetuneOptions, tmp_path: Path
) -> None:
    settings = replace(with_randomness(settings), steps=9, save_every=2)
    whole = replace(settings, output=str(tmp_path / "whole"))
    subprocess.run(command(whole, tmp_path), check=True, capture_output=True)
    log = Path(settings.output) / "log.jsonl"
    for step, sent, status in ((3, signal.SIGKILL, -9), (7, signal.SIGINT, 130)):
        run = subprocess.Popen(
            command(settings, tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + PATIENCE
        while not (log.exists() and f'"step": {step}' in log.read_text()):
            assert run.poll() is None
            assert time.monotonic() < end
            time.sleep(0.001)
        run.send_signal(sent)
        run.wait(PATIENCE)
        assert run.returncode == status
    last = subprocess.run(command(settings, tmp_path), check=True, capture_output=True, text=True)
    assert "resuming from step" in last.stderr
    assert_same_run(settings, whole)
    assert len(set(losses(whole.output))) == 9
    assert not list(Path(settings.output).rglob(".*"))


def test_a_damaged_checkpoint_loses_one_interval_with_a_warning(
    drawn: FinetuneOptions, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = copied(drawn, tmp_path / "run")
    assert checkpoints(run) == [4, 6]
    folder = Path(run.output) / "checkpoints"
    tensors = folder / "00000006" / checkpoint_files.TENSORS_FILE
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)
    finetune(run)
    assert "00000006: the checkpoint is damaged; trying the checkpoint before it" in caplog.text
    assert "resuming from step 4 of 6" in caplog.text
    assert_same_run(run, drawn)
    state = folder / "00000006" / checkpoint_files.FACTS_FILE  # the loop's own state counts too
    state.write_text(state.read_text().replace('"since_best": ', '"since_best": 1'))
    finetune(run)
    assert caplog.text.count("resuming from step 4 of 6") == 2
    assert_same_run(run, drawn)
    for path in folder.iterdir():
        (path / checkpoint_files.FACTS_FILE).write_text("{")
    with pytest.raises(
        UserError, match="every checkpoint is damaged: start the run again with --restart"
    ):
        finetune(run)
    finetune(run, restart=True)
    assert_same_run(run, drawn)


def test_a_full_disk_loses_one_interval_with_an_error(
    settings: FinetuneOptions, drawn: FinetuneOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = replace(drawn, output=settings.output)
    write = checkpoint_files.write_safetensors

    def full(path: Path, tensors: Any) -> None:
        if "00000004" in str(path):
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, tensors)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_files, "write_safetensors", full)
        with pytest.raises(
            UserError, match="No space left .* the last one is of step 3: free some space"
        ):
            finetune(run)
    folder = Path(run.output) / "checkpoints"
    # no partial checkpoint
    assert sorted(path.name for path in folder.iterdir()) == ["00000002", "00000003"]
    finetune(run)
    assert_same_run(run, drawn)


def test_a_run_resumes_with_the_same_settings_only(exact: FinetuneOptions, tmp_path: Path) -> None:
    run = copied(exact, tmp_path / "run")
    with pytest.raises(UserError, match=r"holds a run with another rate: .*--restart"):
        finetune(replace(run, rate=2e-3))
    with pytest.raises(UserError, match=r"holds a run with another corpus"):
        finetune(replace(run, train=(str(CORPUS.parent / "1002"),)))
    assert_same_run(run, exact)
    finetune(replace(run, rate=2e-3), restart=True)
    assert not same(weights(run), weights(exact))


def test_a_folder_of_something_else_is_left_alone(settings: FinetuneOptions) -> None:
    output = Path(settings.output)
    output.mkdir()
    (output / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds thesis.txt and no training run"):
        finetune(settings, restart=True)
    assert (output / "thesis.txt").read_text() == "mine"


# Frozen and trained parts


def test_parts_are_frozen_or_trained_alone(settings: FinetuneOptions) -> None:
    before = load_file(Path(settings.model) / "model.safetensors")

    def changed(**options: Any) -> set[str]:
        name = "-".join(options)
        run = replace(settings, output=f"{settings.output}-{name}", steps=1, **options)
        finetune(run)
        return changed_keys(run)

    assert changed(train_only=("lm_head",)) == {"lm_head.weight", "lm_head.bias"}
    left = changed(freeze=("encoder", "lm_head", "feature_encoder"))
    assert left == {key for key in before if ".feature_projection." in key}
    with pytest.raises(UserError, match="no part 'enocder'; did you mean encoder?"):
        changed(freeze=("enocder",))
    with pytest.raises(UserError, match="freeze leaves no variable to train"):
        changed(freeze=("lm_head", "base_model"))
    with pytest.raises(UserError, match="head_only_steps needs a trained head"):
        changed(freeze=("lm_head",), head_only_steps=2)


def test_the_head_alone_goes_first(settings: FinetuneOptions) -> None:
    first = replace(settings, steps=2, head_only_steps=2)
    finetune(first)
    assert changed_keys(first) == {"lm_head.weight", "lm_head.bias"}
    then = replace(settings, output=settings.output + "-then", head_only_steps=2, steps=3)
    finetune(then)
    assert len(changed_keys(then)) > 20


def test_adapters_of_a_language_are_trained_alone(
    settings: FinetuneOptions, tmp_path: Path
) -> None:
    source = save_model(tmp_path / "mms", "mms", **WITHOUT_RANDOMNESS)
    run = replace(settings, model=str(source), steps=2, train_only=("adapter_layer", "lm_head"))
    finetune(run)
    changed = changed_keys(run)
    assert changed and all(".adapter_layer." in key or "lm_head" in key for key in changed)
    assert any(".adapter_layer." in key for key in changed)


# Output


def test_a_new_vocabulary_and_the_best_model(
    settings: FinetuneOptions,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wav2vec2_tf.utils.progress.QUIET_SECONDS", 0.0)
    run = replace(
        settings,
        dev=(str(CORPUS),),
        vocabulary="transcripts",
        letter_case="lower",
        steps=8,
        patience=1,
        rate=1e-9,  # the score never improves
    )
    result = finetune(run)
    assert result.metrics.keys() == {"wer", "cer"}
    output = Path(run.output)
    assert (result.best, result.is_chief) == (output / "best", True)
    vocabulary = json.loads((output / "best" / "vocab.json").read_text())
    assert list(vocabulary)[:5] == ["<pad>", "<s>", "</s>", "<unk>", "|"]
    assert list(vocabulary)[5:] == sorted(list(vocabulary)[5:]) and "e" in vocabulary
    theirs, info = transformers.Wav2Vec2ForCTC.from_pretrained(
        output / "best", output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert theirs.config.vocab_size == len(vocabulary)
    measured = [line for line in log_lines(run.output) if "dev_wer" in line]
    assert len(measured) == 2  # the second is no better, and patience runs out
    assert log_lines(run.output)[-1]["step"] < 8
    progress = capsys.readouterr().err.splitlines()
    of_epochs = [line for line in progress if line.startswith("training: ") and "dev wer" in line]
    for number, figures in enumerate(measured, start=1):
        place = f"training: {figures['step']} of 8 steps ("
        end = rf"epoch {number}, loss [\d.]+, dev wer {figures['dev_wer']:.4g}, dev cer .*"
        assert any(line.startswith(place) and re.search(end, line) for line in of_epochs), progress
    assert any(line.startswith("dev: ") and "(100 %)" in line for line in progress)
    assert (output / "curves.png").read_bytes().startswith(b"\x89PNG")
    (events,) = (output / "events").iterdir()
    assert b"dev_wer" in events.read_bytes()
    from wav2vec2_tf.transcription.recognizer import Recognizer

    assert Recognizer.load(output / "best").transcribe([np.zeros(4000, np.float32)])


@pytest.mark.parametrize(
    "precision", [pytest.param("mixed_bfloat16", marks=pytest.mark.bfloat16), "mixed_float16"]
)
def test_mixed_precision_keeps_float32_weights(
    settings: FinetuneOptions, exact: FinetuneOptions, precision: str
) -> None:
    run = replace(settings, precision=precision)
    finetune(run)
    for one, other in zip(log_lines(exact.output), log_lines(run.output), strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=0.05)
    assert all(value.dtype == np.float32 for value in weights(run).values())


def test_compiled_steps_are_the_same(settings: FinetuneOptions) -> None:
    # one batch an epoch, and so one shape to compile
    exact = replace(settings, steps=2, batch_seconds=40.0, jit_compile=True)
    finetune(exact)
    run = replace(exact, output=settings.output + "-checkpointing", gradient_checkpointing=True)
    finetune(run)
    for one, other in zip(log_lines(exact.output), log_lines(run.output), strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert other["norm"] == pytest.approx(one["norm"], rel=1e-4)


# Errors and early ends


def test_a_loss_that_becomes_nan_stops_and_names_the_batch(settings: FinetuneOptions) -> None:
    run = replace(settings, rate=1e25, clip_norm=0.0)
    with pytest.raises(
        UserError,
        match=r"(loss|gradients) became .* at step \d \(batch: 1001-1-00.*: lower .*the weights",
    ):
        finetune(run)
    assert all(np.isfinite(value).all() for value in weights(run).values())


def test_an_empty_manifest_is_one_line(
    settings: FinetuneOptions,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_determinism(monkeypatch)
    run = with_empty_manifest(settings, tmp_path)
    assert main(arguments(run, tmp_path)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "no rows" in line
    assert not Path(run.output).exists()


@pytest.mark.slow
def test_a_process_prints_that_line_alone(settings: FinetuneOptions, tmp_path: Path) -> None:
    run = with_empty_manifest(settings, tmp_path)
    result = subprocess.run(command(run, tmp_path), capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1 and "no rows" in result.stderr


def with_empty_manifest(settings: FinetuneOptions, folder: Path) -> FinetuneOptions:
    manifest = folder / "empty.tsv"
    manifest.write_text("path\tsentence\n")
    return replace(settings, train=(str(manifest),))


def test_letters_outside_the_vocabulary_are_listed(settings: FinetuneOptions) -> None:
    with pytest.raises(UserError, match=r"LATIN SMALL LETTER E ×\d+"):
        finetune(replace(settings, letter_case="lower"))
    shutil.rmtree(settings.output, ignore_errors=True)


def test_a_model_without_vocabulary_is_an_error_that_helps(
    settings: FinetuneOptions, tmp_path: Path
) -> None:
    source = tmp_path / "bare"
    shutil.copytree(settings.model, source)
    (source / "vocab.json").unlink()
    with pytest.raises(UserError, match="build one with vocabulary: transcripts"):
        finetune(replace(settings, model=str(source)))


def test_a_base_of_another_family_learns_devanagari(tmp_path: Path) -> None:
    """Wav2Vec2-BERT, pre-trained without adapter or head, on OpenSLR 54's layout."""
    source, data = tmp_path / "bert", tmp_path / "asr_nepali"
    theirs = reference.perturbed_model(reference.tiny_config("bert", num_hidden_layers=1))
    theirs = type(theirs.wav2vec2_bert)._from_config(theirs.config)
    reference.save_checkpoint(theirs, source)
    extractor = transformers.SeamlessM4TFeatureExtractor()
    extractor.save_pretrained(source)
    texts = {"00a1": "नमस्ते संसार", "00b2": "काठमाडौं", "01c3": "क्या र ज्ञान"}
    import soundfile

    for number, name in enumerate(texts):
        folder = data / "data" / name[:2]
        folder.mkdir(parents=True, exist_ok=True)
        tone = np.sin(np.arange(24000 + 4000 * number) * 0.05 * (number + 1)) * 0.3
        soundfile.write(folder / f"{name}.flac", tone, 16000)
    rows = "".join(f"{name}\tspeaker\t{text}\n" for name, text in texts.items())
    (data / "utt_spk_text.tsv").write_text(rows, encoding="utf-8")
    run = FinetuneOptions(
        model=str(source),
        output=str(tmp_path / "run"),
        train=(str(data),),
        dev=(str(data),),
        vocabulary="transcripts",
        model_config={"add_adapter": True, "layerdrop": 0.0, "mask_time_prob": 0.0},
        steps=3,
        rate=1e-3,
        batch_seconds=10,
    )
    finetune(run)
    first, *_, last = losses(run.output)
    assert last < first
    vocabulary = json.loads((Path(run.output) / "best" / "vocab.json").read_text("utf-8"))
    assert {"क", "्", "ं", "े"} <= vocabulary.keys()
    model = transformers.Wav2Vec2BertForCTC.from_pretrained(Path(run.output) / "best")
    assert model.config.add_adapter and model.wav2vec2_bert.adapter is not None


def test_settings_of_a_new_config_are_the_models(settings: FinetuneOptions) -> None:
    with pytest.raises(UserError, match="the config has no field mask_time_porb; did you mean"):
        finetune(replace(settings, model_config={"mask_time_porb": 0.1}))
    assert isinstance(Wav2Vec2ForCTC.skeleton(Wav2Vec2Config()), Wav2Vec2ForCTC)
