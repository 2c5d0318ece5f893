"""Reading audio, whole and in blocks, and normalization."""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Wav2Vec2FeatureExtractor

from tests.support.audio_files import encoded, tone
from tests.support.ffmpeg import without_ffmpeg
from tests.support.paths import AUDIO
from wav2vec2_tf import audio
from wav2vec2_tf.audio.resampling import resampled, samples_at_16_khz
from wav2vec2_tf.utils.errors import UserError

# Reading


def test_a_16_khz_mono_file_is_read_bit_by_bit() -> None:
    speech = audio.load(AUDIO / "librispeech_sample.flac")
    samples, rate = soundfile.read(AUDIO / "librispeech_sample.flac", dtype="int16")
    assert rate == 16000
    assert speech.dtype == np.float32
    assert speech.shape == (106640,)
    np.testing.assert_array_equal(speech, samples / np.float32(32768))


def test_stereo_at_44100_hz_is_mixed_down_and_resampled() -> None:
    speech = audio.load(AUDIO / "jfk.flac")
    samples, rate = soundfile.read(AUDIO / "jfk.flac", dtype="float32")
    assert (rate, samples.shape[1]) == (44100, 2)
    at_once = soxr.resample(samples.mean(axis=1), rate, 16000)
    assert speech.shape == at_once.shape == (176000,)
    np.testing.assert_allclose(speech, at_once, atol=1e-6)


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 22050, 44100, 48000, 96000, 192000])
def test_a_resampled_tone_is_the_tone(rate: int) -> None:
    speech = audio.load(encoded(tone(1.0, rate), rate, subtype="FLOAT"))
    assert speech.shape == (16000,)
    np.testing.assert_allclose(speech[800:-800], tone(1.0, 16000)[800:-800], atol=1e-5)


def test_what_a_rate_of_16_khz_cannot_hold_is_filtered_out() -> None:
    speech = audio.load(encoded(tone(0.5, 48000, hertz=11000), 48000, subtype="FLOAT"))
    assert np.abs(speech[800:-800]).max() < 1e-4


def test_channels_are_averaged() -> None:
    channels = np.stack([tone(0.1, 16000), np.zeros(1600), tone(0.1, 16000)], axis=1)
    speech = audio.load(encoded(channels, 16000, subtype="FLOAT"))
    np.testing.assert_allclose(speech, tone(0.1, 16000) * 2 / 3, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({"format": "WAV", "subtype": "PCM_U8"}, 2**-7),
        ({"format": "WAV", "subtype": "PCM_24"}, 2**-23),
        ({"format": "WAV", "subtype": "DOUBLE"}, 1e-7),
        ({"format": "WAV", "subtype": "ULAW"}, 0.02),
        ({"format": "FLAC"}, 2**-15),
        ({"format": "OGG"}, 0.05),
        ({"format": "MP3"}, 0.05),
        ({"format": "AIFF"}, 2**-15),
        ({"format": "W64"}, 2**-15),
        ({"format": "AU"}, 2**-15),
        ({"format": "CAF"}, 2**-15),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_every_format_gives_the_same_sound(options: dict[str, str], tolerance: float) -> None:
    wanted = tone(1.0, 16000, hertz=440)
    speech = audio.load(encoded(wanted, 16000, **options))
    assert speech.shape == (16000,)
    np.testing.assert_allclose(speech[2000:-2000], wanted[2000:-2000], atol=tolerance)


def test_path_string_bytes_and_file_object_are_read_alike(tmp_path: Path) -> None:
    contents = encoded(tone(0.2, 22050), 22050)
    path = tmp_path / "ton ä.wav"
    path.write_bytes(contents)
    wanted = audio.load(path)
    with path.open("rb") as file:
        sources = [str(path), contents, bytearray(contents), io.BytesIO(contents), file]
        for source in sources:
            np.testing.assert_array_equal(audio.load(source), wanted)  # type: ignore[arg-type]


def test_a_pipe_is_read_from_where_it_stands() -> None:
    contents = encoded(tone(0.01, 16000), 16000)
    reader, writer = os.pipe()
    with open(writer, "wb") as file:
        file.write(b"junk" + contents)
    with open(reader, "rb") as pipe:
        assert pipe.read(4) == b"junk"
        assert audio.load(pipe).shape == (160,)


def test_blocks_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (30011, 2))
    contents = encoded(noise, 44100, format="FLAC")
    whole = audio.load(contents)
    monkeypatch.setattr("wav2vec2_tf.audio.libsndfile.BLOCK_SAMPLES", 998)
    np.testing.assert_array_equal(audio.load(contents), whole)


def test_one_sample_is_audio() -> None:
    np.testing.assert_array_equal(audio.load(encoded(np.array([0.5]), 16000)), [np.float32(0.5)])


# Counting samples


