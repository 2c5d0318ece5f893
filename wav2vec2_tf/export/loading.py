"""Exported models of every kind, loaded and run in one way: NumPy arrays in, NumPy arrays out.

exported = load_export(Path("build/saved-model"))
logits = exported(speech, lengths)["logits"]

SavedModels are programs: load only those that you trust.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from wav2vec2_tf.export import runtimes
from wav2vec2_tf.export.contract import LENGTHS, SPEECH
from wav2vec2_tf.export.saved_model import ONLY_OUTPUT
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.families import CTC, head_named
from wav2vec2_tf.models.pretrained import CONFIG_FILE, read_config
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.models.saved_model_folder import (
    SAVED_MODEL_FACTS,
    named_saved_model,
    saved_model_folder,
)
from wav2vec2_tf.utils.errors import UserError, first_line

Arrays = dict[str, np.ndarray]
SIGNATURES = {"serving_default": (SPEECH,), "with_lengths": (SPEECH, LENGTHS)}
"""The signatures that are used of a SavedModel, and their inputs."""


@dataclass(frozen=True)
class LoadedExport:
    """A SavedModel, or a file that LiteRT, ONNX Runtime or OpenVINO has loaded.

    Attributes:
        path: the SavedModel's folder, or the file.
        config: the model's config.
        head: the suffix of transformers' class, such as "ForCTC".
        fixed_length: samples of each row; None for any.
        takes_lengths: whether lengths are an input. Files by the contract of OpenVINO's model zoo
            take none: padding counts as speech.
    """

    path: Path
    config: Config
    head: str
    fixed_length: int | None
    takes_lengths: bool
    _run: Callable[[np.ndarray, np.ndarray | None], Arrays]
    _description: Callable[[], AbstractContextManager[Path]]
    """Opens the folder with `config.json`, the vocabulary and the rest of what is not weights."""
    _model: Any = None
    """TensorFlow's object of a SavedModel: its functions hold their variables only weakly."""

    @cached_property
    def processor(self) -> Processor:
        """The processor that was exported with the model.

        Raises:
            UserError: there is none, or it cannot be read.
        """
        with self._description() as folder:
            return Processor.from_pretrained(folder)

    def __call__(self, speech: np.ndarray, lengths: np.ndarray | None = None) -> Arrays:
        """Runs the model.

        Args:
            speech: (batch, samples) float32, scaled as the checkpoint's processor does it.
            lengths: (batch,) samples of each row that are not padding; None for all of them.

        Returns:
            The outputs by name, such as `logits`, (batch, frames, vocabulary) float32.

        Raises:
            UserError: the file's runtime refuses the input.
        """
        return self._run(speech, lengths)


def is_export(path: Path) -> bool:
    """Returns whether `load_export` is what loads a path: a SavedModel, or a runtime's file."""
    return is_saved_model(path) or runtimes.is_exported_file(path)


def is_saved_model(path: Path) -> bool:
    """Returns whether a path names a SavedModel; see `saved_model_folder`."""
    return saved_model_folder(path) is not None


def load_export(
    path: Path,
    *,
    head: str | None = None,
    jit_compile: bool = False,
    threads: int | None = None,
) -> LoadedExport:
    """Loads a SavedModel, or a file for another runtime, that `convert` wrote.

    Args:
        path: the folder or file; see `saved_model_folder` for what names a SavedModel.
        head: the head that the model must have, such as "ForCTC"; None for any.
        jit_compile: compile a SavedModel with XLA, once for each shape of the input.
        threads: threads of a file's runtime; by default as many as the process may use.

    Raises:
        UserError: the export is damaged, was not written by this project or has another head; its
            runtime is not installed; or a file is to be compiled with XLA.
    """
    if runtimes.is_exported_file(path):
        if jit_compile:
            raise UserError(f"{path}: XLA compiles TensorFlow's models only: leave jit_compile out")
        return _load_file(path, head, threads)
    return _load_saved_model(named_saved_model(path), head, jit_compile)


def saved_model_config(folder: Path) -> Config:
    """Returns the config in a SavedModel, without loading it.

    Raises:
        UserError: `convert saved-model` did not write it, or the config is damaged.
    """
    facts = folder / SAVED_MODEL_FACTS
    if not (facts / CONFIG_FILE).is_file():
        raise _not_ours(folder, [f"the file {SAVED_MODEL_FACTS}/{CONFIG_FILE}"])
    return read_config(facts)


