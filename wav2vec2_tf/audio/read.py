"""Reads audio files, bytes and streams as 16 kHz mono float32.

libsndfile decodes what it can (`libsndfile.py`), and ffmpeg the rest where it is installed
(`ffmpeg.py`). Both read to the end of the data, whatever a header says of its length.
"""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE, ffmpeg, libsndfile
from wav2vec2_tf.audio.content import Content, Damaged, Empty, Malformed
from wav2vec2_tf.audio.resampling import resampled, samples_at_16_khz, too_long
from wav2vec2_tf.utils.errors import UserError

MAXIMUM_HOURS = 4
"""Longest recording that is held in memory (0.9 GB): a FLAC of a few kB can decode to days."""
STREAMED_HOURS = 24
"""Longest recording that is read block by block."""
MAXIMUM_BYTES = 2**31
"""Most that is read of a stream, which may have no end."""
BLOCK_BYTES = 2**20
"""Bytes of a stream that are read at a time."""

AudioSource = str | PathLike[str] | bytes | BinaryIO


def load(source: AudioSource, *, offset: float = 0.0, duration: float | None = None) -> np.ndarray:
    """Reads audio of any sampling rate and number of channels as 16 kHz mono.

    Args:
        source: path, file contents, or binary file object (read from its position to its end),
            in any format that libsndfile knows (WAV, FLAC, Ogg, MP3, AIFF, …) or, where it is
            installed, ffmpeg.
        offset: seconds that are left out at the start.
        duration: seconds to read, or less where the audio ends before; None for all.

    Returns:
        float32 `(samples,)`: the mean over channels, resampled by soxr (HQ) unless it is at 16 kHz
        already.

    Raises:
        UserError: `source` is missing, not a file, not audio, truncated or damaged, empty, not
            finite, or longer than `MAXIMUM_HOURS`. (A truncated MP3 or Ogg is valid, only shorter.)
            Or `offset` or `duration` is not a number of seconds, or nothing is there.
    """
    start, stop = _stretch(offset, duration)
    with Content.opened(*_open(source)) as content:
        speech = list(_between(content, start, stop))
    return np.concatenate(speech)


def blocks(source: AudioSource) -> Generator[np.ndarray, None, None]:
    """Yields what `load` returns in blocks of bounded size, of up to `STREAMED_HOURS`.

    Raises:
        UserError: as `load`, possibly after some blocks.
    """
    name, readable = _open(source)  # raises at once, not at the first block
    return _blocks(name, readable)


def count_samples(
    source: AudioSource, *, offset: float = 0.0, duration: float | None = None
) -> int:
    """Returns the number of samples that `load` returns with the same arguments, exactly.

    Nothing is decoded where the data proves what the header states: in WAV by the size of the file,
    in FLAC by the number of the last frame, in MP3 and Ogg by the headers of all frames or pages.
    Damage between is not noticed then.

    Raises:
        UserError: as `load`.
    """
    start, stop = _stretch(offset, duration)
    with Content.opened(*_open(source)) as content:
        try:
            counts = libsndfile.counted(content)
        except Malformed:
            counts = None
        if counts is None:
            return sum(map(len, _between(content, start, stop)))
        samples = samples_at_16_khz(counts)
        last = samples if stop is None else min(stop, samples)
        if start >= last:
            raise _nothing_there(content.name, start, samples)
        if last - start > MAXIMUM_HOURS * 3600 * SAMPLE_RATE:
            raise too_long(content.name, MAXIMUM_HOURS)
        return last - start


def _stretch(offset: float, duration: float | None) -> tuple[int, int | None]:
    """Returns the first sample of a stretch, and the one after its last."""
    for name, seconds in (("offset", offset), ("duration", duration)):
        if seconds is not None and not 0 <= seconds < math.inf:
            raise UserError(f"{name} must be a number of seconds, got {seconds}")
    start = round(offset * SAMPLE_RATE)
    return start, None if duration is None else start + round(duration * SAMPLE_RATE)


