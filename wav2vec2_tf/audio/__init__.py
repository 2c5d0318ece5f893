"""Reads audio as 16 kHz mono float32, finds audio files, and finds speech in a recording."""

from __future__ import annotations

from wav2vec2_tf.audio.normalization import SAMPLE_RATE, check_waveform, normalize
from wav2vec2_tf.audio.read import AudioSource, blocks, count_samples, load

__all__ = [
    "SAMPLE_RATE",
    "AudioSource",
    "blocks",
    "check_waveform",
    "count_samples",
    "load",
    "normalize",
]
