"""Shards of speech: TFRecord files, and the manifest that says what is where in them.

Each record is a `tf.train.Example` of `id` and `text` (UTF-8), `samples` (a number) and `speech`
(16 kHz mono, int16 little-endian). The manifest is believed in nothing that would lead out of its
folder or beyond a file, and every record read is checked against its sum.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import encodable, read_json, whole_file

if TYPE_CHECKING:
    import numpy as np

MANIFEST_FILE = "manifest.json"
VERSION = 1
ENCODING = "int16 little-endian"
FULL_SCALE = 32768  # the integer that stands for 1.0; the largest there is, is one less
SHARD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.tfrecord")  # a plain name in any system

KINDS = {str: "text", int: "a number", bool: "true or false", list: "a list", dict: "an object"}


@dataclass(frozen=True)
class Record:
    """One utterance in a shard."""

    id: str
    text: str
    samples: int
    offset: int  # of its first byte in the file; it ends where the next begins


@dataclass(frozen=True)
class Shard:
    """One file: what it is to hold."""

    file: str
    bytes: int
    sha256: str
    samples: int
    clipped: int  # samples that were louder than full scale
    records: tuple[Record, ...]

    def ends(self) -> list[int]:
        """Where each record ends."""
        return [*(record.offset for record in self.records[1:]), self.bytes]

    @classmethod
    def from_dict(cls, values: Any) -> Shard:
        """Raises `UserError` where the values are of the wrong kind or contradict each other."""
        records = tuple(
            Record(**_fields(value, {"id": str, "text": str, "samples": int, "offset": int}))
            for value in _fields(values, {"records": list}, more=True)["records"]
        )
        kinds = {"file": str, "bytes": int, "sha256": str, "samples": int, "clipped": int}
        shard = cls(**{**_fields(values, {**kinds, "records": list}), "records": records})
        if not SHARD_NAME.fullmatch(shard.file):
            raise UserError(f"{shard.file!r} is no name of a shard")
        borders = [*(record.offset for record in records), shard.bytes]
        # what is contiguous from 0 to the size of the file cannot point outside it
        if borders[0] != 0 or any(end <= start for start, end in pairwise(borders)):
            raise UserError(f"the offsets of {shard.file} are not in order from 0 to its size")
        if sum(record.samples for record in records) != shard.samples:
            raise UserError(f"the samples of {shard.file} are not the sum of its records'")
        return shard


@dataclass(frozen=True)
class Manifest:
    """What a folder of shards was made of, how, and what it holds."""

    sources: tuple[Mapping[str, str], ...]  # name, kind and identity of each corpus
    rules: Mapping[str, Any]  # of making
    complete: bool  # all shards have been made
    shards: tuple[Shard, ...]

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a folder; no shard is looked at.

        Raises `UserError` where there is none, or one whose values make no sense.
        """
        path = folder / MANIFEST_FILE
        kinds = {"version": int, "rate": int, "encoding": str, "complete": bool}
        try:
            # another version may have other fields
            values = _fields(read_json(path), {"version": int}, more=True)
            if values["version"] != VERSION:
                raise UserError(f"version {values['version']} is not {VERSION}, the one known")
            lists = {"sources": list, "rules": dict, "shards": list}
            values = _fields(values, kinds | lists)
            for name, only in {"rate": SAMPLE_RATE, "encoding": ENCODING}.items():
                if values[name] != only:
                    raise UserError(f"{name} {values[name]!r} is not {only!r}")
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
        """Write it into the folder, whole or not at all."""
        stated = {"version": VERSION, "rate": SAMPLE_RATE, "encoding": ENCODING}
        with whole_file(folder / MANIFEST_FILE) as beside:
            text = json.dumps({**stated, **asdict(self)}, ensure_ascii=False, indent=1)
            beside.write_text(text + "\n", encoding="utf-8")

    @property
    def identity(self) -> str:
        """Changes when the content of any shard does."""
        digest = hashlib.sha256()
        for shard in self.shards:
            digest.update(f"{shard.file}\0{shard.sha256}\n".encode())
        return digest.hexdigest()


def read_record(path: Path, record: Record, end: int) -> np.ndarray:
    """The speech of one record of a shard: float32 (samples,).

    Raises `UserError`, naming shard and record, where it cannot be read or is not what was written.
    """
    try:
        with open(path, "rb") as file:
            file.seek(record.offset)
            content = file.read(end - record.offset)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    return decode_record(path, record, content)


def decode_record(path: Path, record: Record, content: bytes) -> np.ndarray:
    """The speech in a record's bytes: float32 (samples,); `path` is for messages."""
    import numpy as np

    from wav2vec2_tf.data.tfrecord import DamagedRecord, decode_example, unframe

    try:
        features = decode_example(unframe(content))
        speech = features.get("speech")
        if not isinstance(speech, bytes) or len(speech) != 2 * record.samples:
            raise DamagedRecord("its speech is of another length")
        stated = {"id": record.id.encode(), "text": record.text.encode(), "samples": record.samples}
        for name, value in stated.items():
            if features.get(name) != value:
                raise DamagedRecord(f"its {name} is not the manifest's")
    except DamagedRecord as error:
        raise UserError(
            f"{path}: record {record.id!r} at byte {record.offset} is damaged ({error}); the "
            "command that made the shards mends them"
        ) from None
    return np.frombuffer(speech, "<i2").astype(np.float32) / FULL_SCALE


def _fields(values: Any, kinds: Mapping[str, type], *, more: bool = False) -> dict[str, Any]:
    """The named fields of an object, each of its kind and no number negative.

    Raises `UserError` for what is missing or wrong, and unless `more` for any other field.
    """
    if not isinstance(values, dict):
        raise UserError(f"an object with {', '.join(kinds)} is wanted")
    for name, kind in kinds.items():
        value = values.get(name)
        fits: bool = type(value) is kind
        if isinstance(value, int):
            fits = fits and value >= 0
        elif isinstance(value, str):
            fits = fits and encodable(value)
        if not fits:
            raise UserError(f"{name} is {str(value)[:50]!r}; {KINDS[kind]} is wanted")
    if not more and (other := sorted(values.keys() - kinds)):
        raise UserError(f"{other[0]!r} is no field of it")
    return values
