"""Audio files, bytes and streams → 16 kHz mono float32."""

from __future__ import annotations

import io
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from wav2vec2_tf.audio.normalization import SAMPLE_RATE
from wav2vec2_tf.utils.errors import UserError

MAXIMUM_HOURS = 4  # 0.9 GB of samples; a few kB of FLAC can claim, and decode to, days of silence
STREAMED_HOURS = 24  # of a recording that is read block by block
MAXIMUM_BYTES = 2**31  # of a stream, which may have no end
MAXIMUM_RATE = 10_000_000  # Hz; beyond it the resampler's filter takes seconds and gigabytes
BLOCK_SAMPLES = 2**20  # decoded at once, over all channels
BLOCK_SECONDS = 10  # and no more than this, since a low rate grows when resampled
STREAMED_BYTES = 0x7FFF0000  # from here on a chunk's size means "not known when it was written"
SLACK_BYTES = 64  # writers err by a chunk header or two; that is no lost sound

# as libsndfile's log has it: the chunks with samples and the whole, in WAV, RF64, W64, AIFF, AU
CHUNK_BEYOND_END = re.compile(
    r"^\s*(?:rif[fx]|riff size|data|data size|form|ssnd)\s*: (\d+) \(should be (\d+)\)", re.I | re.M
)

UNKNOWN_FORMAT = 1  # libsndfile's SF_ERR_UNRECOGNISED_FORMAT
AU_HEADER = struct.Struct(">4sIIIII")
"""Magic, offset of the samples, size, encoding, rate, channels."""
FFMPEG_FORMATS = (
    "aac,ac3,adts,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,gsm,loas,"
    "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,rm,tak,tta,voc,w64,wav,wv"
)

AudioSource = str | PathLike[str] | bytes | BinaryIO


def load(source: AudioSource) -> np.ndarray:
    """Read audio of any rate and channel count as 16 kHz mono.

    Args:
        source: path, file contents, or binary file object (read from where it stands to its end),
            in any format libsndfile knows (WAV, FLAC, Ogg, MP3, AIFF, …); a path also in those
            that ffmpeg knows, where it is installed.

    Returns:
        float32 `(samples,)`: the mean over channels, resampled by soxr (HQ) unless it is at 16 kHz.

    Raises:
        UserError: missing, not a file, not audio, cut short or damaged, empty, not finite, or
            longer than `MAXIMUM_HOURS`. (MP3 and Ogg cut short are whole, only shorter.)
    """
    return np.concatenate(list(_blocks(*_open(source), MAXIMUM_HOURS)))


def blocks(source: AudioSource) -> Generator[np.ndarray, None, None]:
    """What `load` gives, in blocks of bounded size, of recordings of up to `STREAMED_HOURS`.

    An error of `load`'s may come after the blocks before it.
    """
    return _blocks(*_open(source), STREAMED_HOURS)


