"""Greedy decoding in the graph against plain Python, transformers and hand-worked cases."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import reference
from wav2vec2_tf import CTCTokenizer
from wav2vec2_tf.text import ctc
from wav2vec2_tf.text.beam_search import BeamSearch

BLANK, DELIMITER = 0, 1
LETTERS = ctc.Alphabet(("<pad>", "|", "a", "b", "c"), BLANK, DELIMITER)
SECONDS = 0.02
ids_of_frames = st.lists(
    st.lists(st.integers(0, 4), min_size=12, max_size=12), min_size=0, max_size=4
)


def logits_of(ids: Any, vocabulary: int = 5, seed: int = 0) -> np.ndarray:
    """Returns (batch, frames, vocab) logits; the given token is the best of its frame."""
    ids = np.asarray(ids, np.int64)
    ids = ids if ids.ndim == 2 else ids.reshape(0, 0)
    logits = np.random.default_rng(seed).random((*ids.shape, vocabulary), np.float32)
    np.put_along_axis(logits, ids[..., np.newaxis], 1.01 + 2 * logits[..., :1], axis=-1)
    return logits


def decode(
    logits: np.ndarray, lengths: Any = None, alphabet: ctc.Alphabet = LETTERS
) -> ctc.Decoded:
    if lengths is None:
        lengths = [logits.shape[1]] * len(logits)
    frames = tf.constant(lengths, tf.int32)
    return ctc.greedy(tf.constant(logits), frames, alphabet, SECONDS)


class Word(NamedTuple):
    text: str
    start: int
    end: int
    confidence: float


def brute_force(logits: np.ndarray, length: int, alphabet: ctc.Alphabet) -> list[Word]:
    """Decodes one row, frame by frame, in plain Python."""
    words: list[Word] = []
    letters: list[tuple[str, int, int, float]] = []

    def close() -> None:
        if letters:
            text = "".join(letter for letter, *_ in letters)
            mean = sum(probability for *_, probability in letters) / len(letters)
            words.append(Word(text, letters[0][1], letters[-1][2], mean))
            letters.clear()

    shares = np.exp(logits.astype(np.float64))
    shares /= shares.sum(axis=-1, keepdims=True)
    at = 0
    for token, run in groupby(logits[:length].argmax(axis=-1).tolist()):
        end = at + len(list(run))
        if token == alphabet.word_delimiter:
            close()
        elif token != alphabet.blank:
            best = max(shares[frame, token] for frame in range(at, end))
            letters.append((alphabet.tokens[token], at, end, best))
        at = end
    close()
    return words


def assert_equal(got: ctc.Decoded, wanted: list[list[Word]]) -> None:
    width = max([len(words) for words in wanted], default=0)
    text, words, start, end, confidence, count = (column.numpy() for column in got)
    assert [t.decode() for t in text] == [" ".join(w.text for w in row) for row in wanted]
    assert count.tolist() == [len(row) for row in wanted]
    for column, field in ((start, 1), (end, 2), (confidence, 3)):
        assert column.shape == words.shape == (len(wanted), width)
        assert column.dtype == np.float32
        factor = 1.0 if field == 3 else SECONDS
        for row, wanted_row in zip(column, wanted, strict=True):
            values = [word[field] * factor for word in wanted_row]
            np.testing.assert_allclose(row[: len(values)], values, rtol=1e-5)
            assert not row[len(values) :].any()
    for row, wanted_row in zip(words, wanted, strict=True):
        texts = [word.text for word in wanted_row]
        assert [word.decode() for word in row] == texts + [""] * (width - len(texts))


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ("", []),
        ("____", []),
        ("||||", []),
        ("_|_|", []),
        ("abc", [("abc", 0, 3)]),
        ("aabbc", [("abc", 0, 5)]),
        ("aa_abb", [("aab", 0, 6)]),  # a blank between keeps a doubled letter
        ("a_b|_c_", [("ab", 0, 3), ("c", 5, 6)]),
        ("|a|", [("a", 1, 2)]),
        ("||a||b||", [("a", 2, 3), ("b", 5, 6)]),
        ("a|_|b", [("a", 0, 1), ("b", 4, 5)]),
        ("a_|", [("a", 0, 1)]),
        ("a|a", [("a", 0, 1), ("a", 2, 3)]),
        ("__a", [("a", 2, 3)]),
    ],
)
def test_hand_worked(frames: str, words: list[tuple[str, int, int]]) -> None:
    logits = logits_of([["_|abc".index(frame) for frame in frames]])
    got = decode(logits)
    assert got.text.numpy().tolist() == [" ".join(word for word, *_ in words).encode()]
    assert [word.decode() for word in got.words.numpy()[0]] == [word for word, *_ in words]
    np.testing.assert_allclose(got.start[0], [start * SECONDS for _, start, _ in words], rtol=1e-6)
    np.testing.assert_allclose(got.end[0], [end * SECONDS for *_, end in words], rtol=1e-6)


def test_confidence_is_the_mean_of_letters_at_their_best_frames() -> None:
    shares = np.array(
        [
            # blank, |, a, b, c
            [0.1, 0.1, 0.6, 0.1, 0.1],  # a
            [0.0, 0.1, 0.9, 0.0, 0.0],  # a, surer
            [0.3, 0.1, 0.2, 0.4, 0.0],  # b
            [0.9, 0.1, 0.0, 0.0, 0.0],  # blank: does not count
            [0.0, 0.5, 0.3, 0.2, 0.0],  # |
            [0.0, 0.0, 0.0, 0.2, 0.8],  # c
        ]
    )
    got = decode(np.log(shares + 1e-30).astype(np.float32)[np.newaxis])
    np.testing.assert_allclose(got.confidence, [[(0.9 + 0.4) / 2, 0.8]], rtol=1e-5)
    assert got.text.numpy().tolist() == [b"ab c"]


@settings(max_examples=60, deadline=None)
@given(rows=ids_of_frames, data=st.data())
def test_equals_plain_python(rows: list[list[int]], data: st.DataObject) -> None:
    lengths = [data.draw(st.integers(0, 12)) for _ in rows]
    logits = logits_of(rows).reshape(len(rows), 12 if rows else 0, 5)
    wanted = [brute_force(row, n, LETTERS) for row, n in zip(logits, lengths, strict=True)]
    assert_equal(decode(logits, lengths), wanted)


@settings(max_examples=25, deadline=None)
@given(rows=ids_of_frames)
def test_without_a_delimiter_all_is_one_word(rows: list[list[int]]) -> None:
    alphabet = ctc.Alphabet(LETTERS.tokens, BLANK, -1)
    logits = logits_of(rows).reshape(len(rows), 12 if rows else 0, 5)
    wanted = [brute_force(row, 12, alphabet) for row in logits]
    assert all(len(words) <= 1 for words in wanted)
    assert_equal(decode(logits, alphabet=alphabet), wanted)


def test_blank_and_delimiter_may_be_any_id() -> None:
    alphabet = ctc.Alphabet(("a", "b", "|", "c", "<pad>"), blank=4, word_delimiter=2)
    logits = logits_of([[0, 0, 4, 0, 2, 3, 1, 4]])
    assert_equal(decode(logits, alphabet=alphabet), [brute_force(logits[0], 8, alphabet)])
    assert decode(logits, alphabet=alphabet).text.numpy().tolist() == [b"aa cb"]


@pytest.mark.parametrize("shape", [(0, 6, 5), (2, 0, 5), (0, 0, 5)])
def test_nothing_to_decode(shape: tuple[int, ...]) -> None:
    got = decode(np.zeros(shape, np.float32))
    assert_equal(got, [[] for _ in range(shape[0])])


def test_frames_beyond_the_length_do_not_count() -> None:
    logits = logits_of([[2, 1, 3, 3], [2, 1, 3, 3], [2, 1, 3, 3]])
    logits[0, 3:] = np.nan
    got = decode(logits, [3, 1, 0])
    assert got.text.numpy().tolist() == [b"a b", b"a", b""]
    np.testing.assert_allclose(got.end, [[0.02, 0.06], [0.02, 0.0], [0.0, 0.0]], rtol=1e-6)
    assert np.isfinite(got.confidence).all()


def test_letters_of_several_bytes() -> None:
    alphabet = ctc.Alphabet(("<pad>", "|", "ä", "ß", "語"), BLANK, DELIMITER)
    got = decode(logits_of([[2, 3, 1, 4]]), alphabet=alphabet)
    assert [word.decode() for word in got.words.numpy()[0]] == ["äß", "語"]
    assert got.text.numpy()[0].decode() == "äß 語"


def test_compiles_to_one_graph_for_every_shape() -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, None, 5]), tf.TensorSpec([None], tf.int32)])
    def graph(logits: tf.Tensor, lengths: tf.Tensor) -> ctc.Decoded:
        return ctc.greedy(logits, lengths, LETTERS, SECONDS)

    for ids in ([[2, 1, 3]], [[0] * 7, [2, 2, 1, 3, 0, 3, 1]], [[]]):
        logits = logits_of(ids).reshape(len(ids), -1, 5)
        got = graph(tf.constant(logits), tf.fill([len(ids)], logits.shape[1]))
        assert_equal(got, [brute_force(row, len(row), LETTERS) for row in logits])


# Against transformers


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, CTCTokenizer]:
    folder = tmp_path_factory.mktemp("tokenizer")
    reference.write_tokenizer(folder)
    theirs = transformers.Wav2Vec2CTCTokenizer.from_pretrained(folder)
    return theirs, CTCTokenizer.from_pretrained(folder)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(
    st.lists(st.sampled_from([0, 0, 1, 3, 4, 4, 5, 6, 6, 27]), min_size=14, max_size=14),
    min_size=1, max_size=3,
))  # fmt: skip
def test_equals_transformers(tokenizers: tuple[Any, CTCTokenizer], rows: list[list[int]]) -> None:
    """Special tokens count as blanks: transformers' `skip_special_tokens` loses double letters."""
    theirs, ours = tokenizers
    got = decode(logits_of(rows, 32), alphabet=ctc.Alphabet.of(ours))
    for index, ids in enumerate(rows):
        without = [BLANK if index < 4 else index for index in ids]
        wanted = theirs.decode(without, output_word_offsets=True)
        count = int(got.count[index])
        # transformers writes a space for each delimiter, so its text may end in one
        assert got.text[index].numpy().decode() == " ".join(wanted.text.split())
        for column, key in ((got.start, "start_offset"), (got.end, "end_offset")):
            times = [word[key] * 320 / 16_000 for word in wanted.word_offsets]
            np.testing.assert_allclose(column[index, :count], times, rtol=1e-6)
        words = [word.decode() for word in got.words[index, :count].numpy()]
        assert words == [word["word"] for word in wanted.word_offsets]
        # the library's own tokenizer gives the same words
        assert ours.word_offsets(ids, skip_special_tokens=True) == wanted.word_offsets


