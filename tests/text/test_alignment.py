"""Forced alignment against all paths, the full matrix, hand-worked texts and a synthesizer."""

from __future__ import annotations

import itertools
import math
import tracemalloc
import unicodedata
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import DATA
from wav2vec2_tf import CTCTokenizer
from wav2vec2_tf.text import viterbi as viterbi_module
from wav2vec2_tf.text.forced_alignment import align, cut_word
from wav2vec2_tf.text.viterbi import WILDCARD, WILDCARD_COST, Trellis, frames_needed, viterbi
from wav2vec2_tf.utils.errors import UserError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ'"
ENGLISH = CTCTokenizer({t: i for i, t in enumerate(["<pad>", "<unk>", "|", *LETTERS])})
SECONDS = 0.02


def random_frames(
    generator: np.random.Generator, frames: int, vocabulary: int, evenness: float = 0.3
) -> np.ndarray:
    """Returns random (frames, vocab) float32 log-probabilities, peaked if `evenness` is low."""
    shares = generator.dirichlet([evenness] * vocabulary, frames)
    return np.log(np.maximum(shares, 1e-12)).astype(np.float32)


def frames_saying(tokens: list[int], vocabulary: int = 30, sure: float = 0.9) -> np.ndarray:
    """Returns (frames, vocab) in which each token is the best of one frame."""
    shares = np.full((len(tokens), vocabulary), (1 - sure) / (vocabulary - 1))
    shares[np.arange(len(tokens)), tokens] = sure
    return np.log(shares).astype(np.float32)


def frames_of(characters: str) -> np.ndarray:
    """Returns frames whose best tokens are the `characters`; "_" is the blank."""
    return frames_saying([0 if c == "_" else ENGLISH.tokens.index(c) for c in characters])


def scores(log_probabilities: np.ndarray, blank: int, tokens: list[int]) -> np.ndarray:
    """Returns (frames, 2L + 1) float64: blank, token, blank, …, as in Graves et al."""
    wide = log_probabilities.astype(np.float64)
    star = wide.max(axis=1) - WILDCARD_COST
    columns = [wide[:, blank]]
    for token in tokens:
        columns += [star if token == WILDCARD else wide[:, token], wide[:, blank]]
    return np.stack(columns, axis=1)


def score_of(
    path: np.ndarray, log_probabilities: np.ndarray, blank: int, tokens: list[int]
) -> float:
    states = np.where(path < 0, 0, 2 * path + 1)
    return math.fsum(scores(log_probabilities, blank, tokens)[np.arange(len(path)), states])


def assert_spells(path: np.ndarray, tokens: list[int]) -> None:
    """Asserts that a path has each token once, in order, with blanks between equal ones."""
    runs = [run for run, _ in itertools.groupby(path.tolist())]
    assert [run for run in runs if run >= 0] == list(range(len(tokens)))
    for before, after in itertools.pairwise(runs):
        if before >= 0 and after >= 0:
            assert tokens[before] != tokens[after]


def best_of_all(log_probabilities: np.ndarray, tokens: list[int], blank: int) -> float:
    """Returns the best score of all paths that collapse to the tokens, by trying every path."""
    frames, vocabulary = log_probabilities.shape
    best = -math.inf
    for path in itertools.product(range(vocabulary), repeat=frames):
        collapsed = [token for token, _ in itertools.groupby(path) if token != blank]
        if collapsed == tokens:
            wide = log_probabilities.astype(np.float64)
            best = max(best, math.fsum(wide[np.arange(frames), path]))
    return best


def full_matrix(
    log_probabilities: np.ndarray, tokens: list[int], blank: int
) -> tuple[float, np.ndarray]:
    """Runs textbook Viterbi in plain Python over 2L + 1 states, as in torchaudio's forced_align."""
    emitted = scores(log_probabilities, blank, tokens)
    frames, states = emitted.shape
    labels = [blank] + [label for token in tokens for label in (token, blank)]
    score = np.full((frames, states), -np.inf)
    came = np.zeros((frames, states), int)
    score[0, :2] = emitted[0, :2]
    for frame in range(1, frames):
        for state in range(states):
            steps = [score[frame - 1, state]]
            if state >= 1:
                steps.append(score[frame - 1, state - 1])
            if state >= 2 and state % 2 and labels[state] != labels[state - 2]:
                steps.append(score[frame - 1, state - 2])
            came[frame, state] = int(np.argmax(steps))
            score[frame, state] = max(steps) + emitted[frame, state]
    state = states - 1 if score[-1, -1] > score[-1, -2] else states - 2
    best, path = float(score[-1, state]), np.empty(frames, int)
    for frame in reversed(range(frames)):
        path[frame] = (state - 1) // 2 if state % 2 else -1
        state -= came[frame, state]
    return best, path


