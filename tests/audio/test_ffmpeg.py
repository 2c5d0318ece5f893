"""Reading through ffmpeg what libsndfile cannot: a stand-in for the program, and the program."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import shutil
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.audio_files import encoded, tone
from tests.support.ffmpeg import au, fake_ffmpeg, without_ffmpeg
from tests.support.flac import flac
from wav2vec2_tf import audio
from wav2vec2_tf.audio import ffmpeg as reader
from wav2vec2_tf.audio import libsndfile
from wav2vec2_tf.utils.errors import UserError

UNKNOWN = b"no format that soundfile knows" * 10

# A stand-in


@pytest.fixture
def ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stand-in, which answers with the file `answer` there."""
    return fake_ffmpeg(monkeypatch, tmp_path)


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (48000, 6)])
def test_what_soundfile_does_not_know_goes_through_ffmpeg(
    ffmpeg: Path, tmp_path: Path, rate: int, channels: int
) -> None:
    """The samples equal those of the same audio in a WAV."""
    random = np.random.default_rng(0)
    samples = random.uniform(-0.5, 0.5, (rate * 12, channels)).astype(np.float32)
    (ffmpeg / "answer").write_bytes(au(samples, rate))
    path = tmp_path / "-i talk.m4a"
    path.write_bytes(UNKNOWN)
    wanted = audio.load(encoded(samples, rate, subtype="FLOAT"))
    np.testing.assert_array_equal(audio.load(path), wanted)
    for source in (UNKNOWN, io.BytesIO(UNKNOWN)):
        np.testing.assert_array_equal(audio.load(source), wanted)
    np.testing.assert_array_equal(np.concatenate(list(audio.blocks(UNKNOWN))), wanted)
    assert audio.count_samples(path) == audio.count_samples(UNKNOWN) == len(wanted)
    stretch = audio.load(UNKNOWN, offset=2, duration=1.5)
    np.testing.assert_array_equal(stretch, wanted[32000:56000])
    audio.load(path)
    arguments = (ffmpeg / "arguments").read_text().splitlines()
    assert arguments[arguments.index("-i") + 1] == f"file:{path}"  # never an option or address
    assert "hls" not in arguments[arguments.index("-format_whitelist") + 1].split(",")
    assert arguments[arguments.index("-protocol_whitelist") + 1] == "file"


def test_what_ffmpeg_does_not_know_either(ffmpeg: Path, tmp_path: Path) -> None:
    path = tmp_path / "talk.m4a"
    path.write_bytes(b"nothing at all" * 10)
    with pytest.raises(
        UserError, match=r"talk\.m4a: ffmpeg cannot read it \(moov atom not found\)"
    ):
        audio.load(path)
    (ffmpeg / "error").write_text(f"file:{path}: Invalid data found\nError opening input")
    with pytest.raises(UserError, match=r"m4a: ffmpeg cannot read it \(Invalid data found\)"):
        audio.count_samples(path)
    (ffmpeg / "answer").write_bytes(au(np.zeros((0, 1)), 16000))
    with pytest.raises(UserError, match="has no samples"):
        audio.load(path)
    (ffmpeg / "answer").write_bytes(au(np.full((100, 1), np.nan), 16000))
    with pytest.raises(UserError, match="NaN or infinite"):
        audio.load(path)
    (ffmpeg / "answer").write_bytes(au(np.zeros((100, 1)), 16000)[:10])
    with pytest.raises(UserError, match="no audio track"):
        audio.load(path)


def test_ffmpeg_is_stopped_where_no_more_is_wanted(ffmpeg: Path, tmp_path: Path) -> None:
    (ffmpeg / "answer").write_bytes(au(np.zeros((16000 * 300, 1)), 16000))
    path = tmp_path / "talk.m4a"
    path.write_bytes(UNKNOWN)
    blocks = audio.blocks(path)
    assert len(next(blocks)) == reader.BLOCK_SAMPLES
    blocks.close()


