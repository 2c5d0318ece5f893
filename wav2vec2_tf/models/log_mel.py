"""The log-mel features that Wav2Vec2-BERT takes, in NumPy and in a graph.

Kaldi's filter bank (`compute-fbank-feats`) with the settings of transformers'
`SeamlessM4TFeatureExtractor`: windows of 25 ms every 10 ms, without their mean, pre-emphasized,
times a Povey window; 80 triangular mel filters from 20 Hz; log; every bin normalized over the
utterance; two windows in a frame. All in float64: in float32, the features of real speech are off
by 1.7e-3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.models.frame_counts import MEL_HOP, MEL_STACK, MEL_WINDOW, mel_windows
from wav2vec2_tf.models.lengths import clip_lengths, silence_padding, size, valid

MEL_BINS = 80
FFT_LENGTH = 512  # samples; a window is padded with zeros
LOWEST = 20.0  # Hz
PREEMPHASIS = 0.97
FULL_SCALE = 2**15  # Kaldi's samples are 16-bit integers
POWER_FLOOR = 2**-23  # float32's epsilon, as in Kaldi
EPSILON = 1e-7  # beside the variance: keeps bins without variation finite


def _mel(hertz: Any) -> Any:
    return 1127 * np.log(1 + hertz / 700)


def _mel_filters() -> np.ndarray:
    """Returns the filters, (257, 80): triangles of equal width on the mel scale."""
    bins = _mel(np.arange(FFT_LENGTH // 2 + 1) * SAMPLE_RATE / FFT_LENGTH)
    corners = np.linspace(_mel(LOWEST), _mel(SAMPLE_RATE / 2), MEL_BINS + 2)
    width = corners[1] - corners[0]
    return np.maximum(0, 1 - np.abs(bins[:, np.newaxis] - corners[1:-1]) / width)


MEL_FILTERS = _mel_filters()
POVEY_WINDOW = np.hanning(MEL_WINDOW) ** 0.85


def normalized_windows(speech: np.ndarray) -> np.ndarray:
    """Returns (windows, 80) float32 features, each bin normalized, of (samples,) speech."""
    speech = np.asarray(speech, np.float64)
    if len(speech) < MEL_WINDOW:
        return np.zeros((0, MEL_BINS), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(speech, MEL_WINDOW)[::MEL_HOP] * FULL_SCALE
    windows -= windows.mean(axis=1, keepdims=True)
    previous = np.concatenate([windows[:, :1], windows[:, :-1]], axis=1)  # none before the first
    spectrum = np.fft.rfft((windows - PREEMPHASIS * previous) * POVEY_WINDOW, FFT_LENGTH)
    power = spectrum.real**2 + spectrum.imag**2  # (windows, 257)
    bins = np.log(np.maximum(power @ MEL_FILTERS, POWER_FLOOR))
    centred = bins - bins.mean(axis=0)
    variance = (centred**2).sum(axis=0) / max(1, len(bins) - 1)
    return (centred / np.sqrt(variance + EPSILON)).astype(np.float32)


def log_mel(speech: np.ndarray) -> np.ndarray:
    """Returns the features of one utterance: those that are valid in transformers' attention mask.

    Args:
        speech: (samples,) at 16 kHz, full scale ±1.

    Returns:
        (frames, 160) float32; 0 frames for fewer than 560 samples.
    """
    return stack(normalized_windows(speech))


def stack(windows: np.ndarray) -> np.ndarray:
    """Joins pairs of windows: (windows, 80) → (frames, 160); an odd last one is dropped."""
    frames = len(windows) // MEL_STACK
    return windows[: frames * MEL_STACK].reshape(frames, MEL_STACK * MEL_BINS)


def log_mel_graph(
    speech: tf.Tensor, lengths: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns `log_mel` of a batch, in or out of a graph, and under XLA.

    Args:
        speech: (batch, samples) at 16 kHz, full scale ±1.
        lengths: (batch,) valid samples of each row; None if all are. Samples beyond them have no
            influence, NaN included.

    Returns:
        features: (batch, frames, 160) float32, zero beyond each row's own frames.
        frame_lengths: (batch,) int32, each row's own frames.
    """
    speech = tf.convert_to_tensor(speech)
    samples = size(speech, 1)
    if lengths is None:
        lengths = tf.fill([size(speech, 0)], samples)
    lengths = clip_lengths(lengths, samples)
    speech = tf.cast(silence_padding(speech, valid(lengths, samples)), tf.float64)
    windows = tf.signal.frame(speech, MEL_WINDOW, MEL_HOP) * FULL_SCALE  # (batch, windows, 400)
    windows -= tf.reduce_mean(windows, axis=-1, keepdims=True)
    previous = tf.concat([windows[..., :1], windows[..., :-1]], axis=-1)  # none before the first
    windows = (windows - PREEMPHASIS * previous) * POVEY_WINDOW
    # padded here because rfft fails to pad empty tensors
    spectrum = tf.signal.rfft(tf.pad(windows, [[0, 0], [0, 0], [0, FFT_LENGTH - MEL_WINDOW]]))
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    bins = tf.math.log(tf.maximum(power @ MEL_FILTERS, POWER_FLOOR))  # (batch, windows, 80)

    counts = mel_windows(lengths)
    own = valid(counts, size(bins, 1))
    mean = _sum_over_windows(bins, own) / _divisor(counts)
    centred = bins - mean
    variance = _sum_over_windows(tf.square(centred), own) / _divisor(counts - 1)
    normalized = tf.cast(centred / tf.sqrt(variance + EPSILON), tf.float32)

    frames = size(bins, 1) // MEL_STACK
    features = tf.reshape(
        normalized[:, : frames * MEL_STACK], [size(speech, 0), frames, MEL_STACK * MEL_BINS]
    )
    own_frames = counts // MEL_STACK
    return silence_padding(features, valid(own_frames, frames)), own_frames


def _sum_over_windows(values: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(silence_padding(values, own), axis=1, keepdims=True)


def _divisor(counts: tf.Tensor) -> tf.Tensor:
    """Returns the counts, at least 1, as (batch, 1, 1) float64."""
    return tf.cast(tf.maximum(counts, 1), tf.float64)[:, tf.newaxis, tf.newaxis]
