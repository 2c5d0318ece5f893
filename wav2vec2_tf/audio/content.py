"""Random access to audio files and bytes, and their parts as files of their own."""

from __future__ import annotations

import io
import logging
import re
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, BinaryIO

from wav2vec2_tf.utils.errors import UserError

FIRST_SEARCH_BYTES, SEARCH_BYTES = 2**10, 2**20
"""Bytes that a search reads at first, and at most at a time."""
MAXIMUM_PARTS = 10_000
"""Most streams in a file; radio recordings have one for each song."""
PATTERN_BYTES = 32
"""Most bytes of a pattern."""
ID3V1_BYTES = 128
"""Size of an ID3v1 tag, which some programs append."""
APE_MAGIC, APE_BYTES = b"APETAGEX", 32
"""Start and size of the footer of an APE tag, which others append, and of its header."""
PATCH_BYTES = 16
BUFFER_BYTES = 2**15
"""Bytes of a part that are read at a time: libsndfile asks for MP3 frame by frame."""
ENDLESS = 2**63 - 1
"""The size that libsndfile is given for a file whose length it must not guess."""


log = logging.getLogger(__name__)


class Malformed(Exception):
    """A reader cannot decode the content; another one may. The message is the reason."""


class Damaged(Malformed):
    """A reader knows the content and fails within it."""


class Empty(Malformed):
    """A reader finds no samples."""


def cut_short(name: str, found: str) -> UserError:
    """Returns the error for a file that ends before what its header states."""
    return UserError(f"{name}: cut short {found}; copy or download it again")


def lacking(name: str, stated: int, there: int, unit: str) -> UserError:
    """Returns the error for a file that holds less than its header states."""
    return cut_short(name, f"(its header states {stated} {unit}, and {there} are there)")


@lru_cache(maxsize=1024)
def warn_once(message: str) -> None:
    """Logs a warning about a file, which is read more than once."""
    log.warning(message)


@dataclass(frozen=True)
class Content:
    """The bytes of a file."""

    name: str
    """For messages."""
    source: str | bytes
    """The path, or the bytes themselves."""
    file: BinaryIO
    size: int

    @staticmethod
    @contextmanager
    def opened(name: str, source: str | bytes) -> Iterator[Content]:
        """Opens a path or bytes for random access.

        Raises:
            UserError: the file is empty or cannot be read.
        """
        try:
            with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
                size = file.seek(0, io.SEEK_END)
                if not size:
                    raise UserError(
                        f"{name}: not audio that can be read: it is empty; record it again"
                    )
                yield Content(name, source, file, size)
        except OSError as error:
            raise UserError(f"{name}: cannot be read ({error.strerror or error})") from None

    def read_at(self, start: int, count: int) -> bytes:
        """Returns up to `count` bytes from `start` on; none if one of them is negative."""
        if start < 0:
            return b""
        self.file.seek(start)
        return self.file.read(max(0, count))

    def find(self, pattern: re.Pattern[bytes], start: int, end: int) -> int:
        """Returns where `pattern`, of up to `PATTERN_BYTES`, is first in `[start, end)`; or -1."""
        count = FIRST_SEARCH_BYTES
        while start < end:
            block = self.read_at(start, min(count, end - start))
            if match := pattern.search(block):
                return start + match.start()
            if len(block) < count:
                break
            start += count - PATTERN_BYTES
            count = min(4 * count, SEARCH_BYTES)
        return -1

    def find_all(self, pattern: re.Pattern[bytes], start: int) -> list[int]:
        """Returns where `pattern` is from `start` on; see `find`.

        Raises:
            Malformed: it is in more than `MAXIMUM_PARTS` places.
        """
        places: list[int] = []
        while (start := self.find(pattern, start, self.size)) >= 0:
            places.append(start)
            start += 1
            if len(places) >= MAXIMUM_PARTS:
                raise Malformed(f"it has more than {MAXIMUM_PARTS} streams")
        return places

    def behind_id3(self, start: int = 0) -> int:
        """Returns where the ID3v2 tags end that begin at `start`, which is there if none does."""
        while len(head := self.read_at(start, 10)) == 10 and head[:3] == b"ID3":
            length = 0
            for byte in head[6:]:
                length = length << 7 | byte & 0x7F
            start += 10 + length + (10 if head[5] & 0x10 else 0)
        return start

    def before_tags(self, end: int) -> int:
        """Returns where the APE and ID3v1 tags begin that end at `end`; `end` if none do."""
        if self.read_at(end - ID3V1_BYTES, 3) == b"TAG":
            end -= ID3V1_BYTES
        footer = self.read_at(end - APE_BYTES, APE_BYTES)
        if not footer.startswith(APE_MAGIC):
            return end
        start = end - int.from_bytes(footer[12:16], "little")
        if self.read_at(start - APE_BYTES, len(APE_MAGIC)) == APE_MAGIC:
            start -= APE_BYTES
        return start if 0 < start < end else end


@dataclass(frozen=True)
class Part:
    """A part of a file that libsndfile reads as a file of its own."""

    start: int
    end: int
    exact: bool = False
    """Whether libsndfile's count of samples was checked against the data."""
    endless: bool = False
    """Whether to read to the end of the data, whatever libsndfile's count is."""
    patches: tuple[tuple[int, bytes], ...] = ()
    """Bytes to replace, up to `PATCH_BYTES`, with their places in the part, in order: lengths that
    the header has wrong."""
    prefix: bytes = b""
    """Bytes that are read before the part."""


class Window(io.BufferedReader):
    """A part of a file, as the binary file object that soundfile reads.

    libsndfile seeks before the start in damaged files. No method raises an error: it could not be
    caught in libsndfile's callbacks, and its traceback would be printed.
    """

    def __init__(self, content: Content, part: Part) -> None:
        super().__init__(_RawWindow(content, part), BUFFER_BYTES)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Moves to a place, or stays where there is no such place."""
        try:
            return super().seek(offset, whence)
        except (ValueError, OSError, OverflowError):
            return self.tell()


class _RawWindow(io.RawIOBase):
    """What `Window` buffers."""

    def __init__(self, content: Content, part: Part) -> None:
        self._content, self._part = content, part
        self._size = len(part.prefix) + max(0, min(part.end, content.size) - part.start)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if self._part.endless and (offset, whence) == (0, io.SEEK_END):  # asks for the size
            place = ENDLESS
        if not 0 <= place <= ENDLESS:
            raise ValueError(place)
        self._at = place
        return place

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        prefix = self._part.prefix
        first, last = max(0, self._at - len(prefix)), max(0, end - len(prefix))
        block = prefix[self._at : end] + self._patched(first, last)
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)

    def _patched(self, first: int, last: int) -> bytes:
        """Returns the part's bytes from `first` to before `last`; fewer if they cannot be read."""
        try:
            block = self._content.read_at(self._part.start + first, last - first)
        except OSError:
            return b""
        patches, where = self._part.patches, itemgetter(0)
        left = bisect_left(patches, first - PATCH_BYTES, key=where)
        for place, patch in patches[left : bisect_left(patches, last, key=where)]:
            start, end = max(place, first), min(place + len(patch), first + len(block))
            if start < end:
                new = patch[start - place : end - place]
                block = block[: start - first] + new + block[end - first :]
        return block
