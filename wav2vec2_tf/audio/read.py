"""Reads audio files, bytes and streams as 16 kHz mono float32."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Generator, Iterator
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from wav2vec2_tf.audio import SAMPLE_RATE, ffmpeg
from wav2vec2_tf.utils.errors import UserError

MAXIMUM_HOURS = 4
"""Longest recording that is held in memory (0.9 GB): a FLAC of a few kB can decode to days."""
STREAMED_HOURS = 24
"""Longest recording that is read block by block."""
MAXIMUM_BYTES = 2**31
"""Most that is read of a stream, which may have no end."""
MAXIMUM_RATE = 10_000_000
"""Hz; beyond it the resampler's filter takes seconds and gigabytes."""
BLOCK_SAMPLES = 2**20
"""Samples decoded at a time, over all channels."""
BLOCK_SECONDS = 10
"""Longest block that is decoded at a time, since a low rate grows when it is resampled."""
STREAMED_BYTES = 0x7FFF0000
"""Least size of a chunk that means "not known when the header was written"."""
SLACK_BYTES = 64
"""Bytes that a stated size may exceed the file by: some writers count a chunk header too many."""

CHUNK_BEYOND_END = re.compile(
    r"^\s*(?:rif[fx]|riff size|data|data size|form|ssnd)\s*: (\d+) \(should be (\d+)\)", re.I | re.M
)
"""A line of libsndfile's log about a chunk, stated and actual size: WAV, RF64, W64, AIFF, AU."""

UNKNOWN_FORMAT = 1
"""libsndfile's SF_ERR_UNRECOGNISED_FORMAT."""

AudioSource = str | PathLike[str] | bytes | BinaryIO


def load(source: AudioSource) -> np.ndarray:
    """Reads audio of any sampling rate and number of channels as 16 kHz mono.

    Args:
        source: path, file contents, or binary file object (read from its position to its end),
            in any format that libsndfile knows (WAV, FLAC, Ogg, MP3, AIFF, …); a path also in
            those that ffmpeg knows, where it is installed.

    Returns:
        float32 `(samples,)`: the mean over channels, resampled by soxr (HQ) unless it is at 16 kHz
        already.

    Raises:
        UserError: `source` is missing, not a file, not audio, truncated or damaged, empty, not
            finite, or longer than `MAXIMUM_HOURS`. (A truncated MP3 or Ogg is valid, only shorter.)
    """
    return np.concatenate(list(_blocks(*_open(source), MAXIMUM_HOURS)))


def blocks(source: AudioSource) -> Generator[np.ndarray, None, None]:
    """Yields what `load` returns in blocks of bounded size, of up to `STREAMED_HOURS`.

    Raises:
        UserError: as `load`, possibly after some blocks.
    """
    return _blocks(*_open(source), STREAMED_HOURS)


