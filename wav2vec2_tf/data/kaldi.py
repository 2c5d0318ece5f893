"""Kaldi's data folders: `wav.scp`, and if there are any, `segments` and `text`.

Nothing is executed: Kaldi itself would run the commands that a `wav.scp` may have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from wav2vec2_tf.audio.stretch import Stretch
from wav2vec2_tf.data.columns import stretch_of
from wav2vec2_tf.data.paths import as_id, located
from wav2vec2_tf.data.transcripts import id_and_rest, match, numbered_lines
from wav2vec2_tf.data.utterances import Entry, Listing, read_file, refuse_faults
from wav2vec2_tf.utils.errors import UserError, brief
from wav2vec2_tf.utils.files import Stamp

RECORDINGS, SEGMENTS, TEXTS = "wav.scp", "segments", "text"
TO_THE_END = re.compile(r"-1(\.0*)?")
"""The end of a segment that lasts until the end of its recording."""


def is_kaldi(folder: Path) -> bool:
    """Whether this is a data folder of Kaldi."""
    return (folder / RECORDINGS).is_file()


def kaldi_listing(spec: str, folder: Path, transcribed: bool) -> Listing:
    """Returns what a data folder of Kaldi lists; see `open_corpus`."""
    entries = _entries(spec, folder)
    if transcribed:
        entries = _with_texts(spec, folder, entries)
    lists = (folder / name for name in (RECORDINGS, SEGMENTS, TEXTS))
    return Listing("Kaldi folder", entries, tuple(path for path in lists if path.is_file()))


def _with_texts(spec: str, folder: Path, entries: Iterable[Entry]) -> Iterator[Entry]:
    known = {entry.id: entry for entry in entries}
    path = folder / TEXTS
    if not path.is_file():
        raise UserError(f"{spec}: no file {TEXTS!r} with transcripts beside {RECORDINGS}")
    lines = (id_and_rest(line) for _, line in numbered_lines(str(path), read_file(path)))
    texts = match(spec, lines, known)
    for key, entry in known.items():
        yield replace(entry, text=texts[key])


def _entries(spec: str, folder: Path) -> Iterator[Entry]:
    """Yields an entry without text for each segment, or each recording if there are no segments.

    Files are relative to the folder, or to the current directory, as in Kaldi.

    Raises:
        UserError: a line is invalid, an id occurs twice, or a recording is a command.
    """
    recordings = _recordings(spec, folder)
    if not (folder / SEGMENTS).is_file():
        for key, (file, stamp) in recordings.items():
            yield Entry(as_id(key), "", file, stamp=stamp)
        return
    known: set[str] = set()
    segments = folder / SEGMENTS
    for place, line in numbered_lines(str(segments), read_file(segments)):
        fields = line.split()
        if len(fields) not in (4, 5):
            raise UserError(
                f"{place}: must have 4 fields (utterance, recording, start, end) and may have a "
                f"channel, got {len(fields)}"
            )
        key, recording, start, end, *channel = fields
        if recording not in recordings:
            raise UserError(f"{place}: recording {brief(recording)} is not in {RECORDINGS}")
        if key in known:
            raise UserError(f"{place}: segment {brief(key)} occurs twice")
        known.add(key)
        file, stamp = recordings[recording]
        stretch = _segment(place, start, end, *channel)
        yield Entry(as_id(key), "", file, stretch, stamp)


def _recordings(spec: str, folder: Path) -> dict[str, tuple[Path, Stamp | None]]:
    """Returns the files of the recordings and their stamps, by their ids."""
    files: dict[str, tuple[Path, Stamp | None]] = {}
    commands, twice = [], []
    path = folder / RECORDINGS
    for place, line in numbered_lines(str(path), read_file(path)):
        key, name = id_and_rest(line)
        if not name:
            raise UserError(
                f"{place}: must have the id of a recording and its file, got {brief(key)}"
            )
        if name.endswith("|") or name.startswith("|"):
            commands.append(key)
            continue
        if key in files:
            twice.append(key)
        files[key] = located(name, [folder.absolute(), Path.cwd()])
    refuse_faults(
        spec,
        (
            f"recordings of {RECORDINGS} that are commands (…|), which are not run (run them "
            "yourself, and name the files that they write)",
            commands,
        ),
        (f"recordings that occur twice in {RECORDINGS}", twice),
    )
    return files


def _segment(place: str, start: str, end: str, channel: str = "") -> Stretch:
    """Returns the part of a recording that a line of `segments` describes."""
    row = {"start": start, "end": "" if TO_THE_END.fullmatch(end) else end, "channel": channel}
    try:
        return stretch_of(row)
    except ValueError as error:
        raise UserError(f"{place}: {error}") from None
