"""Lengths that a header has wrong or does not know: what the data holds is read and counted.

References are the samples that were encoded, or each of several joined files read by itself. The
files are those of real recorders and tools: pipes, crashes, joined files, chained streams.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.audio_files import encoded, tone
from tests.support.ffmpeg import without_ffmpeg
from tests.support.flac import flac
from wav2vec2_tf import audio
from wav2vec2_tf.audio import ogg
from wav2vec2_tf.audio.content import warn_once
from wav2vec2_tf.utils.errors import UserError

RATE = 16000
SPEECH = np.random.default_rng(0).integers(-20000, 20000, 5000)
WANTED = (SPEECH / 32768).astype(np.float32)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other program helps, and no warning was shown before."""
    without_ffmpeg(monkeypatch)
    warn_once.cache_clear()


def read(content: bytes | bytearray, folder: Path | None = None) -> np.ndarray:
    """Returns what is read; the same from bytes, a file object and a path, and the same count."""
    content = bytes(content)
    speech = audio.load(content)
    sources: list[Any] = [content, io.BytesIO(content)]
    if folder is not None:
        (folder / "file").write_bytes(content)
        sources.append(folder / "file")
    for source in sources:
        np.testing.assert_array_equal(audio.load(source), speech)
        if not isinstance(source, Path | bytes):
            source.seek(0)
        assert audio.count_samples(source) == len(speech)
    return speech


def refused(content: bytes | bytearray) -> str:
    with pytest.raises(UserError) as raised:
        audio.load(bytes(content))
    with pytest.raises(UserError):
        audio.count_samples(bytes(content))
    return str(raised.value)


# FLAC

APE_ITEM = struct.pack("<II", 5, 0) + b"Title\0words"


def ape_mark(flags: int) -> bytes:
    """Returns the header or the footer of an APE tag with `APE_ITEM`."""
    return b"APETAGEX" + struct.pack("<IIII", 2000, len(APE_ITEM) + 32, 1, flags) + bytes(8)


@pytest.mark.parametrize("total", [None, 0, 1, 1024, 1800, 4999])
def test_flac_is_read_to_its_last_frame(total: int | None, tmp_path: Path) -> None:
    """`ffmpeg -f flac -` writes 0, and a writer that was interrupted may have left less."""
    content = flac(SPEECH[:, None], RATE, total=total)
    np.testing.assert_array_equal(read(content, tmp_path), WANTED)
    tagged = content + b"TAG" + bytes(125)
    np.testing.assert_array_equal(read(tagged, tmp_path), WANTED)
    for header in (b"", ape_mark(0xA0000000)):
        footer = ape_mark(0x80000000 if header else 0)
        tagged = content + header + APE_ITEM + footer
        np.testing.assert_array_equal(read(tagged), WANTED)
        np.testing.assert_array_equal(read(tagged + b"TAG" + bytes(125)), WANTED)
    artist = b"ID3\4\0\0\0\0\0\x10" + bytes(16)
    np.testing.assert_array_equal(read(artist + content, tmp_path), WANTED)


def test_flac_that_states_more_than_there_is() -> None:
    content = flac(SPEECH[:, None], RATE)
    for broken in (flac(SPEECH[:, None], RATE, total=5001), content[:7000]):
        assert "cut short (its header states 500" in refused(broken)
    refused(content[:9000])
    np.testing.assert_array_equal(read(content + bytes(100)), WANTED)


def test_flac_of_unknown_length_is_read_to_its_last_whole_frame(
    caplog: pytest.LogCaptureFixture,
) -> None:
    content = flac(SPEECH[:, None], RATE, total=0)
    np.testing.assert_array_equal(read(content[:-100]), WANTED[:4096])
    assert "its last 904 samples are cut short" in caplog.text


@pytest.mark.parametrize("rate", [16000, 24000, 22050, 12345, 123450, 44100])
def test_joined_flac(rate: int) -> None:
    """Streams keep their own rate and channels; equal lengths are no proof of the end."""
    first = flac(SPEECH[:, None], RATE)
    second = flac(np.stack([SPEECH[::-1]] * 2, axis=1), rate)
    np.testing.assert_array_equal(read(first + first), np.concatenate([WANTED, WANTED]))
    speech = read(first + second)
    np.testing.assert_array_equal(speech[:5000], WANTED)
    np.testing.assert_array_equal(speech[5000:], audio.load(second))


# WAV


def wav(*chunks: tuple[bytes, int, bytes], riff: int = 0, form: bytes = b"RIFF") -> bytes:
    order = ">" if form == b"RIFX" else "<"
    body = b"".join(
        name + struct.pack(f"{order}I", size) + content for name, size, content in chunks
    )
    return form + struct.pack(f"{order}I", riff) + b"WAVE" + body


