from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.utils.keras_internals import SEED_STATE_NAME, keras_mask, seed_generator_states

# training


def test_seed_generator_states_are_those_of_nested_layers_and_decide_what_is_drawn() -> None:
    model = keras.Sequential(
        [keras.layers.Dropout(0.5), keras.Sequential([keras.layers.Dropout(0.5)])]
    )
    model.build((1, 64))
    states = seed_generator_states(model)
    assert len(states) == 2
    ones = tf.ones((1, 64))
    drawn = []
    for seed in (1, 1, 2):
        for state in states:
            state.assign([seed, seed])
        drawn.append(model(ones, training=True).numpy())
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()


def test_the_variable_of_a_seed_generator_has_its_name() -> None:
    names = []

    def creator(make, **options):
        names.append(options["name"])
        return make(**options)

    with tf.variable_creator_scope(creator):
        keras.random.SeedGenerator(0)
    assert [SEED_STATE_NAME in name for name in names] == [True]


def test_layers_attach_their_mask_to_their_output() -> None:
    output = keras.layers.Embedding(3, 2, mask_zero=True)(tf.constant([[1, 2, 0]]))
    assert keras_mask(output).numpy().tolist() == [[True, True, False]]
    assert keras_mask(tf.ones(1)) is None
