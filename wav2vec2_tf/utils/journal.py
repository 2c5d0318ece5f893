"""A journal of finished work, so that an interrupted run continues where it stopped.

    journal = Journal(Path("figures.json.partial"), {"model": "base", "length": 246000})
    done = dict(journal)
    for name in names:
        if name not in done:
            journal.add(name, compute(name))
    journal.remove()

The file has one JSON value a line: a header with the identity of the work, then
`[key, value, checksum]` for every finished piece. Each checksum continues the one before it, from
the header on, so that an entry counts only at its place in the journal of its own work.

A journal has one writer: the caller holds the lock of its output (`utils.files.locked`).
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import errors_named, parse_json
from wav2vec2_tf.utils.locks import NOT_FOLLOWED

if TYPE_CHECKING:
    import numpy as np

FORMAT = "wav2vec2-tf journal 2"
ARRAY_TYPE = "<f4"


class Journal:
    """An append-only file of `(key, value)` pairs that belong to one piece of work.

    Iterating yields the pairs in the order in which they were added; they are read from the file
    and not held in memory. The first damaged or incomplete entry and all after it are dropped. The
    file is only changed by `start` and `add`, so the journal of another process can be read.

    Args:
        path: the file; it is made, and so are the folders above it, when the first pair is added.
        identity: what the results depend on, as a JSON object: options, hashes of inputs.
        replace: start again if the file belongs to other work, instead of refusing it.
        durable: whether an entry is on disk when `add` returns, and so survives a crash of the
            machine; without it, entries survive the end of the process.

    Raises:
        UserError: the file belongs to work of another identity, or is not a journal; or, when a
            pair is added, another run has changed it.
    """

    def __init__(
        self,
        path: Path,
        identity: Mapping[str, Any],
        *,
        replace: bool = False,
        durable: bool = True,
    ) -> None:
        self.path, self._durable = path, durable
        header = {"format": FORMAT, "identity": dict(identity)}
        self._header = json.dumps(header, sort_keys=True).encode() + b"\n"
        self._count, self._size, self._checksum = 0, 0, zlib.crc32(self._header)
        self._end = path.stat().st_size if path.exists() else 0
        if self._end and self._is_ours(replace):
            self._size = len(self._header)
            for entry in self._entries(self._end):
                self._count, self._size, self._checksum = self._count + 1, entry.end, entry.checksum

    def __len__(self) -> int:
        """Returns the number of entries."""
        return self._count

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yields the key and the value of each entry."""
        for entry in self._entries(self._size):
            yield entry.key, entry.value

    def start(self) -> None:
        """Makes the file if it does not exist."""
        self._append(b"")

    def add(self, key: str | int, value: Any) -> None:
        """Appends an entry, whose value is JSON."""
        text = json.dumps([key, value]).encode()
        checksum = zlib.crc32(text, self._checksum)
        self._append(b"%s, %d]\n" % (text[:-1], checksum))
        self._count, self._checksum = self._count + 1, checksum

    def _append(self, line: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with errors_named(self.path), open(self.path, "ab", opener=_no_link) as file:
            if file.tell() != self._end:
                raise UserError(
                    f"{self.path}: another run has changed it: wait until that ends, and start the "
                    "same command again"
                )
            file.truncate(self._size)  # what is damaged or of other work
            if not self._size:
                file.write(self._header)
            file.write(line)
            file.flush()
            if self._durable:
                os.fsync(file.fileno())
            self._size = self._end = file.tell()

    def remove(self) -> None:
        """Deletes the file: the work is complete."""
        self.path.unlink(missing_ok=True)

    def _is_ours(self, replace: bool) -> bool:
        """Whether the file has this header; False if it may be overwritten."""
        with self.path.open("rb") as file:
            line = file.readline()
        if line == self._header:
            return True
        if replace or self._header.startswith(line):  # interrupted while the header was written
            return False
        wanted = parse_json(self._header)["identity"]
        try:
            header = parse_json(line)
            version, found = str(header["format"]), dict(header["identity"])
        except (KeyError, TypeError, ValueError):
            version = ""
        if not version.startswith(FORMAT.rstrip("0123456789")):
            raise UserError(f"{self.path}: not a journal of an interrupted run: name another file")
        if version != FORMAT:
            raise UserError(
                f"{self.path}: left by another version of this program: finish that run with it, "
                "or delete the file to start again"
            )
        names = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
        name = names[0] if names else "header"
        raise UserError(
            f"{self.path}: left by a run with another {name}: finish that run, or delete the file "
            "to start again"
        )

    def _entries(self, size: int) -> Iterator[_Entry]:
        """Yields each intact entry in the first `size` bytes, in order."""
        if size <= len(self._header):
            return
        checksum = zlib.crc32(self._header)
        with self.path.open("rb") as file:
            file.seek(len(self._header))
            for line in file:
                text, _, check = line.rpartition(b", ")
                text += b"]"
                checksum, end = zlib.crc32(text, checksum), file.tell()
                if check != b"%d]\n" % checksum or end > size:
                    return
                try:
                    key, value = parse_json(text)
                except (TypeError, ValueError):
                    return
                yield _Entry(key, value, end, checksum)


@dataclass(frozen=True)
class _Entry:
    """An entry, where it ends in the file, and its checksum."""

    key: Any
    value: Any
    end: int
    checksum: int


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | NOT_FOLLOWED, 0o666)


def array_to_json(array: np.ndarray) -> dict[str, Any]:
    """Returns an array of float32 as a JSON object; see `array_from_json`."""
    import numpy as np

    content = np.ascontiguousarray(array, ARRAY_TYPE).tobytes()
    return {"shape": list(array.shape), "float32": base64.b64encode(content).decode()}


def array_from_json(value: Mapping[str, Any]) -> np.ndarray:
    """Returns the array of which `array_to_json` made `value`."""
    import numpy as np

    content = base64.b64decode(value["float32"])
    return np.frombuffer(content, ARRAY_TYPE).reshape(value["shape"])
