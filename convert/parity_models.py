"""The models that are compared, and the outputs of their parts.

The reference is transformers' PyTorch model. It runs one utterance at a time, in float32, with its
plain ("eager") attention: in a padded batch its result depends on the padding in half of the
families.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.models import families
from wav2vec2_tf.models.config import (
    Config,
)
from wav2vec2_tf.utils.errors import UserError

from .parity_inputs import Utterance

if TYPE_CHECKING:
    import torch

LAST, LOGITS = "last_hidden_state", "logits"
QUANTIZER, QUANTIZED = "quantizer.weight_proj", "projected_quantized_states"
PERPLEXITY = "codevector_perplexity"

Parts = dict[str, np.ndarray]
"""Outputs of parts of a model by name, in the order of the computation: (batch, frames, channels),
or (batch, channels) of a classifier of utterances."""


class KeptFrames(NamedTuple):
    """The frames of a part's output that a recording keeps."""

    total: int
    """Number of frames that the part gave."""
    kept: np.ndarray
    """Positions of the kept frames, ascending."""


class ReferenceOutputs(NamedTuple):
    """Outputs of the reference for one utterance."""

    parts: Parts
    """From the waveform, or from `features`."""
    own: Parts
    """From the features that this library computes; without features, the same as `parts`."""
    features: np.ndarray | None = None
    """(frames, 160) log-mel features of transformers' extractor, of Wav2Vec2-BERT."""
    frames: Mapping[str, KeptFrames] = {}
    """The kept frames of each part that was shortened."""

    def total(self, part: str) -> int:
        """Returns the number of frames that the reference computed of a part."""
        return self.frames[part].total if part in self.frames else self.own[part].shape[1]

    def pick(self, name: str, got: Parts) -> Parts:
        """Returns `got` at the kept frames.

        Raises:
            UserError: a part has another number of frames than the reference.
        """
        picked = dict(got)
        for part, (total, kept) in self.frames.items():
            if part in got:
                if got[part].shape[1] != total:
                    raise UserError(
                        f"{part} of {name} has {total} frames in the recording and "
                        f"{got[part].shape[1]} here: OUT was made with another config"
                    )
                picked[part] = got[part][:, kept]
        return picked


class Reference(Protocol):
    """The outputs to compare with: those of PyTorch, live or recorded."""

    def outputs(self, utterance: Utterance, paths: Sequence[str] = ()) -> ReferenceOutputs:
        """Returns the outputs of the modules named in `paths` and of the model itself."""


def log_mel_of_transformers(speech: np.ndarray) -> np.ndarray:
    """Returns transformers' log-mel features of (samples,) speech: (frames, 160), all valid."""
    import transformers

    extractor = transformers.SeamlessM4TFeatureExtractor()
    features = extractor(speech, sampling_rate=SAMPLE_RATE, return_tensors="np")
    return features["input_features"][0, : int(features["attention_mask"].sum())]


class TorchModel:
    """transformers' model."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model

    @classmethod
    def load(cls, folder: Path, kind: str, target_lang: str | None = None) -> TorchModel:
        """Loads a folder.

        Args:
            folder: a model in Hugging Face's format.
            kind: name of transformers' class.
            target_lang: the language to load, of MMS models.

        Raises:
            UserError: transformers does not load the folder, or draws some of its weights.
        """
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        # the head of an adapter is of another size than that of the checkpoint
        language = (
            {"target_lang": target_lang, "ignore_mismatched_sizes": True} if target_lang else {}
        )
        try:
            model, report = getattr(transformers, kind).from_pretrained(
                folder,
                attn_implementation="eager",
                dtype=torch.float32,
                local_files_only=True,
                output_loading_info=True,
                **language,
            )
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise UserError(f"{folder}: transformers does not load it: {error}") from None
        drawn = [key for key in report["missing_keys"] if "masked_spec_embed" not in key]
        if drawn:
            raise UserError(
                f"{folder}: lacks {', '.join(sorted(drawn))}, which transformers draws at random: "
                "name a checkpoint that holds them"
            )
        return cls(model.eval())

    def outputs(self, utterance: Utterance, paths: Sequence[str] = ()) -> ReferenceOutputs:
        """See `Reference`."""
        speech = utterance.speech
        if self.model.config.model_type != "wav2vec2-bert":
            parts = self.run(speech[np.newaxis], paths)
            return ReferenceOutputs(parts, parts)
        features = log_mel_of_transformers(speech)
        own = self.run(utterance.log_mel[np.newaxis], paths)
        return ReferenceOutputs(self.run(features[np.newaxis], paths), own, features)

    def run(self, values: np.ndarray, paths: Sequence[str] = ()) -> Parts:
        """Returns the outputs of the modules named in `paths` and of the model, for one row."""
        import torch

        base, seen = self.model.base_model, {}

        def keep(path: str) -> Any:
            def hook(module: Any, arguments: Any, output: Any) -> None:
                first = output if isinstance(output, torch.Tensor) else output[0]
                seen[path] = first.clone().numpy()  # the encoder adds to its tensors in place

            return hook

        handles = [
            _at(self.model if path == QUANTIZER else base, _their_path(path)).register_forward_hook(
                keep(path)
            )
            for path in paths
        ]
        handles.append(base.register_forward_hook(keep(LAST)))
        try:
            with torch.inference_mode():
                outputs = self.model(torch.from_numpy(values))
        finally:
            for handle in handles:
                handle.remove()
        if "feature_encoder" in seen:
            seen["feature_encoder"] = seen["feature_encoder"].transpose(0, 2, 1)
        return seen | {
            name: value.numpy() for name, value in outputs.items() if _is_output(name, value)
        }


class KerasModel:
    """A Keras model of this library."""

    length: int | None = None
    """Samples of each row; None for any."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.base = model if model.head == families.BASE else model.base_model

    def run(
        self, values: np.ndarray, lengths: np.ndarray | None = None, paths: Sequence[str] = ()
    ) -> Parts:
        """Returns the outputs of the layers named in `paths` and of the model, of a batch."""
        import tensorflow as tf

        places = {
            path: (_at(self.model if path == QUANTIZER else self.base, path), "call")
            for path in paths
        }
        with _kept({**places, LAST: (self.base, "encode")}) as seen:
            outputs = self.model(tf.constant(values), lengths)
        return seen | _named(outputs, self.model.head)


