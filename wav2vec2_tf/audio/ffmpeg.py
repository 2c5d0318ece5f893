"""Decodes audio that libsndfile does not know through the program ffmpeg, where it is installed."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from wav2vec2_tf.utils.errors import UserError

AU_HEADER = struct.Struct(">4sIIIII")
"""Magic, offset of the samples, size, encoding, rate, channels."""
FORMATS = (
    "aac,ac3,adts,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,gsm,loas,"
    "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,rm,tak,tta,voc,w64,wav,wv"
)
"""Formats that ffmpeg may open: no playlists, which name other files and addresses."""


@contextmanager
def decoded(
    ffmpeg: str, path: str, block_samples: int
) -> Iterator[tuple[int, Iterator[np.ndarray]]]:
    """Runs ffmpeg to decode the first audio track of a file; stops it on leaving the context.

    The track is read as Sun's AU: a header with rate and channels, then samples. Mixing and
    resampling are left to the caller, so that they are the same for every format.

    Args:
        ffmpeg: path of the program.
        path: the file.
        block_samples: samples decoded at a time, over all channels.

    Yields:
        The sampling rate in Hz and the samples, in float32 blocks `(frames, channels)`.

    Raises:
        UserError: ffmpeg cannot read the file.
    """
    command = [ffmpeg, "-nostdin", "-v", "error"]
    command += ["-format_whitelist", FORMATS, "-protocol_whitelist", "file"]
    url = f"file:{os.path.abspath(path)}"
    command += ["-i", url, "-map", "0:a:0"]
    command += ["-c:a", "pcm_f32be", "-f", "au", "-"]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as process,
    ):
        stream = process.stdout
        assert stream is not None

        def blocks(channels: int) -> Iterator[np.ndarray]:
            frame_bytes = 4 * channels
            while content := stream.read(block_samples // channels * frame_bytes):
                whole = content[: len(content) // frame_bytes * frame_bytes]
                yield np.frombuffer(whole, ">f4").reshape(-1, channels).astype(np.float32)
            if process.wait():
                raise failed()

        def failed() -> UserError:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
            # without its demuxer and address, and without the path, which the message has
            reason = re.sub(r"^\[[^]]*\] ", "", (lines or ["no audio track"])[0])
            return UserError(
                f"{path}: ffmpeg cannot read it ({reason.removeprefix(f'{url}: ')}); give WAV, "
                "FLAC or MP3"
            )

        try:
            header = stream.read(AU_HEADER.size)
            if len(header) < AU_HEADER.size:
                raise failed()
            _, offset, _, _, rate, channels = AU_HEADER.unpack(header)
            stream.read(offset - AU_HEADER.size)
            yield rate, blocks(channels)
        finally:
            process.kill()
