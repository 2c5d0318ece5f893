"""The class that fits a checkpoint, by its `model_type`."""

from __future__ import annotations

from os import PathLike
from typing import Any, NamedTuple

from wav2vec2_tf.models import Wav2Vec2ForCTC, Wav2Vec2Model
from wav2vec2_tf.pretrained import read_config
from wav2vec2_tf.processor import Processor
from wav2vec2_tf.sources import resolve


class Family(NamedTuple):
    base: type[Wav2Vec2Model]
    ctc: type[Wav2Vec2ForCTC]


FAMILIES = {"wav2vec2": Family(Wav2Vec2Model, Wav2Vec2ForCTC)}


def family_of(source: str | PathLike[str], **hub: Any) -> Family:
    """The family of a folder or Hugging Face id; `hub` as `from_pretrained` takes it."""
    return FAMILIES[read_config(resolve(source, **hub)).model_type]


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
