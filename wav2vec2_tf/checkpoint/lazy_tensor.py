"""A tensor in a file, read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LazyTensor:
    """What a checkpoint's header says of one tensor, and the way to its values."""

    shape: tuple[int, ...]
    dtype: np.dtype  # bfloat16 is ml_dtypes'
    # () → a new contiguous array in native byte order; UserError if the file's bytes are damaged
    read: Callable[[], np.ndarray]


def quoted(name: object) -> str:
    """A name taken from a file, fit for a one-line message: printable, short, in quotes."""
    text = name if isinstance(name, str) else f"<{type(name).__name__}>"
    return ascii(text if len(text) <= 100 else text[:100] + "…")
