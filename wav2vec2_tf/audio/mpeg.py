"""Finds the streams of MPEG audio (MP1, MP2, MP3): rates and channels may change between frames."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

from wav2vec2_tf.audio.content import ID3V1_BYTES, MAXIMUM_PARTS, Content, Malformed, Part

SYNC = re.compile(rb"\xff[\xe2-\xef\xf2-\xff][\x10-\xef]")
COUNT = re.compile(rb"(?:Xing|Info)\0\0\0[\x01\x03\x05\x07\x09\x0b\x0d\x0f](....)", re.S)
"""A header that states the number of the frames after it."""
HEAD_BYTES = 64
"""Bytes at the start of a frame in which such a header may be."""
BLOCK_BYTES = 2**18
MAXIMUM_FALSE = 2**17
"""Places without frames that look like a header, after which the file is given up."""
RATES = (44100, 48000, 32000)
KBITS = {  # by version 1 or else, and layer
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
IN_A_ROW = 3
"""Frames of one kind that must follow each other, where another kind or junk was before."""
ID3 = b"ID3\4\0\0\0\0\0\x0a" + bytes(10)
"""An empty tag: by it libsndfile knows MPEG audio, even where a file `._` in the working directory
makes it take content without a name for another format (SD2)."""


@dataclass(frozen=True)
class Frame:
    """What a frame's header says."""

    size: int
    """Bytes, the header's included."""
    kind: tuple[int, int, bool]
    """Layer, rate in Hz, and whether there is one channel."""


@cache
def _frame(codes: bytes) -> Frame | None:
    """Reads the second to fourth byte of a header; None if there is no such frame."""
    version, layer = codes[0] >> 3 & 3, 4 - (codes[0] >> 1 & 3)
    bitrate, rate_code, padding = codes[1] >> 4, codes[1] >> 2 & 3, codes[1] >> 1 & 1
    if codes[0] & 0xE0 != 0xE0 or version == 1 or layer == 4 or rate_code == 3:
        return None
    if not 0 < bitrate < 15:  # 0 is of any bit rate, so the size is not known
        return None
    is_first = version == 3
    rate = RATES[rate_code] >> {3: 0, 2: 1, 0: 2}[version]
    bits = 1000 * KBITS[is_first, layer][bitrate - 1]
    if layer == 1:
        size = (12 * bits // rate + padding) * 4
    else:
        size = (144 if is_first or layer == 2 else 72) * bits // rate + padding
    return Frame(size, (layer, rate, codes[2] >> 6 == 3))


@dataclass
class _Run:
    """A stretch of frames of one kind."""

    start: int
    kind: tuple[int, int, bool]
    stated: tuple[int, int] | None
    """Where its first frame states how many follow, and that number; None if it does not."""
    end: int
    frames: int = 0


class _Reader:
    """Reads headers from a file, a block at a time."""

    def __init__(self, content: Content, end: int) -> None:
        self._content, self._end = content, end
        self._block, self._start = b"", 0

    def frame(self, at: int) -> Frame | None:
        """Returns what the header at `at` says; None if there is none."""
        place = self._place(at)
        if len(self._block) < place + 4 or self._block[place] != 0xFF:
            return None
        return _frame(self._block[place + 1 : place + 4])

    def stated(self, at: int) -> tuple[int, int] | None:
        """Returns where the frame at `at` states how many follow, and that number."""
        place = self._place(at)
        match = COUNT.search(self._block, place, place + HEAD_BYTES)
        return None if match is None else (match.start(1) - place, int.from_bytes(match[1], "big"))

    def _place(self, at: int) -> int:
        """Returns the place in the block of a place in the file, which is read if it must be."""
        place = at - self._start
        if not 0 <= place <= len(self._block) - HEAD_BYTES:
            count = max(0, min(BLOCK_BYTES, self._end - at))
            self._block, self._start = self._content.read_at(at, count), at
            place = 0
        return place

    def begins(self, at: int, frame: Frame) -> bool:
        """Whether `IN_A_ROW` frames of one kind begin with this one, or fewer up to the end."""
        for _ in range(IN_A_ROW - 1):
            at += frame.size
            following = self.frame(at)
            if following is None:
                return at + 4 > self._end
            if following.kind != frame.kind:
                return False
            frame = following
        return True


def parts(content: Content, start: int, end: int) -> list[Part]:
    """Returns the streams in `[start, end)`: stretches of frames of one kind, and nothing else.

    A header with a number of frames (Xing, Info) begins a stream.

    Raises:
        Malformed: there are no frames, much looks like them, or their kind changes all the time.
    """
    reader, runs = _Reader(content, end), list[_Run]()
    at, false = content.behind_id3(start), 0

    def follows(at: int, frame: Frame) -> bool:
        return bool(runs) and at == runs[-1].end and frame.kind == runs[-1].kind

    while at < end:
        frame = reader.frame(at)
        if frame is not None and (follows(at, frame) or reader.begins(at, frame)):
            stated = reader.stated(at)
            if stated or not follows(at, frame):
                runs.append(_Run(at, frame.kind, stated, at))
            if len(runs) > MAXIMUM_PARTS:
                raise Malformed(f"it has more than {MAXIMUM_PARTS} streams")
            at += frame.size
            runs[-1].end = at
            runs[-1].frames += 1
            continue
        behind = content.behind_id3(at)
        if behind == at and content.read_at(at, 3) == b"TAG":
            behind = at + ID3V1_BYTES
        if behind == at:
            behind = content.find(SYNC, at + 1, end)
            behind = end if behind < 0 else behind
            false += 1
            if false > MAXIMUM_FALSE:
                raise Malformed("it has too much between its frames")
        at = behind
    if not runs:
        raise Malformed("it has no MPEG audio frames")
    return [_part(run, end) for run in runs]


def _part(run: _Run, end: int) -> Part:
    """Returns a run as a part, with the true number of frames in its header if that is larger."""
    part = Part(run.start, min(run.end, end), endless=True, prefix=ID3)
    if run.stated is None:
        return part
    place, stated = run.stated
    if stated < run.frames - 1:
        stated = run.frames - 1
        part = replace(part, patches=((place, stated.to_bytes(4, "big")),))
    is_exact = run.end <= end and stated == run.frames - 1
    return replace(part, exact=is_exact, endless=not is_exact)
