"""Decodes audio with libsndfile, to the end of the data."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import soundfile

from wav2vec2_tf.audio import au, caf, flac, joined, mpeg, ogg, resampling, wav
from wav2vec2_tf.audio.content import Content, Damaged, Empty, Malformed, Part, Window, cut_short

BLOCK_SAMPLES = 2**20
"""Samples decoded at a time, over all channels."""
BLOCK_SECONDS = 10
"""Longest block that is decoded at a time, since a low rate grows when it is resampled."""
CHUNK_BEYOND_END = re.compile(
    r"^\s*(?:riff|data|data size|ssnd|body)\s*: (\d+) \(should be (\d+)\)", re.I | re.M
)
"""A line of libsndfile's log about a chunk, stated and actual size: W64, AIFF, AU, SVX."""
SEEKABLE = re.compile("PCM|FLOAT|DOUBLE|LAW")
"""Kinds of samples in which any of them can be found without decoding those before it."""
PARTS = {ogg.MAGIC: ogg.parts, **dict.fromkeys(wav.MAGIC, wav.parts)}
"""Finds the parts of a file, by its first bytes."""
PART = {caf.MAGIC: caf.part, **dict.fromkeys(au.MAGIC, au.part)}
"""Finds the samples of one of the files that a file was joined of, by its first bytes."""
MISLEADING = re.compile("File does not exist|bad data offset|bad resource fork")
"""Errors of libsndfile for content that it does not know: it goes by the name then."""


def decoded(content: Content, start: int = 0) -> tuple[int, Iterator[tuple[int, np.ndarray]]]:
    """Decodes a file.

    Args:
        content: the file.
        start: a sample at 16 kHz; what is before it may be left out.

    Returns:
        The sample at 16 kHz to which the first one belongs, and rates in Hz with float32 blocks
        `(frames, channels)`, which raise `Malformed` as well.

    Raises:
        Malformed: libsndfile cannot decode it.
        UserError: the file is cut short.
    """
    parts = _parts(content, proven=start > 0)
    frame = first = 0
    if start and len(parts) == 1 and parts[0].exact:
        with _opened(content, parts[0]) as file:
            if SEEKABLE.search(file.subtype):
                frame, first = resampling.run_up(file.samplerate, start)
                if frame >= file.frames or not _can_seek(file, frame):
                    frame = first = 0
    return first, _blocks(content, parts, frame)


def counted(content: Content) -> list[tuple[int, int]] | None:
    """Returns the rate of each part and the number of its samples; None if they must be decoded.

    Raises:
        Malformed: libsndfile cannot decode it.
        UserError: the file is cut short.
    """
    parts = _parts(content, proven=True)
    counts = []
    for part in parts:
        with _opened(content, part) as file:
            if not part.exact or not file.frames:
                return None
            counts.append((file.samplerate, file.frames))
    return counts


def _parts(content: Content, *, proven: bool) -> list[Part]:
    """Returns the streams of a file, of which libsndfile would read the first one.

    Args:
        content: the file.
        proven: whether `Part.exact` is needed.
    """
    start = content.behind_id3()
    magic = content.read_at(start, 4)
    if not start and magic in PARTS:
        return PARTS[magic](content)
    if magic == flac.MAGIC:
        return flac.parts(content, start, proven=proven)
    if start or mpeg.SYNC.match(magic):
        return mpeg.parts(content, start, content.size)
    bounds = joined.bounds(content)
    if magic in PART:
        return [PART[magic](content, *each) for each in bounds]
    if len(bounds) == 1:
        with _opened(content, Part(0, content.size)) as file:
            if file.format == "MP3":
                return mpeg.parts(content, 0, content.size)
    return [Part(*each) for each in bounds]


