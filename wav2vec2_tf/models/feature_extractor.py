"""The waveform → what a model takes.

`FeatureExtractor` equals transformers' `Wav2Vec2FeatureExtractor`, number for number, and
`LogMelFeatureExtractor` its `SeamlessM4TFeatureExtractor`; they read and write the same
`preprocessor_config.json`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.audio.normalization import VARIANCE_EPSILON, as_float, normalize
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import read_json, whole_file

PREPROCESSOR_FILE = "preprocessor_config.json"
PROCESSOR_FILE = "processor_config.json"


@dataclass(frozen=True)
class _Extractor:
    """What transformers' extractors share; the fields are those of their JSON file."""

    kind: ClassVar[str]  # `feature_extractor_type` in the file

    feature_size: int = 1
    sampling_rate: int = SAMPLE_RATE
    padding_value: float = 0.0
    padding_side: str = "right"
    return_attention_mask: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: str | PathLike[str]) -> Self:
        """Of a `preprocessor_config.json`; what is not known is left out. `path` is for messages.

        Raises:
            UserError: another kind of extractor, or a value that makes no sense or is unsupported.
        """
        if (kind := _kind(values)) != cls.kind:
            raise UserError(f"{path}: feature_extractor_type {kind!r} is not {cls.kind!r}")
        known = {field.name for field in dataclasses.fields(cls)}
        extractor = cls(**{key: value for key, value in values.items() if key in known})
        if wrong := [name for name, ok in extractor._valid_fields().items() if not ok]:
            raise UserError(f"{path}: {', '.join(wrong)} has a value that makes no sense; mend it")
        return extractor

    @classmethod
    def from_pretrained(cls, folder: str | PathLike[str]) -> Self:
        """Read `preprocessor_config.json`, or the `processor_config.json` of transformers 5.

        Where both are there, the latter counts, as in transformers.

        Raises:
            UserError: neither file, or one that does not describe this kind of extractor.
        """
        values, path = _read_config(folder)
        return cls.from_dict(values, path)

    def _valid_fields(self) -> dict[str, bool]:
        return {
            "feature_size": type(self.feature_size) is int and self.feature_size > 0,
            "sampling_rate": type(self.sampling_rate) is int and self.sampling_rate > 0,
            "padding_value": type(self.padding_value) in (int, float)
            and math.isfinite(self.padding_value),
            "padding_side": self.padding_side in ("right", "left"),
            "return_attention_mask": isinstance(self.return_attention_mask, bool),
        }

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write `preprocessor_config.json`; transformers (4 and 5) reads it."""
        values = {
            **dataclasses.asdict(self),
            "feature_extractor_type": self.kind,
        }
        with whole_file(Path(folder) / PREPROCESSOR_FILE) as beside:
            beside.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def _batch(self, speech: Any, sampling_rate: int | None) -> list[np.ndarray]:
        """The utterances of `speech`, checked."""
        if sampling_rate not in (None, self.sampling_rate):
            raise UserError(
                f"speech at {sampling_rate} Hz, but the model takes {self.sampling_rate} Hz; "
                "resample it, or load files with audio.load"
            )
        return _as_batch(speech)

    def _cut_and_pad(
        self,
        rows: list[np.ndarray],
        padding: bool | str,
        max_length: int | None,
        truncation: bool,
        pad_to_multiple_of: int | None,
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Rows of the length that the options ask for, and for each a mask: 1 on what was there."""
        strategy = {True: "longest", False: "do_not_pad"}.get(padding, padding)  # type: ignore
        if strategy not in ("longest", "max_length", "do_not_pad"):
            raise UserError(f"padding={padding!r} is none of True, False, 'longest', 'max_length'")
        if max_length is None and (truncation or strategy == "max_length"):
            raise UserError("truncation and padding='max_length' need max_length")
        if max_length is not None and max_length < 1:
            raise UserError(f"max_length={max_length} leaves nothing; give 1 or more")
        limit = None if max_length is None else _round_up(max_length, pad_to_multiple_of)
        if truncation:
            rows = [row[:limit] for row in rows]
        target = 0
        if strategy == "longest":
            target = _round_up(max(map(len, rows)), pad_to_multiple_of)
        elif limit is not None and strategy == "max_length":
            target = limit

        padded, masks = [], []
        for row in rows:
            missing = max(0, target - len(row))
            around = (0, missing) if self.padding_side == "right" else (missing, 0)
            others = [(0, 0)] * (row.ndim - 1)
            padded.append(np.pad(row, [around, *others], constant_values=self.padding_value))
            masks.append(np.pad(np.ones(len(row), np.int32), around))
        return padded, masks


