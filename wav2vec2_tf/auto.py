"""The class that fits a checkpoint, by its `model_type`."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from wav2vec2_tf.models import Wav2Vec2ForCTC, Wav2Vec2Model
from wav2vec2_tf.pretrained import read_config
from wav2vec2_tf.processor import Processor
from wav2vec2_tf.sources import resolve


class Family(NamedTuple):
    base: type[Wav2Vec2Model]
    ctc: type[Wav2Vec2ForCTC]


FAMILIES = {"wav2vec2": Family(Wav2Vec2Model, Wav2Vec2ForCTC)}


HUB_OPTIONS = ("revision", "token", "cache_dir", "local_files_only")


def family_of(folder: Path) -> Family:
    """The family of the model in a folder."""
    return FAMILIES[read_config(folder).model_type]


def _look_up(source: str | PathLike[str], options: dict[str, Any]) -> Path:
    """The folder of a source, asked of the hub once; takes the hub's options out of `options`."""
    hub = {name: options.pop(name) for name in HUB_OPTIONS if name in options}
    return resolve(source, **hub)


class AutoModel:
    """`AutoModel.from_pretrained(source)`: the base model of any family."""

    @staticmethod
    def from_pretrained(source: str | PathLike[str], **options: Any) -> Wav2Vec2Model:
        folder = _look_up(source, options)
        return family_of(folder).base.from_pretrained(folder, **options)


class AutoModelForCTC:
    """`AutoModelForCTC.from_pretrained(source)`: with the head over characters."""

    @staticmethod
    def from_pretrained(source: str | PathLike[str], **options: Any) -> Wav2Vec2ForCTC:
        folder = _look_up(source, options)
        return family_of(folder).ctc.from_pretrained(folder, **options)


AutoProcessor = Processor