def _nothing_there(name: str, start: int, samples: int) -> UserError:
    if not samples:
        return UserError(f"{name}: has no samples; it is empty or truncated")
    return UserError(
        f"{name}: has {samples / SAMPLE_RATE:.3f} s, and nothing of it is in the stretch from "
        f"{start / SAMPLE_RATE:g} s on: state offset and duration in seconds, within it"
    )


def _blocks(name: str, readable: str | bytes) -> Generator[np.ndarray, None, None]:
    with Content.opened(name, readable) as content:
        yield from _between(content, 0, None, STREAMED_HOURS)


def _between(
    content: Content, start: int, stop: int | None, hours: float | None = None
) -> Iterator[np.ndarray]:
    """Yields blocks of the samples from `start` to before `stop`.

    Raises:
        UserError: there are none, or they are longer than `hours` (`MAXIMUM_HOURS` by default).
    """
    hours = MAXIMUM_HOURS if hours is None else hours
    end = yielded = 0
    whole = start == 0 and stop is None
    with closing(_placed_blocks(content, start, hours if whole else STREAMED_HOURS)) as blocks:
        for place, block in blocks:
            end = place + len(block)
            wanted = block[max(0, start - place) : None if stop is None else max(0, stop - place)]
            yielded += len(wanted)
            if yielded > hours * 3600 * SAMPLE_RATE:
                raise too_long(content.name, hours)
            if len(wanted):
                yield wanted
            if stop is not None and end >= stop:
                break
    if not yielded:
        raise _nothing_there(content.name, start, end)


def _placed_blocks(
    content: Content, start: int, hours: float
) -> Generator[tuple[int, np.ndarray], None, None]:
    """Yields blocks of 16 kHz mono with the number of their first sample, at most `start`."""
    place = 0
    try:
        place, decoded = libsndfile.decoded(content, start)
        for block in resampled(decoded, content.name, hours):
            yield place, block
            place += len(block)
        return
    except Malformed as error:
        known = error
    if (program := shutil.which("ffmpeg")) is None:
        raise _unreadable(content.name, known)
    end = 0  # of what ffmpeg decoded; the first reader has got to `place`
    try:
        with closing(
            ffmpeg.decoded(program, content, strict=isinstance(known, Damaged))
        ) as slowly_decoded:
            for block in resampled(slowly_decoded, content.name, hours):
                first, end = end, end + len(block)
                if end > place:
                    new = block[max(0, place - first) :]
                    yield end - len(new), new
    except Malformed as error:
        raise _unreadable(content.name, known, error) from None


def _unreadable(name: str, error: Malformed, second: Malformed | None = None) -> UserError:
    """Returns the error for content that no reader can decode, with the reasons of both."""
    if isinstance(error, Empty):
        return UserError(f"{name}: has no samples; it is empty or truncated")
    if second is not None:
        return UserError(
            f"{name}: ffmpeg cannot read it ({second}), nor can libsndfile ({error}); give WAV, "
            "FLAC, Ogg or MP3"
        )
    return UserError(
        f"{name}: not audio that can be read, or damaged ({error}); give WAV, FLAC, Ogg or MP3, or "
        "install ffmpeg for other formats"
    )


def _open(source: AudioSource) -> tuple[str, str | bytes]:
    """Returns a name for messages, and the path or the bytes to read."""
    if isinstance(source, bytes | bytearray | memoryview):
        return "audio data", bytes(source)
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
    contents = io.BytesIO()
    try:
        while block := source.read(BLOCK_BYTES):
            contents.write(block)
            if contents.tell() > MAXIMUM_BYTES:
                raise UserError(f"{name}: more than {MAXIMUM_BYTES} bytes; cut it into pieces")
    except (OSError, TypeError, AttributeError) as error:
        raise UserError(f"{name}: cannot be read ({error}); give a binary file object") from None
    return name, contents.getvalue()
