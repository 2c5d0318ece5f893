"""Beam search against brute force over all alignments, and language models, lexicons and flags."""

from __future__ import annotations

import itertools
import math
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import kenlm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import DATA, TEXT
from wav2vec2_tf.text import beam_search, ctc
from wav2vec2_tf.text.beam_search import BeamSearch
from wav2vec2_tf.text.decoding import BeamSearchOptions
from wav2vec2_tf.text.language_model import LanguageModel
from wav2vec2_tf.text.lexicon import read_lexicon, spell_words
from wav2vec2_tf.text.ngram import arpa_lines, estimate
from wav2vec2_tf.utils.errors import UserError

ALPHABET = ctc.Alphabet(("<pad>", "|", "A", "B"), blank=0, word_delimiter=1)
LAST_BLANK = ctc.Alphabet(("B", "A", "|", "[PAD]"), blank=3, word_delimiter=2)
NO_WORDS = ctc.Alphabet(("<pad>", "A", "B"), blank=0, word_delimiter=-1)
SENTENCES = ["A B", "AB A", "AB AB B", "B", "B A", "A"]
EXACT: dict[str, Any] = {
    "beam_size": 100_000,
    "beam_threshold": 1e6,
    "beam_tokens": 100,
    "token_threshold": 1e6,
    "n_best": 100_000,
}
"""Options with which the search is exhaustive."""


@pytest.fixture(scope="module")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bigram model of `SENTENCES`: it knows A, B and AB, not BA or AA."""
    path = tmp_path_factory.mktemp("lm") / "ab.arpa"
    model = estimate([sentence.split() for sentence in SENTENCES], 2)
    path.write_text("".join(arpa_lines(model)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(arpa: Path) -> LanguageModel:
    return LanguageModel(arpa)


def emissions(seed: int, frames: int, vocabulary: int, sharpness: float = 2.0) -> np.ndarray:
    """Returns random (frames, vocab) log-probabilities."""
    logits = np.random.default_rng(seed).normal(0, sharpness, (frames, vocabulary))
    return ctc.log_softmax(logits).astype(np.float32)


def every_text(
    log_probabilities: np.ndarray, alphabet: ctc.Alphabet, log_add: bool
) -> dict[tuple[str, ...], float]:
    """Returns ln p_ctc by words, of the best alignment or of all, by trying every alignment."""
    scores: dict[tuple[str, ...], list[float]] = defaultdict(list)
    frames, vocabulary = log_probabilities.shape
    for path in itertools.product(range(vocabulary), repeat=frames):
        tokens = [token for token, _ in itertools.groupby(path) if token != alphabet.blank]
        if alphabet.word_delimiter < 0:
            words = tuple(alphabet.tokens[token] for token in tokens)
        else:
            text = "".join(
                " " if token == alphabet.word_delimiter else alphabet.tokens[token]
                for token in tokens
            )
            words = tuple(text.split())
        at = zip(range(frames), path, strict=True)
        scores[words].append(sum(float(log_probabilities[t, n]) for t, n in at))
    if log_add:
        return {words: float(np.logaddexp.reduce(found)) for words, found in scores.items()}
    return {words: max(found) for words, found in scores.items()}


def value(
    words: Iterable[str],
    path: Path | None,
    *,
    lm_weight: float,
    word_score: float,
    unknown_score: float,
    hotwords: tuple[str, ...] = (),
    hotword_score: float = 0.0,
) -> float:
    """Returns what words add to ln p_ctc, by KenLM's scores of whole sentences."""
    words = list(words)
    total = word_score * len(words) + hotword_score * sum(word in hotwords for word in words)
    if path is None:
        return total
    config = kenlm.Config()
    config.show_progress = False
    *scores, end = kenlm.Model(str(path), config).full_scores(" ".join(words))
    assert len(scores) == len(words)
    for word, (log10, _, unknown) in zip(words, scores, strict=True):
        if not unknown:
            total += lm_weight * math.log(10) * log10
        elif word not in hotwords:
            total += unknown_score
    return total + lm_weight * math.log(10) * end[0]