def test_samples_are_counted_as_they_are_read(tmp_path: Path) -> None:
    """Paths, bytes and streams at any position are counted."""
    for rate, seconds in ((16000, 0.7), (44100, 1.0), (8000, 0.51), (22050, 0.3333)):
        for form in ("WAV", "FLAC", "OGG", "MP3", "AIFF"):
            content = encoded(tone(seconds, rate), rate, format=form)
            (tmp_path / "a").write_bytes(content)
            stream = io.BytesIO(b"before" + content)
            stream.seek(6)
            counts = {audio.count_samples(source) for source in (tmp_path / "a", content, stream)}
            assert counts == {len(audio.load(content))}
    stereo = np.stack([tone(0.5, 16000)] * 2, axis=1)
    assert audio.count_samples(encoded(stereo, 16000)) == 8000


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_counting_decodes_nothing(format: str, rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(tone(1.001, rate), rate, format=format)
    samples = len(audio.load(content))

    def read(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(soundfile.SoundFile, "read", read)
    assert audio.count_samples(content) == samples


def test_the_resampler_gives_as_many_samples_as_are_counted() -> None:
    random = np.random.default_rng(0)
    for rate in (7, 8000, 11025, 22050, 22255, 44100, 44101, 48000, 96000, 1000003):
        for count in (1, 2, 3, *random.integers(1, 5000, 5)):
            decoded = [(rate, np.zeros((count, 1), np.float32))]
            samples = sum(map(len, resampled(decoded, "", 1000)))
            assert samples_at_16_khz([(rate, count)]) == samples


def test_what_has_no_samples_to_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_ffmpeg(monkeypatch)
    (tmp_path / "a.wav").write_text("no audio at all")
    (tmp_path / "none.wav").write_bytes(encoded(np.zeros(0), 16000))
    for name, message in {
        "missing.wav": "no such file",
        "a.wav": "not audio",
        "none.wav": "has no samples",
        ".": "a folder or device",
    }.items():
        with pytest.raises(UserError, match=message) as caught:
            audio.count_samples(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


def test_counting_in_damaged_headers_prints_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes are read through callbacks, whose errors Python would print."""
    without_ffmpeg(monkeypatch)
    random = np.random.default_rng(0)
    for form in ("WAV", "FLAC", "OGG", "AIFF", "AU", "W64", "RF64", "CAF"):
        whole = encoded(tone(0.2, 16000), 16000, format=form)
        for _ in range(60):
            content = bytearray(whole)
            for place in random.integers(0, min(len(content), 120), 3):
                content[place] = random.integers(256)
            with contextlib.suppress(UserError):
                audio.count_samples(bytes(content))
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


# Bad input


def refused(source: Any) -> str:
    with pytest.raises(UserError) as raised:
        audio.load(source)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_path_that_is_no_file_is_refused_by_name(tmp_path: Path) -> None:
    assert re.search(r"none\.wav: no such file; give", refused(tmp_path / "none.wav"))
    assert re.search(r"a folder or device; give", refused(tmp_path))
    os.mkfifo(tmp_path / "pipe.wav")  # opening a pipe would wait forever
    assert re.search(r"pipe\.wav: a folder or device", refused(tmp_path / "pipe.wav"))
    (tmp_path / "dangling.wav").symlink_to(tmp_path / "gone")
    assert "no such file" in refused(tmp_path / "dangling.wav")
    assert "no such file" in refused("a\0b.wav")
    (tmp_path / "file").write_bytes(b"")
    assert "no such file" in refused(tmp_path / "file" / "below.wav")


def test_a_file_without_rights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.wav"
    path.write_bytes(encoded(tone(0.1, 16000), 16000))

    def locked(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", locked)
    assert "locked.wav: Permission denied; give" in refused(path)


@pytest.mark.parametrize("name", ["x.wav", "x.mp3", "x.raw", "x"])
@pytest.mark.parametrize("contents", [b"", b"RIFF", b"not audio\n" * 99, bytes(1000)])
def test_what_is_not_audio_is_refused_by_name(tmp_path: Path, name: str, contents: bytes) -> None:
    (tmp_path / name).write_bytes(contents)
    assert refused(tmp_path / name).startswith(f"{tmp_path / name}: ")


def test_a_file_object_of_text_is_refused() -> None:
    assert "binary file object" in refused(io.StringIO("text"))
    assert "binary file object" in refused(3)


def test_a_file_that_is_a_stream_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wav2vec2_tf.audio.read.MAXIMUM_BYTES", 2**21)
    with open("/dev/zero", "rb") as endless:
        assert re.search(r"/dev/zero: more than \d+ bytes; cut it", refused(endless))


@pytest.mark.parametrize("format", ["WAV", "FLAC", "AIFF", "W64", "AU", "CAF", "RF64"])
def test_a_file_cut_short_is_refused(tmp_path: Path, format: str) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 48000)
    contents = encoded(noise, 16000, format=format)
    path = tmp_path / "half"
    path.write_bytes(contents[: len(contents) // 2])
    assert "half: " in refused(path)
    assert audio.load(contents).shape == (48000,)


@pytest.mark.parametrize("format", ["MP3", "OGG"])
def test_a_stream_cut_short_is_a_shorter_stream(format: str) -> None:
    contents = encoded(np.random.default_rng(0).uniform(-0.5, 0.5, 48000), 16000, format=format)
    assert 8000 < len(audio.load(contents[: len(contents) // 2])) < 32000
    assert audio.load(contents).shape == (48000,)


def test_a_wav_streamed_to_a_pipe_has_no_length_and_is_whole() -> None:
    contents = bytearray(encoded(tone(0.1, 16000), 16000))
    contents[4:8] = contents[40:44] = b"\xff\xff\xff\xff"
    assert audio.load(bytes(contents)).shape == (1600,)


def test_empty_audio_is_refused() -> None:
    assert "has no samples" in refused(encoded(np.zeros(0), 16000))
    assert "has no samples" in refused(encoded(np.zeros(2), 192000))  # no sample is left at 16 kHz


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("rate", [16000, 8000])
def test_samples_that_are_not_finite_are_refused(tmp_path: Path, value: float, rate: int) -> None:
    samples = np.zeros((1000, 2))
    samples[999, 1] = value
    (tmp_path / "bad.wav").write_bytes(encoded(samples, rate, subtype="DOUBLE"))
    assert "bad.wav: has samples that are NaN or infinite" in refused(tmp_path / "bad.wav")


def test_a_huge_length_in_the_header_takes_little_memory() -> None:
    contents = bytearray(encoded(tone(0.1, 16000), 16000, format="FLAC"))
    contents[21] |= 0x0F  # the number of samples has 36 bits: 69 billion
    contents[22:26] = b"\xff" * 4
    tracemalloc.start()
    refused(bytes(contents))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6


def test_a_recording_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wav2vec2_tf.audio.read.MAXIMUM_HOURS", 1 / 3600)
    assert audio.load(encoded(np.zeros(8000), 8000, format="FLAC")).shape == (16000,)
    assert "longer than" in refused(encoded(np.zeros(8001), 8000, format="FLAC"))


@pytest.mark.parametrize("rate", [1, 2**31 - 1])
def test_a_strange_rate_is_harmless(rate: int) -> None:
    contents = bytearray(encoded(np.ones(100), 16000, subtype="FLOAT"))
    contents[24:28] = struct.pack("<I", rate)
    if rate == 1:
        assert audio.load(bytes(contents)).shape == (1_600_000,)
    else:
        assert "must be at most 10000000 Hz, got 2147483647" in refused(bytes(contents))


# A damaged header may give any samples, but never an exception other than UserError.
@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["WAV", "FLAC", "OGG", "AIFF", "CAF"]),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_damaged_files_give_sound_or_an_error(format: str, damage: list[tuple[int, int]]) -> None:
    contents = bytearray(encoded(tone(0.05, 16000), 16000, format=format))
    for place, value in damage:
        contents[place] = value
    with pytest.MonkeyPatch.context() as patch:
        without_ffmpeg(patch)
        try:
            speech = audio.load(bytes(contents))
        except UserError:
            return
    assert speech.dtype == np.float32
    assert speech.ndim == 1
    assert np.isfinite(speech).all()


# Normalising


@pytest.mark.parametrize("scale", [0.0, 1e-5, 1.0, 1e4])
def test_normalize_equals_transformers(scale: float) -> None:
    speech = (scale * np.random.default_rng(0).standard_normal(5000)).astype(np.float32)
    wanted = Wav2Vec2FeatureExtractor()(speech, sampling_rate=16000).input_values[0]
    np.testing.assert_array_equal(audio.normalize(speech), wanted)


def test_normalize_by_hand() -> None:
    normalized = audio.normalize(np.array([1, 3], np.int16))
    assert normalized.dtype == np.float32
    np.testing.assert_allclose(normalized, [-1, 1], atol=1e-6)
    np.testing.assert_array_equal(audio.normalize(np.full(7, 0.25)), np.zeros(7))
    huge = audio.normalize(np.array([1e30, 3e30], np.float32))  # squares overflow in float32
    assert huge.dtype == np.float32
    np.testing.assert_allclose(huge, [-1, 1], atol=1e-6)
    with pytest.raises(UserError, match="must be finite"):
        audio.normalize(np.array([1e300, 0.0]))


# Block by block


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_blocks_are_what_load_gives(rate: int) -> None:
    content = encoded(tone(25.0, rate), rate)
    blocks = list(audio.blocks(content))
    assert len(blocks) > 2
    assert max(map(len, blocks)) <= 11 * 16000
    np.testing.assert_array_equal(np.concatenate(blocks), audio.load(content))


def test_blocks_may_be_more_than_load_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(np.zeros(16000 * 3700, np.int16), 16000, format="FLAC")
    monkeypatch.setattr("wav2vec2_tf.audio.read.MAXIMUM_HOURS", 1)
    with pytest.raises(UserError, match="longer than 1 hours"):
        audio.load(content)
    assert sum(map(len, audio.blocks(content))) == 16000 * 3700
    monkeypatch.setattr("wav2vec2_tf.audio.read.STREAMED_HOURS", 1)
    with pytest.raises(UserError, match="longer than 1 hours"):
        list(audio.blocks(content))
