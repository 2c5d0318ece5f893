"""Corpora as manifests: tables (TSV, CSV, Parquet) or JSON lines that name audio and transcripts.

JSON lines are those of NeMo, among others: several rows may be about parts of one recording.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from wav2vec2_tf.audio.stretch import WHOLE
from wav2vec2_tf.data.columns import Columns, selecting, stated_id, stretch_of
from wav2vec2_tf.data.paths import located
from wav2vec2_tf.data.utterances import Entry, Listing, listed, repeated
from wav2vec2_tf.utils.errors import UserError, first_line
from wav2vec2_tf.utils.files import encodable, parse_json

JSON_SUFFIXES = frozenset({".jsonl", ".json"})
MANIFEST_SUFFIXES = frozenset({".tsv", ".csv"}) | JSON_SUFFIXES
CLIPS = "clips"
"""Folder of the audio in Common Voice, whose tables name files without it."""
SEPARATORS = (",", "\t", ";")
"""Separators of columns, behind the usual one of `.tsv` or `.csv`. Spreadsheets write semicolons
where a comma is in numbers."""
PARQUET_ROWS = 4096
"""Rows read at once."""
MAXIMUM_COLUMNS = 1000


def manifest_listing(path: Path, columns: Columns, transcribed: bool) -> Listing:
    """Returns what a manifest lists; see `open_corpus`."""
    entries = manifest_entries(path, columns, transcribed=transcribed)
    return Listing("manifest", entries, (path,), columns.identity)


def manifest_entries(
    path: Path,
    columns: Columns | None = None,
    *,
    transcribed: bool = False,
    prefix: str = "",
) -> Iterator[Entry]:
    """Yields an entry for each row of a manifest of any length, one by one.

    The files need not exist. Their names are relative to the manifest, or to a folder `clips`
    beside it.

    Args:
        path: a TSV, CSV, JSONL, JSON or Parquet file.
        columns: names of the columns of audio and texts.
        transcribed: whether texts are read; else each is "".
        prefix: what ids start with where they are names of files.

    Raises:
        UserError: the manifest cannot be read, has no rows, a row is invalid, or no row has the
            column of audio or, if they are read, of texts.
    """
    reader = _RowReader(path, columns or Columns(), transcribed, prefix)
    for number, row in enumerate(manifest_rows(path), start=1):
        yield reader.entry(number, row)
    reader.finish()


class _RowReader:
    """Makes entries of the rows of one manifest."""

    def __init__(self, path: Path, columns: Columns, transcribed: bool, prefix: str) -> None:
        self._path, self._columns, self._transcribed = path, columns, transcribed
        self._prefix = prefix
        self._folders = [path.absolute().parent, path.absolute().parent / CLIPS]
        self._seen: dict[str, None] = {}
        self._audio = ""
        self._has_parts = False
        self._text: str | None = None

    def entry(self, number: int, row: Mapping[str, Any]) -> Entry:
        """Returns the entry of row `number`, from 1."""
        if not self._seen.keys() >= row.keys():
            self._learn(row)
        file = _file_of(row.get(self._audio))
        text = _text_of(row.get(self._text)) if self._transcribed and self._text else None
        if text is None and not self._transcribed:
            text = ""
        try:
            stretch = stretch_of(row) if self._has_parts else WHOLE
        except ValueError as error:
            raise UserError(f"{self._path}: row {number}: {error}") from None
        key = stated_id(row)
        if not key:
            key = f"{self._prefix}{file}{stretch.suffix}" if file else f"row {number}"
        if not encodable(f"{key}{text}{file}"):
            raise UserError(
                f"{self._path}: row {number} is not valid Unicode, it has half of a surrogate "
                "pair; write it again as UTF-8"
            )
        found, stamp = located(file, self._folders) if file else (None, None)
        return Entry(key, text, found, stretch, stamp)

    def finish(self) -> None:
        """Raises `UserError` if there was no row, or none with a column of texts."""
        if not self._seen:
            raise UserError(
                f"{self._path}: the manifest has no rows; it needs a header and a row per file"
            )
        if self._transcribed and self._text is None:
            self._columns.text(str(self._path), self._seen)

    def _learn(self, row: Mapping[str, Any]) -> None:
        """Finds the columns again: rows of JSON may have different ones."""
        self._seen |= dict.fromkeys(row)
        if len(self._seen) > MAXIMUM_COLUMNS:
            raise UserError(f"{self._path}: more than {MAXIMUM_COLUMNS} columns: not a manifest")
        self._audio = self._columns.audio(str(self._path), self._seen)
        self._has_parts = any(selecting(self._seen))
        if self._transcribed:
            with suppress(UserError):  # a later row may have the column, see `finish`
                self._text = self._columns.text(str(self._path), self._seen)


def manifest_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the rows of a manifest as they are, one by one.

    Raises:
        UserError: it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        yield from _parquet_rows(path)
        return
    try:
        with open(path, encoding="utf-8-sig", newline="") as lines:
            if suffix in JSON_SUFFIXES:
                yield from _json_rows(path, _elements(path, lines))
            else:
                yield from table_rows(str(path), lines, is_tsv=suffix == ".tsv")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _file_of(value: Any) -> str:
    """Returns the name of a file; "" if the row has none."""
    if isinstance(value, Mapping) and value.get("bytes") is None:  # as `datasets` writes audio
        value = value.get("path")
    return value.strip() if isinstance(value, str) else ""


def _text_of(value: Any) -> str | None:
    """Returns a transcript; None if the row has none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value != value:
        return None
    return str(value)


