"""Fuzzing of the audio reader with damaged files of each format.

`python -m tests.tools.fuzz_audio SECONDS [FOLDER [SEED]]`

Run by hand. An input ends the run and is written to the folder (by default the current one) if
anything but `UserError` is raised, the message is not one short line, the samples are not finite,
the count differs from what is read, a stretch differs from that part of the whole, it takes over
`MAXIMUM_SECONDS`, the process has more than `MAXIMUM_BYTES`, or something is printed.

Every input is also read with a name that fits another format, most of them without ffmpeg.
"""

from __future__ import annotations

import logging
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from tests.support.audio_files import encoded, tone
from tests.support.flac import flac
from wav2vec2_tf import audio
from wav2vec2_tf.audio import read as reader
from wav2vec2_tf.utils.errors import UserError

MAXIMUM_SECONDS = 30.0
MAXIMUM_BYTES = 3 * 2**30
MAXIMUM_HOURS = 0.1
"""Limit of the reader's length while fuzzing: a damaged header may ask for hours of silence."""
INTERESTING = [b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\1", b"\1"]
MAGICS = [b"RIFF", b"RF64", b"WAVE", b"data", b"fLaC\0\0\0\x22", b"OggS\0\2", b"ID3\4\0\0", b"TAG"]
MAGICS += [b"Xing\0\0\0\x0f", b"Info\0\0\0\1", b"caff", b"\xff\xfb\x90\x64", b"\xff\xf8", b"FORM"]
ENDINGS = ["", ".wav", ".mp3", ".flac", ".ogg", ".raw", ".au", ".gsm", ".sd2", ".m4a", ".txt"]
ENCODED_BY_FFMPEG = ["-c:a aac -f ipod", "-c:a libopus -f webm", "-c:a wmav2 -f asf"]
ENCODED_BY_FFMPEG += ["-c:a adpcm_ima_qt -f caf", "-c:a adpcm_ms -f wav", "-c:a mp2 -f mpegts"]


class Fault(Exception):
    """The reader does what it must not."""


def seeds() -> list[bytes]:
    """Returns small valid files of each format."""
    mono, stereo = tone(0.3, 16000), np.stack([tone(0.2, 44100)] * 2, axis=1)
    formats = [
        "WAV",
        "AIFF",
        "AU",
        "CAF",
        "W64",
        "RF64",
        "SVX",
        "NIST",
        "VOC",
        "FLAC",
        "OGG",
        "MP3",
    ]
    found = [encoded(mono, 16000, format=name) for name in formats]
    found += [encoded(stereo, 44100, format=name) for name in ("WAV", "FLAC", "OGG", "MP3")]
    found.append(encoded(mono, 16000, format="OGG", subtype="OPUS"))
    for subtype in ("MS_ADPCM", "IMA_ADPCM", "GSM610", "ULAW", "FLOAT"):
        found.append(encoded(mono, 16000, subtype=subtype))
    values = np.random.default_rng(0).integers(-2000, 2000, (3000, 1))
    found += [
        flac(values, 16000, bits, total=total) for bits, total in ((16, 0), (16, 99), (12, 9))
    ]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.wav"
        source.write_bytes(encoded(mono, 16000))
        for options in ENCODED_BY_FFMPEG:
            command = ["ffmpeg", "-v", "error", "-i", str(source), *options.split()]
            target = Path(folder) / "made"
            if subprocess.run([*command, str(target)], capture_output=True).returncode == 0:
                found.append(target.read_bytes())
                target.unlink()
    return found


def mutated(seeds: list[bytes], chance: random.Random) -> bytes:
    """Returns a damaged file, or parts of several."""
    content = bytearray(chance.choice(seeds))
    for _ in range(chance.choice([0, 1, 1, 2, 4, 16])):
        near = min(len(content), chance.choice([48, 200, 10**9]))
        place = chance.randrange(near + 1)
        match chance.randrange(8):
            case 0:
                content[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                word = chance.choice(INTERESTING)
                content[place : place + len(word)] = word
            case 2:
                word = chance.choice(MAGICS)
                content[place : place + len(word)] = word
            case 3:
                del content[place:]
            case 4:
                del content[place : place + chance.randrange(1, 400)]
            case 5:
                content[place:place] = chance.choice(seeds)[: chance.randrange(1, 9000)]
            case 6:
                content += chance.choice(seeds)
            case _:
                content[place:place] = chance.choice([bytes(99), b"\xff" * 99, bytes(70000)])
    return bytes(content)


def outcome(function: Callable[[], int]) -> int | str:
    """Returns a number of samples, or the message of a `UserError`."""
    try:
        return function()
    except UserError as error:
        message = str(error)
        if "\n" in message or len(message) > 1000:
            raise Fault(f"not one short line: {message!r}") from None
        return message


def check(content: bytes, path: Path, chance: random.Random) -> None:
    """Reads an input as a path and as bytes; raises `Fault` if something is wrong."""
    path.write_bytes(content)
    for source in (path, content):
        speech = np.zeros(0, np.float32)

        def load(source: Path | bytes = source) -> int:
            nonlocal speech
            speech = audio.load(source)
            return len(speech)

        read = outcome(load)
        counted = outcome(lambda source=source: audio.count_samples(source))  # type: ignore[misc]
        if isinstance(read, int):
            if not np.isfinite(speech).all() or speech.dtype != np.float32 or speech.ndim != 1:
                raise Fault("the samples are not a finite waveform")
            if counted != read:
                raise Fault(f"{read} samples read, {counted} counted")
            offset = chance.uniform(0, read / audio.SAMPLE_RATE)
            start = round(offset * audio.SAMPLE_RATE)
            if start < read:
                part = audio.load(source, offset=offset, duration=0.05)
                wanted = speech[start : start + 800]
                scale = max(1.0, float(np.abs(speech).max()))
                if part.shape != wanted.shape or np.abs(part - wanted).max() > 1e-5 * scale:
                    raise Fault(f"the stretch from {offset} s on differs")


@contextmanager
def captured(printed: Path) -> Iterator[None]:
    """Writes both standard streams, C code's too, to a file."""
    kept = [os.dup(number) for number in (1, 2)]
    with printed.open("wb") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            for number, original in zip((1, 2), kept, strict=True):
                os.dup2(original, number)
                os.close(original)


def main() -> None:
    """Runs until the time is over or a fault is found."""
    seconds, folder = float(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else ".")
    chance = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else None)
    for limit in ("MAXIMUM_HOURS", "STREAMED_HOURS"):
        setattr(reader, limit, MAXIMUM_HOURS)
    logging.getLogger("wav2vec2_tf.audio").setLevel(logging.ERROR)  # remarks are wanted
    files, path_variable = seeds(), os.environ["PATH"]
    print(f"{len(files)} files, soundfile {soundfile.__version__}", flush=True)
    end, runs, slowest = time.monotonic() + seconds, 0, 0.0
    work = Path(tempfile.mkdtemp())
    while time.monotonic() < end:
        content = mutated(files, chance)
        path = work / f"input{chance.choice(ENDINGS)}"
        os.environ["PATH"] = path_variable if chance.random() < 0.2 else str(work)
        started = time.monotonic()
        try:
            with captured(work / "printed"):
                check(content, path, chance)
            if printed := (work / "printed").read_text(errors="replace"):
                raise Fault(f"printed {printed[:300]!r}")
            slowest = max(slowest, took := time.monotonic() - started)
            if took > MAXIMUM_SECONDS:
                raise Fault(f"took {took:.1f} s")
            if (held := 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) > MAXIMUM_BYTES:
                raise Fault(f"held {held} bytes")
        except Exception as error:
            target = folder / f"fault-{runs}{path.suffix}"
            target.write_bytes(content)
            print(
                f"{target} ({'with' if os.environ['PATH'] == path_variable else 'without'} ffmpeg)"
            )
            raise error
        path.unlink()
        runs += 1
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{runs} inputs, no fault; the slowest took {slowest:.1f} s; {held:.0f} MB held at most")


if __name__ == "__main__":
    main()
