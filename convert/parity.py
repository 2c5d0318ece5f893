"""Compares PyTorch and this library on the same utterances, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.models import families
from wav2vec2_tf.models.config import Config, Wav2Vec2Config
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

from .certificate import Comparison
from .parity_inputs import Utterance
from .parity_models import (
    LAST,
    LOGITS,
    PERPLEXITY,
    QUANTIZED,
    QUANTIZER,
    KerasModel,
    Parts,
    Reference,
    SavedModel,
    inner_parts,
)

LOG_MEL = "log_mel"
LOG_MEL_TOLERANCE = 1e-3
"""Largest |Δ| of log-mel features that passes: transformers computes them in float32, which is less
exact than this library."""
FINAL = {
    families.BASE: LAST,
    families.PRE_TRAINING: "projected_states",
    families.X_VECTOR: "embeddings",
}
"""The output that stands for the model, by its head; the logits for the other heads."""


def compare_models(
    reference: Reference,
    model: KerasModel | SavedModel,
    config: Config,
    head: str,
    inputs: Sequence[Utterance],
    tolerance: float,
) -> Iterator[Comparison]:
    """Compares each utterance alone, part by part; then all in one batch, padded with NaN.

    For Wav2Vec2-BERT, log-mel features are compared with those of transformers' extractor. Alone,
    a Keras model then runs on transformers' features. A SavedModel, and every batch, runs on the
    features that this library computes, and so does the reference that they are compared with.
    """
    is_saved_model = isinstance(model, SavedModel)
    inner = [] if is_saved_model else inner_parts(config, head)
    references = []
    bar = ProgressBar("verify", len(inputs) + 1, "input", leave=False)
    for utterance in inputs:
        name, speech = utterance.name, utterance.speech
        given = reference.outputs(utterance, inner)
        references.append(given)
        wanted, values = given.own, speech
        if given.features is not None:
            pair = given.features[np.newaxis], utterance.log_mel[np.newaxis]
            yield compare(name, LOG_MEL, *pair, LOG_MEL_TOLERANCE)
            if not is_saved_model:
                wanted, values = given.parts, given.features
        if model.length in (None, len(speech)):
            got = given.pick(name, model.run(values[np.newaxis], paths=inner))
            yield from compare_parts(name, _matching(wanted, got), got, config, tolerance)
        bar.update()
    lengths = np.array([len(utterance.speech) for utterance in inputs], np.int32)
    width = model.length or int(lengths.max()) + SAMPLE_RATE
    batch = np.full((len(inputs), width), np.nan, np.float32)
    for row, utterance in zip(batch, inputs, strict=True):
        row[: len(utterance.speech)] = utterance.speech
    together = model.run(batch, lengths, [path for path in inner if path == QUANTIZER])
    together.pop(PERPLEXITY, None)  # one number for all rows
    for index, (utterance, given) in enumerate(zip(inputs, references, strict=True)):
        name = f"padded {utterance.name}"
        got = {part: values[index : index + 1] for part, values in together.items()}
        for part, values in got.items():
            if values.ndim == 3:
                got[part] = values[:, : given.total(part)]
        got = given.pick(name, got)
        yield from compare_parts(name, _matching(given.own, got), got, config, tolerance)
    bar.close()


def _matching(reference: Parts, got: Parts) -> Parts:
    """Returns the reference's parts that are in `got`, as log-probabilities if it has these."""
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
    """Returns the largest difference of the output that stands for the model."""
    final = FINAL.get(head, LOGITS)
    return max(c.max_difference for c in comparisons if c.part == final)


def compare_half(model: KerasModel, half: KerasModel, utterance: Utterance) -> Iterator[Comparison]:
    """Compares the outputs in float32 and in half precision; the differences are only reported."""
    speech = utterance.speech[np.newaxis]
    wanted, got = model.run(speech), half.run(speech)
    for part, values in wanted.items():
        if part not in (PERPLEXITY, QUANTIZED):  # codewords that nearly tie change places
            yield compare(utterance.name, part, values, got[part].astype(np.float32), None)


def compare_parts(
    name: str, reference: Parts, got: Parts, config: Config, tolerance: float
) -> Iterator[Comparison]:
    """Compares each part.

    Frames with other codewords than the reference's are left out of the parts that follow from
    them. They count as flips of the quantizer, unless two codewords nearly tie.
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
        # Outputs must be within the tolerance; inner states, whose magnitude depends on the
        # checkpoint, within the tolerance times their scale.
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
    """Compares two arrays; in logits and codewords, the last axis is that of the choices.

    Raises:
        UserError: the shapes differ.
    """
    if reference.shape != got.shape:
        raise UserError(
            f"{part} of {name} must be of shape {reference.shape}, as in PyTorch, got {got.shape}"
        )
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