def ranked(scores: dict[tuple[str, ...], float]) -> list[tuple[str, float]]:
    best_first = sorted(scores.items(), key=lambda item: -item[1])
    return [(" ".join(words), score) for words, score in best_first]


def found(search: BeamSearch, log_probabilities: np.ndarray) -> list[tuple[str, float]]:
    best = search(log_probabilities, 0.02)
    return [(one.text, one.score) for one in (best, *best.alternatives)]


def assert_same(ours: list[tuple[str, float]], expected: list[tuple[str, float]]) -> None:
    """Asserts the same texts with the same scores; texts of equal score in either order."""
    assert dict(ours).keys() == dict(expected).keys()
    assert len(ours) == len(expected)
    assert [score for _, score in ours] == pytest.approx([score for _, score in expected], abs=2e-4)
    reference = dict(expected)
    for text, score in ours:
        assert score == pytest.approx(reference[text], abs=2e-4)


# Brute force


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("log_add", [False, True], ids=["best", "all"])
@pytest.mark.parametrize("alphabet", [ALPHABET, LAST_BLANK], ids=["first", "last"])
def test_without_a_model(seed: int, log_add: bool, alphabet: ctc.Alphabet) -> None:
    """The search returns every possible text, in order, with its score."""
    log_probs = emissions(seed, 5, 4)
    search = BeamSearch(alphabet, log_add=log_add, **EXACT)
    assert_same(found(search, log_probs), ranked(every_text(log_probs, alphabet, log_add)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("log_add", [False, True], ids=["best", "all"])
@pytest.mark.parametrize("hotwords", [(), ("B", "BA")], ids=["", "hotwords"])
@pytest.mark.parametrize("closed", [False, True], ids=["open", "lexicon"])
def test_with_a_model(
    arpa: Path,
    model: LanguageModel,
    seed: int,
    log_add: bool,
    hotwords: tuple[str, ...],
    closed: bool,
) -> None:
    """Covers known, unknown and hot words, with a lexicon and without."""
    log_probs = emissions(seed, 6, 4)
    weights = {
        "lm_weight": 0.7,
        "word_score": 0.3 * seed - 0.4,
        "unknown_score": -1.5,
        "hotword_score": 1.1,
    }
    lexicon = ["A", "AB", "AA"]
    search = BeamSearch(
        ALPHABET,
        model,
        spell_words(lexicon, ALPHABET) if closed else None,
        hotwords,
        log_add=log_add,
        **weights,
        **EXACT,
    )
    expected = {
        words: score + value(words, arpa, hotwords=hotwords, **weights)
        for words, score in every_text(log_probs, ALPHABET, log_add).items()
        if not closed or set(words) <= {*lexicon, *hotwords}
    }
    assert_same(found(search, log_probs), ranked(expected))


@pytest.mark.parametrize("seed", range(3))
def test_lexicon_alone(seed: int) -> None:
    log_probs = emissions(seed, 6, 4)
    search = BeamSearch(ALPHABET, None, spell_words(["BA", "B"], ALPHABET), word_score=0.5, **EXACT)
    expected = {
        words: score + 0.5 * len(words)
        for words, score in every_text(log_probs, ALPHABET, False).items()
        if set(words) <= {"BA", "B"}
    }
    assert_same(found(search, log_probs), ranked(expected))


@pytest.mark.parametrize("seed", range(3))
def test_tokens_are_words_where_no_token_ends_them(arpa: Path, seed: int) -> None:
    log_probs = emissions(seed, 6, 3)
    weights = {"lm_weight": 0.9, "word_score": 0.2, "unknown_score": -3.0}
    search = BeamSearch(NO_WORDS, LanguageModel(arpa), **weights, **EXACT)
    expected = {
        words: score + value(words, arpa, **weights)
        for words, score in every_text(log_probs, NO_WORDS, False).items()
    }
    joined = [(text.replace(" ", ""), score) for text, score in ranked(expected)]
    assert_same(found(search, log_probs), joined)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 6),
    st.floats(0.5, 6),
    st.integers(1, 4),
    st.sampled_from([None, ("A", "AB"), ("AAAAAA", "B")]),
)
def test_a_narrow_beam_scores_what_it_finds(
    seed: int, frames: int, sharpness: float, size: int, lexicon: tuple[str, ...] | None
) -> None:
    """A narrow beam may miss the best text, but never overestimates a score."""
    log_probs = emissions(seed, frames, 4, sharpness)
    entries = None if lexicon is None else spell_words(lexicon, ALPHABET)
    result = BeamSearch(ALPHABET, None, entries, word_score=0.5, beam_size=size)(log_probs, 0.02)
    words = tuple(result.text.split())
    assert lexicon is None or set(words) <= set(lexicon)
    worth = every_text(log_probs, ALPHABET, False)[words] + 0.5 * len(words)
    assert result.score <= worth + 1e-4


