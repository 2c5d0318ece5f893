"""Fine-tuning with CTC on transcribed speech, in any language."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras

from wav2vec2_tf.checkpoint.hub import HubOptions
from wav2vec2_tf.checkpoint.loader import initial
from wav2vec2_tf.data.bad_recordings import BadRecordings
from wav2vec2_tf.data.corpus import Corpus
from wav2vec2_tf.models.auto import AutoModelForCTC
from wav2vec2_tf.models.base import Wav2Vec2ForCTC
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.text.normalize import build_vocabulary
from wav2vec2_tf.text.tokenizer import CTCTokenizer
from wav2vec2_tf.text.tokenizer_files import VOCABULARY_FILE
from wav2vec2_tf.training.ctc_loss import CTCObjective
from wav2vec2_tf.training.distribution import is_chief, model_scope, open_strategy
from wav2vec2_tf.training.evaluation import CTCEvaluation
from wav2vec2_tf.training.examples import Selection, open_corpora, select_examples
from wav2vec2_tf.training.optimizer import select_variables
from wav2vec2_tf.training.run_examples import RunExamples
from wav2vec2_tf.training.run_folder import RunFolder
from wav2vec2_tf.training.settings import FinetuneOptions
from wav2vec2_tf.training.trainer import Trainer, TrainingResult
from wav2vec2_tf.utils.errors import UserError, did_you_mean

KEEP, TRANSCRIPTS = "keep", "transcripts"
"""Values of `FinetuneOptions.vocabulary` beside a folder."""


def finetune(
    options: FinetuneOptions, *, restart: bool = False, hub: HubOptions | None = None
) -> TrainingResult:
    """Fine-tunes a model with CTC.

    An interrupted run resumes from its last checkpoint when it is started again with the same
    options, and ends with the same weights bit for bit. On GPUs this needs
    `tf.config.experimental.enable_op_determinism()`, which the command line calls.

    The folder `options.output` holds afterwards: `best`, a model folder that every program can load
    (of the epoch with the lowest word error rate on dev, or the last one without dev); `last`;
    `settings.yaml`; `log.jsonl`, `events` for TensorBoard, and `curves.png`; and `checkpoints`.

    Args:
        options: of the run.
        restart: delete what an earlier run has left in the output folder.
        hub: how a model is fetched from the Hugging Face Hub.

    Returns:
        The folder of the best model, and the last "wer" and "cer" on dev.

    Raises:
        UserError: if options or data are invalid, if the output folder holds something else or no
            more space, or if the loss becomes NaN.
    """
    hub = hub or HubOptions()
    folder = RunFolder(Path(options.output))
    folder.check()
    with open_strategy(options.strategy) as strategy, folder.used(is_chief(strategy)):
        resumes = folder.can_resume and not restart
        keras.utils.set_random_seed(options.seed)

        train = open_corpora(options.train, options.train_split, hub.cache_dir, options)
        dev = open_corpora(options.dev, options.dev_split, hub.cache_dir, options)

        processor = load_processor(options, train, hub)
        if resumes and options.vocabulary == TRANSCRIPTS and folder.processor.is_dir():
            processor = Processor.from_pretrained(folder.processor)
        tokenizer = processor.tokenizer
        assert tokenizer is not None

        with model_scope(strategy, options.precision):
            model = load_model(options, tokenizer, hub)
        processor.check_feature_extractor(Path(options.model), model.config)
        processor.tokenizer_for(Path(options.model), model.config)
        model.base_model.encoder.gradient_checkpointing = options.gradient_checkpointing

        variables = select_variables(model, freeze=options.freeze, train_only=options.train_only)
        head = [variable for variable in variables if "/lm_head/" in variable.path]
        if options.head_only_steps and not head:
            raise UserError("head_only_steps needs a trained head: do not freeze lm_head")

        def select(corpora: Sequence[Corpus], bad: BadRecordings) -> Selection:
            return select_examples(
                corpora,
                model.config,
                tokenizer,
                options.text_rules,
                longest_seconds=options.longest_seconds,
                shortest_seconds=options.shortest_seconds,
                unknown=options.unknown,
                bad=bad,
            )

        examples = RunExamples.select(
            folder,
            {"train": train, "dev": dev},
            select,
            skip_bad=options.skip_bad,
            resumes=resumes,
        )
        batches = examples.batches(processor, options)
        trainer = Trainer(
            options,
            CTCObjective(model, tokenizer.pad_token_id),
            batches["train"],
            variables,
            strategy=strategy,
            evaluate=CTCEvaluation(model, batches["dev"], strategy) if dev else None,
            examples=examples.recorded,
            head=head,
            head_only_steps=options.head_only_steps,
        )
        return trainer.fit(restart=restart)


def load_processor(
    options: FinetuneOptions, corpora: Sequence[Corpus], hub: HubOptions
) -> Processor:
    """Returns the processor of the model to start from, with the vocabulary of the options.

    Args:
        options: names the model and the vocabulary.
        corpora: whose transcripts a vocabulary is built from.
        hub: how the model is fetched.

    Raises:
        UserError: if there is no such vocabulary.
    """
    keeps = options.vocabulary == KEEP
    processor = Processor.of_model(
        options.model,
        options.processor,
        target_lang=options.target_lang if keeps else None,
        **hub.keywords(),
    )
    if keeps:
        if processor.tokenizer is None:
            raise UserError(
                f"{options.processor or options.model} has no vocabulary: build one with "
                "vocabulary: transcripts, or name a folder with a vocab.json"
            )
        processor.tokenizer.keep_target_lang()
        return processor
    if options.vocabulary == TRANSCRIPTS:
        rules = options.text_rules
        texts = (rules(text) for corpus in corpora for text in corpus.texts.values())
        return Processor(processor.feature_extractor, build_vocabulary(texts))
    folder = Path(options.vocabulary)
    folder = folder.parent if folder.name == VOCABULARY_FILE else folder
    if not (folder / VOCABULARY_FILE).is_file():
        raise UserError(
            f"vocabulary must be {KEEP}, {TRANSCRIPTS} or a folder with a {VOCABULARY_FILE}, got "
            f"{options.vocabulary}{did_you_mean(options.vocabulary, (KEEP, TRANSCRIPTS))}"
        )
    return Processor(processor.feature_extractor, CTCTokenizer.from_pretrained(folder))


def load_model(
    options: FinetuneOptions, tokenizer: CTCTokenizer, hub: HubOptions
) -> Wav2Vec2ForCTC:
    """Returns the model to start from, with a newly initialized head for a new vocabulary."""
    has_new_head = options.vocabulary != KEEP
    sizes = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    model: Wav2Vec2ForCTC = AutoModelForCTC.from_pretrained(
        options.model,
        target_lang=options.target_lang,
        **{**(sizes if has_new_head else {}), **options.model_config},
        **hub.keywords(),
    )
    if has_new_head:  # a loaded head of the same size is of other characters
        for variable in model.lm_head.weights:
            shape = tuple(variable.shape)
            variable.assign(initial(f"lm_head.{variable.name}", shape, model.config))
    return model
