"""Equal layers as one function, so that a graph holds the operations of one of them.

The function takes the variables of a layer as arguments, and each layer calls it with its own.
TensorFlow inlines the calls when it runs the graph, so the speed is the same. But a SavedModel
loads faster, since each operation becomes a Python object (`python -m eval profile` counts them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import tensorflow as tf

from wav2vec2_tf.utils.keras_internals import (
    layers_inside,
    seed_states,
    state_variables,
    without_autocast,
)

Functions = dict[str, Callable[..., Any]]
_functions: ContextVar[Functions | None] = ContextVar("functions", default=None)


@contextmanager
def shared_traces() -> Iterator[None]:
    """Makes `call_layer` trace equal layers once, for all graphs that are traced inside.

    A `GradientTape` inside must watch the variables itself. Outside, and of a loaded SavedModel,
    it does so by default.
    """
    token = _functions.set({})
    try:
        yield
    finally:
        _functions.reset(token)


def call_layer(layer: keras.layers.Layer, *inputs: tf.Tensor | None, **options: bool) -> Any:
    """Returns `layer(*inputs, **options)`: within `shared_traces`, by a shared function.

    Args:
        layer: a layer that uses no other variables than its own.
        inputs: tensors, or None, as the layer takes them.
        options: `training`, if the layer takes it.
    """
    functions = _functions.get()
    if functions is None:
        return layer(*inputs, **options)
    with without_autocast():  # with it, a variable would be a value of another type
        if not state_variables(layer):
            options = dict.fromkeys(options, False)  # training makes no difference
        unused = [] if options.get("training") else [id(state) for state in seed_states(layer)]
        variables = [variable for variable in layer.variables if id(variable) not in unused]
        kind = repr((_description(layer), [(v.shape, v.dtype) for v in variables], options))
        if kind not in functions:
            functions[kind] = _function_of(layer, variables, options)
        return functions[kind]([variable.handle for variable in variables], *inputs)


def _description(layer: keras.layers.Layer) -> list[Any]:
    """Returns what equal layers have in common: classes and arguments of all layers inside.

    Without `index`, which only decides what variables a layer has.
    """
    return [
        (type(part), {k: v for k, v in part.get_config().items() if k not in ("name", "index")})
        for part in (layer, *layers_inside(layer))
    ]


def _function_of(
    layer: keras.layers.Layer, variables: Sequence[keras.Variable], options: dict[str, bool]
) -> Callable[..., Any]:
    """Returns a function of the handles of a layer's variables and its inputs."""

    @tf.function(autograph=False)
    def call(handles: Sequence[tf.Tensor], *inputs: tf.Tensor | None) -> Any:
        values = [
            tf.raw_ops.ReadVariableOp(resource=handle, dtype=variable.dtype)
            for handle, variable in zip(handles, variables, strict=True)
        ]
        with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope:
            outputs = layer(*inputs, **options)
        for handle, variable, value in zip(handles, variables, values, strict=True):
            after = scope.get_current_value(variable)
            if after is not value:
                tf.raw_ops.AssignVariableOp(resource=handle, value=after)
        if captures := tf.compat.v1.get_default_graph().captures:
            raise ValueError(f"{layer.path} must use its own variables only, got {captures}")
        return outputs

    return call
