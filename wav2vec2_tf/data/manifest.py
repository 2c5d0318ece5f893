"""Corpora as manifests: tables (TSV, CSV) or JSON lines that name audio files and transcripts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wav2vec2_tf.data.utterances import (
    AUDIO_COLUMNS,
    TEXT_COLUMNS,
    Corpus,
    corpus_of_files,
    decode_utf8,
    find_column,
    read_file,
    refuse_faults,
)
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import encodable

MANIFEST_SUFFIXES = frozenset({".tsv", ".csv", ".jsonl"})


def open_manifest(spec: str, path: Path, transcribed: bool) -> Corpus:
    """Opens the corpus that a manifest describes; see `open_corpus`."""
    content = decode_utf8(spec, read_file(path))
    rows = list(_rows(path, io.StringIO(content, newline="")))
    if not rows:
        raise UserError(f"{spec}: the manifest has no rows; it needs a header and a row per file")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    audio_column = find_column(spec, columns, AUDIO_COLUMNS)
    text_column = find_column(spec, columns, TEXT_COLUMNS) if transcribed else None
    texts: dict[str, str] = {}
    paths: dict[str, Path] = {}
    without_text, without_audio, repeated = [], [], []
    for number, row in enumerate(rows, start=1):
        file, text = row.get(audio_column), row.get(text_column) if text_column else ""
        key = row_id(row) or str(file or f"row {number}")
        if not encodable(f"{key}{text}"):
            raise UserError(
                f"{spec}: row {number} is not valid Unicode, it has half of a surrogate pair; "
                "write it again as UTF-8"
            )
        if not file or not (path.parent / str(file)).is_file():
            without_audio.append(key)
        if text is None:
            without_text.append(key)
        if key in texts:
            repeated.append(key)
        texts[key] = str(text)
        paths[key] = path.parent / str(file)
    refuse_faults(
        spec,
        ("rows without audio", without_audio),
        ("audio without transcript", without_text),
        ("ids that occur twice", repeated),
    )
    return corpus_of_files(spec, "manifest", texts, paths, [path, *paths.values()])


def row_id(row: Mapping[str, Any]) -> str:
    """Returns the `id` of a manifest's row as text; "" if it has none."""
    stated = row.get("id")
    return "" if stated is None else str(stated)


def manifest_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the rows of a TSV, CSV or JSONL manifest of any length, one by one.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as lines:
            yield from _rows(path, lines)
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _rows(path: Path, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    if path.suffix.lower() == ".jsonl":
        return _json_rows(path, lines)
    return _table_rows(path, lines)


def _json_rows(path: Path, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path}: line {number} is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}: line {number} is not a JSON object")
        yield row


def _table_rows(path: Path, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    try:
        if path.suffix.lower() == ".tsv":  # a quotation mark in a TSV is a character like any other
            yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        else:
            yield from csv.DictReader(lines)
    except csv.Error as error:
        raise UserError(f"{path}: not a table this program can read ({error})") from error
