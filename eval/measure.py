"""The measurement: a recognizer and a corpus in, errors by padding mode out.

`padded` cuts and zero-pads to a fixed length and tells the model nothing about it, as the
published SavedModels were used; `masked` does the same and passes the lengths; `variable` takes
every utterance whole, padded to a bucket, with its length. jiwer counts the errors.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Any, Protocol

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar, write

from .versions import versions_of

if TYPE_CHECKING:
    import numpy as np

    from wav2vec2_tf.data.corpus import Corpus

    from .journal import Journal

BAND_EDGES = (5, 10, 20, 30, 60)  # seconds; the fixed length is one more
PACKAGES = ("wav2vec2-tf", "tensorflow", "keras", "numpy", "jiwer", "soundfile", "datasets")


class Recognizer(Protocol):
    """What a measurement needs of `wav2vec2_tf.transcription.recognizer.Recognizer`."""

    @property
    def fixed_length(self) -> int | None: ...

    @property
    def takes_lengths(self) -> bool: ...

    @property
    def minimum_length(self) -> int: ...

    @property
    def characters(self) -> frozenset[str]: ...

    def transcribe(
        self, speech: Sequence[np.ndarray], *, length: int, masked: bool
    ) -> Sequence[Any]: ...


@dataclass(frozen=True)
class Row:
    """One utterance in one mode."""

    mode: str
    id: str
    seconds: float
    fits: bool  # no longer than the fixed length
    truncated: bool  # longer, and cut to it
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
    audio_seconds: float  # of whole utterances, also where they were cut

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Counts:
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
    """The utterances longer than `above` and no longer than `upto` seconds."""

    above: float
    upto: float | None
    counts: Counts

    @property
    def name(self) -> str:
        return f"> {self.above:g} s" if self.upto is None else f"{self.above:g} to {self.upto:g} s"


@dataclass(frozen=True)
class ModeResult:
    """One mode over the corpus."""

    mode: str
    rows: tuple[Row, ...]  # in corpus order
    bands: tuple[Band, ...]
    shapes: tuple[tuple[int, int], ...]  # distinct (batch, samples) the model was called with
    compute_seconds: float  # in the recognizer: normalising, model, decoding
    first_call_seconds: float  # the part of it in the first call at each shape: compilation

    @property
    def counts(self) -> Counts:
        return Counts.of(self.rows)

    @property
    def fitting(self) -> Counts:
        """Over the utterances that no mode cuts."""
        return Counts.of(row for row in self.rows if row.fits)

    @property
    def rtfx(self) -> float:
        """Seconds of audio a second of computing."""
        return self.counts.audio_seconds / self.compute_seconds


@dataclass(frozen=True)
class Evaluation:
    """Everything one run found out."""

    model: str
    data: str
    length: int  # samples, of the modes with a fixed length
    options: dict[str, Any]
    versions: dict[str, str]
    letters: str  # what references and hypotheses were turned into: upper, lower or unchanged
    unspellable: dict[str, int]  # characters of the references that the model has no token for
    failed: dict[str, str]  # id → reason
    modes: dict[str, ModeResult]


# Measuring


@dataclass(frozen=True)
class Speech:
    """The audio of one utterance."""

    id: str
    samples: np.ndarray


@dataclass(frozen=True)
class Task:
    """A batch to transcribe: its utterances, and what fills it up."""

    group: Sequence[Speech]
    speech: Sequence[np.ndarray]
    length: int
    masked: bool


@dataclass(frozen=True)
class Heard:
    """What came of it."""

    texts: Sequence[str]
    seconds: float  # of computing
    first: bool  # of its shape in its process


Engine = Callable[[Iterable[Task]], Iterator[tuple[Task, Heard]]]
"""Where batches are computed: tasks, of which it takes few at a time → each with its result, in
their order."""


def here(recognizer: Recognizer) -> Engine:
    """In this process, one after another."""

    def results(tasks: Iterable[Task]) -> Iterator[tuple[Task, Heard]]:
        called: set[int] = set()
        for task in tasks:
            yield task, hear(recognizer, task, first=task.length not in called)
            called.add(task.length)

    return results


def hear(recognizer: Recognizer, task: Task, *, first: bool) -> Heard:
    """Transcribe a batch."""
    start = time.perf_counter()
    found = recognizer.transcribe(task.speech, length=task.length, masked=task.masked)
    return Heard([text.text for text in found], time.perf_counter() - start, first)


def evaluate(
    recognizer: Recognizer,
    corpus: Corpus,
    journal: Journal,
    *,
    modes: Sequence[str],
    length: int,
    bucket: Callable[[int], int],
    batch_size: int = 8,
    limit: int | None = None,
    model: str = "",
    options: dict[str, Any] | None = None,
    engine: Engine | None = None,
) -> Evaluation:
    """Measures `recognizer` on the first `limit` utterances of `corpus`, in each of `modes`.

    Its batches are computed by `engine`; in this process, if there is none.

    `length` (samples) is that of `padded` and `masked`; `bucket` gives the padded length of an
    utterance in `variable`. Batches in `journal` are not computed again; new ones are added to it.
    An utterance without reference text or usable audio is left out of every mode and named in
    `failed`; UserError is raised if none is left.
    """
    letters = letter_case(recognizer.characters)
    references = {
        key: normalise(text, letters) for key, text in islice(corpus.texts.items(), limit)
    }
    failed = {key: "empty reference text" for key, text in references.items() if not text}
    for key, reason in failed.items():
        say(f"left out: {key!r}: {reason}")
    unspellable = _unspellable(references.values(), recognizer.characters)
    if unspellable:
        listed = ", ".join(f"{character!r} ({n})" for character, n in unspellable.items())
        say(f"warning: references have characters that the model cannot spell: {listed}")
    rows = max(1, min(batch_size, len(references) - len(failed)))
    engine = engine or here(recognizer)

    for mode in modes:
        done = {key for batch in journal.batches if batch.mode == mode for key in batch.texts}
        size = bucket if mode == "variable" else lambda samples: length
        speech = listen(recognizer, corpus, references, done, failed, size)
        tasks = _tasks(batches(speech, rows, size), rows, masked=mode != "padded")
        _compute(engine, mode, tasks, journal, len(references))
    references = {key: text for key, text in references.items() if key not in failed}
    if not references:
        key, reason = next(iter(failed.items()))
        raise UserError(f"{corpus.source}: no utterance could be evaluated ({key!r}: {reason})")
    return Evaluation(
        model=model,
        data=corpus.source,
        length=length,
        options=options or {},
        versions=versions_of(PACKAGES),
        letters=letters,
        unspellable=unspellable,
        failed=failed,
        modes={mode: _result(mode, journal, references, length, letters) for mode in modes},
    )


def letter_case(characters: Iterable[str]) -> str:
    """The case of a model's letters: `upper`, `lower`, or `unchanged` if it has both or neither."""
    characters = list(characters)
    upper = any(character != character.lower() for character in characters)
    lower = any(character != character.upper() for character in characters)
    if upper == lower:
        return "unchanged"
    return "upper" if upper else "lower"


