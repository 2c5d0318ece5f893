"""The log-mel front end, in NumPy and in the graph, against transformers' extractor."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import SeamlessM4TFeatureExtractor
from transformers.audio_utils import mel_filter_bank, window_function

from tests.support.paths import AUDIO
from wav2vec2_tf import Wav2Vec2BertConfig, audio
from wav2vec2_tf.models import log_mel

TOLERANCE = 1e-5  # seen: 2e-6
# For two windows that hardly differ, transformers normalizes its own float32 rounding.
SHORT_TOLERANCE = 1e-3
SIGNATURE = [tf.TensorSpec([None, None]), tf.TensorSpec([None], tf.int32)]
WAYS = {
    "eager": log_mel.log_mel_graph,
    "graph": tf.function(log_mel.log_mel_graph, input_signature=SIGNATURE),
    "xla": tf.function(log_mel.log_mel_graph, input_signature=SIGNATURE, jit_compile=True),
}

CONFIG = Wav2Vec2BertConfig()


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return audio.load(AUDIO / "librispeech_sample.flac")


@pytest.fixture(params=WAYS)
def graph(request: pytest.FixtureRequest) -> object:
    return WAYS[request.param]


def transformers_features(speech: np.ndarray) -> np.ndarray:
    """Returns the frames of an utterance that are valid in transformers' attention mask."""
    features = SeamlessM4TFeatureExtractor()(speech, sampling_rate=16000, return_tensors="np")
    return features["input_features"][0, features["attention_mask"][0] == 1]


def test_the_constants_are_kaldis() -> None:
    filters = mel_filter_bank(
        257, 80, 20, 8000, 16000, mel_scale="kaldi", triangularize_in_mel_space=True
    )
    np.testing.assert_allclose(log_mel.MEL_FILTERS, filters, rtol=0, atol=1e-12)
    povey = window_function(400, "povey", periodic=False)
    np.testing.assert_allclose(log_mel.POVEY_WINDOW, povey, rtol=0, atol=1e-15)
    assert np.float32(log_mel.POWER_FLOOR) == np.finfo(np.float32).eps


