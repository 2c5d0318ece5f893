"""The loop: batches → gradients → weights, on any number of devices, resumed to the bit.

A step's randomness follows from (seed, step, replica) and an epoch's order from (seed, epoch), so
weights, moments and the position in the data are all there is to save.
"""

from __future__ import annotations

import json
import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.checkpoint.loader import path_below
from wav2vec2_tf.training import run_folder
from wav2vec2_tf.training.batches import user_errors
from wav2vec2_tf.training.distribution import is_chief, meet
from wav2vec2_tf.training.feed import Feed
from wav2vec2_tf.training.loss_scale import FIRST_SCALE, LossScale
from wav2vec2_tf.training.optimizer import AdamW
from wav2vec2_tf.training.run_folder import BEST, CHECKPOINTS, EVENTS, LAST, LOG_FILE
from wav2vec2_tf.training.settings import Settings
from wav2vec2_tf.training.state import Checkpoints, State
from wav2vec2_tf.utils.errors import UserError, did_you_mean
from wav2vec2_tf.utils.progress import ProgressBar

log = logging.getLogger(__name__)


class Objective(Protocol):
    """What is to be made small."""

    model: keras.Model

    def sums(
        self, inputs: Mapping[str, tf.Tensor], labels: tf.Tensor, training: bool
    ) -> dict[str, tf.Tensor]:
        """Float32 scalars, sums over the rows: "loss", "weight" that it is divided by for a mean,
        and others to log."""

    def at_step(self, step: int) -> None:
        """Called before each step, to set what depends on its number."""


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    epoch: int = 0
    index: int = 0
    """Steps done in the epoch."""
    best: float | None = None
    since_best: int = 0
    """Evaluations without a better one."""
    scale: float = 1.0
    """Of the loss, in float16."""
    steady: int = 0
    """Steps since the scale changed."""
    identity: dict[str, Any] = field(default_factory=dict)
    """What must be the same for a run to go on: settings and data."""


