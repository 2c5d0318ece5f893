"""Corpora: where utterances come from.

Every source becomes a `Corpus`: its transcripts are known and checked when it is opened, its audio
is read one utterance at a time.
"""

from __future__ import annotations

import contextlib
import csv
import glob
import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from wav2vec2_tf.errors import UserError

if TYPE_CHECKING:
    import datasets
    import numpy as np

TRANSCRIPT_SUFFIX = ".trans.txt"
AUDIO_SUFFIXES = frozenset({".flac", ".wav", ".ogg", ".opus", ".mp3"})
TAR_SUFFIXES = (".tar.gz", ".tgz", ".tar")
MANIFEST_SUFFIXES = frozenset({".tsv", ".csv", ".jsonl"})
AUDIO_COLUMNS = ("audio", "path", "file", "audio_filepath")
TEXT_COLUMNS = ("text", "sentence", "transcript", "transcription")
MAX_MEMBER_BYTES = 1 << 30  # one file of an archive is read into memory: no honest one is larger
DAMAGE = (tarfile.TarError, EOFError, zlib.error, OSError)  # what reading a bad archive raises
NAMED = 3  # of many faults, how many a message names


@dataclass(frozen=True)
class Utterance:
    """One recording and what was said in it."""

    id: str
    text: str  # as the corpus has it
    load: Callable[[], np.ndarray]  # float32 mono 16 kHz (samples,); raises UserError


@dataclass(frozen=True)
class Corpus:
    """Utterances of one source, in a fixed order."""

    source: str  # as the user named it
    kind: str
    texts: Mapping[str, str]  # transcript of every utterance, in the order of iteration
    identity: str  # changes when the source does
    utterances: Callable[[], Iterator[Utterance]]

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[Utterance]:
        return self.utterances()


def open_corpus(spec: str, *, split: str | None = None, cache_dir: str | None = None) -> Corpus:
    """Opens a corpus and checks that audio and transcripts belong together.

    `spec` is a folder in LibriSpeech layout (`*.trans.txt` and audio at any depth), such a folder
    as `.tar.gz` (read in place, never unpacked), a parquet file, a folder that `datasets` reads, a
    Hugging Face dataset id (`id` or `id:config`), or a TSV/CSV/JSONL manifest with columns
    audio/path/file and text/sentence/transcript, its paths relative to itself.

    Raises UserError if there is no such corpus, if it is empty, or if any transcript lacks audio,
    any audio lacks a transcript or an id occurs twice.
    """
    path = Path(spec).expanduser()
    name = path.name.lower()
    if path.is_dir():
        corpus = _open_folder(spec, path, split, cache_dir)
    elif path.suffix.lower() == ".parquet" and path.is_file():
        corpus = _open_dataset(spec, split, cache_dir)
    elif path.exists():
        if name.endswith(TAR_SUFFIXES):
            corpus = _open_tar(spec, path)
        elif path.suffix.lower() in MANIFEST_SUFFIXES:
            corpus = _open_manifest(spec, path)
        else:
            raise UserError(
                f"{spec}: not a corpus this program reads; give a folder in LibriSpeech layout, "
                "a .tar.gz of one, a .parquet file, or a .tsv, .csv or .jsonl manifest"
            )
        _refuse_split(spec, split)
    else:
        corpus = _open_dataset(spec, split, cache_dir)
    if not corpus.texts:
        raise UserError(f"{spec}: the corpus is empty; name one with utterances in it")
    return corpus


def files_identity(files: Iterable[Path]) -> str:
    """A digest of names, sizes and times: it changes when any of the files does."""
    digest = hashlib.sha256()
    for file in sorted(files):
        status = file.stat()
        digest.update(
            f"{file.absolute()}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="replace")
        )
    return digest.hexdigest()


# LibriSpeech layout, as a folder and as an archive


