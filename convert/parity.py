"""transformers' PyTorch model and ours on the same utterances, part by part.

The reference runs one utterance at a time, in float32, with its plain ("eager") attention: in a
padded batch transformers' own result depends on the padding in half of the families.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.data.bundled import BUNDLED_SPEECH
from wav2vec2_tf.models import families
from wav2vec2_tf.models.config import PUBLISHED_LENGTH, Config, Wav2Vec2Config
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

if TYPE_CHECKING:
    import torch

LOG_MEL_TOLERANCE = 1e-3
"""Largest |Δ| of log-mel features: transformers' are of float32, and it is they that are off."""
LAST, LOGITS = "last_hidden_state", "logits"
LOG_MEL = "log_mel"
QUANTIZER, QUANTIZED = "quantizer.weight_proj", "projected_quantized_states"
PERPLEXITY = "codevector_perplexity"
FINAL = {
    families.BASE: LAST,
    families.PRE_TRAINING: "projected_states",
    families.X_VECTOR: "embeddings",
}
"""The output that stands for the model, by its head; the logits of the others."""

Parts = dict[str, np.ndarray]
"""What parts of a model gave, by name, in the order of the computation: (batch, frames, channels)
of most, (batch, channels) of a classifier of utterances."""


class Utterance(NamedTuple):
    name: str
    speech: np.ndarray
    """(samples,) float32 at 16 kHz"""
    origin: dict[str, str | int]
    """How to reproduce it: a file or a seed, and the SHA-256 of the file or the drawn samples."""

    @property
    def description(self) -> dict[str, str | int]:
        """What the certificate says of it."""
        return {"name": self.name, "samples": len(self.speech), **self.origin}


class Frames(NamedTuple):
    """The frames that were kept of a part."""

    total: int
    """How many it had."""
    kept: np.ndarray
    """Their positions, ascending."""


class ReferenceOutputs(NamedTuple):
    """Outputs of the reference for one utterance."""

    parts: Parts
    """From the waveform, or from `features`."""
    own: Parts
    """From the features that this library computes; without features, the same as `parts`."""
    features: np.ndarray | None = None
    """(frames, 160) log-mel features of transformers' extractor, of Wav2Vec2-BERT."""
    frames: Mapping[str, Frames] = {}
    """The kept frames of each part that was shortened."""

    def total(self, part: str) -> int:
        """How many frames the reference computed of a part."""
        return self.frames[part].total if part in self.frames else self.own[part].shape[1]

    def pick(self, name: str, got: Parts) -> Parts:
        """Returns `got` at the kept frames; `UserError` where it has another number of frames."""
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
    """What this library's outputs are compared with: PyTorch live, or recorded."""

    def outputs(self, utterance: Utterance, paths: Sequence[str] = ()) -> ReferenceOutputs:
        """Returns the outputs of the modules named in `paths` and of the model itself."""


@dataclass(frozen=True)
class Comparison:
    """One part of the model on one input."""

    input: str
    part: str
    max_difference: float
    mean_difference: float
    scale: float
    """Largest magnitude of the reference."""
    argmax_flips: int
    """Frames whose best token differs though the reference's margin is over twice the tolerance."""
    frames: int
    allowed: float | None
    """Largest difference that passes; None for what is only reported."""

    @property
    def passes(self) -> bool:
        if self.allowed is None:
            return True
        return self.max_difference <= self.allowed and self.argmax_flips == 0


# What both are given


def utterances(config: Config, head: str, length: int | None = None) -> list[Utterance]:
    """Real speech, and noise from the shortest that the model takes to the published length.

    Args:
        length: the samples that a SavedModel is fixed to: its longest input, and the only one
            that it takes without lengths.
    """
    longest = length or PUBLISHED_LENGTH
    shortest = shortest_of(config, head)
    sizes = {n for n in (shortest, SAMPLE_RATE, longest) if shortest <= n <= longest}
    return [spoken(config, longest), *(noise(config, size) for size in sorted(sizes))]


