"""Decodes audio that libsndfile cannot through the program ffmpeg, where it is installed."""

from __future__ import annotations

import os
import re
import select
import signal
import struct
import subprocess
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Self

import numpy as np

from wav2vec2_tf.audio import joined
from wav2vec2_tf.audio.content import Content, Malformed, cut_short, warn_once

AU_HEADER = struct.Struct(">4sIIIII")
"""Magic, offset of the samples, size, encoding, rate, channels."""
BLOCK_SAMPLES = 2**20
"""Samples decoded at a time, over all channels."""
COPIED_BYTES = 2**20
"""Bytes of a part of a file that are copied at a time."""
FORMATS = (
    "aac,ac3,adts,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,gsm,iff,ircam,loas,"
    "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,nistsphere,ogg,rm,shn,sox,tak,"
    "tta,voc,w64,wav,wv"
)
"""Formats that ffmpeg may open: no playlists, which name other files and addresses."""
SILENT_SECONDS = 60
"""After which ffmpeg is stopped, if it has decoded nothing more."""
CPU_SECONDS = 3600
MEMORY_BYTES = 2**31
LIMITED = [
    "/bin/sh",
    "-c",
    f'ulimit -t {CPU_SECONDS} 2>/dev/null; ulimit -v {MEMORY_BYTES // 1024} 2>/dev/null; exec "$@"',
    "sh",
]
"""Runs the command that follows with limits, as far as the system has them."""
TOO_SLOW = "it takes too much time"
STOPPED = {255: TOO_SLOW, -signal.SIGXCPU: TOO_SLOW, -signal.SIGSEGV: "it crashed"}
"""Reasons for an exit status; ffmpeg itself ends with 255 on a signal."""
ALLOCATION_BYTES = 2**28
"""Most that ffmpeg may allocate at once."""
COMPLAINT_BYTES = 2**14
"""Most that is kept of what ffmpeg says."""
CUT_SHORT = re.compile("partial file|File ended prematurely")
WHITELIST = re.compile("not on whitelist.*")
HARMLESS = re.compile("monoton|Last message repeated")
"""Complaints about times, which samples do not have."""


def decoded(
    program: str, content: Content, *, strict: bool = False
) -> Generator[tuple[int, np.ndarray], None, None]:
    """Runs ffmpeg to decode the first audio track of a file; stops it when it is closed.

    Files that were joined are decoded one after the other. What ffmpeg cannot decode behind the
    first one is named in a warning.

    Args:
        program: path of ffmpeg.
        content: the file.
        strict: refuse a file with any error in it; otherwise errors are logged in one line.

    Yields:
        The sampling rate in Hz and float32 blocks `(frames, channels)`.

    Raises:
        Malformed: ffmpeg cannot decode it, or takes too much time or memory.
        UserError: the file is cut short.
    """
    for number, (start, end) in enumerate(joined.bounds(content)):
        try:
            yield from _decoded(program, content, start, end, strict)
        except Malformed as error:
            if not number or strict:
                raise
            warn_once(
                f"{content.name}: its {end - start} bytes from {start} on are not read ({error}): "
                "it consists of several files; split it"
            )


def _decoded(
    program: str, content: Content, start: int, end: int, strict: bool
) -> Iterator[tuple[int, np.ndarray]]:
    """Decodes a file, which is a part of `content`; see `decoded`.

    The track is read as Sun's AU: a header with rate and channels, then samples. Mixing and
    resampling are left to the caller, so that they are the same for every format.
    """
    with _path(content, start, end) as path:
        url = f"file:{os.path.abspath(path)}"
        command = [program, "-nostdin", "-v", "error", "-max_alloc", str(ALLOCATION_BYTES)]
        command += ["-format_whitelist", FORMATS, "-protocol_whitelist", "file", "-threads", "1"]
        if strict:
            command += ["-xerror", "-err_detect", "crccheck+bitstream+buffer+explode"]
        command += ["-i", url, "-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "-"]
        with _Process([*LIMITED, *command]) as process:
            header = process.read(AU_HEADER.size)
            if len(header) == AU_HEADER.size:
                _, offset, _, _, rate, channels = AU_HEADER.unpack(header)
                process.read(offset - AU_HEADER.size)
                frame_bytes = 4 * channels
                while block := process.read(max(1, BLOCK_SAMPLES // channels) * frame_bytes):
                    whole = block[: len(block) // frame_bytes * frame_bytes]
                    yield rate, np.frombuffer(whole, ">f4").reshape(-1, channels).astype(np.float32)
            status, lines = process.result()
    # without the demuxer, its address, and the path, which the message has
    reasons = [re.sub(r"^\[[^]]*\] ", "", line).removeprefix(f"{url}: ") for line in lines]
    reason = WHITELIST.sub("not allowed", reasons[0]) if reasons else "no audio track"
    if complaint := next(filter(CUT_SHORT.search, reasons), None):
        raise cut_short(content.name, f"(ffmpeg: {complaint})")
    if status or len(header) < AU_HEADER.size or (strict and reasons):
        raise Malformed(STOPPED.get(status, reason))
    if reasons:
        warn_once(f"{content.name}: parts may be missing, ffmpeg met errors ({reason})")


@contextmanager
def _path(content: Content, start: int, end: int) -> Iterator[str]:
    """Yields the file's path; bytes and parts are written to a file, since ffmpeg has to seek."""
    if isinstance(content.source, str) and (start, end) == (0, content.size):
        yield content.source
        return
    with tempfile.NamedTemporaryFile() as copy:
        for at in range(start, end, COPIED_BYTES):
            copy.write(content.read_at(at, min(COPIED_BYTES, end - at)))
        copy.flush()
        yield copy.name


class _Process:
    """A program whose output is read, within limits; it is stopped on leaving the context."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._complaints = b""
        self._drain = threading.Thread(target=self._read_complaints, daemon=True)
        self._drain.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._drain.join(1)  # its pipe may be open in other hands
        with self._process:  # closes the other pipe and waits
            pass

    def _read_complaints(self) -> None:
        """Reads all that is printed, so that the program never waits, and keeps its start."""
        stream = self._process.stderr
        assert stream is not None
        while block := os.read(stream.fileno(), 2**16):
            self._complaints += block[: COMPLAINT_BYTES - len(self._complaints)]

    def read(self, count: int) -> bytes:
        """Returns `count` bytes of the output, or fewer at its end.

        Raises:
            Malformed: nothing came for `SILENT_SECONDS`.
        """
        stream = self._process.stdout
        assert stream is not None
        blocks = []
        while count > 0:
            if not select.select([stream], [], [], SILENT_SECONDS)[0]:
                raise Malformed(f"it decoded nothing for {SILENT_SECONDS} s")
            if not (block := os.read(stream.fileno(), count)):
                break
            blocks.append(block)
            count -= len(block)
        return b"".join(blocks)

    def result(self) -> tuple[int, list[str]]:
        """Returns the exit status and what was printed, at the end of the output.

        Raises:
            Malformed: the program does not end.
        """
        try:
            status = self._process.wait(SILENT_SECONDS)
        except subprocess.TimeoutExpired:
            raise Malformed(f"it did not end within {SILENT_SECONDS} s") from None
        self._drain.join()
        lines = self._complaints.decode(errors="replace").strip().splitlines()
        return status, [line for line in lines if not HARMLESS.search(line)]
