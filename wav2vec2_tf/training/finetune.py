"""Fine-tunes a model with CTC on transcribed speech, in any language. Started again with the same
settings, an interrupted run goes on, and ends with the same weights to the bit.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.training.settings import Settings, add_training_flags, run_training
from wav2vec2_tf.utils.errors import UserError, did_you_mean
from wav2vec2_tf.utils.progress import ProgressBar

if TYPE_CHECKING:
    import tensorflow as tf

    from wav2vec2_tf.data.corpus import Corpus
    from wav2vec2_tf.models.base import Wav2Vec2ForCTC
    from wav2vec2_tf.models.processor import Processor
    from wav2vec2_tf.text.normalize import TextRules
    from wav2vec2_tf.text.tokenizer import CTCTokenizer
    from wav2vec2_tf.training.feed import Feed
    from wav2vec2_tf.training.program import Setup
    from wav2vec2_tf.training.trainer import Trainer

VOCABULARIES = ("keep", "transcripts")
UNKNOWN = ("refuse", "map", "drop")


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(Settings):
    """Of fine-tuning."""

    vocabulary: str = "keep"
    """keep (the model's own), transcripts (all their characters), or a folder with a vocab.json"""
    target_lang: str | None = None
    """language of the adapters and the head to start from (MMS)"""
    unknown: str = "refuse"
    """characters outside the vocabulary: refuse, map (to the unknown token) or drop (utterances)"""
    unicode_form: str | None = "NFC"
    """form to bring transcripts to: NFC, NFKC, NFD, NFKD or null"""
    letter_case: str = "keep"
    """of transcripts: keep, upper or lower"""
    replace: Mapping[str, Any] = field(default_factory=dict)
    """what in transcripts becomes what"""
    remove: str = ""
    """characters to drop from transcripts"""
    head_only_steps: int = 0
    """steps at first in which the head alone is trained"""

    def choices(self) -> dict[str, tuple[str, ...]]:
        return {**super().choices(), "unknown": UNKNOWN}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head_only_steps < 0:
            raise UserError(f"head_only_steps must not be negative, got {self.head_only_steps}")

    @property
    def rules(self) -> TextRules:
        from wav2vec2_tf.text.normalize import TextRules

        return TextRules(self.unicode_form, self.letter_case, dict(self.replace), self.remove)


class CTCObjective:
    """The CTC loss a label: that of all utterances over the number of their labels."""

    def __init__(self, model: Wav2Vec2ForCTC, blank: int) -> None:
        self.model, self.blank = model, blank

    def at_step(self, step: int) -> None:
        pass

    def sums(
        self, inputs: Mapping[str, tf.Tensor], labels: tf.Tensor, training: bool
    ) -> dict[str, tf.Tensor]:
        """The "loss" of all utterances, and as "weight" their labels."""
        import tensorflow as tf

        from wav2vec2_tf.training.ctc_loss import count_labels, ctc_loss

        logits = self.model(dict(inputs), training=training)
        counts = count_labels(labels)
        losses = ctc_loss(
            labels,
            logits,
            counts,
            self.model.config.frame_length(inputs["lengths"]),
            self.blank,
            zero_infinity=True,
        )
        return {
            "loss": tf.reduce_sum(losses),
            "weight": tf.reduce_sum(tf.cast(counts, tf.float32)),
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_training_flags(parser, FinetuneSettings)


def run(args: argparse.Namespace) -> int:
    return run_training(args, FinetuneSettings, finetune)


def finetune(settings: FinetuneSettings, *, restart: bool = False, **hub: Any) -> dict[str, float]:
    """Fine-tune as the settings say; the last figures on dev.

    `settings.output` holds then: `best`, a model folder that every program takes (of the epoch
    with the lowest word error rate on dev, or the last one without dev); `last`; `settings.yaml`;
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
    )


def _trainer(settings: FinetuneSettings, setup: Setup, hub: dict[str, Any]) -> Trainer:
    from wav2vec2_tf.training.trainer import Trainer, chosen

    processor = _processor(settings, setup.train, hub)
    tokenizer = processor.tokenizer
    assert tokenizer is not None
    with setup.making_a_model():
        model = _model(settings, tokenizer, hub)
    model.base_model.encoder.gradient_checkpointing = settings.gradient_checkpointing

    def feed(corpora: list[Corpus], what: str) -> Feed:
        texts = {"tokenizer": tokenizer, "rules": settings.rules, "unknown": settings.unknown}
        return setup.feed(corpora, what, model.config, processor, **texts)

    trained = chosen(model, settings)
    head = [variable for variable in trained if "/lm_head/" in variable.path]
    if settings.head_only_steps and not head:
        raise UserError("head_only_steps trains the head, and it is frozen: train lm_head too")
    return Trainer(
        settings,
        CTCObjective(model, tokenizer.pad_token_id),
        feed(setup.train, "train"),
        trained,
        strategy=setup.strategy,
        evaluate=Evaluation(model, feed(setup.dev, "dev"), setup.strategy) if setup.dev else None,
        identity=setup.identity,
        first=head,
        first_steps=settings.head_only_steps,
    )


def _model(settings: FinetuneSettings, tokenizer: CTCTokenizer, hub: dict[str, Any]) -> Any:
    """The model that the settings start from, with a new head for a new vocabulary."""
    from wav2vec2_tf.checkpoint.loader import initial
    from wav2vec2_tf.models.auto import AutoModelForCTC

    new: dict[str, Any] = {}
    if settings.vocabulary != "keep":
        new = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    model = AutoModelForCTC.from_pretrained(
        settings.model, target_lang=settings.target_lang, **{**new, **settings.model_config}, **hub
    )
    if new:  # a head of the same size would be the former one, of other characters
        for variable in model.lm_head.weights:
            shape = tuple(variable.shape)
            variable.assign(initial(f"lm_head.{variable.name}", shape, model.config))
    return model


class Evaluation:
    """The word and character error rates of a model on held-out utterances, decoded greedily."""

    def __init__(self, model: Wav2Vec2ForCTC, feed: Feed, strategy: tf.distribute.Strategy) -> None:
        import tensorflow as tf

        self.model, self.feed, self.strategy = model, feed, strategy
        self._ids = tf.function(self._ids_of_next)

    def _ids_of_next(self, iterator: Any) -> tf.Tensor:
        """(rows, frames) best tokens of a batch, -1 beyond a row's frames."""
        import tensorflow as tf

        from wav2vec2_tf.models.lengths import size, valid

        def of_replica(inputs: Mapping[str, tf.Tensor], labels: tf.Tensor) -> tf.Tensor:
            ids = tf.argmax(self.model(dict(inputs)), axis=-1, output_type=tf.int32)
            frames = self.model.config.frame_length(inputs["lengths"])
            return tf.where(valid(frames, size(ids, 1)), ids, -1)

        return self.strategy.gather(self.strategy.run(of_replica, args=next(iterator)), axis=0)

    def __call__(self) -> dict[str, float]:
        import jiwer

        from wav2vec2_tf.training.distribution import is_chief

        tokenizer = self.feed.processor.tokenizer
        assert tokenizer is not None
        batches = [batch for step in self.feed.steps(0) for batch in step]
        iterator = self.feed.iterator(self.strategy, batches)
        references: list[str] = []
        hypotheses: list[str] = []
        total, shown = sum(map(len, batches)), is_chief(self.strategy)
        with ProgressBar("dev", total, "utterance", shown=shown, desc="dev", leave=False) as bar:
            for batch in batches:
                for number, ids in zip(batch, self._ids(iterator).numpy(), strict=False):
                    labels = self.feed.prepared.examples[number].labels
                    references.append(tokenizer.decode(labels, group_tokens=False))
                    hypotheses.append(tokenizer.decode(ids[ids >= 0]))
                bar.update(len(batch))
        wer = float(jiwer.wer(references, hypotheses))
        return {"wer": wer, "cer": float(jiwer.cer(references, hypotheses)), "score": wer}


def _processor(settings: FinetuneSettings, corpora: list[Any], hub: dict[str, Any]) -> Processor:
    """The model's own, with the vocabulary that the settings ask for."""
    from wav2vec2_tf.models.processor import Processor
    from wav2vec2_tf.text.normalize import build_vocabulary
    from wav2vec2_tf.text.tokenizer import CTCTokenizer
    from wav2vec2_tf.text.tokenizer_files import VOCABULARY_FILE

    keeps = settings.vocabulary == "keep"
    processor = Processor.from_pretrained(
        settings.model, target_lang=settings.target_lang if keeps else None, **hub
    )
    if keeps:
        if processor.tokenizer is None:
            raise UserError(
                f"{settings.model} has no vocabulary: build one with vocabulary: transcripts, or "
                "name a folder with a vocab.json"
            )
        processor.tokenizer.keep_target_lang()
        return processor
    if settings.vocabulary == "transcripts":
        rules = settings.rules
        texts = (rules(text) for corpus in corpora for text in corpus.texts.values())
        return Processor(processor.feature_extractor, build_vocabulary(texts))
    folder = Path(settings.vocabulary)
    folder = folder.parent if folder.name == VOCABULARY_FILE else folder
    if not (folder / VOCABULARY_FILE).is_file():
        near = did_you_mean(settings.vocabulary, VOCABULARIES)
        raise UserError(f"vocabulary: {settings.vocabulary} is no folder with a vocab.json{near}")
    return Processor(processor.feature_extractor, CTCTokenizer.from_pretrained(folder))
