"""Logits that an interrupted run has computed, for the next to go on from."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

RECORD = struct.Struct("<III")
"""Frames, vocabulary, CRC-32 of these two and what follows: float32, frame by frame."""


class Journal:
    """Windows' logits in a file, in order; a last one that was cut off does not count."""

    def __init__(self, path: Path, key: str) -> None:
        """Open what is there already, if it is of the same `key`; else begin with nothing."""
        self.path = path
        self._header = f"{key}\n".encode()
        self.windows = 0
        """How many there are."""
        end = len(self._header)
        for found in self._records():
            self.windows += 1
            end += RECORD.size + found.nbytes
        if path.exists():
            os.truncate(path, end if self.windows else 0)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Each window's (frames, vocab) logits."""
        return self._records()

    def _records(self) -> Iterator[np.ndarray]:
        if not self.path.exists():
            return
        left = self.path.stat().st_size - len(self._header)
        with self.path.open("rb") as file:
            if file.read(len(self._header)) != self._header:
                return
            while left >= RECORD.size:
                frames, vocabulary, check = RECORD.unpack(file.read(RECORD.size))
                size = 4 * frames * vocabulary
                left -= RECORD.size + size
                if left < 0 or _checksum(frames, vocabulary, content := file.read(size)) != check:
                    return
                yield np.frombuffer(content, "<f4").reshape(frames, vocabulary)

    def add(self, logits: np.ndarray) -> None:
        """Once this returns, a crash does not lose them."""
        frames, vocabulary = logits.shape
        content = np.ascontiguousarray(logits, "<f4").tobytes()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            if not file.tell():
                file.write(self._header)
            check = _checksum(frames, vocabulary, content)
            file.write(RECORD.pack(frames, vocabulary, check) + content)
            file.flush()
            os.fsync(file.fileno())
        self.windows += 1

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def _checksum(frames: int, vocabulary: int, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(struct.pack("<II", frames, vocabulary)))
