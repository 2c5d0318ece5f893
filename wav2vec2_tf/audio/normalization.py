"""Zero mean and unit variance: how waveforms are scaled for models."""

from __future__ import annotations

from typing import Any

import numpy as np

from wav2vec2_tf.utils.errors import UserError

VARIANCE_EPSILON = 1e-7  # as transformers has it


def normalize(speech: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance over all of `speech`, as transformers does: float32, same shape.

    The epsilon beside the variance keeps silence finite.
    """
    speech = as_float(speech)
    normalized: np.ndarray = (speech - speech.mean()) / np.sqrt(speech.var() + VARIANCE_EPSILON)
    return normalized.astype(np.float32, copy=False)


def as_float(speech: Any) -> np.ndarray:
    """float32; integers become float64, since their squares would lose digits."""
    array = np.asarray(speech)
    if array.dtype.kind not in "fiu":
        raise UserError(f"speech must be numbers, not {array.dtype}; load files with audio.load")
    return array.astype(np.float32 if array.dtype.kind == "f" else np.float64, copy=False)