def test_without_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_ffmpeg(monkeypatch)
    path = tmp_path / "talk.m4a"
    path.write_bytes(UNKNOWN)
    for source in (path, UNKNOWN, flac(np.zeros((100, 1), int), 16000, 12)):
        with pytest.raises(UserError, match="or install ffmpeg for other formats"):
            audio.load(source)
    (tmp_path / "short.wav").write_bytes(encoded(tone(1, 16000), 16000)[:1000])
    with pytest.raises(UserError, match="cut short"):  # ffmpeg could not recover the rest
        audio.load(tmp_path / "short.wav")


def test_reasons_of_both_readers(ffmpeg: Path) -> None:
    (ffmpeg / "error").write_text("Invalid data found")
    for content, reason in {
        UNKNOWN: "Format not recognised",
        flac(np.zeros((100, 1), int), 16000, 12): "unimplemented format",
        b"\xff\xfb\x9c" + bytes(98): "no MPEG audio frames",
    }.items():
        with pytest.raises(UserError, match=reason) as raised:
            audio.load(content)
        assert "ffmpeg cannot read it (Invalid data found)" in str(raised.value)


def script(folder: Path, *lines: str) -> None:
    """Makes the stand-in a shell script."""
    (folder / "ffmpeg").write_text("\n".join(["#!/bin/sh", *lines]))


def test_ffmpeg_that_stands_still_is_stopped(ffmpeg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SILENT_SECONDS", 0.2)
    script(ffmpeg, "exec sleep 100")
    with pytest.raises(UserError, match=r"ffmpeg cannot read it \(it decoded nothing for 0.2 s"):
        audio.load(UNKNOWN)
    header = struct.pack(">4sIIIII", b".snd", 24, 0xFFFFFFFF, 6, 16000, 1)
    (ffmpeg / "answer").write_bytes(header + bytes(400))
    script(ffmpeg, f"cat {ffmpeg}/answer", "exec >&-", "exec sleep 100")
    with pytest.raises(UserError, match=r"it did not end within 0.2 s"):
        audio.load(UNKNOWN)


def test_ffmpeg_may_complain_without_end(ffmpeg: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What it says is not kept, does not make it wait, and is passed on in one line."""
    (ffmpeg / "answer").write_bytes(au(np.full((1600, 1), 0.5), 16000))
    script(ffmpeg, "yes 'damaged frame' | head -c 5000000 >&2", f"cat {ffmpeg}/answer")
    with caplog.at_level(logging.WARNING):
        assert audio.load(UNKNOWN).shape == (1600,)
    assert caplog.messages == [
        "audio data: parts may be missing, ffmpeg met errors (damaged frame)"
    ]


def test_ffmpeg_has_limits(ffmpeg: Path, tmp_path: Path) -> None:
    script(ffmpeg, f"ulimit -t >{tmp_path}/limits", f"ulimit -v >>{tmp_path}/limits", "exit 1")
    with pytest.raises(UserError, match="no audio track"):
        audio.load(UNKNOWN)
    seconds, kilobytes = (tmp_path / "limits").read_text().split()
    assert (seconds, kilobytes) == ("3600", str(2**21))


def test_a_recording_without_end(ffmpeg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wav2vec2_tf.audio.read.MAXIMUM_HOURS", 0.05)
    (ffmpeg / "answer").write_bytes(au(np.zeros((100, 1)), 16000))
    script(ffmpeg, f"exec cat {ffmpeg}/answer /dev/zero")
    with pytest.raises(UserError, match=r"longer than 0\.05 hours"):
        audio.load(UNKNOWN)


def test_a_joined_file_that_ffmpeg_cannot_decode(
    ffmpeg: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is not read is named."""
    first, second = b"TTA1\1\0" + bytes(100), b"TTA1\1\0" + bytes(50)
    (ffmpeg / "answer").write_bytes(au(np.full((100, 1), 0.5), 16000))
    assert len(audio.load(first + second)) == 200
    script(ffmpeg, f"mv {ffmpeg}/answer {ffmpeg}/last || exit 1", f"cat {ffmpeg}/last")
    assert len(audio.load(first + second)) == 100
    assert "its 56 bytes from 106 on are not read" in caplog.text


def test_nothing_is_left_behind(
    ffmpeg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes are written to a file, since ffmpeg seeks in it."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with pytest.raises(UserError):
        audio.load(UNKNOWN)
    blocks = audio.blocks(UNKNOWN)
    (ffmpeg / "answer").write_bytes(au(np.zeros((1600, 1)), 16000))
    next(blocks)
    blocks.close()
    assert not list((tmp_path / "temporary").iterdir())


# The program

SPEECH = 0.5 * np.random.default_rng(0).uniform(-1, 1, 16000)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Encodes one second of noise, by ffmpeg's options, as the file with a name."""
    if (program := shutil.which("ffmpeg")) is None:
        pytest.skip("needs ffmpeg: apt install ffmpeg")
    (tmp_path / "noise.wav").write_bytes(encoded(SPEECH, 16000))

    def make(name: str, *options: str) -> Path:
        command = [program, "-v", "error", "-i", str(tmp_path / "noise.wav"), *options]
        subprocess.run([*command, str(tmp_path / "made")], check=True)
        return (tmp_path / "made").rename(tmp_path / name)

    return make


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("talk.m4a", "-c:a aac -f ipod"),  # the index is at the end
        ("talk.mp3", "-c:a aac -f ipod"),
        ("talk.wav", "-c:a aac -f adts"),
        ("talk.mp3", "-c:a libopus -f webm"),
        ("talk.raw", "-c:a pcm_s16le -f matroska"),
        ("talk.wav", "-c:a adpcm_g722 -f wav"),
        ("talk.wav", "-c:a wmav2 -f wav"),
        ("talk.wma", "-c:a wmav2 -f asf"),
        ("talk.caf", "-c:a adpcm_ima_qt -f caf"),
        ("talk.ogg", "-c:a libspeex -f ogg"),
        ("talk.ogg", "-c:a flac -f ogg"),
        ("talk.amr", "-c:a alac -f mov"),
        ("talk", "-c:a ac3 -f ac3"),
        ("talk.flv", "-c:a libmp3lame -ar 44100 -f flv"),
        ("talk.mka", "-c:a libvorbis -f matroska"),
        ("talk.wv", "-c:a wavpack -f wv"),
        ("talk.tta", "-c:a tta -f tta"),
        ("talk.ts", "-c:a mp2 -f mpegts"),
        ("talk.au", "-c:a aac -f ipod"),
        ("talk.gsm", "-c:a aac -f ipod"),
    ],
)
def test_formats_and_names(make: Callable[..., Path], name: str, options: str) -> None:
    """All kinds of sources are read alike, and as long as ffmpeg itself decodes them."""
    path = make(name, *options.split())
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(path),
        "-ac",
        "1",
        "-ar",
        "16000",
        "-f",
        "s16le",
        "-",
    ]
    wanted = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "<i2")
    speech = audio.load(path)
    assert abs(len(speech) - len(wanted)) <= 1
    assert np.abs(speech).max() > 0.1
    assert audio.count_samples(path) == audio.count_samples(path.read_bytes()) == len(speech)
    np.testing.assert_array_equal(audio.load(path.read_bytes()), speech)
    with path.open("rb") as file:
        np.testing.assert_array_equal(audio.load(file), speech)


