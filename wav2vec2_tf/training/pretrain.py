"""Pre-training on speech without transcripts (wav2vec 2.0, arXiv:2006.11477)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras

from wav2vec2_tf.checkpoint.hub import HubOptions, resolve
from wav2vec2_tf.data.bad_recordings import BadRecordings
from wav2vec2_tf.data.corpus import Corpus
from wav2vec2_tf.models.config import Wav2Vec2Config
from wav2vec2_tf.models.heads import Wav2Vec2ForPreTraining
from wav2vec2_tf.models.pretrained import read_config
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.training.contrastive import PreTrainingObjective
from wav2vec2_tf.training.distribution import is_chief, model_scope, open_strategy
from wav2vec2_tf.training.evaluation import PreTrainingEvaluation
from wav2vec2_tf.training.examples import Selection, open_corpora, select_examples
from wav2vec2_tf.training.optimizer import select_variables
from wav2vec2_tf.training.run_examples import RunExamples
from wav2vec2_tf.training.run_folder import RunFolder
from wav2vec2_tf.training.settings import PretrainOptions
from wav2vec2_tf.training.trainer import Trainer, TrainingResult


def pretrain(
    options: PretrainOptions, *, restart: bool = False, hub: HubOptions | None = None
) -> TrainingResult:
    """Pre-trains a model, from a checkpoint or from random weights.

    An interrupted run resumes from its last checkpoint when it is started again with the same
    options, and ends with the same weights bit for bit. On GPUs this needs
    `tf.config.experimental.enable_op_determinism()`, which the command line calls.

    The folder `options.output` holds afterwards: `best`, a model folder to fine-tune from (of the
    epoch with the lowest contrastive loss on dev, or the last one without dev); `last`;
    `settings.yaml`; `log.jsonl`, `events` for TensorBoard, and `curves.png`; and `checkpoints`.

    Args:
        options: of the run.
        restart: delete what an earlier run has left in the output folder.
        hub: how a model is fetched from the Hugging Face Hub.

    Returns:
        The folder of the best model, and the last losses on dev; see `PreTrainingEvaluation`.

    Raises:
        UserError: if options or data are invalid, if the output folder holds something else or no
            more space, or if the loss becomes NaN.
    """
    hub = hub or HubOptions()
    folder = RunFolder(Path(options.output))
    folder.check()
    with open_strategy(options.strategy) as strategy, folder.used(is_chief(strategy)):
        keras.utils.set_random_seed(options.seed)

        train, dev = (
            open_corpora(names, split, hub.cache_dir, options, transcribed=False)
            for names, split in (
                (options.train, options.train_split),
                (options.dev, options.dev_split),
            )
        )

        processor = Processor.of_model(options.model, options.processor, **hub.keywords())
        with model_scope(strategy, options.precision):
            model = load_model(options, hub)
        model.base_model.encoder.gradient_checkpointing = options.gradient_checkpointing

        objective = PreTrainingObjective(
            model,
            mask_time_prob=options.mask_time_prob,
            mask_time_length=options.mask_time_length,
            mask_time_min_masks=options.mask_time_min_masks,
            start_temperature=options.start_temperature,
            end_temperature=options.end_temperature,
            temperature_decay=options.temperature_decay,
        )

        def select(corpora: Sequence[Corpus], bad: BadRecordings) -> Selection:
            return select_examples(
                corpora,
                model.config,
                longest_seconds=options.longest_seconds,
                shortest_seconds=options.shortest_seconds,
                bad=bad,
            )

        examples = RunExamples.select(
            folder,
            {"train": train, "dev": dev},
            select,
            skip_bad=options.skip_bad,
            resumes=folder.can_resume and not restart,
        )
        batches = examples.batches(processor, options)
        trainer = Trainer(
            options,
            objective,
            batches["train"],
            select_variables(model, freeze=options.freeze, train_only=options.train_only),
            strategy=strategy,
            evaluate=(PreTrainingEvaluation(objective, batches["dev"], strategy) if dev else None),
            examples=examples.recorded,
        )
        return trainer.fit(restart=restart)


def load_model(options: PretrainOptions, hub: HubOptions) -> Wav2Vec2ForPreTraining:
    """Returns the model to start from, which must take masked frames.

    With `options.from_scratch` its weights are random, and only the config is read.
    """
    changes = {"apply_spec_augment": True, **options.model_config}
    if not options.from_scratch:
        return Wav2Vec2ForPreTraining.from_pretrained(options.model, **changes, **hub.keywords())
    path = resolve(options.model, **hub.keywords())
    config = read_config(path if path.is_dir() else path.parent, changes)
    Wav2Vec2ForPreTraining.check_head(config)
    assert isinstance(config, Wav2Vec2Config)  # the others have no such head
    model = Wav2Vec2ForPreTraining(config)
    model.build()
    return model
