"""Reads audio as 16 kHz mono float32, finds audio files, and finds speech in a recording.

Names are imported when they are first used, so that `SAMPLE_RATE` costs no import of NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wav2vec2_tf.audio.normalization import check_waveform, normalize
    from wav2vec2_tf.audio.read import AudioSource, blocks, count_samples, load
    from wav2vec2_tf.audio.read import load as load_audio

SAMPLE_RATE = 16_000
"""Sampling rate that every model takes, in Hz."""

__all__ = [
    "SAMPLE_RATE",
    "AudioSource",
    "blocks",
    "check_waveform",
    "count_samples",
    "load",
    "load_audio",
    "normalize",
]


def __getattr__(name: str) -> Any:
    if name in ("check_waveform", "normalize"):
        from wav2vec2_tf.audio import normalization

        return getattr(normalization, name)
    if name in __all__:
        from wav2vec2_tf.audio import read

        return getattr(read, "load" if name == "load_audio" else name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