@pytest.mark.parametrize("name", ["librispeech_sample.flac", "jfk.flac"])
def test_equals_transformers_on_real_speech(name: str, graph: tf.function) -> None:
    speech = audio.load(AUDIO / name)
    wanted = transformers_features(speech)
    ours = log_mel.log_mel(speech)
    assert ours.dtype == np.float32
    assert ours.shape == wanted.shape == (CONFIG.encoder_frames(len(speech)), 160)
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=TOLERANCE)
    features, lengths = graph(speech[np.newaxis], [len(speech)])
    assert (features.dtype, lengths.dtype) == (tf.float32, tf.int32)
    assert lengths.numpy().tolist() == [len(wanted)]
    np.testing.assert_allclose(features[0], wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("samples", [560, 719, 720, 879, 880, 5000, 5039, 5040, 5200])
def test_equals_transformers_at_the_edges_of_windows(speech: np.ndarray, samples: int) -> None:
    cut = speech[20000 : 20000 + samples]
    wanted = transformers_features(cut)
    assert CONFIG.encoder_frames(samples) == len(wanted)
    np.testing.assert_allclose(log_mel.log_mel(cut), wanted, rtol=0, atol=SHORT_TOLERANCE)
    features, lengths = log_mel.log_mel_graph(cut[np.newaxis])
    assert lengths.numpy().tolist() == [len(wanted)]
    np.testing.assert_allclose(features[0], wanted, rtol=0, atol=SHORT_TOLERANCE)


def test_silence_a_constant_and_full_scale_are_finite() -> None:
    tone = np.sign(np.sin(np.arange(4000) / 7)).astype(np.float32)
    for sound in [np.zeros(4000), np.full(4000, 0.7), tone, tone * 1e-30]:
        sound = sound.astype(np.float32)
        in_numpy = log_mel.log_mel(sound)
        in_graph = log_mel.log_mel_graph(sound[np.newaxis])[0][0]
        assert np.isfinite(in_numpy).all()
        np.testing.assert_allclose(in_graph, in_numpy, rtol=0, atol=TOLERANCE)
    assert np.abs(log_mel.log_mel(np.zeros(4000))).max() < 1e-9


def test_padding_has_no_influence(speech: np.ndarray, graph: tf.function) -> None:
    lengths = [6000, 0, 399, 400, 559, 560, 4321, 5999]
    rows = np.full((len(lengths), 6000), np.nan, np.float32)
    for row, length in zip(rows, lengths, strict=True):
        row[:length] = speech[20000 : 20000 + length]
    features, frame_lengths = graph(rows, lengths)
    assert features.shape == (8, 18, 160)
    assert frame_lengths.numpy().tolist() == [18, 0, 0, 0, 0, 1, 12, 17]
    for row, length, result in zip(rows, lengths, features.numpy(), strict=True):
        alone = log_mel.log_mel(row[:length])
        np.testing.assert_allclose(result[: len(alone)], alone, rtol=0, atol=TOLERANCE)
        assert not result[len(alone) :].any()


def test_lengths_beyond_the_row_are_the_row(speech: np.ndarray) -> None:
    rows = np.stack([speech[:3000], speech[3000:6000]])
    wanted, frames = log_mel.log_mel_graph(rows)
    beyond, clipped = log_mel.log_mel_graph(rows, [9000, 3000])
    np.testing.assert_array_equal(beyond, wanted)
    assert frames.numpy().tolist() == clipped.numpy().tolist() == [8, 8]
    assert log_mel.log_mel_graph(rows, [-5, 3000])[1].numpy().tolist() == [0, 8]


@pytest.mark.parametrize("samples", [0, 1, 399, 400, 559])
@pytest.mark.parametrize("batch", [0, 2])
def test_too_little_speech_gives_no_frames(graph: tf.function, batch: int, samples: int) -> None:
    assert log_mel.log_mel(np.ones(samples)).shape == (0, 160)
    features, lengths = graph(np.ones((batch, samples), np.float32), [samples] * batch)
    assert features.shape == (batch, 0, 160)
    assert lengths.numpy().tolist() == [0] * batch


def test_gradients_are_finite_and_none_reach_padding(speech: np.ndarray) -> None:
    rows = np.stack([speech[20000:22000]] * 2)
    rows[1, 1000:] = np.nan
    with tf.GradientTape() as tape:
        tape.watch(waves := tf.constant(rows))
        loss = tf.reduce_sum(log_mel.log_mel_graph(waves, [2000, 1000])[0] ** 3)
    gradient = tape.gradient(loss, waves).numpy()
    assert np.isfinite(gradient).all()
    assert gradient[0].any() and gradient[1, :1000].any() and not gradient[1, 1000:].any()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**7))
def test_frame_lengths_of_numbers_and_tensors(samples: int) -> None:
    frames = CONFIG.encoder_frames(samples)
    assert CONFIG.encoder_frames(tf.constant([samples])).numpy().tolist() == [frames]
    assert CONFIG.samples_of(frames + 1) > samples
    if frames:
        assert CONFIG.samples_of(frames) <= samples


def test_frame_lengths_by_hand() -> None:
    lengths = {0: 0, 399: 0, 400: 0, 559: 0, 560: 1, 879: 1, 880: 2, 16000: 49}
    assert {samples: CONFIG.encoder_frames(samples) for samples in lengths} == lengths
    assert [CONFIG.samples_of(frames) for frames in (1, 2, 49)] == [560, 880, 15920]


def test_two_minutes_take_sane_memory(speech: np.ndarray) -> None:
    long = np.resize(speech, 120 * 16000)
    tracemalloc.start()
    assert log_mel.log_mel(long).shape == (5999, 160)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 250e6
