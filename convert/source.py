"""What the programs start from: a checkpoint, matched with the model it is for."""

from __future__ import annotations

import math
import sys
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

from .options import HEAD_OPTIONS


@dataclass(frozen=True)
class Source:
    kind: type[Pretrained]
    """The model with the head to keep."""
    config: Config
    checkpoint: Checkpoint
    plan: loader.Plan
    processor: Processor
    provenance: Provenance

    @property
    def parameters(self) -> int:
        """Numbers that the model holds."""
        return sum(
            math.prod(variable.shape) for variable in self.kind.skeleton(self.config).variables
        )

    def load(self) -> Any:
        """The Keras model, with its weights."""
        return self.kind.of_checkpoint(self.config, self.checkpoint, self.plan)

    def write(self, folder: Path) -> None:
        """The model in Hugging Face's format; one tensor is in memory at a time."""
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
        types = {tensor.dtype.name for tensor in tensors.values()} - {"int64"}  # of counters
        write_config(folder, self.config, self.kind.head, types.pop() if len(types) == 1 else None)
        self.processor.save_pretrained(folder)
        self.provenance.save(folder)

    def tensors(self) -> dict[str, LazyTensor]:
        """The checkpoint's own tensors under the names that Hugging Face has today."""
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
"""What a checkpoint with the head holds, and none with a head further down."""


def head_of(path: Path) -> str:
    """How transformers would name the class of a checkpoint: "ForCTC", "Model", …

    By the class that its config names, or else by what it holds.
    """
    config, checkpoint = open_model(path)
    held = (head for head, mark in MARKS.items() if any(key.startswith(mark) for key in checkpoint))
    return head_named(config) or next(held, BASE)


def head_to_export(source: str, **hub: Any) -> str | None:
    """For `open_source`: of pre-training's head "none", as in the published modules."""
    return "none" if head_of(resolve(source, **hub)) == PRE_TRAINING else None


def open_source(
    source: str,
    out: Path,
    head: str | None,
    *,
    dictionary: Path | None = None,
    target_lang: str | None = None,
    **hub: Any,
) -> Source:
    """Match a checkpoint with its model; no weight is read yet.

    Args:
        source: folder, Hugging Face id or fairseq's file; `hub` as `from_pretrained` takes it.
        out: where the result goes; must leave `source` alone.
        head: a key of `options.HEAD_OPTIONS`, or None for what the checkpoint holds.
        dictionary: fairseq's letters; by default `dict.ltr.txt` beside the file.
        target_lang: the language, of a model with adapters for many.

    Raises:
        UserError: the source does not fit its config, or its vocabulary is not that of its head.
    """
    path = resolve(source, **hub)
    here, there = path.resolve(), out.expanduser().resolve()
    if here == there or here.is_relative_to(there):
        raise UserError(f"{out} holds the model to convert: name another folder")
    kind = MODELS[HEAD_OPTIONS[head] if head else head_of(path)]
    config, checkpoint = open_model(source, target_lang=target_lang, **hub)
    kind.check_head(config)
    plan = kind.plan(config, checkpoint)
    processor = Processor.from_pretrained(
        source, target_lang=target_lang, dictionary=dictionary, **hub
    )
    processor.check_feature_extractor(path, config)
    if kind.head == CTC and processor.tokenizer is None:
        missing = "vocab.json" if path.is_dir() else "dict.ltr.txt beside it"
        print(f"{source} has no {missing}: there will be no text output", file=sys.stderr)
    elif kind.head == CTC:
        processor.tokenizer_for(path, config)
    if left_out := {key.partition(".")[0] for key in plan.ignored} & set(HEAD_KEYS):
        listed = ", ".join(sorted(left_out))
        print(f"{source}: left out, of no use to this head: {listed}", file=sys.stderr)
    if processor.tokenizer is not None and len(processor.tokenizer.languages) > 1:
        if target_lang is None:
            print(
                f"{source}: the language kept is {processor.tokenizer.target_lang!r}, of "
                f"{len(processor.tokenizer.languages)}; --target-lang names another",
                file=sys.stderr,
            )
        processor.tokenizer.keep_target_lang()
    return Source(
        kind, config, checkpoint, plan, processor, Provenance.of(source, checkpoint, plan)
    )