def spoken(config: Config, longest: int | None = None) -> Utterance:
    """The bundled utterance, of at most so many samples."""
    from wav2vec2_tf import audio

    speech = audio.load(BUNDLED_SPEECH)[:longest]
    digest = hashlib.sha256(BUNDLED_SPEECH.read_bytes()).hexdigest()
    name = f"speech {len(speech) / SAMPLE_RATE:.1f} s"
    return Utterance(
        name, _levelled(config, speech), {"file": BUNDLED_SPEECH.name, "sha256": digest}
    )


def noise(config: Config, samples: int) -> Utterance:
    values = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    # The digest is of the samples before normalisation, which differs in the last bit between
    # processors.
    digest = hashlib.sha256(values.tobytes()).hexdigest()
    origin: dict[str, str | int] = {"seed": samples, "sha256": digest}
    return Utterance(f"noise {samples} samples", _levelled(config, values), origin)


def shortest_of(config: Config, head: str) -> int:
    """Samples: of one frame; of an x-vector, two after its convolutions, to have a deviation."""
    span = 0
    if head == families.X_VECTOR:
        sizes = zip(config.tdnn_kernel, config.tdnn_dilation, strict=True)
        span = 1 + sum((kernel - 1) * dilation for kernel, dilation in sizes)
    wanted = (n for n in itertools.count(1) if config.adapted_frames(n) > span)
    return config.samples_of(next(wanted))


def _levelled(config: Config, speech: np.ndarray) -> np.ndarray:
    from wav2vec2_tf import audio

    return speech if config.log_mel_input else audio.normalize(speech)


def log_mel_of_transformers(speech: np.ndarray) -> np.ndarray:
    """(samples,) → (frames, 160), the frames that its attention mask calls valid."""
    import transformers

    extractor = transformers.SeamlessM4TFeatureExtractor()
    features = extractor(speech, sampling_rate=SAMPLE_RATE, return_tensors="np")
    return features["input_features"][0, : int(features["attention_mask"].sum())]


# The sides


class Theirs:
    """transformers' model."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model

    @classmethod
    def load(cls, folder: Path, kind: str, target_lang: str | None = None) -> Theirs:
        """Of the class named `kind`; `UserError` where transformers does not load the folder."""
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        # an adapter's head is of another size than the checkpoint's own
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
                "it cannot be compared"
            )
        return cls(model.eval())

    def outputs(self, utterance: Utterance, paths: Sequence[str] = ()) -> ReferenceOutputs:
        """See `Reference`."""
        from wav2vec2_tf.models.log_mel import log_mel

        speech = utterance.speech
        if not families.FAMILIES[self.model.config.model_type].config.log_mel_input:
            parts = self.run(speech[np.newaxis], paths)
            return ReferenceOutputs(parts, parts)
        features = log_mel_of_transformers(speech)
        own = self.run(log_mel(speech)[np.newaxis], paths)
        return ReferenceOutputs(self.run(features[np.newaxis], paths), own, features)

    def run(self, values: np.ndarray, paths: Sequence[str] = ()) -> Parts:
        """What the modules named in `paths` and the model itself give of a (1, …) input."""
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


class Ours:
    """A Keras model of this library."""

    length: int | None = None
    """Samples that it is fixed to."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.base = model if model.head == families.BASE else model.base_model

    def run(
        self, values: np.ndarray, lengths: np.ndarray | None = None, paths: Sequence[str] = ()
    ) -> Parts:
        """As `Theirs.run`, of a batch."""
        import tensorflow as tf

        places = {
            path: (_at(self.model if path == QUANTIZER else self.base, path), "call")
            for path in paths
        }
        with _kept({**places, LAST: (self.base, "encode")}) as seen:
            outputs = self.model(tf.constant(values), lengths)
        return seen | _named(outputs, self.model.head)


