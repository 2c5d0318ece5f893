"""`Utterance` and `Corpus`, which every source of speech becomes, and helpers of their readers.

An `Utterance` can be pickled, so that other processes can load it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wav2vec2_tf.audio.stretch import WHOLE, Stretch, count_samples, load
from wav2vec2_tf.utils.errors import UserError, brief
from wav2vec2_tf.utils.files import Stamp, files_identity, stamp_of

if TYPE_CHECKING:
    import numpy as np

SPLITS = (
    ("train", "training"),
    ("validation", "valid", "val", "dev"),
    ("test", "testing", "eval", "evaluation"),
)
"""Names of splits, those of one line with one meaning, as in `datasets`."""
WITHOUT_AUDIO = "rows without audio"
PACKED = re.compile(r"\.(ark|npy|zip):\d+(:\d+)?$")
"""The end of a name, in fairseq's manifests and Kaldi's lists, that is a place in another file."""
IN_ARCHIVES = "audio inside archives (such as .zip:…), which are not read (unpack them)"
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
    """Returns the number of samples that `load` returns; raises `UserError` as it does."""
    fingerprint: Callable[[], str] = str
    """Returns a text that changes when the audio does; it does not depend on the audio's place.
    Raises `UserError` or `OSError`."""


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
    missing: tuple[str, ...] = ()
    """Ids of utterances whose audio file does not exist: to load them is an error."""

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[Utterance]:
        return self.utterances()


class AudioRow(Protocol):
    """Audio inside something else, such as a row of a data set, found when it is needed.

    It can be pickled.
    """

    def audio(self) -> Path | bytes:
        """Returns the path or the content of the audio file."""


AudioLocation = Path | bytes | AudioRow


def make_utterance(
    key: str, text: str, location: AudioLocation, stretch: Stretch = WHOLE
) -> Utterance:
    """Returns an utterance whose audio is at `location`, or a part of it."""
    part = (location, stretch)
    return Utterance(
        key,
        text,
        partial(_load, *part),
        partial(_count_samples, *part),
        partial(_fingerprint, *part),
    )


@dataclass(frozen=True)
class Entry:
    """What a manifest, or another list of recordings, says about one utterance."""

    id: str
    text: str | None
    """None if no transcript is stated."""
    file: Path | None
    """The audio file, which may not exist; None if no file is named."""
    stretch: Stretch = WHOLE
    stamp: Stamp | None = None
    """The file's; None if it does not exist."""


@dataclass(frozen=True)
class Listing:
    """The utterances that a manifest, or another list, names."""

    kind: str
    """A description of the source."""
    entries: Iterable[Entry]
    """The utterances; a manifest of any length is read one by one."""
    lists: tuple[Path, ...] = ()
    """The files that the entries are read from."""
    identity: str = ""
    """What the entries depend on beside those files."""


def corpus_of_listing(spec: str, listing: Listing) -> Corpus:
    """Returns a corpus with an utterance for each entry of a listing, in their order.

    Args:
        spec: the corpus as the user named it.
        listing: the utterances.

    Raises:
        UserError: an entry names no audio, lacks its transcript, or an id occurs twice; or no audio
            file exists.
    """
    known: dict[str, Entry] = {}
    without_text, without_audio, packed, twice = [], [], [], []
    for entry in listing.entries:
        if entry.stamp is None:
            without_audio.append(entry.id)
            if entry.file is not None and PACKED.search(entry.file.name):
                packed.append(entry.id)
        if entry.text is None:
            without_text.append(entry.id)
        if entry.id in known:
            twice.append(entry.id)
        known[entry.id] = entry
    refuse_faults(spec, (IN_ARCHIVES, packed))
    texts = {key: entry.text or "" for key, entry in known.items()}
    files = {key: entry.file for key, entry in known.items() if entry.file is not None}
    if without_text or twice or len(files) < len(known) or len(without_audio) == len(known):
        refuse_faults(
            spec,
            (WITHOUT_AUDIO, without_audio),
            ("audio without transcript", without_text),
            ("ids that occur twice", list(dict.fromkeys(twice))),
        )
    stretches = {key: entry.stretch for key, entry in known.items() if entry.stretch != WHOLE}
    stamps = {one.file: one.stamp for one in known.values() if one.file and one.stamp}
    return corpus_of_files(
        spec,
        listing.kind,
        texts,
        files,
        listing.lists,
        stretches,
        stamps,
        identity=listing.identity,
    )


