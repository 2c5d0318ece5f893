"""Corpora in LibriSpeech's and OpenSLR's layouts, and audio alone, as a folder or an archive."""

from __future__ import annotations

import contextlib
import gzip
import logging
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from wav2vec2_tf.audio.discover import is_audio
from wav2vec2_tf.data.utterances import (
    Corpus,
    Utterance,
    corpus_of_files,
    decode_utf8,
    listed,
    make_utterance,
    read_file,
    refuse_faults,
    repeated,
    untranscribed,
)
from wav2vec2_tf.utils.errors import UserError, first_line
from wav2vec2_tf.utils.files import files_identity

log = logging.getLogger(__name__)

TRANSCRIPT_SUFFIX = ".trans.txt"
"""Ending of LibriSpeech's transcript files."""
TRANSCRIPT_TABLE = "utt_spk_text"
"""Name, without `.tsv`, of the transcript table in OpenSLR's data sets of one language."""
TAR_SUFFIXES = (".tar.gz", ".tgz", ".tar")
MAX_MEMBER_BYTES = 1 << 30
"""Largest file in an archive that is read: each is held in memory, and no utterance is larger."""
DAMAGED_ARCHIVE = (tarfile.TarError, EOFError, zlib.error, OSError)
"""Errors that reading a damaged archive raises."""


# Folders


def files_below(folder: Path) -> list[Path]:
    """Returns all files in a folder and its subfolders, but for those that start with a dot.

    Raises:
        UserError: a folder cannot be read: the corpus would silently shrink.
    """

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror})")

    return [
        Path(parent, name)
        for parent, _, names in os.walk(folder, onerror=refuse)
        for name in names
        if not name.startswith(".")  # such as the "._" files that macOS leaves
    ]


def is_transcript(name: str) -> bool:
    """Whether a file of this name holds transcripts in one of the two layouts."""
    return name.endswith(TRANSCRIPT_SUFFIX) or name == f"{TRANSCRIPT_TABLE}.tsv"


def open_transcribed_folder(spec: str, files: Sequence[Path]) -> Corpus:
    """Opens a folder in LibriSpeech's or OpenSLR's layout, given all its files."""
    transcripts = sorted(file for file in files if is_transcript(file.name))
    audio = sorted((file for file in files if is_audio(file.name)), key=lambda file: file.stem)
    lines = [
        entry
        for file in transcripts
        for entry in _transcript_lines(str(file), file.name, read_file(file))
    ]
    kind = "LibriSpeech folder"
    if any(file.suffix == ".tsv" for file in transcripts):
        kind, lines = "OpenSLR folder", _of_downloaded_parts(spec, lines, audio)
    texts = _match(spec, lines, [file.stem for file in audio])
    paths = {file.stem: file for file in audio}
    return corpus_of_files(spec, kind, texts, paths, [*transcripts, *audio])


def open_table(spec: str, path: Path) -> Corpus:
    """Opens the utterances that an OpenSLR table names, with the audio below the table's folder."""
    lines = list(_transcript_lines(spec, path.name, read_file(path)))
    audio = [file for file in files_below(path.parent) if is_audio(file.name)]
    lines = _of_downloaded_parts(spec, lines, audio)
    named = {key for key, _ in lines}
    chosen = sorted((file for file in audio if file.stem in named), key=lambda file: file.stem)
    texts = _match(spec, lines, [file.stem for file in chosen])
    paths = {file.stem: file for file in chosen}
    return corpus_of_files(spec, "OpenSLR table", texts, paths, [path, *chosen])


def open_audio_folder(spec: str, folder: Path, files: Sequence[Path]) -> Corpus:
    """Opens all audio in a folder, without transcripts; ids are paths relative to the folder."""
    audio = [file for file in files if is_audio(file.name)]
    if not audio:
        raise UserError(f"{spec}: no audio and no .parquet file in or below this folder")
    paths = {file.relative_to(folder).as_posix(): file for file in audio}
    texts = untranscribed(spec, sorted(paths))
    return corpus_of_files(spec, "folder of audio", texts, paths, audio)


