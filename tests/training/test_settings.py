"""Settings from YAML and flags, learning rates, and weights without decay."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

from wav2vec2_tf import UserError
from wav2vec2_tf.cli.training import add_training_flags, training_options
from wav2vec2_tf.training.optimizer import AdamW
from wav2vec2_tf.training.settings import FinetuneOptions, PretrainOptions, TrainingOptions
from wav2vec2_tf.utils.options import from_values

LEAST: dict[str, Any] = {"model": "m", "output": "o", "train": ["c"]}


def parsed(*arguments: str) -> FinetuneOptions:
    parser = argparse.ArgumentParser()
    add_training_flags(parser, FinetuneOptions)
    return training_options(FinetuneOptions, parser.parse_args(arguments))


def test_flags_override_a_file(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "model: m\noutput: o\ntrain: one\nrate: 3e-4\nreplace: {'’': \"'\"}\n"
        "model_config: {layerdrop: 0, mask_time_prob: 0.05}\nmost_rows: null\n"
        "gradient_checkpointing: true\n",
        encoding="utf-8",
    )
    settings = parsed(
        *(str(path), "--epochs", "2", "--dev", "a", "b", "--jit-compile"),
        "--no-gradient-checkpointing",
        *("--model-config", "layerdrop=0.1", "add_adapter=true", "hidden_act=gelu"),
    )
    assert (settings.train, settings.dev) == (("one",), ("a", "b"))
    assert (settings.rate, settings.epochs, settings.jit_compile) == (3e-4, 2.0, True)
    assert settings.model_config == {"layerdrop": 0.1, "add_adapter": True, "hidden_act": "gelu"}
    assert not settings.gradient_checkpointing
    assert settings.text_rules("don’t") == "don't"


@pytest.mark.parametrize("kind", [FinetuneOptions, PretrainOptions])
def test_what_is_written_is_read_again(kind: type[TrainingOptions], tmp_path: Path) -> None:
    settings = from_values(
        kind, {**LEAST, "betas": [0.5, 0.6], "steps": 7, "model_config": {"a": [1]}}
    )
    path = tmp_path / "settings.yaml"
    path.write_text(settings.to_yaml(), encoding="utf-8")
    assert kind.read(path, {}) == settings


@pytest.mark.parametrize("kind", [FinetuneOptions, PretrainOptions])
def test_every_field_is_a_flag_with_its_help(kind: type[TrainingOptions]) -> None:
    shown: dict[str, str | None] = {}

    class Parser(argparse.ArgumentParser):
        def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
            action = super().add_argument(*names, **options)
            shown[action.dest] = action.help
            return action

    add_training_flags(Parser(), kind)
    for field in fields(kind):
        assert len(shown[field.name] or "") > 10, field.name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_second": 3}, "unknown setting 'batch_second'; did you mean batch_seconds?"),
        ({"rate": "fast"}, "rate must be a number, got 'fast'"),
        ({"rate": float("nan")}, "rate must be a number, got nan"),
        ({"steps": 1.5}, "steps must be a whole number, got 1.5"),
        ({"steps": True}, "steps must be a whole number, got True"),
        ({"steps": 0}, "steps must be 1 or more, got 0"),
        ({"jit_compile": "yes"}, "jit_compile must be true or false"),
        ({"model": 3}, "model must be text"),
        ({"rate": 0}, "rate must be above 0, got 0"),
        ({"train": []}, "train must name at least one corpus"),
        ({"train": [1]}, "train must be text"),
        ({"schedule": "cosin"}, "schedule must be one of tri-stage, linear, cosine, got 'cosin'"),
        ({"precision": "float16"}, "precision must be one of float32, mixed_bfloat16"),
        ({"unknown": "skip"}, "unknown must be one of refuse, map, drop, got 'skip'"),
        ({"betas": [0.9]}, "betas must be two numbers"),
        ({"betas": [0.9, 1.0]}, "betas must be two numbers from 0 to below 1"),
        ({"warm_up": 0.8}, "warm_up and hold must add up to at most 1, got 1.2"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"head_only_steps": -1}, "head_only_steps must be 0 or more, got -1"),
        ({"model_config": [1]}, "model_config must be a mapping"),
        ({"letter_case": "title"}, "letter_case must be one of keep, upper, lower"),
        ({"replace": {"a": 1}}, "replace must map text to text"),
        (
            {"train_only": ["lm_head"], "freeze": ["encoder"]},
            "freeze and train_only exclude each other",
        ),
    ],
)
def test_bad_values_are_one_clear_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        from_values(FinetuneOptions, {**LEAST, **values})
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("model: [", "not YAML"),
        ("- a\n", "must be a YAML mapping of settings"),
        ("model: m\n", "output and train must be given"),
        ("!!python/object/apply:os.system [true]", "not YAML"),
    ],
)
def test_bad_files_are_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message) as caught:
        FinetuneOptions.read(path, {})
    assert str(caught.value).startswith(str(path))
    with pytest.raises(UserError, match="cannot be read"):
        FinetuneOptions.read(tmp_path / "none.yaml", {})


def test_rates_by_hand() -> None:
    tri = from_values(FinetuneOptions, {**LEAST, "rate": 1.0, "warm_up": 0.1, "hold": 0.4})
    rates = [tri.learning_rate(step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.01 + 0.99 / 10)
    assert rates[9:50] == [1.0] * 41
    assert rates[75] == pytest.approx(0.05**0.5) and rates[100] == pytest.approx(0.05)
    linear = from_values(
        FinetuneOptions, {**LEAST, "rate": 1.0, "warm_up": 0.2, "schedule": "linear"}
    )
    assert [linear.learning_rate(step, 10) for step in (0, 1, 2, 6, 9)] == pytest.approx(
        [0.5, 1.0, 1.0, 0.5, 0.125]
    )
    cosine = from_values(
        FinetuneOptions, {**LEAST, "rate": 1.0, "warm_up": 0, "schedule": "cosine"}
    )
    assert [cosine.learning_rate(step, 9) for step in (1, 5, 9)] == pytest.approx([1.0, 0.5, 0.0])


def test_updates_are_torchs() -> None:
    """Takes 20 steps; the second weight trains from the fifth, where its bias correction starts."""
    random = np.random.default_rng(0)
    shapes = [(4, 3), (5, 2), (3,)]
    values = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    ours = [keras.Variable(value, name=f"w{number}") for number, value in enumerate(values)]
    theirs = [torch.nn.Parameter(torch.tensor(value)) for value in values]
    settings = {"betas": (0.9, 0.98), "eps": 1e-3}
    torchs = torch.optim.AdamW(
        [
            {"params": theirs[:2], "weight_decay": 0.1},
            {"params": theirs[2:], "weight_decay": 0.0},
        ],
        lr=0.05,
        **settings,
    )
    adam = AdamW(ours, betas=settings["betas"], epsilon=settings["eps"], weight_decay=0.1)
    import tensorflow as tf

    for step in range(20):
        gradients = [random.normal(size=shape).astype(np.float32) for shape in shapes]
        moved = [0, 2] if step < 4 else [0, 1, 2]
        for number in moved:
            theirs[number].grad = torch.tensor(gradients[number])
        torchs.step()
        torchs.zero_grad()
        adam.apply(
            [ours[number] for number in moved],
            [tf.constant(gradients[number]) for number in moved],
            tf.constant(0.05),
            [tf.constant(step + 1.0 - 4 * (number == 1)) for number in moved],
            tf.constant(True),
        )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.numpy(), other.detach().numpy(), atol=1e-6)
    before = [one.numpy() for one in ours]
    nan = [tf.fill(shape, float("nan")) for shape in shapes]
    adam.apply(ours, nan, tf.constant(0.05), [tf.constant(21.0)] * 3, tf.constant(False))
    assert all(np.array_equal(one, other.numpy()) for one, other in zip(before, ours, strict=True))
