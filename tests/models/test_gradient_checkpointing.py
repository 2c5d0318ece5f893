"""Gradients with layers computed again equal those with everything kept, random draws included."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.support import reference
from wav2vec2_tf.models import families
from wav2vec2_tf.models.base import Wav2Vec2ForCTC

DROPOUT = {"hidden_dropout": 0.2, "attention_dropout": 0.1, "layerdrop": 0.3}
CASES = [("wav2vec2-group", True), ("mms", False), ("wavlm-layer", False), ("bert", False)]


def model_of(variant: str) -> Wav2Vec2ForCTC:
    values = {**reference.tiny_config(variant).to_dict(), **DROPOUT, "mask_time_prob": 0.3}
    model = Wav2Vec2ForCTC(families.config_of(values))
    model.build()
    return model


@pytest.mark.parametrize(("variant", "jit_compile"), CASES)
def test_recomputed_layers_have_the_same_gradients(variant: str, jit_compile: bool) -> None:
    model = model_of(variant)
    before = [variable.numpy() for variable in model.variables]
    speech = tf.constant(np.random.default_rng(0).normal(size=(3, 6000)).astype(np.float32))
    lengths = tf.constant([6000, 4000, 700])
    found = []
    for checkpointing in (False, True):
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)
        model.base_model.encoder.gradient_checkpointing = checkpointing

        @tf.function(jit_compile=jit_compile)
        def gradients() -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(model(speech, lengths, training=True) ** 2)
            weights = [variable.value for variable in model.trainable_variables]
            found = tape.gradient(loss, weights, unconnected_gradients="zero")
            return [loss, *map(tf.convert_to_tensor, found)]

        results = [gradients()[0], *gradients()]  # twice: the second draws other masks
        found.append([value.numpy() for value in results])
        found[-1] += [variable.numpy() for variable in model.non_trainable_variables]
    kept, recomputed = found
    assert kept[0] != kept[1]
    for one, other in zip(kept, recomputed, strict=True):
        largest = np.abs(one).max(initial=1e-4)
        np.testing.assert_allclose(other, one, rtol=0, atol=2e-5 * largest)