# Archives


def open_archive(spec: str, path: Path, transcribed: bool) -> Corpus:
    """Opens a tar archive of a folder in LibriSpeech's or OpenSLR's layout, or of audio alone."""

    def key_of(file: PurePosixPath) -> str:
        return file.stem if transcribed else str(file)

    lines: list[tuple[str, str]] = []
    audio: list[str] = []
    for file, read in _archived_files(spec, path):
        if transcribed and is_transcript(file.name):
            lines.extend(_transcript_lines(f"{spec}: {file.name!r}", file.name, read()))
        elif is_audio(file.name):
            audio.append(key_of(file))
    if not lines and not audio:
        wanted = f"no *{TRANSCRIPT_SUFFIX} and no audio" if transcribed else "no audio"
        raise UserError(f"{spec}: {wanted} in this archive")
    texts = _match(spec, lines, audio) if transcribed else untranscribed(spec, audio)

    def utterances() -> Iterator[Utterance]:
        for file, read in _archived_files(spec, path):
            if is_audio(file.name):
                key = key_of(file)
                yield make_utterance(key, texts[key], read())

    return Corpus(spec, "archive", texts, files_identity([path]), utterances, streamed=True)


def _archived_files(spec: str, path: Path) -> Iterator[tuple[PurePosixPath, Callable[[], bytes]]]:
    """Yields the name of each regular file of an archive, in order, and a function that reads it.

    Nothing is opened by its name and nothing is written, so a hostile name does no harm. A file
    must be read before the next one is requested.
    """

    def damaged(error: Exception) -> UserError:
        return UserError(f"{spec}: the archive is damaged ({first_line(error)}); download it again")

    def read(member: tarfile.TarInfo) -> bytes:
        if member.size > MAX_MEMBER_BYTES:
            raise UserError(
                f"{spec}: {member.name!r} is too large ({member.size} bytes) for speech"
            )
        file = archive.extractfile(member)
        assert file is not None  # it is a regular file
        try:
            return file.read()
        except DAMAGED_ARCHIVE as error:
            raise damaged(error) from error

    try:
        with _decompressed(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                file = PurePosixPath(member.name)
                if member.isreg() and not member.issparse() and not file.name.startswith("."):
                    yield file, partial(read, member)
            # tarfile stops at the end mark: gzip verifies its checksum only at the end of the file
            while stream.read(1 << 20):
                pass
    except DAMAGED_ARCHIVE as error:
        raise damaged(error) from error


@contextlib.contextmanager
def _decompressed(path: Path) -> Iterator[BinaryIO]:
    with open(path, "rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not compressed:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as stream:
            yield stream  # type: ignore[misc]  # reads like any binary file


# Transcripts


def _transcript_lines(source: str, name: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Yields the ids and texts in a transcript file `name`; errors name `source`."""
    for number, line in enumerate(decode_utf8(source, content).split("\n"), start=1):
        if not line.strip():
            continue
        if name.endswith(TRANSCRIPT_SUFFIX):
            key, _, text = line.strip().partition(" ")
        else:
            columns = line.rstrip("\r").split("\t", 2)
            if len(columns) != 3:
                raise UserError(
                    f"{source}: line {number} must have 3 columns separated by tabs (utterance, "
                    f"speaker, text), got {len(columns)}"
                )
            key, _, text = columns
        yield key.strip(), text.strip()


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


def _match(spec: str, lines: Iterable[tuple[str, str]], audio: list[str]) -> dict[str, str]:
    """Returns transcripts by id in the order of `audio`.

    Raises:
        UserError: a transcript lacks audio, audio lacks a transcript, or an id occurs twice.
    """
    lines = list(lines)
    texts = dict(lines)
    recorded = set(audio)
    refuse_faults(
        spec,
        ("transcripts without audio", [key for key in texts if key not in recorded]),
        ("audio without transcript", [key for key in audio if key not in texts]),
        (
            "ids that occur twice",
            list(dict.fromkeys([*repeated(audio), *repeated(key for key, _ in lines)])),
        ),
    )
    return {key: texts[key] for key in audio}
