"""Common Voice: a folder `clips`, and a table for each split beside it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from wav2vec2_tf.data.manifest import CLIPS, table_rows
from wav2vec2_tf.data.utterances import decode_utf8
from wav2vec2_tf.utils.errors import UserError

COLUMNS = frozenset({"path", "sentence"})
HEADER_BYTES = 1 << 14


def common_voice_tables(folder: Path) -> dict[str, Path]:
    """Returns the tables of utterances in a folder of Common Voice, by the names of their splits.

    Other tables, such as that of reported clips, are left out. The result is empty for a folder of
    another layout.
    """
    if not (folder / CLIPS).is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.glob("*.tsv")) if _is_table(path)}


def table_lines(source: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Yields each clip of a table, without its ending, and its sentence.

    Args:
        source: the table's name, for messages.
        content: what it holds.
    """
    lines = io.StringIO(decode_utf8(source, content))
    for row in table_rows(source, lines, is_tsv=True):
        yield PurePosixPath(row["path"] or "").stem, row["sentence"] or ""


def has_utterances(start: bytes) -> bool:
    """Whether a table that starts with these bytes has the columns of one of utterances."""
    names = start.partition(b"\n")[0].decode("utf-8-sig", "replace").rstrip("\r").split("\t")
    return COLUMNS.issubset(names)


def _is_table(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return has_utterances(file.read(HEADER_BYTES))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
