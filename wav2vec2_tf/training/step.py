"""One optimizer step on any number of devices: gradients of batches, summed, clipped, applied.

The random draws of a step follow from (seed, step, batch of the step, replica) alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import keras
import tensorflow as tf

from wav2vec2_tf.checkpoint.loader import path_below
from wav2vec2_tf.training.optimizer import AdamW
from wav2vec2_tf.training.settings import TrainingOptions
from wav2vec2_tf.utils.keras_internals import seed_states


class Objective(Protocol):
    """A loss to minimize, with the model it belongs to."""

    model: keras.Model

    def sums(
        self, inputs: Mapping[str, tf.Tensor], labels: tf.Tensor, training: bool
    ) -> dict[str, tf.Tensor]:
        """Returns float32 scalars, sums over the rows of a batch.

        "loss" is minimized, "weight" is what sums are divided by for a mean, others are logged.
        """

    def at_step(self, step: int) -> None:
        """Sets what depends on the step number; called before each step."""


@dataclass(frozen=True)
class StepResult:
    """Numbers of one optimizer step."""

    metrics: dict[str, float]
    """Means over the batches of the step: "loss" and the objective's other sums."""
    norm: float
    """Global norm of the gradients."""
    finite: bool
    """Whether the gradients were finite; otherwise no variable has changed."""
    samples: float
    """Audio in the batches, at 16 kHz."""