@dataclass(frozen=True)
class FeatureExtractor(_Extractor):
    """transformers' `Wav2Vec2FeatureExtractor`: the normalised waveform.

    `return_attention_mask` also decides *over what* a padded batch is normalised: with a mask over
    each utterance's own samples, without over the padding too. Published code does the latter with
    group-norm checkpoints, so it is kept here; `normalize` first and pad after to avoid it.
    """

    kind: ClassVar[str] = "Wav2Vec2FeatureExtractor"

    do_normalize: bool = True

    def _valid_fields(self) -> dict[str, bool]:
        return {
            **super()._valid_fields(),
            "feature_size": self.feature_size == 1,
            "do_normalize": isinstance(self.do_normalize, bool),
        }

    def __call__(
        self,
        speech: np.ndarray | Sequence[Any],
        *,
        sampling_rate: int | None = None,
        padding: bool | str = False,
        max_length: int | None = None,
        truncation: bool = False,
        pad_to_multiple_of: int | None = None,
        return_attention_mask: bool | None = None,
    ) -> dict[str, Any]:
        """Cut, pad and normalise utterances.

        Args:
            speech: one utterance `(samples,)`, or a batch: a list of them or `(batch, samples)`.
            sampling_rate: of `speech`, Hz; checked when given.
            padding: True or 'longest', 'max_length', False or 'do_not_pad'.
            max_length: samples, for padding='max_length' and for truncation.
            truncation: cut what is longer than `max_length`.
            pad_to_multiple_of: round the padded length (and the cut) up to a multiple of this.
            return_attention_mask: overrides the field.

        Returns:
            `input_values` float32 and, if asked for, `attention_mask` int32 (1 on samples, 0 on
            padding), each `(batch, samples)`; lists of `(samples,)` where rows differ in length.

        Raises:
            UserError: another sampling rate, more than one channel, an empty utterance, or options
                that contradict each other.
        """
        batch = self._batch(speech, sampling_rate)
        masked = (
            self.return_attention_mask if return_attention_mask is None else return_attention_mask
        )
        rows, masks = self._cut_and_pad(batch, padding, max_length, truncation, pad_to_multiple_of)
        values = []
        for row, mask in zip(rows, masks, strict=True):
            if self.do_normalize and masked:
                # the first samples, on whichever side the padding is: transformers' way, which
                # spoils left padding; no published wav2vec2 pads on the left
                count = mask.sum()
                row = (row - row[:count].mean()) / np.sqrt(row[:count].var() + VARIANCE_EPSILON)
                row[count:] = self.padding_value
            elif self.do_normalize:
                row = normalize(row)
            values.append(row.astype(np.float32, copy=False))
        features = {"input_values": _stack(values)}
        if masked:
            features["attention_mask"] = _stack(masks)
        return features


