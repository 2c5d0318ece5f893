"""Makes audio files in memory."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import soundfile


def tone(seconds: float, rate: int, hertz: float = 1000.0) -> np.ndarray:
    """Returns a sine of amplitude 0.5, `(samples,)`."""
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def encoded(samples: np.ndarray, rate: int, **options: Any) -> bytes:
    """Returns samples as a file, which is a WAV unless soundfile's options say otherwise."""
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, **{"format": "WAV", **options})
    return stream.getvalue()
