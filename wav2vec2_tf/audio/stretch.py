"""A part of a recording, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wav2vec2_tf import audio
from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np

MISSING_SECONDS = 0.5
"""How far the stated end of a part may lie beyond the recording, as in Kaldi's extract-segments."""
ROUNDING_SECONDS = 0.1
"""By how much a recording that is the part already may differ from the stated duration."""


@dataclass(frozen=True)
class Stretch:
    """The part of a recording that an utterance is in."""

    offset: float = 0.0
    """Seconds before it."""
    duration: float | None = None
    """Seconds; None for all until the end."""
    is_stated: bool = False
    """Whether its start is stated: several utterances may be in one file."""
    channel: int | None = None
    """Number of the only channel to read; None for the mean of all."""

    @property
    def suffix(self) -> str:
        """Its part of the id of an utterance, `@<start>-<end>`; "" for a whole file."""
        if not self.is_stated:
            return ""
        end = "" if self.duration is None else _short(self.offset + self.duration)
        return f"@{_short(self.offset)}-{end}"


WHOLE = Stretch()


def load(source: Path | bytes, stretch: Stretch) -> np.ndarray:
    """Returns the speech in a part of a recording, see `audio.load`.

    A recording that is stored in the row of a data set, as bytes, is often that part already: it is
    whole if it is as long as the part.

    Raises:
        UserError: as `audio.load`, or the recording ends before the part does, or it has several
            channels of which one is meant.
    """
    part = _part(source, stretch)
    speech = audio.load(source, offset=part.offset, duration=part.duration)
    _require_all(source, part, len(speech))
    return speech


def count_samples(source: Path | bytes, stretch: Stretch) -> int:
    """Returns the number of samples that `load` returns; raises `UserError` as it does."""
    part = _part(source, stretch)
    samples = audio.count_samples(source, offset=part.offset, duration=part.duration)
    _require_all(source, part, samples)
    return samples


def _part(source: Path | bytes, stretch: Stretch) -> Stretch:
    """Returns the part to read, which is all of a recording that has been cut already."""
    if stretch.channel is not None:
        _require_one_channel(source, stretch.channel)
    if isinstance(source, bytes):
        if not stretch.is_stated:
            return WHOLE
        seconds = audio.count_samples(source) / SAMPLE_RATE
        if stretch.duration is not None and abs(seconds - stretch.duration) <= ROUNDING_SECONDS:
            return WHOLE
    return stretch


def _require_one_channel(source: Path | bytes, channel: int) -> None:
    import io

    import soundfile

    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            channels = str(soundfile.info(file).channels)
    except OSError:
        return  # `audio.load` gives the reason
    except (soundfile.SoundFileError, TypeError):
        channels = "an unknown number"
    if channels != "1":
        raise UserError(
            f"{_name(source)}: channel {channel} of {channels} is stated, and channels are not "
            "selected here: make a file of each channel"
        )


def _require_all(source: Path | bytes, part: Stretch, samples: int) -> None:
    if not part.is_stated or part.duration is None:
        return  # a duration alone is often that of a header, which may be wrong
    seconds = samples / SAMPLE_RATE
    if part.duration - seconds > MISSING_SECONDS:
        raise UserError(
            f"{_name(source)}: must have {part.duration:g} s from {part.offset:g} s on, got "
            f"{seconds:.2f}: state offset and duration in seconds"
        )


def _name(source: Path | bytes) -> str:
    return "audio data" if isinstance(source, bytes) else str(source)


def _short(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
