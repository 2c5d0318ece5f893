"""`from_pretrained` and `save_pretrained`, as people know them from transformers.

The folder is Hugging Face's, `config.json` and `model.safetensors`: what we write, PyTorch loads.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Self

import keras

from wav2vec2_tf.checkpoint import loader
from wav2vec2_tf.checkpoint.hub import adapter_file, resolve
from wav2vec2_tf.checkpoint.readers import Checkpoint, open_checkpoint
from wav2vec2_tf.checkpoint.writer import write_safetensors
from wav2vec2_tf.models import families
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.layers import dtype_policy
from wav2vec2_tf.utils.errors import UserError, did_you_mean
from wav2vec2_tf.utils.files import read_json, whole_file
from wav2vec2_tf.utils.keras_internals import without_values

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
SAVED_MODEL_FACTS = "assets.extra"
"""Folder in a SavedModel for the config and the processor's files; servers leave it alone."""
PREFIXES = {kind: family.prefix for kind, family in families.FAMILIES.items()}
NEW_PARTS = {
    "vocab_size": loader.HEAD,
    "num_labels": loader.HEAD,
    "add_adapter": "adapter",
    "adapter_attn_dim": "adapter_layer",
}
"""Config field → what is drawn anew when it is changed and the checkpoint has nothing that fits."""
DTYPES = ("float32", "bfloat16", "float16")
log = logging.getLogger(__name__)


class Pretrained:
    """What every model has; mixed into `keras.Model`."""

    config: Config
    base_name: str
    """The attribute that holds the base model; empty in the base model itself."""
    head: str
    """How transformers' names of the class end, after the family's."""
    load_report: loader.LoadReport | None = None
    source: str | PathLike[str] | None = None
    """Where the weights came from, and how the hub was asked for them."""
    hub: Mapping[str, Any]

    def __init__(self, config: Config, **kwargs: object) -> None:
        # The layers cast what they take: speech comes whole to log-mel features and statistics.
        super().__init__(autocast=False, **kwargs)  # type: ignore[call-arg]
        self.config = config

    @classmethod
    def from_pretrained(
        cls,
        source: str | PathLike[str],
        *,
        dtype: str | None = None,
        target_lang: str | None = None,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | PathLike[str] | None = None,
        local_files_only: bool = False,
        **overrides: Any,
    ) -> Self:
        """A model with the weights of `source`.

        Args:
            source: a folder in Hugging Face format, the id of a model on the Hugging Face Hub, or
                a fairseq checkpoint (`.pt`).
            dtype: of weights and computation: "float32", or "bfloat16" or "float16" for inference
                in half the memory; by default Keras's dtype policy, which is float32 unless set.
            target_lang: the language whose adapter and head to load, of a model that has one for
                each (MMS); by default those in the checkpoint itself.
            revision, token, cache_dir, local_files_only: as `huggingface_hub` takes them.
            overrides: config fields to change. `vocab_size` (or `num_labels`, which for CTC is the
                same) asks for a new head where the checkpoint's does not have that size;
                `add_adapter` and `adapter_attn_dim` for new adapters where it has none.

        Raises:
            UserError: see `sources.resolve`, `Config` and `checkpoint.loader.plan`.
        """
        if dtype not in (None, *DTYPES):
            raise UserError(f"dtype {dtype!r} is unknown; known: {', '.join(DTYPES)}")
        hub: dict[str, Any] = {
            "revision": revision,
            "token": token,
            "cache_dir": cache_dir,
            "local_files_only": local_files_only,
        }
        if cls.head == families.CTC and "num_labels" in overrides:
            overrides.setdefault("vocab_size", overrides.pop("num_labels"))
        new_parts = {part for name, part in NEW_PARTS.items() if overrides.get(name)}
        config, checkpoint = open_model(source, target_lang=target_lang, overrides=overrides, **hub)
        cls.check_head(config)
        model = cls.of_checkpoint(config, checkpoint, dtype=dtype, new_parts=new_parts)
        model.source, model.hub = source, hub
        return model

    @classmethod
    def of_checkpoint(
        cls,
        config: Config,
        checkpoint: Checkpoint,
        plan: loader.Plan | None = None,
        *,
        dtype: str | None = None,
        new_parts: Collection[str] = (),
    ) -> Self:
        """A model with the weights of a checkpoint, as planned before or now."""
        with dtype_policy(dtype):
            model = cls.skeleton(config)  # nothing is drawn that a checkpoint's values replace
        if plan is None:
            plan = loader.plan(model, checkpoint, PREFIXES, new_parts=new_parts)
        model.load_report = loader.load(model, checkpoint, plan)
        log_report(checkpoint.path, model.load_report)
        return model

    @classmethod
    def check_head(cls, config: Config) -> None:
        """Raise `UserError` where transformers has no such head for the family."""
        family = families.family_of(config)
        if cls.head not in (families.BASE, families.CTC, *family.heads):
            raise UserError(
                f"{config.model_type} has no {cls.head}; it has "
                + ", ".join((families.CTC, *family.heads))
            )

    @classmethod
    def plan(cls, config: Config, checkpoint: Checkpoint) -> loader.Plan:
        """Which tensor goes where, worked out on a model that takes no memory."""
        return loader.plan(cls.skeleton(config), checkpoint, PREFIXES)

    @classmethod
    def skeleton(cls, config: Config) -> keras.Model:
        """A model whose weights have names, shapes and types, but no values."""
        with without_values():
            model = cls(config)
            model.build()  # type: ignore[attr-defined]
        return model

    def load_adapter(self, target_lang: str) -> None:
        """Put another language's adapter and head in place of those loaded (MMS).

        Functions traced with this model go on where the new head has the size of the former, and
        give NaN where it has not: make them anew, and compile anew to go on training.

        Raises:
            UserError: the model has no adapters, was not loaded by `from_pretrained`, or its
                source has none for the language; nothing has changed then.
        """
        if getattr(self.config, "adapter_attn_dim", None) is None or self.head != families.CTC:
            raise UserError("only CTC models with adapters for languages (MMS) can change them")
        if self.source is None:
            raise UserError("load the model with from_pretrained, to know where its adapters are")
        found, checkpoint = open_model(self.source, target_lang=target_lang, **self.hub)
        config = dataclasses.replace(self.config, vocab_size=found.vocab_size)
        plan = self.plan(config, checkpoint)
        adapter = {key for key in checkpoint if _is_of_adapter(key)}
        for key in adapter:  # a damaged one stops here
            checkpoint[key].read()
        if config.vocab_size != self.config.vocab_size:
            self.set_head(config.vocab_size)  # type: ignore[attr-defined]
        self.config = config
        self.load_report = loader.load(self, checkpoint, plan, only=adapter)
        log_report(checkpoint.path, self.load_report)
        self.train_function = self.test_function = self.predict_function = None

    @property
    def prefix(self) -> str:
        return families.family_of(self.config).prefix

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write `config.json` and `model.safetensors`, each whole or not at all."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if not self.built:  # type: ignore[attr-defined]
            self.build()  # type: ignore[attr-defined]
        with whole_file(folder / WEIGHTS_FILE) as beside:
            write_safetensors(beside, loader.tensors(self, self.prefix))
        write_config(folder, self.config, self.head, self.dtype)  # type: ignore[attr-defined]


