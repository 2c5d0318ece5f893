"""AdamW as PyTorch computes it, on any number of devices."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf


class AdamW:
    """Adam with decoupled weight decay (arXiv:1711.05101, algorithm 2).

    Number for number `torch.optim.AdamW`, whose epsilon stands beside the corrected deviation;
    `keras.optimizers.AdamW` adds it before the correction. Weights of one axis (biases, norms,
    embeddings of a mask) and magnitudes of weight norm do not decay.

    Made and used inside a strategy's scope; `apply` in a replica, compiled or not.

    Args:
        variables: all that it may have to change.
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
        sound: tf.Tensor,
    ) -> None:
        """Change variables by gradients that are the same in every replica.

        Args:
            rate: the learning rate, a scalar.
            updates: which update this is of each variable, from 1: a scalar each. One that was
                frozen at first begins later, as in PyTorch.
            sound: bool, false to leave all as it is.
        """
        first_beta, second_beta = self.betas

        def change(
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
            moved = rate * new_first / ((1 - tf.pow(first_beta, update)) * corrected)
            value = tf.cast(variable, tf.float32)
            new_value = tf.cast(value * (1 - rate * decay) - moved, variable.dtype)
            variable.assign(tf.where(sound, new_value, variable))
            first.assign(tf.where(sound, new_first, first))
            second.assign(tf.where(sound, new_second, second))

        def change_all(strategy: tf.distribute.Strategy, *gradients: tf.Tensor) -> None:
            for variable, gradient, update in zip(variables, gradients, updates, strict=True):
                decay = self.weight_decay if decays(variable) else 0.0
                strategy.extended.update(
                    variable.value,
                    change,
                    args=(gradient, *self.moments[variable.path], update, decay),
                    group=False,
                )

        context = tf.distribute.get_replica_context()
        context.merge_call(change_all, args=tuple(gradients))


def decays(variable: keras.Variable) -> bool:
    """Whether weight decay is for this one: it is a matrix or a kernel."""
    return sum(size > 1 for size in variable.shape) > 1