class Exported:
    """A SavedModel."""

    def __init__(self, folder: Path, head: str) -> None:
        from wav2vec2_tf.export.saved_model import load_saved_model

        self.loaded, self.head = load_saved_model(folder), head
        signature = self.loaded.signatures["serving_default"]
        self.length: int | None = signature.structured_input_signature[1]["speech"].shape[1]

    def run(
        self, values: np.ndarray, lengths: np.ndarray | None = None, paths: Sequence[str] = ()
    ) -> Parts:
        """As `Ours.run`; it has no inner parts."""
        import tensorflow as tf

        inputs = {"speech": tf.constant(values)}
        if lengths is None:
            outputs = self.loaded.signatures["serving_default"](**inputs)
        else:
            counts = tf.constant(lengths, tf.int32)
            outputs = self.loaded.signatures["with_lengths"](**inputs, lengths=counts)
        return {
            LAST if name == "hidden_states" else name: value.numpy()
            for name, value in outputs.items()
            if name != "frame_lengths"
        }


def inner_parts(config: Config, head: str) -> list[str]:
    """Paths of the layers to compare before the last hidden state, below the base model."""
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
    """`encoder.layers.0` of a model."""
    return functools.reduce(
        lambda layer, name: layer[int(name)] if name.isdigit() else getattr(layer, name),
        path.split("."),
        model,
    )


@contextmanager
def _kept(places: Mapping[str, tuple[Any, str]]) -> Iterator[Parts]:
    """What each method returns in here, or the first part of it, by the name given to it."""
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
    """Whether transformers' output is one of the model's ends: the base model gives more."""
    import torch

    return isinstance(value, torch.Tensor) and name not in (LAST, "extract_features")


def _named(outputs: Any, head: str) -> Parts:
    """Ours under transformers' names."""
    if head == families.BASE:
        return {}  # the last hidden state is among the parts
    fields = outputs._asdict() if hasattr(outputs, "_asdict") else {LOGITS: outputs}
    return {name: value.numpy() for name, value in fields.items() if not isinstance(value, tuple)}


# Comparing


def compare_models(
    theirs: Reference,
    ours: Ours | Exported,
    config: Config,
    head: str,
    inputs: Sequence[Utterance],
    tolerance: float,
) -> Iterator[Comparison]:
    """Each utterance alone, part by part; then all in one batch, with NaN where they are padded.

    Wav2Vec2-BERT's features are compared with those of transformers' extractor. Then it runs on
    these, and in the batch, where it makes its own, both run on its own.
    """
    from wav2vec2_tf.models.log_mel import log_mel

    exported = isinstance(ours, Exported)
    inner = [] if exported else inner_parts(config, head)
    references = []
    bar = ProgressBar("verify", len(inputs) + 1, "input", leave=False)
    for utterance in inputs:
        name, speech, _ = utterance
        given = theirs.outputs(utterance, inner)
        references.append(given)
        reference, values = given.own, speech
        if given.features is not None:
            pair = given.features[np.newaxis], log_mel(speech)[np.newaxis]
            yield compare(name, LOG_MEL, *pair, LOG_MEL_TOLERANCE)
            if not exported:
                reference, values = given.parts, given.features
        if ours.length in (None, len(speech)):
            got = given.pick(name, ours.run(values[np.newaxis], paths=inner))
            yield from compare_parts(name, _alike(reference, got), got, config, tolerance)
        bar.update()
    lengths = np.array([len(utterance.speech) for utterance in inputs], np.int32)
    width = ours.length or int(lengths.max()) + SAMPLE_RATE
    batch = np.full((len(inputs), width), np.nan, np.float32)
    for row, utterance in zip(batch, inputs, strict=True):
        row[: len(utterance.speech)] = utterance.speech
    together = ours.run(batch, lengths, [path for path in inner if path == QUANTIZER])
    together.pop(PERPLEXITY, None)  # of all rows
    for index, (utterance, given) in enumerate(zip(inputs, references, strict=True)):
        name = f"padded {utterance.name}"
        got = {part: values[index : index + 1] for part, values in together.items()}
        for part, values in got.items():
            if values.ndim == 3:
                got[part] = values[:, : given.total(part)]
        got = given.pick(name, got)
        yield from compare_parts(name, _alike(given.own, got), got, config, tolerance)
    bar.close()


