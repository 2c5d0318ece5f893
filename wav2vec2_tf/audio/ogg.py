"""Finds the streams of an Ogg file (RFC 3533): several may follow each other, or be interleaved."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field

from wav2vec2_tf.audio.content import MAXIMUM_PARTS, Content, Malformed, Part

MAGIC = b"OggS"
PAGE = re.compile(rb"OggS\0")
HEAD_BYTES = 27
MOST_SEGMENTS = 255
CONTINUED, FIRST = 1, 2
"""Flags: the page goes on with a packet; it is the first of its stream."""
LONGEST_PACKET = 8192
"""Samples; the longest one of Vorbis. (Opus has up to 5760.)"""
EXACT = (b"\x01vorbis", b"OpusHead")
"""Starts of the streams in which libsndfile counts by the last page's position."""
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""The bits of each byte in reverse: Ogg's checksum is zlib's with all bits reversed."""


@dataclass
class _Link:
    """One of several streams that follow each other; interleaved streams are one."""

    start: int
    exact: bool = True
    serials: set[bytes] = field(default_factory=set)
    pages: int = 0
    segments: int = 0
    """Since the last page with a position."""
    position: int = -1


def parts(content: Content) -> list[Part]:
    """Returns the streams of an Ogg file that follow each other.

    Raises:
        Malformed: there are too many, or the positions in one jump.
    """
    links: list[_Link] = []
    at, in_head = 0, False
    while at < content.size:
        head = content.read_at(at, HEAD_BYTES + MOST_SEGMENTS)
        if head[:5] != MAGIC + b"\0" or len(head) < HEAD_BYTES:
            behind = content.find(PAGE, at + 1, content.size)
            at = content.size if behind < 0 else behind
            if links:
                links[-1].exact = False
            continue
        sizes = head[HEAD_BYTES : HEAD_BYTES + head[26]]
        size = HEAD_BYTES + head[26] + sum(sizes)
        is_first = bool(head[5] & FIRST)
        if is_first and not in_head:
            links.append(_Link(at))
        if len(links) > MAXIMUM_PARTS:
            raise Malformed(f"it has more than {MAXIMUM_PARTS} streams")
        in_head = is_first
        if links:
            _add_page(links[-1], content.read_at(at, size), size, len(sizes))
        at += size
    if not links:
        return [Part(0, content.size)]
    ends = [*(link.start for link in links[1:]), content.size]
    return [
        Part(link.start, end, link.exact and link.position > 0)
        for link, end in zip(links, ends, strict=True)
    ]


def _add_page(link: _Link, page: bytes, size: int, segments: int) -> None:
    """Notes whether the pages of a stream are whole, in order and of one codec that is counted."""
    position = int.from_bytes(page[6:14], "little", signed=True)
    number = int.from_bytes(page[18:22], "little")
    body = page[HEAD_BYTES + segments :]
    link.serials.add(page[14:18])
    link.segments += segments
    link.exact &= (
        len(page) == size
        and len(link.serials) == 1
        and number == link.pages
        and (number > 0 or body.startswith(EXACT))
        and _crc(page[:22] + bytes(4) + page[26:]) == int.from_bytes(page[22:26], "little")
    )
    if position >= 0 and segments:
        if link.position <= 0:  # else the stream was cut out of a longer one
            link.exact &= position <= segments * LONGEST_PACKET
        elif link.exact and not 0 <= position - link.position <= link.segments * LONGEST_PACKET:
            raise Malformed("the positions of its pages jump")  # libsndfile goes by the last one
        link.segments = 0
        link.position = position
    link.pages += 1


def _crc(page: bytes) -> int:
    """Returns Ogg's checksum: polynomial 0x04C11DB7, from 0, not reflected."""
    reflected = zlib.crc32(page.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)
