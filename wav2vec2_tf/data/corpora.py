"""Corpora: where utterances come from.

Every source becomes a `Corpus`: its transcripts are known and checked when it is opened, its audio
is read one utterance at a time.

All of an `Utterance` can be pickled, so that other processes can load it.
"""

from __future__ import annotations

import contextlib
import csv
import glob
import gzip
import io
import json
import logging
import os
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from wav2vec2_tf.data.shards import MANIFEST_FILE, Manifest, read_record
from wav2vec2_tf.utils.errors import UserError, first_line
from wav2vec2_tf.utils.files import encodable, files_identity

if TYPE_CHECKING:
    import datasets
    import numpy as np

log = logging.getLogger(__name__)

TRANSCRIPT_SUFFIX = ".trans.txt"  # of LibriSpeech
TRANSCRIPT_TABLE = "utt_spk_text"  # of OpenSLR's sets of one language, with .tsv
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
    samples: Callable[[], int]
    """How many `load` will give, or one more: see `audio.count_samples`. Raises UserError."""


@dataclass(frozen=True)
class Corpus:
    """Utterances of one source, in a fixed order."""

    source: str  # as the user named it
    kind: str
    texts: Mapping[str, str]  # transcript of every utterance, in the order of iteration
    identity: str  # changes when the source does
    utterances: Callable[[], Iterator[Utterance]]
    streamed: bool = False
    """An archive: to be read in order, each utterance holding its audio in memory. All others can
    be listed, and their utterances loaded in any order and from several threads."""

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[Utterance]:
        return self.utterances()


def open_corpus(
    spec: str, *, split: str | None = None, cache_dir: str | None = None, transcribed: bool = True
) -> Corpus:
    """Opens a corpus and checks that audio and transcripts belong together.

    `spec` is one of

    - a folder in LibriSpeech layout: `*.trans.txt` and audio at any depth; or that folder as
      `.tar.gz`, read in place, never unpacked
    - a folder in the layout of OpenSLR's sets of one language (SLR 54 and its kin), or the TSV in
      it: `utt_spk_text.tsv` (utterance, speaker, text; no header) and `<utterance>.flac` at any
      depth. Parts that were not downloaded are left out with a warning: where audio is in folders
      named by the first two characters of its id, utterances of folders that are not there. A TSV
      that is itself named, `utt_spk_text*.tsv`, may be a selection
    - a folder of shards that `wav2vec2-tf shards` wrote
    - a TSV/CSV/JSONL manifest with columns audio/path/file and text/sentence/transcript, its paths
      relative to itself
    - a parquet file, a folder that `datasets` reads, or a Hugging Face dataset id (`id` or
      `id:config`), of which `split` is chosen

    Unless `transcribed`, speech alone is wanted and every text is "". Then it may also be any
    folder or archive of audio, where ids are paths within it and transcripts are not looked at, or
    a manifest or dataset without a column of texts.

    Raises UserError if there is no such corpus, if it is empty, or if any transcript lacks audio,
    any audio lacks a transcript or an id occurs twice.
    """
    path = Path(spec).expanduser()
    name = path.name.lower()
    if (path / MANIFEST_FILE).is_file() and any(path.glob("*.tfrecord")):
        _refuse_split(spec, split)
        corpus = _open_shards(spec, path)
    elif path.is_dir():
        corpus = _open_folder(spec, path, split, cache_dir, transcribed)
    elif path.suffix.lower() == ".parquet" and path.is_file():
        corpus = _open_dataset(spec, split, cache_dir, transcribed)
    elif path.exists():
        if name.endswith(TAR_SUFFIXES):
            corpus = _open_tar(spec, path, transcribed)
        elif path.suffix.lower() == ".tsv" and name.startswith(TRANSCRIPT_TABLE):
            corpus = _open_table(spec, path)
        elif path.suffix.lower() in MANIFEST_SUFFIXES:
            corpus = _open_manifest(spec, path, transcribed)
        else:
            raise UserError(
                f"{spec}: not a corpus this program reads; give a folder in LibriSpeech or OpenSLR "
                "layout, a .tar.gz of one, a folder of shards, a .parquet file, or a .tsv, .csv or "
                ".jsonl manifest"
            )
        _refuse_split(spec, split)
    else:
        corpus = _open_dataset(spec, split, cache_dir, transcribed)
    if not corpus.texts:
        raise UserError(f"{spec}: the corpus is empty; name one with utterances in it")
    return corpus if transcribed else _without_texts(corpus)


# LibriSpeech's layout and OpenSLR's, and audio alone, as a folder and as an archive


