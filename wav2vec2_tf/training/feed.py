"""Prepared utterances → what each replica is given at each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.training import batches as plans
from wav2vec2_tf.training.batches import Prepared
from wav2vec2_tf.training.distribution import own_replicas
from wav2vec2_tf.training.settings import Settings


@dataclass(frozen=True)
class Feed:
    prepared: Prepared
    processor: Processor
    settings: Settings

    def steps(self, epoch: int) -> list[list[np.ndarray]]:
        """The batches of each step: one, or those whose gradients are added up."""
        batches = plans.plan_epoch(
            self.prepared.samples,
            seed=self.settings.seed,
            epoch=epoch,
            batch_seconds=self.settings.batch_seconds,
            most_rows=self.settings.most_rows,
            bucketed=self.settings.jit_compile,
        )
        each = self.settings.accumulate
        return [batches[start : start + each] for start in range(0, len(batches), each)]

    def iterator(
        self, strategy: tf.distribute.Strategy, batches: Sequence[np.ndarray]
    ) -> Iterator[Any]:
        """`(inputs, labels)` of one batch after another, for every replica its share."""
        replicas = strategy.num_replicas_in_sync
        if replicas == 1:
            return iter(self.dataset(batches, 1, range(1)))
        return iter(
            strategy.distribute_datasets_from_function(
                lambda context: self.dataset(batches, replicas, own_replicas(context))
            )
        )

    def dataset(self, batches: Sequence[np.ndarray], replicas: int, own: range) -> tf.data.Dataset:
        """The shares of the replicas in `own`, in turn, batch after batch."""
        samples, label_lengths = self.prepared.samples, self.prepared.label_lengths
        pieces = []
        for batch in batches:
            shares = plans.split(
                batch, replicas, samples, label_lengths, bucketed=self.settings.jit_compile
            )
            pieces += [shares[replica] for replica in own]
        return plans.dataset(self.prepared.examples, pieces, self.processor)

    def names(self, batch: np.ndarray) -> list[str]:
        """Ids of a batch's utterances."""
        return [self.prepared.examples[number].id for number in batch]
