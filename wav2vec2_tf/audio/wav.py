"""Finds the samples in WAV files (RIFF, RIFX, RF64) whose lengths may be unknown or wrong."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from wav2vec2_tf.audio import mpeg
from wav2vec2_tf.audio.content import Content, Part, lacking, warn_once

MAGIC = (b"RIFF", b"RIFX", b"RF64")
EXACT = {1, 3, 6, 7}
"""Codes of PCM, floats, A-law and µ-law: as many samples as there are bytes for."""
MPEG = {0x50, 0x55}
EXTENSIBLE = 0xFFFE
"""The code that is followed by the true one, in the first bytes of a GUID."""
STREAMED_BYTES = 0x7FFF0000
"""Least size of a chunk that means "not known when the header was written"."""
UNKNOWN = 0xFFFFFFFF
"""The size that means "in another chunk" in RF64, and the largest one in the others."""
WRAPPED_BYTES = 2**32
"""What writers of 32-bit sizes lose of the size of longer samples, once or more often."""
SLACK_BYTES = 64
"""Bytes that a stated size may exceed the file by: some writers count a chunk header too many."""
NOT_ZERO = re.compile(rb"[^\0]")
MAXIMUM_CHUNKS = 10_000


def parts(content: Content) -> list[Part]:
    """Returns the files that a WAV is made of; one, unless several were joined.

    Raises:
        UserError: the file ends before its samples do.
    """
    found: list[Part] = []
    start = 0
    while content.read_at(start, 4) in MAGIC and content.read_at(start + 8, 4) == b"WAVE":
        more, start = _file(content, start)
        found += more
    return found or [Part(0, content.size)]


def _file(content: Content, start: int) -> tuple[list[Part], int]:
    """Returns the parts of the file at `start`, and where the next one may begin."""
    end = content.size
    order = ">" if content.read_at(start, 4) == b"RIFX" else "<"
    code, long_size, form = 0, None, b""
    for name, size, at in _chunks(content, start + 12, order):
        body = content.read_at(at, min(size, 40))
        if name == b"fmt " and len(body) >= 16:
            form = content.read_at(at - 8, 8 + len(body))
            (code,) = struct.unpack_from(f"{order}H", body)
            if code == EXTENSIBLE and len(body) >= 26:
                (code,) = struct.unpack_from(f"{order}H", body, 24)
        elif name == b"ds64" and len(body) >= 16:
            (long_size,) = struct.unpack_from("<Q", body, 8)
        elif name == b"data":
            break
    else:
        return [Part(start, end)], end
    there = end - at
    header = long_size if size == UNKNOWN and long_size is not None else size
    stated, first, prefix = header, start, b""
    patches: tuple[tuple[int, bytes], ...] = ()
    is_followed = stated <= there and _is_followed(content, at + stated, order)
    if stated == 0 and is_followed:
        end = at
    elif stated == 0 or (stated >= STREAMED_BYTES and not is_followed):
        stated = there
    elif there - stated >= WRAPPED_BYTES and not is_followed:
        stated += (there - stated) // WRAPPED_BYTES * WRAPPED_BYTES
    elif not is_followed and _has_more(content, at + stated):
        warn_once(
            f"{content.name}: {there - stated} bytes behind its {stated} bytes of samples are not "
            "read: if they are samples too, correct the size in its header"
        )
    if stated != header and stated >= UNKNOWN and order == "<":
        first, prefix = at, _long_header(form, stated)
    elif stated != header:
        riff, data = (
            struct.pack(f"{order}I", min(end - each, UNKNOWN)) for each in (start + 8, at)
        )
        magic = b"RIFF" if order == "<" else b"RIFX"
        patches = ((0, magic + riff), (at - 4 - start, data))
    if stated > there + SLACK_BYTES:
        raise lacking(content.name, stated, there, "bytes of samples")
    last = min(end, at + stated)
    if code in MPEG:
        return mpeg.parts(content, at, last), end
    behind = last + stated % 2
    if content.read_at(behind, 4) not in MAGIC:
        behind = end
    part = Part(first, behind, code in EXACT, patches=patches, prefix=prefix)
    return [part], behind


def _long_header(form: bytes, size: int) -> bytes:
    """Returns the header of an RF64 file with this chunk `fmt ` and samples of this size."""
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, 48 + len(form) + size, size, 0, 0)
    samples = struct.pack("<4sI", b"data", UNKNOWN)
    return struct.pack("<4sI4s", b"RF64", UNKNOWN, b"WAVE") + sizes + form + samples


def _has_more(content: Content, at: int) -> bool:
    """Whether more than padding and tags is behind the samples that end at `at`."""
    end = content.before_tags(content.size)
    return end - at > SLACK_BYTES and content.find(NOT_ZERO, at, end) >= 0


def _is_followed(content: Content, at: int, order: str) -> bool:
    """Whether the samples end at `at`: another file, whole chunks or nothing is there."""
    at += at % 2
    return content.read_at(at, 4) in MAGIC or _only_chunks(content, at, order)


def _chunks(content: Content, at: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yields the chunks from `at` on: name, size and place of the body."""
    for _ in range(MAXIMUM_CHUNKS):
        head = content.read_at(at, 8)
        if len(head) < 8:
            return
        (size,) = struct.unpack_from(f"{order}I", head, 4)
        yield head[:4], size, at + 8
        at += 8 + size + size % 2


def _only_chunks(content: Content, at: int, order: str) -> bool:
    """Whether nothing or whole chunks follow: data of size 0 is empty then, and not unknown."""
    for name, size, body in _chunks(content, at, order):
        if not name.isalnum() and not name.strip().isalnum():
            return False
        at = body + size
    return content.size - at <= 1
