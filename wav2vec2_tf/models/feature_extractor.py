"""Feature extractors: speech → the arrays that a model takes.

`FeatureExtractor` equals transformers' `Wav2Vec2FeatureExtractor`, number for number, and
`LogMelFeatureExtractor` its `SeamlessM4TFeatureExtractor`; they read and write the same
`preprocessor_config.json`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE, check_waveform, load
from wav2vec2_tf.audio.normalization import as_float, normalize
from wav2vec2_tf.models.batch_feature import BatchFeature, pad_rows, stack
from wav2vec2_tf.models.preprocessor_files import (
    LOG_MEL_KIND,
    PREPROCESSOR_FILE,
    WAVEFORM_KIND,
    kind_of,
    read_values,
    read_values_or_defaults,
)
from wav2vec2_tf.utils.errors import UserError, brief
from wav2vec2_tf.utils.files import whole_file

LARGEST = float(np.finfo(np.float32).max)
MOST_CHANNELS = 8
"""Columns up to which a tall array is taken for channels: no utterance is that short."""


@dataclass(frozen=True)
class _Extractor:
    """What both extractors share; the fields are those of their JSON file."""

    kind: ClassVar[str]
    """`feature_extractor_type` in the file."""
    model_input_name: ClassVar[str]
    """The key of the features in the batch."""

    feature_size: int = 1
    sampling_rate: int = SAMPLE_RATE
    padding_value: float = 0.0
    padding_side: str = "right"
    return_attention_mask: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: str | PathLike[str]) -> Self:
        """Makes an extractor from the values of a `preprocessor_config.json`.

        Args:
            values: the file's fields; unknown ones are left out.
            path: the file, for messages.

        Raises:
            UserError: another kind of extractor, or an invalid or unsupported value.
        """
        if (kind := kind_of(values)) != cls.kind:
            raise UserError(f"{path}: feature_extractor_type {brief(kind)} is not {cls.kind!r}")
        known = {field.name for field in dataclasses.fields(cls)}
        extractor = cls(**{key: value for key, value in values.items() if key in known})
        if wrong := [name for name, ok in extractor._valid_fields().items() if not ok]:
            invalid = ", ".join(f"{name} {brief(getattr(extractor, name))}" for name in wrong)
            raise UserError(f"{path}: invalid value of {invalid}: correct the file")
        return extractor

    @classmethod
    def from_pretrained(cls, folder: str | PathLike[str]) -> Self:
        """Reads `preprocessor_config.json`, or the `processor_config.json` of transformers 5.

        Where both exist, the latter counts, as in transformers.

        Raises:
            UserError: neither file, or one that does not describe this kind of extractor.
        """
        values, path = read_values(folder)
        return cls.from_dict(values, path)

    def _valid_fields(self) -> dict[str, bool]:
        return {
            "feature_size": type(self.feature_size) is int and self.feature_size > 0,
            "sampling_rate": type(self.sampling_rate) is int and 0 < self.sampling_rate < 2**31,
            "padding_value": type(self.padding_value) in (int, float)
            and abs(self.padding_value) <= LARGEST,
            "padding_side": self.padding_side in ("right", "left"),
            "return_attention_mask": isinstance(self.return_attention_mask, bool),
        }

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Writes `preprocessor_config.json`, which transformers 4 and 5 read."""
        values = {
            **dataclasses.asdict(self),
            "feature_extractor_type": self.kind,
        }
        with whole_file(Path(folder) / PREPROCESSOR_FILE) as beside:
            beside.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def pad(
        self,
        features: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        padding: bool | str = True,
        max_length: int | None = None,
        truncation: bool = False,
        pad_to_multiple_of: int | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
    ) -> BatchFeature:
        """Pads features that were extracted one by one, such as the items of a data set.

        Args:
            features: a list of dicts with the features of one utterance each, or one dict with a
                list of them; an `attention_mask` in them is padded with 0.
            padding: True or "longest", "max_length", False or "do_not_pad".
            max_length: the length for `padding="max_length"` and for `truncation`.
            truncation: cut what is longer than `max_length`.
            pad_to_multiple_of: rounds the padded length (and the cut) up to a multiple of this.
            return_attention_mask: overrides the field.
            return_tensors: "np", "tf" or None; see `BatchFeature.to_tensors`.

        Returns:
            `input_values` or `input_features`, and `attention_mask` if there is or should be one.

        Raises:
            UserError: other features, or options that contradict each other.
        """
        name = self.model_input_name
        rows = _column(features, name)
        given = _column(features, "attention_mask", optional=True)
        beyond = (
            set(features) if isinstance(features, Mapping) else {k for f in features for k in f}
        )
        if beyond := beyond - {name, "attention_mask"}:
            raise UserError(
                f"features must hold {name} and at most attention_mask, got "
                f"{', '.join(sorted(beyond))} as well: pass labels as labels="
            )
        options: dict[str, Any] = {
            "padding": padding,
            "max_length": max_length,
            "truncation": truncation,
            "pad_to_multiple_of": pad_to_multiple_of,
            "side": self.padding_side,
        }
        rows = [np.asarray(row, np.float32) for row in rows]
        for row in rows:
            if row.ndim != (1 if name == "input_values" else 2):
                raise UserError(
                    f"{name} must be of one utterance in each item, got shape {row.shape}: take "
                    f"[0] of what the processor returns for one utterance"
                )
        padded, masks = pad_rows(rows, value=self.padding_value, **options)
        batch = BatchFeature({name: stack(padded)})
        if self._masks(return_attention_mask) or given:
            if given:
                masks, _ = pad_rows([np.asarray(row, np.int32) for row in given], **options)
            batch["attention_mask"] = stack(masks)
        return batch.to_tensors(return_tensors)

    def _masks(self, return_attention_mask: bool | None) -> bool:
        """Returns whether to return a mask: the call's option, or else the field."""
        return (
            self.return_attention_mask if return_attention_mask is None else return_attention_mask
        )

    def _utterances(self, speech: Any, sampling_rate: int | None) -> list[np.ndarray]:
        """Returns the utterances of `speech`, read from files where it names them, and checked."""
        if sampling_rate is not None and sampling_rate != self.sampling_rate:
            raise UserError(
                f"sampling_rate must be {self.sampling_rate} Hz, got {sampling_rate}: resample "
                "the speech, or pass the path of the file"
            )
        if _is_file(speech):
            speech = [speech]
        if isinstance(speech, list | tuple):
            is_batch = len(speech) > 0 and (_is_file(speech[0]) or np.ndim(speech[0]) > 0)
        else:
            speech = np.asarray(speech)
            is_batch = speech.ndim > 1
            if speech.ndim == 2 and speech.shape[1] <= MOST_CHANNELS < speech.shape[0]:
                check_waveform(as_float(speech))  # raises, since it has channels
        return [self._utterance(row) for row in (speech if is_batch else [speech])]

    def _utterance(self, speech: Any) -> np.ndarray:
        """Returns one utterance, float32 `(samples,)`; float64 where the samples are integers."""
        if _is_file(speech):
            if self.sampling_rate != SAMPLE_RATE:
                raise UserError(
                    f"files are read at {SAMPLE_RATE} Hz, and the model takes "
                    f"{self.sampling_rate} Hz: pass arrays at that rate"
                )
            return load(speech)
        values = as_float(speech)
        check_waveform(values)
        return values