class Trainer:
    """Runs an objective over data as settings say.

    Args:
        trained: the variables to change; see `chosen`.
        first: those of them that alone change in the first `first_steps` steps.
        evaluate: a model's figures on dev, or none; "score" among them is the smaller the better.
        identity: settings and data, which must not change when the run goes on.
    """

    def __init__(
        self,
        settings: Settings,
        objective: Objective,
        feed: Feed,
        trained: Sequence[keras.Variable],
        *,
        strategy: tf.distribute.Strategy,
        evaluate: Callable[[], dict[str, float]] | None,
        identity: dict[str, Any],
        first: Sequence[keras.Variable] = (),
        first_steps: int = 0,
    ) -> None:
        self.settings, self.objective, self.feed = settings, objective, feed
        self.strategy, self.evaluate = strategy, evaluate
        self.model, self.trained, self.first = objective.model, list(trained), list(first)
        self.first_steps = first_steps
        self.output = Path(settings.output)
        self.checkpoints = Checkpoints(self.output / CHECKPOINTS)
        self.chief = is_chief(strategy)
        scaled = settings.precision == "mixed_float16"
        self.progress = Progress(identity=identity, scale=FIRST_SCALE if scaled else 1.0)
        self.total = settings.steps or math.ceil(settings.epochs * len(feed.steps(0)))
        with strategy.scope():
            self.optimizer = AdamW(
                self.trained,
                betas=settings.betas,
                epsilon=settings.epsilon,
                weight_decay=settings.weight_decay,
            )
        self.seeds = [
            generator.state
            for layer in self.model._flatten_layers()
            for generator in layer._seed_generators
        ]
        self._gradients = {
            head_only: tf.function(partial(self._sum_gradients, head_only))
            for head_only in (True, False)
        }
        self._apply = {
            head_only: tf.function(partial(self._change, head_only)) for head_only in (True, False)
        }
        self._add = tf.function(self._added)

    # One step

    def _variables(self, head_only: bool) -> list[keras.Variable]:
        return self.first if head_only else self.trained

    def _sum_gradients(
        self, head_only: bool, iterator: Any, step: tf.Tensor, micro: tf.Tensor, scale: tf.Tensor
    ) -> tuple[Any, dict[str, tf.Tensor]]:
        """The next batch's gradients, in each replica its own, and its sums over all replicas."""

        def of_replica(
            inputs: Mapping[str, tf.Tensor], labels: tf.Tensor, replica: tf.Tensor
        ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
            self._seed(step, micro, replica)
            variables = [variable.value for variable in self._variables(head_only)]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables)
                sums = self.objective.sums(inputs, labels, training=True)
                loss = sums["loss"] * scale
            gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]  # of tables too
            samples = tf.reduce_sum(tf.cast(inputs["lengths"], tf.float32))
            return gradients, {**sums, "samples": samples}

        compiled = tf.function(of_replica, jit_compile=True, autograph=False)

        def run(inputs: Mapping[str, tf.Tensor], labels: tf.Tensor) -> Any:
            context = tf.distribute.get_replica_context()
            replica = tf.convert_to_tensor(context.replica_id_in_sync_group, tf.int32)
            call = compiled if self.settings.jit_compile else of_replica
            return call(inputs, labels, replica)

        inputs, labels = next(iterator)
        gradients, sums = self.strategy.run(run, args=(inputs, labels))
        return gradients, {name: self._summed(value) for name, value in sums.items()}

    def _seed(self, step: tf.Tensor, micro: tf.Tensor, replica: tf.Tensor) -> None:
        if not self.seeds:
            return
        seed = tf.constant([self.settings.seed, 0], tf.int32)
        for number in (step, micro, replica):
            seed = tf.random.fold_in(seed, number)
        states = tf.random.stateless_uniform(
            [len(self.seeds), 2], seed, minval=0, maxval=2**31 - 1, dtype=tf.int32
        )
        for state, value in zip(self.seeds, tf.unstack(states), strict=True):
            state.value.assign(tf.cast(value, state.value.dtype))

    def _summed(self, value: Any) -> tf.Tensor:
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)

    def _added(self, one: Any, other: Any) -> Any:
        def add(one: Any, other: Any) -> Any:
            return [first + second for first, second in zip(one, other, strict=True)]

        return self.strategy.run(add, args=(one, other))

    def _change(
        self,
        head_only: bool,
        gradients: Any,
        weight: tf.Tensor,
        rate: tf.Tensor,
        step: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Change the weights by all replicas' gradients, divided by `weight`.

        Returns the norm of the gradients, and whether it is a number: else nothing has changed.
        """
        first = {variable.path for variable in self.first}

        def of_replica(gradients: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            context = tf.distribute.get_replica_context()
            # as identities they are on the replica's device, which workers need to know
            placed = [tf.identity(gradient) for gradient in gradients]
            total = context.all_reduce(tf.distribute.ReduceOp.SUM, placed)
            total = [tf.cast(gradient, tf.float32) / weight for gradient in total]
            norm = tf.linalg.global_norm(total)
            if self.settings.clip_norm:
                factor = tf.minimum(1.0, self.settings.clip_norm / (norm + 1e-6))
                total = [gradient * factor for gradient in total]
            sound = tf.math.is_finite(norm)
            done = tf.cast(step, tf.float32) + 1
            variables = self._variables(head_only)
            updates = [
                done if variable.path in first else done - self.first_steps
                for variable in variables
            ]
            self.optimizer.apply(variables, total, rate, updates, sound)
            return norm, sound

        norm, sound = self.strategy.run(of_replica, args=(gradients,))
        return self._first(norm), self._first(sound)

    def _first(self, value: Any) -> tf.Tensor:
        return self.strategy.experimental_local_results(value)[0]

    def step(self, iterator: Any, batches: Sequence[np.ndarray]) -> dict[str, float]:
        """One step over the next batches of an iterator; its figures.

        Raises `UserError` where the loss or its gradients are no numbers; nothing has changed then.
        """
        progress, settings = self.progress, self.settings
        head_only = progress.step < self.first_steps
        self.objective.at_step(progress.step)
        step = tf.constant(progress.step, tf.int32)
        scale = tf.constant(progress.scale, tf.float32)
        gradients: Any = None
        sums: dict[str, tf.Tensor] = {}
        for micro in range(len(batches)):
            new, more = self._gradients[head_only](
                iterator, step, tf.constant(micro, tf.int32), scale
            )
            gradients = new if gradients is None else self._add(gradients, new)
            sums = {name: sums.get(name, 0.0) + value for name, value in more.items()}
        rate = settings.learning_rate(progress.step, self.total)
        weight = tf.maximum(sums["weight"], 1.0)
        norm, sound = self._apply[head_only](
            gradients, weight * scale, tf.constant(rate, tf.float32), step
        )
        totals = {name: float(value) for name, value in sums.items()}
        samples, divisor = totals.pop("samples"), max(totals.pop("weight"), 1.0)
        figures = {name: value / divisor for name, value in totals.items()}
        self._judge(bool(sound), figures["loss"], batches)
        return {
            **figures,
            "rate": rate,
            "norm": float(norm),
            "hours": samples / SAMPLE_RATE / 3600,
        }

    def _judge(self, sound: bool, loss: float, batches: Sequence[np.ndarray]) -> None:
        """Adapts the scale of the loss to float16; raises `UserError` where that does not help."""
        progress = self.progress
        scale = LossScale(progress.scale, progress.steady)
        if math.isfinite(loss) and (sound or scale.can_fall):
            scale = scale.after(sound)
            progress.scale, progress.steady = scale.value, scale.steady
            return
        names = [name for batch in batches for name in self.feed.names(batch)]
        what = "gradients are not finite" if math.isfinite(loss) else f"loss became {loss}"
        listed = ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
        if self.chief:
            self._keep(LAST)
        raise UserError(
            f"step {progress.step + 1}: the {what}; the weights before it are in "
            f"{self.output / LAST}: lower the rate, or look at this batch: {listed}"
        )

    # The run

    def run(self) -> dict[str, float]:
        """Train from where the run stands to its end; the last figures on dev.

        Raises `UserError` where it cannot go on; see `step` and `Checkpoints`.
        """
        self._restore()
        progress = self.progress
        figures: dict[str, float] = {}
        with (
            Log(self.output, progress.step, self.chief) as journal,
            ProgressBar(
                "training", self.total, "step", done=progress.step, shown=self.chief
            ) as bar,
            user_errors(),
            interrupts_wait() as interrupted,
        ):
            while progress.step < self.total and not self._patience_is_over():
                report: Report | None = None
                for report in self._epoch():
                    bar.update(1, report.shown(figures))
                    journal.write(progress.step, report.figures)
                    if interrupted.is_set():
                        self._save()
                        raise KeyboardInterrupt
                if self.evaluate is not None:
                    figures = self._evaluate(journal)
                if report is not None:
                    bar.milestone(report.shown(figures))
                self._save()
        if self.chief:
            self._keep(LAST)
            if self.evaluate is None:
                self._keep(BEST)
        return figures

    def _epoch(self) -> Iterator[Report]:
        """The steps that are left of the epoch, or of the run."""
        progress = self.progress
        steps = self.feed.steps(progress.epoch)
        left = steps[progress.index :][: self.total - progress.step]
        batches = [batch for step in left for batch in step]
        iterator = self.feed.iterator(self.strategy, batches)
        began, hours = time.monotonic(), 0.0
        for step in left:
            figures = self.step(iterator, step)
            progress.step, progress.index = progress.step + 1, progress.index + 1
            hours += figures.pop("hours")
            speed = hours / (time.monotonic() - began) * 3600
            yield Report(progress.epoch, figures, speed)
            if progress.step % self.settings.save_every == 0:
                self._save()
        if progress.index == len(steps):
            progress.epoch, progress.index = progress.epoch + 1, 0

    def _evaluate(self, journal: Log) -> dict[str, float]:
        assert self.evaluate is not None
        progress = self.progress
        figures = self.evaluate()
        score = figures.pop("score")
        if progress.best is None or score < progress.best:
            progress.best, progress.since_best = score, 0
            if self.chief:
                self._keep(BEST)
        else:
            progress.since_best += 1
        journal.write(progress.step, {f"dev_{name}": value for name, value in figures.items()})
        return figures

    def _patience_is_over(self) -> bool:
        patience = self.settings.patience
        return patience is not None and self.progress.since_best >= patience

    # Saving

    def _keep(self, name: str) -> None:
        run_folder.keep(self.output / name, self.model, self.feed.processor)

    def _state(self) -> dict[str, tf.Variable]:
        """All that steps change, but for random states, which follow from the step."""
        seeds = {id(seed) for seed in self.seeds}
        variables = {
            f"model/{number}/{path_below(variable)}": variable.value
            for number, variable in enumerate(self.model.variables)
            if id(variable) not in seeds
        }
        for path, moments in self.optimizer.moments.items():
            for name, moment in zip(("first", "second"), moments, strict=True):
                variables[f"{name}/{path.partition('/')[2]}"] = moment
        return variables

    def _save(self) -> None:
        # every worker reads, since values of all replicas may have to be brought together
        tensors = {name: variable.numpy() for name, variable in self._state().items()}
        if self.chief:
            facts = {name: value for name, value in vars(self.progress).items() if name != "step"}
            self.checkpoints.save(State(self.progress.step, facts, tensors))

    def _restore(self) -> None:
        state = self.checkpoints.load()
        if not meet(self.strategy, state.step if state else 0):
            raise UserError(
                f"{self.output}: the workers find different checkpoints; it must be one folder "
                "that all of them share"
            )
        if state is None:
            return
        before, now = state.facts["identity"], self.progress.identity
        if differing := [name for name in now if before.get(name) != now[name]]:
            raise UserError(
                f"{self.output}: holds a run with another {differing[0]}; go on with the same, "
                "name another output, or add --restart to drop it"
            )
        variables = self._state()
        if variables.keys() != state.tensors.keys():
            raise UserError(
                f"{self.output}: its checkpoint is of another model; name another output, or add "
                "--restart to drop it"
            )
        for name, variable in variables.items():
            variable.assign(state.tensors[name])
        self.progress = Progress(step=state.step, **state.facts)
        log.warning("going on from step %d of %d", state.step, self.total)


@dataclass(frozen=True)
class Report:
    epoch: int
    figures: dict[str, float]
    speed: float
    """Hours of audio an hour."""

    def shown(self, dev: Mapping[str, float]) -> dict[str, str]:
        """For the progress bar."""
        of_dev = {f"dev {name}": f"{value:.4g}" for name, value in dev.items()}
        return {
            "epoch": str(self.epoch + 1),
            "loss": f"{self.figures['loss']:.3f}",
            **of_dev,
            "audio-h/h": f"{self.speed:.1f}",
        }


@contextmanager
def interrupts_wait() -> Iterator[threading.Event]:
    """Control-C sets this, for the step to end first; a second time it stops at once."""
    asked, before = threading.Event(), signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked  # other threads get no signals
        return
    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


class Log:
    """A line of JSON for each step and each evaluation, and the same for TensorBoard.

    What is there of steps that are done again is dropped.
    """

    def __init__(self, output: Path, step: int, chief: bool) -> None:
        self.file = self.events = None
        if not chief:
            return
        output.mkdir(parents=True, exist_ok=True)
        path = output / LOG_FILE
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        path.write_text("".join(line for line in lines if _is_before(line, step)))
        self.file = path.open("a")
        self.events = tf.summary.create_file_writer(str(output / EVENTS))

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        if self.file is None or self.events is None:
            return
        print(json.dumps({"step": step, **figures}), file=self.file, flush=True)
        with self.events.as_default():
            for name, value in figures.items():
                _scalar_event(name, value, step)

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *error: object) -> None:
        if self.file is not None and self.events is not None:
            self.file.close()
            self.events.close()


def chosen(model: keras.Model, settings: Settings) -> list[keras.Variable]:
    """The variables that the settings leave to be trained, by parts of their paths.

    Raises `UserError` for a part that the model does not have, and where nothing is left.
    """
    variables = model.trainable_variables
    paths = [f"/{variable.path}/" for variable in variables]
    known = {part for path in paths for part in path.strip("/").split("/")[1:-1]}
    absent_by_nature = {"feature_encoder"}  # Wav2Vec2-BERT has none, and it is frozen by default

    def among(path: str, *parts: str) -> bool:
        return any(f"/{part}/" in path for part in parts)

    for part in (*settings.freeze, *settings.train_only):
        if part not in absent_by_nature and not any(among(path, part) for path in paths):
            raise UserError(f"{part} is no part of this model" + did_you_mean(part, known))
    left = [
        variable
        for variable, path in zip(variables, paths, strict=True)
        if (
            among(path, *settings.train_only)
            if settings.train_only
            else not among(path, *settings.freeze)
        )
    ]
    if not left:
        raise UserError("everything is frozen: there is nothing to train")
    return left


def _is_before(line: str, step: int) -> bool:
    try:
        return line.endswith("\n") and json.loads(line)["step"] <= step
    except (ValueError, KeyError, TypeError):
        return False


def _scalar_event(name: str, value: float, step: int) -> None:
    """As `tf.summary.scalar`, which asks for the package tensorboard even to write."""
    plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
    metadata = tf.compat.v1.SummaryMetadata(plugin_data=plugin)
    tf.summary.write(name, tf.constant(value, tf.float32), step, metadata)
