"""SavedModels of this project as layers of Keras 3."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.export.loading import load_saved_model
from wav2vec2_tf.models import lengths as padding
from wav2vec2_tf.models.auto import MODELS
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.families import BASE, head_named
from wav2vec2_tf.models.pretrained import SAVED_MODEL_FACTS, read_config
from wav2vec2_tf.utils.errors import UserError

SPEECH, FEATURES = "speech", "input_features"
LENGTHS, MASK = "lengths", "attention_mask"


@keras.saving.register_keras_serializable("wav2vec2_tf")
class SavedModelLayer(keras.layers.Layer):
    """A SavedModel that `wav2vec2-tf convert saved-model` wrote, in any model of Keras 3.

    It does there what `hub.KerasLayer` does in Keras 2, and cannot in Keras 3
    (github.com/tensorflow/hub/issues/920 and /930). Frozen, it computes as in inference, whatever
    `training` is; so does `hub.KerasLayer`.

    A model with this layer that is saved as `.keras` holds the weights, but not the computation:
    loading it takes the SavedModel again, at the same path.

    Args:
        path: the SavedModel's folder.
        trainable: whether training changes its weights.
        kwargs: `name` and `dtype`, as every layer takes them; the SavedModel computes in the types
            it was exported with, whatever `dtype` is.

    Raises:
        UserError: the folder is no SavedModel of this project.
    """

    def __init__(self, path: str | PathLike[str], trainable: bool = False, **kwargs: Any) -> None:
        super().__init__(trainable=trainable, autocast=False, **kwargs)
        self.folder = os.fspath(path)
        folder = Path(path).expanduser()
        if not (folder / "saved_model.pb").is_file():
            raise UserError(
                f"{self.folder}: there is no SavedModel, which `wav2vec2-tf convert saved-model` "
                "makes; a .keras file needs the one it was trained with where it was then: put it "
                "back, or make the model anew with its new path and call load_weights on the file"
            )
        self.config = read_config(folder / SAVED_MODEL_FACTS)
        self.loaded = load_saved_model(folder)
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
        if not trainable:  # as Keras does to each variable that a frozen layer adds
            for variable in self.saved_variables:
                variable.trainable = False
        self.built = True

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """`call`, of lists of numbers as well, which Keras would refuse."""
        # Checked here, too, since Keras makes many lines of what `call` raises.
        return super().__call__(self._by_name(inputs), *args, **kwargs)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Speech → what the SavedModel gives: hidden states or logits, or a dict of outputs.

        Args:
            inputs: `speech`, (batch, samples) floating-point numbers normalised as the
                checkpoint's processor says; a pair of it and `lengths`, (batch,) samples, or an
                `attention_mask`, (batch, samples); or a dict of these names. Wav2Vec2-BERT takes
                `input_features`, (batch, frames, 160), in the place of speech as well, and their
                lengths in frames.
            training: draw dropout, SpecAugment and LayerDrop, unless the layer is frozen.

        Returns:
            With lengths or a mask, outputs of (batch, frames, …) carry Keras's mask of the valid
            frames, which losses and further layers read.

        Raises:
            UserError: no such inputs.
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
        return {**super().get_config(), "path": self.folder}

    def _by_name(self, inputs: Any) -> dict[str, Any]:
        """Inputs of any structure as a dict of tensors, checked; symbolic ones too."""
        if isinstance(inputs, dict):
            named = {name: _tensor(value) for name, value in inputs.items() if value is not None}
        else:
            pair = isinstance(inputs, list | tuple) and len(inputs) > 0 and _rank(inputs[0]) > 1
            first, *rest = map(_tensor, inputs if pair else [inputs])
            if len(rest) > 1:
                raise UserError(
                    f"the layer takes speech and its lengths, got {1 + len(rest)} parts"
                )
            named = {
                FEATURES if len(first.shape) == 3 and FEATURES in self.takes else SPEECH: first
            }
            named |= {MASK if len(second.shape) == 2 else LENGTHS: second for second in rest}
        kinds = named.keys() & self.takes.keys()
        others = named.keys() - self.takes.keys()
        if len(kinds) != 1 or others not in (set(), {LENGTHS}, {MASK}):
            raise UserError(
                f"the layer takes {' or '.join(self.takes)}, alone or with {LENGTHS} or {MASK}; "
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
            if not wanted.is_compatible_with(named[name].shape) or _is_float(named[name]):
                raise UserError(
                    f"{name} must be whole numbers of shape {wanted} for this {kind}, "
                    f"got {_described(named[name])}"
                )
        return named


def _names(loaded: Any, config: Config) -> list[str]:
    """Of a loaded SavedModel's variables: their paths in the model, whose order the export keeps.

    Their own, such as "kernel", where the SavedModel is not of such a model as is made today.
    """
    model = MODELS[head_named(config) or BASE].skeleton(config)
    if [variable.shape for variable in model.variables] != [v.shape for v in loaded.variables]:
        return [variable.name.partition(":")[0] for variable in loaded.variables]
    paths = [
        [part for part in variable.path.split("/") if part != model.name]
        for variable in model.variables
    ]
    # Keras numbers the seeds of chance throughout a process.
    return [".".join(path[-1:] if "seed_generator_state" in path else path) for path in paths]


def _keras_variables(loaded: Any, names: list[str]) -> list[keras.Variable]:
    """A loaded SavedModel's variables as Keras's: the same memory, which its functions read."""
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
    """A tensor, unless it is one of Keras's symbolic ones."""
    if keras.backend.is_keras_tensor(value):
        return value
    try:
        return tf.convert_to_tensor(value)
    except (TypeError, ValueError):
        raise UserError("inputs must be arrays: pad the rows of a batch to one length") from None


def _is_float(value: Any) -> bool:
    return keras.backend.is_float_dtype(value.dtype)


def _described(value: Any) -> str:
    shape = tf.TensorShape(value.shape)
    return f"{keras.backend.standardize_dtype(value.dtype)} of shape {shape}"
