"""Results of an evaluation: errors of each utterance, and their sums by mode and duration.

jiwer counts the errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from wav2vec2_tf.audio import SAMPLE_RATE

from .options import VARIABLE

BAND_EDGES = (5, 10, 20, 30, 60)  # seconds; the fixed length is one more


@dataclass(frozen=True)
class UtteranceResult:
    """One utterance in one mode."""

    mode: str
    id: str
    seconds: float
    fits: bool
    """No longer than the fixed length."""
    truncated: bool
    """Longer than the fixed length, and cut to it."""
    reference: str
    hypothesis: str
    words: int
    substitutions: int
    deletions: int
    insertions: int
    characters: int
    character_errors: int

    @property
    def errors(self) -> int:
        """Substituted, deleted and inserted words."""
        return self.substitutions + self.deletions + self.insertions


@dataclass(frozen=True)
class Counts:
    """Sums over utterances."""

    utterances: int
    truncated: int
    words: int
    substitutions: int
    deletions: int
    insertions: int
    characters: int
    character_errors: int
    audio_seconds: float
    """Audio of whole utterances, also where they were cut."""

    @classmethod
    def of(cls, rows: Iterable[UtteranceResult]) -> Counts:
        """Returns the sums of `rows`."""
        rows = list(rows)
        return cls(
            utterances=len(rows),
            truncated=sum(row.truncated for row in rows),
            words=sum(row.words for row in rows),
            substitutions=sum(row.substitutions for row in rows),
            deletions=sum(row.deletions for row in rows),
            insertions=sum(row.insertions for row in rows),
            characters=sum(row.characters for row in rows),
            character_errors=sum(row.character_errors for row in rows),
            audio_seconds=sum(row.seconds for row in rows),
        )

    @property
    def wer(self) -> float | None:
        """(substitutions + deletions + insertions) / words; None over no utterances."""
        errors = self.substitutions + self.deletions + self.insertions
        return errors / self.words if self.words else None

    @property
    def cer(self) -> float | None:
        """The same over characters, spaces included."""
        return self.character_errors / self.characters if self.characters else None


@dataclass(frozen=True)
class Band:
    """Utterances longer than `above` and no longer than `upto` seconds."""

    above: float
    upto: float | None
    counts: Counts

    @property
    def name(self) -> str:
        """A title such as "5 to 10 s"."""
        return f"> {self.above:g} s" if self.upto is None else f"{self.above:g} to {self.upto:g} s"


@dataclass(frozen=True)
class ModeResult:
    """One mode over the corpus."""

    mode: str
    rows: tuple[UtteranceResult, ...]
    """In the order of the corpus."""
    bands: tuple[Band, ...]
    shapes: tuple[tuple[int, int], ...]
    """Distinct (batch, samples) the model was called with."""
    compute_seconds: float
    """Time in the recognizer: normalization, model, decoding."""
    first_call_seconds: float
    """The part of it in the first call at each shape, which includes compilation."""

    @property
    def counts(self) -> Counts:
        """Sums over all utterances."""
        return Counts.of(self.rows)

    @property
    def fitting(self) -> Counts:
        """Sums over the utterances that no mode cuts."""
        return Counts.of(row for row in self.rows if row.fits)

    @property
    def rtfx(self) -> float:
        """Seconds of audio per second of computing."""
        return self.counts.audio_seconds / self.compute_seconds


@dataclass(frozen=True)
class Evaluation:
    """All results of one run."""

    model: str
    data: str
    length: int
    """Samples, in the modes with a fixed length."""
    options: dict[str, Any]
    versions: dict[str, str]
    letters: str
    """Case of references and hypotheses: upper, lower or unchanged."""
    unspellable: dict[str, int]
    """Characters of the references that the model has no token for → count."""
    failed: dict[str, str]
    """Ids of skipped utterances → reason."""
    modes: dict[str, ModeResult]


def score(
    mode: str, id: str, samples: int, length: int, reference: str, hypothesis: str
) -> UtteranceResult:
    """Counts the errors of one utterance; `reference` must not be empty.

    Args:
        mode: one of `options.MODES`.
        id: the utterance's.
        samples: the utterance's, at 16 kHz.
        length: samples of the modes with a fixed length.
        reference: the transcript of the corpus, normalized.
        hypothesis: the model's, normalized in the same way.
    """
    import jiwer

    words = jiwer.process_words([reference], [hypothesis])
    characters = jiwer.process_characters([reference], [hypothesis])
    fits = samples <= length
    return UtteranceResult(
        mode=mode,
        id=id,
        seconds=samples / SAMPLE_RATE,
        fits=fits,
        truncated=mode != VARIABLE and not fits,
        reference=reference,
        hypothesis=hypothesis,
        words=words.hits + words.substitutions + words.deletions,
        substitutions=words.substitutions,
        deletions=words.deletions,
        insertions=words.insertions,
        characters=characters.hits + characters.substitutions + characters.deletions,
        character_errors=characters.substitutions + characters.deletions + characters.insertions,
    )


def duration_bands(rows: Sequence[UtteranceResult], length: int) -> tuple[Band, ...]:
    """Returns the bands of duration that have utterances; `length` (samples) is an edge too."""
    fixed = length / SAMPLE_RATE
    near = [edge for edge in BAND_EDGES if abs(edge - fixed) >= 1]
    edges = [0.0, *sorted([*near, fixed]), None]
    bands = []
    for above, upto in pairwise(edges):
        assert above is not None  # only the last edge is open
        inside = [r for r in rows if r.seconds > above and (upto is None or r.seconds <= upto)]
        if inside:
            bands.append(Band(above, upto, Counts.of(inside)))
    return tuple(bands)