def _open_folder(
    spec: str, folder: Path, split: str | None, cache_dir: str | None, transcribed: bool
) -> Corpus:
    files = _files_below(folder)
    transcripts = sorted(file for file in files if _is_transcript(file.name))
    audio = sorted((file for file in files if _is_audio(file.name)), key=lambda file: file.stem)
    if not transcripts:
        if any(file.suffix in {".parquet", ".arrow"} for file in files):
            return _open_dataset(spec, split, cache_dir, transcribed)
        if transcribed:
            raise UserError(
                f"{spec}: no *{TRANSCRIPT_SUFFIX}, no {TRANSCRIPT_TABLE}.tsv and no .parquet file "
                "in or below this folder; name a LibriSpeech folder such as LibriSpeech/test-clean"
            )
        if not audio:
            raise UserError(f"{spec}: no audio and no .parquet file in or below this folder")
    _refuse_split(spec, split)
    if not transcribed:
        names = {file.relative_to(folder).as_posix(): file for file in audio}
        paths = {name: names[name] for name in sorted(names)}
        texts = _untranscribed(spec, list(paths))
        return _corpus_of_files(spec, "folder of audio", texts, paths, audio)
    lines = [
        entry
        for file in transcripts
        for entry in _transcript_lines(str(file), file.name, _read_file(file))
    ]
    kind = "LibriSpeech folder"
    if any(file.suffix == ".tsv" for file in transcripts):
        kind, lines = "OpenSLR folder", _of_parts_here(spec, lines, audio)
    texts = _match(spec, lines, [file.stem for file in audio])
    return _corpus_of_files(
        spec, kind, texts, {file.stem: file for file in audio}, [*transcripts, *audio]
    )


def _open_table(spec: str, path: Path) -> Corpus:
    """The utterances that an OpenSLR table names, of the audio below its folder."""
    lines = list(_transcript_lines(spec, path.name, _read_file(path)))
    audio = [file for file in _files_below(path.parent) if _is_audio(file.name)]
    lines = _of_parts_here(spec, lines, audio)
    named = {key for key, _ in lines}
    chosen = sorted((file for file in audio if file.stem in named), key=lambda file: file.stem)
    texts = _match(spec, lines, [file.stem for file in chosen])
    paths = {file.stem: file for file in chosen}
    return _corpus_of_files(spec, "OpenSLR table", texts, paths, [path, *chosen])


def _of_parts_here(
    spec: str, lines: list[tuple[str, str]], audio: Sequence[Path]
) -> list[tuple[str, str]]:
    """The lines of an OpenSLR table without those of parts that were not downloaded.

    The whole table comes with each part, so it names more than is there. Audio lies in folders
    named by the first two characters of its id: where it does so, a folder that is not there at all
    is of a part that is not; where one is, a file that it lacks is missing.
    """
    here = {file.parent.name for file in audio}
    if not audio or any(file.parent.name != file.stem[:2] for file in audio):
        return lines
    found = [(key, text) for key, text in lines if key[:2] in here]
    if len(found) < len(lines):
        absent = sorted({key[:2] for key, _ in lines} - here)
        log.warning(
            "%s: %d of its %d transcripts are left out, since the folders of their audio are not "
            "there (%s)",
            *(spec, len(lines) - len(found), len(lines), _named(absent)),
        )
    return found


def _open_tar(spec: str, path: Path, transcribed: bool) -> Corpus:
    def key_of(file: PurePosixPath) -> str:
        return file.stem if transcribed else str(file)

    lines: list[tuple[str, str]] = []
    audio: list[str] = []
    for file, read in _tar_files(spec, path):
        if transcribed and _is_transcript(file.name):
            lines.extend(_transcript_lines(f"{spec}: {file.name!r}", file.name, read()))
        elif _is_audio(file.name):
            audio.append(key_of(file))
    if not lines and not audio:
        wanted = f"no *{TRANSCRIPT_SUFFIX} and no audio" if transcribed else "no audio"
        raise UserError(f"{spec}: {wanted} in this archive")
    texts = _match(spec, lines, audio) if transcribed else _untranscribed(spec, audio)

    def utterances() -> Iterator[Utterance]:
        for file, read in _tar_files(spec, path):
            if _is_audio(file.name):
                key = key_of(file)
                yield _utterance(key, texts[key], read())

    return Corpus(spec, "archive", texts, files_identity([path]), utterances, streamed=True)


