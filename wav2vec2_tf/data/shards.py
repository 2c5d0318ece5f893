"""Shards of speech: TFRecord files, and the manifest that lists their records.

Each record is a `tf.train.Example` with the features `id` and `text` (UTF-8), `samples` (their
number) and `speech` (16 kHz mono, int16 little-endian). A manifest is not trusted: it cannot name
files outside its folder or bytes beyond a file, and the checksum of every record is verified.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.data.utterances import Corpus, Utterance
from wav2vec2_tf.utils import keras_internals
from wav2vec2_tf.utils.errors import UserError, first_line
from wav2vec2_tf.utils.files import encodable, read_json, whole_file

if TYPE_CHECKING:
    import numpy as np

MANIFEST_FILE = "manifest.json"
VERSION = 1
ENCODING = "int16 little-endian"
FULL_SCALE = 32768
"""The integer that stands for 1.0, one above the largest int16."""
SHARD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.tfrecord")
"""Names that are plain file names on every system."""
FRAMING_BYTES = 16
"""TFRecord's length, checksum of the length, and checksum of the content, around each record."""

KINDS = {str: "text", int: "a number", bool: "true or false", list: "a list", dict: "an object"}


@dataclass(frozen=True)
class Record:
    """One utterance in a shard."""

    id: str
    text: str
    samples: int
    offset: int
    """Position of its first byte in the file; it ends where the next record begins."""


@dataclass(frozen=True)
class Shard:
    """What one file must contain."""

    file: str
    bytes: int
    sha256: str
    samples: int
    clipped: int
    """Samples that were louder than full scale."""
    records: tuple[Record, ...]

    def ends(self) -> list[int]:
        """Returns the position after each record."""
        return [*(record.offset for record in self.records[1:]), self.bytes]

    @classmethod
    def from_dict(cls, values: Any) -> Shard:
        """Makes a shard of a manifest's entry.

        Raises:
            UserError: values of the wrong type, or that contradict each other.
        """
        records = tuple(
            Record(**_fields(value, {"id": str, "text": str, "samples": int, "offset": int}))
            for value in _fields(values, {"records": list}, more=True)["records"]
        )
        kinds = {"file": str, "bytes": int, "sha256": str, "samples": int, "clipped": int}
        shard = cls(**{**_fields(values, {**kinds, "records": list}), "records": records})
        if not SHARD_NAME.fullmatch(shard.file):
            raise UserError(f"{shard.file!r} is not a valid name of a shard")
        borders = [*(record.offset for record in records), shard.bytes]
        # records that are contiguous from 0 to the size of the file cannot point outside it
        if borders[0] != 0 or any(end <= start for start, end in pairwise(borders)):
            raise UserError(f"the offsets of {shard.file} are not in order from 0 to its size")
        if sum(record.samples for record in records) != shard.samples:
            raise UserError(f"the samples of {shard.file} are not the sum of its records'")
        return shard