@dataclass(frozen=True)
class FeatureExtractor(_Extractor):
    """Scales waveforms to zero mean and unit variance: transformers' `Wav2Vec2FeatureExtractor`.

    `return_attention_mask` also decides *over what* a padded batch is normalized: with a mask over
    each utterance's own samples, without one over the padding too. Published code does the latter
    with group-norm checkpoints, so it is kept here; `normalize` first and `pad` after to avoid it.
    """

    kind: ClassVar[str] = WAVEFORM_KIND
    model_input_name: ClassVar[str] = "input_values"

    do_normalize: bool = True

    def _valid_fields(self) -> dict[str, bool]:
        return {
            **super()._valid_fields(),
            "feature_size": self.feature_size == 1,
            "do_normalize": isinstance(self.do_normalize, bool),
        }

    def __call__(
        self,
        speech: Any,
        *,
        sampling_rate: int | None = None,
        padding: bool | str = False,
        max_length: int | None = None,
        truncation: bool = False,
        pad_to_multiple_of: int | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
    ) -> BatchFeature:
        """Cuts, pads and normalizes utterances.

        Args:
            speech: one utterance, or a list of them: `(samples,)` numbers, or the path or the bytes
                of an audio file; or an array `(batch, samples)`.
            sampling_rate: the sampling rate of arrays in Hz, to have it checked.
            padding: True or "longest", "max_length", False or "do_not_pad".
            max_length: samples, for `padding="max_length"` and for `truncation`.
            truncation: cut what is longer than `max_length`.
            pad_to_multiple_of: rounds the padded length (and the cut) up to a multiple of this.
            return_attention_mask: overrides the field.
            return_tensors: "np", "tf" or None; see `BatchFeature.to_tensors`.

        Returns:
            `input_values` float32 and, if there should be one, `attention_mask` int32 (1 on
            samples, 0 on padding), each `(batch, samples)`; without `return_tensors` a list of
            `(samples,)` where rows differ in length.

        Raises:
            UserError: another sampling rate, more than one channel, no samples, NaN, or options
                that contradict each other.
        """
        masked = self._masks(return_attention_mask)
        rows, masks = pad_rows(
            self._utterances(speech, sampling_rate),
            padding=padding,
            max_length=max_length,
            truncation=truncation,
            pad_to_multiple_of=pad_to_multiple_of,
            value=self.padding_value,
            side=self.padding_side,
        )
        values = []
        for row, mask in zip(rows, masks, strict=True):
            if self.do_normalize and masked:
                # The first samples, on whichever side the padding is: transformers' way, which
                # spoils left padding; no published wav2vec2 model pads on the left.
                count = mask.sum()
                row = normalize(row, row[:count].mean(), row[:count].var())
                row[count:] = self.padding_value
            elif self.do_normalize:
                row = normalize(row)
            values.append(row.astype(np.float32, copy=False))
        features = BatchFeature(input_values=stack(values))
        if masked:
            features["attention_mask"] = stack(masks)
        return features.to_tensors(return_tensors)


