"""Private names of Keras and TensorFlow that the project relies on, each pinned by a test.

Nothing here is a stable interface: after an upgrade of either, run
`pytest tests/utils/test_keras_internals.py` first. All other modules use public names.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf


SEED_STATE_NAME = "seed_generator_state"
"""Part of the name of the variable that holds the state of a `keras.random.SeedGenerator`."""


def layers_inside(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the layers inside a layer or model, at any depth."""
    inside: list[keras.layers.Layer] = layer._flatten_layers(include_self=False)
    return inside


def seed_states(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the state variables of the random generators of a layer and of those inside it."""
    return [
        generator.state for part in layer._flatten_layers() for generator in part._seed_generators
    ]


def state_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns what a call in training may change: moving statistics and states of generators.

    Of the layer and of those inside it. Weights that are frozen by `trainable = False` do not
    count, unlike in `layer.non_trainable_variables`.
    """
    statistics = [
        variable for part in layer._flatten_layers() for variable in part._non_trainable_variables
    ]
    return [*statistics, *seed_states(layer)]


@contextlib.contextmanager
def replacing_layer(model: keras.Model, layer: keras.layers.Layer) -> Iterator[None]:
    """Removes a layer from a built model, which lets another be assigned inside the context."""
    model._tracker.unlock()
    try:
        model._layers.remove(layer)
        yield
    finally:
        model._tracker.lock()


@contextlib.contextmanager
def without_values() -> Iterator[None]:
    """Makes layers that are built inside hold variables without values; see `set_value`."""
    import keras
    from keras.src.backend.common import global_state

    # Keras lists such variables, and initializes them when any StatelessScope ends.
    pending = "uninitialized_variables"
    before = list(global_state.get_global_attribute(pending) or ())
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute(pending, before)


def has_value(variable: keras.Variable) -> bool:
    """Returns whether the variable has a value: False for one made in `without_values`."""
    return variable._value is not None


def set_value(variable: keras.Variable, values: np.ndarray) -> None:
    """Assigns a value, which is the first one of a variable made in `without_values`."""
    if has_value(variable):
        variable.assign(values)
    else:
        variable._initializer = lambda shape, dtype: values
        variable._deferred_initialize()


def initialize(variable: keras.Variable) -> None:
    """Gives a variable made in `without_values` the value that its initializer draws."""
    if not has_value(variable):
        variable._deferred_initialize()


@contextlib.contextmanager
def without_autocast() -> Iterator[None]:
    """Makes variables have their own type inside, not the compute type of the current layer."""
    from keras.src.backend.common import global_state

    name = "autocast_scope"
    before = global_state.get_global_attribute(name)
    global_state.set_global_attribute(name, None)
    try:
        yield
    finally:
        global_state.set_global_attribute(name, before)


def in_safe_mode() -> bool:
    """Returns whether Keras makes an object of a file or config in safe mode, which is its default.

    So does `keras.saving.load_model` without `safe_mode=False`.
    """
    from keras.src.saving import serialization_lib

    return bool(serialization_lib.in_safe_mode())  # None where nothing is being loaded


def set_keras_mask(tensor: tf.Tensor, mask: tf.Tensor) -> None:
    """Marks a tensor with the mask that Keras' layers, losses and metrics read from it.

    See keras.io, "Masking and padding"; `keras.layers.Masking` sets the same attribute.
    """
    tensor._keras_mask = mask


def keras_mask(tensor: tf.Tensor) -> tf.Tensor | None:
    """Returns the mask of a tensor; None if it has none."""
    return getattr(tensor, "_keras_mask", None)


def with_constants(function: Any) -> Any:
    """Returns a concrete function whose graph holds the values of its variables as constants."""
    from tensorflow.python.framework import convert_to_constants

    return convert_to_constants.convert_variables_to_constants_v2(function)


def read_tfrecord(path: str | os.PathLike[str], offset: int) -> bytes:
    """Returns the content of the TFRecord that begins at a position of a file.

    This is the only reader of TensorFlow's that starts at a given position; it takes 1.1 ms for
    12 s of speech, where a `TFRecordDataset` for each record takes 33 ms. It allocates whatever
    length the record states.

    Raises:
        IndexError: the file ends within the record.
        tf.errors.DataLossError: a checksum is wrong.
    """
    from tensorflow.python.lib.io.tf_record import tf_record_random_reader

    content: bytes = tf_record_random_reader(os.fsencode(path)).read(offset)[0]
    return content