# What comes out


def frames_of(path: str, confident: float = 0.9) -> np.ndarray:
    """Returns log-probabilities whose best alignment is given, one letter per frame."""
    ids = {"_": 0, "|": 1, "A": 2, "B": 3}
    probabilities = np.full((len(path), 4), (1 - confident) / 3)
    probabilities[np.arange(len(path)), [ids[letter] for letter in path]] = confident
    return np.log(probabilities).astype(np.float32)


@pytest.mark.parametrize("lexicon", [None, ["AB", "BA"]], ids=["open", "lexicon"])
def test_times_and_confidences(lexicon: list[str] | None) -> None:
    log_probs = frames_of("__AAB_||_BB__A|_")
    log_probs[3] = np.log([0.01, 0.01, 0.97, 0.01])  # the surer frame of the first A
    entries = None if lexicon is None else spell_words(lexicon, ALPHABET)
    result = BeamSearch(ALPHABET, None, entries)(log_probs, 0.02)
    assert result.text == "AB BA"
    first, second = result.words
    assert (first.text, first.start, first.end) == ("AB", 0.04, 0.1)
    assert (second.text, second.start, second.end) == ("BA", 0.18, 0.28)
    assert [(c.text, c.start, c.end) for c in first.characters] == [
        ("A", 0.04, 0.08),
        ("B", 0.08, 0.1),
    ]
    assert [c.confidence for c in first.characters] == pytest.approx([0.97, 0.9], abs=1e-6)
    assert first.confidence == pytest.approx((0.97 + 0.9) / 2, abs=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_without_anything_it_is_greedy(seed: int) -> None:
    """Words, times and confidences are those of each frame's best token."""
    log_probs = emissions(seed, 40, 4)
    greedy = ctc.transcript(ctc.BestPath.of(log_probs), ALPHABET, 0.02)
    result = BeamSearch(ALPHABET)(log_probs, 0.02)
    assert result.text == greedy.text
    assert result.score == pytest.approx(float(log_probs.max(axis=1).sum()), abs=1e-3)
    for word, expected in zip(result.words, greedy.words, strict=True):
        assert (word.text, word.start, word.end) == (expected.text, expected.start, expected.end)
        assert word.confidence == pytest.approx(expected.confidence, abs=1e-5)


def test_n_best_has_no_text_twice_and_falls() -> None:
    result = BeamSearch(ALPHABET, n_best=7)(emissions(3, 12, 4), 0.02)
    every = (result, *result.alternatives)
    assert len(every) == 7
    assert len({one.text for one in every}) == 7
    assert sorted((one.score for one in every), reverse=True) == [one.score for one in every]
    assert all(one.alternatives == () for one in result.alternatives)


def test_a_language_model_corrects_a_word() -> None:
    """LARD and LORD sound alike; only one of them is in the language model."""
    letters = "THELORDSAI"
    alphabet = ctc.Alphabet(("<pad>", "|", *letters), blank=0, word_delimiter=1)
    ids = {letter: 2 + place for place, letter in enumerate(letters)} | {"|": 1}
    log_probs = np.full((13, 12), 1e-4)
    for frame, letter in enumerate("THE|LARD|SAID"):
        log_probs[frame, ids[letter]] = 0.6 if frame == 5 else 1.0
    log_probs[5, ids["O"]] = 0.35
    log_probabilities = np.log(log_probs / log_probs.sum(axis=1, keepdims=True)).astype(np.float32)
    assert BeamSearch(alphabet)(log_probabilities, 0.02).text == "THE LARD SAID"
    for name in ("small.arpa", "small.probing.klm", "small.trie.klm"):
        model = LanguageModel(TEXT / name)
        assert BeamSearch(alphabet, model)(log_probabilities, 0.02).text == "THE LORD SAID"
    hot = BeamSearch(alphabet, model, hotwords=("lard",), hotword_score=9.0)
    assert hot(log_probabilities, 0.02).text == "THE LARD SAID"


def test_written_otherwise_than_spell_words(tmp_path: Path) -> None:
    (tmp_path / "lexicon").write_text("alpha A B |\nbeta\tB A\n\nB\n", encoding="utf-8")
    lexicon = read_lexicon(tmp_path / "lexicon", ALPHABET)
    assert lexicon == {"alpha": [(2, 3)], "beta": [(3, 2)], "B": [(3,)]}
    result = BeamSearch(ALPHABET, None, lexicon)(frames_of("AB|B|BA"), 0.02)
    assert result.text == "alpha B beta"
    assert [(word.text, word.start) for word in result.words][2] == ("beta", 0.1)


def test_a_last_word_that_no_lexicon_has_is_left_out() -> None:
    """A narrow beam without any other hypothesis keeps the words before it."""
    search = BeamSearch(ALPHABET, None, spell_words(["AB", "BBBBBB"], ALPHABET), beam_size=1)
    result = search(frames_of("AB|B_B", 0.999999), 0.02)
    assert result.text == "AB"
    assert result.score > beam_search.IMPOSSIBLE / 2


@pytest.mark.parametrize("frames", [0, 1])
@pytest.mark.parametrize("lexicon", [None, ["AB"]], ids=["open", "lexicon"])
def test_hardly_any_frame(model: LanguageModel, frames: int, lexicon: list[str] | None) -> None:
    entries = None if lexicon is None else spell_words(lexicon, ALPHABET)
    result = BeamSearch(ALPHABET, model, entries)(frames_of("_" * frames), 0.02)
    assert (result.text, result.words) == ("", ())


def test_infinities_are_impossible_and_nan_is_refused() -> None:
    log_probs = np.full((3, 4), -np.inf, np.float32)
    log_probs[[0, 1, 2], [2, 0, 3]] = 0.0
    assert BeamSearch(ALPHABET)(log_probs, 0.02).text == "AB"
    log_probs[1, 1] = np.nan
    with pytest.raises(UserError, match="NaN"):
        BeamSearch(ALPHABET)(log_probs, 0.02)


@pytest.mark.parametrize("shape", [(3,), (3, 5), (3, 1), (1, 3, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"\(frames, vocab\) for a vocabulary of 4 tokens"):
        BeamSearch(ALPHABET)(np.zeros(shape, np.float32), 0.02)


# Long recordings


@pytest.mark.parametrize("closed", [False, True], ids=["open", "lexicon"])
def test_pieces_are_as_one(
    monkeypatch: pytest.MonkeyPatch, model: LanguageModel, closed: bool
) -> None:
    """Pieces cut at a certain delimiter have the words, times and score of the whole."""
    log_probs = frames_of("AB_|_B_|_A|" * 12, 0.7)
    log_probs[3::11] = frames_of("|" * 12, 1 - 1e-9)
    lexicon = spell_words(["A", "B", "AB", "BA"], ALPHABET) if closed else None
    search = BeamSearch(ALPHABET, model, lexicon, n_best=3, beam_size=400, beam_threshold=100)
    whole = search(log_probs, 0.02)
    monkeypatch.setattr(beam_search, "PIECE", 30)
    assert len(list(beam_search.pieces(log_probs, ALPHABET.word_delimiter))) > 3
    pieces = search(log_probs, 0.02)
    assert (pieces.text, pieces.words) == (whole.text, whole.words)
    assert pieces.score == pytest.approx(whole.score, abs=1e-3)
    assert len(pieces.alternatives) == 2
    assert len(whole.text.split()) == 36


def test_pieces_end_where_a_delimiter_is_surest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beam_search, "PIECE", 10)
    log_probs = emissions(0, 95, 4)
    pieces = list(beam_search.pieces(log_probs, ALPHABET.word_delimiter))
    assert [is_last for _, is_last in pieces] == [False] * (len(pieces) - 1) + [True]
    assert sum(len(piece) for piece, _ in pieces) == 95
    start = 0
    for piece, _ in pieces[:-1]:
        assert 6 <= len(piece) <= 10
        cut = start + len(piece) - 1
        assert log_probs[cut, 1] == log_probs[start + 5 : start + 10, 1].max()
        assert piece[-1].argmax() == 1
        np.testing.assert_array_equal(piece[:-1], log_probs[start:cut])
        start = cut + 1


def test_minutes_of_one_word_go_through_without_delimiters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(beam_search, "PIECE", 20)
    result = BeamSearch(NO_WORDS)(
        np.log(np.tile([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1]], (50, 1))).astype(np.float32), 0.02
    )
    assert result.text == "A" * 50


# Language models and their files


def test_kenlm_says_the_same_of_all_formats() -> None:
    expected = kenlm.Model(str(TEXT / "small.arpa")).score("THE PEOPLE SAID") * math.log(10)
    for name in ("small.arpa", "small.probing.klm", "small.trie.klm"):
        model = LanguageModel(TEXT / name)
        assert model.order == 2
        state, total = model.begin(), 0.0
        for word in ("the", "People", "SAID"):  # known in any case
            state, score = model.score(state, model.form(word))
            total += score
        assert total + model.end(state) == pytest.approx(expected, abs=1e-4)
        assert model.form("HORSE") is None


def test_words_of_an_arpa_file() -> None:
    expected = {"AND", "GOOD", "IS", "LORD", "PEOPLE", "SAID", "THE"}
    assert set(LanguageModel(TEXT / "small.arpa").some_words()) == expected
    assert LanguageModel(TEXT / "small.trie.klm").some_words() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "its first line is not"),
        (lambda text: "hello\nworld\n", "its first line is not"),
        (lambda text: text.replace("1=10", "1=-4"), "invalid count"),  # KenLM 0.3.0 crashes
        (lambda text: text.replace("1=10", "1="), "invalid count"),
        (lambda text: text.replace("1=10", "1=99999999999"), "it is truncated"),
        (lambda text: text.replace("2=11", "2=" + "9" * 400), "it is truncated"),
        (lambda text: text.replace("2=11", "2=12"), "KenLM cannot read it"),
        (lambda text: text.replace("2=11", "2=10"), "KenLM cannot read it"),
        (lambda text: text[: len(text) // 2], "KenLM cannot read it"),
        (lambda text: text.replace("-0.8342672", "0.8342672"), "KenLM cannot read it"),
        (lambda text: text.replace("-0.8342672", "loud"), "KenLM cannot read it"),
        (lambda text: text.replace("</s>", "</z>"), "KenLM cannot read it"),
        (lambda text: text.replace("LORD IS", "LORD WAS"), "KenLM cannot read it"),
        (lambda text: text.replace("\t", " "), "KenLM cannot read it"),
        (lambda text: text.split("\\2-grams")[0].replace("ngram 2=11\n", ""), "KenLM cannot"),
        (lambda text: "\x1f\x8b" + text, "decompress it first"),
    ],
)
def test_damaged_arpa_files(tmp_path: Path, change: Any, message: str) -> None:
    path = tmp_path / "bad.arpa"
    path.write_text(change((TEXT / "small.arpa").read_text(encoding="utf-8")), encoding="latin-1")
    with pytest.raises(UserError, match=message) as raised:
        LanguageModel(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["small.probing.klm", "small.trie.klm"])