def count_samples(source: AudioSource) -> int:
    """How many samples `load` will give, or one more where it resamples, as the header says.

    A header that does not say, as that of an MP3 may not, makes this decode the audio; else what
    is damaged behind a whole header goes unnoticed.

    Raises:
        UserError: missing, not a file or not audio; of a header that does not say, as `load`.
    """
    name, readable = _open(source)
    try:
        header = soundfile.info(readable)
        samples = -(-header.frames * SAMPLE_RATE // header.samplerate)
    except (soundfile.SoundFileError, TypeError, ValueError, OSError, ZeroDivisionError):
        samples = 0
    # a stream's header has no number, or one beyond all measure
    if 0 < samples <= MAXIMUM_HOURS * 3600 * SAMPLE_RATE:
        return samples
    if isinstance(readable, io.BytesIO):
        readable.seek(0)
    return sum(map(len, _blocks(name, readable, MAXIMUM_HOURS)))  # or it says what is wrong


def _blocks(name: str, readable: str | io.BytesIO, hours: int) -> Generator[np.ndarray, None, None]:
    """Blocks of 16 kHz mono; `UserError` where there are more than so many hours of them."""
    try:
        with soundfile.SoundFile(readable) as file:
            yield from _mono(file.samplerate, _read(file, name), name, hours)
        return
    # TypeError: soundfile takes a `.raw` file for headerless samples and asks for their rate
    except (soundfile.SoundFileError, TypeError, UnicodeError) as error:
        reason = " ".join(str(error).split()).replace(f"Error opening {readable!r}: ", "")
        unknown = isinstance(error, soundfile.LibsndfileError) and error.code == UNKNOWN_FORMAT
    help = "give WAV, FLAC, Ogg or MP3"
    if unknown and isinstance(readable, str):
        if ffmpeg := shutil.which("ffmpeg"):
            yield from _through_ffmpeg(ffmpeg, readable, hours)
            return
        help += ", or install ffmpeg for other formats"
    raise UserError(f"{name}: not audio that can be read, or damaged ({reason}); {help}")


class _Contents(io.BytesIO):
    """Bytes in which libsndfile may seek before the start, as it does in damaged files.

    An exception within its callback could not be caught, and would be printed with a traceback.
    """

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


def _open(source: AudioSource) -> tuple[str, str | io.BytesIO]:
    """A name for messages, and what soundfile reads from."""
    if isinstance(source, bytes | bytearray | memoryview):
        return "audio data", _Contents(source)
    if isinstance(source, str | PathLike):
        path = Path(source)
        try:
            if path.is_file():  # before opening: a pipe would make it wait
                path.open("rb").close()
                return str(path), str(path)
            reason = "a folder or device" if path.exists() else "no such file"
        except OSError as error:
            reason = error.strerror or str(error)
        raise UserError(f"{path}: {reason}; give the path of an audio file that can be read")
    name = str(getattr(source, "name", "audio stream"))
    contents = _Contents()
    try:
        while block := source.read(BLOCK_SAMPLES):
            contents.write(block)
            if contents.tell() > MAXIMUM_BYTES:
                raise UserError(f"{name}: more than {MAXIMUM_BYTES} bytes; cut it into pieces")
    except (OSError, TypeError, AttributeError) as error:
        raise UserError(f"{name}: cannot be read ({error}); give a binary file object") from None
    contents.seek(0)
    return name, contents


def _read(file: soundfile.SoundFile, name: str) -> Iterator[np.ndarray]:
    """Decode in blocks: what the header claims decides nothing about the memory taken."""
    read = 0
    size = max(1, min(BLOCK_SAMPLES // file.channels, file.samplerate * BLOCK_SECONDS))
    while len(block := file.read(size, dtype="float32", always_2d=True)):  # (frames, channels)
        read += len(block)
        yield block
    # an MP3 without a length header has an estimate in `frames`, often wrong
    if _lacks_bytes(file.extra_info) or (file.format != "MP3" and 0 < read < file.frames):
        seconds = read / file.samplerate
        raise UserError(f"{name}: cut short after {seconds:.2f} s; copy or download it again")


def _mono(rate: int, decoded: Iterator[np.ndarray], name: str, hours: int) -> Iterator[np.ndarray]:
    """(frames, channels) blocks at `rate` → blocks of their mean at 16 kHz."""
    if not 0 < rate <= MAXIMUM_RATE:
        raise UserError(f"{name}: a sampling rate of {rate} Hz; is the file damaged?")
    resample = None
    if rate != SAMPLE_RATE:
        resample = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    read = given = 0
    for block in decoded:
        read += len(block)
        if read > rate * 3600 * hours:
            raise UserError(f"{name}: longer than {hours} hours; cut it into pieces")
        with np.errstate(over="ignore", invalid="ignore"):  # reported just below
            mono = block.mean(axis=1)
        if not np.isfinite(mono).all():
            raise UserError(f"{name}: has samples that are NaN or infinite; export it again")
        mono = mono if resample is None else resample.resample_chunk(mono)
        given += len(mono)
        yield mono
    if resample is not None:
        rest = resample.resample_chunk(np.zeros(0, np.float32), last=True)
        given += len(rest)
        yield rest
    if not given:
        raise UserError(f"{name}: has no samples; it is empty, or was cut short")


def _through_ffmpeg(ffmpeg: str, path: str, hours: int) -> Iterator[np.ndarray]:
    """The first track with sound, in blocks of 16 kHz mono.

    It comes as Sun's AU, a header of whose fields are the rate and the channels, then samples: so
    that mixing and resampling are ours, as of every file.
    """
    command = [ffmpeg, "-nostdin", "-v", "error"]
    # no playlists, which name other files and addresses
    command += ["-format_whitelist", FFMPEG_FORMATS, "-protocol_whitelist", "file"]
    url = f"file:{os.path.abspath(path)}"
    command += ["-i", url, "-map", "0:a:0"]
    command += ["-c:a", "pcm_f32be", "-f", "au", "-"]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        ) as process,
    ):
        stream = process.stdout
        assert stream is not None

        def decoded(channels: int) -> Iterator[np.ndarray]:
            frame = 4 * channels
            while content := stream.read(BLOCK_SAMPLES // channels * frame):
                whole = content[: len(content) // frame * frame]
                yield np.frombuffer(whole, ">f4").reshape(-1, channels).astype(np.float32)
            if process.wait():
                raise failed()

        def failed() -> UserError:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or ["no sound in it"]
            # without its demuxer and an address, and without the path, which the error has
            reason = re.sub(r"^\[[^]]*\] ", "", lines[0]).removeprefix(f"{url}: ")
            return UserError(f"{path}: ffmpeg cannot read it ({reason}); give WAV, FLAC or MP3")

        try:
            header = stream.read(AU_HEADER.size)
            if len(header) < AU_HEADER.size:
                raise failed()
            _, offset, _, _, rate, channels = AU_HEADER.unpack(header)
            stream.read(offset - AU_HEADER.size)
            yield from _mono(rate, decoded(channels), path, hours)
        finally:
            process.kill()


def _lacks_bytes(log: str) -> bool:
    """Whether libsndfile's log tells of a chunk longer than the file.

    It clamps such a chunk without an error, and this log is the only place where it says so.
    """
    return any(
        int(claimed) < STREAMED_BYTES and int(claimed) - int(found) > SLACK_BYTES
        for claimed, found in CHUNK_BEYOND_END.findall(log)
    )
