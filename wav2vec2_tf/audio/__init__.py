"""Reads audio as 16 kHz mono float32, finds audio files, and finds speech in a recording."""

from __future__ import annotations

from wav2vec2_tf.audio.normalization import normalize
from wav2vec2_tf.audio.read import SAMPLE_RATE, AudioSource, blocks, count_samples, load

__all__ = ["SAMPLE_RATE", "AudioSource", "blocks", "count_samples", "load", "normalize"]
