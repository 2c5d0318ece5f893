"""The recordings of a batch job: those of a corpus, a pattern or a file.

They are yielded one by one and never held in a list, because there may be millions. A file that
cannot be read is found by the worker that opens it, and becomes a row of the table of errors.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wav2vec2_tf.audio.stretch import Stretch, count_samples
from wav2vec2_tf.data.columns import AUDIO_COLUMNS, Columns
from wav2vec2_tf.data.corpus import is_list, recordings_of
from wav2vec2_tf.data.paths import as_id
from wav2vec2_tf.data.utterances import Entry, refuse_split
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

    def samples(self) -> int:
        """Returns the number of its samples; raises `UserError` if it cannot be read."""
        return count_samples(Path(self.path), self.stretch)


def inputs_named(
    spec: str, columns: Columns | None = None, split: str | None = None
) -> Iterator[Input]:
    """Yields the recordings of a job, in an order that depends only on their names.

    Args:
        spec: a corpus whose recordings are files, see `data.corpus.recordings_of`; a pattern; or an
            audio file.
        columns: names of the columns of a manifest, where they are others.
        split: the split of a corpus that has several.

    Raises:
        UserError: nothing has this name, a row names no file, or an id occurs twice.
    """
    columns, path = columns or Columns(), Path(spec).expanduser()
    is_pattern = glob.has_magic(spec) and not path.exists()
    if not is_pattern and (not path.is_file() or is_list(path)):
        yield from _listed(spec, recordings_of(spec, split=split, columns=columns))
        return
    refuse_split(spec, split)
    columns.refuse(spec)
    if not is_pattern:
        yield Input.of(as_id(path.name), str(path.absolute()))
        return
    for found in sorted(glob.glob(str(path), recursive=True)):
        if os.path.isfile(found):
            yield Input.of(as_id(found), os.path.abspath(found))


def _listed(spec: str, entries: Iterable[Entry]) -> Iterator[Input]:
    """Yields the input of each entry. Hashes of 8 bytes are kept of the ids, which must differ."""
    known: set[int] = set()
    for number, entry in enumerate(entries, start=1):
        if entry.file is None:
            raise UserError(
                f"{spec}: row {number} names no file: each row needs one in a column "
                f"{', '.join(AUDIO_COLUMNS[:-1])} or {AUDIO_COLUMNS[-1]}"
            )
        name = entry.id
        if hash(name) in known:
            raise UserError(f"{spec}: id must be unique, but {name!r} occurs twice")
        known.add(hash(name))
        found, part = Input.of(name, str(entry.file.absolute())), entry.stretch
        offset = part.offset if part.is_stated else None
        yield replace(found, offset=offset, duration=part.duration, channel=part.channel)
