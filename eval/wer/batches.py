"""Utterances of a corpus → batches of one shape → transcripts."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol

from wav2vec2_tf.text.spelling import to_case
from wav2vec2_tf.utils.errors import UserError

from ..console import log

if TYPE_CHECKING:
    import numpy as np

    from wav2vec2_tf.data.corpus import Corpus


class Recognizer(Protocol):
    """The part of `wav2vec2_tf.Recognizer` that an evaluation uses."""

    @property
    def fixed_length(self) -> int | None:
        """Samples that the model was exported at, if it takes one length only."""

    @property
    def takes_lengths(self) -> bool:
        """Whether the model can be given lengths."""

    @property
    def minimum_length(self) -> int:
        """Samples of one frame."""

    @property
    def characters(self) -> frozenset[str]:
        """Characters that the vocabulary can spell."""

    def transcribe(
        self, speech: Sequence[np.ndarray], *, length: int, masked: bool
    ) -> Sequence[Any]:
        """Returns an object with a `text` for each (samples,) speech."""


@dataclass(frozen=True)
class Speech:
    """The audio of one utterance, (samples,) at 16 kHz."""

    id: str
    samples: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Utterances to transcribe in one call."""

    utterances: Sequence[Speech]
    speech: Sequence[np.ndarray]
    """Those of the utterances, and repeated ones that fill the batch."""
    length: int
    """Samples that each is padded to."""
    masked: bool


@dataclass(frozen=True)
class Transcripts:
    """The result of one batch."""

    texts: Sequence[str]
    seconds: float
    """Computing time."""
    first: bool
    """The first call at its shape in its process, which compiles."""


Engine = Callable[[Iterable[Batch]], Iterator[tuple[Batch, Transcripts]]]
"""Computes batches: takes few at a time and yields each with its result, in their order."""


def local_engine(recognizer: Recognizer) -> Engine:
    """Returns an engine that computes in this process, one batch after another."""

    def results(batches: Iterable[Batch]) -> Iterator[tuple[Batch, Transcripts]]:
        called: set[int] = set()
        for batch in batches:
            yield batch, transcribe(recognizer, batch, first=batch.length not in called)
            called.add(batch.length)

    return results


def transcribe(recognizer: Recognizer, batch: Batch, *, first: bool) -> Transcripts:
    """Transcribes a batch and measures the time."""
    start = time.perf_counter()
    found = recognizer.transcribe(batch.speech, length=batch.length, masked=batch.masked)
    return Transcripts([text.text for text in found], time.perf_counter() - start, first)


# References


def normalize(text: str, case: str) -> str:
    """Returns text in the case that `text.spelling.letter_case` found, single-spaced."""
    return to_case(" ".join(text.split()), case)


def references_of(
    corpus: Corpus, case: str, limit: int | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns normalized transcripts by id, and the reasons why some ids are skipped.

    Args:
        corpus: its first utterances are used.
        case: the case of the vocabulary's letters; see `text.spelling.letter_case`.
        limit: how many utterances; None for all.
    """
    references = {key: normalize(text, case) for key, text in islice(corpus.texts.items(), limit)}
    failed: dict[str, str] = {}
    for key, text in references.items():
        if not text:
            _skip(failed, key, "empty reference text")
    return references, failed


def unspellable(texts: Iterable[str], characters: Collection[str]) -> dict[str, int]:
    """Counts the characters of `texts` that are not in `characters`, the commonest first."""
    counts = Counter(chain.from_iterable(texts))
    return {c: n for c, n in counts.most_common() if c != " " and c not in characters}


def _skip(failed: dict[str, str], key: str, reason: str) -> None:
    failed[key] = reason
    log(f"skipped {key!r}: {reason}")


# Speech


def load_speech(
    recognizer: Recognizer,
    corpus: Corpus,
    wanted: Collection[str],
    done: Collection[str],
    failed: dict[str, str],
    size: Callable[[int], int],
) -> Iterator[Speech]:
    """Loads utterances one by one; those that cannot be used are added to `failed`.

    Args:
        recognizer: gives the shortest length that is allowed.
        corpus: its first `len(wanted)` utterances are loaded.
        wanted: ids of all utterances.
        done: ids that are not loaded.
        failed: ids that are not loaded → reason.
        size: samples → padded samples; raises `UserError` for what is too long.
    """
    import numpy as np

    for utterance in islice(corpus, len(wanted)):
        if utterance.id in done or utterance.id in failed:
            continue
        try:
            samples = utterance.load()
            if not np.isfinite(samples).all():
                raise UserError("the audio has samples that are NaN or infinite")
            if len(samples) < recognizer.minimum_length:
                raise UserError(
                    f"the audio is shorter than one frame: {len(samples)} samples, the model "
                    f"needs {recognizer.minimum_length}"
                )
            size(len(samples))
        except (UserError, OSError) as error:
            _skip(failed, utterance.id, str(error))
            continue
        yield Speech(utterance.id, samples)


def groups(
    speech: Iterable[Speech], rows: int, size: Callable[[int], int]
) -> Iterator[tuple[int, list[Speech]]]:
    """Yields utterances of the same padded length: (padded length, at most `rows` utterances).

    Only utterances that wait for their batch are held in memory. Incomplete groups are pooled at
    the end, longest first, so that few batches have rows to fill. Dropping the utterances of any
    first few batches does not change the others: an interrupted run continues with the same
    batches.
    """
    waiting: dict[int, list[tuple[int, Speech]]] = defaultdict(list)
    for place, one in enumerate(speech):
        length = size(len(one.samples))
        waiting[length].append((place, one))
        if len(waiting[length]) == rows:
            yield length, [one for _, one in waiting.pop(length)]
    left = sorted(
        chain.from_iterable(waiting.values()), key=lambda item: (-len(item[1].samples), item[0])
    )
    for start in range(0, len(left), rows):
        group = [one for _, one in left[start : start + rows]]
        yield size(len(group[0].samples)), group


def full_batches(
    grouped: Iterable[tuple[int, list[Speech]]], rows: int, *, masked: bool
) -> Iterator[Batch]:
    """Yields batches of exactly `rows` rows, so that there is one shape fewer to compile."""
    for length, group in grouped:
        filler = min(group, key=lambda one: len(one.samples))
        speech = [one.samples for one in group + [filler] * (rows - len(group))]
        yield Batch(group, speech, length, masked)
