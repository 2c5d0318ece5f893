"""SavedModels of this project as Keras 3 layers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.export.loading import load_saved_model, saved_model_config, takes_training
from wav2vec2_tf.models import lengths as padding
from wav2vec2_tf.models.auto import MODELS
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.families import BASE, head_named
from wav2vec2_tf.models.layers import PACKAGE
from wav2vec2_tf.models.saved_model_folder import named_saved_model
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.keras_internals import in_safe_mode

SPEECH, FEATURES = "speech", "input_features"
VALUES = "input_values"  # transformers' name of speech
LENGTHS, MASK = "lengths", "attention_mask"


@keras.saving.register_keras_serializable(PACKAGE)
class SavedModelLayer(keras.layers.Layer):
    """A Keras 3 layer that computes what a SavedModel of `wav2vec2-tf convert saved-model` does.

    It is for Keras 3 what `hub.KerasLayer` is for Keras 2, which Keras 3 models do not accept
    (github.com/tensorflow/hub/issues/920 and /930). As there, a layer that is not trainable
    computes as in inference, whatever `training` is.

    A `.keras` file of a model with this layer holds the weights, but not the computation: loading
    it needs the SavedModel at the same path. As a SavedModel is a program, `load_model` loads such
    a file with `safe_mode=False` only: pass it if you trust the file and the SavedModel.

    Args:
        path: the SavedModel's folder. Where it holds a checkpoint, too, `FOLDER/saved_model.pb`.
        trainable: whether training changes its weights.
        kwargs: `name` and `dtype`, as every layer takes them; the SavedModel computes in the types
            it was exported with, whatever `dtype` is.

    Raises:
        UserError: the path names no SavedModel of this project, or one for inference only that is
            to be trained; or Keras makes the layer of a file in safe mode.
    """

    def __init__(self, path: str | PathLike[str], trainable: bool = False, **kwargs: Any) -> None:
        _refuse(path, in_safe_mode())
        super().__init__(trainable=trainable, autocast=False, **kwargs)
        self.folder = os.fspath(path)
        try:
            folder = named_saved_model(Path(path).expanduser())
        except UserError as error:
            raise UserError(
                f"{error}. A .keras file needs the SavedModel it was trained with at the same "
                "path: put it back, or make the model with the new path and call load_weights on "
                "the file"
            ) from None
        self.config = saved_model_config(folder)
        self.loaded = load_saved_model(folder)
        if trainable and not takes_training(self.loaded):
            raise UserError(
                f"{folder}: was exported for inference only, so it cannot be trained: export it "
                "without --inference, or leave out trainable=True"
            )
        self.takes = {
            name: signature.structured_input_signature[1][name]
            for name, signature in (
                (SPEECH, self.loaded.signatures["serving_default"]),
                (FEATURES, self.loaded.signatures.get("from_features")),
            )
            if signature is not None
        }
        names = _names(self.loaded, self.config)
        with keras.name_scope(self.name, caller=self):
            self.saved_variables = _keras_variables(self.loaded, names)
        if not trainable:  # Keras does it for variables that add_weight creates
            for variable in self.saved_variables:
                variable.trainable = False
        self.built = True

    def __call__(self, inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer; see `call`.

        Lists of numbers are accepted too, and inputs as keywords, such as `layer(**features)` with
        what a processor returns, or `layer(speech, attention_mask=mask)`.
        """
        names = (SPEECH, VALUES, FEATURES, LENGTHS, MASK)
        named = {name: kwargs.pop(name) for name in names if name in kwargs}
        if inputs is not None and named.keys() & {SPEECH, VALUES, FEATURES}:
            raise UserError("the layer takes speech once, got a positional one and a named one")
        if inputs is not None:
            named |= self._by_name(inputs)
        # Checked here, too, since Keras makes many lines of what `call` raises.
        named = self._by_name(named)
        if MASK in named and not keras.backend.is_keras_tensor(named[MASK]):
            first, lengths = padding.unpack(named)
            named = {kind: first for kind in self.takes if kind in named} | {LENGTHS: lengths}
        return super().__call__(named, *args, **kwargs)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Computes the SavedModel's output for speech.

        Args:
            inputs: `speech`, (batch, samples) floating-point numbers normalized as the
                checkpoint's processor does it; a pair of it and `lengths`, (batch,) samples, or an
                `attention_mask`, (batch, samples) of 1 for speech and then 0, of any type; or a
                dict with these names, or `input_values` for speech. Wav2Vec2-BERT also takes
                `input_features`, (batch, frames, 160), in place of speech, and their lengths in
                frames.
            training: whether to apply dropout, SpecAugment and LayerDrop, if the layer is
                trainable.

        Returns:
            Hidden states or logits, or a dict of outputs. With lengths or a mask, outputs of
            (batch, frames, …) carry Keras' mask of the valid frames, which losses and further
            layers read.

        Raises:
            UserError: other inputs.
        """
        inputs = self._by_name(inputs)
        kind = FEATURES if FEATURES in inputs else SPEECH
        first, lengths = padding.unpack(inputs)
        first = tf.cast(first, self.takes[kind].dtype)
        training = bool(training) and self.trainable
        if lengths is None:
            return self.loaded({kind: first}, training=training)
        lengths = padding.clip_lengths(lengths, padding.size(first, 1))
        frames_of = self.config.frame_length if kind == SPEECH else self.config.adapted_frames
        outputs = self.loaded({kind: first, LENGTHS: lengths}, training=training)
        for output in keras.tree.flatten(outputs):
            if output.shape.rank == 3:  # the others are of whole utterances
                frames = padding.size(output, 1)
                padding.with_mask(output, padding.valid(frames_of(lengths), frames))
        return outputs

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal layer."""
        return {**super().get_config(), "path": self.folder}

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        custom_objects: Mapping[str, Any] | None = None,
        safe_mode: bool | None = None,
    ) -> Self:
        """Makes a layer with the arguments that `get_config` returned.

        Args:
            config: the arguments.
            custom_objects: for Keras; not used.
            safe_mode: whether to refuse, as the SavedModel is a program; by default where Keras
                loads a file or a model's config in safe mode.

        Raises:
            UserError: see the class.
        """
        _refuse(config.get("path"), in_safe_mode() if safe_mode is None else safe_mode)
        return super().from_config(config)

    def _by_name(self, inputs: Any) -> dict[str, Any]:
        """Returns inputs of any structure as a dict of tensors, after checking them."""
        if isinstance(inputs, dict):
            named = {
                SPEECH if name == VALUES else name: _tensor(value)
                for name, value in inputs.items()
                if value is not None
            }
        else:
            pair = isinstance(inputs, list | tuple) and len(inputs) > 0 and _rank(inputs[0]) > 1
            first, *rest = map(_tensor, inputs if pair else [inputs])
            if len(rest) > 1:
                raise UserError(
                    f"inputs must be speech and its lengths, got {1 + len(rest)} tensors"
                )
            named = {
                FEATURES if len(first.shape) == 3 and FEATURES in self.takes else SPEECH: first
            }
            named |= {MASK if len(second.shape) == 2 else LENGTHS: second for second in rest}
        kinds = named.keys() & self.takes.keys()
        others = named.keys() - self.takes.keys()
        if len(kinds) != 1 or others not in (set(), {LENGTHS}, {MASK}):
            raise UserError(
                f"inputs must be {' or '.join(self.takes)}, alone or with {LENGTHS} or {MASK}, "
                f"got {', '.join(map(str, named)) or 'nothing'}"
            )
        (kind,) = kinds
        first, wanted = named[kind], self.takes[kind].shape
        if not wanted.is_compatible_with(first.shape) or not _is_float(first):
            raise UserError(
                f"{kind} must be floating-point numbers of shape {wanted}, got {_described(first)}"
            )
        for name in others:
            wanted = tf.TensorShape(first.shape)[: 2 if name == MASK else 1]
            not_integers = name == LENGTHS and _is_float(named[name])
            if not_integers or not wanted.is_compatible_with(named[name].shape):
                kinds_of_numbers = "integers" if name == LENGTHS else "numbers"
                raise UserError(
                    f"{name} must be {kinds_of_numbers} of shape {wanted} for this {kind}, "
                    f"got {_described(named[name])}"
                )
        return named