def _files_below(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:  # else a corpus shrinks by what cannot be read
        raise UserError(f"{error.filename}: cannot be read ({error.strerror})")

    return [
        Path(parent, name)
        for parent, _, names in os.walk(folder, onerror=refuse)
        for name in names
        if not name.startswith(".")  # such as the "._" shadows macOS leaves
    ]


def _is_audio(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in AUDIO_SUFFIXES


def _is_transcript(name: str) -> bool:
    return name.endswith(TRANSCRIPT_SUFFIX) or name == f"{TRANSCRIPT_TABLE}.tsv"


def _tar_files(spec: str, path: Path) -> Iterator[tuple[PurePosixPath, Callable[[], bytes]]]:
    """Name of each plain file of an archive, in its order, and a function that reads it.

    Nothing is opened by its name and nothing is written, so a hostile name is just a name. The
    file must be read before the next is asked for.
    """

    def damaged(error: Exception) -> UserError:
        return UserError(f"{spec}: the archive is damaged ({first_line(error)}); fetch it again")

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
                file = PurePosixPath(member.name)
                if member.isreg() and not member.issparse() and not file.name.startswith("."):
                    yield file, partial(read, member)
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


def _transcript_lines(source: str, name: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Ids and texts in a file of this name; `source` is for messages."""
    for number, line in enumerate(_decode(source, content).split("\n"), start=1):
        if not line.strip():
            continue
        if name.endswith(TRANSCRIPT_SUFFIX):
            key, _, text = line.strip().partition(" ")
        else:
            columns = line.rstrip("\r").split("\t", 2)
            if len(columns) != 3:
                raise UserError(
                    f"{source}: line {number} has {len(columns)} columns with tabs between, not 3 "
                    "(utterance, speaker, text)"
                )
            key, _, text = columns
        yield key.strip(), text.strip()


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


def _untranscribed(spec: str, names: list[str]) -> dict[str, str]:
    """No text for each name; raises UserError for names that cannot be ids."""
    counts = Counter(names)
    _refuse(
        spec,
        ("ids that occur twice", [name for name, count in counts.items() if count > 1]),
        ("names that are not UTF-8", [name for name in counts if not encodable(name)]),
    )
    return dict.fromkeys(counts, "")


# Hugging Face datasets


def _open_dataset(spec: str, split: str | None, cache_dir: str | None, transcribed: bool) -> Corpus:
    dataset = _load_dataset(spec, split, cache_dir)
    audio_column = _column(spec, dataset.column_names, AUDIO_COLUMNS)
    stated: Sequence[Any] = [None] * len(dataset)
    if transcribed:
        stated = dataset[_column(spec, dataset.column_names, TEXT_COLUMNS)]
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
    texts = {key: "" if text is None else str(text) for key, text in zip(keys, stated, strict=True)}
    stored = dataset.data.column(audio_column)
    absent = compute.and_(
        compute.is_null(compute.struct_field(stored, "bytes")),
        compute.is_null(compute.struct_field(stored, "path")),
    ).to_pylist()
    _refuse(
        spec,
        (
            "rows without audio",
            [key for key, gone in zip(keys, absent, strict=True) if gone],
        ),
        ("ids that occur twice", [key for key, count in Counter(keys).items() if count > 1]),
    )
    folder = Path(spec).expanduser()
    folder = folder if folder.is_dir() else folder.parent
    sounds = dataset.select_columns(audio_column)

    def utterances() -> Iterator[Utterance]:
        for row, (key, text) in enumerate(texts.items()):
            yield _utterance(key, text, _Row(sounds, row, folder))

    identity = files_identity(Path(file["filename"]) for file in dataset.cache_files)
    return Corpus(spec, "dataset", texts, identity, utterances)


@dataclass(frozen=True)
class _Row:
    """Audio of a dataset, which has the file or its path."""

    sounds: datasets.Dataset  # its only column
    row: int
    folder: Path  # of relative paths

    def audio(self) -> Path | bytes:
        (stored,) = self.sounds[self.row].values()
        content: bytes | None = stored["bytes"]
        return self.folder / stored["path"] if content is None else content


def _load_dataset(spec: str, split: str | None, cache_dir: str | None) -> datasets.Dataset:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise UserError(
            f"{spec}: reading it needs datasets: pip install datasets, which the extras "
            "wav2vec2-tf[train] and wav2vec2-tf[eval] have"
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
        raise UserError(f"{spec}: {known}{first_line(cause or error)}") from error


def _choose_split(spec: str, split: str | None, splits: list[str]) -> str:
    if split is None and len(splits) == 1:
        return splits[0]
    # "test[:10]" and "train+test" are forms of datasets' own
    if split is not None and re.split(r"[\[+]", split)[0] in splits:
        return split
    fault = "several splits" if split is None else f"no split {split!r}"
    raise UserError(f"{spec}: {fault}; choose with --split from {', '.join(splits)}")


# Manifests


def row_id(row: Mapping[str, Any]) -> str:
    """What a manifest's row calls itself, a number too; empty where it has no name."""
    stated = row.get("id")
    return "" if stated is None else str(stated)


def _open_manifest(spec: str, path: Path, transcribed: bool) -> Corpus:
    content = _decode(spec, _read_file(path))
    rows = list(_manifest_rows(path, io.StringIO(content, newline="")))
    if not rows:
        raise UserError(f"{spec}: the manifest has no rows; it needs a header and a row a file")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    audio_column = _column(spec, columns, AUDIO_COLUMNS)
    text_column = _column(spec, columns, TEXT_COLUMNS) if transcribed else None
    texts: dict[str, str] = {}
    paths: dict[str, Path] = {}
    silent, absent, twice = [], [], []
    for number, row in enumerate(rows, start=1):
        file, text = row.get(audio_column), row.get(text_column) if text_column else ""
        key = row_id(row) or str(file or f"row {number}")
        if not encodable(f"{key}{text}"):
            raise UserError(f"{spec}: row {number} has half a character; mend it")
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
        ("rows without audio", absent),
        ("audio without transcript", silent),
        ("ids that occur twice", twice),
    )

    return _corpus_of_files(spec, "manifest", texts, paths, [path, *paths.values()])


def manifest_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a TSV, CSV or JSONL manifest, one by one: it may be of any length.

    Raises `UserError` where it cannot be read.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as lines:
            yield from _manifest_rows(path, lines)
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _manifest_rows(path: Path, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
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


# Shards


def _open_shards(spec: str, folder: Path) -> Corpus:
    manifest = Manifest.read(folder)
    if not manifest.complete:
        raise UserError(f"{spec}: not all shards are made; the command that began goes on with it")
    for shard in manifest.shards:
        path = folder / shard.file
        size = path.stat().st_size if path.is_file() else None
        if size != shard.bytes:
            found = "is not there" if size is None else f"has {size} bytes, not {shard.bytes}"
            raise UserError(f"{path}: {found}; the command that made the shards mends them")
    texts = {record.id: record.text for shard in manifest.shards for record in shard.records}

    def utterances() -> Iterator[Utterance]:
        for shard in manifest.shards:
            path = folder / shard.file
            for record, end in zip(shard.records, shard.ends(), strict=True):
                load = partial(read_record, path, record, end)
                yield Utterance(record.id, record.text, load, partial(int, record.samples))

    return Corpus(spec, "shards", texts, manifest.identity, utterances)


# Shared


def _corpus_of_files(
    spec: str, kind: str, texts: dict[str, str], audio: dict[str, Path], files: list[Path]
) -> Corpus:
    """Of an audio file for each id, in the order of the texts; `files` are all that it is in."""

    def utterances() -> Iterator[Utterance]:
        for key, text in texts.items():
            yield _utterance(key, text, audio[key])

    return Corpus(spec, kind, texts, files_identity(files), utterances)


def _without_texts(corpus: Corpus) -> Corpus:
    def utterances() -> Iterator[Utterance]:
        for utterance in corpus:
            yield replace(utterance, text="")

    texts, identity = dict.fromkeys(corpus.texts, ""), f"{corpus.identity} without texts"
    return replace(corpus, texts=texts, identity=identity, utterances=utterances)


def _utterance(key: str, text: str, source: Path | bytes | _Row) -> Utterance:
    return Utterance(key, text, partial(_load_audio, source), partial(_count_samples, source))


def _column(spec: str, columns: list[str], wanted: tuple[str, ...]) -> str:
    for name in wanted:
        if name in columns:
            return name
    raise UserError(
        f"{spec}: no column {', '.join(wanted[:-1])} or {wanted[-1]}; it has "
        f"{', '.join(repr(name) for name in columns)}"
    )


def _refuse(spec: str, *faults: tuple[str, list[str]]) -> None:
    found = [f"{fault}: {len(keys)} ({_named(keys)})" for fault, keys in faults if keys]
    if found:
        raise UserError(f"{spec}: {'; '.join(found)}; mend the corpus and run again")


def _named(keys: list[str]) -> str:
    return ", ".join(map(repr, keys[:NAMED])) + (", …" if len(keys) > NAMED else "")


def _refuse_split(spec: str, split: str | None) -> None:
    if split is not None:
        raise UserError(f"{spec}: --split is for datasets; name the part itself instead")


def _load_audio(source: Path | bytes | _Row) -> np.ndarray:
    from wav2vec2_tf import audio

    return audio.load(source.audio() if isinstance(source, _Row) else source)


def _count_samples(source: Path | bytes | _Row) -> int:
    from wav2vec2_tf import audio

    return audio.count_samples(source.audio() if isinstance(source, _Row) else source)


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