FORMAT = (b"fmt ", 16, struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
SAMPLES = SPEECH.astype("<i2").tobytes()


@pytest.mark.parametrize("size", [0, 0x7FFF0000, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])
@pytest.mark.parametrize("riff", [0, 36, 4088, 10036, 0xFFFFFFFF])
def test_wav_without_a_size_is_read_to_the_end(size: int, riff: int, tmp_path: Path) -> None:
    """A recorder that crashed leaves 0, one that writes to a pipe the largest size."""
    filler = (b"FLLR", 4044, bytes(4044))  # AVAudioFile: samples begin at 4096
    for before in ((), (filler,)):
        content = wav(FORMAT, *before, (b"data", size, SAMPLES), riff=riff)
        np.testing.assert_array_equal(read(content, tmp_path), WANTED)


@pytest.mark.parametrize("riff", [0, 36, 9999, 20000, 0xFFFFFFFF])
def test_only_the_size_of_the_samples_counts(riff: int) -> None:
    chunk = (b"LIST", 12, b"INFOISFT\4\0\0\0"[:12])
    content = wav(FORMAT, (b"data", 10000, SAMPLES), chunk, riff=riff)
    np.testing.assert_array_equal(read(content), WANTED)


def test_samples_that_a_wav_does_not_state(caplog: pytest.LogCaptureFixture) -> None:
    """ffmpeg leaves them out too. Padding and tags are no samples."""
    content = wav(FORMAT, (b"data", 9000, SAMPLES[:9000]))
    for behind in (bytes(1000), b"TAG" + bytes(125)):
        np.testing.assert_array_equal(read(content + behind), WANTED[:4500])
    assert not caplog.messages
    np.testing.assert_array_equal(read(content + SAMPLES[9000:]), WANTED[:4500])
    assert "1000 bytes behind its 9000 bytes of samples are not read" in caplog.text


def test_wav_of_other_byte_order_and_of_64_bit_sizes() -> None:
    big = (b"fmt ", 16, struct.pack(">HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
    content = wav(big, (b"data", 0, SPEECH.astype(">i2").tobytes()), form=b"RIFX")
    np.testing.assert_array_equal(read(content), WANTED)
    for length in (0, 10000, 2**63):
        sizes = (b"ds64", 28, struct.pack("<QQQI", 0, length, 0, 0))
        content = wav(sizes, FORMAT, (b"data", 0xFFFFFFFF, SAMPLES), riff=0xFFFFFFFF, form=b"RF64")
        np.testing.assert_array_equal(read(content), WANTED)


def test_wav_that_is_empty_or_cut_short_is_refused() -> None:
    note = (b"note", 4, b"none")
    assert "has no samples" in refused(wav(FORMAT, (b"data", 0, b"")))
    assert "has no samples" in refused(wav(FORMAT, (b"data", 0, b""), note))
    assert "has no samples" in refused(encoded(np.zeros(0), RATE))
    assert "cut short (its header states 10000" in refused(
        wav(FORMAT, (b"data", 10000, SAMPLES[:5000]), riff=10036)
    )
    # Some writers count a chunk header too many.
    np.testing.assert_array_equal(read(wav(FORMAT, (b"data", 10044, SAMPLES))), WANTED)


@pytest.mark.parametrize("size", [0, 1_000_000, 2**31 - 1, 2**32 - 1])
def test_wav_of_more_than_4_gb(size: int, tmp_path: Path) -> None:
    """The size of its samples does not fit in the header: it wraps around, or is unknown."""
    path, rate, true = tmp_path / "long.wav", 192000, 2**32 + 1_000_000
    form = (b"fmt ", 16, struct.pack("<HHIIHH", 3, 2, rate, 16 * rate, 16, 64))
    with path.open("wb") as file:
        start = file.write(wav(form, (b"data", size, b"")))
        file.truncate(start + true)  # a hole: it takes no room
    assert audio.count_samples(path) == round(true / 16 / rate * RATE)
    assert len(audio.load(path, offset=true / 16 / rate - 1)) == RATE


def test_an_empty_wav_with_tags_is_empty() -> None:
    tags = (b"LIST", 12, b"INFOISFT\0\0\0\0")
    assert "has no samples" in refused(wav(FORMAT, (b"data", 0, b""), tags))


def test_joined_wav() -> None:
    content = encoded(WANTED, RATE) + encoded(tone(0.1, 8000), 8000)
    speech = read(content)
    np.testing.assert_array_equal(speech[:5000], WANTED)
    np.testing.assert_array_equal(speech[5000:], audio.load(encoded(tone(0.1, 8000), 8000)))


# Core Audio, AIFF and others


@pytest.mark.parametrize("form", ["AIFF", "CAF", "AU", "W64", "VOC"])
def test_joined_files(form: str, tmp_path: Path) -> None:
    """Each is read, with its own rate; their readers alone would stop behind the first one."""
    content = encoded(WANTED, RATE, format=form, subtype="PCM_16")
    second = encoded(tone(0.1, 8000), 8000, format=form, subtype="PCM_16")
    joined = [audio.load(content), audio.load(second), audio.load(content)]
    assert len(joined[0]) == len(WANTED)
    speech = read(content + second + content, tmp_path)
    np.testing.assert_array_equal(speech, np.concatenate(joined))


def test_caf_of_unknown_length(tmp_path: Path) -> None:
    content = bytearray(encoded(WANTED, RATE, format="CAF"))
    at = content.index(b"data") + 4
    content[at : at + 8] = b"\xff" * 8
    np.testing.assert_array_equal(read(content, tmp_path), WANTED)
    content[at : at + 8] = struct.pack(">q", 10005)
    assert "cut short" in refused(content)


@pytest.mark.parametrize("size", [0, 1000, 2**31 - 1, 2**32 - 2, 2**32 - 1])
@pytest.mark.parametrize("endian", ["BIG", "LITTLE"])
def test_au_is_read_to_the_end(size: int, endian: str, tmp_path: Path) -> None:
    file = io.BytesIO()
    soundfile.write(file, SPEECH.astype(np.int16), RATE, "PCM_16", endian, format="AU")
    content = bytearray(file.getvalue())
    content[8:12] = struct.pack(">I" if endian == "BIG" else "<I", size)
    np.testing.assert_array_equal(read(content, tmp_path), WANTED)


# Ogg


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("rate", [16000, 48000])
def test_a_chain_of_ogg_streams(subtype: str, rate: int, tmp_path: Path) -> None:
    """Each stream is read, with its own rate and channels."""
    options = {"format": "OGG", "subtype": subtype}
    first = encoded(tone(0.5, RATE), RATE, **options)
    second = encoded(np.stack([tone(0.3, rate)] * 2, axis=1), rate, **options)
    joined = np.concatenate([audio.load(first), audio.load(second)])
    assert len(joined) == 12800
    np.testing.assert_allclose(read(first + second, tmp_path), joined, atol=1e-6)
    np.testing.assert_allclose(read(first + b"junk" + second), joined, atol=1e-6)
    assert len(read(first * 7)) == 56000
    other = encoded(tone(0.3, 48000), 48000, format="OGG", subtype="OPUS")
    speech = np.concatenate([audio.load(first), audio.load(other)])
    np.testing.assert_allclose(read(first + other), speech, atol=1e-6)


def pages(content: bytes) -> list[bytes]:
    starts = [match.start() for match in re.finditer(b"OggS", content)]
    return [content[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def with_position(page: bytes, change: int) -> bytes:
    """Returns a page whose position is changed."""
    position = int.from_bytes(page[6:14], "little") + change
    page = page[:6] + position.to_bytes(8, "little") + page[14:]
    return page[:22] + ogg._crc(page) + page[26:]


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize(("place", "flags"), [(4, 4), (4, 1), (-1, 0)])
def test_flags_of_ogg_pages_that_are_wrong(subtype: str, place: int, flags: int) -> None:
    """libsndfile stops behind a page that says it is the last, and counts those behind it."""
    all_pages = pages(encoded(NOISE, RATE, format="OGG", subtype=subtype))
    page = all_pages[place]
    page = page[:5] + bytes([flags]) + page[6:]
    all_pages[place] = page[:22] + ogg._crc(page) + page[26:]
    assert len(read(b"".join(all_pages))) > 2 * RATE


NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 8 * RATE)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("shift", [-20000, -2000, -100, 100, 2000, 20000, 10**9])
def test_ogg_whose_positions_jump(
    subtype: str, shift: int, caplog: pytest.LogCaptureFixture
) -> None:
    """By them, libsndfile would stop early, fill in what never was, or say "cut short"."""
    whole = encoded(NOISE, RATE, format="OGG", subtype=subtype)
    first, *others = pages(whole)
    middle = len(others) // 2
    moved = [with_position(page, shift) for page in others[middle:]]
    speech = read(b"".join([first, *others[:middle], *moved]))
    np.testing.assert_allclose(speech, audio.load(whole), atol=1e-6)
    assert ("s are missing within it" in caplog.text) == (shift > 0)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("damage", ["lost", "cut", "changed"])
def test_ogg_without_one_of_its_pages(
    subtype: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What the other pages hold is read: that is no file that was cut short."""
    whole = encoded(NOISE, RATE, format="OGG", subtype=subtype)
    all_pages = pages(whole)
    page = all_pages[4]
    left = {"lost": b"", "cut": page[:50], "changed": page[:-1] + bytes([page[-1] ^ 1])}
    speech = read(b"".join([*all_pages[:4], left[damage], *all_pages[5:]]))
    ends = [int.from_bytes(one[6:14], "little") for one in all_pages[3:5]]
    lost = (ends[1] - ends[0]) // (1 if subtype == "VORBIS" else 3)
    assert abs(len(speech) - (len(NOISE) - lost)) < 1000
    assert "s are missing within it" in caplog.text


# MP3

ID3 = b"ID3\3\0\0\0\0\0\5abcde"


def mp3(seconds: float, rate: int = RATE, channels: int = 1, **options: Any) -> bytes:
    samples = np.stack([tone(seconds, rate)] * channels, axis=1)
    return encoded(samples, rate, format="MP3", **options)


def without_header(content: bytes) -> bytes:
    """Returns an MP3 without its first frame, which states the length."""
    return content[content.index(content[:2], 4) :]


def test_mp3_of_varying_bit_rate_without_a_length(tmp_path: Path) -> None:
    """An estimate from the first, loud frames would be too short."""
    loud = np.random.default_rng(0).uniform(-0.9, 0.9, 16000)
    samples = np.concatenate([loud, 0.01 * tone(20, RATE, 300)])
    options = {"format": "MP3", "bitrate_mode": "VARIABLE", "compression_level": 0.2}
    content = without_header(encoded(samples, RATE, **options))
    frames = 576
    assert len(samples) <= len(read(content, tmp_path)) < len(samples) + 5 * frames


@pytest.mark.parametrize("stated", [1, 20, 40, 5000, 2**32 - 1])
def test_mp3_that_states_a_wrong_number_of_frames(stated: int, tmp_path: Path) -> None:
    content = bytearray(mp3(3))
    at = content.index(b"Xing") + 8
    true = int.from_bytes(content[at : at + 4], "big")
    content[at : at + 4] = stated.to_bytes(4, "big")
    samples = len(read(content, tmp_path))
    if stated < true:
        assert samples == 48000
    else:  # the padding at the end is not known
        assert 48000 <= samples < 48000 + 3 * 576


@pytest.mark.parametrize(("rate", "channels"), [(16000, 2), (44100, 1), (8000, 2), (48000, 2)])
@pytest.mark.parametrize(
    "between", [b"", b"TAG" + bytes(125), b"ID3\3\0\0\0\0\0\5abcde", bytes(99)]
)
def test_joined_mp3(rate: int, channels: int, between: bytes) -> None:
    first, second = mp3(1), mp3(0.5, rate, channels)
    assert len(audio.load(second)) == 8000
    assert len(read(first + between + second)) == 24000


def test_rates_that_change_within_an_mp3() -> None:
    """Frames say which rate they have; no header is between."""
    first, second = without_header(mp3(1)), without_header(mp3(1, 24000))
    lengths = [len(audio.load(part)) for part in (first, second)]
    assert len(read(first + second)) == sum(lengths)


def test_an_mp3_before_junk_and_tags() -> None:
    content = mp3(1)
    for broken in (content + bytes(1000), content + b"TAG" + bytes(125)):
        assert len(read(broken)) == 16000


def test_a_damaged_stretch_of_an_mp3_is_all_that_is_lost() -> None:
    content = bytearray(mp3(10))
    content[len(content) // 2 : len(content) // 2 + 100] = bytes(100)
    assert 155000 < len(read(content)) < 160000


def test_a_gap_of_megabytes_in_an_mp3() -> None:
    """What is behind the gap is read."""
    content = without_header(mp3(2))
    middle = len(content) // 2
    for gap in (bytes(2_000_000), b"\xff" * 2_000_000):
        assert len(read(content[:middle] + gap + content[middle:])) > 30000


@pytest.mark.parametrize("code", [0x50, 0x55])
def test_mp3_in_a_wav(code: int) -> None:
    """What the header states includes the encoder's padding or not; the frames count."""
    frames = without_header(mp3(1))
    samples = len(audio.load(frames))
    form = struct.pack("<HHIIHHHHIHHH", code, 1, RATE, 4000, 576, 0, 12, 1, 2, 576, 1, 1393)
    fact = (b"fact", 4, struct.pack("<I", 50000))
    content = wav((b"fmt ", 30, form), fact, (b"data", len(frames), frames))
    assert len(read(content)) == samples


# All of them


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3", "CAF", "AIFF", "AU"])
def test_no_cut_or_joint_makes_a_count_differ_from_what_is_read(form: str) -> None:
    content = encoded(tone(0.7, 22050), 22050, format=form)
    for end in range(0, len(content), len(content) // 40):
        for damaged in (content[:end], content + content[:end], content[:end] + content):
            agree(damaged)


def agree(content: bytes) -> None:
    outcomes = []
    measures: list[Callable[[bytes], int]] = [lambda it: len(audio.load(it)), audio.count_samples]
    for measure in measures:
        try:
            outcomes.append(measure(content))
        except UserError:
            outcomes.append(-1)
    assert outcomes[0] == outcomes[1]
