"""Finds the streams of an Ogg file (RFC 3533): several may follow each other, or be interleaved.

The end of each page is a position in samples, by which libsndfile counts. Positions jump where
pages were lost, or a stream was edited: they are replaced by those of the packets that are there.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from wav2vec2_tf.audio.content import MAXIMUM_PARTS, Content, Malformed, Part, warn_once
from wav2vec2_tf.audio.ogg_packets import Codec, Opus, Vorbis

MAGIC = b"OggS"
PAGE = re.compile(rb"OggS\0")
HEAD_BYTES = 27
MOST_SEGMENTS = 255
CONTINUED, FIRST, LAST = 1, 2, 4
"""Flags: the page goes on with a packet; it is the first of its stream; it is the last."""
POSITION, CHECKSUM = slice(6, 14), slice(22, 26)
MAXIMUM_DAMAGED, MAXIMUM_PATCHES = 10_000, 2**18
"""Damaged pages, and replaced bytes of a stream (two a page), after which a file is given up."""
MAXIMUM_HEADER_BYTES = 2**20
"""Most that is kept of the packets before the audio: tags may hold pictures."""
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""The bits of each byte in reverse: Ogg's checksum is zlib's with all bits reversed."""


@dataclass
class _Link:
    """One of several streams that follow each other; interleaved streams are one."""

    start: int
    exact: bool = True
    """Whether all is as it must be, so that libsndfile counts what it decodes."""
    serials: set[bytes] = field(default_factory=set)
    pages: int = 0
    packets: int = 0
    headers: list[bytes] = field(default_factory=list)
    packet: bytes | None = b""
    """What there is of a packet that the next page goes on with; None if its start was lost."""
    codec: Codec | None = None
    is_ended: bool = False
    """Whether a page says that it is the last one."""
    samples: int = 0
    """Samples of all packets so far."""
    origin: int | None = None
    """The position of the first sample."""
    drift: int = 0
    """By how much positions are ahead of the samples."""
    missing: int = 0
    patches: list[tuple[int, bytes]] = field(default_factory=list)


def parts(content: Content) -> list[Part]:
    """Returns the streams of an Ogg file that follow each other.

    Raises:
        Malformed: there are too many, or too much is damaged.
    """
    links: list[_Link] = []
    at, damaged, in_head = 0, 0, False
    while at < content.size:
        head = content.read_at(at, HEAD_BYTES + MOST_SEGMENTS)
        if head[:5] != MAGIC + b"\0" or len(head) < HEAD_BYTES:
            behind = content.find(PAGE, at + 1, content.size)
            at = content.size if behind < 0 else behind
            if links:
                links[-1].exact = False
            continue
        sizes = head[HEAD_BYTES : HEAD_BYTES + head[26]]
        is_first = bool(head[5] & FIRST)
        if is_first and not in_head:
            links.append(_Link(at))
        if len(links) > MAXIMUM_PARTS:
            raise Malformed(f"it has more than {MAXIMUM_PARTS} streams")
        in_head = is_first
        size = HEAD_BYTES + head[26] + sum(sizes)
        page = content.read_at(at, size)
        if len(page) < size or _crc(page) != page[CHECKSUM]:  # decoders skip it
            size = len(MAGIC)
            damaged += 1
            if links:
                links[-1].exact = False
        elif links:
            _add_page(links[-1], at, page, sizes)
        if damaged > MAXIMUM_DAMAGED or (links and len(links[-1].patches) > MAXIMUM_PATCHES):
            raise Malformed("too many of its pages are damaged")
        at += size
    if not links:
        return [Part(0, content.size)]
    ends = [*(link.start for link in links[1:]), content.size]
    return [_part(content.name, link, end) for link, end in zip(links, ends, strict=True)]


def _part(name: str, link: _Link, end: int) -> Part:
    if link.codec is None or len(link.serials) > 1:
        return Part(link.start, end)
    if link.missing:
        seconds = link.missing / max(1, link.codec.rate)
        warn_once(f"{name}: {seconds:.3f} s are missing within it; the rest is read")
    return Part(link.start, end, link.exact and link.samples > 0, patches=tuple(link.patches))


def _add_page(link: _Link, at: int, page: bytes, sizes: bytes) -> None:
    """Counts the samples of a page's packets, and compares them with its position."""
    link.serials.add(page[14:18])
    if len(link.serials) > 1:
        return
    if int.from_bytes(page[18:22], "little") != link.pages:
        link.pages, link.packet, link.exact = int.from_bytes(page[18:22], "little"), None, False
    link.pages += 1
    is_continued = bool(page[5] & CONTINUED)
    link.exact &= not link.is_ended and is_continued == bool(link.packet)
    link.is_ended = bool(page[5] & LAST)
    if not is_continued:
        link.packet = b""
    added, is_ended = 0, False
    for packet in _packets(link, page, sizes):
        added, is_ended = added + _samples(link, packet), True
    link.samples += added
    position = int.from_bytes(page[POSITION], "little", signed=True)
    if link.codec is None or not is_ended or not link.samples:
        return
    if position <= 0:
        link.exact = False
        return
    ahead = position - link.samples
    is_trimmed = link.is_ended  # a stream ends within its last page
    if link.origin is None:
        link.origin = ahead
        link.exact &= ahead == 0 or (is_trimmed and ahead < 0)
        return
    drift = ahead - link.origin
    if not (is_trimmed and -added < drift - link.drift <= 0):
        link.missing += max(0, drift - link.drift)
        link.drift = drift
    if link.drift:
        link.exact = False
        true = (position - link.drift).to_bytes(8, "little")
        whole = page[:6] + true + page[14:]
        link.patches += [(at - link.start + 6, true), (at - link.start + 22, _crc(whole))]


def _packets(link: _Link, page: bytes, sizes: bytes) -> Iterator[bytes]:
    """Yields the packets that end in a page, or their start; keeps the one that does not."""
    place = HEAD_BYTES + len(sizes)
    length = 0
    for size in sizes:
        length += size
        if size == MOST_SEGMENTS:
            continue
        packet = None if link.packet is None else link.packet + page[place : place + length]
        link.packet = b""
        if packet is not None:
            yield packet
        place += length
        length = 0
    if length and link.packet is not None and len(link.packet) < MAXIMUM_HEADER_BYTES:
        link.packet += page[place:]


def _samples(link: _Link, packet: bytes) -> int:
    """Returns the number of samples that a packet adds: none, if it is a header."""
    link.packets += 1
    if link.codec is not None and link.packets > link.codec.headers:
        return link.codec.samples(packet)
    if link.packets <= Vorbis.headers:
        link.headers.append(packet)
    if link.packets == 1 and packet.startswith(b"OpusHead"):
        link.codec = Opus()
    elif link.packets == Vorbis.headers and link.headers[0].startswith(b"\x01vorbis"):
        link.codec = Vorbis(link.headers[0], packet)
    return 0


def _crc(page: bytes) -> bytes:
    """Returns Ogg's checksum of a page: polynomial 0x04C11DB7, from 0, not reflected."""
    page = page[:22] + bytes(4) + page[26:]
    reflected = zlib.crc32(page.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2).to_bytes(4, "little")
