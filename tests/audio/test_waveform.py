"""Waveforms that a caller passes in as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wav2vec2_tf import audio
from wav2vec2_tf.models.feature_extractor import FeatureExtractor, LogMelFeatureExtractor
from wav2vec2_tf.transcription.recording import Recording, as_waveform
from wav2vec2_tf.utils.errors import UserError


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_become_float32(dtype: type) -> None:
    checked = audio.check_waveform(np.array([0, 0.5, -1], dtype), 16000)
    assert checked.dtype == np.float32
    np.testing.assert_array_equal(checked, [0, 0.5, -1])
    np.testing.assert_array_equal(audio.check_waveform([0.0, 0.5, -1.0]), checked)


def test_a_valid_array_is_not_copied() -> None:
    speech = np.zeros(100, np.float32)
    assert audio.check_waveform(speech) is speech


@pytest.mark.parametrize(
    ("speech", "rate", "message"),
    [
        (np.zeros(100), 44100, "sampling_rate must be 16000 Hz, got 44100: resample"),
        (np.zeros((2, 16000)), None, r"mono.* got \(2, 16000\): average .*\.mean\(axis=0\)"),
        (np.zeros((16000, 2)), None, r"mono.* got \(16000, 2\): average .*\.mean\(axis=1\)"),
        (np.zeros((2, 3, 100)), None, r"mono.* got \(2, 3, 100\): pass one recording"),
        (np.float32(0), None, r"mono.* got \(\)"),
        (np.zeros(100, np.int16), None, "floating-point numbers, got int16: divide it by 32768"),
        (np.zeros(100, np.uint8), None, "floating-point numbers, got uint8"),
        (np.zeros(100, np.complex64), None, "floating-point numbers, got complex64"),
        (["a", "b"], None, "floating-point numbers, got <U1"),
        ([[0.0], [0.0, 0.5]], None, "floating-point numbers, got object"),
        (None, None, "floating-point numbers, got object"),
        ([], None, "must have samples, got none"),
        ([0.0, np.nan], None, "finite, got nan at sample 1"),
        ([0.0, 0.0, -np.inf, np.nan], None, "finite, got -inf at sample 2"),
        ([1e300], None, "finite, got inf at sample 0"),
    ],
)
def test_anything_else_is_one_clear_error(speech: Any, rate: int | None, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        audio.check_waveform(speech, rate)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "entry",
    [
        audio.normalize,
        FeatureExtractor(),
        LogMelFeatureExtractor(),
        lambda speech: FeatureExtractor()([np.zeros(800), speech], padding=True),
        Recording.of,
        as_waveform,
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whatever_takes_an_array_refuses_nan(entry: Any, value: float, dtype: type) -> None:
    """One NaN would make all of it NaN, and the text empty."""
    speech = np.zeros(1600, dtype)
    speech[700] = value
    with pytest.raises(UserError, match="speech must be finite, got"):
        entry(speech)
