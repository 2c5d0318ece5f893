"""Finds the files that were joined to one, in formats whose readers stop behind the first."""

from __future__ import annotations

import re
import struct
from itertools import pairwise

from wav2vec2_tf.audio import flac, ogg
from wav2vec2_tf.audio.content import MAXIMUM_PARTS, PATTERN_BYTES, Content

INITIAL = bytes(byte for byte in range(256) if byte & 8)
"""Flags of the block of WavPack that is the first one of all channels."""
STARTS = [
    re.compile(pattern, re.S)
    for pattern in (
        flac.STREAM.pattern,
        rb"FORM....AIF[FC]",
        rb"R(?:IFF|IFX|F64)....WAVE",
        rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0",  # W64
        rb"caff\0\x01\0\0desc",
        rb"\.snd\0\0......\0\0\0[\1-\x1b]",  # AU, of either order of bytes
        rb"dns\...\0\0....[\1-\x1b]\0\0\0",
        rb"Creative Voice F",
        rb"wvpk.{6}\0.{5}\0{4}(?!\0{4}).{5}[%b]" % re.escape(INITIAL),  # a block of sample 0
        rb"TTA1[\1\3]\0",
        rb"FLV\x01[\1\4\5]\0\0\0\x09",
        rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c",  # ASF, WMA
        rb"#!AMR(?:-WB)?\n",
        rb"MAC [\x80-\xff]\x0f",
    )
]
"""The first bytes of a file, for each format: long enough to be in no other place by chance."""
BOX = struct.Struct(">I4s")
MAXIMUM_BOXES = 1_000_000
"""Boxes that are read: a recording in fragments has two of them for each second or so."""


def bounds(content: Content) -> list[tuple[int, int]]:
    """Returns where each file begins and ends; one, if none were joined or the format is another.

    Raises:
        Malformed: there are too many.
    """
    first = content.behind_id3()
    head = content.read_at(first, PATTERN_BYTES)
    if head.startswith(ogg.MAGIC):
        return [(part.start, part.end) for part in ogg.parts(content)]
    if head[4:8] == b"ftyp":
        starts = _boxed(content)
    else:
        pattern = next((each for each in STARTS if each.match(head)), None)
        starts = [0] if pattern is None else [0, *content.find_all(pattern, first + 1)]
    return list(pairwise([*starts, content.size]))


def _boxed(content: Content) -> list[int]:
    """Returns where files of MP4 begin: the boxes `ftyp` that are inside no other (ISO 14496-12).

    Pictures inside boxes have such a box too.
    """
    starts, at = [0], 0
    for _ in range(MAXIMUM_BOXES):
        if len(head := content.read_at(at, 16)) < 16 or len(starts) >= MAXIMUM_PARTS:
            break
        size, name = BOX.unpack_from(head)
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        if size < BOX.size:  # 0 is to the end of the file
            break
        if name == b"ftyp" and at:
            starts.append(at)
        at += size
    return starts
