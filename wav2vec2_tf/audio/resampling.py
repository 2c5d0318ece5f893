"""Mixes decoded audio to one channel at 16 kHz."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np
import soxr

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.audio.content import warn_once
from wav2vec2_tf.utils.errors import UserError

MAXIMUM_RATE = 10_000_000
"""Hz; beyond it the resampler's filter takes seconds and gigabytes."""
CANCELLED = 0.2
"""Power of the channels' mean, relative to that of independent channels, below which they cancel
each other out: two channels of equal loudness are opposite with a correlation below -0.8."""
RUN_UP = 4000
"""Samples, at the lower rate, that are decoded before those that are wanted: longer than the
filter."""


def resampled(
    decoded: Iterable[tuple[int, np.ndarray]], name: str, hours: float
) -> Iterator[np.ndarray]:
    """Yields the channels' mean at 16 kHz, `(samples,)` float32.

    Where channels cancel each other out, the loudest one is taken in place of their mean.

    Args:
        decoded: rates in Hz, which may change, and blocks `(frames, channels)`.
        name: the file, for messages.
        hours: the longest recording allowed.

    Raises:
        UserError: a rate is beyond `MAXIMUM_RATE`, samples are not finite, or they are too many.
    """
    seconds = 0.0
    for rate, blocks in groupby(decoded, key=lambda pair: pair[0]):
        if not 0 < rate <= MAXIMUM_RATE:
            raise UserError(
                f"{name}: the sampling rate must be at most {MAXIMUM_RATE} Hz, got {rate}: the "
                "file may be damaged"
            )
        resample = None
        if rate != SAMPLE_RATE:
            resample = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
        for _, block in blocks:
            seconds += len(block) / rate
            if seconds > hours * 3600:
                raise too_long(name, hours)
            mono = _mixed(block, name)
            yield mono if resample is None else _finite(resample.resample_chunk(mono), name)
        if resample is not None:
            yield _finite(resample.resample_chunk(np.zeros(0, np.float32), last=True), name)


def too_long(name: str, hours: float) -> UserError:
    """Returns the error for a recording that is too long."""
    return UserError(f"{name}: longer than {hours:g} hours; cut it into pieces")


def samples_at_16_khz(counts: Iterable[tuple[int, int]]) -> int:
    """Returns how many samples `resampled` yields, given rates and numbers of frames in order."""
    total = 0
    for rate, parts in groupby(counts, key=lambda pair: pair[0]):
        frames = sum(count for _, count in parts)
        total += int(frames / (rate / SAMPLE_RATE) + 0.5)  # as soxr rounds it
    return total


def run_up(rate: int, start: int) -> tuple[int, int]:
    """Returns where to begin decoding so that the samples from `start` on are those of the whole.

    Args:
        rate: Hz, of the file.
        start: a sample at 16 kHz.

    Returns:
        A frame of the file, and the sample at 16 kHz that is at the same time exactly.
    """
    if rate == SAMPLE_RATE:
        return start, start
    divisor = math.gcd(rate, SAMPLE_RATE)
    before = RUN_UP * max(rate, SAMPLE_RATE) // rate
    periods = max(0, start - before) // (SAMPLE_RATE // divisor)
    return periods * (rate // divisor), periods * (SAMPLE_RATE // divisor)


def _finite(samples: np.ndarray, name: str) -> np.ndarray:
    """Returns the samples; raises `UserError` if the mean or the filter made some infinite."""
    if not np.isfinite(samples).all():
        raise UserError(f"{name}: has samples that are NaN or infinite; export it again")
    return samples


def _mixed(block: np.ndarray, name: str) -> np.ndarray:
    """Returns the mean of the channels, or the loudest one if they cancel each other out."""
    channels = block.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):  # reported by `_finite`
        mono = _finite(block[:, 0] if channels == 1 else block.mean(axis=1), name)
    if channels > 1:
        powers = np.square(block, dtype=np.float64).mean(axis=0)
        independent = powers.mean() / channels
        if np.square(mono, dtype=np.float64).mean() < CANCELLED * independent:
            loudest = int(powers.argmax())
            warn_once(f"{name}: its channels cancel each other out; the loudest one is taken")
            return np.ascontiguousarray(block[:, loudest])
    return mono
