"""Messages of the measuring programs."""

from __future__ import annotations

import sys

from wav2vec2_tf.utils.progress import write


def log(line: str) -> None:
    """Writes a line to standard error and leaves a progress bar there whole."""
    write(f"{line}\n", sys.stderr)
