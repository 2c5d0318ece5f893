"""Opens a checkpoint to be converted, and matches it with the model that it is for."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from wav2vec2_tf.checkpoint import loader
from wav2vec2_tf.checkpoint.hub import resolve
from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor
from wav2vec2_tf.checkpoint.readers import Checkpoint
from wav2vec2_tf.checkpoint.weight_names import HEAD_KEYS
from wav2vec2_tf.checkpoint.writer import write_safetensors
from wav2vec2_tf.export.provenance import Provenance
from wav2vec2_tf.models.auto import MODELS
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.families import (
    BASE,
    CTC,
    FRAME,
    PRE_TRAINING,
    SEQUENCE,
    X_VECTOR,
    family_of,
    head_named,
)
from wav2vec2_tf.models.pretrained import (
    WEIGHTS_FILE,
    Pretrained,
    log_report,
    open_model,
    write_config,
)
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.utils.errors import UserError

from .options import HEADS, ConvertOptions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A checkpoint and the model that it is for; its weights are not read yet."""

    kind: type[Pretrained]
    """Class of the model with the head to keep."""
    config: Config
    checkpoint: Checkpoint
    plan: loader.Plan
    processor: Processor
    provenance: Provenance

    @property
    def parameters(self) -> int:
        """How many numbers the model's weights are."""
        return sum(
            math.prod(variable.shape) for variable in self.kind.skeleton(self.config).variables
        )

    def load(self) -> Any:
        """Returns the Keras model with its weights."""
        return self.kind.of_checkpoint(self.config, self.checkpoint, self.plan)

    def write(self, folder: Path) -> None:
        """Writes the model in Hugging Face's format, with one tensor in memory at a time."""
        not_finite: list[str] = []

        def read(key: str, tensor: LazyTensor) -> np.ndarray:
            values = tensor.read()
            if not np.isfinite(values).all():
                not_finite.append(key)
            return values

        tensors = self.tensors()
        write_safetensors(
            folder / WEIGHTS_FILE,
            {
                key: replace(tensor, read=partial(read, key, tensor))
                for key, tensor in tensors.items()
            },
        )
        seeded = tuple(self.plan.seeded.values())
        report = loader.LoadReport(seeded, self.plan.ignored, tuple(not_finite))
        log_report(self.checkpoint.path, report)
        types = {tensor.dtype.name for tensor in tensors.values()} - {"int64"}  # counters
        write_config(folder, self.config, self.kind.head, types.pop() if len(types) == 1 else None)
        self.processor.save_pretrained(folder)
        self.provenance.save(folder)

    def tensors(self) -> dict[str, LazyTensor]:
        """Returns the checkpoint's tensors under today's names in Hugging Face's format."""
        prefix = family_of(self.config).prefix
        skeleton = self.kind.skeleton(self.config)
        result = {}
        for path, key, variable in loader.keyed(skeleton, prefix):
            if path in self.plan.keys:
                result[key] = self.checkpoint[self.plan.keys[path]]
            else:
                shape = tuple(variable.shape)
                draw = partial(loader.initial, self.plan.seeded[path], shape, self.config)
                result[key] = LazyTensor(shape, draw().dtype, draw)
        return result


MARKS = {
    X_VECTOR: "objective.",
    PRE_TRAINING: "quantizer.",
    CTC: "lm_head.",
    SEQUENCE: "projector.",
    FRAME: "classifier.",
}
"""Start of a key that only checkpoints with the head, or with one further up, hold."""


def head_of(path: Path) -> str:
    """Returns the head of a checkpoint: the suffix of transformers' class, such as "ForCTC".

    It is that of the class that the config names, or else is known by the keys of the tensors.
    """
    config, checkpoint = open_model(path)
    held = (head for head, mark in MARKS.items() if any(key.startswith(mark) for key in checkpoint))
    return head_named(config) or next(held, BASE)


def open_source(
    source: str, out: Path, options: ConvertOptions, *, pre_training: bool = True
) -> Source:
    """Opens a checkpoint and matches it with its model; weights are not read yet.

    Args:
        source: a folder, an id on the Hugging Face Hub or fairseq's `.pt` file.
        out: where the result goes; it must not be `source` or in it.
        options: see `ConvertOptions`.
        pre_training: whether the head of pre-training is kept where `options` name no head. The
            published SavedModels have none.

    Raises:
        UserError: the checkpoint does not fit its config, or its vocabulary does not fit its head.
    """
    hub, target_lang = options.hub.keywords(), options.target_lang
    path = resolve(source, **hub)
    here, there = path.resolve(), out.expanduser().resolve()
    if here == there or here.is_relative_to(there):
        raise UserError(f"{out} holds the model to convert: name another folder")
    head = HEADS[options.head] if options.head else head_of(path)
    if head == PRE_TRAINING and not pre_training and options.head is None:
        head = BASE
    kind = MODELS[head]
    config, checkpoint = open_model(source, target_lang=target_lang, **hub)
    kind.check_head(config)
    plan = kind.plan(config, checkpoint)
    processor = Processor.of_model(
        source,
        options.processor,
        target_lang=target_lang,
        dictionary=options.dictionary,
        **hub,
    )
    processor.check_feature_extractor(path, config)
    if kind.head == CTC and processor.tokenizer is None:
        missing = "vocab.json" if path.is_dir() else "dict.ltr.txt beside it"
        log.warning("%s has no %s: there will be no text output", source, missing)
    elif kind.head == CTC:
        processor.tokenizer_for(path, config)
    if left_out := {key.partition(".")[0] for key in plan.ignored} & set(HEAD_KEYS):
        listed = ", ".join(sorted(left_out))
        log.warning("%s: left out, this head does not use them: %s", source, listed)
    if processor.tokenizer is not None and len(processor.tokenizer.languages) > 1:
        if target_lang is None:
            log.warning(
                "%s: the language kept is %r, of %d; --target-lang names another",
                source,
                processor.tokenizer.target_lang,
                len(processor.tokenizer.languages),
            )
        processor.tokenizer.keep_target_lang()
    return Source(
        kind, config, checkpoint, plan, processor, Provenance.of(source, checkpoint, plan)
    )
