"""The private names of Keras and TensorFlow that the project relies on."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from wav2vec2_tf.utils import keras_internals
from wav2vec2_tf.utils.errors import UserError


class Outer(keras.layers.Layer):
    """A layer with a generator of its own, a dropout and a batch norm inside."""

    def __init__(self) -> None:
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator()
        self.dropout = keras.layers.Dropout(0.5)
        self.norm = keras.layers.BatchNormalization()

    def build(self, input_shape: object) -> None:
        self.norm.build(input_shape)


def built() -> Outer:
    layer = Outer()
    layer.build((None, 3))
    return layer


def names(variables: list[keras.Variable]) -> list[str]:
    return sorted(variable.path.split("/", 1)[-1] for variable in variables)


def test_layers_inside_are_found_at_any_depth() -> None:
    dense = keras.layers.Dense(2)
    inner = keras.Sequential([dense])
    model = keras.Sequential([inner])
    found = keras_internals.layers_inside(model)
    assert {id(layer) for layer in found} == {id(inner), id(dense)}


def test_seed_states_are_those_of_every_layer_inside() -> None:
    layer = built()
    states = keras_internals.seed_states(layer)
    inner = layer.dropout.seed_generator.state
    assert {id(state) for state in states} == {id(layer.seed_generator.state), id(inner)}


@pytest.mark.parametrize("trainable", [True, False])
def test_state_variables_leave_weights_out(trainable: bool) -> None:
    layer = built()
    layer.trainable = trainable
    found = keras_internals.state_variables(layer)
    moving = [layer.norm.moving_mean, layer.norm.moving_variance]
    assert {id(v) for v in found} == {id(v) for v in [*moving, *keras_internals.seed_states(layer)]}


def test_a_layer_of_a_built_model_is_replaced() -> None:
    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.head = keras.layers.Dense(2)

        def build(self, input_shape: object = None) -> None:
            self.head.build((None, 3))

    model = Model()
    model.build()
    with pytest.raises(ValueError, match="locked|cannot add"):
        model.other = keras.layers.Dense(4)
    with keras_internals.replacing_layer(model, model.head):
        model.head = keras.layers.Dense(5)
    model.head.build((None, 3))
    assert [tuple(weight.shape) for weight in model.weights] == [(3, 5), (5,)]
    with pytest.raises(ValueError, match="locked|cannot add"):
        model.other = keras.layers.Dense(4)


def test_variables_have_their_own_type_where_layers_compute_in_another() -> None:
    class Mixed(keras.layers.Dense):
        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            assert self.kernel.dtype == "float16"
            with keras_internals.without_autocast():
                assert self.kernel.dtype == "float32"
                assert isinstance(self.kernel.value, tf.Variable)
            assert self.kernel.dtype == "float16"
            return super().call(inputs)

    Mixed(2, dtype="mixed_float16")(np.ones((1, 3), np.float32))


def test_variables_without_values_get_them_later() -> None:
    with keras_internals.without_values():
        layer = keras.layers.Dense(2)
        layer.build((None, 3))
    assert layer.kernel.shape == (3, 2)
    with keras.StatelessScope():
        pass  # initializes nothing: the variables are not on Keras' list
    assert not keras_internals.has_value(layer.kernel)
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    keras_internals.set_value(layer.kernel, values)
    assert (layer.kernel.numpy() == values).all()
    keras_internals.set_value(layer.kernel, values + 1)
    assert (layer.kernel.numpy() == values + 1).all()
    keras_internals.initialize(layer.bias)
    assert (layer.bias.numpy() == 0).all()
    keras_internals.initialize(layer.kernel)  # keeps its value
    assert (layer.kernel.numpy() == values + 1).all()


def test_variables_made_before_keep_their_place_on_the_list() -> None:
    with keras.StatelessScope(initialize_variables=False):
        before = keras.Variable("ones", shape=(2,))
        with keras_internals.without_values():
            inside = keras.Variable("ones", shape=(2,))
    with keras.StatelessScope():
        pass
    assert keras_internals.has_value(before)
    assert not keras_internals.has_value(inside)


def test_the_mask_is_the_one_that_keras_reads() -> None:
    values, mask = tf.ones((2, 3, 1)), tf.constant([[True, True, False], [True, False, False]])
    assert keras_internals.keras_mask(values) is None
    keras_internals.set_keras_mask(values, mask)
    assert keras_internals.keras_mask(values) is mask

    class Seen(keras.layers.Layer):
        supports_masking = True

        def call(self, inputs: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
            assert mask is not None
            return tf.cast(mask, tf.float32)

    assert Seen()(values).numpy().sum() == 3
    masked = keras.layers.Masking()(tf.zeros((1, 2, 1)))
    assert not keras_internals.keras_mask(masked).numpy().any()


def test_with_constants_leaves_no_variable() -> None:
    variable = tf.Variable(3.0)
    function = tf.function(lambda x: x * variable, [tf.TensorSpec([], tf.float32)])
    frozen = keras_internals.with_constants(function.get_concrete_function())
    assert not frozen.variables
    variable.assign(5.0)
    assert float(frozen(tf.constant(2.0))[0]) == 6


def test_seed_states_of_nested_layers_decide_what_is_drawn() -> None:
    model = keras.Sequential(
        [keras.layers.Dropout(0.5), keras.Sequential([keras.layers.Dropout(0.5)])]
    )
    model.build((1, 64))
    states = keras_internals.seed_states(model)
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
    assert [keras_internals.SEED_STATE_NAME in name for name in names] == [True]


def test_layers_attach_their_mask_to_their_output() -> None:
    output = keras.layers.Embedding(3, 2, mask_zero=True)(tf.constant([[1, 2, 0]]))
    assert keras_internals.keras_mask(output).numpy().tolist() == [[True, True, False]]
    assert keras_internals.keras_mask(tf.ones(1)) is None


def test_a_record_is_read_at_its_position(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"first")
        writer.write(b"second")
    start = len(b"first") + 16
    assert keras_internals.read_tfrecord(path, 0) == b"first"
    assert keras_internals.read_tfrecord(path, start) == b"second"
    content = path.read_bytes()
    path.write_bytes(content[:-5] + b"x" + content[-4:])
    with pytest.raises(tf.errors.DataLossError):
        keras_internals.read_tfrecord(path, start)
    path.write_bytes(content[:-9])
    with pytest.raises((IndexError, tf.errors.DataLossError)):
        keras_internals.read_tfrecord(path, start)


def test_keras_leaves_the_message_of_a_user_error_alone() -> None:
    class Refusing(keras.layers.Layer):
        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            raise UserError("one line")

    with pytest.raises(UserError, match="^one line$"):
        Refusing()(np.zeros((1, 2)))


def test_safe_mode_is_that_of_keras_loaders() -> None:
    seen = []

    class Spy(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            seen.append(keras_internals.in_safe_mode())

        @classmethod
        def from_config(cls, config: dict[str, object]) -> Spy:
            return cls()

    config = keras.saving.serialize_keras_object(Spy())
    for safe_mode in (True, False):
        keras.saving.deserialize_keras_object(
            config, custom_objects={"Spy": Spy}, safe_mode=safe_mode
        )
    assert seen == [False, True, False]
