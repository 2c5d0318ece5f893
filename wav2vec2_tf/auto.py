"""The class that fits a checkpoint, by its `model_type`."""

from __future__ import annotations

import difflib
from os import PathLike
from typing import Any, NamedTuple

from wav2vec2_tf.config import read_json
from wav2vec2_tf.errors import UserError
from wav2vec2_tf.models import Wav2Vec2ForCTC, Wav2Vec2Model
from wav2vec2_tf.pretrained import CONFIG_FILE
from wav2vec2_tf.processor import Processor
from wav2vec2_tf.sources import resolve


class Family(NamedTuple):
    base: type[Wav2Vec2Model]
    ctc: type[Wav2Vec2ForCTC]


FAMILIES = {"wav2vec2": Family(Wav2Vec2Model, Wav2Vec2ForCTC)}


def family_of(source: str | PathLike[str], **hub: Any) -> Family:
    """The family of a folder or Hugging Face id; `hub` as `from_pretrained` takes it."""
    path = resolve(source, **hub) / CONFIG_FILE
    model_type = read_json(path).get("model_type")
    if model_type not in FAMILIES:
        near = difflib.get_close_matches(str(model_type), FAMILIES, 1)
        raise UserError(
            f"{path}: model_type {model_type!r} is unknown; known: {', '.join(FAMILIES)}"
            + (f"; did you mean {near[0]}?" if near else "")
        )
    return FAMILIES[model_type]


HUB_OPTIONS = ("revision", "token", "cache_dir", "local_files_only")


def _hub(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in HUB_OPTIONS if name in options}


class AutoModel:
    """`AutoModel.from_pretrained(source)`: the base model of any family."""

    @staticmethod
    def from_pretrained(source: str | PathLike[str], **options: Any) -> Wav2Vec2Model:
        return family_of(source, **_hub(options)).base.from_pretrained(source, **options)


class AutoModelForCTC:
    """`AutoModelForCTC.from_pretrained(source)`: with the head over characters."""

    @staticmethod
    def from_pretrained(source: str | PathLike[str], **options: Any) -> Wav2Vec2ForCTC:
        return family_of(source, **_hub(options)).ctc.from_pretrained(source, **options)


AutoProcessor = Processor
