"""Text rules, vocabularies built from transcripts, and unknown characters."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2vec2_tf.text.normalize import TextRules, build_vocabulary, describe, unknown_characters
from wav2vec2_tf.text.tokenizer import CTCTokenizer
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.options import from_values

ZWJ, ZWNJ = "\u200d", "\u200c"


@pytest.mark.parametrize(
    ("rules", "text", "expected"),
    [
        ({}, "  a\t\u00a0b\u3000\n c\u2028", "a b c"),
        ({}, "", ""),
        ({}, "cafe\u0301", "caf\u00e9"),
        ({"unicode_form": None}, "cafe\u0301", "cafe\u0301"),
        ({"unicode_form": "NFD"}, "caf\u00e9", "cafe\u0301"),
        ({"unicode_form": "NFKC"}, "ﬁve ２", "five 2"),
        ({"unicode_form": "NFC"}, "ﬁve", "ﬁve"),
        ({"letter_case": "upper"}, "straße", "STRASSE"),
        # "ΐ" has no upper case of one character: it is decomposed and composed again
        ({"letter_case": "upper"}, "\u0390", unicodedata.normalize("NFC", "\u0390".upper())),
        ({"letter_case": "lower"}, "ÀB", "àb"),
        ({"replace": {"İ": "i", "I": "ı"}, "letter_case": "lower"}, "IĞDIR İL", "ığdır il"),
        ({"replace": {"e\u0301": "e"}}, "caf\u00e9", "cafe"),  # decomposed or composed
        ({"replace": {"a": "b", "b": "a", "ab": "x"}}, "ab ba", "x ab"),  # longest match, at once
        ({"replace": {"&": " and "}, "letter_case": "upper"}, "a&b", "A AND B"),
        ({"replace": {"-": " "}, "remove": " "}, "a-b c", "abc"),  # removal sees replacements
        ({"replace": {".": "!"}, "remove": "!?"}, "a. b? c", "a b c"),
        ({"remove": "aA"}, "banAna", "bnn"),
        ({"remove": "-"}, "e-\u0301", "\u00e9"),  # removal is followed by composition
        ({"replace": {".*": "x"}}, "a .* b", "a x b"),  # not a regular expression
    ],
)
def test_rules(rules: dict, text: str, expected: str) -> None:
    assert TextRules(**rules)(text) == expected


@pytest.mark.parametrize("form", [None, "NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("case", ["keep", "upper", "lower"])
def test_joiners_of_devanagari_stay(form: str | None, case: str) -> None:
    """Joiners distinguish words."""
    text = f"र{ZWJ}\u094dयाल गर\u094d{ZWNJ}नु"
    result = TextRules(unicode_form=form, letter_case=case)(text)
    assert result == text
    assert TextRules(remove=ZWJ + ZWNJ)(text) == text.replace(ZWJ, "").replace(ZWNJ, "")


@given(
    st.text(),
    st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]),
    st.sampled_from(["keep", "upper", "lower"]),
)
def test_what_rules_give(text: str, form: str, case: str) -> None:
    result = TextRules(unicode_form=form, letter_case=case)(text)
    assert unicodedata.is_normalized(form, result)
    assert result.split(" ") == (result.split() or [""])
    if case == "keep":
        assert TextRules(unicode_form=form)(result) == result


def test_rules_as_data() -> None:
    rules = TextRules(unicode_form="NFKC", letter_case="upper", replace={"&": "AND"}, remove=".,")
    assert from_values(TextRules, json.loads(json.dumps(asdict(rules)))) == rules
    assert from_values(TextRules, {}) == TextRules()


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"unicode": "NFC"}, "unknown setting 'unicode'; did you mean unicode_form?"),
        ({"xyz": 1}, "unknown setting 'xyz'"),
        ({"unicode_form": "NFX"}, "unicode_form must be one of NFC, NFKC, NFD, NFKD, got 'NFX'"),
        ({"letter_case": "title"}, "letter_case must be one of keep, upper, lower, got 'title'"),
        ({"replace": ["a"]}, "replace must be a mapping"),
        ({"replace": {"": "a"}}, "replace must map text to text"),
        ({"replace": {"a": 1}}, "replace must map text to text"),
        ({"remove": ["."]}, "remove must be text"),
    ],
)
def test_faulty_rules(values: dict, complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        from_values(TextRules, values)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_vocabulary_is_in_code_point_order(tmp_path: Path) -> None:
    texts = ["नेपाल", "b a", f"गर\u094d{ZWNJ}नु", "", "a"]
    tokenizer = build_vocabulary(texts)
    letters = sorted({*"नेपाल", "b", "a", *f"गर\u094d{ZWNJ}नु"})
    assert list(tokenizer.tokens) == ["<pad>", "<s>", "</s>", "<unk>", "|", *letters]
    assert tokenizer.pad_token_id == 0
    assert tokenizer.word_delimiter_token_id == 4
    assert build_vocabulary(reversed(texts)).tokens == tokenizer.tokens
    tokenizer.save_pretrained(tmp_path)
    again = CTCTokenizer.from_pretrained(tmp_path)
    for text in texts:
        assert again.decode(again.encode(text), group_tokens=False) == text
    assert not unknown_characters(texts, again)


def test_vocabulary_that_cannot_be_built() -> None:
    for none in ([], ["", " "]):
        with pytest.raises(UserError, match="no text"):
            build_vocabulary(none)
    with pytest.raises(UserError, match=r"U\+007C VERTICAL LINE ×3, '<unk>' ×1"):
        build_vocabulary(["a|b||", "x <unk>"])


def test_unknown_characters_are_counted() -> None:
    tokenizer = build_vocabulary(["AB"])
    assert unknown_characters(["A B", "B।।", "a|<s>"], tokenizer) == {
        "।": 2,
        "a": 1,
        "|": 1,
        "<s>": 1,
    }
    assert unknown_characters(["A\nB"], tokenizer) == {"\n": 1}  # only the space is a delimiter


def test_unknown_characters_of_other_vocabularies() -> None:
    """Covers tokens of several letters, vocabularies of any case, and missing delimiters."""
    digraph = CTCTokenizer({"<pad>": 0, "<unk>": 1, "|": 2, "a": 3, "ch": 4, "c": 5})
    assert unknown_characters(["chac", "h cah"], digraph) == {"h": 2}
    assert digraph.encode("chac") == [4, 3, 5]
    upper = CTCTokenizer({"<pad>": 0, "<unk>": 1, "|": 2, "S": 3}, do_lower_case=True)
    assert unknown_characters(["sS ß x"], upper) == {"x": 1}
    assert upper.encode("ß") == [3, 3]
    bare = CTCTokenizer({"<pad>": 0, "<unk>": 1, "a": 2}, word_delimiter_token=None)
    assert unknown_characters(["a a"], bare) == {" ": 1}


@given(st.lists(st.text("AB|<s>x ", max_size=12), max_size=4))
def test_unknown_is_what_encoding_makes_unknown(texts: list[str]) -> None:
    """Characters are reported exactly if encoding has no letter's token for them."""
    tokenizer = build_vocabulary(["AB"])
    for text in texts:
        ids = tokenizer.encode(text)
        plain = all(index >= 4 for index in ids) and "|" not in text
        assert plain == (not unknown_characters([text], tokenizer))


def test_description() -> None:
    counts = Counter({"।": 12, "é": 3, "\x00": 1, "<s>": 3})
    assert describe(counts) == (
        "U+0964 DEVANAGARI DANDA ×12, '<s>' ×3, U+00E9 LATIN SMALL LETTER E WITH ACUTE ×3, "
        "U+0000 without a name ×1"
    )
    many = Counter({chr(0x4E00 + number): 1 for number in range(40)})
    assert describe(many).endswith("U+4E0B CJK UNIFIED IDEOGRAPH-4E0B ×1, and 28 more")
    assert describe(many, 40).count("×") == 40
