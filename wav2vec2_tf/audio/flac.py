"""Finds the streams of a FLAC file, and how many samples each has (RFC 9639)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from wav2vec2_tf.audio.content import Content, Part, lacking, warn_once

MAGIC = b"fLaC"
STREAM = re.compile(rb"fLaC[\x00\x80]\0\0\x22")
"""The start of a stream: magic, and the header of the first block."""
HEAD_BYTES = 26
"""From the start of a stream to the end of the number of samples."""
TOTAL_BITS = 36
TAIL_BYTES = (2**16, 2**22)
"""Bytes at the end in which the last frame is looked for: enough for most, and for nearly all."""
SYNC = re.compile(rb"\xff[\xf8\xf9]")
SIZES = (0, 192, 576, 1152, 2304, 4608, 0, 0, *(1 << code for code in range(8, 16)))
"""Samples of a frame by its code; those of codes 6 and 7 follow."""
RATES = dict(
    enumerate((88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000), 1)
)
"""Hz by code; those of codes 12 to 14 follow, that of code 0 is the header's."""
BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}
"""Bits by code; those of code 0 are the header's."""


def _table(width: int, polynomial: int) -> list[int]:
    """Returns the table of a checksum that takes `width` bits at a time."""
    register = np.arange(1 << width)
    for _ in range(width):
        register = (register << 1 ^ (register >> width - 1) * polynomial) & (1 << width) - 1
    table: list[int] = register.tolist()
    return table


CRC8, CRC16 = _table(8, 0x07), _table(16, 0x8005)


@dataclass(frozen=True)
class Header:
    """The block STREAMINFO."""

    block: int
    """Samples of each frame but the last, where the size does not vary."""
    rate: int
    channels: int
    bits: int
    total: int
    """Samples in all; 0 if that is not known."""

    @classmethod
    def of(cls, head: bytes) -> Header:
        """Reads the start of a stream, of `HEAD_BYTES`."""
        word = int.from_bytes(head[18:26], "big")
        return cls(
            block=int.from_bytes(head[10:12], "big"),
            rate=word >> 44,
            channels=(word >> 41 & 7) + 1,
            bits=(word >> 36 & 31) + 1,
            total=word & (1 << TOTAL_BITS) - 1,
        )


def parts(content: Content, start: int, *, proven: bool) -> list[Part]:
    """Returns the streams of a file whose first one is at `start`; several may be joined.

    Args:
        content: the file.
        start: a place in it.
        proven: whether `Part.exact` is needed: the checksum takes a third of a millisecond.

    Raises:
        Malformed: there are too many.
        UserError: one ends before its samples do.
    """
    starts = [start, *content.find_all(STREAM, start + len(MAGIC))]
    ends = [*starts[1:], content.size]
    return [_stream(content, *each, proven) for each in zip(starts, ends, strict=True)]


def _stream(content: Content, start: int, end: int, proven: bool) -> Part:
    """Returns a stream as a part with the true number of samples in its header, if that is larger.

    The last frame holds its number.
    """
    head = content.read_at(start, HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        return Part(start, end)
    header = Header.of(head)
    frames_end = content.before_tags(end)
    frames: list[tuple[int, int]] = []
    for count in TAIL_BYTES:
        first = max(start + HEAD_BYTES, frames_end - count)
        tail = content.read_at(first, frames_end - first)
        if frames := _frames(tail, header):
            break
    if not frames:
        return Part(start, end)
    last, there = frames[-1]
    if there == header.total:  # what follows the last frame does not matter to libsndfile
        return Part(start, end, exact=proven and _is_whole(tail, last, None))
    if there < header.total:
        raise lacking(content.name, header.total, there, "samples")
    ends = [*(place for place, _ in frames[1:]), None]
    total = next(  # the last frame may be cut short
        (
            total
            for (place, total), last in reversed([*zip(frames, ends, strict=True)])
            if _is_whole(tail, place, last)
        ),
        frames[-1][1],
    )
    if total < there:
        warn_once(f"{content.name}: its last {there - total} samples are cut short, and not read")
    word = int.from_bytes(head[-5:], "big") >> TOTAL_BITS << TOTAL_BITS | total
    return Part(start, end, patches=((HEAD_BYTES - 5, word.to_bytes(5, "big")),))


def _frames(tail: bytes, header: Header) -> list[tuple[int, int]]:
    """Returns the place of each frame in `tail`, and the number of samples up to its end."""
    found = []
    for match in SYNC.finditer(tail):
        samples = _samples_at_end(tail[match.start() : match.start() + 16], header)
        if samples is not None:
            found.append((match.start(), samples))
    return found


def _samples_at_end(head: bytes, header: Header) -> int | None:
    """Returns the number of samples up to the end of the frame with this header; None if invalid.

    Four bytes of codes are followed by the frame's number, a size and a rate where the codes say
    so, and a checksum (section 9.1).
    """
    if len(head) < 16:
        head += bytes(16 - len(head))
    size_code, rate_code = head[2] >> 4, head[2] & 15
    channel_code, bits_code = head[3] >> 4, head[3] >> 1 & 7
    channels = channel_code + 1 if channel_code < 8 else 2
    ones = 8 - (head[4] ^ 0xFF).bit_length()
    if (
        not size_code
        or channels != header.channels
        or channel_code > 10
        or rate_code == 15
        or BITS.get(bits_code, header.bits if not bits_code else 0) != header.bits
        or head[3] & 1
        or ones in (1, 8)
    ):
        return None
    at = 4 + max(1, ones)
    number = head[4] & (0x7F >> ones)
    for byte in head[5:at]:
        number = number << 6 | byte & 0x3F
    size, width = SIZES[size_code], {6: 1, 7: 2}.get(size_code, 0)
    if width:
        size = int.from_bytes(head[at : at + width], "big") + 1
    at += width
    rate, width = RATES.get(rate_code, header.rate), {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if width:
        unit = {12: 1000, 13: 1, 14: 10}[rate_code]
        rate = int.from_bytes(head[at : at + width], "big") * unit
    at += width
    if rate != header.rate or _crc8(head[:at]) != head[at]:
        return None
    is_variable = head[1] & 1  # the number is that of the first sample then
    return (number if is_variable else number * header.block) + size


def _is_whole(tail: bytes, start: int, end: int | None) -> bool:
    """Whether the checksum of a frame is right, which ends at `end`, or with the tail."""
    return _crc16(tail[start:end]) == 0


def _crc8(content: bytes) -> int:
    register = 0
    for byte in content:
        register = CRC8[register ^ byte]
    return register


def _crc16(content: bytes) -> int:
    even = content if len(content) % 2 == 0 else b"\0" + content
    register = 0
    for word in np.frombuffer(even, ">u2").tolist():
        register = CRC16[register ^ word]
    return register
