"""`from_pretrained` and `save_pretrained` of models and configs, as in transformers.

The folder has Hugging Face's format, `config.json` and `model.safetensors`: PyTorch loads what this
library writes.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Self

from wav2vec2_tf.checkpoint import loader
from wav2vec2_tf.checkpoint.hub import adapter_file, resolve
from wav2vec2_tf.checkpoint.readers import Checkpoint, open_checkpoint
from wav2vec2_tf.checkpoint.writer import write_safetensors
from wav2vec2_tf.models import families
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.configured_model import ConfiguredModel
from wav2vec2_tf.models.saved_model_folder import SAVED_MODEL_FACTS, saved_model_folder
from wav2vec2_tf.utils.errors import UserError, did_you_mean
from wav2vec2_tf.utils.files import read_json, whole_file
from wav2vec2_tf.utils.keras_internals import without_values

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
PREFIXES = {kind: family.prefix for kind, family in families.FAMILIES.items()}
NEW_PARTS = {
    "vocab_size": loader.HEAD,
    "num_labels": loader.HEAD,
    "add_adapter": "adapter",
    "adapter_attn_dim": "adapter_layer",
}
"""Config field → the part that gets new weights where it is changed and no weights fit."""
NOT_HERE = {
    "torch_dtype": 'it is dtype= here, as dtype="float16"',
    "load_in_8bit": "`wav2vec2-tf convert litert --quantize int8` writes a quantized file",
    "ignore_mismatched_sizes": "vocab_size= or num_labels= asks for a new head",
}
"""Argument of transformers' `from_pretrained` → what to do instead; others have no effect here."""
DTYPES = ("float32", "bfloat16", "float16", "mixed_bfloat16", "mixed_float16")
log = logging.getLogger(__name__)


