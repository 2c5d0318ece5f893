"""Recordings of any length, read block by block in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeGuard

import numpy as np

from wav2vec2_tf import audio
from wav2vec2_tf.audio import SAMPLE_RATE, AudioSource, check_waveform
from wav2vec2_tf.audio.stretch import WHOLE, Stretch
from wav2vec2_tf.audio.stretch import load as load_stretch
from wav2vec2_tf.models.lengths import BUCKETS
from wav2vec2_tf.utils.errors import UserError

Audio = AudioSource | np.ndarray
"""One recording: a path, the contents of a file, a binary file object, or (samples,) speech."""
Span = tuple[int, int]
"""The first sample of a part and the one after its last; the first lies on the grid of frames."""


@dataclass(frozen=True)
class Recording:
    """Speech at 16 kHz that can be read block by block, more than once.

    Its mean and variance are those of the whole recording, so that parts of it can be normalized as
    the whole is.
    """

    name: str
    """The path; "array", "audio data" or the name of a stream where there is no path."""
    blocks: Callable[[], Iterator[np.ndarray]]
    """Returns the samples from the start, in (samples,) float32 blocks."""
    samples: int
    mean: float
    variance: float
    digest: str
    """Hash of the samples, in hexadecimal."""

    @classmethod
    def of(cls, source: Audio, sampling_rate: int | None = None) -> Recording:
        """Reads a recording once, from a file or an array; what is short is kept in memory.

        Args:
            source: a path, the contents of a file, a binary file object or a (samples,) array.
            sampling_rate: Hz, of an array; 16000 if it is not given.

        Raises:
            UserError: as `audio.load`, for recordings of up to `audio.STREAMED_HOURS`; or as
                `audio.check_waveform`.
        """
        if isinstance(source, np.ndarray):
            speech = check_waveform(source, sampling_rate)
            return cls.measured("array", lambda: iter([speech]))
        if isinstance(source, str | PathLike | bytes):
            _require_no_rate(sampling_rate)
            name = "audio data" if isinstance(source, bytes) else str(source)
            return cls.measured(name, lambda: audio.blocks(source))
        speech = as_waveform(source, sampling_rate)  # a stream cannot be read twice
        name = str(getattr(source, "name", "audio stream"))
        return cls.measured(name, lambda: iter([speech]))

    @classmethod
    def part(cls, path: str, stretch: Stretch) -> Recording:
        """Reads a part of a file, which is held in memory unless it is all of the file.

        Raises:
            UserError: as `of`, and as `audio.stretch.load`.
        """
        if stretch == WHOLE:
            return cls.of(path)
        speech = load_stretch(Path(path), stretch)
        return cls.measured(path, lambda: iter([speech]))

    @classmethod
    def measured(cls, name: str, blocks: Callable[[], Iterator[np.ndarray]]) -> Recording:
        """Reads all blocks for their mean and variance (Chan et al. 1979, in float64)."""
        samples, mean, squares = 0, 0.0, 0.0
        kept: list[np.ndarray] = []
        digest = hashlib.blake2b(digest_size=16)
        for block in blocks():
            if not len(block):
                continue
            digest.update(block.tobytes())
            wide = block.astype(np.float64)
            own = float(wide.mean())
            share = len(block) / (samples + len(block))
            squares += float(np.square(wide - own).sum()) + (own - mean) ** 2 * samples * share
            mean += (own - mean) * share
            if samples <= BUCKETS[-1]:
                kept.append(block)
            samples += len(block)
        if 0 < samples <= BUCKETS[-1]:
            whole = np.concatenate(kept)
            blocks = lambda: iter([whole])  # noqa: E731
        return cls(name, blocks, samples, mean, squares / max(1, samples), digest.hexdigest())

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return self.samples / SAMPLE_RATE

    def message(self, error: UserError) -> str:
        """Returns an error's message with the name of the recording in it."""
        return str(error) if self.name in str(error) else f"{self.name}: {error}"

    def speech(self) -> np.ndarray:
        """Returns all samples, (samples,) float32."""
        return np.concatenate(list(self.blocks()))

    def reader(self) -> Callable[[Span], np.ndarray]:
        """Returns a function that reads spans; each must start where or after the last one did.

        The samples that no later span can need are dropped.
        """
        blocks = self.blocks()
        held, first = np.zeros(0, np.float32), 0  # samples from number `first` on

        def read(span: Span) -> np.ndarray:
            nonlocal held, first
            start, end = span
            while first + len(held) < end:
                block = next(blocks, None)
                if block is None:
                    raise UserError(f"{self.name}: was changed while it was read; run it again")
                passed = min(len(held), max(0, start - first))
                held, first = np.concatenate([held[passed:], block]), first + passed
            return held[start - first : end - first]

        return read


def is_recording(source: object) -> TypeGuard[Audio]:
    """Whether `source` is of a type that holds one recording, see `Audio`."""
    kinds = (str, PathLike, bytes, bytearray, memoryview, np.ndarray)
    return isinstance(source, kinds) or hasattr(source, "read")


def as_waveform(source: Audio, sampling_rate: int | None = None) -> np.ndarray:
    """Returns the speech of a recording: files are loaded, arrays are checked.

    Args:
        source: a path, the contents of a file, a binary file object, or an array of shape
            (samples,), floating point in -1 to 1 at 16 kHz.
        sampling_rate: Hz, of an array; 16000 if it is not given.

    Returns:
        (samples,) float32 at 16 kHz.

    Raises:
        UserError: as `audio.load` for files and `audio.check_waveform` for arrays.
    """
    if not is_recording(source):
        raise UserError(
            "audio must be a path, bytes, a binary file object or a NumPy array, got "
            f"{type(source).__name__}: convert it with numpy.asarray"
        )
    if isinstance(source, np.ndarray):
        return check_waveform(source, sampling_rate)
    _require_no_rate(sampling_rate)
    return audio.load(source)


def _require_no_rate(sampling_rate: int | None) -> None:
    if sampling_rate not in (None, SAMPLE_RATE):
        raise UserError(
            f"sampling_rate={sampling_rate} describes an array, got a file: leave it out, files "
            "are resampled when they are read"
        )
