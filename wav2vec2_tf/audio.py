"""Audio files → 16 kHz mono float32, and the waveform → what a model takes.

`FeatureExtractor` equals transformers' `Wav2Vec2FeatureExtractor`, number for number; it reads and
writes the same `preprocessor_config.json`.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
import soxr

from wav2vec2_tf.config import SAMPLE_RATE
from wav2vec2_tf.errors import UserError
from wav2vec2_tf.files import read_json, whole_file

MAXIMUM_HOURS = 4  # 0.9 GB of samples; a few kB of FLAC can claim, and decode to, days of silence
MAXIMUM_BYTES = 2**31  # of a stream, which may have no end
MAXIMUM_RATE = 10_000_000  # Hz; beyond it the resampler's filter takes seconds and gigabytes
BLOCK_SAMPLES = 2**20  # decoded at once, over all channels
BLOCK_SECONDS = 10  # and no more than this, since a low rate grows when resampled
STREAMED_BYTES = 0x7FFF0000  # from here on a chunk's size means "not known when it was written"
SLACK_BYTES = 64  # writers err by a chunk header or two; that is no lost sound

# as libsndfile's log has it: the chunks with samples and the whole, in WAV, RF64, W64, AIFF, AU
CHUNK_BEYOND_END = re.compile(
    r"^\s*(?:rif[fx]|riff size|data|data size|form|ssnd)\s*: (\d+) \(should be (\d+)\)", re.I | re.M
)

PREPROCESSOR_FILE = "preprocessor_config.json"
PROCESSOR_FILE = "processor_config.json"
EXTRACTOR_TYPE = "Wav2Vec2FeatureExtractor"

AudioSource = str | PathLike[str] | bytes | BinaryIO


def load(source: AudioSource) -> np.ndarray:
    """Read audio of any rate and channel count as 16 kHz mono.

    Args:
        source: path, file contents, or binary file object (read from where it stands to its end),
            in any format libsndfile knows (WAV, FLAC, Ogg, MP3, AIFF, …).

    Returns:
        float32 `(samples,)`: the mean over channels, resampled by soxr (HQ) unless it is at 16 kHz.

    Raises:
        UserError: missing, not a file, not audio, cut short or damaged, empty, not finite, or
            longer than `MAXIMUM_HOURS`. (MP3 and Ogg cut short are whole, only shorter.)
    """
    name, readable = _open(source)
    try:
        with soundfile.SoundFile(readable) as file:
            return _read(file, name)
    # TypeError: soundfile takes a `.raw` file for headerless samples and asks for their rate
    except (soundfile.SoundFileError, TypeError, UnicodeError) as error:
        reason = " ".join(str(error).split()).replace(f"Error opening {readable!r}: ", "")
        raise UserError(
            f"{name}: not audio that can be read, or damaged ({reason}); give WAV, FLAC, Ogg or MP3"
        ) from None


class _Contents(io.BytesIO):
    """Bytes in which libsndfile may seek before the start, as it does in damaged files.

    An exception within its callback could not be caught, and would be printed with a traceback.
    """

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


def _open(source: AudioSource) -> tuple[str, str | io.BytesIO]:
    """A name for messages, and what soundfile reads from."""
    if isinstance(source, bytes | bytearray | memoryview):
        return "audio data", _Contents(source)
    if isinstance(source, str | PathLike):
        path = Path(source)
        try:
            if path.is_file():  # before opening: a pipe would make it wait
                path.open("rb").close()
                return str(path), str(path)
            reason = "a folder or device" if path.exists() else "no such file"
        except OSError as error:
            reason = error.strerror or str(error)
        raise UserError(f"{path}: {reason}; give the path of an audio file that can be read")
    name = str(getattr(source, "name", "audio stream"))
    contents = _Contents()
    try:
        while block := source.read(BLOCK_SAMPLES):
            contents.write(block)
            if contents.tell() > MAXIMUM_BYTES:
                raise UserError(f"{name}: more than {MAXIMUM_BYTES} bytes; cut it into pieces")
    except (OSError, TypeError, AttributeError) as error:
        raise UserError(f"{name}: cannot be read ({error}); give a binary file object") from None
    contents.seek(0)
    return name, contents


def _read(file: soundfile.SoundFile, name: str) -> np.ndarray:
    """Decode in blocks: what the header claims decides nothing about the memory taken."""
    rate = file.samplerate
    if not 0 < rate <= MAXIMUM_RATE:
        raise UserError(f"{name}: a sampling rate of {rate} Hz; is the file damaged?")
    resample = None
    if rate != SAMPLE_RATE:
        resample = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    frames = max(1, min(BLOCK_SAMPLES // file.channels, rate * BLOCK_SECONDS))
    blocks: list[np.ndarray] = []
    read = 0
    while len(block := file.read(frames, dtype="float32", always_2d=True)):  # (frames, channels)
        read += len(block)
        if read > rate * 3600 * MAXIMUM_HOURS:
            raise UserError(f"{name}: longer than {MAXIMUM_HOURS} hours; cut it into pieces")
        with np.errstate(over="ignore", invalid="ignore"):  # reported just below
            mono = block.mean(axis=1)
        if not np.isfinite(mono).all():
            raise UserError(f"{name}: has samples that are NaN or infinite; export it again")
        blocks.append(mono if resample is None else resample.resample_chunk(mono))
    if resample is not None:
        blocks.append(resample.resample_chunk(np.zeros(0, np.float32), last=True))
    if read == 0 or not sum(map(len, blocks)):
        raise UserError(f"{name}: has no samples; it is empty, or was cut short")
    # an MP3 without a length header has an estimate in `frames`, often wrong
    if _lacks_bytes(file.extra_info) or (file.format != "MP3" and read < file.frames):
        raise UserError(f"{name}: cut short after {read / rate:.2f} s; copy or download it again")
    return np.concatenate(blocks)


def _lacks_bytes(log: str) -> bool:
    """Whether libsndfile's log tells of a chunk longer than the file.

    It clamps such a chunk without an error, and this log is the only place where it says so.
    """
    return any(
        int(claimed) < STREAMED_BYTES and int(claimed) - int(found) > SLACK_BYTES
        for claimed, found in CHUNK_BEYOND_END.findall(log)
    )


def normalize(speech: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance over all of `speech`, as transformers does: float32, same shape.

    The 1e-7 beside the variance keeps silence finite.
    """
    speech = _as_float(speech)
    normalized: np.ndarray = (speech - speech.mean()) / np.sqrt(speech.var() + 1e-7)
    return normalized.astype(np.float32, copy=False)


