"""The training loop: steps, evaluation, checkpoints, and the log, resumed bit for bit.

The random draws of a step follow from (seed, step, replica) and an epoch's order from (seed,
epoch), so a checkpoint holds weights, moments and the position in the data, and nothing else.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.data.bad_recordings import LISTED, write_bad
from wav2vec2_tf.training.batches import Batches
from wav2vec2_tf.training.checkpoints import Checkpoints, TrainingState
from wav2vec2_tf.training.distribution import is_chief, workers_agree
from wav2vec2_tf.training.optimizer import FIRST_SCALE, LossScale
from wav2vec2_tf.training.run_folder import RunFolder, RunLog, run_identity
from wav2vec2_tf.training.settings import TrainingOptions
from wav2vec2_tf.training.step import Objective, TrainStep
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

NAMED = 8
"""Number of utterances that a message names."""
EMPTY_STEPS = 10
"""Steps in a row of which no recording can be read, after which the run stops."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """What a training run ends with."""

    best: Path
    """Folder of the model that was best on dev, or the last one without dev."""
    metrics: dict[str, float]
    """The last evaluation on dev; empty without dev."""
    is_chief: bool
    """Whether this process has written the results: of several workers, one does."""
    bad: Mapping[str, str] = field(default_factory=dict)
    """Id → reason of the recordings that were left out because they could not be read."""


@dataclass
class Progress:
    """Position of a run, saved with every checkpoint."""

    step: int = 0
    """Steps done."""
    epoch: int = 0
    index: int = 0
    """Steps done in the epoch."""
    best: float | None = None
    """Lowest score on dev."""
    since_best: int = 0
    """Evaluations without a better score."""
    scale: float = 1.0
    """Scale of the loss; see `LossScale`."""
    steady: int = 0
    """Steps since the scale changed."""
    bad: dict[str, str] = field(default_factory=dict)
    """Id → reason of the recordings that were left out."""
    identity: dict[str, Any] = field(default_factory=dict)
    """Options and data, which must be equal for a run to resume."""


class Trainer:
    """Minimizes an objective over batches, evaluates each epoch, and saves checkpoints.

    Args:
        options: of the run.
        objective: the loss and its model.
        batches: the training data; their processor is saved with the model.
        variables: the variables to train; see `select_variables`.
        strategy: the devices.
        evaluate: returns the metrics on dev, with a "score" of which lower is better.
        examples: the record of the examples, which must not change when the run resumes; see
            `run_examples.record`.
        head: those of the variables that are trained alone in the first `head_only_steps` steps.
        head_only_steps: number of these steps.
    """

    def __init__(
        self,
        options: TrainingOptions,
        objective: Objective,
        batches: Batches,
        variables: Sequence[keras.Variable],
        *,
        strategy: tf.distribute.Strategy,
        evaluate: Callable[[], dict[str, float]] | None = None,
        examples: str = "",
        head: Sequence[keras.Variable] = (),
        head_only_steps: int = 0,
    ) -> None:
        self.options, self.model, self.batches = options, objective.model, batches
        self.strategy, self.evaluate = strategy, evaluate
        self.folder = RunFolder(Path(options.output))
        self.checkpoints = Checkpoints(self.folder.checkpoints)
        self.is_chief = is_chief(strategy)
        self.total_steps = options.steps or math.ceil(options.epochs * len(batches.steps(0)))
        self.examples, self._known_bad, self._named_bad, self._empty_steps = examples, 0, 0, 0
        self.progress = Progress(
            identity=run_identity(options, examples),
            scale=FIRST_SCALE if options.precision == "mixed_float16" else 1.0,
        )
        self._train_step = TrainStep(
            objective, variables, options, strategy, head=head, head_only_steps=head_only_steps
        )

    def fit(self, *, restart: bool = False) -> TrainingResult:
        """Trains to the end, from the last checkpoint if the output folder has one.

        Args:
            restart: delete what an earlier run has left in the output folder.

        Raises:
            UserError: if the output folder holds something else or a run with other options or
                data, if every checkpoint is damaged or one cannot be written, if no audio can be
                read any more, or if the loss becomes NaN.
        """
        if self.is_chief:
            self.folder.claim(self.options, self.examples, self.batches.processor, restart=restart)
        workers_agree(self.strategy)  # the chief has deleted checkpoints that others would read
        self._restore()
        self._known_bad = len(self.batches.unread)
        self.progress.bad |= self.batches.unread
        progress, total = self.progress, self.total_steps
        metrics: dict[str, float] = {}
        with (
            RunLog(self.folder, progress.step, enabled=self.is_chief) as run_log,
            ProgressBar("training", total, "step", done=progress.step, shown=self.is_chief) as bar,
            deferred_interrupt() as interrupted,
        ):
            while progress.step < total and not self._patience_is_over():
                report: StepReport | None = None
                for report in self._epoch():
                    bar.update(1, report.note(metrics))
                    run_log.write(progress.step, report.metrics)
                    if interrupted.is_set():
                        self._save_checkpoint()
                        raise KeyboardInterrupt
                if self.evaluate is not None:
                    metrics = self._evaluate_epoch(self.evaluate)
                    run_log.write(progress.step, {f"dev_{k}": v for k, v in metrics.items()})
                if report is not None:
                    bar.milestone(report.note(metrics))
                self._save_checkpoint()
        if self.is_chief:
            self._save_model(self.folder.last)
            if self.evaluate is None:
                self._save_model(self.folder.best)
            self.folder.draw_curves()
            write_bad(self.folder.path, progress.bad)
        return TrainingResult(self.folder.best, metrics, self.is_chief, progress.bad)

    # Steps

    def step(self, iterator: Any, batches: Sequence[np.ndarray]) -> dict[str, float]:
        """Trains on the next batches of an iterator; returns the metrics of the step.

        Args:
            iterator: yields `(inputs, labels)`.
            batches: the batches that it yields, named in errors.

        Raises:
            UserError: if the loss or its gradients are NaN or infinite; nothing has changed then.
        """
        progress = self.progress
        rate = self.options.learning_rate(progress.step, self.total_steps)
        result = self._train_step(
            iterator, len(batches), step=progress.step, rate=rate, scale=progress.scale
        )
        self._adapt_scale(result.finite, result.metrics["loss"], batches)
        hours = result.samples / SAMPLE_RATE / 3600
        return {**result.metrics, "rate": rate, "norm": result.norm, "hours": hours}

    def _adapt_scale(self, finite: bool, loss: float, batches: Sequence[np.ndarray]) -> None:
        """Adapts the scale of the loss to float16; raises `UserError` where that cannot help."""
        progress = self.progress
        scale = LossScale(progress.scale, progress.steady)
        if math.isfinite(loss) and (finite or scale.can_fall):
            scale = scale.after(finite)
            progress.scale, progress.steady = scale.value, scale.steady
            return
        if self.is_chief:
            self._save_model(self.folder.last)
        ids = [id for batch in batches for id in self.batches.ids(batch)]
        names = ", ".join(ids[:NAMED]) + (", …" if len(ids) > NAMED else "")
        found = "loss became NaN" if math.isnan(loss) else "loss became infinite"
        if math.isfinite(loss):
            found = "gradients became NaN or infinite"
        raise UserError(
            f"{found} at step {progress.step + 1} (batch: {names}): lower the learning rate or "
            f"check this batch; the weights before this step are in {self.folder.last}"
        )

    def _epoch(self) -> Iterator[StepReport]:
        """Trains the steps that are left of the epoch, or of the run."""
        progress = self.progress
        steps = self.batches.steps(progress.epoch)
        left = steps[progress.index :][: self.total_steps - progress.step]
        iterator = self.batches.iterator(self.strategy, [batch for step in left for batch in step])
        began, hours = time.monotonic(), 0.0
        for batches in left:
            metrics = self.step(iterator, batches)
            self._require_audio(metrics["hours"] > 0)
            progress.step, progress.index = progress.step + 1, progress.index + 1
            hours += metrics.pop("hours")
            speed = hours / (time.monotonic() - began) * 3600
            yield StepReport(progress.epoch, metrics, speed)
            if progress.step % self.options.save_every == 0:
                self._save_checkpoint()
        if progress.index == len(steps):
            progress.epoch, progress.index = progress.epoch + 1, 0

    def _note_bad(self) -> None:
        """Takes over the recordings that could not be read lately, and names the first of them."""
        for id, reason in list(self.batches.unread.items())[self._known_bad :]:
            self._known_bad += 1
            self.progress.bad[id] = reason
            self._named_bad += 1
            if self._named_bad <= LISTED:
                log.warning("%r cannot be read and is left out: %s", id, reason)

    def _require_audio(self, any_read: bool) -> None:
        """Raises `UserError` if not one recording of many steps could be read."""
        self._note_bad()
        bad = self.batches.unread
        self._empty_steps = 0 if any_read else self._empty_steps + 1
        if self._empty_steps == EMPTY_STEPS:
            raise UserError(
                f"no recording of the last {EMPTY_STEPS} steps can be read: {bad.listed()}; check "
                "the place of the corpora, and start the same command again to resume"
            )

    # Evaluation

    def _evaluate_epoch(self, evaluate: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Evaluates on dev; saves the model if it is the best so far."""
        progress = self.progress
        metrics = evaluate()
        score = metrics.pop("score")
        if progress.best is None or score < progress.best:
            progress.best, progress.since_best = score, 0
            if self.is_chief:
                self._save_model(self.folder.best)
        else:
            progress.since_best += 1
        return metrics

    def _patience_is_over(self) -> bool:
        patience = self.options.patience
        return patience is not None and self.progress.since_best >= patience

    # Models and checkpoints

    def _save_model(self, folder: Path) -> None:
        self.folder.save_model(folder, self.model, self.batches.processor)

    def _save_checkpoint(self) -> None:
        self._note_bad()  # those of dev as well
        # every worker reads, since values of all replicas may have to be combined
        tensors = {name: value.numpy() for name, value in self._train_step.state().items()}
        if self.is_chief:
            facts = {name: value for name, value in vars(self.progress).items() if name != "step"}
            self.checkpoints.save(TrainingState(self.progress.step, facts, tensors))
            write_bad(self.folder.path, self.progress.bad)

    def _restore(self) -> None:
        checkpoint = self.checkpoints.load()
        if not workers_agree(self.strategy, checkpoint.step if checkpoint else 0):
            raise UserError(
                f"{self.folder.path}: the workers find different checkpoints: name one folder "
                "that all of them share"
            )
        if checkpoint is None:
            return
        before, now = checkpoint.facts["identity"], self.progress.identity
        if differing := [name for name in now if before.get(name) != now[name]]:
            raise UserError(
                f"{self.folder.path}: holds a run with another {differing[0]}: use the same to "
                "resume it, name another output, or delete it with --restart"
            )
        state = self._train_step.state()
        if state.keys() != checkpoint.tensors.keys():
            raise UserError(
                f"{self.folder.path}: the checkpoint is of another model: name another output, or "
                "delete it with --restart"
            )
        for name, variable in state.items():
            variable.assign(checkpoint.tensors[name])
        self.progress = Progress(step=checkpoint.step, **checkpoint.facts)
        log.warning("resuming from step %d of %d", checkpoint.step, self.total_steps)


@dataclass(frozen=True)
class StepReport:
    """What the log and the progress bar show of a step."""

    epoch: int
    metrics: dict[str, float]
    speed: float
    """Hours of audio per hour."""

    def note(self, dev: Mapping[str, float]) -> dict[str, str]:
        """Returns the note of the progress bar, with the last metrics on dev."""
        return {
            "epoch": str(self.epoch + 1),
            "loss": f"{self.metrics['loss']:.3f}",
            **{f"dev {name}": f"{value:.4g}" for name, value in dev.items()},
            "audio-h/h": f"{self.speed:.1f}",
        }


@contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """Makes Control-C set an event, so that a step ends first; pressed again, it stops at once."""
    interrupted, before = threading.Event(), signal.getsignal(signal.SIGINT)

    def on_interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        interrupted.set()

    if threading.current_thread() is not threading.main_thread():
        yield interrupted  # other threads get no signals
        return
    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
