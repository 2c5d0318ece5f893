"""Corpora in LibriSpeech's and OpenSLR's layouts, and folders of audio alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from wav2vec2_tf.audio.discover import audio_below, is_audio
from wav2vec2_tf.data.paths import as_id
from wav2vec2_tf.data.transcripts import is_transcript, match, transcript_lines
from wav2vec2_tf.data.utterances import (
    Corpus,
    Entry,
    Listing,
    corpus_of_files,
    corpus_of_listing,
    listed,
    read_file,
)
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import stamp_of

log = logging.getLogger(__name__)


def open_transcribed_folder(spec: str, files: Sequence[Path], keep_missing: bool) -> Corpus:
    """Opens a folder in LibriSpeech's or OpenSLR's layout, given all its files."""
    transcripts = sorted(file for file in files if is_transcript(file.name))
    audio = sorted((file for file in files if is_audio(file.name)), key=lambda file: file.stem)
    lines = [
        entry
        for file in transcripts
        for entry in transcript_lines(str(file), file.name, read_file(file))
    ]
    kind = "LibriSpeech folder"
    if any(file.suffix == ".tsv" for file in transcripts):
        kind, lines = "OpenSLR folder", _of_downloaded_parts(spec, lines, audio)
    return _matched(spec, kind, lines, audio, transcripts, keep_missing)


def open_table(spec: str, path: Path, keep_missing: bool) -> Corpus:
    """Opens the utterances that an OpenSLR table names, with the audio below the table's folder."""
    lines = list(transcript_lines(spec, path.name, read_file(path)))
    audio = [Path(file) for file in audio_below(str(path.parent))]
    lines = _of_downloaded_parts(spec, lines, audio)
    named = {as_id(key) for key, _ in lines}
    chosen = sorted(
        (file for file in audio if as_id(file.stem) in named), key=lambda file: file.stem
    )
    return _matched(spec, "OpenSLR table", lines, chosen, [path], keep_missing)


def _matched(
    spec: str,
    kind: str,
    lines: Sequence[tuple[str, str]],
    audio: Sequence[Path],
    transcripts: Sequence[Path],
    keep_missing: bool,
) -> Corpus:
    """Returns the corpus of transcripts and audio that belong together.

    Args:
        spec: the corpus as the user named it.
        kind: a description of the source.
        lines: ids and texts.
        audio: files; links to nothing are missing.
        transcripts: the files that the lines are from.
        keep_missing: whether a transcript may lack its audio, unless all do.
    """
    stems = [file.stem for file in audio]
    files = {as_id(file.stem): file for file in audio}
    if keep_missing and audio:
        absent = [key for key, _ in lines if as_id(key) not in files and Path(key).name == key]
        stems += absent
        files |= {as_id(key): audio[0].with_name(f"{key}{audio[0].suffix}") for key in absent}
    texts = match(spec, lines, stems)
    return corpus_of_files(spec, kind, texts, files, transcripts)


def audio_entries(folder: Path) -> Iterator[Entry]:
    """Yields all audio in a folder and below; ids are paths relative to the folder."""
    for file in audio_below(str(folder)):
        key = as_id(Path(file).relative_to(folder).as_posix())
        yield Entry(key, "", Path(file), stamp=stamp_of(file))


def open_untranscribed_folder(spec: str, folder: Path) -> Corpus:
    """Opens all audio in a folder, without transcripts, in the order of its ids."""
    entries = sorted(audio_entries(folder), key=lambda entry: entry.id)
    if not entries:
        raise UserError(f"{spec}: no audio and no .parquet file in or below this folder")
    return corpus_of_listing(spec, Listing("folder of audio", entries))


def _of_downloaded_parts(
    spec: str, lines: list[tuple[str, str]], audio: Sequence[Path]
) -> list[tuple[str, str]]:
    """Returns the lines of an OpenSLR table without those of parts that were not downloaded.

    Every part comes with the whole table, so the table names more than is there. Audio is in
    folders named by the first two characters of its id: a missing folder belongs to a part that was
    not downloaded, whereas a file missing from an existing folder is an error, reported later.
    """
    here = {file.parent.name for file in audio}
    if not audio or any(file.parent.name != file.stem[:2] for file in audio):
        return lines
    found = [(key, text) for key, text in lines if key[:2] in here]
    if len(found) < len(lines):
        absent = sorted({key[:2] for key, _ in lines} - here)
        log.warning(
            "%s: skipped %d of its %d transcripts, whose audio folders do not exist (%s)",
            *(spec, len(lines) - len(found), len(lines), listed(absent)),
        )
    return found
