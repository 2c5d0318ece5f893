"""The weights of a beam search that give the fewest errors on a corpus: `eval wer --lm … --tune`.

The model runs once; its output is kept in memory and searched with each pair of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, NamedTuple

from wav2vec2_tf.text.spelling import letter_case
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

from .batches import groups, load_speech, normalize, references_of
from .inputs import fit_to_model, load_recognizer, open_data
from .options import PADDED, PUBLISHED, VARIABLE, EvaluateOptions, TuneOptions
from .tables import Table

if TYPE_CHECKING:
    import numpy as np

    from wav2vec2_tf.data.corpus import Corpus
    from wav2vec2_tf.text.beam_search import BeamSearch
    from wav2vec2_tf.transcription.recognizer import Recognizer


class Emission(NamedTuple):
    """The transcript of one utterance and the output of the model."""

    reference: str
    log_probabilities: np.ndarray
    """(frames, vocab) float32"""


class Point(NamedTuple):
    """A pair of weights and its word error rate."""

    lm_weight: float
    word_score: float
    wer: float


@dataclass(frozen=True)
class Tuning:
    """The whole grid."""

    mode: str
    """The padding mode of the model's output."""
    utterances: int
    words: int
    greedy: float
    """WER of greedy decoding."""
    points: tuple[Point, ...]

    @property
    def best(self) -> Point:
        """The point of the lowest WER; among equals, the one with the smallest weights."""
        return min(self.points, key=lambda p: (p.wer, abs(p.lm_weight), abs(p.word_score)))


def tune(
    model: str | PathLike[str],
    corpus: str | PathLike[str] | Corpus,
    options: EvaluateOptions,
    grid: TuneOptions | None = None,
) -> Tuning:
    """Measures a beam search with each pair of weights, in the last of the padding modes.

    Args:
        model: a name as `Recognizer.load` takes it.
        corpus: a name as `open_corpus` takes it, or a `Corpus`.
        options: `beam_search` must name a language model.
        grid: the weights to try.

    Raises:
        UserError: model, corpus or language model cannot be used.
    """
    from wav2vec2_tf.models.lengths import bucket

    corpus = open_data(corpus, options)
    recognizer = load_recognizer(model, options)
    modes, length = fit_to_model(fspath(model), recognizer, options)
    mode = modes[-1]
    if mode == PUBLISHED:
        raise UserError("weights are tuned in a padding mode: leave published out of the modes")
    found = emissions(
        recognizer,
        corpus,
        size=bucket if mode == VARIABLE else lambda samples: length,
        masked=mode != PADDED,
        batch_size=options.batch_size,
        limit=options.limit,
    )
    return search_grid(found, recognizer, recognizer.decoder, grid or TuneOptions(), mode)


def emissions(
    recognizer: Recognizer,
    corpus: Corpus,
    *,
    size: Callable[[int], int],
    masked: bool,
    batch_size: int,
    limit: int | None,
) -> list[Emission]:
    """Returns the model's output for the first `limit` utterances that can be used.

    Args:
        recognizer: the model.
        corpus: the utterances.
        size: samples of an utterance → samples that it is cut or padded to.
        masked: whether to give the model the lengths.
        batch_size: rows of a batch.
        limit: None for all utterances.

    Raises:
        UserError: none can be used.
    """
    from wav2vec2_tf.text import ctc

    texts, failed = references_of(corpus, letter_case(recognizer.characters), limit)
    found = []
    with ProgressBar("model", len(texts), "utterance", desc="model") as bar:
        speech = load_speech(recognizer, corpus, texts, (), failed, size)
        for padded, group in groups(speech, batch_size, size):
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


def search_grid(
    found: Sequence[Emission],
    recognizer: Recognizer,
    search: BeamSearch,
    grid: TuneOptions,
    mode: str = VARIABLE,
) -> Tuning:
    """Searches the outputs with each pair of weights; all else is as in `search`."""
    import jiwer

    letters = letter_case(recognizer.characters)
    references = [one.reference for one in found]

    def wer(texts: Iterator[str]) -> float:
        return float(jiwer.wer(references, [normalize(text, letters) for text in texts]))

    greedy = replace(recognizer, decoder=None)
    pairs = list(product(grid.lm_weights, grid.word_scores))
    points = []
    total = len(pairs) * len(found)
    with ProgressBar("search", total, "utterance", desc="search") as bar:

        def texts(decoder: BeamSearch) -> Iterator[str]:
            for one in found:
                yield decoder(one.log_probabilities, recognizer.seconds_per_frame).text
                bar.update()

        for lm_weight, word_score in pairs:
            weighted = replace(search, lm_weight=lm_weight, word_score=word_score)
            points.append(Point(lm_weight, word_score, wer(texts(weighted))))
            best = min(point.wer for point in points)
            bar.update(0, f"best WER {100 * best:.2f} %")
    return Tuning(
        mode=mode,
        utterances=len(found),
        words=sum(len(reference.split()) for reference in references),
        greedy=wer(greedy.decode(one.log_probabilities).text for one in found),
        points=tuple(points),
    )


def grid_table(tuning: Tuning) -> Table:
    """Returns the WER: a row for each weight of the language model, a column for each score."""
    word_scores = list(dict.fromkeys(point.word_score for point in tuning.points))
    rows: dict[float, list[str]] = {}
    for point in tuning.points:
        mark = "*" if point == tuning.best else ""
        row = rows.setdefault(point.lm_weight, [f"{point.lm_weight:g}"])
        row.append(f"{mark}{100 * point.wer:.2f}")
    header = ["lm weight", *(f"word score {score:g}" for score in word_scores)]
    return header, list(rows.values())


def to_json(tuning: Tuning) -> dict[str, Any]:
    """Returns the grid and its best point."""
    return {
        "utterances": tuning.utterances,
        "words": tuning.words,
        "greedy_wer": tuning.greedy,
        "best": tuning.best._asdict(),
        "points": [point._asdict() for point in tuning.points],
    }