def _blocks(content: Content, parts: list[Part], frame: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields blocks from a frame of the first part on; the memory does not depend on headers."""
    is_empty = True
    for part in parts:
        with _opened(content, part) as file:
            with _within():
                read = file.seek(frame) if frame else 0
            size = max(1, min(BLOCK_SAMPLES // file.channels, file.samplerate * BLOCK_SECONDS))
            while True:
                with _within():
                    block = file.read(size, dtype="float32", always_2d=True)
                if not len(block):
                    break
                read += len(block)
                yield file.samplerate, block
            stated = 0 if part.endless or file.format in ("MP3", "OGG") else file.frames
            if 0 < read < stated or _lacks_bytes(file):
                raise cut_short(content.name, f"after {read / file.samplerate:.2f} s")
            is_empty &= not read
        frame = 0
    if is_empty:
        raise Empty("it has no samples")


def _can_seek(file: soundfile.SoundFile, frame: int) -> bool:
    try:
        with _within():
            return bool(file.seek(frame) == frame)
    except Damaged:
        return False


@contextmanager
def _opened(content: Content, part: Part) -> Iterator[soundfile.SoundFile]:
    """Opens a part; a whole file by its path, which is faster."""
    is_whole = part == Part(0, content.size, part.exact)
    is_path = isinstance(content.source, str) and is_whole
    with _silence:
        try:
            file = soundfile.SoundFile(content.source if is_path else Window(content, part))
        # TypeError: soundfile reads a `.raw` file as headerless samples and requires their rate
        except (soundfile.SoundFileError, TypeError, UnicodeError, ValueError) as error:
            raise Malformed(_reason(error)) from None
    try:
        if file.format == "RAW":  # by the name alone: .au, .snd, .gsm or .vox
            raise Malformed("Format not recognised")
        yield file
    finally:
        with _silence:
            file.close()


@contextmanager
def _within() -> Iterator[None]:
    """Reports libsndfile's errors amid a file as `Damaged`, and keeps it silent."""
    try:
        with _silence:
            yield
    # ValueError: soundfile, where libsndfile has read more samples than it counts
    except (soundfile.SoundFileError, ValueError) as error:
        raise Damaged(_reason(error)) from None


def _reason(error: Exception) -> str:
    """Returns libsndfile's reason in one line, without the path."""
    if isinstance(error, soundfile.LibsndfileError):
        reason = error.error_string.strip().removeprefix("Error : ").rstrip(".")
        return "Format not recognised" if MISLEADING.search(reason) else reason or "damaged"
    return " ".join(str(error).split())


def _lacks_bytes(file: soundfile.SoundFile) -> bool:
    """Whether libsndfile's log reports a chunk longer than the file.

    It clamps such a chunk without an error, and reports it nowhere else.
    """
    return file.format not in ("WAV", "WAVEX", "RF64") and any(
        int(stated) < wav.STREAMED_BYTES and int(stated) - int(actual) > wav.SLACK_BYTES
        for stated, actual in CHUNK_BEYOND_END.findall(file.extra_info)
    )


class _Silence:
    """While it is entered, what C code prints through stdio is dropped.

    libsndfile and the mpg123 inside it print remarks on damaged files to both standard streams,
    and have no option against it. The C library's `stdout` and `stderr` are variables; Python's
    own streams do not use them. Any number of threads may be in it, and one may enter it anywhere
    in these methods again: when the garbage collector closes a reader that was left amid a file.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._streams: list[tuple[ctypes.c_void_p, int | None]] = []
        self._null: int | None = None
        try:
            library = ctypes.CDLL(None)
            library.fopen.restype = ctypes.c_void_p
            streams = [ctypes.c_void_p.in_dll(library, name) for name in ("stdout", "stderr")]
            self._null = library.fopen(os.devnull.encode(), b"w")
        except (AttributeError, OSError, TypeError, ValueError):  # another C library
            return
        self._streams = [(stream, stream.value) for stream in streams]

    def __enter__(self) -> None:
        with self._lock:
            self._depth += 1
            if self._depth == 1 and self._null:
                self._streams = [(stream, stream.value) for stream, _ in self._streams]
                for stream, _ in self._streams:
                    stream.value = self._null

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._depth == 1 and self._null:
                for stream, original in self._streams:
                    stream.value = original
            self._depth -= 1


_silence = _Silence()