# The path


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 7), st.integers(0, 2), st.data())
def test_no_path_is_better(seed: int, frames: int, blank: int, data: st.DataObject) -> None:
    """Compares with all paths of 3 tokens in up to 7 frames."""
    letters = st.sampled_from([token for token in range(3) if token != blank])
    tokens = data.draw(st.lists(letters, min_size=1, max_size=frames))
    log_probs = random_frames(np.random.default_rng(seed), frames, 3)
    if frames_needed(tokens) > frames:
        with pytest.raises(UserError, match="frames"):
            viterbi(log_probs, tokens, blank)
        return
    path = viterbi(log_probs, tokens, blank, block=data.draw(st.integers(1, 8)))
    assert_spells(path, tokens)
    best = best_of_all(log_probs, tokens, blank)
    assert score_of(path, log_probs, blank, tokens) == pytest.approx(best, abs=1e-9)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 40), st.integers(2, 6), st.data())
def test_equals_the_full_matrix(
    seed: int, frames: int, vocabulary: int, data: st.DataObject
) -> None:
    """Holds for any result of the first search and any size of blocks."""
    generator = np.random.default_rng(seed)
    blank = int(generator.integers(vocabulary))
    letters = [token for token in range(WILDCARD, vocabulary) if token != blank]
    tokens = generator.choice(letters, generator.integers(1, frames)).tolist()
    while frames_needed(tokens) > frames:
        tokens.pop()
    log_probs = random_frames(
        generator, frames, vocabulary, data.draw(st.sampled_from([0.1, 0.3, 3]))
    )
    best, wanted = full_matrix(log_probs, tokens, blank)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(viterbi_module, "BEAM", data.draw(st.sampled_from([0.0, 1.0, 500.0])))
        patch.setattr(viterbi_module, "PRUNE_EVERY", data.draw(st.sampled_from([1, 2, 16])))
        path = viterbi(log_probs, tokens, blank, block=data.draw(st.sampled_from([1, 3, 7, 64])))
    assert path.dtype == np.int32
    assert_spells(path, tokens)
    assert score_of(path, log_probs, blank, tokens) == pytest.approx(best, abs=1e-9)
    if WILDCARD not in tokens:  # gives paths of equal score
        np.testing.assert_array_equal(path, wanted)


@pytest.mark.parametrize("tokens_alike", [True, False])
def test_a_beam_that_loses_the_best_path_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tokens_alike: bool
) -> None:
    """The recording starts with speech that resembles the text, which misleads a beam.

    Twenty frames sound much like the text, and then comes the text itself.
    """
    text = [1, 2, 3, 4, 5] * 4
    bait = frames_saying(text, 8, sure=0.35)
    truth = frames_saying(text, 8, sure=0.99)
    log_probs = np.concatenate([bait, truth] if tokens_alike else [truth, bait])
    monkeypatch.setattr(viterbi_module, "PRUNE_EVERY", 1)
    trellis = Trellis(log_probs, text, 0)
    narrow = trellis.forward(8, np.inf, 1.0)
    best, wanted = full_matrix(log_probs, text, 0)
    if tokens_alike:  # the beam alone loses the best path
        lost = math.inf if narrow is None else narrow.cost
        exact = trellis.forward(8, np.inf, np.inf)
        assert exact is not None
        assert lost > exact.cost + 1
    monkeypatch.setattr(viterbi_module, "BEAM", 1.0)
    path = viterbi(log_probs, text, 0, block=8)
    np.testing.assert_array_equal(path, wanted)
    assert score_of(path, log_probs, 0, text) == pytest.approx(best)


