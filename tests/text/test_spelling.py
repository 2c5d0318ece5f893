"""Texts that a vocabulary can spell: tokenizer, beam search and training agree."""

from __future__ import annotations

import pytest

from wav2vec2_tf import CTCTokenizer
from wav2vec2_tf.text import ctc
from wav2vec2_tf.text.spelling import case_variants, letter_case, to_case

TOKENS = ["<pad>", "<s>", "</s>", "<unk>", "|", "A", "B", "'"]
UPPER = CTCTokenizer({token: index for index, token in enumerate(TOKENS)})


@pytest.mark.parametrize(
    ("characters", "case"),
    [
        ("AB'", "upper"),
        ("ab'", "lower"),
        ("aB", "unchanged"),
        ("नम", "unchanged"),
        ("", "unchanged"),
    ],
)
def test_letter_case(characters: str, case: str) -> None:
    assert letter_case(characters) == case


def test_to_case() -> None:
    cases = ("upper", "lower", "unchanged", "keep")
    assert [to_case("Straße", case) for case in cases] == ["STRASSE", "straße", "Straße", "Straße"]


def test_case_variants_start_with_the_text_and_do_not_repeat() -> None:
    assert case_variants("paris") == ("paris", "PARIS", "Paris")
    assert case_variants("नम") == ("नम",)


def test_special_tokens_spell_nothing() -> None:
    assert UPPER.speller.characters == frozenset("AB'")
    assert UPPER.speller.unknown(["AB", "<s>A|"]) == {"<s>": 1, "|": 1}
    assert UPPER.speller.word("<s>") is None


@pytest.mark.parametrize("lower", [False, True])
def test_tokenizer_and_alphabet_agree(lower: bool) -> None:
    tokenizer = CTCTokenizer({t: i for i, t in enumerate(TOKENS)}, do_lower_case=lower)
    alphabet = ctc.Alphabet.of(tokenizer)
    for speller in (tokenizer.speller, alphabet.speller):
        word = speller.word("ab'A")
        assert word is not None
        assert speller.ids(word) == (5, 6, 7, 5)
        assert speller.word("ABC") is None
        assert speller.word("") is None
    assert alphabet.speller is alphabet.speller


def test_parts_are_the_longest_tokens() -> None:
    digraph = CTCTokenizer({"<pad>": 0, "<unk>": 1, "|": 2, "c": 3, "h": 4, "ch": 5})
    assert list(digraph.speller.parts("Chc1")) == [("Ch", (5,)), ("c", (3,)), ("1", ())]