class Pretrained(ConfiguredModel):
    """A model that loads and saves checkpoints; see `ConfiguredModel` for its Keras side."""

    base_name: str
    """The attribute that holds the base model; empty in the base model itself."""
    head: str
    """The end of transformers' class names for the head, after the family's name."""
    load_report: loader.LoadReport | None = None
    """What the checkpoint lacked and what it held beyond the model."""
    source: str | PathLike[str] | None = None
    """Where the weights came from."""
    hub: Mapping[str, Any]
    """The options with which the hub was asked for them."""

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
        """Returns a model with the weights of `source`.

        Args:
            source: a folder in Hugging Face format, the id of a model on the Hugging Face Hub,
                a fairseq checkpoint (`.pt`), or "bundled" for the small model that comes with the
                package.
            dtype: Keras' dtype policy for weights and computation: "float32"; "bfloat16" or
                "float16" for inference in half the memory; "mixed_bfloat16" or "mixed_float16" for
                training. By default the global policy, which is float32 unless set.
            target_lang: the language whose adapter and head to load, where there is one for each
                (MMS); by default those in the checkpoint itself.
            revision: a branch, tag or commit on the hub.
            token: access token of the hub.
            cache_dir: folder for downloads.
            local_files_only: take what is cached and do not connect.
            overrides: config fields to change. `vocab_size` (or `num_labels`, which for CTC is the
                same) asks for a new head where the checkpoint's has another size; `add_adapter`
                and `adapter_attn_dim` ask for new adapters where it has none.

        Raises:
            UserError: see `checkpoint.hub.resolve`, `Config` and `checkpoint.loader.plan`.
        """
        if dtype not in (None, *DTYPES):
            raise UserError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
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
        """Returns a model with the weights of a checkpoint.

        Args:
            config: the model's.
            checkpoint: its unread weights.
            plan: which tensor goes where, if it has been made.
            dtype: see `from_pretrained`.
            new_parts: parts that get new weights where the checkpoint has none that fit.
        """
        # A skeleton: drawing values that the checkpoint replaces would take time.
        model = cls.skeleton(config, dtype=dtype)
        if plan is None:
            plan = loader.plan(model, checkpoint, PREFIXES, new_parts=new_parts)
        model.load_report = loader.load(model, checkpoint, plan)
        log_report(checkpoint.path, model.load_report)
        return model

    @classmethod
    def check_head(cls, config: Config) -> None:
        """Raises `UserError` where transformers has no such head for the family."""
        family = families.family_of(config)
        if cls.head not in (families.BASE, families.CTC, *family.heads):
            raise UserError(
                f"{config.model_type} has no {cls.head}; it has "
                + ", ".join((families.CTC, *family.heads))
            )

    @classmethod
    def plan(cls, config: Config, checkpoint: Checkpoint) -> loader.Plan:
        """Returns which tensor goes where, worked out on a model without values."""
        return loader.plan(cls.skeleton(config), checkpoint, PREFIXES)

    @classmethod
    def skeleton(cls, config: Config, **kwargs: Any) -> Self:
        """Returns a model whose weights have names, shapes and types, but no values.

        Args:
            config: the model's.
            kwargs: as for the class.
        """
        with without_values():
            model = cls(config, **kwargs)
            model.build((None, None))
        return model

    def load_adapter(self, target_lang: str) -> None:
        """Replaces the adapter and the head by those of another language (MMS).

        Functions that were traced with this model stay valid where the new head has the size of the
        former, and return NaN elsewhere: trace them again, and call `compile` again to train.

        Args:
            target_lang: the language, named as the checkpoint's adapter files are.

        Raises:
            UserError: the model has no adapters, was not loaded by `from_pretrained`, or its
                source has none for the language; the model is unchanged then.
        """
        if getattr(self.config, "adapter_attn_dim", None) is None or self.head != families.CTC:
            raise UserError("load_adapter needs a CTC model with adapters for languages (MMS)")
        if self.source is None:
            raise UserError(
                "load_adapter reads adapters where from_pretrained read the model: load the model "
                "with from_pretrained"
            )
        found, checkpoint = open_model(self.source, target_lang=target_lang, **self.hub)
        config = dataclasses.replace(self.config, vocab_size=found.vocab_size)
        plan = self.plan(config, checkpoint)
        adapter = {key for key in checkpoint if _is_of_adapter(key)}
        for key in adapter:  # raises here where a file is damaged, before anything changes
            checkpoint[key].read()
        if config.vocab_size != self.config.vocab_size:
            self.set_head(config.vocab_size)
        self.config = config
        self.load_report = loader.load(self, checkpoint, plan, only=adapter)
        log_report(checkpoint.path, self.load_report)
        self.train_function = self.test_function = self.predict_function = None

    @property
    def prefix(self) -> str:
        """The start of every key of the base model in a checkpoint that has a head."""
        return families.family_of(self.config).prefix

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Writes `config.json` and `model.safetensors`, each whole or not at all.

        Args:
            folder: where to write them; created if it does not exist.

        Raises:
            UserError: `folder` is a file.
        """
        folder = Path(folder)
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder}: must be a folder, got a file; name another place")
        folder.mkdir(parents=True, exist_ok=True)
        self.ensure_built()
        with whole_file(folder / WEIGHTS_FILE) as beside:
            write_safetensors(beside, loader.tensors(self, self.prefix))
        write_config(folder, self.config, self.head, self.dtype)


def write_config(
    folder: Path, config: Config, head: str | None = None, dtype: str | None = None
) -> None:
    """Writes `config.json`, whole or not at all.

    Args:
        folder: where to write it.
        config: what to write.
        head: the head of the model, to name the class that transformers loads; by default
            `architectures` stays as the config has it.
        dtype: the type of the weights, to correct the field that names it.
    """
    values = config.to_dict()
    if head is not None:
        values["architectures"] = [families.family_of(config).architecture(head)]
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
    """Opens a folder, a model on the hub, or a file of weights.

    Args:
        source: see `Pretrained.from_pretrained`.
        target_lang: the language whose adapter and head the weights should have.
        overrides: config fields to change.
        hub: options of `checkpoint.hub.resolve`.

    Returns:
        The config and the unread weights.

    Raises:
        UserError: no such source, or one with invalid files.
    """
    path, overrides = resolve(source, adapter=target_lang, **hub), dict(overrides or {})
    place = (path if path.is_dir() else path.parent) / CONFIG_FILE
    if saved_model_folder(path) is not None:
        raise UserError(
            f"{path}: is a SavedModel; give the checkpoint that it was made of, or load it with "
            "SavedModelLayer, hub.KerasLayer, Recognizer or `wav2vec2-tf transcribe`"
        )
    values: Mapping[str, Any] = read_json(place) if path.is_dir() else {}
    checkpoint = open_checkpoint(path)
    if checkpoint.settings is not None:  # fairseq's file holds its own config
        place, values = path, checkpoint.settings.config
    elif not path.is_dir():
        values = read_json(place)
    if target_lang is not None:
        adapter = open_checkpoint(adapter_file(path, target_lang))
        if overrides.setdefault("vocab_size", _vocabulary(adapter)) != _vocabulary(adapter):
            raise UserError(
                "vocab_size is that of the language's head where target_lang is given: leave it out"
            )
        checkpoint = _with_adapter(checkpoint, adapter)
    return _config(values, place, overrides), checkpoint


def read_config(folder: Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Returns the config in a folder, with some fields changed."""
    return _config(read_json(folder / CONFIG_FILE), folder / CONFIG_FILE, overrides or {})