def test_damaged_binary_files(tmp_path: Path, name: str) -> None:
    whole = (TEXT / name).read_bytes()
    for size in (40, 120, 250, len(whole) // 2):
        (tmp_path / name).write_bytes(whole[:size])
        with pytest.raises(UserError, match="KenLM cannot read it|KenLM crashes on it"):
            LanguageModel(tmp_path / name)


def test_nan_probabilities_do_not_spread(tmp_path: Path) -> None:
    """KenLM reads NaN; sorting hypotheses by it would be undefined."""
    path = tmp_path / "nan.arpa"
    text = (TEXT / "small.arpa").read_text(encoding="utf-8")
    path.write_text(text.replace("-0.9956352\tLORD\t-0.30103", "NaN\tLORD\tNaN"), encoding="utf-8")
    try:
        model = LanguageModel(path)
    except UserError:
        return
    state, score = model.score(model.nothing(), "LORD")
    assert math.isfinite(score)
    assert math.isfinite(model.score(state, "THE")[1])


def test_not_a_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.arpa"):
        with pytest.raises(UserError, match="no such file; give a KenLM model"):
            LanguageModel(path)


def test_a_model_of_another_language_or_of_other_units(tmp_path: Path) -> None:
    small = LanguageModel(TEXT / "small.arpa")
    with pytest.raises(UserError, match=r"can spell none of its words, such as 'AND'"):
        BeamSearch(ALPHABET, small)
    with pytest.raises(UserError, match="knows none of the lexicon's words"):
        BeamSearch(ALPHABET, small, spell_words(["AB"], ALPHABET))
    with pytest.raises(UserError, match="ngram --characters"):
        BeamSearch(NO_WORDS, small)


def test_a_lexicon_that_the_model_hardly_knows_is_warned_of(
    arpa: Path, caplog: pytest.LogCaptureFixture
) -> None:
    BeamSearch(ALPHABET, LanguageModel(arpa), spell_words(["A", "BA", "AA"], ALPHABET))
    assert "knows 1 of the lexicon's 3 words; the others score -10 each" in caplog.text


# Lexicons and hotwords


def test_words_that_cannot_be_spell_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "words.txt"
    path.write_text("ab\nCAB\nBa\n7\nA|B\n", encoding="utf-8-sig")
    assert read_lexicon(path, ALPHABET) == {"AB": [(2, 3)], "BA": [(3, 2)]}
    assert "skipped 3 words" in caplog.text
    assert "'CAB', '7', 'A|B'" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "can spell .it is empty"),
        (b"CAT\n", "can spell .such as 'CAT'"),
        (b"A A <pad> B\n", "can spell .such as 'A'"),
        (b"\xff\xfe", "must be UTF-8 text"),
    ],
)
def test_invalid_lexicons(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "words").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_lexicon(tmp_path / "words", ALPHABET)


