"""Pre-training from end to end: from scratch and from a checkpoint, resumed, evaluated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tensorflow as tf
import transformers

from tests.support import reference
from tests.support.training import Killed, killed_at, log_lines
from wav2vec2_tf.checkpoint.hub import HubOptions
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.data.corpus import open_corpus
from wav2vec2_tf.models.base import Wav2Vec2ForCTC
from wav2vec2_tf.models.heads import Wav2Vec2ForPreTraining
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.training.batches import Batches
from wav2vec2_tf.training.contrastive import PreTrainingObjective
from wav2vec2_tf.training.evaluation import PreTrainingEvaluation
from wav2vec2_tf.training.examples import select_examples
from wav2vec2_tf.training.pretrain import pretrain
from wav2vec2_tf.training.settings import PretrainOptions
from wav2vec2_tf.training.trainer import TrainingResult
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.options import from_values

METRICS = {"loss", "contrastive", "diversity", "accuracy", "perplexity"}
STEPS = 6
SHORT = {  # frames of 20 ms, in two convolutions
    "conv_dim": (16,) * 2,
    "conv_kernel": (80, 9),
    "conv_stride": (40, 8),
    "num_hidden_layers": 1,
    "num_negatives": 5,
}


pytestmark = pytest.mark.xdist_group("pretrain")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight utterances of 0.6 to 1 s that alternate tones, without texts."""
    folder = tmp_path_factory.mktemp("corpus")
    generator = np.random.default_rng(0)
    for number in range(8):
        time = np.arange(9600 + 800 * number) / 16_000
        tone = np.array([200, 500, 1200, 3000])[(time * 10 + number).astype(int) % 4]
        speech = 0.3 * np.sin(2 * np.pi * tone * time) + generator.normal(0, 0.01, len(time))
        soundfile.write(folder / f"{number}.wav", speech, 16_000)
    return folder


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config and a processor, without weights."""
    folder = tmp_path_factory.mktemp("scratch")
    reference.tiny_config("group", **SHORT).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def options_of(scratch: Path, corpus: Path) -> Callable[..., PretrainOptions]:
    def make(output: Path, **changes: Any) -> PretrainOptions:
        values: dict[str, Any] = {
            "model": str(scratch),
            "from_scratch": True,
            "output": str(output),
            "train": str(corpus),
            "steps": STEPS,
            "batch_seconds": 4,
            "shortest_seconds": 0,
            "save_every": 2,
            "rate": 1e-3,
            "temperature_decay": 0.5,
        }
        return from_values(PretrainOptions, {**values, **changes})

    return make


@pytest.fixture(scope="module")
def finished(
    options_of: Callable[..., PretrainOptions],
    corpus: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The output of a whole run, evaluated after each epoch."""
    output = tmp_path_factory.mktemp("run") / "out"
    result = pretrain(options_of(output, dev=str(corpus)))
    assert set(result.metrics) == METRICS
    return output


def weights(folder: Path) -> dict[str, np.ndarray]:
    model = Wav2Vec2ForPreTraining.from_pretrained(folder)
    return {variable.path.split("/", 1)[1]: variable.numpy() for variable in model.weights}


def test_a_run_from_scratch(finished: Path, scratch: Path) -> None:
    lines = log_lines(finished)
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, STEPS + 1))
    assert all(set(line) == {"step", "rate", "norm"} | METRICS for line in steps)
    for line in steps:
        assert np.log(2) < line["contrastive"] < 3 * np.log(6)
        assert line["loss"] == pytest.approx(line["contrastive"] + 0.1 * line["diversity"])
        assert line["diversity"] == pytest.approx(1 - line["perplexity"] / 12)
        assert 0 <= line["accuracy"] <= 1
    measured = [line for line in lines if "loss" not in line]
    assert set(measured[-1]) == {"step"} | {f"dev_{name}" for name in METRICS}
    assert (finished / "curves.png").stat().st_size > 10_000
    # the config's own mask settings, for fine-tuning
    before, after = (
        json.loads((folder / "config.json").read_text()) for folder in (scratch, finished / "best")
    )
    assert after["mask_time_prob"] == before["mask_time_prob"] != 0.65


