"""Corpora in LibriSpeech's and OpenSLR's layouts, and audio alone, as a folder or an archive."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from wav2vec2_tf.audio.discover import audio_below, is_audio
from wav2vec2_tf.data.paths import as_id
from wav2vec2_tf.data.tar import tar_members
from wav2vec2_tf.data.transcripts import (
    TRANSCRIPT_SUFFIX,
    Pairs,
    is_transcript,
    match,
    transcript_lines,
)
from wav2vec2_tf.data.utterances import (
    Corpus,
    Entry,
    Listing,
    Utterance,
    corpus_of_files,
    corpus_of_listing,
    listed,
    make_utterance,
    read_file,
)
from wav2vec2_tf.utils.errors import UserError, brief
from wav2vec2_tf.utils.files import files_identity

log = logging.getLogger(__name__)

MAX_TRANSCRIPT_BYTES = 1 << 26
"""Largest transcript file in an archive; the largest of OpenSLR has a tenth of it."""


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
    missing = [key for key, file in files.items() if not os.path.isfile(file)]
    return corpus_of_files(spec, kind, texts, files, transcripts, missing=missing)


def audio_entries(folder: Path) -> Iterator[Entry]:
    """Yields all audio in a folder and below; ids are paths relative to the folder."""
    for file in audio_below(str(folder)):
        yield Entry(as_id(Path(file).relative_to(folder).as_posix()), "", Path(file))


def open_untranscribed_folder(spec: str, folder: Path) -> Corpus:
    """Opens all audio in a folder, without transcripts, in the order of its ids."""
    entries = sorted(audio_entries(folder), key=lambda entry: entry.id)
    if not entries:
        raise UserError(f"{spec}: no audio and no .parquet file in or below this folder")
    return corpus_of_listing(spec, Listing("folder of audio", entries))


def open_archive(spec: str, path: Path, transcribed: bool) -> Corpus:
    """Opens a tar archive of a folder in LibriSpeech's or OpenSLR's layout, or of audio alone."""

    def key_of(file: PurePosixPath) -> str:
        return as_id(file.stem if transcribed else str(file))

    pairs = Pairs()
    for member in tar_members(spec, path):
        name = member.path.name
        if transcribed and is_transcript(name):
            content = member.read(MAX_TRANSCRIPT_BYTES)
            place = f"{spec}: {brief(str(member.path))}"
            for key, text in transcript_lines(place, name, content):
                pairs.add_text(key, text)
        elif is_audio(name):
            pairs.add_audio(key_of(member.path))
    if not pairs:
        wanted = f"no *{TRANSCRIPT_SUFFIX} and no audio" if transcribed else "no audio"
        raise UserError(f"{spec}: {wanted} in this archive")
    texts = pairs.matched(spec, transcribed=transcribed)

    def utterances() -> Iterator[Utterance]:
        for member in tar_members(spec, path):
            if is_audio(member.path.name):
                key = key_of(member.path)
                yield make_utterance(key, texts[key], member.read())

    return Corpus(spec, "archive", texts, files_identity([path]), utterances, streamed=True)


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
