"""The weights of a beam search that give the fewest errors on a corpus: `eval wer --lm … --tune`.

The model runs once; its output is kept in memory and searched with each pair of weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import TYPE_CHECKING, Any, NamedTuple

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

from .measure import batches, letter_case, listen, normalise, say

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from wav2vec2_tf.data.corpus import Corpus
    from wav2vec2_tf.text.beam_search import BeamSearch
    from wav2vec2_tf.transcription.recognizer import Recognizer


class Emission(NamedTuple):
    """One utterance as the model hears it."""

    reference: str
    log_probabilities: np.ndarray
    """(frames, vocab) float32"""


class Point(NamedTuple):
    """A pair of weights and what it gives."""

    lm_weight: float
    word_score: float
    wer: float


@dataclass(frozen=True)
class Tuning:
    """The whole grid."""

    utterances: int
    words: int
    greedy: float
    """WER without a search."""
    points: tuple[Point, ...]

    @property
    def best(self) -> Point:
        """That of the lowest WER; among equals, that which trusts the model most."""
        return min(self.points, key=lambda p: (p.wer, abs(p.lm_weight), abs(p.word_score)))


def emissions(
    recognizer: Recognizer,
    corpus: Corpus,
    *,
    length: int | None,
    masked: bool,
    bucket: Callable[[int], int],
    batch_size: int,
    limit: int | None,
) -> list[Emission]:
    """The model's output for the first `limit` utterances that can be used.

    Args:
        length: samples that each is cut and padded to; None for whole utterances.
        masked: give the model the lengths.

    Raises:
        UserError: none can be used.
    """
    from wav2vec2_tf.text import ctc

    letters = letter_case(recognizer.characters)
    texts = {key: normalise(text, letters) for key, text in islice(corpus.texts.items(), limit)}
    failed = {key: "empty reference text" for key, text in texts.items() if not text}
    for key, reason in failed.items():
        say(f"left out: {key!r}: {reason}")
    size = bucket if length is None else lambda samples: length
    found = []
    with ProgressBar("model", len(texts), "utterance", desc="model") as bar:
        speech = listen(recognizer, corpus, texts, (), failed, size)
        for padded, group in batches(speech, batch_size, size):
            rows = recognizer.emit([one.samples for one in group], length=padded, masked=masked)
            found += [
                Emission(texts[one.id], ctc.log_softmax(logits))
                for one, logits in zip(group, rows, strict=True)
            ]
            bar.update(len(group))
    if not found:
        key, reason = next(iter(failed.items()))
        raise UserError(f"{corpus.source}: no utterance could be used ({key!r}: {reason})")
    return found


def tune(
    said: Sequence[Emission],
    recognizer: Recognizer,
    search: BeamSearch,
    lm_weights: Sequence[float],
    word_scores: Sequence[float],
) -> Tuning:
    """Search `said` with each pair of weights, all else as in `search`."""
    import jiwer

    letters = letter_case(recognizer.characters)
    references = [one.reference for one in said]

    def wer(texts: Iterator[str]) -> float:
        return float(jiwer.wer(references, [normalise(text, letters) for text in texts]))

    greedy = replace(recognizer, decoder=None)
    pairs = list(product(lm_weights, word_scores))
    points = []
    total = len(pairs) * len(said)
    with ProgressBar("search", total, "utterance", desc="search") as bar:

        def texts(decoder: BeamSearch) -> Iterator[str]:
            for one in said:
                yield decoder(one.log_probabilities, recognizer.seconds_per_frame).text
                bar.update()

        for lm_weight, word_score in pairs:
            weighted = replace(search, lm_weight=lm_weight, word_score=word_score)
            points.append(Point(lm_weight, word_score, wer(texts(weighted))))
            best = min(point.wer for point in points)
            bar.update(0, f"best WER {100 * best:.2f} %")
    return Tuning(
        utterances=len(said),
        words=sum(len(reference.split()) for reference in references),
        greedy=wer(greedy.decode(one.log_probabilities).text for one in said),
        points=tuple(points),
    )


def figures(tuning: Tuning) -> tuple[list[str], list[list[str]]]:
    """WER: a row a weight of the language model, a column a word score."""
    word_scores = list(dict.fromkeys(point.word_score for point in tuning.points))
    rows: dict[float, list[str]] = {}
    for point in tuning.points:
        mark = "*" if point == tuning.best else ""
        row = rows.setdefault(point.lm_weight, [f"{point.lm_weight:g}"])
        row.append(f"{mark}{100 * point.wer:.2f}")
    header = ["lm weight", *(f"word score {score:g}" for score in word_scores)]
    return header, list(rows.values())


def to_json(tuning: Tuning) -> dict[str, Any]:
    """The grid and the best of it."""
    return {
        "utterances": tuning.utterances,
        "words": tuning.words,
        "greedy_wer": tuning.greedy,
        "best": tuning.best._asdict(),
        "points": [point._asdict() for point in tuning.points],
    }
