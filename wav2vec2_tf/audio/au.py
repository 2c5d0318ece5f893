"""Finds the samples in a file of Sun's AU, which may state too few of them."""

from __future__ import annotations

import struct

from wav2vec2_tf.audio.content import Content, Part
from wav2vec2_tf.audio.wav import STREAMED_BYTES

MAGIC = {b".snd": ">", b"dns.": "<"}
"""Orders of bytes by the first four."""
HEAD_BYTES = 12
UNKNOWN = 0xFFFFFFFF


def part(content: Content, start: int, end: int) -> Part:
    """Returns a file, read to its end: nothing may follow the samples in this format."""
    head = content.read_at(start, HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        return Part(start, end)
    order = MAGIC[head[:4]]
    offset, size = struct.unpack(f"{order}II", head[4:])
    is_wrong = size < end - start - offset or size >= STREAMED_BYTES
    patches = ((8, struct.pack(f"{order}I", UNKNOWN)),) if is_wrong else ()
    return Part(start, end, patches=patches)