@pytest.mark.parametrize(
    "options",
    [
        "-c:a aac -f ipod",
        "-c:a alac -f mov",
        "-c:a tta -f tta",
        "-c:a wavpack -f wv",
        "-c:a wmav2 -f asf",
        "-c:a libmp3lame -ar 44100 -f flv",
        "-c:a adpcm_g722 -f wav",
        "-c:a libspeex -f ogg",
    ],
)
def test_joined_files(make: Callable[..., Path], tmp_path: Path, options: str) -> None:
    """ffmpeg by itself would stop behind the first one."""
    path = make("talk", *options.split())
    one = audio.load(path)
    (tmp_path / "joined").write_bytes(path.read_bytes() * 2)
    speech = audio.load(tmp_path / "joined")
    np.testing.assert_allclose(speech[: len(one)], one, atol=1e-3)
    assert abs(len(speech) - 2 * len(one)) <= 1
    assert audio.count_samples(tmp_path / "joined") == len(speech)


def test_a_chain_of_ogg_streams_that_one_reader_cannot_decode(
    make: Callable[..., Path],
) -> None:
    parts = [make(codec, "-c:a", codec, "-f", "ogg") for codec in ("libvorbis", "libspeex")]
    lengths = [len(audio.load(part)) for part in parts]
    content = b"".join(part.read_bytes() for part in parts)
    assert abs(len(audio.load(content)) - sum(lengths)) < 500
    assert audio.count_samples(content) == len(audio.load(content))


