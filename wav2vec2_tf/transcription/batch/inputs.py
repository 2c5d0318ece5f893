"""Which recordings a batch is of: a manifest, a folder or a pattern, one after another.

They are told one by one and never listed: there may be millions. What cannot be read is found out
by the worker that opens it, and goes into the table of errors.
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

ROWS_AT_ONCE = 4096  # of a manifest in Parquet


@dataclass(frozen=True)
class Input:
    """One recording."""

    id: str
    path: str
    """Absolute: workers may run anywhere."""
    bytes: int
    """0 of a file that is not there."""
    modified: int
    """When, in nanoseconds; 0 of a file that is not there."""

    @classmethod
    def of(cls, name: str, path: str) -> Input:
        try:
            status = os.stat(path)
        except (OSError, ValueError):  # ValueError: a zero byte in it
            return cls(name, path, 0, 0)
        return cls(name, path, status.st_size, status.st_mtime_ns)


def inputs_named(spec: str) -> Iterator[Input]:
    """The recordings of a batch, in an order that depends on their names alone.

    Args:
        spec: a manifest (.tsv, .csv, .jsonl, .parquet) with a column audio, path or file, relative
            to itself, and perhaps id; a folder, searched below; a pattern; one file of audio.

    Raises:
        UserError: there is no such thing, a row names no file, or an id occurs twice.
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
    """Each row's file; of ids, which must be told apart, a digest of 8 bytes is kept."""
    known: set[int] = set()
    folder = path.absolute().parent
    for number, row in enumerate(_rows(path), start=1):
        file = next((row[column] for column in AUDIO_COLUMNS if row.get(column)), None)
        if not isinstance(file, str):
            raise UserError(
                f"{path}: row {number} names no file; it needs a column "
                f"{', '.join(AUDIO_COLUMNS[:-1])} or {AUDIO_COLUMNS[-1]}"
            )
        name = _checked(row_id(row) or file)
        if hash(name) in known:
            raise UserError(
                f"{path}: the id {name!r} occurs twice; results could not be told apart"
            )
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
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=columns):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a Parquet file that can be read ({error})") from None


def _checked(name: str) -> str:
    """What can be written to a table."""
    if not encodable(name):
        raise UserError(f"{name!r}: not a name in UTF-8; rename the file")
    return name