def _open_folder(spec: str, folder: Path, split: str | None, cache_dir: str | None) -> Corpus:
    def refuse(error: OSError) -> None:  # else a corpus shrinks by what cannot be read
        raise UserError(f"{error.filename}: cannot be read ({error.strerror})")

    files = [
        Path(parent, name)
        for parent, _, names in os.walk(folder, onerror=refuse)
        for name in names
        if not name.startswith(".")  # such as the "._" shadows macOS leaves
    ]
    transcripts = sorted(file for file in files if file.name.endswith(TRANSCRIPT_SUFFIX))
    if not transcripts:
        if any(file.suffix in {".parquet", ".arrow"} for file in files):
            return _open_dataset(spec, split, cache_dir)
        raise UserError(
            f"{spec}: no *{TRANSCRIPT_SUFFIX} and no .parquet file in or below this folder; "
            "name a LibriSpeech folder such as LibriSpeech/test-clean"
        )
    _refuse_split(spec, split)
    audio = [file for file in files if _is_audio(file.name)]
    lines = (
        entry for file in transcripts for entry in _transcript_lines(str(file), _read_file(file))
    )
    texts = _match(spec, lines, sorted(file.stem for file in audio))
    paths = {file.stem: file for file in audio}

    def utterances() -> Iterator[Utterance]:
        for key, text in texts.items():
            yield Utterance(key, text, partial(_load_audio, paths[key]))

    identity = files_identity([*transcripts, *audio])
    return Corpus(spec, "LibriSpeech folder", texts, identity, utterances)


def _open_tar(spec: str, path: Path) -> Corpus:
    lines: list[tuple[str, str]] = []
    audio: list[str] = []
    for name, read in _tar_files(spec, path):
        if name.endswith(TRANSCRIPT_SUFFIX):
            lines.extend(_transcript_lines(f"{spec}: {name!r}", read()))
        elif _is_audio(name):
            audio.append(PurePosixPath(name).stem)
    if not lines and not audio:
        raise UserError(f"{spec}: no *{TRANSCRIPT_SUFFIX} and no audio in this archive")
    texts = _match(spec, lines, audio)

    def utterances() -> Iterator[Utterance]:
        for name, read in _tar_files(spec, path):
            if _is_audio(name):
                key = PurePosixPath(name).stem
                yield Utterance(key, texts[key], partial(_load_audio, read()))

    return Corpus(spec, "LibriSpeech archive", texts, files_identity([path]), utterances)


