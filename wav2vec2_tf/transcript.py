"""What was said and when: words and characters with times and confidences."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Character:
    text: str
    start: float
    """Seconds."""
    end: float
    """Seconds."""
    confidence: float
    """Probability at its best frame, 0 to 1."""


@dataclass(frozen=True)
class Word:
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
    text: str
    words: tuple[Word, ...]