def _as_float(speech: Any) -> np.ndarray:
    """float32; integers become float64, since their squares would lose digits."""
    array = np.asarray(speech)
    if array.dtype.kind not in "fiu":
        raise UserError(f"speech must be numbers, not {array.dtype}; load files with audio.load")
    return array.astype(np.float32 if array.dtype.kind == "f" else np.float64, copy=False)


@dataclass(frozen=True)
class FeatureExtractor:
    """transformers' `Wav2Vec2FeatureExtractor`; the fields are those of its JSON file.

    `return_attention_mask` also decides *over what* a padded batch is normalised: with a mask over
    each utterance's own samples, without over the padding too. Published code does the latter with
    group-norm checkpoints, so it is kept here; `normalize` first and pad after to avoid it.
    """

    feature_size: int = 1
    sampling_rate: int = SAMPLE_RATE
    padding_value: float = 0.0
    padding_side: str = "right"
    do_normalize: bool = True
    return_attention_mask: bool = False

    @classmethod
    def from_pretrained(cls, folder: str | PathLike[str]) -> FeatureExtractor:
        """Read `preprocessor_config.json`, or the `processor_config.json` of transformers 5.

        Where both are there, the latter counts, as in transformers.

        Raises:
            UserError: neither file, or one that does not describe this kind of extractor.
        """
        path = Path(folder) / PROCESSOR_FILE
        values = read_json(path).get("feature_extractor") if path.is_file() else None
        if values is None:
            path = Path(folder) / PREPROCESSOR_FILE
            values = read_json(path)
        if not isinstance(values, dict):
            raise UserError(f"{path}: feature_extractor must be an object")
        kind = values.get("feature_extractor_type", EXTRACTOR_TYPE)
        if kind != EXTRACTOR_TYPE:
            raise UserError(f"{path}: feature_extractor_type {kind!r} is not {EXTRACTOR_TYPE!r}")
        known = {field.name for field in dataclasses.fields(cls)}
        extractor = cls(**{key: value for key, value in values.items() if key in known})
        if wrong := extractor._wrong_fields():
            raise UserError(f"{path}: {', '.join(wrong)} has a value that makes no sense; mend it")
        return extractor

    def _wrong_fields(self) -> list[str]:
        valid = {
            "feature_size": self.feature_size == 1,
            "sampling_rate": type(self.sampling_rate) is int and self.sampling_rate > 0,
            "padding_value": type(self.padding_value) in (int, float)
            and math.isfinite(self.padding_value),
            "padding_side": self.padding_side in ("right", "left"),
            "do_normalize": isinstance(self.do_normalize, bool),
            "return_attention_mask": isinstance(self.return_attention_mask, bool),
        }
        return [name for name, ok in valid.items() if not ok]

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write `preprocessor_config.json`; transformers (4 and 5) reads it."""
        values = dataclasses.asdict(self) | {"feature_extractor_type": EXTRACTOR_TYPE}
        with whole_file(Path(folder) / PREPROCESSOR_FILE) as beside:
            beside.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")

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
        if sampling_rate not in (None, self.sampling_rate):
            raise UserError(
                f"speech at {sampling_rate} Hz, but the model takes {self.sampling_rate} Hz; "
                "resample it, or load files with audio.load"
            )
        batch = _as_batch(speech)
        masked = (
            self.return_attention_mask if return_attention_mask is None else return_attention_mask
        )
        strategy = {True: "longest", False: "do_not_pad"}.get(padding, padding)  # type: ignore
        if strategy not in ("longest", "max_length", "do_not_pad"):
            raise UserError(f"padding={padding!r} is none of True, False, 'longest', 'max_length'")
        if max_length is None and (truncation or strategy == "max_length"):
            raise UserError("truncation and padding='max_length' need max_length (samples)")
        if max_length is not None and max_length < 1:
            raise UserError(f"max_length={max_length} leaves no samples; give 1 or more")
        limit = None if max_length is None else _round_up(max_length, pad_to_multiple_of)
        if truncation:
            batch = [row[:limit] for row in batch]
        target = 0
        if strategy == "longest":
            target = _round_up(max(map(len, batch)), pad_to_multiple_of)
        elif limit is not None and strategy == "max_length":
            target = limit

        values, masks = [], []
        for row in batch:
            missing = max(0, target - len(row))
            around = (0, missing) if self.padding_side == "right" else (missing, 0)
            padded = np.pad(row, around, constant_values=self.padding_value)
            mask = np.pad(np.ones(len(row), np.int32), around)
            if self.do_normalize and masked:
                # the first len(row) samples, on whichever side the padding is: transformers' way,
                # which spoils left padding; no published wav2vec2 pads on the left
                valid = padded[: len(row)]
                padded = (padded - valid.mean()) / np.sqrt(valid.var() + 1e-7)
                padded[len(row) :] = self.padding_value
            elif self.do_normalize:
                padded = normalize(padded)
            values.append(padded.astype(np.float32, copy=False))
            masks.append(mask)
        features = {"input_values": _stack(values)}
        if masked:
            features["attention_mask"] = _stack(masks)
        return features


def _as_batch(speech: Any) -> list[np.ndarray]:
    if isinstance(speech, list | tuple):
        batched = len(speech) > 0 and np.ndim(speech[0]) > 0
    else:
        speech = np.asarray(speech)
        batched = speech.ndim > 1
    batch = [_as_float(row) for row in speech] if batched else [_as_float(speech)]
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
