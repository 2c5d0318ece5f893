"""Tensors in files, whose values are read on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LazyTensor:
    """Shape and dtype of a tensor in a checkpoint, and a function that reads its values."""

    shape: tuple[int, ...]
    dtype: np.dtype  # bfloat16 is ml_dtypes'
    # () → a new contiguous array in native byte order; UserError if the file's bytes are damaged
    read: Callable[[], np.ndarray]


def quoted(name: object) -> str:
    """Returns a name from a file as one-line errors show it: printable, short, in quotes."""
    text = name if isinstance(name, str) else f"<{type(name).__name__}>"
    return ascii(text if len(text) <= 100 else text[:100] + "…")