def test_an_mp3_behind_zeros(make: Callable[..., Path], tmp_path: Path) -> None:
    """libsndfile gives up after 64 kB of them."""
    content = bytes(200_000) + encoded(SPEECH, 16000, format="MP3")
    (tmp_path / "zeros.mp3").write_bytes(content)
    for source in (tmp_path / "zeros.mp3", content):
        assert abs(len(audio.load(source)) - 16000) < 2000


@pytest.mark.parametrize("bits", [4, 12, 15, 20, 32])
def test_flac_of_any_depth(make: Callable[..., Path], bits: int) -> None:
    values = np.random.default_rng(0).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (3000, 1))
    for total in (None, 0, 2000):
        speech = audio.load(flac(values, 16000, bits, total=total))
        np.testing.assert_allclose(speech, values[:, 0] / 2 ** (bits - 1), atol=1e-7)


@pytest.mark.parametrize("position", [0.3, 0.9])
def test_a_damaged_flac_is_refused_by_both(make: Callable[..., Path], position: float) -> None:
    """ffmpeg would leave out a damaged part."""
    content = bytearray(encoded(SPEECH, 16000, format="FLAC"))
    content[int(len(content) * position)] ^= 0x55
    with pytest.raises(UserError, match=r"ffmpeg cannot read it \(.*nor can libsndfile"):
        audio.load(bytes(content))


@pytest.mark.parametrize(
    "options",
    ["-c:a aac -f ipod -movflags faststart", "-c:a libopus -f webm", "-c:a pcm_s16le -f matroska"],
)
def test_files_cut_short_are_refused(make: Callable[..., Path], options: str) -> None:
    content = make("talk", *options.split()).read_bytes()
    with pytest.raises(UserError, match=r"cut short \(ffmpeg: (stream.*partial|File ended)"):
        audio.load(content[: len(content) * 2 // 3])


@pytest.mark.parametrize("name", ["list.m4a", "list.m3u8", "list"])
@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{file}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{file}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>{file}</BaseURL>"
        "</MPD>",
        "[playlist]\nFile1={file}\n",
        "http://127.0.0.1:9/a.wav",
    ],
)
def test_no_file_names_others(
    make: Callable[..., Path], tmp_path: Path, name: str, playlist: str
) -> None:
    secret = make("secret.ts", "-c:a", "mp2", "-f", "mpegts")
    (tmp_path / name).write_text(playlist.format(file=secret))
    with pytest.raises(UserError, match="ffmpeg cannot read it"):
        audio.load(tmp_path / name)


# Silence


def test_libsndfile_prints_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """mpg123 inside it writes to the standard streams."""
    without_ffmpeg(monkeypatch)
    mp3 = encoded(tone(1, 16000), 16000, format="MP3")
    for content in (mp3[100:], mp3[:-100] + bytes(99), b"ID3" + bytes(70000), mp3[:200] * 9):
        for function in (audio.load, audio.count_samples):
            with contextlib.suppress(UserError):
                function(content)
    with libsndfile._silence, libsndfile._silence:
        ctypes.CDLL(None).puts(b"not shown")
        ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr() == ("", "")
    ctypes.CDLL(None).puts(b"shown")
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr().out == "shown\n"


def test_readers_are_closed_anywhere() -> None:
    """The garbage collector may close one while another is opened or closed."""
    silence = libsndfile._Silence()

    class Stream:
        held = 5

        @property
        def value(self) -> int:
            self._collect()
            return self.held

        @value.setter
        def value(self, value: int) -> None:
            self._collect()
            self.held = value
            self._collect()

        def _collect(self) -> None:
            with silence:
                pass

    streams = Stream(), Stream()
    silence._streams, silence._null = [(stream, None) for stream in streams], 7  # type: ignore[misc]
    shown: list[int] = []

    def enter() -> None:
        with silence:
            shown.extend(stream.held for stream in streams)

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert shown == [7, 7] and [stream.held for stream in streams] == [5, 5]