def corpus_of_files(
    spec: str,
    kind: str,
    texts: Mapping[str, str],
    audio: Mapping[str, Path],
    lists: Iterable[Path] = (),
    stretches: Mapping[str, Stretch] | None = None,
    stamps: Mapping[Path, Stamp] | None = None,
    *,
    identity: str = "",
) -> Corpus:
    """Returns a corpus in which each id has an audio file, or a part of one.

    Args:
        spec: the corpus as the user named it.
        kind: a description of the source.
        texts: id → transcript, in the order of the corpus.
        audio: id → audio file.
        lists: the other files that the corpus consists of; its identity depends on all files.
        stretches: id → the part of the file that is meant, where that is not all of it.
        stamps: those of the audio files that exist, if they are known.
        identity: what else the corpus depends on.
    """
    stretches = stretches or {}

    def utterances() -> Iterator[Utterance]:
        for key, text in texts.items():
            yield make_utterance(key, text, audio[key], stretches.get(key, WHOLE))

    if stamps is None:
        stamps = {file: stamp for file in audio.values() if (stamp := stamp_of(file))}
    missing = tuple(key for key, file in audio.items() if file not in stamps)
    content = files_identity({*lists, *stamps}, stamps)
    if stretches or identity:
        parts = "\n".join(f"{key!r} {stretch}" for key, stretch in stretches.items())
        digest = hashlib.sha256(f"{identity}\n{parts}".encode())
        content = f"{content} {digest.hexdigest()}"
    return Corpus(spec, kind, texts, content, utterances, missing=missing)


def without_texts(corpus: Corpus) -> Corpus:
    """Returns the corpus with every transcript empty."""

    def utterances() -> Iterator[Utterance]:
        for utterance in corpus:
            yield replace(utterance, text="")

    texts, identity = dict.fromkeys(corpus.texts, ""), f"{corpus.identity} without texts"
    return replace(corpus, texts=texts, identity=identity, utterances=utterances)


def repeated(keys: Iterable[str]) -> list[str]:
    """Returns the keys that occur more than once."""
    return [key for key, count in Counter(keys).items() if count > 1]


def refuse_faults(spec: str, *faults: tuple[str, list[str]]) -> None:
    """Raises `UserError` if any kind of fault, `(description, ids)`, has ids."""
    found = [f"{fault}: {len(keys)} ({listed(keys)})" for fault, keys in faults if keys]
    if found:
        raise UserError(f"{spec}: {'; '.join(found)}; fix the corpus and run again")


def refuse_split(spec: str, split: str | None) -> None:
    """Raises `UserError` if a split is asked for, of a source that has none."""
    if split is not None:
        raise UserError(f"{spec}: --split is for datasets; name the part itself instead")


def is_split(name: str, split: str) -> bool:
    """Whether a split of this name is the one that is asked for, maybe by another usual name."""
    return name == split or any(name in names and split in names for names in SPLITS)


def choose_split(spec: str, split: str | None, splits: Collection[str]) -> str:
    """Returns the one of `splits` that is asked for, or the only one.

    A split may be asked for by another usual name: validation for dev, and so on.

    Raises:
        UserError: there is no such split, or several and none is asked for.
    """
    if split is None and len(splits) == 1:
        return next(iter(splits))
    if split is not None and split in splits:
        return split
    found = [name for name in splits if split is not None and is_split(name, split)]
    if len(found) == 1:
        return found[0]
    fault = "several splits" if split is None else f"no split {split!r}"
    raise UserError(f"{spec}: {fault}; choose with --split from {', '.join(sorted(splits))}")


def listed(keys: list[str]) -> str:
    """Returns the first `EXAMPLES` keys, brief, for a message."""
    return ", ".join(map(brief, keys[:EXAMPLES])) + (", …" if len(keys) > EXAMPLES else "")


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
        raise UserError(
            f"{source}: not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from error


def _load(location: AudioLocation, stretch: Stretch) -> np.ndarray:
    return load(_source(location), stretch)


def _count_samples(location: AudioLocation, stretch: Stretch) -> int:
    return count_samples(_source(location), stretch)


def _fingerprint(location: AudioLocation, stretch: Stretch) -> str:
    source = _source(location)
    part = "" if stretch == WHOLE else f" {stretch}"
    if isinstance(source, Path):
        status = source.stat()
        return f"{status.st_size} {status.st_mtime_ns}{part}"
    return f"{hashlib.sha256(source).hexdigest()}{part}"


def _source(location: AudioLocation) -> Path | bytes:
    return location if isinstance(location, Path | bytes) else location.audio()