class TrainStep:
    """Updates variables by the gradients of an objective.

    Args:
        objective: the loss and its model.
        variables: the variables to train.
        options: of the optimizer, clipping, seed and XLA.
        strategy: the devices.
        head: those of the variables that are trained alone in the first `head_only_steps` steps.
        head_only_steps: number of these steps.
    """

    def __init__(
        self,
        objective: Objective,
        variables: Sequence[keras.Variable],
        options: TrainingOptions,
        strategy: tf.distribute.Strategy,
        *,
        head: Sequence[keras.Variable] = (),
        head_only_steps: int = 0,
    ) -> None:
        self.objective, self.options, self.strategy = objective, options, strategy
        self.variables, self.head, self.head_only_steps = (
            list(variables),
            list(head),
            head_only_steps,
        )
        with strategy.scope():
            self.optimizer = AdamW(
                self.variables,
                betas=options.betas,
                epsilon=options.epsilon,
                weight_decay=options.weight_decay,
            )
        self.seed_states = seed_states(objective.model)
        # traced separately for the steps that train the head alone
        self._gradients = {
            head_only: tf.function(partial(self._gradients_of_next, head_only))
            for head_only in (True, False)
        }
        self._update = {
            head_only: tf.function(partial(self._apply_gradients, head_only))
            for head_only in (True, False)
        }
        self._add = tf.function(self._added)

    def __call__(
        self, iterator: Any, batches: int, *, step: int, rate: float, scale: float
    ) -> StepResult:
        """Trains on the next `batches` batches of an iterator.

        Args:
            iterator: yields `(inputs, labels)`, distributed over the replicas.
            batches: number of batches whose gradients are accumulated.
            step: 0-based number of the step.
            rate: learning rate.
            scale: factor of the loss (float16), by which gradients are divided again.
        """
        head_only = step < self.head_only_steps
        self.objective.at_step(step)
        step_tensor = tf.constant(step, tf.int32)
        scale_tensor = tf.constant(scale, tf.float32)
        gradients: Any = None
        sums: dict[str, tf.Tensor] = {}
        for micro in range(batches):
            new, new_sums = self._gradients[head_only](
                iterator, step_tensor, tf.constant(micro, tf.int32), scale_tensor
            )
            gradients = new if gradients is None else self._add(gradients, new)
            sums = {name: sums.get(name, 0.0) + value for name, value in new_sums.items()}
        weight = tf.maximum(sums["weight"], 1.0)
        norm, finite = self._update[head_only](
            gradients, weight * scale_tensor, tf.constant(rate, tf.float32), step_tensor
        )
        totals = {name: float(value) for name, value in sums.items()}
        samples, divisor = totals.pop("samples"), max(totals.pop("weight"), 1.0)
        metrics = {name: value / divisor for name, value in totals.items()}
        return StepResult(metrics, float(norm), bool(finite), samples)

    def state(self) -> dict[str, tf.Variable]:
        """Returns all variables that steps change, by their names in checkpoints.

        Random states are not among them, since they follow from the step number.
        """
        seeds = {id(state) for state in self.seed_states}
        variables = {
            f"model/{number}/{path_below(variable)}": variable.value
            for number, variable in enumerate(self.objective.model.variables)
            if id(variable) not in seeds
        }
        for path, moments in self.optimizer.moments.items():
            for name, moment in zip(("first", "second"), moments, strict=True):
                variables[f"{name}/{path.partition('/')[2]}"] = moment
        return variables

    def _trained(self, head_only: bool) -> list[keras.Variable]:
        return self.head if head_only else self.variables

    def _gradients_of_next(
        self, head_only: bool, iterator: Any, step: tf.Tensor, micro: tf.Tensor, scale: tf.Tensor
    ) -> tuple[Any, dict[str, tf.Tensor]]:
        """Returns each replica's gradients of the next batch, and its sums over all replicas."""

        def in_replica(
            inputs: Mapping[str, tf.Tensor], labels: tf.Tensor, replica: tf.Tensor
        ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
            self._set_seeds(step, micro, replica)
            variables = [variable.value for variable in self._trained(head_only)]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables)
                sums = self.objective.sums(inputs, labels, training=True)
                loss = sums["loss"] * scale
            gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
            # gradients of embedding tables are sparse
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
            samples = tf.reduce_sum(tf.cast(inputs["lengths"], tf.float32))
            return gradients, {**sums, "samples": samples}

        compiled = tf.function(in_replica, jit_compile=True, autograph=False)

        def run(inputs: Mapping[str, tf.Tensor], labels: tf.Tensor) -> Any:
            context = tf.distribute.get_replica_context()
            replica = tf.convert_to_tensor(context.replica_id_in_sync_group, tf.int32)
            call = compiled if self.options.jit_compile else in_replica
            return call(inputs, labels, replica)

        inputs, labels = next(iterator)
        gradients, sums = self.strategy.run(run, args=(inputs, labels))
        return gradients, {
            name: self.strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)
            for name, value in sums.items()
        }

    def _set_seeds(self, step: tf.Tensor, micro: tf.Tensor, replica: tf.Tensor) -> None:
        if not self.seed_states:
            return
        seed = tf.constant([self.options.seed, 0], tf.int32)
        for number in (step, micro, replica):
            seed = tf.random.fold_in(seed, number)
        values = tf.random.stateless_uniform(
            [len(self.seed_states), 2], seed, minval=0, maxval=2**31 - 1, dtype=tf.int32
        )
        for state, value in zip(self.seed_states, tf.unstack(values), strict=True):
            state.value.assign(tf.cast(value, state.value.dtype))

    def _added(self, gradients: Any, others: Any) -> Any:
        def add(gradients: Any, others: Any) -> Any:
            return [one + other for one, other in zip(gradients, others, strict=True)]

        return self.strategy.run(add, args=(gradients, others))

    def _apply_gradients(
        self,
        head_only: bool,
        gradients: Any,
        weight: tf.Tensor,
        rate: tf.Tensor,
        step: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Updates the variables by the gradients of all replicas, divided by `weight`.

        Returns the global norm of the gradients, and whether it is finite; otherwise nothing has
        changed.
        """
        head = {variable.path for variable in self.head}

        def in_replica(gradients: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            context = tf.distribute.get_replica_context()
            # identities are placed on the replica's device, which workers need to know
            placed = [tf.identity(gradient) for gradient in gradients]
            total = context.all_reduce(tf.distribute.ReduceOp.SUM, placed)
            total = [tf.cast(gradient, tf.float32) / weight for gradient in total]
            norm = tf.linalg.global_norm(total)
            if self.options.clip_norm:
                factor = tf.minimum(1.0, self.options.clip_norm / (norm + 1e-6))
                total = [gradient * factor for gradient in total]
            finite = tf.math.is_finite(norm)
            update = tf.cast(step, tf.float32) + 1
            variables = self._trained(head_only)
            updates = [
                update if variable.path in head else update - self.head_only_steps
                for variable in variables
            ]
            self.optimizer.apply(variables, total, rate, updates, finite)
            return norm, finite

        norm, finite = self.strategy.run(in_replica, args=(gradients,))
        return self._first_replica(norm), self._first_replica(finite)

    def _first_replica(self, value: Any) -> tf.Tensor:
        return self.strategy.experimental_local_results(value)[0]