class SavedModel:
    """A SavedModel that this library wrote."""

    def __init__(self, folder: Path) -> None:
        from wav2vec2_tf.export.loading import load_export

        self.exported = load_export(folder)
        self.length = self.exported.fixed_length
        """Samples of each row; None for any."""

    def run(
        self, values: np.ndarray, lengths: np.ndarray | None = None, paths: Sequence[str] = ()
    ) -> Parts:
        """Returns the outputs of the model, of a batch; `paths` must be empty."""
        return {
            LAST if name == "hidden_states" else name: value
            for name, value in self.exported(values, lengths).items()
            if name != "frame_lengths"
        }


def inner_parts(config: Config, head: str) -> list[str]:
    """Returns the paths, in the base model, of the layers to compare before the last state."""
    count, family = config.num_hidden_layers, families.family_of(config)
    paths = [] if config.log_mel_input else ["feature_encoder"]
    paths.append("feature_projection")
    first_layer = "encoder.layers.0."
    paths += [path for path in family.compared_layers if count or not path.startswith(first_layer)]
    paths += [f"encoder.layers.{index}" for index in sorted({0, count // 2}) if index < count]
    if config.add_adapter:
        paths.append("adapter")
    unused = family.objective is families.Objective.SPEAKER_AWARE
    if head == families.PRE_TRAINING and not unused:
        paths.append(QUANTIZER)
    return paths


def _their_path(path: str) -> str:
    return path.replace("feature_encoder", "feature_extractor")


def _at(model: Any, path: str) -> Any:
    """Returns the layer at a path such as `encoder.layers.0`."""
    return functools.reduce(
        lambda layer, name: layer[int(name)] if name.isdigit() else getattr(layer, name),
        path.split("."),
        model,
    )


@contextmanager
def _kept(places: Mapping[str, tuple[Any, str]]) -> Iterator[Parts]:
    """Keeps what methods return while the context is open, by the names of `places`.

    Args:
        places: name → layer, and name of its method. Of a tuple the first element is kept.
    """
    seen: Parts = {}

    def keeping(name: str, method: Any) -> Any:
        @functools.wraps(method)
        def kept(*arguments: Any, **options: Any) -> Any:
            result = method(*arguments, **options)
            first = result[0] if isinstance(result, tuple) else result
            seen[name] = first.numpy()
            return result

        return kept

    for name, (layer, method) in places.items():
        setattr(layer, method, keeping(name, getattr(layer, method)))
    try:
        yield seen
    finally:
        for layer, method in places.values():
            delattr(layer, method)


def _is_output(name: str, value: Any) -> bool:
    """Returns whether an output of transformers' is one of the head's, not of the base model."""
    import torch

    return isinstance(value, torch.Tensor) and name not in (LAST, "extract_features")


def _named(outputs: Any, head: str) -> Parts:
    """Returns the outputs of a Keras model under transformers' names."""
    if head == families.BASE:
        return {}  # the last hidden state is among the parts
    fields = outputs._asdict() if hasattr(outputs, "_asdict") else {LOGITS: outputs}
    return {name: value.numpy() for name, value in fields.items() if not isinstance(value, tuple)}