def load_saved_model(folder: Path) -> Any:
    """Loads a SavedModel as TensorFlow's object.

    Raises:
        UserError: the folder is damaged, or `convert saved-model` did not write it.
    """
    try:
        loaded = tf.saved_model.load(folder)
    except Exception as error:  # a damaged graph raises what its operations raise, of any type
        raise UserError(
            f"{folder}: is not a SavedModel of this project, as TensorFlow cannot load it "
            f"({first_line(error)}): write it again with `wav2vec2-tf convert saved-model`"
        ) from None
    lacking = [] if callable(loaded) else ["__call__"]
    signatures = getattr(loaded, "signatures", {})
    for name, inputs in SIGNATURES.items():
        if name not in signatures:
            lacking.append(f"the signature {name}")
            continue
        taken = signatures[name].structured_input_signature[1]
        lacking += [f"the input {one} of {name}" for one in inputs if one not in taken]
    if lacking:
        raise _not_ours(folder, lacking)
    return loaded


def _not_ours(folder: Path, lacking: list[str]) -> UserError:
    return UserError(
        f"{folder}: is not a SavedModel of this project, as it lacks {', '.join(lacking)}: convert "
        "its checkpoint with `wav2vec2-tf convert saved-model`, or use tf.saved_model.load"
    )


def takes_training(loaded: Any) -> bool:
    """Returns whether a SavedModel can be called with `training=True`."""
    return any(
        value is True
        for function in loaded.__call__.concrete_functions
        for value in tf.nest.flatten(function.structured_input_signature)
    )


def speech_spec_of(loaded: Any) -> tf.TensorSpec:
    """Returns the spec of the speech that a SavedModel takes, (batch, samples)."""
    return loaded.signatures["serving_default"].structured_input_signature[1][SPEECH]


def _load_saved_model(folder: Path, head: str | None, jit_compile: bool) -> LoadedExport:
    description = folder / SAVED_MODEL_FACTS
    config = saved_model_config(folder)
    found = head_of_export(folder, config, head)
    loaded = load_saved_model(folder)
    with_lengths, without = (
        tf.function(
            loaded.signatures[name], jit_compile=True, reduce_retracing=True, autograph=False
        )
        if jit_compile
        else loaded.signatures[name]
        for name in ("with_lengths", "serving_default")
    )

    def run(speech: np.ndarray, lengths: np.ndarray | None) -> Arrays:
        inputs = {SPEECH: tf.constant(speech, tf.float32)}
        if lengths is None:
            outputs = without(**inputs)
        else:
            outputs = with_lengths(**inputs, **{LENGTHS: tf.constant(lengths, tf.int32)})
        return {name: value.numpy() for name, value in outputs.items()}

    return LoadedExport(
        path=folder,
        config=config,
        head=found,
        fixed_length=speech_spec_of(loaded).shape[1],
        takes_lengths=True,
        _run=run,
        _description=lambda: nullcontext(description),
        _model=loaded,
    )


def _load_file(path: Path, head: str | None, threads: int | None) -> LoadedExport:
    file = runtimes.load(path, threads)
    found = head_of_export(path, file.config, head)

    def run(speech: np.ndarray, lengths: np.ndarray | None) -> Arrays:
        return {ONLY_OUTPUT[found]: file(speech, lengths)}

    return LoadedExport(
        path=path,
        config=file.config,
        head=found,
        fixed_length=file.contract.length,
        takes_lengths=file.contract.takes_lengths,
        _run=run,
        _description=file.folder,
    )


def head_of_export(path: Path, config: Config, wanted: str | None = None) -> str:
    """Returns the head of an exported model, the suffix of transformers' class.

    Args:
        path: the export, for messages.
        config: the config in it.
        wanted: the only head that is accepted; None for any.

    Raises:
        UserError: the config names no class, or that of another head.
    """
    head = head_named(config)
    if head is None:
        raise UserError(
            f"{path}: its config.json names no class of a model: export it again with "
            "`wav2vec2-tf convert`"
        )
    if wanted not in (None, head):
        needed = "CTC head, so its output cannot be decoded to text" if wanted == CTC else wanted
        raise UserError(f"{path}: has no {needed}: it was exported as {head}")
    return head