def normalise(text: str, letters: str) -> str:
    """Text in the case of `letter_case`, its whitespace collapsed; nothing else is changed."""
    text = " ".join(text.split())
    if letters == "upper":
        return text.upper()
    return text.lower() if letters == "lower" else text


def _unspellable(texts: Iterable[str], characters: Collection[str]) -> dict[str, int]:
    counts = Counter(chain.from_iterable(texts))
    return {c: n for c, n in counts.most_common() if c != " " and c not in characters}


def listen(
    recognizer: Recognizer,
    corpus: Corpus,
    wanted: Collection[str],
    done: Collection[str],
    failed: dict[str, str],
    size: Callable[[int], int],
) -> Iterator[Speech]:
    """Loads the wanted utterances that are not done; the unusable go to `failed`."""
    import numpy as np

    for utterance in islice(corpus, len(wanted)):
        if utterance.id in done or utterance.id in failed:
            continue
        try:
            samples = utterance.load()
            if not np.isfinite(samples).all():
                raise UserError("the audio has samples that are not finite")
            if len(samples) < recognizer.minimum_length:
                raise UserError(
                    f"the audio is shorter than one frame: {len(samples)} samples, the model "
                    f"needs {recognizer.minimum_length}"
                )
            size(len(samples))  # refuses what is too long for any bucket
        except (UserError, OSError) as error:
            failed[utterance.id] = str(error)
            say(f"left out: {utterance.id!r}: {error}")
            continue
        yield Speech(utterance.id, samples)