def test_alphabet_of_a_tokenizer(tokenizers: tuple[Any, CTCTokenizer]) -> None:
    alphabet = ctc.Alphabet.of(tokenizers[1])
    hidden = frozenset({1, 2, 3})  # <s>, </s> and <unk>
    assert alphabet == ctc.Alphabet(reference.TOKENS, blank=0, word_delimiter=4, hidden=hidden)
    kept = ctc.Alphabet.of(tokenizers[1], keep_special_tokens=True)
    assert kept == ctc.Alphabet(reference.TOKENS, blank=0, word_delimiter=4)


SPECIAL = ctc.Alphabet(("<pad>", "|", "a", "<unk>", "</s>"), BLANK, DELIMITER)


@pytest.mark.parametrize(
    ("frames", "kept", "text"),
    [
        ("a?a|?|aa", "a<unk>a <unk> a", "aa a"),  # a letter before and after is said twice
        ("?", "<unk>", ""),
        ("_.|a.", "</s> a</s>", "a"),
    ],
)
def test_special_tokens_are_left_out(frames: str, kept: str, text: str) -> None:
    """The graph, NumPy with times and the beam search agree, and all can keep them."""
    logits = logits_of([["_|a?.".index(frame) for frame in frames]])
    logits[0] *= 20
    without = replace(SPECIAL, hidden=frozenset({3, 4}))
    for alphabet, wanted in ((SPECIAL, kept), (without, text)):
        assert decode(logits, alphabet=alphabet).text.numpy().tolist() == [wanted.encode()]
        path = ctc.BestPath.of(logits[0])
        greedy = ctc.transcript(path, alphabet, SECONDS)
        assert (greedy.text, [word.text for word in greedy.words]) == (wanted, wanted.split())
        for log_add in (False, True):
            search = BeamSearch(alphabet, log_add=log_add, n_best=9)
            found = search(ctc.log_softmax(logits[0]), SECONDS)
            assert found.text == wanted
            assert [(w.text, w.start, w.end) for w in found.words] == [
                (w.text, w.start, w.end) for w in greedy.words
            ]
            if alphabet is without:
                assert not any("<" in one.text for one in found.alternatives)