def _is_audio(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in AUDIO_SUFFIXES


def _tar_files(spec: str, path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Base name of each plain file of an archive, in its order, and a function that reads it.

    Only base names are looked at and nothing is written, so a hostile name is just a name. The
    file must be read before the next is asked for.
    """

    def damaged(error: Exception) -> UserError:
        return UserError(f"{spec}: the archive is damaged ({_first_line(error)}); fetch it again")

    def read(member: tarfile.TarInfo) -> bytes:
        if member.size > MAX_MEMBER_BYTES:
            raise UserError(
                f"{spec}: {member.name!r} is too large ({member.size} bytes) for speech"
            )
        file = archive.extractfile(member)
        assert file is not None  # a plain file always opens
        try:
            return file.read()
        except DAMAGE as error:
            raise damaged(error) from error

    try:
        with _open_archive(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if member.isreg() and not member.issparse() and not name.startswith("."):
                    yield name, partial(read, member)
            # tarfile stops at the end mark: the rest must be read for gzip to check its sum
            while stream.read(1 << 20):
                pass
    except DAMAGE as error:
        raise damaged(error) from error


@contextlib.contextmanager
def _open_archive(path: Path) -> Iterator[BinaryIO]:
    with open(path, "rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not compressed:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as stream:
            yield stream  # type: ignore[misc]  # reads like any binary file


def _transcript_lines(source: str, content: bytes) -> Iterator[tuple[str, str]]:
    for line in _decode(source, content).split("\n"):
        key, _, text = line.strip().partition(" ")
        if key:
            yield key, text.strip()


def _match(spec: str, lines: Iterable[tuple[str, str]], audio: list[str]) -> dict[str, str]:
    """Transcripts in the order of `audio`; raises UserError unless the two pair up exactly."""
    texts: dict[str, str] = {}
    twice = [key for key, count in Counter(audio).items() if count > 1]
    for key, text in lines:
        if key in texts:
            twice.append(key)
        texts[key] = text
    heard = set(audio)
    _refuse(
        spec,
        ("transcripts without audio", [key for key in texts if key not in heard]),
        ("audio without transcript", [key for key in audio if key not in texts]),
        ("ids that occur twice", list(dict.fromkeys(twice))),
    )
    return {key: texts[key] for key in audio}


# Hugging Face datasets


def _open_dataset(spec: str, split: str | None, cache_dir: str | None) -> Corpus:
    dataset = _load_dataset(spec, split, cache_dir)
    audio_column = _column(spec, dataset.column_names, AUDIO_COLUMNS)
    text_column = _column(spec, dataset.column_names, TEXT_COLUMNS)
    import datasets
    import pyarrow.compute as compute

    # datasets itself would decode with torchcodec and FFmpeg: the bytes are enough
    try:
        dataset = dataset.cast_column(audio_column, datasets.Audio(decode=False))
    except (TypeError, ValueError) as error:  # pyarrow's own errors are among these
        raise UserError(f"{spec}: column {audio_column!r} holds no audio files") from error
    if "id" in dataset.column_names:
        keys = [str(key) for key in dataset["id"]]
    else:
        keys = [str(row) for row in range(len(dataset))]
    texts = {
        key: "" if text is None else str(text)
        for key, text in zip(keys, dataset[text_column], strict=True)
    }
    stored = dataset.data.column(audio_column)
    absent = compute.and_(
        compute.is_null(compute.struct_field(stored, "bytes")),
        compute.is_null(compute.struct_field(stored, "path")),
    ).to_pylist()
    _refuse(
        spec,
        (
            "transcripts without audio",
            [key for key, gone in zip(keys, absent, strict=True) if gone],
        ),
        ("ids that occur twice", [key for key, count in Counter(keys).items() if count > 1]),
    )
    folder = Path(spec).expanduser()
    folder = folder if folder.is_dir() else folder.parent

    def load(row: int) -> np.ndarray:
        audio = dataset[row][audio_column]
        if audio["bytes"] is not None:
            return _load_audio(audio["bytes"])
        return _load_audio(folder / audio["path"])

    def utterances() -> Iterator[Utterance]:
        for row, (key, text) in enumerate(texts.items()):
            yield Utterance(key, text, partial(load, row))

    identity = files_identity(Path(file["filename"]) for file in dataset.cache_files)
    return Corpus(spec, "dataset", texts, identity, utterances)


def _load_dataset(spec: str, split: str | None, cache_dir: str | None) -> datasets.Dataset:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise UserError(
            f"{spec}: to read it, install the evaluation extra: pip install 'wav2vec2-tf[eval]'"
        ) from error
    path = Path(spec).expanduser()
    name, _, config = spec.partition(":")
    try:
        if path.is_file():
            files = {split or "train": glob.escape(str(path))}
            return datasets.load_dataset(
                "parquet", data_files=files, split=split or "train", cache_dir=cache_dir
            )
        if path.is_dir():
            name, config = str(path), ""
            if (path / "state.json").exists() or (path / "dataset_dict.json").exists():
                saved = datasets.load_from_disk(name)
                if isinstance(saved, datasets.Dataset):
                    return saved
                return saved[_choose_split(spec, split, list(saved))]
        elif not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
            raise UserError(f"{spec}: no such file or folder")
        splits = datasets.get_dataset_split_names(name, config or None)
        return datasets.load_dataset(
            name, config or None, split=_choose_split(spec, split, splits), cache_dir=cache_dir
        )
    except UserError:
        raise
    except Exception as error:  # datasets passes on whatever its many back ends raise
        known = "" if path.exists() else "no such file or folder, and as a dataset id: "
        cause = error.__cause__ if "generating the dataset" in str(error) else None
        raise UserError(f"{spec}: {known}{_first_line(cause or error)}") from error


def _choose_split(spec: str, split: str | None, splits: list[str]) -> str:
    if split is None and len(splits) == 1:
        return splits[0]
    # "test[:10]" and "train+test" are forms of datasets' own
    if split is not None and re.split(r"[\[+]", split)[0] in splits:
        return split
    fault = "several splits" if split is None else f"no split {split!r}"
    raise UserError(f"{spec}: {fault}; choose with --split from {', '.join(splits)}")


# Manifests


def _open_manifest(spec: str, path: Path) -> Corpus:
    content = _decode(spec, _read_file(path))
    rows = list(
        _json_rows(spec, content) if path.suffix.lower() == ".jsonl" else _table_rows(path, content)
    )
    if not rows:
        raise UserError(f"{spec}: the manifest has no rows; it needs a header and a row a file")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    audio_column = _column(spec, columns, AUDIO_COLUMNS)
    text_column = _column(spec, columns, TEXT_COLUMNS)
    texts: dict[str, str] = {}
    paths: dict[str, Path] = {}
    silent, absent, twice = [], [], []
    for number, row in enumerate(rows, start=1):
        file, text = row.get(audio_column), row.get(text_column)
        key = str(row.get("id") or file or f"row {number}")
        if not file or not (path.parent / str(file)).is_file():
            absent.append(key)
        if text is None:
            silent.append(key)
        if key in texts:
            twice.append(key)
        texts[key] = str(text)
        paths[key] = path.parent / str(file)
    _refuse(
        spec,
        ("transcripts without audio", absent),
        ("audio without transcript", silent),
        ("ids that occur twice", twice),
    )

    def utterances() -> Iterator[Utterance]:
        for key, text in texts.items():
            yield Utterance(key, text, partial(_load_audio, paths[key]))

    return Corpus(spec, "manifest", texts, files_identity([path, *paths.values()]), utterances)


def _json_rows(spec: str, content: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{spec}: line {number} is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise UserError(f"{spec}: line {number} is not a JSON object")
        yield row


def _table_rows(path: Path, content: str) -> Iterator[dict[str, Any]]:
    lines = io.StringIO(content, newline="")
    try:
        if path.suffix.lower() == ".tsv":  # a quotation mark in a TSV is a character like any other
            yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        else:
            yield from csv.DictReader(lines)
    except csv.Error as error:
        raise UserError(f"{path}: not a table this program can read ({error})") from error


# Shared


def _column(spec: str, columns: list[str], wanted: tuple[str, ...]) -> str:
    for name in wanted:
        if name in columns:
            return name
    raise UserError(
        f"{spec}: no column {', '.join(wanted[:-1])} or {wanted[-1]}; it has "
        f"{', '.join(repr(name) for name in columns)}"
    )


def _refuse(spec: str, *faults: tuple[str, list[str]]) -> None:
    found = [
        f"{fault}: {len(keys)} ({', '.join(map(repr, keys[:NAMED]))}"
        f"{', …' if len(keys) > NAMED else ''})"
        for fault, keys in faults
        if keys
    ]
    if found:
        raise UserError(f"{spec}: {'; '.join(found)}; mend the corpus and run again")


def _refuse_split(spec: str, split: str | None) -> None:
    if split is not None:
        raise UserError(f"{spec}: --split is for datasets; name the part itself as --data instead")


def _load_audio(source: Path | bytes) -> np.ndarray:
    from wav2vec2_tf import audio

    return audio.load(source)


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def _decode(source: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{source}: not UTF-8 text (byte {error.start})") from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