def write_config(folder: Path, config: Config, head: str, dtype: str | None = None) -> None:
    """`config.json`, whole or not at all; it names the class that transformers loads.

    With `dtype`, the type of the weights, also what it says of that is true.
    """
    architecture = families.family_of(config).architecture(head)
    values = {**config.to_dict(), "architectures": [architecture]}
    for name in values.keys() & {"dtype", "torch_dtype"} if dtype else ():
        values[name] = dtype
    with whole_file(folder / CONFIG_FILE) as beside:
        beside.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def open_model(
    source: str | PathLike[str],
    *,
    target_lang: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    **hub: Any,
) -> tuple[Config, Checkpoint]:
    """The config and the unread weights of a folder, a hub's model, or a file of weights.

    With `target_lang`, the weights are with the adapter and the head of that language.
    """
    path, overrides = resolve(source, adapter=target_lang, **hub), dict(overrides or {})
    place = (path if path.is_dir() else path.parent) / CONFIG_FILE
    if (path / "saved_model.pb").exists():
        raise UserError(
            f"{path}: is a SavedModel; give the checkpoint that it was made of, or load it with "
            "hub.KerasLayer, Recognizer or `wav2vec2-tf transcribe`"
        )
    values: Mapping[str, Any] = read_json(place) if path.is_dir() else {}
    checkpoint = open_checkpoint(path)
    if checkpoint.settings is not None:  # fairseq's file holds its own
        place, values = path, checkpoint.settings.config
    elif not path.is_dir():
        values = read_json(place)
    if target_lang is not None:
        adapter = open_checkpoint(adapter_file(path, target_lang))
        if overrides.setdefault("vocab_size", _vocabulary(adapter)) != _vocabulary(adapter):
            raise UserError("target_lang brings a head of its own size: leave vocab_size out")
        checkpoint = _with_adapter(checkpoint, adapter)
    return _config(values, place, overrides), checkpoint


def read_config(folder: Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """The config in a folder, with some fields changed."""
    return _config(read_json(folder / CONFIG_FILE), folder / CONFIG_FILE, overrides or {})


def _config(values: Mapping[str, Any], place: Path, overrides: Mapping[str, Any]) -> Config:
    try:
        config = families.config_of(values)
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    known = config.field_kinds()
    for name in overrides:
        if name not in known:
            raise UserError(f"{name} is no field of the config" + did_you_mean(name, known))
    config = dataclasses.replace(config, **overrides)
    families.family_of(config)  # refuses what the family lacks
    return config


def _with_adapter(whole: Checkpoint, adapter: Checkpoint) -> Checkpoint:
    """A checkpoint with another adapter and head instead of its own, of which none is left."""
    kept = {key: tensor for key, tensor in whole.items() if not _is_of_adapter(key)}
    return Checkpoint(whole.path, (*whole.files, *adapter.files), {**kept, **adapter})


def _is_of_adapter(key: str) -> bool:
    return ".adapter_layer." in key or key.startswith("lm_head.")


def _vocabulary(adapter: Checkpoint) -> int:
    """Tokens that an adapter's head has."""
    for key in adapter:
        if not _is_of_adapter(key):
            raise UserError(f"{adapter.path}: holds {key}, which is no part of an adapter")
    if "lm_head.weight" not in adapter or len(adapter["lm_head.weight"].shape) != 2:
        raise UserError(
            f"{adapter.path}: has no matrix lm_head.weight, so it is no adapter of a language"
        )
    return adapter["lm_head.weight"].shape[0]


def log_report(source: Path, report: loader.LoadReport) -> None:
    """Say what a checkpoint lacks, what it holds beyond the model, and what is no number."""
    if report.ignored:
        log.info("%s: not loaded: %s", source, ", ".join(report.ignored))
    if report.seeded:
        log.warning("%s lacks %s: seeded", source, ", ".join(report.seeded))
    if report.not_finite:
        log.warning("%s: NaN or infinity in %s", source, ", ".join(report.not_finite))
