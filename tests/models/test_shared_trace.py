"""A graph in which equal layers share a function computes what one without does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import reference
from wav2vec2_tf.models import families
from wav2vec2_tf.models.base import Wav2Vec2Model
from wav2vec2_tf.models.layers import dtype_policy
from wav2vec2_tf.models.shared_trace import call_layer, shared_traces

DROPOUT = {"hidden_dropout": 0.2, "attention_dropout": 0.1, "layerdrop": 0.3}
SPEECH = np.random.default_rng(0).normal(size=(2, 4000)).astype(np.float32)
LENGTHS = np.array([4000, 2500], np.int32)


def model_of(variant: str, layers: int = 3) -> Wav2Vec2Model:
    config = reference.tiny_config(variant, num_hidden_layers=layers, **DROPOUT)
    model = Wav2Vec2Model(families.config_of(config.to_dict()))
    model.build()
    return model


def traced(call: Callable[..., Any], shared: bool = True) -> Any:
    """Traces a function of no arguments; returns a concrete one."""
    with shared_traces() if shared else nullcontext():
        return tf.function(call, autograph=False).get_concrete_function()


def functions_of(graph: tf.Graph, operation: str) -> int:
    """Returns how many functions have an operation in their bodies."""
    library = graph.as_graph_def().library.function
    return sum(any(node.op == operation for node in each.node_def) for each in library)


@pytest.mark.parametrize(
    ("variant", "kinds"),
    [("wav2vec2-group", 1), ("mms", 1), ("wavlm-layer", 2), ("conformer-relative", 1), ("bert", 1)],
)
def test_equal_layers_share_a_function(variant: str, kinds: int) -> None:
    """WavLM's first layer holds more variables than the others, so it has its own."""
    model = model_of(variant)
    call = traced(lambda: model(SPEECH, LENGTHS))
    np.testing.assert_allclose(call(), model(SPEECH, LENGTHS), atol=1e-5)
    assert functions_of(call.graph, "Softmax") == kinds


def test_all_graphs_share_the_functions() -> None:
    model = model_of("wav2vec2-group", layers=2)
    with shared_traces():
        calls = [
            tf.function(lambda: model(SPEECH, LENGTHS)).get_concrete_function() for _ in range(2)
        ]
    one, other = (
        {each.signature.name for each in call.graph.as_graph_def().library.function}
        for call in calls
    )
    assert one == other and one


@pytest.mark.parametrize(
    ("variant", "jit_compile"),
    [("wav2vec2-group", True), ("wavlm-layer", False), ("conformer-relative", False)],
)
def test_training_is_the_same(variant: str, jit_compile: bool) -> None:
    """Equal draws, gradients and changes of the state: seeds, and moving statistics."""
    model = model_of(variant)
    start = [variable.numpy() for variable in model.variables]
    weights = [variable.value for variable in model.trainable_variables]
    found = []
    for shared in (False, True):
        for variable, value in zip(model.variables, start, strict=True):
            variable.assign(value)

        def step() -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(weights)
                states = model(SPEECH, LENGTHS, training=True)
                loss = tf.reduce_sum(states * tf.linspace(-1.0, 1.0, states.shape[-1]))
            gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
            return [loss, *map(tf.convert_to_tensor, gradients)]

        with shared_traces() if shared else nullcontext():
            function = tf.function(step, autograph=False, jit_compile=jit_compile)
            results = [function()[0], *function()]  # twice: the second draws other masks
        found.append([value.numpy() for value in [*results, *model.non_trainable_variables]])
    apart, together = found
    assert abs(apart[0] - apart[1]) > 0.1
    largest = max(np.abs(gradient).max(initial=0.0) for gradient in apart[2 : len(weights) + 2])
    for one, other in zip(apart, together, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=2e-5 * largest)


def test_layers_in_mixed_precision() -> None:
    with dtype_policy("mixed_float16"):
        model = model_of("wav2vec2-group")
    got = traced(lambda: model(SPEECH, LENGTHS))()
    wanted = traced(lambda: model(SPEECH, LENGTHS), shared=False)()
    assert got.dtype == wanted.dtype == tf.float16
    np.testing.assert_allclose(got, wanted, atol=2e-3)


def test_layers_that_compute_differently_are_kept_apart() -> None:
    model = model_of("wav2vec2-group")
    model.encoder.layers[1].layer_norm.epsilon = 0.5
    call = traced(lambda: model(SPEECH, LENGTHS))
    np.testing.assert_allclose(call(), model(SPEECH, LENGTHS), atol=1e-5)
    assert functions_of(call.graph, "Softmax") == 2


def test_variables_of_others_are_refused() -> None:
    other = keras.Variable(np.ones(3, np.float32))

    class Borrowing(keras.layers.Layer):
        def call(self, values: tf.Tensor) -> tf.Tensor:
            return values * other

    layer = Borrowing()
    with pytest.raises(ValueError, match="its own variables only"):
        traced(lambda: call_layer(layer, tf.zeros([3])))
