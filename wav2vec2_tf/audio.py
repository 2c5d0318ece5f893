"""Audio files → 16 kHz mono float32, and the waveform → what a model takes.

`FeatureExtractor` equals transformers' `Wav2Vec2FeatureExtractor`, number for number, and
`LogMelFeatureExtractor` its `SeamlessM4TFeatureExtractor`; they read and write the same
`preprocessor_config.json`.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np
import soundfile
import soxr

from wav2vec2_tf.config import SAMPLE_RATE
from wav2vec2_tf.errors import UserError
from wav2vec2_tf.files import read_json, whole_file

MAXIMUM_HOURS = 4  # 0.9 GB of samples; a few kB of FLAC can claim, and decode to, days of silence
STREAMED_HOURS = 24  # of a recording that is read block by block
MAXIMUM_BYTES = 2**31  # of a stream, which may have no end
MAXIMUM_RATE = 10_000_000  # Hz; beyond it the resampler's filter takes seconds and gigabytes
BLOCK_SAMPLES = 2**20  # decoded at once, over all channels
BLOCK_SECONDS = 10  # and no more than this, since a low rate grows when resampled
STREAMED_BYTES = 0x7FFF0000  # from here on a chunk's size means "not known when it was written"
VARIANCE_EPSILON = 1e-7  # as transformers has it
SLACK_BYTES = 64  # writers err by a chunk header or two; that is no lost sound

# as libsndfile's log has it: the chunks with samples and the whole, in WAV, RF64, W64, AIFF, AU
CHUNK_BEYOND_END = re.compile(
    r"^\s*(?:rif[fx]|riff size|data|data size|form|ssnd)\s*: (\d+) \(should be (\d+)\)", re.I | re.M
)

UNKNOWN_FORMAT = 1  # libsndfile's SF_ERR_UNRECOGNISED_FORMAT
AU_HEADER = struct.Struct(">4sIIIII")
"""Magic, offset of the samples, size, encoding, rate, channels."""
FFMPEG_FORMATS = (
    "aac,ac3,adts,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,gsm,loas,"
    "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,rm,tak,tta,voc,w64,wav,wv"
)

PREPROCESSOR_FILE = "preprocessor_config.json"
PROCESSOR_FILE = "processor_config.json"

AudioSource = str | PathLike[str] | bytes | BinaryIO


def load(source: AudioSource) -> np.ndarray:
    """Read audio of any rate and channel count as 16 kHz mono.

    Args:
        source: path, file contents, or binary file object (read from where it stands to its end),
            in any format libsndfile knows (WAV, FLAC, Ogg, MP3, AIFF, …); a path also in those
            that ffmpeg knows, where it is installed.

    Returns:
        float32 `(samples,)`: the mean over channels, resampled by soxr (HQ) unless it is at 16 kHz.

    Raises:
        UserError: missing, not a file, not audio, cut short or damaged, empty, not finite, or
            longer than `MAXIMUM_HOURS`. (MP3 and Ogg cut short are whole, only shorter.)
    """
    return np.concatenate(list(_blocks(*_open(source), MAXIMUM_HOURS)))


def blocks(source: AudioSource) -> Generator[np.ndarray, None, None]:
    """What `load` gives, in blocks of bounded size, of recordings of up to `STREAMED_HOURS`.

    An error of `load`'s may come after the blocks before it.
    """
    return _blocks(*_open(source), STREAMED_HOURS)


def count_samples(source: AudioSource) -> int:
    """How many samples `load` will give, or one more where it resamples, as the header says.

    A header that does not say, as that of an MP3 may not, makes this decode the audio; else what
    is damaged behind a whole header goes unnoticed.

    Raises:
        UserError: missing, not a file or not audio; of a header that does not say, as `load`.
    """
    name, readable = _open(source)
    try:
        header = soundfile.info(readable)
        samples = -(-header.frames * SAMPLE_RATE // header.samplerate)
    except (soundfile.SoundFileError, TypeError, ValueError, OSError, ZeroDivisionError):
        samples = 0
    # a stream's header has no number, or one beyond all measure
    if 0 < samples <= MAXIMUM_HOURS * 3600 * SAMPLE_RATE:
        return samples
    if isinstance(readable, io.BytesIO):
        readable.seek(0)
    return sum(map(len, _blocks(name, readable, MAXIMUM_HOURS)))  # or it says what is wrong


def _blocks(name: str, readable: str | io.BytesIO, hours: int) -> Generator[np.ndarray, None, None]:
    """Blocks of 16 kHz mono; `UserError` where there are more than so many hours of them."""
    try:
        with soundfile.SoundFile(readable) as file:
            yield from _mono(file.samplerate, _read(file, name), name, hours)
        return
    # TypeError: soundfile takes a `.raw` file for headerless samples and asks for their rate
    except (soundfile.SoundFileError, TypeError, UnicodeError) as error:
        reason = " ".join(str(error).split()).replace(f"Error opening {readable!r}: ", "")
        unknown = isinstance(error, soundfile.LibsndfileError) and error.code == UNKNOWN_FORMAT
    help = "give WAV, FLAC, Ogg or MP3"
    if unknown and isinstance(readable, str):
        if ffmpeg := shutil.which("ffmpeg"):
            yield from _through_ffmpeg(ffmpeg, readable, hours)
            return
        help += ", or install ffmpeg for other formats"
    raise UserError(f"{name}: not audio that can be read, or damaged ({reason}); {help}")


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


def _read(file: soundfile.SoundFile, name: str) -> Iterator[np.ndarray]:
    """Decode in blocks: what the header claims decides nothing about the memory taken."""
    read = 0
    size = max(1, min(BLOCK_SAMPLES // file.channels, file.samplerate * BLOCK_SECONDS))
    while len(block := file.read(size, dtype="float32", always_2d=True)):  # (frames, channels)
        read += len(block)
        yield block
    # an MP3 without a length header has an estimate in `frames`, often wrong
    if _lacks_bytes(file.extra_info) or (file.format != "MP3" and 0 < read < file.frames):
        seconds = read / file.samplerate
        raise UserError(f"{name}: cut short after {seconds:.2f} s; copy or download it again")


def _mono(rate: int, decoded: Iterator[np.ndarray], name: str, hours: int) -> Iterator[np.ndarray]:
    """(frames, channels) blocks at `rate` → blocks of their mean at 16 kHz."""
    if not 0 < rate <= MAXIMUM_RATE:
        raise UserError(f"{name}: a sampling rate of {rate} Hz; is the file damaged?")
    resample = None
    if rate != SAMPLE_RATE:
        resample = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    read = given = 0
    for block in decoded:
        read += len(block)
        if read > rate * 3600 * hours:
            raise UserError(f"{name}: longer than {hours} hours; cut it into pieces")
        with np.errstate(over="ignore", invalid="ignore"):  # reported just below
            mono = block.mean(axis=1)
        if not np.isfinite(mono).all():
            raise UserError(f"{name}: has samples that are NaN or infinite; export it again")
        mono = mono if resample is None else resample.resample_chunk(mono)
        given += len(mono)
        yield mono
    if resample is not None:
        rest = resample.resample_chunk(np.zeros(0, np.float32), last=True)
        given += len(rest)
        yield rest
    if not given:
        raise UserError(f"{name}: has no samples; it is empty, or was cut short")


def _through_ffmpeg(ffmpeg: str, path: str, hours: int) -> Iterator[np.ndarray]:
    """The first track with sound, in blocks of 16 kHz mono.

    It comes as Sun's AU, a header of whose fields are the rate and the channels, then samples: so
    that mixing and resampling are ours, as of every file.
    """
    command = [ffmpeg, "-nostdin", "-v", "error"]
    # no playlists, which name other files and addresses
    command += ["-format_whitelist", FFMPEG_FORMATS, "-protocol_whitelist", "file"]
    url = f"file:{os.path.abspath(path)}"
    command += ["-i", url, "-map", "0:a:0"]
    command += ["-c:a", "pcm_f32be", "-f", "au", "-"]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        ) as process,
    ):
        stream = process.stdout
        assert stream is not None

        def decoded(channels: int) -> Iterator[np.ndarray]:
            frame = 4 * channels
            while content := stream.read(BLOCK_SAMPLES // channels * frame):
                whole = content[: len(content) // frame * frame]
                yield np.frombuffer(whole, ">f4").reshape(-1, channels).astype(np.float32)
            if process.wait():
                raise failed()

        def failed() -> UserError:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or ["no sound in it"]
            # without its demuxer and an address, and without the path, which the error has
            reason = re.sub(r"^\[[^]]*\] ", "", lines[0]).removeprefix(f"{url}: ")
            return UserError(f"{path}: ffmpeg cannot read it ({reason}); give WAV, FLAC or MP3")

        try:
            header = stream.read(AU_HEADER.size)
            if len(header) < AU_HEADER.size:
                raise failed()
            _, offset, _, _, rate, channels = AU_HEADER.unpack(header)
            stream.read(offset - AU_HEADER.size)
            yield from _mono(rate, decoded(channels), path, hours)
        finally:
            process.kill()


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

    The epsilon beside the variance keeps silence finite.
    """
    speech = _as_float(speech)
    normalized: np.ndarray = (speech - speech.mean()) / np.sqrt(speech.var() + VARIANCE_EPSILON)
    return normalized.astype(np.float32, copy=False)


def _as_float(speech: Any) -> np.ndarray:
    """float32; integers become float64, since their squares would lose digits."""
    array = np.asarray(speech)
    if array.dtype.kind not in "fiu":
        raise UserError(f"speech must be numbers, not {array.dtype}; load files with audio.load")
    return array.astype(np.float32 if array.dtype.kind == "f" else np.float64, copy=False)


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
        from wav2vec2_tf.log_mel import normalized_windows, stack

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