def _refuse(path: Any, safe_mode: bool) -> None:
    """Raises `UserError` in safe mode, before anything is read."""
    if safe_mode:
        raise UserError(
            f"SavedModelLayer loads the SavedModel {path!r}, which is a program: pass "
            "safe_mode=False to load_model if you trust both, or make the model yourself and call "
            "load_weights on the file"
        )


def _names(loaded: Any, config: Config) -> list[str]:
    """Returns names for a SavedModel's variables: their paths in the model, in the export's order.

    Where the SavedModel is of another release, whose model differs, the names are the variables'
    own, such as "kernel".
    """
    model = MODELS[head_named(config) or BASE].skeleton(config)
    if [variable.shape for variable in model.variables] != [v.shape for v in loaded.variables]:
        return [variable.name.partition(":")[0] for variable in loaded.variables]
    paths = [
        [part for part in variable.path.split("/") if part != model.name]
        for variable in model.variables
    ]
    # Paths of random seeds hold numbers that Keras counts up throughout a process.
    return [".".join(path[-1:] if "seed_generator_state" in path else path) for path in paths]


def _keras_variables(loaded: Any, names: list[str]) -> list[keras.Variable]:
    """Returns a SavedModel's variables as Keras variables of the same memory."""
    trainable = {id(variable) for variable in loaded.trainable_variables}
    return [
        keras.Variable(
            variable, dtype=variable.dtype.name, trainable=id(variable) in trainable, name=name
        )
        for variable, name in zip(loaded.variables, names, strict=True)
    ]


def _rank(value: Any) -> int:
    return len(value.shape) if hasattr(value, "shape") else np.ndim(value)


def _tensor(value: Any) -> Any:
    """Returns the value as a tensor; symbolic ones of Keras as they are."""
    if keras.backend.is_keras_tensor(value):
        return value
    try:
        return tf.convert_to_tensor(value)
    except (TypeError, ValueError):
        raise UserError(
            "inputs must be arrays, got rows that make none: pad the rows of a batch to one length"
        ) from None


def _is_float(value: Any) -> bool:
    return keras.backend.is_float_dtype(value.dtype)


def _described(value: Any) -> str:
    shape = tf.TensorShape(value.shape)
    return f"{keras.backend.standardize_dtype(value.dtype)} of shape {shape}"
