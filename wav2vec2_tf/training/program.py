"""What the training programs do alike: set up, make the parts, train, draw."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from wav2vec2_tf.data.corpus import Corpus, open_corpus
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.training import run_folder
from wav2vec2_tf.training.batches import prepare
from wav2vec2_tf.training.distribution import (
    is_chief,
    meet,
    peers_may_go,
    seeds_of_replicas,
    strategy_of,
)
from wav2vec2_tf.training.feed import Feed
from wav2vec2_tf.training.settings import Settings
from wav2vec2_tf.training.trainer import Trainer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setup:
    settings: Settings
    strategy: tf.distribute.Strategy
    train: list[Corpus]
    dev: list[Corpus]

    @contextmanager
    def making_a_model(self) -> Iterator[None]:
        """A model made inside is of the settings' precision, on the strategy's devices."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.settings.precision)
        try:
            with self.strategy.scope(), seeds_of_replicas():
                yield
        finally:
            keras.config.set_dtype_policy(before)

    def feed(
        self, corpora: list[Corpus], what: str, config: Config, processor: Processor, **options: Any
    ) -> Feed:
        """The utterances of `train` or `dev`, counted aloud; `options` are those of `prepare`."""
        prepared = prepare(
            corpora,
            config,
            longest_seconds=self.settings.longest_seconds,
            shortest_seconds=self.settings.shortest_seconds,
            **options,
        )
        log.warning("%s: %s", what, prepared.report())
        return Feed(prepared, processor, self.settings)

    @property
    def identity(self) -> dict[str, Any]:
        """What must not change when the run goes on."""
        return run_folder.identity(self.settings, [*self.train, *self.dev])


def train(
    settings: Settings,
    make: Callable[[Setup], Trainer],
    *,
    restart: bool = False,
    cache_dir: str | None = None,
    transcribed: bool = True,
) -> dict[str, float]:
    """Run the trainer that `make` gives in the folder of the settings; the last figures on dev."""
    output = Path(settings.output)
    run_folder.check(output)
    strategy = strategy_of(settings.strategy)
    with peers_may_go(strategy):
        keras.utils.set_random_seed(settings.seed)
        train, dev = (
            [
                open_corpus(spec, split=split, cache_dir=cache_dir, transcribed=transcribed)
                for spec in specs
            ]
            for specs, split in (
                (settings.train, settings.train_split),
                (settings.dev, settings.dev_split),
            )
        )
        trainer = make(Setup(settings, strategy, train, dev))
        if is_chief(strategy):
            run_folder.claim(output, settings, restart=restart)
        meet(strategy)  # the chief may have dropped checkpoints that others would read
        figures = trainer.run()
        if trainer.chief:
            run_folder.draw(output)
            measured = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
            print(
                f"{output / run_folder.BEST}"
                + (f": at the end, {measured} on dev" if figures else "")
            )
    return figures