def test_hotwords() -> None:
    """Each word of a phrase, in any case, adds to the score."""
    plain = BeamSearch(ALPHABET)
    search = BeamSearch(ALPHABET, hotwords=("ab", "ba a"), hotword_score=2.0)
    for word, added in (("AB", 2.0), ("BA", 2.0), ("A", 2.0), ("B", 0.0), ("AB|A", 4.0)):
        log_probs = frames_of(word, 1 - 1e-6)
        assert search(log_probs, 0.02).text == word.replace("|", " ")
        assert search(log_probs, 0.02).score - plain(log_probs, 0.02).score == pytest.approx(added)
    for hotword in ("cab", " ", "A7"):
        with pytest.raises(UserError, match="cannot spell the hotword"):
            BeamSearch(ALPHABET, hotwords=(hotword,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lm_weight": math.nan}, "finite"),
        ({"hotword_score": math.inf}, "finite"),
        ({"beam_size": 0}, "above 0"),
        ({"n_best": 0}, "above 0"),
        ({"beam_threshold": 0.0}, "above 0"),
    ],
)
def test_invalid_weights_and_sizes(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        BeamSearch(ALPHABET, **options)


def test_no_words_to_look_for() -> None:
    for options in ({"lexicon": {"A": [(1,)]}}, {"hotwords": ("A",)}):
        with pytest.raises(UserError, match="no word delimiter"):
            BeamSearch(NO_WORDS, **options)


# Options


def test_decoder_of_options(tmp_path: Path, arpa: Path) -> None:
    assert BeamSearchOptions().is_greedy
    assert BeamSearchOptions().decoder(ALPHABET) is None
    (tmp_path / "words").write_text("a\nab\n", encoding="utf-8")
    options = BeamSearchOptions(
        lm=str(arpa),
        lexicon=str(tmp_path / "words"),
        hotwords=("ba", "b"),
        n_best=3,
        beam_size=20,
        lm_weight=0.7,
        word_score=-1.0,
        unknown_score=-2.0,
        hotword_score=4.0,
    )
    search = options.decoder(ALPHABET)
    assert search is not None
    assert search.model is not None
    assert (search.model.path, search.hotwords) == (arpa, ("ba", "b"))
    assert search.lexicon == {"A": [(2,)], "AB": [(2, 3)]}
    assert (search.n_best, search.beam_size, search.lm_weight) == (3, 20, 0.7)
    assert (search.word_score, search.unknown_score, search.hotword_score) == (-1, -2, 4)
    assert BeamSearchOptions(n_best=2).decoder(ALPHABET) == BeamSearch(ALPHABET, n_best=2)


@pytest.mark.parametrize("name", ["lm_weight", "unknown_score", "hotword_score", "word_score"])
def test_a_weight_without_what_it_weighs_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{name} needs"):
        BeamSearchOptions(**{name: 1.0})


@pytest.mark.parametrize(
    "values", [{"n_best": 0}, {"beam_size": -1}, {"lm": "x", "lm_weight": math.nan}]
)
def test_invalid_options(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(reversed(values))):
        BeamSearchOptions(**values)


@pytest.mark.parametrize("missing", ["kenlm", "flashlight.lib.text"])
def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, arpa: Path, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    for name in ("beam_search", "flashlight_lm"):
        monkeypatch.delitem(sys.modules, f"wav2vec2_tf.text.{name}")
    with pytest.raises(UserError, match=r"pip install 'wav2vec2-tf\[lm\]'"):
        BeamSearchOptions(lm=str(arpa)).decoder(ALPHABET)


# On real logits


def test_a_recognizer_takes_it(bundled_recognizer: Any) -> None:
    """A recognizer with a beam search gives words, times and characters."""
    from wav2vec2_tf.audio import load

    recognizer = bundled_recognizer
    speech = load(DATA / "corpus" / "1003" / "1" / "1003-1-0012.flac")
    (greedy,) = recognizer.transcribe([speech])
    (plain,) = replace(recognizer, decoder=BeamSearch(recognizer.alphabet)).transcribe([speech])
    assert (plain.text, len(plain.words)) == (greedy.text, len(greedy.words))
    for word, expected in zip(plain.words, greedy.words, strict=True):
        assert (word.start, word.end) == (expected.start, expected.end)
    search = BeamSearch(recognizer.alphabet, LanguageModel(TEXT / "small.arpa"), n_best=4)
    (result,) = replace(recognizer, decoder=search).transcribe([speech])
    times = [time for word in result.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= len(speech) / 16000
    assert all("".join(c.text for c in word.characters) == word.text for word in result.words)