def test_alphabet_of_a_lower_case_tokenizer(tmp_path: Path) -> None:
    """transformers upper-cases what such a tokenizer encodes, and lower-cases what it decodes."""
    reference.write_tokenizer(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(
        path.read_text(encoding="utf-8").replace('"do_lower_case": false', '"do_lower_case": true'),
        encoding="utf-8",
    )
    theirs = transformers.Wav2Vec2CTCTokenizer.from_pretrained(tmp_path)
    alphabet = ctc.Alphabet.of(CTCTokenizer.from_pretrained(tmp_path))
    ids = [5, 6, 4, 7, 7, 0, 7]
    got = decode(logits_of([ids], 32), alphabet=alphabet)
    assert got.text.numpy()[0].decode() == theirs.decode(ids) == "et aa"


# With characters, outside of graphs


@settings(deadline=None, max_examples=30)
@given(ids_of_frames, st.integers(0, 2**16), st.sampled_from([-1, DELIMITER]))
def test_transcripts_are_what_greedy_decodes(
    ids: list[list[int]], seed: int, delimiter: int
) -> None:
    """Words, times and confidences are the same, and characters join to the words."""
    alphabet = ctc.Alphabet(LETTERS.tokens, BLANK, delimiter)
    for row in ids:
        logits = logits_of([row], seed=seed)
        graph = decode(logits, alphabet=alphabet)
        got = ctc.transcript(ctc.BestPath.of(logits[0]), alphabet, SECONDS)
        assert got.text == graph.text.numpy()[0].decode()
        assert [word.text.encode() for word in got.words] == graph.words.numpy()[0].tolist()
        for field in ("start", "end", "confidence"):
            values = [getattr(word, field) for word in got.words]
            np.testing.assert_allclose(values, getattr(graph, field).numpy()[0], atol=1e-5)
        for word in got.words:
            letters = word.characters
            assert "".join(letter.text for letter in letters) == word.text
            assert (letters[0].start, letters[-1].end) == (word.start, word.end)
            assert all(one.end <= other.start for one, other in pairwise(letters))
            mean = sum(letter.confidence for letter in letters) / len(letters)
            assert word.confidence == pytest.approx(mean)


def test_characters_worked_by_hand() -> None:
    logits = logits_of([["_|abc".index(frame) for frame in "aa_ab|_c"]])[0]
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    got = ctc.transcript(ctc.BestPath.of(logits), LETTERS, 0.5)
    (first, second) = got.words
    assert [(c.text, c.start, c.end) for c in first.characters] == [
        *(("a", 0.0, 1.0), ("a", 1.5, 2.0), ("b", 2.0, 2.5)),
    ]
    assert [(c.text, c.start, c.end) for c in second.characters] == [("c", 3.5, 4.0)]
    assert first.characters[0].confidence == pytest.approx(shares[:2, 2].max())
    assert second.characters[0].confidence == pytest.approx(shares[7, 4])
    empty = ctc.transcript(ctc.BestPath.of(logits[:0]), LETTERS, 0.5)
    assert (empty.text, empty.words) == ("", ())


def test_transcripts_are_cleaned_up() -> None:
    alphabet = ctc.Alphabet(("<pad>", "|", "a", "."), 0, 1, " ", (" .", " a a"))
    logits = logits_of([[2, 1, 3, 1, 2, 0, 2]], vocabulary=4)
    graph = ctc.greedy(tf.constant(logits), tf.constant([7]), alphabet, 1.0).text.numpy()[0]
    assert ctc.transcript(ctc.BestPath.of(logits[0]), alphabet, 1.0).text == graph.decode()


def test_log_softmax() -> None:
    logits = np.random.default_rng(0).normal(0, 50, (9, 30)).astype(np.float32)
    before = logits.copy()
    got = ctc.log_softmax(logits)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(logits, before)
    np.testing.assert_allclose(got, tf.nn.log_softmax(logits.astype(np.float64)), atol=2e-5)
    assert ctc.log_softmax(logits[:0]).shape == (0, 30)