def test_repeated_letters_have_a_blank_between() -> None:
    log_probs = frames_saying([1, 1, 1, 1], 3)  # no frame has the blank as its best token
    path = viterbi(log_probs, [1, 1], 0)
    assert_spells(path, [1, 1])
    assert frames_needed([1, 1]) == 3
    assert viterbi(log_probs[:3], [1, 1], 0).tolist() == [0, -1, 1]
    with pytest.raises(UserError, match="2 tokens need at least 3 frames, got 2"):
        viterbi(log_probs[:2], [1, 1], 0)


def test_as_many_tokens_as_frames() -> None:
    log_probs = random_frames(np.random.default_rng(0), 50, 5)
    assert viterbi(log_probs, [1, 2] * 25, 0).tolist() == list(range(50))


@pytest.mark.parametrize(
    ("tokens", "complaint"),
    [([], "must not be empty"), ([0], "the blank's, got 0"), ([3], "got 3"), ([-2], "got -2")],
)
def test_invalid_tokens(tokens: list[int], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        viterbi(np.zeros((5, 3), np.float32), tokens, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_invalid_values(value: float) -> None:
    log_probs = random_frames(np.random.default_rng(0), 9, 3)
    log_probs[5, 1] = value
    with pytest.raises(UserError, match="NaN or infinite"):
        viterbi(log_probs, [1, 2], 0)


def test_probabilities_of_zero() -> None:
    """No path passes through a probability of 0; there may be no path at all."""
    log_probs = frames_saying([1, 1, 0, 2], 3)
    log_probs[0, 1] = -np.inf
    assert viterbi(log_probs, [1, 2], 0).tolist() == [-1, 0, -1, 1]
    log_probs[:, 2] = -np.inf
    with pytest.raises(UserError, match="no path"):
        viterbi(log_probs, [1, 2], 0)


def test_memory_is_bounded_where_nothing_fits() -> None:
    """Takes at most 8 × (frames × tokens)^⅔ bytes where the whole matrix must be searched."""
    generator = np.random.default_rng(0)
    log_probs = random_frames(generator, 12_000, 4, evenness=50.0)
    tokens = np.tile([1, 2, 3], 1500).tolist()
    shares_done: list[float] = []
    tracemalloc.start()
    path = viterbi(log_probs, tokens, 0, progress=shares_done.append)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_spells(path, tokens)
    arrays = 100 * (len(log_probs) + len(tokens))  # the path, and the state of each token
    assert peak < 8 * (len(log_probs) * len(tokens)) ** (2 / 3) + arrays
    assert peak < len(log_probs) * len(tokens) / 4  # 2 bits of the whole matrix


def test_hours_take_little_memory() -> None:
    """Aligns 9 minutes and 1,500 words, with 3 % of the letters wrong.

    Only a band is searched and kept, whose memory does not grow with the length.
    """
    generator = np.random.default_rng(1)
    frames, letters = 27_000, 9_000
    tokens = generator.integers(1, 32, letters).tolist()
    at = np.sort(generator.choice(frames // 2, letters, replace=False)) * 2  # blanks between
    wrong = generator.random(letters) < 0.03
    spoken = np.where(wrong, generator.integers(1, 32, letters), tokens)
    log_probs = generator.normal(0, 1, (frames, 32)).astype(np.float32)
    best = np.zeros(frames, int)
    best[at] = spoken
    log_probs[np.arange(frames), best] += 8
    log_probs -= np.log(np.exp(log_probs).sum(axis=1, keepdims=True))
    shares_done: list[float] = []
    tracemalloc.start()
    path = viterbi(log_probs, tokens, 0, progress=shares_done.append)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_spells(path, tokens)
    assert peak < 10e6
    assert (
        shares_done == sorted(shares_done)
        and len(shares_done) > 9
        and 0 == shares_done[0] < 0.9 < shares_done[-1] < 1
    )
    assert np.mean(path[at] == np.arange(letters)) > 0.98


# The words


@pytest.mark.parametrize(
    ("word", "spelled"),
    [
        ("house", "H O U S E"),
        ("Don't", "D O N ' T"),
        ("don’t", "D O N ' T"),
        ('"Lord,"', "L O R D"),
        ("(O)", "O"),
        ("twenty-one", "T W E N T Y | O N E"),
        ("said—and", "S A I D | A N D"),
        ("U.S.", "U | S"),
        ("ﬁn", "F I N"),
        ("straße", "S T R A S S E"),
        ("1984", "*"),
        ("1,000.50", "*"),
        ("$5", "*"),
        ("90s", "* S"),
        ("B2B", "B * B"),
        ("covid-19", "C O V I D | *"),
        ("19-year", "* | Y E A R"),
        ("café", "C A F *"),
        ("cafe\u0301", "C A F *"),
        ("שלום", "*"),
        ("AT&T", "A T * T"),
        ("*", "*"),
        ("so\u00adft", "S O F T"),
        ("<unk>", "* U N K *"),
        ("a|b", "A * B"),
        ("—", ""),
        ("...", ""),
        ("\u0301", ""),
    ],
)
def test_spelling(word: str, spelled: str) -> None:
    pieces = cut_word(unicodedata.normalize("NFC", word), ENGLISH.speller)
    names = {WILDCARD: "*"} | dict(enumerate(ENGLISH.tokens))
    assert " ".join(names[token] for piece in pieces for token in piece.tokens) == spelled


def test_spelling_by_other_vocabularies() -> None:
    lower = CTCTokenizer({"<pad>": 0, "<unk>": 1, "|": 2, "a": 3, "ch": 4, "c": 5, "-": 6, "e": 7})
    pieces = cut_word("ChAc-a", lower.speller)
    assert [piece.tokens for piece in pieces] == [(4,), (3,), (5,), (6,), (3,)]
    assert [piece.text for piece in pieces[:3]] == ["Ch", "A", "c"]
    bare = CTCTokenizer({"<pad>": 0, "<unk>": 1, "a": 2}, word_delimiter_token=None)
    transcript = align(frames_saying([2, 0, 2, 2], 3), "a a", bare, SECONDS)
    assert [(word.start, word.end) for word in transcript.words] == [(0, 0.02), (0.04, 0.08)]
    decomposed = CTCTokenizer({"<pad>": 0, "<unk>": 1, "|": 2, "e": 3, "\u0301": 4})
    assert [piece.tokens for piece in cut_word("é", decomposed.speller)] == [(3, 4)]


def test_times_and_scores() -> None:
    """The probability of each frame's best token is 0.9; scores are worked by hand."""
    transcript = align(frames_of("_IN||_THHE_"), ' "In,\n the" ', ENGLISH, SECONDS)
    assert transcript.text == '"In, the"'
    first, second = transcript.words
    assert (first.text, first.start, first.end) == ('"In,', 0.02, 0.06)
    assert (second.text, second.start, second.end) == ('the"', 0.12, 0.2)
    assert [(c.text, c.start, c.end) for c in second.characters] == [
        ("t", 0.12, 0.14),
        ("h", 0.14, 0.18),
        ("e", 0.18, 0.2),
    ]
    for word in transcript.words:
        assert word.confidence == pytest.approx(0.9)
        assert not word.wildcard
        assert all(c.confidence == pytest.approx(0.9) and not c.wildcard for c in word.characters)


def test_a_wildcard_takes_what_the_vocabulary_lacks() -> None:
    log_probs = frames_of("_IN_|_NINE|__TEN__|_HE_")
    transcript = align(log_probs, "in 19,10 he", ENGLISH, SECONDS)
    first, number, last = transcript.words
    assert (number.text, number.wildcard, number.confidence) == ("19,10", True, 0.0)
    # from the first letter to the last, without silence
    assert (number.start, number.end) == (0.12, 0.32)
    (character,) = number.characters
    assert (character.text, character.wildcard) == ("19,10", True)
    assert not first.wildcard
    assert not last.wildcard
    assert last.start == 0.4


def test_a_word_with_a_wildcard_in_it() -> None:
    (word,) = align(frames_of("_CAFFEE_"), "café,", ENGLISH, SECONDS).words
    assert word.wildcard
    assert [(c.text, c.wildcard) for c in word.characters] == [
        *(("c", False), ("a", False), ("f", False)),
        ("é", True),
    ]
    assert (word.characters[3].start, word.characters[3].end) == (0.1, 0.14)
    assert word.confidence == pytest.approx(0.9)  # share of the letters


def test_marks_that_stand_alone_stay_in_the_text() -> None:
    transcript = align(frames_of("_IN|THE_"), "— … in - the .", ENGLISH, SECONDS)
    assert [word.text for word in transcript.words] == ["— … in -", "the ."]
    assert " ".join(word.text for word in transcript.words) == transcript.text


@pytest.mark.parametrize(
    ("log_probs", "text", "complaint"),
    [
        ("_IN_", "", "must have words"),
        ("_IN_", " — … ", "must have words"),
        ("_IN_", "1984 שלום", "vocabulary has none of the text's letters"),
        ("_IN_", "in the", "2 words of 6 characters need at least 0.12 s.* has 0.08 s"),
        ("___|__", "in", "recognizes no speech"),
    ],
)
def test_texts_that_cannot_be_aligned(log_probs: str, text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        align(frames_of(log_probs), text, ENGLISH, SECONDS)
    assert "\n" not in str(caught.value)


def test_another_text_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    align(frames_of("_IN|THE|BEGIN_NING|_WAS"), "in the beginning was", ENGLISH, SECONDS)
    assert not caplog.records
    align(frames_of("_IN|THE|BEGIN_NING|_WAS"), "fog", ENGLISH, SECONDS)
    (record,) = caplog.records
    assert "of the letters that the model recognizes are in the text" in record.getMessage()


@settings(max_examples=60, deadline=None)
@given(st.text("ab' -1é.", min_size=1, max_size=20), st.integers(0, 2**32))
def test_whatever_the_text(text: str, seed: int) -> None:
    """Words are the text's, in order; times are monotone and inside the audio."""
    log_probs = random_frames(np.random.default_rng(seed), 60, 30)
    try:
        words = align(log_probs, text, ENGLISH, SECONDS).words
    except UserError:
        assert not set(text) & set("ab'")
        return
    assert " ".join(word.text for word in words) == " ".join(text.split())
    times = [time for word in words for c in word.characters for time in (c.start, c.end)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= 60 * SECONDS
    for word in words:
        assert word.start == word.characters[0].start < word.end == word.characters[-1].end
        assert word.wildcard == any(c.wildcard for c in word.characters)
        assert 0 <= word.confidence <= 1


# The bundled corpus: synthetic speech, for which the synthesizer prints the word times


def test_words_of_the_corpus_lie_in_their_utterances(bundled_recognizer: Any) -> None:
    """All utterances as one recording, and their texts as one text. With -s, prints figures."""
    from wav2vec2_tf.transcription.long_form import log_probabilities

    rows = [
        line.split("\t")
        for line in (DATA / "word_times.tsv").read_text(encoding="utf-8").splitlines()
    ]
    speech: list[np.ndarray] = []
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    at = 0.0
    for utterance in dict.fromkeys(row[0] for row in rows):
        (file,) = DATA.glob(f"corpus/*/*/{utterance}.flac")
        samples, rate = soundfile.read(file, dtype="float32")
        speech.append(samples)
        starts[utterance], at = at, at + len(samples) / rate
        ends[utterance] = at
    log_probs = log_probabilities(bundled_recognizer, np.concatenate(speech))
    text = " ".join(row[3] for row in rows)
    words = align(
        log_probs, text, bundled_recognizer.tokenizer, bundled_recognizer.seconds_per_frame
    ).words
    assert [word.text for word in words] == [row[3] for row in rows]

    inside = [
        starts[row[0]] <= word.start and word.end <= ends[row[0]]
        for word, row in zip(words, rows, strict=True)
    ]
    truth = np.array([[float(row[1]), float(row[2])] for row in rows])
    truth += np.array([starts[row[0]] for row in rows])[:, np.newaxis]
    late = 1000 * (np.array([[word.start, word.end] for word in words]) - truth)  # ms
    middle = np.median(late, axis=0)
    spread = np.abs(late - middle).mean(axis=0)
    near = np.abs(late) < 100
    print(f"\n{len(words)} words in {at:.0f} s: {sum(inside)} in their own utterance")
    for edge, name in enumerate(["starts", "ends"]):
        print(
            f"{name}: median {middle[edge]:+.0f} ms, mean distance from it "
            f"{spread[edge]:.0f} ms, {100 * near[:, edge].mean():.1f} % within 100 ms"
        )
    assert all(inside)
    assert near[:, 0].mean() > 0.98
    assert spread[0] < 40
    assert np.abs(late).max() < 500
