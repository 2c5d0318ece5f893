"""`from_pretrained` and `save_pretrained`, as people know them from transformers.

The folder is Hugging Face's, `config.json` and `model.safetensors`: what we write, PyTorch loads.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import logging
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Self

from wav2vec2_tf.checkpoint import loader
from wav2vec2_tf.checkpoint.readers import open_checkpoint
from wav2vec2_tf.config import Wav2Vec2Config
from wav2vec2_tf.errors import UserError
from wav2vec2_tf.files import read_json, whole_file
from wav2vec2_tf.sources import resolve

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
SAVED_MODEL_FACTS = "assets.extra"
"""Folder in a SavedModel for the config and the processor's files; servers leave it alone."""
log = logging.getLogger(__name__)


class Pretrained:
    """What every model has; mixed into `keras.Model`."""

    config: Wav2Vec2Config
    base_name: str
    """The attribute that holds the base model; empty in the base model itself."""
    load_report: loader.LoadReport | None = None

    @classmethod
    def from_pretrained(
        cls,
        source: str | PathLike[str],
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | PathLike[str] | None = None,
        local_files_only: bool = False,
        **overrides: Any,
    ) -> Self:
        """A model with the weights of `source`.

        Args:
            source: a folder in Hugging Face format, or the id of a model on the Hugging Face Hub.
            revision, token, cache_dir, local_files_only: as `huggingface_hub` takes them.
            overrides: config fields to change. `vocab_size` (or `num_labels`, which is the same
                here) asks for a new head where the checkpoint's does not have that size.

        Raises:
            UserError: see `sources.resolve`, `Wav2Vec2Config` and `checkpoint.loader.load`.
        """
        folder = resolve(
            source,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        if "num_labels" in overrides:
            overrides.setdefault("vocab_size", overrides.pop("num_labels"))
        config = read_config(folder, overrides)
        checkpoint = open_checkpoint(folder)
        model = cls(config)  # type: ignore[call-arg]
        model.build()  # type: ignore[attr-defined]
        model.load_report = loader.load(model, checkpoint, new_head="vocab_size" in overrides)
        if model.load_report.ignored:
            log.info("%s: not loaded: %s", source, ", ".join(model.load_report.ignored))
        if model.load_report.seeded:
            log.warning("%s lacks %s: seeded", source, ", ".join(model.load_report.seeded))
        return model

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write `config.json` and `model.safetensors`, each whole or not at all."""
        from safetensors.numpy import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if not self.built:  # type: ignore[attr-defined]
            self.build()  # type: ignore[attr-defined]
        with whole_file(folder / WEIGHTS_FILE) as beside:
            save_file(dict(loader.tensors(self)), beside, metadata={"format": "pt"})
        with whole_file(folder / CONFIG_FILE) as beside:
            values = {**self.config.to_dict(), "architectures": [type(self).__name__]}
            beside.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_config(folder: Path, overrides: Mapping[str, Any] | None = None) -> Wav2Vec2Config:
    """The config in a folder, with some fields changed."""
    path = folder / CONFIG_FILE
    try:
        config = Wav2Vec2Config.from_dict(read_json(path))
    except UserError as error:
        where = "" if str(path) in str(error) else f"{path}: "
        raise UserError(f"{where}{error}") from None
    known = {field.name for field in dataclasses.fields(config)} - {"extra", "model_type"}
    for name in overrides or {}:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise UserError(
                f"{name} is no field of the config" + (f"; did you mean {near[0]}?" if near else "")
            )
    return dataclasses.replace(config, **(overrides or {}))
