"""The trainer's rules, on an objective with one weight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from wav2vec2_tf.training.optimizer import FIRST_SCALE, STEADY_STEPS, LossScale
from wav2vec2_tf.training.settings import TrainingOptions
from wav2vec2_tf.training.trainer import Trainer


def test_the_scale_falls_at_once_and_rises_slowly() -> None:
    scale = LossScale(4.0).after(False)
    assert scale == LossScale(2.0)
    for steady in range(1, STEADY_STEPS):
        scale = scale.after(True)
        assert scale == LossScale(2.0, steady)
    assert scale.after(False) == LossScale(1.0)
    assert scale.after(True) == LossScale(4.0)


def test_a_scale_of_one_stays() -> None:
    assert not LossScale().can_fall
    with pytest.raises(ValueError, match="a scale of 1 cannot fall"):
        LossScale().after(False)
    assert LossScale(1.0, STEADY_STEPS - 1).after(True) == LossScale(1.0, STEADY_STEPS)


class Product:
    """An objective: a weight times the speech, computed in float16."""

    def __init__(self) -> None:
        self.model = keras.Sequential([keras.layers.Dense(1, use_bias=False)])
        self.model.build((1, 1))
        self.steps: list[int] = []

    def at_step(self, step: int) -> None:
        self.steps.append(step)

    def sums(self, inputs: Any, labels: Any, training: bool) -> dict[str, tf.Tensor]:
        kernel = self.model.layers[0].kernel.value
        narrow = tf.cast(tf.reduce_sum(kernel), tf.float16)
        loss = tf.cast(narrow, tf.float32) * tf.reduce_sum(inputs["speech"])
        return {"loss": loss, "weight": tf.constant(1.0)}


def test_float16_overflow_lowers_the_scale_and_changes_nothing(tmp_path: Path) -> None:
    objective = Product()
    options = TrainingOptions(
        model="", output=str(tmp_path), train=("",), steps=10, precision="mixed_float16"
    )
    trainer = Trainer(
        options,
        objective,
        None,  # type: ignore[arg-type]  # no data but what `step` is given
        objective.model.trainable_variables,
        strategy=tf.distribute.get_strategy(),
    )
    batch = {"speech": tf.fill((1, 1), 4.0), "lengths": tf.ones(1, tf.int32)}
    data = iter(tf.data.Dataset.from_tensors((batch, tf.zeros((1, 1), tf.int32))).repeat())
    scales, weights = [], []
    for step in range(4):
        trainer.progress.step = step
        weights.append(float(objective.model.weights[0].numpy().sum()))
        scales.append(trainer.progress.scale)
        figures = trainer.step(data, [np.arange(1)])
        assert np.isfinite(figures["loss"])
    # the gradient is 4 times the scale, and float16's maximum is 65504
    assert scales == [FIRST_SCALE, FIRST_SCALE / 2, FIRST_SCALE / 4, FIRST_SCALE / 4]
    assert weights[0] == weights[1] == weights[2] != weights[3]
    assert figures["norm"] == 4
    assert objective.steps == [0, 1, 2, 3]
