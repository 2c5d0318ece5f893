"""The recipe of the bundled model, without the synthesis of speech."""

from __future__ import annotations

import math

import numpy as np
import pytest

from convert import small_model

TEXT = """
Genesis 1

  1 In the beginning God created the heaven and the earth.
  2 And the earth was without form, and void; and the earth
and the heaven of God.
"""


def test_runs_use_only_the_commonest_words() -> None:
    # the ×5, earth ×3, and ×5, heaven ×2, God ×2 are the five commonest of TEXT
    runs = small_model.common_word_runs(TEXT, 5)
    assert runs == ["THE HEAVEN AND THE EARTH", "AND THE EARTH", "AND THE EARTH AND THE HEAVEN"]


def test_no_held_out_run_is_trained_on() -> None:
    runs = [f"RUN{number} OF WORDS" for number in range(30_000)]
    train, held_out, unused = small_model.compose(runs, seed=3)
    assert len(train) == small_model.TRAINING_TEXTS
    assert len(held_out) == sum(small_model.HELD_OUT.values())

    def used(texts: list[str]) -> list[str]:
        return [word for text in texts for word in text.split() if word.startswith("RUN")]

    everything = used([*train, *held_out, *unused])
    assert len(set(everything)) == len(everything) == len(runs) - small_model.TRAINING_START
    assert small_model.compose(runs, seed=3) == (train, held_out, unused)


def corpus() -> small_model.Corpus:
    samples = np.random.default_rng(0)
    speech = [
        samples.integers(-9999, 9999, int(seconds * 16000)).astype(np.int16)
        for seconds in (1.0, 2.0, 3.0, 4.0, 30.0)
    ]
    voices = ["slt", "rms", "slt", "rms", "awb"]
    return small_model.Corpus(["A", "BB", "CC C", "D", "E"], voices, speech)


def test_an_epoch_holds_every_utterance_once_up_to_the_longest() -> None:
    batches = small_model.batches(corpus(), 3.5, np.random.default_rng(0))
    assert sorted(index for batch in batches for index in batch) == [0, 1, 2]
    everything = small_model.batches(corpus(), math.inf, np.random.default_rng(0))
    assert sorted(index for batch in everything for index in batch) == [0, 1, 2, 3, 4]


def test_lengthened_keeps_speech_text_and_voice_together() -> None:
    longer = small_model.lengthened(corpus())
    rows = {text: (voice, len(speech) / 16000) for text, voice, speech in longer.rows()}
    assert rows == {"E": ("awb", 30.0), "BB D": ("rms", 6.0), "A CC C": ("slt", 4.0)}


def test_collate_is_what_transformers_takes() -> None:
    speech, mask, labels = small_model.collate(corpus().take([0, 2]))
    assert speech.shape == mask.shape == (2, 48_000)
    assert mask.sum(-1).tolist() == [16_000, 48_000]
    assert labels.tolist()[0] == [small_model.VOCABULARY["A"], -100, -100, -100]
    tokens = [small_model.VOCABULARY[letter] for letter in "CC|C"]
    assert labels.tolist()[1] == tokens
    assert speech[0, :16_000].std() == pytest.approx(1, abs=1e-3)
    assert not speech[0, 16_000:].any()


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    steps, peak = small_model.STEPS, small_model.PEAK_RATE
    assert small_model.learning_rate(0) == pytest.approx(peak / 200)
    assert small_model.learning_rate(steps // 2) == peak
    assert small_model.learning_rate(round(0.8 * steps)) == pytest.approx(peak / 2)
    assert small_model.learning_rate(steps) == 0


def test_greedy_keeps_doubled_letters() -> None:
    import torch

    ids = [small_model.VOCABULARY[token] for token in ["A", "A", "<pad>", "A", "|", "B"]]
    assert small_model.greedy(torch.eye(32)[ids]) == "AA B"
