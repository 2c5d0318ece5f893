"""The recordings of a batch job: those of a manifest, a folder or a pattern.

They are yielded one by one and never held in a list, because there may be millions. A file that
cannot be read is found by the worker that opens it, and becomes a row of the table of errors.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2vec2_tf.audio.discover import audio_below
from wav2vec2_tf.data.manifest import MANIFEST_SUFFIXES, manifest_rows, row_id
from wav2vec2_tf.data.utterances import AUDIO_COLUMNS
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import encodable

PARQUET_ROWS = 4096  # read at once


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

    @classmethod
    def of(cls, name: str, path: str) -> Input:
        """Makes the input of the file at `path`."""
        try:
            status = os.stat(path)
        except (OSError, ValueError):  # ValueError: the path has a zero byte
            return cls(name, path, 0, 0)
        return cls(name, path, status.st_size, status.st_mtime_ns)


def inputs_named(spec: str) -> Iterator[Input]:
    """Yields the recordings of a job, in an order that depends only on their names.

    Args:
        spec: a manifest (.tsv, .csv, .jsonl, .parquet) with a column audio, path or file, relative
            to the manifest, and optionally id; a folder, searched recursively; a pattern; an audio
            file.

    Raises:
        UserError: nothing has this name, a row names no file, or an id occurs twice.
    """
    path = Path(spec).expanduser()
    if path.is_dir():
        root = str(path.absolute())
        for found in audio_below(root):
            yield Input.of(_checked(os.path.relpath(found, root)), found)
    elif path.suffix.lower() in MANIFEST_SUFFIXES | {".parquet"}:
        yield from _of_manifest(path)
    elif path.exists():
        yield Input.of(_checked(path.name), str(path.absolute()))
    elif glob.has_magic(spec):
        for found in sorted(glob.glob(str(path), recursive=True)):
            if os.path.isfile(found):
                yield Input.of(_checked(found), os.path.abspath(found))
    else:
        raise UserError(f"{spec}: no such manifest, folder or file")


def _of_manifest(path: Path) -> Iterator[Input]:
    """Yields the file of each row. Hashes of 8 bytes are kept of the ids, which must differ."""
    known: set[int] = set()
    folder = path.absolute().parent
    for number, row in enumerate(_rows(path), start=1):
        file = next((row[column] for column in AUDIO_COLUMNS if row.get(column)), None)
        if not isinstance(file, str):
            raise UserError(
                f"{path}: row {number} names no file: add a column "
                f"{', '.join(AUDIO_COLUMNS[:-1])} or {AUDIO_COLUMNS[-1]}"
            )
        name = _checked(row_id(row) or file)
        if hash(name) in known:
            raise UserError(f"{path}: id must be unique, but {name!r} occurs twice")
        known.add(hash(name))
        yield Input.of(name, str(folder / _checked(file)))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix.lower() != ".parquet":
        yield from manifest_rows(path)
        return
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            columns = [name for name in ("id", *AUDIO_COLUMNS) if name in file.schema_arrow.names]
            for batch in file.iter_batches(PARQUET_ROWS, columns=columns):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a Parquet file that can be read ({error})") from None


def _checked(name: str) -> str:
    """Returns a name that can be written to a table; raises `UserError` for another."""
    if not encodable(name):
        raise UserError(f"{name!r}: not a UTF-8 name; rename the file")
    return name
