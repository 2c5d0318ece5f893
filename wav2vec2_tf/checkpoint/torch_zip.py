"""Reads PyTorch's zip format (`torch.save` since version 1.6) without PyTorch.

Such a file is an uncompressed zip archive: `NAME/data.pkl` is a pickle that describes the saved
object, `NAME/data/0`, `NAME/data/1`, … are the raw bytes of the storages it points into, and
`NAME/byteorder` says `little` or `big` (little if absent).
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from wav2vec2_tf.checkpoint.lazy_tensor import quoted
from wav2vec2_tf.checkpoint.torch_pickle import (
    GLOBALS,
    MAX_PICKLE_BYTES,
    Malformed,
    Storage,
    Unsupported,
    storage_reference,
    unpickle,
)
from wav2vec2_tf.utils.errors import UserError

MAGIC = b"PK\x03\x04"
LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # zip specification (APPNOTE) 4.3.7
DESCRIPTOR_MAGIC = b"PK\x07\x08"
DESCRIPTORS = (struct.Struct("<3I"), struct.Struct("<I2Q"))  # 4.3.9: checksum and sizes
END = struct.Struct("<4s4H2IH")  # 4.3.16
END_MAGIC = b"PK\x05\x06"
MANY = 2**16 - 1  # stands for a number that the record before has
NO_ENTRY = "it holds bytes that belong to no entry of its zip directory"
ENCRYPTED = 0x1
SIZES_FOLLOW, UTF_8 = 0x8, 0x800
KNOWN_FLAGS = SIZES_FOLLOW | UTF_8 | 0x6  # the last: how well it was compressed
MAX_32_BITS = 2**32 - 1  # stands for a size that a further field has
MAX_DIRECTORY_BYTES = 4 * 2**20  # ten times that of the largest model with its optimizer's state


def read(path: Path) -> object:
    """Returns the saved object: tensors in plain containers.

    A tensor's `read()` raises `UserError` where its bytes do not match their checksum.

    Raises:
        Malformed: the file is damaged, or needs anything but tensors and containers.
    """
    archive = _Archive(path)
    pickles = [name for name in archive.names() if name.endswith("/data.pkl")]
    if len(pickles) != 1 or pickles[0].count("/") != 1:
        raise Unsupported("it is a zip file, but not one of torch.save")
    archive.check_cover()
    folder = pickles[0].removesuffix("data.pkl")
    if archive.entry(pickles[0]).size > MAX_PICKLE_BYTES:
        raise Unsupported(f"its data.pkl is over {MAX_PICKLE_BYTES} bytes, too many for tensors")

    byte_order = b"little"
    if f"{folder}byteorder" in archive:
        if archive.entry(f"{folder}byteorder").size > len(b"little"):
            raise Malformed("its byte order is neither little nor big")
        byte_order = archive.read(f"{folder}byteorder")
    if byte_order not in (b"little", b"big"):
        raise Malformed("its byte order is neither little nor big")

    def load_storage(identifier: object) -> Storage:
        kind, key, count, _ = storage_reference(identifier, properties=5)
        name = f"{folder}data/{key}"
        size = archive.entry(name).size
        if size != count * (kind.dtype.itemsize if kind.dtype else 1):
            raise Malformed(f"its part {quoted(name)} is not as long as it should be")

        def data() -> np.ndarray:
            try:
                archive.check(name)
            except Malformed as error:
                raise UserError(f"{path}: {error}: {error.remedy}") from error
            return archive.entry(name)

        return Storage(size, data, kind.dtype, byte_order == b"big")

    pickled = archive.read(pickles[0])
    value, end = unpickle(pickled, GLOBALS, load_storage)
    if end != len(pickled):
        raise Malformed("its pickle does not end where it should")
    return value


class _File(io.FileIO):
    """A file for `zipfile`, which reads a whole directory at once, into 15 times the memory."""

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, os.fstat(self.fileno()).st_size - self.tell())
        size = left if size is None or size < 0 else min(size, left)
        if size > MAX_DIRECTORY_BYTES:
            raise Unsupported(
                f"its zip directory is over {MAX_DIRECTORY_BYTES} bytes, too many for tensors"
            )
        return super().read(size)


def _agree(info: zipfile.ZipInfo, local: tuple, local_name: bytes) -> bool:
    """Returns whether an entry's own header says the same as the directory at the file's end."""
    _, _, flags, _, _, _, checksum, compressed, size, *_ = local
    if flags != info.flag_bits or flags & ~KNOWN_FLAGS:
        return False
    encoding = "utf-8" if flags & UTF_8 else "cp437"
    if local_name != info.filename.encode(encoding):
        return False
    stated, here = (info.CRC, info.compress_size, info.file_size), (checksum, compressed, size)
    alike = all(a in (b, MAX_32_BITS) for a, b in zip(here, stated, strict=True))
    return alike or bool(flags & SIZES_FOLLOW and not any(here))


def _two_ways(name: str) -> Malformed:
    return Malformed(f"its part {quoted(name)} is described in two different ways")


def _descriptors(info: zipfile.ZipInfo) -> set[bytes]:
    """Returns what may follow the bytes of an entry, and belongs to it."""
    found = {b""}
    if info.flag_bits & SIZES_FOLLOW:
        for form in DESCRIPTORS[info.file_size > MAX_32_BITS :]:
            content = form.pack(info.CRC, info.compress_size, info.file_size)
            found |= {content, DESCRIPTOR_MAGIC + content}
    return found


class _Archive:
    """The entries of an uncompressed zip file, mapped into memory."""

    def __init__(self, path: Path) -> None:
        try:
            with _File(path) as file, zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
                file.seek(-END.size, os.SEEK_END)
                magic, *_, count, _, start, comment = END.unpack(file.read(END.size))
                directory = archive.start_dir
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise Malformed("the file is cut short or damaged") from error
        self._infos = {info.filename: info for info in infos}
        if len(self._infos) != len(infos):
            raise Malformed("it has two entries of one name")
        # Readers differ in what they make of these, so that a scanner would see another file.
        if magic != END_MAGIC or comment or count not in (len(infos), MANY):
            raise Malformed("its zip directory has a comment or another number of entries")
        if any(info.filename != info.orig_filename for info in infos):
            raise Malformed("its zip directory has a name with a null character")
        if start not in (directory, MAX_32_BITS):
            raise Malformed("it has two zip directories")
        self._directory = directory
        self._checked: set[str] = set()
        self._mapped = np.asarray(np.memmap(path, np.uint8, mode="r"))

    def __contains__(self, name: str) -> bool:
        return name in self._infos

    def names(self) -> list[str]:
        return list(self._infos)

    def check_cover(self) -> None:
        """Raises `Malformed` if bytes belong to no entry: they may be one that others read."""
        in_order = sorted(self._infos.values(), key=lambda info: info.header_offset)
        starts = [*(info.header_offset for info in in_order), self._directory]
        if starts[0] != 0:
            raise Malformed(NO_ENTRY)
        for info, following in zip(in_order, starts[1:], strict=True):
            end, allowed = self._start(info.filename) + info.file_size, _descriptors(info)
            if following - end not in map(len, allowed):
                raise Malformed(NO_ENTRY)
            if self._mapped[end:following].tobytes() not in allowed:
                raise _two_ways(info.filename)

    def entry(self, name: str) -> np.ndarray:
        """Returns the bytes of an entry as a mapped uint8 array, not yet verified."""
        start = self._start(name)
        return self._mapped[start : start + self._infos[name].file_size]

    def _start(self, name: str) -> int:
        """Returns the place of an entry's first byte, behind its own header."""
        info = self._infos.get(name)
        if info is None:
            raise Malformed(f"its part {quoted(name)} is missing")
        damaged = Malformed(f"its part {quoted(name)} is cut short or damaged")
        start = info.header_offset
        if not 0 <= start <= self._mapped.size - LOCAL_HEADER.size:
            raise damaged
        header = LOCAL_HEADER.unpack(bytes(self._mapped[start : start + LOCAL_HEADER.size]))
        signature, _, flags, method, *_, name_length, extra_length = header
        if signature != MAGIC or (info.flag_bits | flags) & ENCRYPTED:
            raise damaged
        if method or info.compress_type or info.compress_size != info.file_size:
            raise Unsupported("it is compressed, which torch.save never does")
        start += LOCAL_HEADER.size
        local_name = bytes(self._mapped[start : start + name_length])
        if not _agree(info, header, local_name):
            raise _two_ways(name)
        start += name_length + extra_length
        if info.file_size > self._mapped.size - start:
            raise damaged
        return start

    def check(self, name: str) -> None:
        """Compares an entry with its checksum, once; `Malformed` where they differ."""
        if name not in self._checked:
            if zlib.crc32(self.entry(name).data) != self._infos[name].CRC:
                raise Malformed(f"the checksum of its part {quoted(name)} is wrong")
            self._checked.add(name)

    def read(self, name: str) -> bytes:
        self.check(name)
        return self.entry(name).tobytes()
