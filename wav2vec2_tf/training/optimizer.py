"""AdamW as PyTorch computes it, the loss scale of float16, and the choice of what is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from wav2vec2_tf.utils.errors import UserError, did_you_mean

FIRST_SCALE = 2.0**15
STEADY_STEPS = 2000
"""Steps without an overflow after which the loss scale is doubled."""
OPTIONAL_PARTS = {"feature_encoder"}
"""Frozen by default, though some families (Wav2Vec2-BERT) do not have it."""


class AdamW:
    """Adam with decoupled weight decay (arXiv:1711.05101, algorithm 2).

    Computes the same updates as `torch.optim.AdamW`, which adds epsilon after the bias correction
    of the second moment; `keras.optimizers.AdamW` adds it before. Weights with a single axis
    longer than 1 (biases, norms, mask embeddings) and magnitudes of weight norm do not decay.

    Must be created within the strategy's scope; `apply` is called in a replica, compiled or not.

    Args:
        variables: all variables that it may have to update.
        betas: decay rates of the first and second moment.
        epsilon: added to the denominator.
        weight_decay: part of a weight that is subtracted from it, times the learning rate.
    """

    def __init__(
        self,
        variables: Sequence[keras.Variable],
        *,
        betas: Sequence[float] = (0.9, 0.98),
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        self.betas, self.epsilon, self.weight_decay = betas, epsilon, weight_decay
        self.moments = {
            variable.path: tuple(
                tf.Variable(tf.zeros(variable.shape), trainable=False, name=f"{moment}_moment")
                for moment in ("first", "second")
            )
            for variable in variables
        }

    def apply(
        self,
        variables: Sequence[keras.Variable],
        gradients: Sequence[tf.Tensor],
        rate: tf.Tensor,
        updates: Sequence[tf.Tensor],
        finite: tf.Tensor,
    ) -> None:
        """Updates variables by gradients that are equal in all replicas.

        Args:
            variables: the variables to update.
            gradients: one for each variable.
            rate: learning rate, a scalar.
            updates: 1-based number of this update of each variable, scalars. A variable that was
                frozen at first counts from its own first update, as in PyTorch.
            finite: bool scalar; False leaves all variables and moments unchanged.
        """
        first_beta, second_beta = self.betas

        def update_one(
            variable: tf.Variable,
            gradient: tf.Tensor,
            first: tf.Variable,
            second: tf.Variable,
            update: tf.Tensor,
            decay: float,
        ) -> None:
            gradient = tf.cast(gradient, tf.float32)
            new_first = first_beta * first + (1 - first_beta) * gradient
            new_second = second_beta * second + (1 - second_beta) * tf.square(gradient)
            corrected = tf.sqrt(new_second / (1 - tf.pow(second_beta, update))) + self.epsilon
            change = rate * new_first / ((1 - tf.pow(first_beta, update)) * corrected)
            value = tf.cast(variable, tf.float32)
            new_value = tf.cast(value * (1 - rate * decay) - change, variable.dtype)
            variable.assign(tf.where(finite, new_value, variable))
            first.assign(tf.where(finite, new_first, first))
            second.assign(tf.where(finite, new_second, second))

        def update_all(strategy: tf.distribute.Strategy, *gradients: tf.Tensor) -> None:
            for variable, gradient, update in zip(variables, gradients, updates, strict=True):
                decay = self.weight_decay if decays(variable) else 0.0
                strategy.extended.update(
                    variable.value,
                    update_one,
                    args=(gradient, *self.moments[variable.path], update, decay),
                    group=False,
                )

        context = tf.distribute.get_replica_context()
        context.merge_call(update_all, args=tuple(gradients))


def decays(variable: keras.Variable) -> bool:
    """Returns whether weight decay applies to a variable: to matrices and kernels."""
    return sum(size > 1 for size in variable.shape) > 1


@dataclass(frozen=True)
class LossScale:
    """A dynamic scale of the loss, which keeps small float16 gradients from becoming zero.

    Source: arXiv:1710.03740, section 3.2. The scale is 1 where none is needed.
    """

    value: float = 1.0
    steady: int = 0
    """Steps since the scale changed."""

    @property
    def can_fall(self) -> bool:
        """Whether a lower scale may avoid an overflow."""
        return self.value > 1

    def after(self, finite: bool) -> LossScale:
        """Returns the scale of the next step: lower after gradients that are not finite.

        Raises:
            ValueError: if gradients are not finite and the scale cannot fall.
        """
        if not finite:
            if not self.can_fall:
                raise ValueError(f"a scale of {self.value:g} cannot fall")
            return LossScale(self.value / 2)
        if self.can_fall and self.steady + 1 == STEADY_STEPS:
            return LossScale(self.value * 2)
        return LossScale(self.value, self.steady + 1)


def select_variables(
    model: keras.Model, *, freeze: Sequence[str] = (), train_only: Sequence[str] = ()
) -> list[keras.Variable]:
    """Returns the variables of a model to train.

    Args:
        model: a built model.
        freeze: parts to leave out, by the names in their variables' paths: "feature_encoder",
            "encoder/layers_0".
        train_only: the only parts to train; `freeze` is ignored then.

    Raises:
        UserError: if the model has no such part, or if no variable remains.
    """
    variables = model.trainable_variables
    paths = [f"/{variable.path}/" for variable in variables]
    known = {part for path in paths for part in path.strip("/").split("/")[1:-1]}

    def is_in(path: str, parts: Sequence[str]) -> bool:
        return any(f"/{part}/" in path for part in parts)

    for part in (*freeze, *train_only):
        if part not in OPTIONAL_PARTS and not any(is_in(path, [part]) for path in paths):
            raise UserError(f"the model has no part {part!r}" + did_you_mean(part, known))
    selected = [
        variable
        for variable, path in zip(variables, paths, strict=True)
        if (is_in(path, train_only) if train_only else not is_in(path, freeze))
    ]
    if not selected:
        raise UserError("freeze leaves no variable to train: name fewer parts")
    return selected
