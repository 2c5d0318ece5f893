"""Finds the samples in a Core Audio Format file whose length may be unknown."""

from __future__ import annotations

import struct

from wav2vec2_tf.audio.content import Content, Part, lacking

MAGIC = b"caff"
CHUNK = struct.Struct(">4sq")
"""Name and size; a size of -1 means all that follows."""
MAXIMUM_CHUNKS = 10_000


def part(content: Content, start: int, end: int) -> Part:
    """Returns a file with the size of its samples in its header, if that was unknown.

    Raises:
        UserError: the file ends before its samples do.
    """
    at = start + 8
    for _ in range(MAXIMUM_CHUNKS):
        head = content.read_at(at, CHUNK.size)
        if len(head) < CHUNK.size:
            break
        name, size = CHUNK.unpack(head)
        there = end - at - CHUNK.size
        if name == b"data":
            if size > there:
                raise lacking(content.name, size, there, "bytes of samples")
            patch = () if size >= 0 else ((at - start, CHUNK.pack(name, there)),)
            return Part(start, end, patches=patch)
        if size < 0:
            break
        at += CHUNK.size + size
    return Part(start, end)
