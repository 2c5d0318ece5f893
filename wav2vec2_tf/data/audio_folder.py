"""The layout AudioFolder of `datasets`: audio, and `metadata.csv`, `.jsonl` or `.parquet`.

Each row of the metadata names a file in its column `file_name`, relative to the metadata. Folders
called `train`, `test` and so on are splits.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from wav2vec2_tf.audio.discover import is_audio
from wav2vec2_tf.data.columns import Columns
from wav2vec2_tf.data.manifest import manifest_entries, parquet_columns
from wav2vec2_tf.data.transcripts import is_transcript
from wav2vec2_tf.data.utterances import SPLITS, Entry, Listing, choose_split

log = logging.getLogger(__name__)

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
FILE_COLUMN = "file_name"
HEAD_BYTES = 1 << 16
WHOLE_FOLDER = "train"
"""The split of files that are in no folder of a split, as in `datasets`."""


def audio_folder_listing(
    spec: str,
    folder: Path,
    files: Callable[[], Iterable[Path]],
    split: str | None,
    columns: Columns,
    transcribed: bool,
) -> Listing | None:
    """Returns what the metadata of a folder lists; see `open_corpus`.

    Args:
        spec: the folder as the user named it.
        folder: the folder.
        files: returns all files in it and below.
        split: the split that is asked for.
        columns: names of the columns of audio and texts.
        transcribed: whether texts are read.

    Returns:
        None if the folder has another layout, or if speech alone is asked for and no split is, of
        several.
    """
    metadata = []
    for file in files():
        if is_transcript(file.name):
            return None
        if file.name in METADATA and _names_files(file):
            metadata.append(file)
    if not metadata:
        return None
    entries: dict[str, list[Entry]] = {}
    for path in metadata:
        for entry in _entries(folder, path, columns, transcribed):
            entries.setdefault(_split_of(folder, entry), []).append(entry)
    if not transcribed and split is None and len(entries) > 1:
        return None
    chosen = entries[choose_split(spec, split, entries)] if entries else []
    named = {entry.file for part in entries.values() for entry in part}
    audio = (file for file in files() if is_audio(file.name))
    if unnamed := sum(file.absolute() not in named for file in audio):
        log.warning("%s: skipped %d files that no metadata names", spec, unnamed)
    return Listing("AudioFolder", chosen, tuple(metadata), f"{columns.identity} {split}")


def _entries(folder: Path, path: Path, columns: Columns, transcribed: bool) -> Iterator[Entry]:
    """Yields the entries of one metadata file; ids are paths relative to the folder."""
    columns = replace(columns, audio_column=columns.audio_column or FILE_COLUMN)
    below = path.parent.relative_to(folder)
    prefix = f"{below.as_posix()}/" if below.parts else ""
    return manifest_entries(path, columns, transcribed=transcribed, prefix=prefix)


def _split_of(folder: Path, entry: Entry) -> str:
    parts = () if entry.file is None else Path(os.path.relpath(entry.file, folder)).parts[:-1]
    for part in parts:
        for names in SPLITS:
            if part.lower() in names:
                return names[0]
    return WHOLE_FOLDER


def _names_files(path: Path) -> bool:
    if path.suffix == ".parquet":
        return FILE_COLUMN in parquet_columns(path)
    try:
        with open(path, "rb") as file:
            return FILE_COLUMN.encode() in file.read(HEAD_BYTES)
    except OSError:
        return False
