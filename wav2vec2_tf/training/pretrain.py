"""Pre-trains a model on speech without transcripts, from a checkpoint or from random weights.
Started again with the same settings, an interrupted run goes on, and ends with the same weights to
the bit.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.training.settings import Settings, add_training_flags, run_training
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

if TYPE_CHECKING:
    import tensorflow as tf

    from wav2vec2_tf.data.corpus import Corpus
    from wav2vec2_tf.models.heads import Wav2Vec2ForPreTraining
    from wav2vec2_tf.models.processor import Processor
    from wav2vec2_tf.training.contrastive import PreTrainingObjective
    from wav2vec2_tf.training.feed import Feed
    from wav2vec2_tf.training.program import Setup
    from wav2vec2_tf.training.trainer import Trainer


@dataclass(frozen=True, kw_only=True)
class PretrainSettings(Settings):
    """Of pre-training; the defaults are those of base models (arXiv:2006.11477, section 4.2)."""

    from_scratch: bool = False
    """start from random weights: of the model, its config alone is taken"""
    longest_seconds: float = 15.6
    """leave out longer utterances"""
    shortest_seconds: float = 2.0
    """leave out shorter utterances"""
    rate: float = 5e-4
    """learning rate at its peak"""
    schedule: str = "linear"
    """of the learning rate: tri-stage, linear or cosine"""
    warm_up: float = 0.08
    """part of the steps in which the rate rises"""
    epsilon: float = 1e-6
    """of AdamW"""
    freeze: tuple[str, ...] = ()
    """parts not to train, by their names in variables' paths: feature_encoder, encoder/layers_0"""

    mask_time_prob: float = 0.65
    """part of the frames in masked spans, were there no overlap; that of the model's config is for
    fine-tuning"""
    mask_time_length: int = 10
    """frames in a masked span"""
    mask_time_min_masks: int = 2
    """masked spans in an utterance at least"""
    start_temperature: float = 2.0
    """of the Gumbel softmax that chooses entries of the codebooks, at first"""
    end_temperature: float = 0.5
    """the least it falls to; large models have 0.1"""
    temperature_decay: float = 0.999995
    """what it is multiplied by at each step"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_training_flags(parser, PretrainSettings)


def run(args: argparse.Namespace) -> int:
    return run_training(args, PretrainSettings, pretrain)


def pretrain(settings: PretrainSettings, *, restart: bool = False, **hub: Any) -> dict[str, float]:
    """Pre-train as the settings say; the last figures on dev.

    `settings.output` holds then: `best`, a model folder to fine-tune from (of the epoch with the
    lowest contrastive loss on dev, or the last one without dev); `last`; `settings.yaml`;
    `log.jsonl`, `events` for TensorBoard, and `curves.png`; and `checkpoints`.

    Raises:
        UserError: bad settings or data, an output that holds something else, no more room, a loss
            that is no number.
    """
    from wav2vec2_tf.training.program import train

    return train(
        settings,
        lambda setup: _trainer(settings, setup, hub),
        restart=restart,
        cache_dir=hub.get("cache_dir"),
        transcribed=False,
    )


def _trainer(settings: PretrainSettings, setup: Setup, hub: dict[str, Any]) -> Trainer:
    from wav2vec2_tf.training.contrastive import PreTrainingObjective
    from wav2vec2_tf.training.trainer import Trainer, chosen

    with setup.making_a_model():
        model, processor = _model(settings, hub)
    model.base_model.encoder.gradient_checkpointing = settings.gradient_checkpointing
    objective = PreTrainingObjective(
        model,
        mask_time_prob=settings.mask_time_prob,
        mask_time_length=settings.mask_time_length,
        mask_time_min_masks=settings.mask_time_min_masks,
        start_temperature=settings.start_temperature,
        end_temperature=settings.end_temperature,
        temperature_decay=settings.temperature_decay,
    )

    def feed(corpora: list[Corpus], what: str) -> Feed:
        return setup.feed(corpora, what, model.config, processor)

    dev = feed(setup.dev, "dev") if setup.dev else None
    return Trainer(
        settings,
        objective,
        feed(setup.train, "train"),
        chosen(model, settings),
        strategy=setup.strategy,
        evaluate=Evaluation(objective, dev, setup.strategy) if dev else None,
        identity=setup.identity,
    )


class Evaluation:
    """The losses on held-out utterances, with masks and distractors that are always the same."""

    def __init__(
        self, objective: PreTrainingObjective, feed: Feed, strategy: tf.distribute.Strategy
    ) -> None:
        import tensorflow as tf

        self.objective, self.feed, self.strategy = objective, feed, strategy
        self._sums = tf.function(self._sums_of_next)

    def _sums_of_next(self, iterator: Any) -> dict[str, tf.Tensor]:
        def of_replica(inputs: Mapping[str, tf.Tensor], labels: tf.Tensor) -> dict[str, tf.Tensor]:
            return self.objective.sums(inputs, labels, training=False)

        sums = self.strategy.run(of_replica, args=next(iterator))
        return {name: self.strategy.reduce("SUM", value, axis=None) for name, value in sums.items()}

    def __call__(self) -> dict[str, float]:
        """Means over masked frames. The published models are those of the least contrastive loss.

        Raises `UserError` where no utterance is long enough to mask.
        """
        from wav2vec2_tf.training.distribution import is_chief

        batches = [batch for step in self.feed.steps(0) for batch in step]
        iterator = self.feed.iterator(self.strategy, batches)
        totals: dict[str, float] = {}
        total, shown = sum(map(len, batches)), is_chief(self.strategy)
        with ProgressBar("dev", total, "utterance", shown=shown, desc="dev", leave=False) as bar:
            for batch in batches:
                for name, value in self._sums(iterator).items():
                    totals[name] = totals.get(name, 0.0) + float(value)
                bar.update(len(batch))
        weight = totals.pop("weight")
        if not weight:
            raise UserError("dev: no utterance is long enough for a masked span")
        figures = {name: value / weight for name, value in totals.items()}
        return {**figures, "score": figures["contrastive"]}


def _model(
    settings: PretrainSettings, hub: dict[str, Any]
) -> tuple[Wav2Vec2ForPreTraining, Processor]:
    """A model that takes masked frames, and the processor that comes with it."""
    from wav2vec2_tf.checkpoint.hub import resolve
    from wav2vec2_tf.models.config import Wav2Vec2Config
    from wav2vec2_tf.models.heads import Wav2Vec2ForPreTraining
    from wav2vec2_tf.models.pretrained import read_config
    from wav2vec2_tf.models.processor import Processor

    processor = Processor.from_pretrained(settings.model, **hub)
    changes = {"apply_spec_augment": True, **settings.model_config}
    if not settings.from_scratch:
        return Wav2Vec2ForPreTraining.from_pretrained(settings.model, **changes, **hub), processor
    path = resolve(settings.model, **hub)
    config = read_config(path if path.is_dir() else path.parent, changes)
    Wav2Vec2ForPreTraining.check_head(config)
    assert isinstance(config, Wav2Vec2Config)  # or it had no such head
    model = Wav2Vec2ForPreTraining(config)
    model.build()
    return model, processor