def _alike(reference: Parts, got: Parts) -> Parts:
    """The parts of the reference that there are here: log-probabilities for log-probabilities."""
    if missing := got.keys() - reference.keys():
        raise UserError(f"PyTorch does not give {', '.join(sorted(missing))}")
    parts = {part: reference[part] for part in got}
    if LOGITS in got and got[LOGITS].ndim == 3:
        totals = np.exp(got[LOGITS].astype(np.float64)).sum(axis=-1)
        if np.abs(totals - 1).max(initial=0) < 1e-4:
            logits = parts[LOGITS]
            parts[LOGITS] = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return parts


def largest(comparisons: Sequence[Comparison], head: str) -> float:
    """Largest difference of the output that stands for the model."""
    final = FINAL.get(head, LOGITS)
    return max(c.max_difference for c in comparisons if c.part == final)


def compare_half(ours: Ours, half: Ours, utterance: Utterance) -> Iterator[Comparison]:
    """The outputs in float32 and in half the width: reported, not judged."""
    speech = utterance.speech[np.newaxis]
    wanted, got = ours.run(speech), half.run(speech)
    for part, values in wanted.items():
        if part not in (PERPLEXITY, QUANTIZED):  # codewords that nearly tie change places
            yield compare(utterance.name, part, values, got[part].astype(np.float32), None)


def compare_parts(
    name: str, reference: Parts, got: Parts, config: Config, tolerance: float
) -> Iterator[Comparison]:
    """Each part; codewords that were chosen otherwise do not enter the comparisons after them.

    Where that is more than a tie, it is counted among the flips of the quantizer.
    """
    reference, got = dict(reference), dict(got)
    if QUANTIZER in reference:
        assert isinstance(config, Wav2Vec2Config)
        groups = config.num_codevector_groups
        for parts in (reference, got):
            batch, frames, _ = parts[QUANTIZER].shape
            parts[QUANTIZER] = parts[QUANTIZER].reshape(batch, frames, groups, -1)
        alike = (reference[QUANTIZER].argmax(-1) == got[QUANTIZER].argmax(-1)).all(axis=(0, 2))
        for parts in (reference, got):
            parts[QUANTIZED] = parts[QUANTIZED][:, alike]
            if not alike.all():
                parts.pop(PERPLEXITY, None)
    for part, values in reference.items():
        # What models are for is held to the tolerance itself; inner states, which no one reads and
        # whose magnitude is the checkpoint's own, to the tolerance of their scale.
        absolute = part in (LAST, LOGITS, QUANTIZED, *FINAL.values())
        scale = 1.0 if absolute else max(1.0, float(np.abs(values).max(initial=0)))
        short = part.removeprefix("encoder.")
        yield compare(name, short, values, got[part], tolerance * scale, tolerance)


def compare(
    name: str,
    part: str,
    reference: np.ndarray,
    got: np.ndarray,
    allowed: float | None,
    tolerance: float = 0.0,
) -> Comparison:
    """Differences of two arrays; the last axis of logits and of codewords is one of choices."""
    if reference.shape != got.shape:
        raise UserError(f"{part} of {name}: PyTorch gives {reference.shape}, this {got.shape}")
    difference = np.abs(reference.astype(np.float64) - got)
    flips = 0
    if part in (LOGITS, QUANTIZER) and reference.shape[-1] > 1:
        second, best = np.moveaxis(np.sort(reference, axis=-1)[..., -2:], -1, 0)
        differs = reference.argmax(-1) != got.argmax(-1)
        flips = int((differs & (best - second > 2 * tolerance)).sum())
    return Comparison(
        input=name,
        part=part,
        max_difference=float(difference.max(initial=0)),
        mean_difference=float(difference.mean()) if difference.size else 0.0,
        scale=float(np.abs(reference).max(initial=0)),
        argmax_flips=flips,
        frames=reference.shape[1] if reference.ndim > 2 else 1,
        allowed=allowed,
    )
