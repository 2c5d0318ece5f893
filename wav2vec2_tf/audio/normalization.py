"""Waveforms as arrays: checked, as floats, and scaled to zero mean and unit variance."""

from __future__ import annotations

from typing import Any

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.utils.errors import UserError

LARGE = 1e12
"""Samples beyond it are normalized in float64."""
VARIANCE_EPSILON = 1e-7
"""Added to the variance, which keeps silence finite; the value is that of transformers."""


def check_waveform(array: Any, sampling_rate: int | None = None) -> np.ndarray:
    """Returns a waveform that a caller passed in as float32, after checking it.

    Args:
        array: one recording, `(samples,)` floats, usually from -1 to 1: an array, an eager tensor
            or a list.
        sampling_rate: its sampling rate in Hz, if the caller states one.

    Returns:
        float32 `(samples,)`; the same array where it has that type already.

    Raises:
        UserError: the rate is not `SAMPLE_RATE`; `array` has no samples, more than one channel, or
            another rank; its values are not floats, or some are NaN or infinite.
    """
    if sampling_rate is not None and sampling_rate != SAMPLE_RATE:
        raise UserError(
            f"sampling_rate must be {SAMPLE_RATE} Hz, got {sampling_rate}: resample the speech, "
            "or read the file with wav2vec2_tf.load_audio, which does"
        )
    try:
        speech = np.asarray(array)
    except ValueError:  # a list of lists of different lengths
        speech = np.asarray(array, object)
    if speech.dtype.kind != "f":
        scale = 2 ** (8 * speech.dtype.itemsize - 1)
        advice = (
            f"divide it by {scale}" if speech.dtype.kind == "i" else "pass samples from -1 to 1"
        )
        raise UserError(f"speech must be floating-point numbers, got {speech.dtype}: {advice}")
    if speech.ndim != 1:
        advice = "pass one recording at a time"
        if speech.ndim == 2:
            axis = int(speech.shape[0] > speech.shape[1])  # channels are the shorter axis
            advice = f"average the channels with .mean(axis={axis})"
        raise UserError(f"speech must be mono, shape (samples,), got {speech.shape}: {advice}")
    if not len(speech):
        raise UserError("speech must have samples, got none: leave out empty recordings")
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite
        speech = speech.astype(np.float32, copy=False)
    if not np.isfinite(speech).all():
        at = int(np.argmin(np.isfinite(speech)))
        raise UserError(
            f"speech must be finite, got {speech[at]} at sample {at}: clean or leave out the "
            "recording"
        )
    return speech


def normalize(
    speech: np.ndarray, mean: float | None = None, variance: float | None = None
) -> np.ndarray:
    """Scales `speech` to zero mean and unit variance over all of it, as transformers does.

    Args:
        speech: samples.
        mean: that of the recording which `speech` is a part of; by default that of `speech`.
        variance: that of the recording, likewise.

    Returns:
        float32, the shape of `speech`.

    Raises:
        UserError: `speech` is not of numbers, or its mean is NaN or infinite.
    """
    speech = as_float(speech)
    with np.errstate(invalid="ignore"):  # of infinite samples
        mean = speech.mean() if mean is None else mean
    if not np.isfinite(mean):
        raise UserError(f"speech must be finite, got a mean of {mean}: clean the recording")
    variance = speech.var() if variance is None else variance
    normalized: np.ndarray = (speech - mean) / np.sqrt(variance + VARIANCE_EPSILON)
    return normalized.astype(np.float32, copy=False)


def as_float(speech: Any) -> np.ndarray:
    """Returns `speech` as float32, or float64 where the sums of squares need it.

    Squares of integers lose digits in float32, and those of large samples overflow.

    Raises:
        UserError: the values are not numbers.
    """
    array = np.asarray(speech)
    if array.dtype.kind not in "fiu":
        raise UserError(f"speech must be numbers, got {array.dtype}: load files with audio.load")
    if array.dtype.kind != "f":
        return array.astype(np.float64)
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite
        floats = array.astype(np.float32, copy=False)
    if np.abs(floats).max(initial=0) > LARGE:
        return floats.astype(np.float64)
    return floats