def count_samples(source: AudioSource) -> int:
    """Returns the number of samples that `load` returns, or one more if it resamples.

    The number is the header's. If the header has none, as that of an MP3 may, the audio is decoded;
    otherwise damage after a valid header is not noticed.

    Raises:
        UserError: `source` is missing, not a file or not audio; if it is decoded, as `load`.
    """
    name, readable = _open(source)
    try:
        header = soundfile.info(readable)
        samples = -(-header.frames * SAMPLE_RATE // header.samplerate)
    except (soundfile.SoundFileError, TypeError, ValueError, OSError, ZeroDivisionError):
        samples = 0
    # the header of a stream states no number of samples, or an impossible one
    if 0 < samples <= MAXIMUM_HOURS * 3600 * SAMPLE_RATE:
        return samples
    if isinstance(readable, io.BytesIO):
        readable.seek(0)
    return sum(map(len, _blocks(name, readable, MAXIMUM_HOURS)))  # or raises a clear error


def _blocks(name: str, readable: str | io.BytesIO, hours: int) -> Generator[np.ndarray, None, None]:
    """Yields blocks of 16 kHz mono; raises `UserError` if they are longer than `hours`."""
    try:
        with soundfile.SoundFile(readable) as file:
            yield from _mono(file.samplerate, _decoded(file, name), name, hours)
        return
    # TypeError: soundfile reads a `.raw` file as headerless samples and requires their rate
    except (soundfile.SoundFileError, TypeError, UnicodeError) as error:
        reason = " ".join(str(error).split()).replace(f"Error opening {readable!r}: ", "")
        unknown = isinstance(error, soundfile.LibsndfileError) and error.code == UNKNOWN_FORMAT
    help = "give WAV, FLAC, Ogg or MP3"
    if unknown and isinstance(readable, str):
        if program := shutil.which("ffmpeg"):
            with ffmpeg.decoded(program, readable, BLOCK_SAMPLES) as (rate, decoded):
                yield from _mono(rate, decoded, readable, hours)
            return
        help += ", or install ffmpeg for other formats"
    raise UserError(f"{name}: not audio that can be read, or damaged ({reason}); {help}")


class _Contents(io.BytesIO):
    """Bytes in which libsndfile may seek before the start, as it does in damaged files.

    An exception in its callback could not be caught, and its traceback would be printed.
    """

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


def _open(source: AudioSource) -> tuple[str, str | io.BytesIO]:
    """Returns a name for messages, and what soundfile reads from."""
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
    if not hasattr(source, "read"):
        raise UserError(
            "audio must be a path, bytes or a binary file object, got "
            f"{type(source).__name__}: samples need no loading"
        )
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


def _decoded(file: soundfile.SoundFile, name: str) -> Iterator[np.ndarray]:
    """Yields decoded blocks `(frames, channels)`; the memory does not depend on the header."""
    read = 0
    size = max(1, min(BLOCK_SAMPLES // file.channels, file.samplerate * BLOCK_SECONDS))
    while len(block := file.read(size, dtype="float32", always_2d=True)):
        read += len(block)
        yield block
    # an MP3 without a length header has an estimate in `frames`, often wrong
    if _lacks_bytes(file.extra_info) or (file.format != "MP3" and 0 < read < file.frames):
        seconds = read / file.samplerate
        raise UserError(f"{name}: cut short after {seconds:.2f} s; copy or download it again")


def _mono(rate: int, decoded: Iterator[np.ndarray], name: str, hours: int) -> Iterator[np.ndarray]:
    """Yields the channels' mean, at 16 kHz, of blocks `(frames, channels)` at `rate`."""
    if not 0 < rate <= MAXIMUM_RATE:
        raise UserError(
            f"{name}: the sampling rate must be at most {MAXIMUM_RATE} Hz, got {rate}: the file "
            "may be damaged"
        )
    resample = None
    if rate != SAMPLE_RATE:
        resample = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    read = yielded = 0
    for block in decoded:
        read += len(block)
        if read > rate * 3600 * hours:
            raise UserError(f"{name}: longer than {hours} hours; cut it into pieces")
        with np.errstate(over="ignore", invalid="ignore"):  # reported just below
            mono = block.mean(axis=1)
        if not np.isfinite(mono).all():
            raise UserError(f"{name}: has samples that are NaN or infinite; export it again")
        mono = mono if resample is None else resample.resample_chunk(mono)
        yielded += len(mono)
        yield mono
    if resample is not None:
        rest = resample.resample_chunk(np.zeros(0, np.float32), last=True)
        yielded += len(rest)
        yield rest
    if not yielded:
        raise UserError(f"{name}: has no samples; it is empty or truncated")


def _lacks_bytes(log: str) -> bool:
    """Whether libsndfile's log reports a chunk longer than the file.

    It clamps such a chunk without an error, and reports it nowhere else.
    """
    return any(
        int(stated) < STREAMED_BYTES and int(stated) - int(actual) > SLACK_BYTES
        for stated, actual in CHUNK_BEYOND_END.findall(log)
    )
