"""Reads tar archives from strangers, in order and in bounded memory.

`tarfile` trusts the sizes in an archive: a long name of gigabytes is read into memory, and a size
beyond the end of the archive is skipped for ever. Here a size is checked before it is used.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from wav2vec2_tf.utils.errors import UserError, brief, first_line

TAR_SUFFIXES = (".tar.gz", ".tgz", ".tar")
MAX_MEMBER_BYTES = 1 << 29
"""Largest file that is read: each is held in memory, and no utterance is larger."""
MAX_EXTENDED_BYTES = 1 << 16
"""Largest header beside the usual one: a path has at most 4096 bytes."""
MAX_SIZE_DIGITS = 18
BLOCK = tarfile.BLOCKSIZE
READ_BYTES = 1 << 20
EXTENDED = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
WITHOUT_DATA = (
    *(tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE),
    *(tarfile.DIRTYPE, tarfile.FIFOTYPE),
)
SPARSE_MORE, SPARSE_MORE_AFTER = 482, 504
"""Where a header of GNU's sparse files, and each that follows it, says that another follows."""


class TarMember:
    """A regular file in an archive."""

    def __init__(self, archive: _Archive, name: str, size: int) -> None:
        self.path = PurePosixPath(name)
        self._archive, self._size = archive, size

    def start(self, count: int) -> bytes:
        """Returns the first bytes, up to `count`; `read` returns what follows them."""
        return self._archive.content(count)

    def read(self, most: int = MAX_MEMBER_BYTES) -> bytes:
        """Returns what is left of the content; call it before the next member is requested.

        Raises:
            UserError: it has more than `most` bytes, or the archive is damaged.
        """
        if self._size > most:
            raise UserError(
                f"{self._archive.name}: {brief(str(self.path))} must have at most {most} bytes, "
                f"got {self._size}: too large for speech and its transcripts"
            )
        return self._archive.content()


def tar_members(name: str, path: Path) -> Iterator[TarMember]:
    """Yields the regular files of an archive, in order; errors call it `name`.

    Nothing is opened by its name and nothing is written, so a hostile name does no harm. Links,
    devices, sparse files and hidden ones are skipped.

    Raises:
        UserError: the archive cannot be read, is damaged or ends too early.
    """
    with _opened(name, path) as stream:
        archive = _Archive(name, stream)
        while (header := archive.header()) is not None:
            member = TarMember(archive, *header)
            if not member.path.name.startswith("."):
                yield member
        archive.finish()


@contextmanager
def _opened(name: str, path: Path) -> Iterator[BinaryIO]:
    """Opens an archive and decompresses it if it is compressed."""
    try:
        with open(path, "rb") as raw:
            compressed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            # typed otherwise, but it reads like any binary file
            yield gzip.GzipFile(fileobj=raw) if compressed else raw  # type: ignore[misc]
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({first_line(error)})") from None


class _Archive:
    """The stream of an archive, and how much of the current member's data is left in it."""

    def __init__(self, name: str, stream: BinaryIO) -> None:
        self.name = name
        self._stream = stream
        self._size = self._padding = 0
        self._is_begun = False

    def header(self) -> tuple[str, int] | None:
        """Returns name and size of the next regular file; None at the end of the archive."""
        name: str | None = None
        size: int | None = None
        is_sparse = False
        while (block := self._next_block()) is not None:
            info = self._parsed(block)
            if info.type in (*LONG, *EXTENDED, tarfile.XGLTYPE):
                if info.size > MAX_EXTENDED_BYTES:
                    raise self._damaged(f"a header of {info.size} bytes")
                self._begin(info.size)
                content = self.content()
                if info.type == tarfile.GNUTYPE_LONGNAME:
                    name = _text(content.partition(b"\0")[0])
                elif info.type in EXTENDED:
                    values = self._records(content)
                    name = values.get("path", name)
                    is_sparse = any(key.startswith("GNU.sparse.") for key in values)
                    size = self._stated_size(values.get("size"))
                continue
            if info.type == tarfile.GNUTYPE_SPARSE:
                more = block[SPARSE_MORE]
                while more:
                    more = self._take(BLOCK)[SPARSE_MORE_AFTER]
            self._begin(0 if info.type in WITHOUT_DATA else info.size if size is None else size)
            if info.type in REGULAR and not is_sparse:
                return info.name if name is None else name, self._size
            name, size, is_sparse = None, None, False
        return None

    def content(self, most: int | None = None) -> bytes:
        """Returns what is left of the current member, or up to `most` bytes of it."""
        parts = []
        left = self._size if most is None else min(most, self._size)
        while left:
            parts.append(self._take(min(left, READ_BYTES)))
            left -= len(parts[-1])
            self._size -= len(parts[-1])
        return b"".join(parts)

    def finish(self) -> None:
        """Reads to the end of the file, where gzip verifies its checksum."""
        while self._some(READ_BYTES):
            pass

    def _begin(self, size: int) -> None:
        self._size, self._padding = size, -size % BLOCK

    def _next_block(self) -> bytes | None:
        """Returns the next header, behind the rest of the current member; None at the end."""
        left = self._size + self._padding
        while left:
            left -= len(self._take(min(left, READ_BYTES)))
        self._begin(0)
        first = self._some(1)
        if not first and self._is_begun:  # some writers leave out the mark of the end
            return None
        self._is_begun = True
        block = first + self._take(BLOCK - len(first))
        return None if block == bytes(BLOCK) else block

    def _parsed(self, block: bytes) -> tarfile.TarInfo:
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError) as error:
            raise self._damaged(first_line(error)) from None
        if info.size < 0:
            raise self._damaged(f"a file of {info.size} bytes")
        return info

    def _records(self, content: bytes) -> dict[str, str]:
        """Returns the values in an extended header of POSIX: lines `<length> <key>=<value>`."""
        values: dict[str, str] = {}
        place, end = 0, len(content.rstrip(b"\0"))
        while place < end:
            space = content.find(b" ", place, place + MAX_SIZE_DIGITS)
            digits = content[place:space]
            length = int(digits) if space > 0 and digits.isdigit() else 0
            key, mark, value = content[space + 1 : place + length].partition(b"=")
            if not mark or not value.endswith(b"\n"):
                raise self._damaged("an extended header that is not valid")
            values[_text(key)] = _text(value[:-1])
            place += length
        return values

    def _stated_size(self, digits: str | None) -> int | None:
        if digits is None:
            return None
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= MAX_SIZE_DIGITS):
            raise self._damaged(f"a file of {brief(digits)} bytes")
        return int(digits)

    def _take(self, count: int) -> bytes:
        """Returns exactly `count` bytes."""
        parts = []
        while count:
            part = self._some(count)
            if not part:
                raise self._damaged("it ends too early")
            parts.append(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _some(self, count: int) -> bytes:
        try:
            return self._stream.read(count)
        except (EOFError, zlib.error, OSError) as error:
            raise self._damaged(first_line(error)) from None

    def _damaged(self, reason: str) -> UserError:
        return UserError(f"{self.name}: the archive is damaged ({reason}); download it again")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
