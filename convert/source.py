"""What `convert torch` and `convert saved-model` start from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

from wav2vec2_tf.auto import family_of
from wav2vec2_tf.checkpoint.readers import open_checkpoint
from wav2vec2_tf.errors import UserError
from wav2vec2_tf.models import Wav2Vec2ForCTC, Wav2Vec2Model
from wav2vec2_tf.processor import Processor
from wav2vec2_tf.provenance import Provenance
from wav2vec2_tf.sources import resolve
from wav2vec2_tf.transcribe import fitting_tokenizer


class Source(NamedTuple):
    model: Wav2Vec2Model | Wav2Vec2ForCTC
    processor: Processor
    provenance: Provenance


def has_ctc_head(folder: Path) -> bool:
    """Whether a checkpoint holds the head over characters."""
    return "lm_head.weight" in open_checkpoint(folder)


def open_source(source: str, out: Path, head: str | None, **hub: Any) -> Source:
    """Load a model to convert.

    Args:
        source: folder or Hugging Face id; `hub` as `from_pretrained` takes it.
        out: where the result goes; must leave `source` alone.
        head: "ctc", "none", or None for what the checkpoint holds.

    Raises:
        UserError: the source does not load, or its vocabulary is not that of its head.
    """
    folder = resolve(source, **hub)
    here, there = folder.resolve(), out.expanduser().resolve()
    if here == there or here.is_relative_to(there):
        raise UserError(f"{out} holds the model to convert: name another folder")
    family = family_of(folder)
    ctc = has_ctc_head(folder) if head is None else head == "ctc"
    model = (family.ctc if ctc else family.base).from_pretrained(folder)
    processor = Processor.from_pretrained(folder)
    if ctc and processor.tokenizer is None:
        print(f"{source} has no vocab.json: there will be no text output", file=sys.stderr)
    elif ctc:
        fitting_tokenizer(folder, model.config, processor)
    assert model.load_report is not None
    return Source(model, processor, Provenance.of(source, folder, model.load_report))
