"""Private names of Keras and TensorFlow that the project relies on, each pinned by a test."""

from __future__ import annotations

from typing import Any

import keras

# training

SEED_STATE_NAME = "seed_generator_state"
"""Part of the name of the variable that holds the state of a `keras.random.SeedGenerator`."""


def seed_generator_states(model: keras.Model) -> list[keras.Variable]:
    """Returns the states of all random seed generators in the layers of a model, in their order."""
    return [
        generator.state for layer in model._flatten_layers() for generator in layer._seed_generators
    ]


def keras_mask(values: Any) -> Any:
    """Returns the mask that Keras has attached to a tensor, None without one."""
    return getattr(values, "_keras_mask", None)
