"""Common Voice as it is unpacked: a folder `clips`, and a table for each split beside it."""

from __future__ import annotations

from pathlib import Path

from wav2vec2_tf.data.manifest import CLIPS
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
    return {path.stem: path for path in sorted(folder.glob("*.tsv")) if _has_utterances(path)}


def _has_utterances(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            header = file.readline(HEADER_BYTES)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    names = header.decode("utf-8-sig", "replace").rstrip("\r\n").split("\t")
    return COLUMNS.issubset(names)
