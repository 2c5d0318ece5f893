"""Metrics of a model on held-out utterances, after each epoch of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jiwer
import numpy as np
import tensorflow as tf

from wav2vec2_tf.models.base import Wav2Vec2ForCTC
from wav2vec2_tf.models.lengths import size, valid
from wav2vec2_tf.training.batches import Batches
from wav2vec2_tf.training.contrastive import PreTrainingObjective
from wav2vec2_tf.training.distribution import is_chief
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar


class CTCEvaluation:
    """Word and character error rates of greedy decoding.

    Called without arguments, returns "wer", "cer" and "score", which is the word error rate.

    Args:
        model: the model.
        batches: the held-out utterances, with their tokenizer.
        strategy: the devices.
    """

    def __init__(
        self, model: Wav2Vec2ForCTC, batches: Batches, strategy: tf.distribute.Strategy
    ) -> None:
        assert batches.processor.tokenizer is not None
        self._model, self._batches, self._strategy = model, batches, strategy
        self._tokenizer = batches.processor.tokenizer
        self._ids = tf.function(self._ids_of_next)

    def __call__(self) -> dict[str, float]:
        """Returns the metrics."""
        batches = _in_order(self._batches)
        iterator = self._batches.iterator(self._strategy, batches)
        references: list[str] = []
        hypotheses: list[str] = []
        with _progress(batches, self._strategy) as bar:
            for batch in batches:
                for index, ids in zip(batch, self._ids(iterator).numpy(), strict=False):
                    if (ids < 0).all():  # the recording could not be read
                        continue
                    labels = self._batches.selection.examples[index].labels
                    references.append(self._tokenizer.decode(labels, group_tokens=False))
                    hypotheses.append(self._tokenizer.decode(ids[ids >= 0]))
                bar.update(len(batch))
        if not references:
            raise UserError(f"dev: no recording can be read: {self._batches.unread.listed()}")
        wer = float(jiwer.wer(references, hypotheses))
        return {"wer": wer, "cer": float(jiwer.cer(references, hypotheses)), "score": wer}

    def _ids_of_next(self, iterator: Any) -> tf.Tensor:
        """Returns the most likely token of each frame of a batch, -1 for padding.

        Shape (rows, frames).
        """

        def in_replica(inputs: Mapping[str, tf.Tensor], labels: tf.Tensor) -> tf.Tensor:
            ids = tf.argmax(self._model(dict(inputs)), axis=-1, output_type=tf.int32)
            frames = self._model.config.frame_length(inputs["lengths"])
            return tf.where(valid(frames, size(ids, 1)), ids, -1)

        return self._strategy.gather(self._strategy.run(in_replica, args=next(iterator)), axis=0)


class PreTrainingEvaluation:
    """Losses of pre-training, with the same masks and negatives at each call.

    Called without arguments, returns means over masked frames (see `PreTrainingObjective.sums`)
    and "score", which is the contrastive loss: the published models are those with the lowest.

    Args:
        objective: the objective and its model.
        batches: the held-out utterances.
        strategy: the devices.
    """

    def __init__(
        self, objective: PreTrainingObjective, batches: Batches, strategy: tf.distribute.Strategy
    ) -> None:
        self._objective, self._batches, self._strategy = objective, batches, strategy
        self._sums = tf.function(self._sums_of_next)

    def __call__(self) -> dict[str, float]:
        """Returns the metrics; raises `UserError` if no utterance is long enough to mask."""
        batches = _in_order(self._batches)
        iterator = self._batches.iterator(self._strategy, batches)
        totals: dict[str, float] = {}
        with _progress(batches, self._strategy) as bar:
            for batch in batches:
                for name, value in self._sums(iterator).items():
                    totals[name] = totals.get(name, 0.0) + float(value)
                bar.update(len(batch))
        weight = totals.pop("weight")
        if not weight:
            raise UserError(
                "dev: no utterance is long enough for a masked span: name others, or lower "
                "mask_time_length"
            )
        means = {name: value / weight for name, value in totals.items()}
        return {**means, "score": means["contrastive"]}

    def _sums_of_next(self, iterator: Any) -> dict[str, tf.Tensor]:
        def in_replica(inputs: Mapping[str, tf.Tensor], labels: tf.Tensor) -> dict[str, tf.Tensor]:
            return self._objective.sums(inputs, labels, training=False)

        sums = self._strategy.run(in_replica, args=next(iterator))
        return {
            name: self._strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)
            for name, value in sums.items()
        }


def _in_order(batches: Batches) -> list[np.ndarray]:
    return [batch for step in batches.steps(0) for batch in step]


def _progress(batches: Sequence[np.ndarray], strategy: tf.distribute.Strategy) -> ProgressBar:
    total, shown = sum(map(len, batches)), is_chief(strategy)
    return ProgressBar("dev", total, "utterance", shown=shown, desc="dev", leave=False)
