"""`Utterance` and `Corpus`, which every source of speech becomes, and helpers of their readers.

An `Utterance` can be pickled, so that other processes can load it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import encodable, files_identity

if TYPE_CHECKING:
    import numpy as np

AUDIO_COLUMNS = ("audio", "path", "file", "audio_filepath")
TEXT_COLUMNS = ("text", "sentence", "transcript", "transcription")
EXAMPLES = 3
"""Number of ids that an error message lists."""


@dataclass(frozen=True)
class Utterance:
    """One recording and its transcript."""

    id: str
    text: str
    """The transcript as the corpus has it."""
    load: Callable[[], np.ndarray]
    """Returns the speech, float32 mono 16 kHz `(samples,)`; raises `UserError`."""
    samples: Callable[[], int]
    """Returns the number of samples that `load` returns, or one more: see `audio.count_samples`.
    Raises `UserError`."""


@dataclass(frozen=True)
class Corpus:
    """The utterances of one source, in a fixed order."""

    source: str
    """The name that the user gave."""
    kind: str
    texts: Mapping[str, str]
    """Transcript of each utterance by id, in the order of iteration."""
    identity: str
    """A digest that changes when the source does."""
    utterances: Callable[[], Iterator[Utterance]]
    streamed: bool = False
    """Whether the source is an archive: it must be read in order, and each utterance holds its
    audio in memory. Utterances of any other source can be listed, and loaded in any order and from
    several threads."""

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[Utterance]:
        return self.utterances()


class StoredAudio(Protocol):
    """Audio inside something else, such as a row of a data set, found when it is needed."""

    def audio(self) -> Path | bytes:
        """Returns the path or the content of the audio file."""


AudioLocation = Path | bytes | StoredAudio


def make_utterance(key: str, text: str, location: AudioLocation) -> Utterance:
    """Returns an utterance whose audio is at `location`."""
    return Utterance(key, text, partial(_load, location), partial(_count_samples, location))


def corpus_of_files(
    spec: str, kind: str, texts: dict[str, str], audio: Mapping[str, Path], files: Iterable[Path]
) -> Corpus:
    """Returns a corpus with one audio file for each id, in the order of `texts`.

    Args:
        spec: the corpus as the user named it.
        kind: a description of the source.
        texts: id → transcript.
        audio: id → audio file.
        files: all files that the corpus consists of; its identity depends on them.
    """

    def utterances() -> Iterator[Utterance]:
        for key, text in texts.items():
            yield make_utterance(key, text, audio[key])

    return Corpus(spec, kind, texts, files_identity(files), utterances)


def without_texts(corpus: Corpus) -> Corpus:
    """Returns the corpus with every transcript empty."""

    def utterances() -> Iterator[Utterance]:
        for utterance in corpus:
            yield replace(utterance, text="")

    texts, identity = dict.fromkeys(corpus.texts, ""), f"{corpus.identity} without texts"
    return replace(corpus, texts=texts, identity=identity, utterances=utterances)


def find_column(spec: str, columns: Iterable[str], wanted: tuple[str, ...]) -> str:
    """Returns the first of the `wanted` column names that is among `columns`.

    Raises:
        UserError: none is.
    """
    columns = list(columns)
    for name in wanted:
        if name in columns:
            return name
    raise UserError(
        f"{spec}: no column {', '.join(wanted[:-1])} or {wanted[-1]}; it has "
        f"{', '.join(repr(name) for name in columns)}"
    )


def repeated(keys: Iterable[str]) -> list[str]:
    """Returns the keys that occur more than once."""
    return [key for key, count in Counter(keys).items() if count > 1]


def untranscribed(spec: str, names: list[str]) -> dict[str, str]:
    """Returns an empty transcript for each file name.

    Raises:
        UserError: names that cannot be ids.
    """
    refuse_faults(
        spec,
        ("ids that occur twice", repeated(names)),
        ("names that are not UTF-8", [name for name in names if not encodable(name)]),
    )
    return dict.fromkeys(names, "")


def refuse_faults(spec: str, *faults: tuple[str, list[str]]) -> None:
    """Raises `UserError` if any kind of fault, `(description, ids)`, has ids."""
    found = [f"{fault}: {len(keys)} ({listed(keys)})" for fault, keys in faults if keys]
    if found:
        raise UserError(f"{spec}: {'; '.join(found)}; fix the corpus and run again")


def refuse_split(spec: str, split: str | None) -> None:
    """Raises `UserError` if a split is asked for, of a source that has none."""
    if split is not None:
        raise UserError(f"{spec}: --split is for datasets; name the part itself instead")


def listed(keys: list[str]) -> str:
    """Returns the first `EXAMPLES` keys, quoted, for a message."""
    return ", ".join(map(repr, keys[:EXAMPLES])) + (", …" if len(keys) > EXAMPLES else "")


def read_file(path: Path) -> bytes:
    """Returns the content of a file; raises `UserError` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def decode_utf8(source: str, content: bytes) -> str:
    """Returns `content` as text; raises `UserError`, which names `source`, if it is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{source}: not UTF-8 text (byte {error.start})") from error


def _load(location: AudioLocation) -> np.ndarray:
    from wav2vec2_tf import audio

    return audio.load(_source(location))


def _count_samples(location: AudioLocation) -> int:
    from wav2vec2_tf import audio

    return audio.count_samples(_source(location))


def _source(location: AudioLocation) -> Path | bytes:
    return location if isinstance(location, Path | bytes) else location.audio()