def batches(
    speech: Iterable[Speech], rows: int, size: Callable[[int], int]
) -> Iterator[tuple[int, list[Speech]]]:
    """Groups utterances of the same padded length: (padded length, at most `rows` utterances).

    Only what is waiting for its batch is held in memory. What is left of the groups at the end is
    put together, longest first, so that few batches have rows to fill. Leaving out the utterances
    of any first few batches changes nothing about the others: an interrupted run goes on with the
    very batches it would have had.
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


def _tasks(
    groups: Iterable[tuple[int, list[Speech]]], rows: int, *, masked: bool
) -> Iterator[Task]:
    for length, group in groups:
        # filled to the same number of rows: one shape fewer to compile
        filler = min(group, key=lambda one: len(one.samples))
        speech = [one.samples for one in group + [filler] * (rows - len(group))]
        yield Task(group, speech, length, masked)


def _compute(
    engine: Engine, mode: str, tasks: Iterable[Task], journal: Journal, total: int
) -> None:
    from .journal import Batch

    finished = [batch for batch in journal.batches if batch.mode == mode]
    audio = sum(sum(batch.samples.values()) for batch in finished) / SAMPLE_RATE
    computing = sum(batch.seconds for batch in finished)
    done = sum(len(batch.texts) for batch in finished)
    with ProgressBar(mode, total, "utterance", done=done, desc=f"{mode:8}") as bar:
        for task, heard in engine(tasks):
            keys = [one.id for one in task.group]
            journal.add(
                Batch(
                    mode=mode,
                    shape=(len(task.speech), task.length),
                    seconds=heard.seconds,
                    first=heard.first,
                    samples={one.id: len(one.samples) for one in task.group},
                    texts=dict(zip(keys, heard.texts, strict=False)),
                )
            )
            computing += heard.seconds
            audio += sum(len(one.samples) for one in task.group) / SAMPLE_RATE
            bar.update(len(keys), f"RTFx {audio / computing:.1f}")


def _result(
    mode: str, journal: Journal, references: dict[str, str], length: int, letters: str
) -> ModeResult:
    finished = [batch for batch in journal.batches if batch.mode == mode]
    samples = {key: n for batch in finished for key, n in batch.samples.items()}
    texts = {key: normalise(t, letters) for batch in finished for key, t in batch.texts.items()}
    rows = tuple(
        score(mode, key, samples[key], length, reference, texts[key])
        for key, reference in references.items()
    )
    return ModeResult(
        mode=mode,
        rows=rows,
        bands=duration_bands(rows, length),
        shapes=tuple(sorted({batch.shape for batch in finished})),
        compute_seconds=sum(batch.seconds for batch in finished),
        first_call_seconds=sum(batch.seconds for batch in finished if batch.first),
    )


def score(mode: str, key: str, samples: int, length: int, reference: str, hypothesis: str) -> Row:
    """Counts one utterance's errors with jiwer; `reference` must not be empty."""
    import jiwer

    words = jiwer.process_words([reference], [hypothesis])
    characters = jiwer.process_characters([reference], [hypothesis])
    fits = samples <= length
    return Row(
        mode=mode,
        id=key,
        seconds=samples / SAMPLE_RATE,
        fits=fits,
        truncated=mode != "variable" and not fits,
        reference=reference,
        hypothesis=hypothesis,
        words=words.hits + words.substitutions + words.deletions,
        substitutions=words.substitutions,
        deletions=words.deletions,
        insertions=words.insertions,
        characters=characters.hits + characters.substitutions + characters.deletions,
        character_errors=characters.substitutions + characters.deletions + characters.insertions,
    )


def duration_bands(rows: Sequence[Row], length: int) -> tuple[Band, ...]:
    """The bands of duration that have utterances; the fixed length (samples) is a border."""
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


def say(line: str) -> None:
    """A line on standard error that leaves a progress bar whole."""
    write(f"{line}\n", sys.stderr)