def test_its_model_is_taken_by_transformers_and_by_fine_tuning(finished: Path) -> None:
    _, report = transformers.Wav2Vec2ForPreTraining.from_pretrained(
        finished / "best", output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert Processor.from_pretrained(finished / "best").tokenizer is None
    tuned = Wav2Vec2ForCTC.from_pretrained(finished / "best", vocab_size=9)
    kernel = "feature_projection/projection/kernel"
    (found,) = (variable for variable in tuned.weights if variable.path.endswith(kernel))
    assert (found.numpy() == weights(finished / "best")[f"base_model/{kernel}"]).all()


def test_it_resumes_bit_for_bit(
    finished: Path, options_of: Callable[..., PretrainOptions], corpus: Path, tmp_path: Path
) -> None:
    """The run is killed after its fifth step; the last checkpoint is of the fourth."""
    options = options_of(tmp_path / "out", dev=str(corpus))
    with killed_at(5):
        pretrain(options)
    pretrain(options)
    wanted, got = weights(finished / "last"), weights(tmp_path / "out" / "last")
    assert all((got[path] == values).all() for path, values in wanted.items())
    assert log_lines(tmp_path / "out") == log_lines(finished)


def test_every_part_is_trained_from_a_checkpoint_on(
    finished: Path, options_of: Callable[..., PretrainOptions], tmp_path: Path
) -> None:
    start = finished / "best"
    options = options_of(tmp_path, model=str(start), from_scratch=False, steps=1)
    assert pretrain(options).metrics == {}
    before, after = weights(start), weights(tmp_path / "last")
    same = {path for path, values in before.items() if (after[path] == values).all()}
    assert same == set()
    largest = max(np.abs(after[path] - values).max() for path, values in before.items())
    assert largest < 2e-3  # one step at a rate of 1e-3 from the checkpoint's weights


def test_the_temperature_falls_as_the_settings_say(
    options_of: Callable[..., PretrainOptions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def at_step(self: PreTrainingObjective, step: int) -> None:
        seen.append((step, [self.temperature(number) for number in range(3)]))
        raise Killed

    monkeypatch.setattr(PreTrainingObjective, "at_step", at_step)
    with pytest.raises(Killed):
        pretrain(options_of(tmp_path / "out", end_temperature=0.75))
    assert seen == [(0, [2.0, 1.0, 0.75])]


def test_evaluation_is_a_mean_over_masked_frames(
    finished: Path, options_of: Callable[..., PretrainOptions], corpus: Path, tmp_path: Path
) -> None:
    model = Wav2Vec2ForPreTraining.from_pretrained(finished / "best")
    objective = PreTrainingObjective(model)
    options = options_of(tmp_path, batch_seconds=3, mask_time_prob=0.65)
    selection = select_examples([open_corpus(str(corpus), transcribed=False)], model.config)
    batches = Batches(selection, Processor.from_pretrained(finished / "best"), options)
    evaluate = PreTrainingEvaluation(objective, batches, tf.distribute.get_strategy())
    got, again = evaluate(), evaluate()
    in_order = [batch for step in batches.steps(0) for batch in step]
    assert len(in_order) > 1
    totals = dict.fromkeys((*METRICS, "weight"), 0.0)
    for inputs, labels in batches.dataset(in_order, 1, range(1)):
        for name, value in objective.sums(inputs, labels, False).items():
            totals[name] += float(value)
    assert got == again
    assert got.pop("score") == got["contrastive"]
    for name, value in got.items():
        assert value == pytest.approx(totals[name] / totals["weight"], rel=1e-4), name


def test_from_the_command_line(
    scratch: Path,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Flags override a file; all other options are those published for base models."""
    seen = []

    def fake(options: PretrainOptions, **more: Any) -> TrainingResult:
        seen.append((options, more))
        return TrainingResult(Path("out/best"), {"loss": 0.5}, is_chief=True)

    deterministic = []
    monkeypatch.setattr("wav2vec2_tf.training.pretrain.pretrain", fake)
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: deterministic.append(True)
    )
    file = tmp_path / "pretrain.yaml"
    file.write_text(f"model: {scratch}\ntrain: [{corpus}]\noutput: out\nrate: 3e-4\nseed: 3\n")
    line = ["pretrain", str(file), "--from-scratch", "--rate", "2e-4", "--restart"]
    assert main([*line, "--cache-dir", "cache"]) == 0
    assert capsys.readouterr().out == "out/best: at the end, loss 0.5 on dev\n"
    assert deterministic
    options, more = seen[0]
    assert (options.rate, options.seed, options.from_scratch) == (2e-4, 3, True)
    assert more == {"restart": True, "hub": HubOptions(cache_dir="cache")}
    assert (options.freeze, options.betas, options.epsilon) == ((), (0.9, 0.98), 1e-6)
    assert (options.mask_time_prob, options.mask_time_length) == (0.65, 10)
    assert (options.start_temperature, options.end_temperature) == (2.0, 0.5)
    rates = [options.learning_rate(step, 1000) for step in (0, 79, 80, 540, 999)]
    assert rates == pytest.approx([2e-4 / 80, 2e-4, 2e-4, 1e-4, 2e-4 / 920])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask_time_prob": 0}, "mask_time_prob must be above 0"),
        (
            {"end_temperature": 3},
            "end_temperature must be at most start_temperature, got 3.0 and 2.0",
        ),
        ({"model_config": {"mask_time_prob": 0.0}}, "mask_time_prob above 0"),
        ({"model_config": {"conv_dims": [1]}}, "the config has no field conv_dims; did you mean"),
        ({"from_scratch": False}, "model.safetensors"),
        ({"shortest_seconds": 5}, "no utterance can be trained on; dropped: 8 too short"),
        (
            {"mask_time_lenght": 5},
            "unknown setting 'mask_time_lenght'; did you mean mask_time_length",
        ),
    ],
)
def test_bad_settings(
    options_of: Callable[..., PretrainOptions],
    changes: dict[str, Any],
    message: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(UserError, match=message):
        pretrain(options_of(tmp_path / "out", **changes))


def test_a_family_without_the_objective_is_refused(
    options_of: Callable[..., PretrainOptions], tmp_path: Path
) -> None:
    for kind, message in (
        ("unispeech", "needs a family with the contrastive objective"),
        ("hubert-group", "has no ForPre"),
    ):
        folder = tmp_path / kind
        reference.tiny_config(kind, **SHORT).save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
        with pytest.raises(UserError, match=message):
            pretrain(options_of(tmp_path / f"out-{kind}", model=str(folder)))


def test_held_out_speech_too_short_to_mask(
    options_of: Callable[..., PretrainOptions], corpus: Path, tmp_path: Path
) -> None:
    options = options_of(tmp_path / "out", dev=str(corpus), steps=1, mask_time_length=60)
    with pytest.raises(UserError, match="dev: no utterance is long enough"):
        pretrain(options)
