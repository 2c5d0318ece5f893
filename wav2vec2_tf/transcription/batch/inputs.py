"""The recordings of a batch job: those of a manifest, a folder or a pattern.

They are yielded one by one and never held in a list, because there may be millions. A file that
cannot be read is found by the worker that opens it, and becomes a row of the table of errors.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from wav2vec2_tf.audio.discover import audio_below
from wav2vec2_tf.audio.read import blocks
from wav2vec2_tf.audio.stretch import Stretch
from wav2vec2_tf.data.columns import AUDIO_COLUMNS, Columns
from wav2vec2_tf.data.fairseq_manifest import fairseq_entries, is_fairseq_manifest
from wav2vec2_tf.data.kaldi import RECORDINGS, is_kaldi, kaldi_entries
from wav2vec2_tf.data.manifest import MANIFEST_SUFFIXES, manifest_entries
from wav2vec2_tf.data.paths import as_id
from wav2vec2_tf.data.utterances import Entry
from wav2vec2_tf.utils.errors import UserError


@dataclass(frozen=True)
class Input:
    """A recording of a job."""

    id: str
    path: str
    """Absolute, because workers may run anywhere."""
    bytes: int
    """0 if the file does not exist."""
    modified: int
    """Time of the last change in nanoseconds; 0 if the file does not exist."""
    offset: float | None = None
    """Seconds before the part of the file that is meant; None if no part is."""
    duration: float | None = None
    """Seconds to read; None for all until the end."""
    channel: int | None = None
    """The only channel to read; None for all."""

    @property
    def stretch(self) -> Stretch:
        """The part of the file that is meant."""
        is_stated = self.offset is not None
        return Stretch(self.offset or 0.0, self.duration, is_stated, self.channel)

    @classmethod
    def of(cls, name: str, path: str) -> Input:
        """Makes the input of the file at `path`."""
        try:
            status = os.stat(path)
        except (OSError, ValueError):  # ValueError: the path has a zero byte
            return cls(name, path, 0, 0)
        return cls(name, path, status.st_size, status.st_mtime_ns)

    def check(self) -> None:
        """Raises `UserError` if the file cannot be read, by its first seconds."""
        with closing(blocks(self.path)) as found:
            next(found)


def inputs_named(spec: str, audio_column: str | None = None) -> Iterator[Input]:
    """Yields the recordings of a job, in an order that depends only on their names.

    Args:
        spec: a manifest (.tsv, .csv, .jsonl, .json, .parquet, or fairseq's .tsv) with a column
            audio, path or file, relative to the manifest, and optionally id, and offset and
            duration in seconds; a data folder of Kaldi or its wav.scp; a folder, searched
            recursively; a pattern; an audio file.
        audio_column: the column of the audio, where a manifest has another name for it.

    Raises:
        UserError: nothing has this name, a row names no file, or an id occurs twice.
    """
    path = Path(spec).expanduser()
    if is_kaldi(path) or path.name == RECORDINGS:
        folder = path if path.is_dir() else path.parent
        yield from _listed(path, kaldi_entries(spec, folder))
    elif path.is_dir():
        root = str(path.absolute())
        for found in audio_below(root):
            yield Input.of(as_id(os.path.relpath(found, root)), found)
    elif path.suffix.lower() in MANIFEST_SUFFIXES | {".parquet"}:
        if is_fairseq_manifest(path):
            yield from _listed(path, fairseq_entries(path))
        else:
            columns = Columns(audio_column=audio_column)
            yield from _listed(path, manifest_entries(path, columns))
    elif path.exists():
        yield Input.of(as_id(path.name), str(path.absolute()))
    elif glob.has_magic(spec):
        for found in sorted(glob.glob(str(path), recursive=True)):
            if os.path.isfile(found):
                yield Input.of(as_id(found), os.path.abspath(found))
    else:
        raise UserError(f"{spec}: no such manifest, folder or file")


def _listed(path: Path, entries: Iterable[Entry]) -> Iterator[Input]:
    """Yields the input of each entry. Hashes of 8 bytes are kept of the ids, which must differ."""
    known: set[int] = set()
    for number, entry in enumerate(entries, start=1):
        if entry.file is None:
            raise UserError(
                f"{path}: row {number} names no file: each row needs one in a column "
                f"{', '.join(AUDIO_COLUMNS[:-1])} or {AUDIO_COLUMNS[-1]}"
            )
        name = entry.id
        if hash(name) in known:
            raise UserError(f"{path}: id must be unique, but {name!r} occurs twice")
        known.add(hash(name))
        found, part = Input.of(name, str(entry.file.absolute())), entry.stretch
        offset = part.offset if part.is_stated else None
        yield replace(found, offset=offset, duration=part.duration, channel=part.channel)
