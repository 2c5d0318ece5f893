"""What the programs start from: a checkpoint, matched with the model it is for."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from wav2vec2_tf.auto import HEADS as MODELS
from wav2vec2_tf.checkpoint import loader
from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor
from wav2vec2_tf.checkpoint.readers import Checkpoint
from wav2vec2_tf.checkpoint.writer import write_safetensors
from wav2vec2_tf.config import Config
from wav2vec2_tf.errors import UserError
from wav2vec2_tf.families import BASE, CTC, family_of, head_named
from wav2vec2_tf.pretrained import WEIGHTS_FILE, Pretrained, log_report, open_model, write_config
from wav2vec2_tf.processor import Processor
from wav2vec2_tf.provenance import Provenance
from wav2vec2_tf.sources import resolve
from wav2vec2_tf.transcribe import fitting_tokenizer

from .options import HEADS


@dataclass(frozen=True)
class Source:
    kind: type[Pretrained]
    """The model with the head to keep."""
    config: Config
    checkpoint: Checkpoint
    plan: loader.Plan
    processor: Processor
    provenance: Provenance

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

        write_safetensors(
            folder / WEIGHTS_FILE,
            {
                key: replace(tensor, read=partial(read, key, tensor))
                for key, tensor in self.tensors().items()
            },
        )
        seeded = tuple(self.plan.seeded.values())
        report = loader.LoadReport(seeded, self.plan.ignored, tuple(not_finite))
        log_report(self.checkpoint.path, report)
        write_config(folder, self.config, self.kind.head)
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


def head_of(path: Path) -> str:
    """How transformers would name the class of a checkpoint: "ForCTC", "Model", …

    By the class that its config names, or else by what it holds.
    """
    config, checkpoint = open_model(path)
    return head_named(config) or (CTC if "lm_head.weight" in checkpoint else BASE)


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
        head: a key of `options.HEADS`, or None for what the checkpoint holds.
        dictionary: fairseq's letters; by default `dict.ltr.txt` beside the file.
        target_lang: the language, of a model with adapters for many.

    Raises:
        UserError: the source does not fit its config, or its vocabulary is not that of its head.
    """
    path = resolve(source, **hub)
    here, there = path.resolve(), out.expanduser().resolve()
    if here == there or here.is_relative_to(there):
        raise UserError(f"{out} holds the model to convert: name another folder")
    kind = MODELS[HEADS[head] if head else head_of(path)]
    config, checkpoint = open_model(source, target_lang=target_lang, **hub)
    kind.check_head(config)
    plan = kind.plan(config, checkpoint)
    processor = Processor.from_pretrained(
        source, target_lang=target_lang, dictionary=dictionary, **hub
    )
    if kind.head == CTC and processor.tokenizer is None:
        missing = "vocab.json" if path.is_dir() else "dict.ltr.txt beside it"
        print(f"{source} has no {missing}: there will be no text output", file=sys.stderr)
    elif kind.head == CTC:
        fitting_tokenizer(path, config, processor)
    return Source(
        kind, config, checkpoint, plan, processor, Provenance.of(source, checkpoint, plan)
    )