def _json_rows(path: Path, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise UserError(
                f"{path}: line {number} is not JSON ({error}): each line must be an object, or the "
                "whole of a .json file an array of them"
            ) from None
        if not isinstance(row, dict):
            raise UserError(f"{path}: line {number} is not a JSON object")
        yield row


def _elements(path: Path, lines: TextIO) -> Iterable[str]:
    """Returns the lines of a file, or the elements of the array that a `.json` file may hold."""
    if path.suffix.lower() != ".json":
        return lines
    start = lines.read(1)
    while start.isspace():
        start = lines.read(1)
    rest = start + lines.readline()
    if start != "[":
        return itertools.chain([rest], lines)
    try:
        return map(json.dumps, parse_json(rest + lines.read()))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error})") from None


def table_rows(source: str, lines: TextIO, *, is_tsv: bool) -> Iterator[dict[str, Any]]:
    """Yields the rows of a table that are not blank; errors name `source`.

    The first of `SEPARATORS` in its header separates columns. A quotation mark in a TSV is a
    character like any other.
    """
    first = lines.readline()
    own = "\t" if is_tsv else ","
    mark = next((mark for mark in (own, *SEPARATORS) if mark in first), own)
    table = csv.DictReader(
        itertools.chain([first], lines),
        delimiter=mark,
        quoting=csv.QUOTE_NONE if is_tsv and mark == own else csv.QUOTE_MINIMAL,
    )
    try:
        header = list(table.fieldnames or ())
        if twice := repeated(header):
            raise UserError(f"{source}: a column occurs twice in the header: {listed(twice)}")
        for row in table:
            if any(row.pop(None, ())):  # the key of what lies beyond the header
                raise UserError(
                    f"{source}: line {table.line_num} has more fields than the header: a text with "
                    "the separator in it must be in quotation marks"
                )
            if any(value and not value.isspace() for value in row.values()):
                yield row
    except csv.Error as error:
        raise UserError(f"{source}: not a table this program can read ({error})") from error


def parquet_columns(path: Path) -> list[str]:
    """Returns the names of a Parquet file's columns but for lists and bytes, which may be large.

    Raises:
        UserError: it cannot be read.
    """
    with _parquet(path) as file:
        return [field.name for field in file.schema_arrow if not _is_large(field.type)]


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    columns = parquet_columns(path)
    with _parquet(path) as file:
        for batch in file.iter_batches(PARQUET_ROWS, columns=columns):
            yield from batch.to_pylist()


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{path}: not a Parquet file that can be read ({first_line(error)})"
        ) from None


def _is_large(kind: Any) -> bool:
    import pyarrow.types as types

    kinds = (types.is_list, types.is_large_list, types.is_binary, types.is_large_binary)
    return any(is_kind(kind) for is_kind in kinds)