@dataclass(frozen=True)
class LogMelFeatureExtractor(_Extractor):
    """transformers' `SeamlessM4TFeatureExtractor`: what Wav2Vec2-BERT takes; see `log_mel`."""

    kind: ClassVar[str] = "SeamlessM4TFeatureExtractor"

    feature_size: int = 80
    return_attention_mask: bool = True
    num_mel_bins: int = 80
    stride: int = 2

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: str | PathLike[str]) -> Self:
        extractor = super().from_dict(values, path)
        for name, only in {"sampling_rate": SAMPLE_RATE, "num_mel_bins": 80, "stride": 2}.items():
            if (value := getattr(extractor, name)) != only:
                raise UserError(f"{path}: {name} {value!r} is not supported, only {only}")
        return extractor

    def __call__(
        self,
        speech: np.ndarray | Sequence[Any],
        *,
        sampling_rate: int | None = None,
        padding: bool | str = True,
        max_length: int | None = None,
        truncation: bool = False,
        pad_to_multiple_of: int | None = 2,
        return_attention_mask: bool | None = None,
    ) -> dict[str, Any]:
        """The log-mel features of utterances, cut and padded.

        Args:
            speech: one utterance `(samples,)`, or a batch: a list of them or `(batch, samples)`.
            sampling_rate: of `speech`, Hz; checked when given.
            padding: True or 'longest', 'max_length', False or 'do_not_pad'.
            max_length: windows of 10 ms, for padding='max_length' and for truncation.
            truncation: cut what is longer than `max_length`, after it was normalised.
            pad_to_multiple_of: round the padded length (and the cut) up to a multiple of this, in
                windows. With 2, the last of an odd number of windows makes half a frame, which
                the mask leaves out.
            return_attention_mask: overrides the field.

        Returns:
            `input_features` float32 `(batch, frames, 160)` and, if asked for, `attention_mask`
            int32 `(batch, frames)`; lists where rows differ in length. An utterance below 560
            samples has no frame of its own.

        Raises:
            UserError: another sampling rate, more than one channel, an empty utterance, or options
                that contradict each other.
        """
        from wav2vec2_tf.models.log_mel import normalized_windows, stack

        windows = [normalized_windows(row) for row in self._batch(speech, sampling_rate)]
        rows, masks = self._cut_and_pad(
            windows, padding, max_length, truncation, pad_to_multiple_of
        )
        features = {"input_features": _stack([stack(row) for row in rows])}
        if self.return_attention_mask if return_attention_mask is None else return_attention_mask:
            # the frame counts where its last window does
            features["attention_mask"] = _stack(
                [mask[self.stride - 1 :: self.stride] for mask in masks]
            )
        return features


EXTRACTORS: dict[str, type[FeatureExtractor] | type[LogMelFeatureExtractor]] = {
    extractor.kind: extractor for extractor in (FeatureExtractor, LogMelFeatureExtractor)
}


def feature_extractor(folder: str | PathLike[str]) -> FeatureExtractor | LogMelFeatureExtractor:
    """The extractor that a folder's files describe; see `FeatureExtractor.from_pretrained`.

    Raises:
        UserError: no such files, or of an extractor that is none of ours.
    """
    return extractor_of(*_read_config(folder))


def extractor_of(
    values: Mapping[str, Any], path: str | PathLike[str]
) -> FeatureExtractor | LogMelFeatureExtractor:
    """The extractor of a `preprocessor_config.json`'s values; `path` is for messages."""
    kind = _kind(values)
    if not isinstance(kind, str) or kind not in EXTRACTORS:
        raise UserError(
            f"{path}: feature_extractor_type {kind!r} is unknown; known: {', '.join(EXTRACTORS)}"
        )
    return EXTRACTORS[kind].from_dict(values, path)


def _kind(values: Mapping[str, Any]) -> Any:
    """`feature_extractor_type`; older files lack it, and have at most `processor_class`."""
    is_bert = values.get("processor_class") == "Wav2Vec2BertProcessor"
    usual = LogMelFeatureExtractor if is_bert else FeatureExtractor
    return values.get("feature_extractor_type", usual.kind)


def _read_config(folder: str | PathLike[str]) -> tuple[dict[str, Any], Path]:
    """An extractor's values, and the file that they are from."""
    path = Path(folder) / PROCESSOR_FILE
    whole = read_json(path) if path.is_file() else {}
    values = whole.get("feature_extractor")
    if values is None:
        path = Path(folder) / PREPROCESSOR_FILE
        whole = values = read_json(path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: feature_extractor must be an object")
    return {"processor_class": whole.get("processor_class"), **values}, path


def _as_batch(speech: Any) -> list[np.ndarray]:
    if isinstance(speech, list | tuple):
        batched = len(speech) > 0 and np.ndim(speech[0]) > 0
    else:
        speech = np.asarray(speech)
        batched = speech.ndim > 1
    batch = [as_float(row) for row in speech] if batched else [as_float(speech)]
    for row in batch:
        if row.ndim != 1:
            raise UserError(f"an utterance of shape {row.shape}; mix it down to one channel first")
        if not len(row):
            raise UserError("an utterance without samples; leave it out")
    return batch


def _round_up(length: int, multiple: int | None) -> int:
    return length if multiple is None else -(-length // multiple) * multiple


def _stack(rows: list[np.ndarray]) -> np.ndarray | list[np.ndarray]:
    return np.stack(rows) if len({len(row) for row in rows}) == 1 else rows
