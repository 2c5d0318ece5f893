"""What every encoder is built from: layers made from a config, projections, norms, attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FunctionType
from typing import Any, Self

import keras
import tensorflow as tf

from wav2vec2_tf.models import activations
from wav2vec2_tf.models.config import Config, config_from_dict
from wav2vec2_tf.models.lengths import size
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.keras_internals import state_variables

PACKAGE = "wav2vec2_tf"
"""The package under which layers and models are registered with `keras.saving`."""


@contextmanager
def dtype_policy(policy: keras.DTypePolicy | Mapping[str, Any] | str | None) -> Iterator[None]:
    """Sets Keras' dtype policy for the layers made inside; None leaves it as it is.

    Args:
        policy: a policy, its name ("bfloat16"), or its serialized form in a layer's config.
    """
    before = keras.config.dtype_policy()
    if policy is not None:
        keras.config.set_dtype_policy(keras.dtype_policies.get(policy))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class ConfigLayer(keras.layers.Layer):
    """A Keras layer whose sizes and switches come from a model's config.

    It is serialized with that config, so it can be cloned and saved:
    `Attention.from_config(attention.get_config())` is the same layer with new weights. A subclass
    with more arguments adds them in `get_config`.

    Args:
        config: the model's config.
        **kwargs: `name`, `dtype` and `trainable`, as in `keras.layers.Layer`.
    """

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the layer, with the model's config as a dict."""
        return {**super().get_config(), "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Returns a new layer with the arguments that `get_config` returned."""
        with dtype_policy(config.get("dtype")):  # inner layers take the global policy
            return super().from_config({**config, "config": config_from_dict(config["config"])})


def registered(config: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Returns a layer's arguments, those called `names` as the objects registered with Keras.

    Raises:
        UserError: one is neither a `ConfigLayer` nor a function of this package that makes one. A
            file from others could name any object.
    """
    kinds = {name: keras.saving.get_registered_object(config[name]) for name in names}
    for name, kind in kinds.items():
        is_layer = isinstance(kind, type) and issubclass(kind, ConfigLayer)
        is_ours = isinstance(kind, FunctionType) and kind.__module__.startswith(f"{__package__}.")
        if not (is_layer or is_ours):
            raise UserError(
                f"{name} must be the registered name of a layer that takes a config, got "
                f"{config[name]!r}: register the class with Keras, or do not use this file"
            )
    return {**config, **kinds}


@keras.saving.register_keras_serializable(PACKAGE)
class Dense(keras.layers.Dense):
    """`keras.layers.Dense` as one product of two matrices, whatever the rank of its input.

    (…, inputs) → (…, units). TensorFlow then fuses bias and activation into the product; Keras's
    own reshapes stand between them.

    Args:
        units: size of the last axis of the output.
        activation: a name in `config.ACTIVATIONS`; None for none.
        **kwargs: as in `keras.layers.Dense`.
    """

    def __init__(self, units: int, activation: str | None = None, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.activation_name = activation
        if activation is not None:
            self.activation = activations.activation(activation)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns `activation(inputs · kernel + bias)`."""
        outputs = tf.matmul(tf.reshape(inputs, [-1, inputs.shape[-1]]), self.kernel)
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, self.bias)
        shape = [size(inputs, axis) for axis in range(inputs.shape.rank - 1)]
        return tf.reshape(self.activation(outputs), [*shape, self.units])

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's arguments."""
        return {**super().get_config(), "activation": self.activation_name}


def dense(config: Config, units: int, name: str, **kwargs: Any) -> Dense:
    """Returns a dense layer with the config's initializer."""
    initializer = keras.initializers.RandomNormal(stddev=config.initializer_range)
    return Dense(units, kernel_initializer=initializer, name=name, **kwargs)


def layer_norm(
    config: Config, name: str, epsilon: float | None = None
) -> keras.layers.LayerNormalization:
    """Returns a layer norm over channels, with the config's epsilon unless another is given."""
    epsilon = config.layer_norm_eps if epsilon is None else epsilon
    return keras.layers.LayerNormalization(epsilon=epsilon, name=name)


@keras.saving.register_keras_serializable(PACKAGE)
class LayerDrop(keras.layers.Layer):
    """Skips a layer with probability `rate` during training (LayerDrop, arXiv:1909.11556)."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, after: tf.Tensor, before: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the layer's output `after`, or its input `before` where it is skipped."""
        if not training or self.rate == 0:
            return after
        draw = keras.random.uniform((), seed=self.seed_generator)
        return tf.where(draw < self.rate, before, after)

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's arguments."""
        return {**super().get_config(), "rate": self.rate}


def recomputed(
    layer: keras.layers.Layer,
    hidden_states: tf.Tensor,
    context: Sequence[tf.Tensor | None],
    training: bool,
) -> Any:
    """Returns `layer(hidden_states, *context, training=training)`, with less memory for gradients.

    The values inside the layer are not kept but computed again for the gradient (gradient
    checkpointing, arXiv:1604.06174): less memory for a third more work. The second computation
    starts from the state of the random generators and moving statistics in which the first did, so
    the gradient is that of the values returned.
    """
    state = state_variables(layer)
    differentiable = [
        index
        for index, value in enumerate(context)
        if value is not None and value.dtype.is_floating
    ]

    def call(hidden_states: tf.Tensor, *values: tf.Tensor) -> Any:
        floats, before = values[: len(differentiable)], values[len(differentiable) :]
        for variable, value in zip(state, before, strict=True):
            variable.assign(value)
        full = list(context)
        for index, value in zip(differentiable, floats, strict=True):
            full[index] = value
        return layer(hidden_states, *full, training=training)

    return tf.recompute_grad(call)(
        hidden_states,
        *(context[index] for index in differentiable),
        *(tf.identity(variable.value) for variable in state),
    )


def attend(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    heads: int,
    scores: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    weights_of: Callable[[tf.Tensor], tf.Tensor] = tf.nn.softmax,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes multi-head attention (arXiv:1706.03762, section 3.2) between projected frames.

    Args:
        query: (batch, frames, hidden), scaled here by head_size ** -0.5.
        key: (batch, frames, hidden).
        value: (batch, frames, hidden).
        heads: number of heads, which divides hidden.
        scores: maps scaled queries and keys, (batch, heads, frames, head_size) each, to scores,
            (batch, heads, frames, frames), including what depends on positions and masks.
        weights_of: maps the scores to weights of the same shape.

    Returns:
        The attended values, (batch, frames, hidden), and the weights.
    """
    batch, frames, hidden_size = size(query, 0), size(query, 1), query.shape[2]

    def split_heads(values: tf.Tensor) -> tf.Tensor:
        values = tf.reshape(values, [batch, frames, heads, hidden_size // heads])
        return tf.transpose(values, [0, 2, 1, 3])  # (batch, heads, frames, head_size)

    scaled = split_heads(query * (hidden_size // heads) ** -0.5)
    weights = weights_of(scores(scaled, split_heads(key)))
    context = tf.transpose(tf.matmul(weights, split_heads(value)), [0, 2, 1, 3])
    return tf.reshape(context, [batch, frames, hidden_size]), weights
