"""Stretches of recordings, and channels that cancel each other out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.audio_files import encoded, tone
from wav2vec2_tf import audio
from wav2vec2_tf.utils.errors import UserError

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 200_000)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_a_stretch_is_that_of_the_whole(rate: int, form: str) -> None:
    content = encoded(NOISE[: 3 * rate], rate, format=form)
    whole = audio.load(content)
    for offset, duration in ((0.0, None), (0.0, 0.5), (1.25, 1.1), (2.5, 9.0), (0.7, None)):
        start = round(offset * 16000)
        stop = None if duration is None else start + round(duration * 16000)
        stretch = audio.load(content, offset=offset, duration=duration)
        np.testing.assert_allclose(stretch, whole[start:stop], atol=2e-6)
        count = audio.count_samples(content, offset=offset, duration=duration)
        assert count == len(stretch)


@pytest.mark.parametrize("rate", [128, 1000, 15999, 44101, 192000])
def test_a_stretch_at_a_strange_rate(rate: int) -> None:
    """The resampler's filter is longer, or its period is."""
    content = encoded(NOISE, rate, subtype="FLOAT")
    whole = audio.load(content, duration=60)
    stretch = audio.load(content, offset=0.9, duration=0.1)
    np.testing.assert_allclose(stretch, whole[14400:16000], atol=1e-5)
    if rate < 16000:
        stretch = audio.load(content, offset=11.3, duration=0.1)
        np.testing.assert_allclose(stretch, whole[180800:182400], atol=1e-5)


@pytest.mark.parametrize("form", ["WAV", "FLAC"])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_what_is_before_a_stretch_is_not_decoded(
    form: str, rate: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Corpora have many stretches of one long file."""
    path = tmp_path / "long"
    path.write_bytes(encoded(np.tile(NOISE, 20), rate, format=form))
    frames = []
    read = soundfile.SoundFile.read

    def counted(*arguments: Any, **options: Any) -> np.ndarray:
        frames.append(len(block := read(*arguments, **options)))
        return block

    monkeypatch.setattr(soundfile.SoundFile, "read", counted)
    assert len(audio.load(path, offset=80, duration=1)) == 16000
    assert sum(frames) <= 11 * rate


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"offset": -1}, "offset must be a number of seconds, got -1"),
        ({"offset": float("nan")}, "offset must be a number"),
        ({"duration": float("inf")}, "duration must be a number"),
        ({"duration": -0.5}, "duration must be a number"),
        ({"offset": 1.0}, r"has 1\.000 s, and nothing of it is in the stretch from 1 s on"),
        ({"offset": 1e12}, "nothing of it is in the stretch"),
        ({"duration": 0}, "nothing of it is in the stretch"),
    ],
)
@pytest.mark.parametrize("form", ["WAV", "MP3"])
def test_stretches_that_cannot_be(options: dict[str, float], message: str, form: str) -> None:
    content = encoded(tone(1, 16000), 16000, format=form)
    for function in (audio.load, audio.count_samples):
        with pytest.raises(UserError, match=message):
            function(content, **options)


def test_a_stretch_of_a_longer_recording_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(NOISE, 16000)
    monkeypatch.setattr("wav2vec2_tf.audio.read.MAXIMUM_HOURS", 1 / 3600)
    assert len(audio.load(content, offset=11, duration=1)) == 16000
    for options in ({}, {"offset": 2}, {"duration": 2}):
        for function in (audio.load, audio.count_samples):
            with pytest.raises(UserError, match="longer than"):
                function(content, **options)


# Channels that cancel each other out


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("form", ["WAV", "MP3", "OGG"])
def test_opposite_channels(
    rate: int, form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One microphone wired the wrong way round: the mean would be silence."""
    speech = tone(1, rate, 300)
    path = tmp_path / "opposite"
    path.write_bytes(encoded(np.stack([0.8 * speech, -speech], axis=1), rate, format=form))
    wanted = audio.load(encoded(-speech, rate))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            read = audio.load(path)
    np.testing.assert_allclose(read[2000:-2000], wanted[2000:-2000], atol=0.05)
    assert caplog.messages == [
        f"{path}: its channels cancel each other out; the loudest one is taken"
    ]


@pytest.mark.parametrize("channels", [1, 2, 3, 8, 16, 64])
def test_other_channels_are_averaged(channels: int, caplog: pytest.LogCaptureFixture) -> None:
    random = np.random.default_rng(0)
    independent = random.uniform(-0.5, 0.5, (16000, channels))
    one_of_many = np.zeros((16000, channels))
    one_of_many[:, 0] = independent[:, 0]
    for samples in (independent, one_of_many, np.zeros((16000, channels))):
        read = audio.load(encoded(samples, 16000, subtype="FLOAT"))
        np.testing.assert_allclose(read, samples.mean(axis=1), atol=1e-6)
    assert not caplog.messages


def test_channels_that_cancel_each_other_in_part() -> None:
    """Silence or other sound before does not hide it."""
    speech = tone(10, 16000, 300)
    quiet = 0.001 * NOISE[: len(speech)]
    first = np.stack([quiet, quiet[::-1]], axis=1)
    second = np.stack([speech, -speech], axis=1)
    read = audio.load(encoded(np.concatenate([first, second]), 16000, subtype="FLOAT"))
    np.testing.assert_allclose(read[160000:], speech, atol=1e-6)
    np.testing.assert_allclose(read[:160000], first.mean(axis=1), atol=1e-6)
