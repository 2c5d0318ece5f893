"""Transcripts: words and characters with times and confidences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Character:
    """One character of a transcript."""

    text: str
    start: float
    """Seconds."""
    end: float
    """Seconds."""
    confidence: float
    """Probability at its best frame, 0 to 1."""


@dataclass(frozen=True)
class Word:
    """One word of a transcript."""

    text: str
    start: float
    """Seconds."""
    end: float
    """Seconds."""
    confidence: float
    """Mean confidence of its characters, 0 to 1."""
    characters: tuple[Character, ...] = ()


@dataclass(frozen=True)
class Transcript:
    """The text of a recording, and its words."""

    text: str
    words: tuple[Word, ...]


class Decoder(Protocol):
    """A function from the log-probabilities of one recording to its transcript."""

    def __call__(self, log_probabilities: np.ndarray, seconds_per_frame: float) -> Transcript:
        """Decodes float32 natural logarithms `(frames, vocab)`."""