@dataclass(frozen=True)
class LogMelFeatureExtractor(_Extractor):
    """Computes the log-mel features of Wav2Vec2-BERT: transformers' `SeamlessM4TFeatureExtractor`.

    How they are computed is in `log_mel.py`.
    """

    kind: ClassVar[str] = LOG_MEL_KIND
    model_input_name: ClassVar[str] = "input_features"

    feature_size: int = 80
    return_attention_mask: bool = True
    num_mel_bins: int = 80
    stride: int = 2

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: str | PathLike[str]) -> Self:
        """Makes an extractor from the values of a file; see the base class."""
        extractor = super().from_dict(values, path)
        for name, only in {"sampling_rate": SAMPLE_RATE, "num_mel_bins": 80, "stride": 2}.items():
            if (value := getattr(extractor, name)) != only:
                raise UserError(f"{path}: {name} must be {only}, got {brief(value)}")
        return extractor

    def __call__(
        self,
        speech: Any,
        *,
        sampling_rate: int | None = None,
        padding: bool | str = True,
        max_length: int | None = None,
        truncation: bool = False,
        pad_to_multiple_of: int | None = 2,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
    ) -> BatchFeature:
        """Computes the log-mel features of utterances, cuts and pads them.

        Args:
            speech: one utterance, or a list of them: `(samples,)` numbers, or the path or the bytes
                of an audio file; or an array `(batch, samples)`.
            sampling_rate: the sampling rate of arrays in Hz, to have it checked.
            padding: True or "longest", "max_length", False or "do_not_pad".
            max_length: windows of 10 ms, for `padding="max_length"` and for `truncation`.
            truncation: cut what is longer than `max_length`, after it was normalized.
            pad_to_multiple_of: rounds the padded length (and the cut) up to a multiple of this, in
                windows. With 2, the last of an odd number of windows makes half a frame, which
                the mask leaves out.
            return_attention_mask: overrides the field.
            return_tensors: "np", "tf" or None; see `BatchFeature.to_tensors`.

        Returns:
            `input_features` float32 `(batch, frames, 160)` and, if there should be one,
            `attention_mask` int32 `(batch, frames)`; without `return_tensors` lists where rows
            differ in length. An utterance below 560 samples has no frame of its own.

        Raises:
            UserError: another sampling rate, more than one channel, no samples, NaN, or options
                that contradict each other.
        """
        from wav2vec2_tf.models.log_mel import normalized_windows
        from wav2vec2_tf.models.log_mel import stack as stack_windows

        rows, masks = pad_rows(
            [normalized_windows(row) for row in self._utterances(speech, sampling_rate)],
            padding=padding,
            max_length=max_length,
            truncation=truncation,
            pad_to_multiple_of=pad_to_multiple_of,
            value=self.padding_value,
            side=self.padding_side,
        )
        features = BatchFeature(input_features=stack([stack_windows(row) for row in rows]))
        if self._masks(return_attention_mask):
            # A frame counts where its last window does.
            features["attention_mask"] = stack(
                [mask[self.stride - 1 :: self.stride] for mask in masks]
            )
        return features.to_tensors(return_tensors)