@dataclass(frozen=True)
class Manifest:
    """The sources, rules and contents of a folder of shards."""

    sources: tuple[Mapping[str, str], ...]
    """`name`, `kind` and `identity` of each corpus."""
    rules: Mapping[str, Any]
    """The settings that the shards were made with."""
    complete: bool
    """Whether all shards have been made."""
    shards: tuple[Shard, ...]

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Reads the manifest of a folder, and no shard.

        Raises:
            UserError: there is none, or its values are invalid.
        """
        path = folder / MANIFEST_FILE
        kinds = {"version": int, "rate": int, "encoding": str, "complete": bool}
        try:
            # another version may have other fields
            values = _fields(read_json(path), {"version": int}, more=True)
            if values["version"] != VERSION:
                raise UserError(f"version {values['version']} is not supported, only {VERSION}")
            lists = {"sources": list, "rules": dict, "shards": list}
            values = _fields(values, kinds | lists)
            for name, only in {"rate": SAMPLE_RATE, "encoding": ENCODING}.items():
                if values[name] != only:
                    raise UserError(f"{name} must be {only!r}, got {values[name]!r}")
            sources = [
                _fields(source, dict.fromkeys(("name", "kind", "identity"), str))
                for source in values["sources"]
            ]
            shards = tuple(map(Shard.from_dict, values["shards"]))
            for what, names in {
                "file": [shard.file for shard in shards],
                "id": [record.id for shard in shards for record in shard.records],
            }.items():
                if len(set(names)) < len(names):
                    raise UserError(f"a {what} occurs twice")
        except UserError as error:
            known = "" if str(path) in str(error) else f"{path}: not the manifest of shards: "
            raise UserError(f"{known}{error}") from None
        return cls(tuple(sources), values["rules"], values["complete"], shards)

    def write(self, folder: Path) -> None:
        """Writes the manifest into a folder, whole or not at all."""
        stated = {"version": VERSION, "rate": SAMPLE_RATE, "encoding": ENCODING}
        with whole_file(folder / MANIFEST_FILE) as beside:
            text = json.dumps({**stated, **asdict(self)}, ensure_ascii=False, indent=1)
            beside.write_text(text + "\n", encoding="utf-8")

    @property
    def identity(self) -> str:
        """A digest that changes when the content of any shard does."""
        digest = hashlib.sha256()
        for shard in self.shards:
            digest.update(f"{shard.file}\0{shard.sha256}\n".encode())
        return digest.hexdigest()


def open_shards(spec: str, folder: Path) -> Corpus:
    """Opens a folder of shards as a corpus; errors name `spec`.

    Raises:
        UserError: the shards are not all there, or one has another size than the manifest says.
    """
    manifest = Manifest.read(folder)
    if not manifest.complete:
        raise UserError(f"{spec}: not all shards are made; run the command that began them again")
    for shard in manifest.shards:
        path = folder / shard.file
        size = path.stat().st_size if path.is_file() else None
        if size != shard.bytes:
            found = "does not exist" if size is None else f"has {size} bytes, not {shard.bytes}"
            raise UserError(f"{path}: {found}; run the command that made the shards again")
    texts = {record.id: record.text for shard in manifest.shards for record in shard.records}

    def utterances() -> Iterator[Utterance]:
        for shard in manifest.shards:
            path = folder / shard.file
            for record, end in zip(shard.records, shard.ends(), strict=True):
                load = partial(read_record, path, record, end)
                place = f"{shard.sha256} {record.offset}"
                yield Utterance(
                    record.id,
                    record.text,
                    load,
                    partial(int, record.samples),
                    partial(str, place),
                )

    return Corpus(spec, "shards", texts, manifest.identity, utterances)


def encode_record(key: str, text: str, speech: np.ndarray) -> bytes:
    """Returns the serialized `tf.train.Example` of an utterance, always the same bytes.

    Args:
        key: the utterance's id.
        text: its transcript.
        speech: little-endian int16 `(samples,)`.
    """
    import tensorflow as tf

    def of_bytes(content: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))

    features = {
        "id": of_bytes(key.encode()),
        "text": of_bytes(text.encode()),
        "samples": tf.train.Feature(int64_list=tf.train.Int64List(value=[len(speech)])),
        "speech": of_bytes(speech.tobytes()),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    content: bytes = example.SerializeToString(deterministic=True)
    return content


def read_record(path: Path, record: Record, end: int) -> np.ndarray:
    """Returns the speech of one record of a shard: float32 `(samples,)`.

    Args:
        path: the shard.
        record: the manifest's entry.
        end: position after the record.

    Raises:
        UserError: the record cannot be read or is not what was written; the message names shard
            and record.
    """
    import numpy as np
    import tensorflow as tf
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        content = _read_bytes(path, record.offset, end)
        features = tf.train.Example.FromString(content).features.feature
        speech = b"".join(features["speech"].bytes_list.value)
        if len(speech) != 2 * record.samples:
            raise _DamagedRecord("its speech has another length")
        if (
            list(features["id"].bytes_list.value) != [record.id.encode()]
            or list(features["text"].bytes_list.value) != [record.text.encode()]
            or list(features["samples"].int64_list.value) != [record.samples]
        ):
            raise _DamagedRecord("its id, text or samples differ from the manifest's")
    except (_DamagedRecord, DecodeError, tf.errors.DataLossError) as error:
        raise UserError(
            f"{path}: record {record.id!r} at byte {record.offset} is damaged "
            f"({first_line(error)}); run the command that made the shards again"
        ) from None
    return np.frombuffer(speech, "<i2").astype(np.float32) / FULL_SCALE


class _DamagedRecord(Exception):
    """A record that is not the one that was written."""


def _read_bytes(path: Path, offset: int, end: int) -> bytes:
    """Returns the content of the TFRecord between two positions, its checksums verified.

    Raises:
        UserError: the file cannot be read.
        _DamagedRecord, DataLossError: there is no valid record.
    """
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            length = file.read(8)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    # TensorFlow would allocate whatever length a forged record states
    if len(length) < 8 or struct.unpack("<Q", length)[0] != end - offset - FRAMING_BYTES:
        raise _DamagedRecord("its length is wrong")
    try:
        return keras_internals.read_tfrecord(path, offset)
    except IndexError:
        raise _DamagedRecord("the file ends within it") from None


def _fields(values: Any, kinds: Mapping[str, type], *, more: bool = False) -> dict[str, Any]:
    """Returns the object `values` once every field in `kinds` has its type.

    Raises:
        UserError: a field is missing, has another type, is a negative number or invalid Unicode; or
            unless `more`, there are other fields.
    """
    if not isinstance(values, dict):
        raise UserError(f"must be an object with {', '.join(kinds)}, got {str(values)[:50]!r}")
    for name, kind in kinds.items():
        value = values.get(name)
        fits: bool = type(value) is kind
        if isinstance(value, int):
            fits = fits and value >= 0
        elif isinstance(value, str):
            fits = fits and encodable(value)
        if not fits:
            raise UserError(f"{name} must be {KINDS[kind]}, got {str(value)[:50]!r}")
    if not more and (other := sorted(values.keys() - kinds)):
        raise UserError(f"unknown field {other[0]!r}")
    return values