def load_config(
    source: str | PathLike[str], overrides: Mapping[str, Any] | None = None, **hub: Any
) -> Config:
    """Returns the config of a source, as `Pretrained.from_pretrained` takes it.

    Args:
        source: a folder, a file of weights in it, a model on the hub, a fairseq checkpoint, or
            "bundled"; besides, a SavedModel of this library.
        overrides: config fields to change.
        hub: options of `checkpoint.hub.resolve`.
    """
    path = resolve(source, **hub)
    if (saved_model := saved_model_folder(path)) is not None:
        return read_config(saved_model / SAVED_MODEL_FACTS, overrides)
    if path.is_dir():
        return read_config(path, overrides)
    settings = open_checkpoint(path).settings
    if settings is None:
        return read_config(path.parent, overrides)
    return _config(settings.config, path, overrides or {})


def _config(values: Mapping[str, Any], place: Path, overrides: Mapping[str, Any]) -> Config:
    """Returns the config with these values, which are from `place`, and the fields changed."""
    try:
        config = families.config_of(values)
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    known = config.field_kinds()
    for name in overrides:
        if name not in known:
            hint = f": {NOT_HERE[name]}" if name in NOT_HERE else did_you_mean(name, known)
            raise UserError(f"the config has no field {name}{hint or ': leave it out'}")
    config = dataclasses.replace(config, **overrides)
    families.family_of(config)  # raises where the family lacks what the config asks for
    return config


def _with_adapter(whole: Checkpoint, adapter: Checkpoint) -> Checkpoint:
    """Returns a checkpoint with the tensors of another adapter and head, and none of its own."""
    kept = {key: tensor for key, tensor in whole.items() if not _is_of_adapter(key)}
    return Checkpoint(whole.path, (*whole.files, *adapter.files), {**kept, **adapter})


def _is_of_adapter(key: str) -> bool:
    return ".adapter_layer." in key or key.startswith("lm_head.")


def _vocabulary(adapter: Checkpoint) -> int:
    """Returns the number of tokens of an adapter's head."""
    for key in adapter:
        if not _is_of_adapter(key):
            raise UserError(
                f"{adapter.path}: a language's adapter must hold tensors of adapters and of "
                f"lm_head only, got {key}"
            )
    if "lm_head.weight" not in adapter or len(adapter["lm_head.weight"].shape) != 2:
        raise UserError(
            f"{adapter.path}: a language's adapter must hold the matrix lm_head.weight, got none"
        )
    return adapter["lm_head.weight"].shape[0]


def log_report(source: Path, report: loader.LoadReport) -> None:
    """Logs what a checkpoint lacks, what it holds beyond the model, and where it is not finite."""
    if report.ignored:
        log.info("%s: not loaded: %s", source, ", ".join(report.ignored))
    if report.seeded:
        log.warning("%s lacks %s: newly initialized", source, ", ".join(report.seeded))
    if report.not_finite:
        log.warning("%s: NaN or infinity in %s", source, ", ".join(report.not_finite))