EXTRACTORS: dict[str, type[FeatureExtractor] | type[LogMelFeatureExtractor]] = {
    extractor.kind: extractor for extractor in (FeatureExtractor, LogMelFeatureExtractor)
}


def feature_extractor(folder: str | PathLike[str]) -> FeatureExtractor | LogMelFeatureExtractor:
    """Reads the extractor that a folder's files describe; see `FeatureExtractor.from_pretrained`.

    A checkpoint without such files gets the defaults of transformers' class for its family, and a
    warning is logged.

    Raises:
        UserError: no such files and no `config.json`, or an unknown kind of extractor.
    """
    return extractor_of(*read_values_or_defaults(folder))


def extractor_of(
    values: Mapping[str, Any], path: str | PathLike[str]
) -> FeatureExtractor | LogMelFeatureExtractor:
    """Makes the extractor that the values of a `preprocessor_config.json` describe.

    Args:
        values: the file's fields.
        path: the file, for messages.

    Raises:
        UserError: an unknown kind of extractor, or an invalid value.
    """
    kind = kind_of(values)
    if not isinstance(kind, str) or kind not in EXTRACTORS:
        raise UserError(
            f"{path}: feature_extractor_type {brief(kind)} is unknown; known: "
            + ", ".join(EXTRACTORS)
        )
    return EXTRACTORS[kind].from_dict(values, path)


def _column(features: Any, name: str, *, optional: bool = False) -> list[Any]:
    """Returns the rows of one key: of a dict of rows, or of a list of dicts."""
    items = features if isinstance(features, list | tuple) else [features]
    if items and all(isinstance(item, Mapping) for item in items):
        if isinstance(features, Mapping) and name in features:
            return list(features[name])
        if not isinstance(features, Mapping) and all(name in item for item in items):
            return [item[name] for item in items]
    if optional:
        return []
    raise UserError(f"features must be a list of dicts with {name}, or one dict with a list of it")


def _is_file(speech: Any) -> bool:
    return isinstance(speech, str | PathLike | bytes)
