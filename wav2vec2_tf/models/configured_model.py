"""What Keras and transformers users expect of every model: configs, calls, files, freezing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from os import PathLike
from typing import Any, ClassVar, Self

import keras
import numpy as np

from wav2vec2_tf.models import families
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.layers import dtype_policy
from wav2vec2_tf.models.lengths import lengths_of
from wav2vec2_tf.utils import keras_internals
from wav2vec2_tf.utils.errors import UserError

SPEECH_NAMES = ("input_values", "input_features")
"""transformers' names of the first argument; the latter is that of log-mel features."""


class ConfiguredModel(keras.Model):
    """A Keras model that is made from a `Config`.

    Called with positional tensors, as Keras does in `fit` and `predict`, it returns a tensor.
    Called with transformers' keywords, `model(**processor(speech))`, it returns an output with
    fields, such as `logits`: see `__call__`.

    Args:
        config: sizes and switches of the model.
        kwargs: `name`, `dtype` and `trainable`, as every Keras layer takes them. All layers inside
            get the dtype.
    """

    config: Config
    output_type: ClassVar[Any]
    """The output with fields, whose first one is the tensor that `call` returns."""

    def __init__(self, config: Config, **kwargs: Any) -> None:
        # The layers cast their inputs: speech stays float32 for log-mel features and statistics.
        super().__init__(autocast=False, **kwargs)
        self.config = config

    def layers_of_same_dtype(self) -> AbstractContextManager[None]:
        """Makes the layers that are constructed inside have the dtype policy of the model."""
        return dtype_policy(self.dtype_policy)

    def __call__(self, *args: Any, return_dict: bool | None = None, **kwargs: Any) -> Any:
        """Calls the model in the way of Keras, or in the way of transformers.

        Args:
            args: as for `call`; then a tensor is returned.
            return_dict: True for an output with fields, such as `logits`; False for a tensor.
                By default an output with fields where one of the following keywords is given.
            kwargs: as for `call`; besides, `input_values` (for Wav2Vec2-BERT also
                `input_features`) as a name of the first argument, and `attention_mask`,
                (batch, samples) of 1 for speech and then 0 for padding, in place of `lengths`.

        Raises:
            UserError: a mask that is 0 before or amid speech, or `labels`.
        """
        if "labels" in kwargs:
            raise UserError(
                "models take no labels: compile the model with loss=CTCLoss() and call fit, or "
                "compute CTCLoss()(labels, logits)"
            )
        if return_dict is None:
            return_dict = bool(kwargs.keys() & {*SPEECH_NAMES, "attention_mask"})
        named = {
            name: kwargs.pop(name)
            for name in ("speech", *SPEECH_NAMES)
            if kwargs.get(name) is not None
        }
        if len(args[:1]) + len(named) != 1:
            raise UserError(
                "the model takes its first argument once, got "
                + (" and ".join([*("a positional one" for _ in args[:1]), *named]) or "none")
            )
        args = args or tuple(named.values())
        if isinstance(args[0], dict):  # Keras takes no subclasses, as what the processor returns
            args = (dict(args[0]), *args[1:])
        mask = kwargs.pop("attention_mask", None)
        if mask is not None:
            if len(args) > 1 or kwargs.get("lengths") is not None:
                raise UserError("give attention_mask or lengths, not both: they say the same")
            args = ((args[0], _lengths(mask, args[0])),)
        for name in SPEECH_NAMES:
            kwargs.pop(name, None)  # None, as the other one is given
        outputs = super().__call__(*args, **kwargs)
        if return_dict and not isinstance(outputs, tuple):
            return self.output_type(outputs)
        return outputs

    def get_config(self) -> dict[str, Any]:
        """Returns the values that `from_config` makes an equal model of, without the weights."""
        return {**super().get_config(), "config": self.config.to_dict()}

    @classmethod
    def from_config(
        cls, config: Config | Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Makes a model with new weights.

        Args:
            config: a `Config`, as in transformers; or the dict of `get_config`, as in Keras.
            custom_objects: for Keras; not used.

        Raises:
            UserError: a dict that `get_config` did not return, or an invalid `Config` in it.
        """
        if isinstance(config, Config):
            return cls(config)
        values = dict(config)
        fields = values.pop("config", None)
        if not isinstance(fields, Mapping):
            raise UserError(
                "from_config takes a Config or what get_config returns, got a dict without "
                "'config': make a Config with Wav2Vec2Config.from_dict first"
            )
        return cls(families.config_of(fields), **values)

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns what `build_from_config` needs, besides the config: which layers are frozen."""
        if not self.built:
            return None
        return {
            "frozen": [
                path
                for path, layer in self._layers_by_path().items()
                if layer.variables and not layer.trainable
            ]
        }

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Creates the variables, and freezes the layers that were frozen in the saved model."""
        self.build((None, None))
        layers = self._layers_by_path()
        for path in config.get("frozen", ()):
            if path in layers:
                layers[path].trainable = False

    def _layers_by_path(self) -> dict[str, keras.layers.Layer]:
        """Returns the layers inside, at any depth, by their path below the model."""
        layers = keras_internals.layers_inside(self)
        start = f"{self.path}/"
        return {layer.path.removeprefix(start): layer for layer in layers if layer.path}

    def summary(self, *args: Any, **kwargs: Any) -> None:
        """Prints the layers and their numbers of parameters; see `keras.Model.summary`."""
        self.ensure_built()
        super().summary(*args, **kwargs)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Saves the model as a `.keras` file; see `keras.Model.save`."""
        self.ensure_built()
        super().save(*args, **kwargs)

    def save_weights(self, *args: Any, **kwargs: Any) -> None:
        """Saves the weights as a `.weights.h5` file; see `keras.Model.save_weights`."""
        self.ensure_built()
        super().save_weights(*args, **kwargs)

    def load_weights(self, *args: Any, **kwargs: Any) -> None:
        """Loads weights that `save_weights` or `save` wrote; see `keras.Model.load_weights`."""
        self.ensure_built()
        super().load_weights(*args, **kwargs)

    def count_params(self) -> int:
        """Returns the number of parameters."""
        self.ensure_built()
        return super().count_params()

    def export(
        self,
        filepath: str | PathLike[str],
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Exports inference by Keras's own exporter; see `keras.Model.export`.

        By default the export takes speech of any batch size and length, without `lengths`. The
        exports of `wav2vec2-tf convert` take both, and hold the processor's files.

        Args:
            filepath: the folder or file to write.
            format: "tf_saved_model" or another format of Keras.
            verbose: whether to print the signatures.
            input_signature: the inputs: a list of `keras.InputSpec`, for speech alone or for
                speech and lengths.
            kwargs: further options of the format.
        """
        self.ensure_built()
        if input_signature is None:
            input_signature = [keras.InputSpec(dtype="float32", shape=(None, None))]
        super().export(
            filepath, format=format, verbose=verbose, input_signature=input_signature, **kwargs
        )

    def ensure_built(self) -> None:
        """Creates the variables if there are none yet; they do not depend on any input."""
        if not self.built:
            self.build((None, None))

    def freeze_feature_encoder(self) -> None:
        """Excludes the convolutions over the waveform from training, as fine-tuning usually does.

        Wav2Vec2-BERT has none, so there is nothing to freeze.
        """
        base_model: Any = getattr(self, "base_model", self)
        if base_model.feature_encoder is not None:
            base_model.feature_encoder.trainable = False


def _lengths(mask: Any, speech: Any) -> Any:
    """Returns the lengths of an attention mask, which itself is returned where it is symbolic."""
    mask = mask if hasattr(mask, "shape") else np.asarray(mask)
    if len(mask.shape) != 2:
        raise UserError(
            f"attention_mask must be (batch, samples), got shape {tuple(mask.shape)}: "
            "give counts of samples as lengths"
        )
    return mask if keras.backend.is_keras_tensor(mask) else lengths_of(mask, speech)
