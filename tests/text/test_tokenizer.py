from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers import Wav2Vec2CTCTokenizer

from wav2vec2_tf.text.tokenizer import CTCTokenizer
from wav2vec2_tf.utils.errors import UserError

# id → token, as in facebook/wav2vec2-base-960h
LETTERS = ["<pad>", "<s>", "</s>", "<unk>", *"|ETAONIHSRDLUMWCFGYPBVK'XJQZ"]
PUBLISHED: dict[str, dict[str, Any]] = {
    "vocab.json": {token: index for index, token in enumerate(LETTERS)},
    "tokenizer_config.json": {
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "do_lower_case": False,
        "return_attention_mask": False,
        "do_normalize": True,
    },
    "special_tokens_map.json": {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
    },
}


def numbered(tokens: str) -> dict[str, int]:
    return {token: index for index, token in enumerate(tokens.split())}


FOLDERS: dict[str, dict[str, Any]] = {
    "published": PUBLISHED,
    "vocabulary alone": {"vocab.json": PUBLISHED["vocab.json"]},
    # as in fine-tuning recipes: other names, <s> and </s> added after the vocabulary
    "fine-tuned": {
        "vocab.json": numbered("a b c ä ' | [UNK] [PAD]"),
        "tokenizer_config.json": {
            "unk_token": "[UNK]",
            "pad_token": "[PAD]",
            "word_delimiter_token": "|",
            "tokenizer_class": "Wav2Vec2CTCTokenizer",
            "clean_up_tokenization_spaces": True,
        },
        "special_tokens_map.json": {
            "bos_token": "<s>",
            "unk_token": {"content": "[UNK]", "lstrip": False, "rstrip": False},
            "pad_token": "[PAD]",
        },
        "added_tokens.json": {"<s>": 8, "</s>": 9},
    },
    "nothing added": {
        "vocab.json": numbered("[PAD] a b c | [UNK]"),
        "tokenizer_config.json": {"unk_token": "[UNK]", "pad_token": "[PAD]"},
    },
    "newer form": {
        "vocab.json": numbered("<pad> a b c | <unk>"),
        "tokenizer_config.json": {
            "added_tokens_decoder": {
                "6": {"content": "<s>", "lstrip": True, "rstrip": False, "special": True},
                "7": {"content": "</s>", "lstrip": False, "rstrip": True, "special": True},
                "8": {"content": "<laugh>", "lstrip": False, "rstrip": False, "special": False},
            },
            "mask_token": "<mask>",
            "extra_special_tokens": ["<music>"],
        },
    },
    "folded to upper case": {
        "vocab.json": numbered("<pad> <s> </s> <unk> | A B C S"),
        "tokenizer_config.json": {"do_lower_case": True},
    },
    "long tokens": {
        "vocab.json": numbered("<pad> <s> </s> <unk> | a tʃ dʒ oʊ t d o n̩"),
        "tokenizer_config.json": {"replace_word_delimiter_char": "_"},
    },
    "no words": {"vocab.json": numbered("<pad> <unk> 你 好 们")},
}


def write(folder: Path, files: Mapping[str, Any]) -> Path:
    for name, contents in files.items():
        text = contents if isinstance(contents, str) else json.dumps(contents)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


class Pair(NamedTuple):
    ours: CTCTokenizer
    theirs: Wav2Vec2CTCTokenizer


@cache
def pair(name: str) -> Pair:
    with TemporaryDirectory() as folder:
        write(Path(folder), FOLDERS[name])
        return Pair(
            CTCTokenizer.from_pretrained(folder), Wav2Vec2CTCTokenizer.from_pretrained(folder)
        )


@pytest.fixture
def letters() -> CTCTokenizer:
    return pair("published").ours


def ids_of(tokenizer: CTCTokenizer, tokens: str) -> list[int]:
    """Returns the token id of each character; "_" is the blank."""
    return [tokenizer.tokens.index("<pad>" if token == "_" else token) for token in tokens]


# By hand


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ("", ""),
        ("____", ""),
        ("CAT", "CAT"),
        ("_CC_AAA_T", "CAT"),
        ("A_A|B", "AA B"),
        ("AA|B", "A B"),
        ("|A||_|B|", "A  B"),
        ("___|_|__", ""),
        ("T_T_T|TTT", "TTT T"),
    ],
)
@pytest.mark.parametrize("skip", [True, False])
def test_decode(letters: CTCTokenizer, frames: str, text: str, skip: bool) -> None:
    assert letters.decode(ids_of(letters, frames), skip_special_tokens=skip) == text


def test_decode_keeps_or_skips_special_tokens(letters: CTCTokenizer) -> None:
    ids = [1, 1, 7, 3, 7, 4, 0, 24, 2]  # <s> <s> A <unk> A | <pad> B </s>
    assert letters.decode(ids) == "<s>A<unk>A B</s>"
    assert letters.decode(ids, skip_special_tokens=True) == "AA B"


def test_labels_are_decoded_without_collapsing(letters: CTCTokenizer) -> None:
    ids = letters.encode("HELLO BOOK")
    assert letters.decode(ids, group_tokens=False) == "HELLO BOOK"
    assert letters.decode(ids) == "HELO BOK"
    assert letters.batch_decode([ids, []], group_tokens=False) == ["HELLO BOOK", ""]


def test_every_form_of_ids(letters: CTCTokenizer) -> None:
    import tensorflow as tf

    ids = [19, 19, 0, 7, 6]
    forms = [ids, tuple(ids), np.array(ids), np.array(ids, np.uint8), tf.constant(ids, tf.int64)]
    assert [letters.decode(form) for form in forms] == ["CAT"] * len(forms)
    batches = [[ids, [7]], (np.array(ids), [7]), tf.ragged.constant([ids, [7]])]
    assert [letters.batch_decode(batch) for batch in batches] == [["CAT", "A"]] * 3
    assert letters.batch_decode(np.array([ids, ids])) == ["CAT", "CAT"]
    assert letters.batch_decode(tf.constant([ids])) == ["CAT"]
    assert letters.decode(np.zeros(0)) == ""


def test_ids_beyond_the_vocabulary_are_unknown(letters: CTCTokenizer) -> None:
    assert letters.decode([7, 32, 999, -100, 7]) == "A<unk>A"


@pytest.mark.parametrize("ids", [[[7, 7]], [[7], [7, 7]], np.zeros((2, 3), int)])
def test_decode_refuses_a_batch(letters: CTCTokenizer, ids: Any) -> None:
    with pytest.raises(UserError, match="batch_decode"):
        letters.decode(ids)


@pytest.mark.parametrize("ids", [[0.5, 2.0], ["A"], [None], [True]])
def test_decode_refuses_invalid_ids(letters: CTCTokenizer, ids: Any) -> None:
    with pytest.raises(UserError, match="ids must be integers"):
        letters.decode(ids)


def test_offsets(letters: CTCTokenizer) -> None:
    ids = ids_of(letters, "||AA_A|||_BB_")
    assert letters.word_offsets(ids) == [
        {"word": "AA", "start_offset": 2, "end_offset": 6},
        {"word": "B", "start_offset": 10, "end_offset": 12},
    ]
    assert [tuple(offset.values()) for offset in letters.char_offsets(ids)] == [
        (" ", 0, 2),
        ("A", 2, 4),
        ("A", 5, 6),
        (" ", 6, 9),
        ("B", 10, 12),
    ]
    assert letters.word_offsets([]) == letters.word_offsets([0, 4, 0]) == []
    with_start = [1, *ids_of(letters, "A")]
    assert letters.word_offsets(with_start)[0]["word"] == "<s>A"
    assert letters.word_offsets(with_start, skip_special_tokens=True) == [
        {"word": "A", "start_offset": 1, "end_offset": 2}
    ]


def test_attributes(letters: CTCTokenizer) -> None:
    assert letters.tokens == tuple(LETTERS)
    assert (letters.vocab_size, len(letters)) == (32, 32)
    assert (letters.pad_token_id, letters.unk_token_id, letters.word_delimiter_token_id) == (
        0,
        3,
        4,
    )
    fine_tuned = pair("fine-tuned").ours
    assert fine_tuned.tokens == ("a", "b", "c", "ä", "'", "|", "[UNK]", "[PAD]", "<s>", "</s>")
    assert (fine_tuned.pad_token_id, fine_tuned.unk_token_id) == (7, 6)
    assert pair("nothing added").ours.tokens[6:] == ("<s>", "</s>")
    assert pair("no words").ours.tokens[5:] == ("<s>", "</s>", "|")


# Against transformers


@pytest.mark.parametrize("name", FOLDERS)
def test_attributes_equal_transformers(name: str) -> None:
    ours, theirs = pair(name)
    assert ours.vocab_size == theirs.vocab_size
    assert len(ours) == len(theirs)
    assert {token: index for index, token in enumerate(ours.tokens)} == theirs.get_vocab()
    for attribute in ["pad_token_id", "unk_token_id", "word_delimiter_token_id", "do_lower_case"]:
        assert getattr(ours, attribute) == getattr(theirs, attribute)


# Runs of ids to collapse, some beyond the vocabulary and some below 0.
frames = st.lists(st.tuples(st.integers(-2, 24), st.integers(1, 3)), max_size=30).map(
    lambda runs: [index for index, length in runs for _ in range(length)]
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(FOLDERS)), frames)
def test_decode_equals_transformers(name: str, ids: list[int]) -> None:
    ours, theirs = pair(name)
    wanted: Any = theirs.decode(ids, output_word_offsets=True, output_char_offsets=True)
    assert ours.decode(ids) == wanted.text == theirs.decode(ids)
    assert ours.word_offsets(ids) == wanted.word_offsets
    assert ours.char_offsets(ids) == wanted.char_offsets
    assert ours.decode(ids, group_tokens=False) == theirs.decode(ids, group_tokens=False)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(FOLDERS)), st.sets(st.integers(0, 24), max_size=20))
def test_skipping_equals_transformers_where_nothing_repeats(name: str, ids: set[int]) -> None:
    ours, theirs = pair(name)
    assume(ours.unk_token_id in ids or max(ids, default=0) < len(ours))  # <unk> may repeat
    in_order = sorted(ids, key=lambda index: index * 7 % 25)
    assert ours.decode(in_order, skip_special_tokens=True) == theirs.decode(
        in_order, skip_special_tokens=True
    )


pieces = st.sampled_from(
    [
        *"abcABCsß' |_\t\u00a0ä你好é1",
        "<s>",
        "</s>",
        "<pad>",
        "[UNK]",
        "<unk>",
        "<laugh>",
        "<music>",
        "<mask>",
        "tʃ",
        "dʒ",
        "oʊ",
        "n̩",
        "<",
        "s>",
        "  ",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(FOLDERS)), st.lists(pieces, max_size=12).map("".join))
def test_encode_equals_transformers(name: str, text: str) -> None:
    ours, theirs = pair(name)
    assert ours.encode(text) == theirs(text).input_ids


@settings(max_examples=100, deadline=None)
@given(
    st.text("ABCTZ' ", max_size=20),
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2)), min_size=20, max_size=20),
)
def test_text_survives_the_frames_of_ctc(text: str, lengths: list[tuple[int, int]]) -> None:
    letters = pair("published").ours
    ids = letters.encode(text)
    path = []
    for index, (repeats, blanks) in zip(ids, lengths, strict=False):
        path += [index] * repeats + [letters.pad_token_id] * blanks
    assert letters.decode(path) == letters.decode(path, skip_special_tokens=True) == text.strip()
    assert letters.decode(ids, group_tokens=False) == text.strip()
    assert [word["word"] for word in letters.word_offsets(path)] == text.split()


def test_lower_case_is_folded_to_the_vocabulary_and_back() -> None:
    folded = pair("folded to upper case").ours
    ids = folded.encode("Cab ß")
    assert [folded.tokens[index] for index in ids] == ["C", "A", "B", "|", "S", "S"]
    assert folded.decode(ids, group_tokens=False) == "cab ss"
    assert folded.word_offsets(ids)[0]["word"] == "CAB"  # as transformers gives it


def test_spaces_are_cleaned_up_if_the_config_asks() -> None:
    vocabulary = numbered("<pad> | i t ' s n o , . <unk>")
    text = "it 's not , it is n't ."
    for asked, wanted in [(True, "it's not, it isn't."), (False, text)]:
        tokenizer = CTCTokenizer(vocabulary, clean_up_tokenization_spaces=asked)
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids, group_tokens=False) == wanted


# Where transformers 5.23 loses tokens


def test_double_letters_survive_skipping(letters: CTCTokenizer) -> None:
    ids = ids_of(letters, "A_A|B")
    assert pair("published").theirs.decode(ids, skip_special_tokens=True) == "A B"
    assert letters.decode(ids, skip_special_tokens=True) == "AA B"


def test_another_word_delimiter_counts(tmp_path: Path) -> None:
    files = {
        "vocab.json": numbered("<pad> _ a b <unk>"),
        "tokenizer_config.json": {"word_delimiter_token": "_"},
    }
    write(tmp_path, files)
    ours = CTCTokenizer.from_pretrained(tmp_path)
    theirs = Wav2Vec2CTCTokenizer(str(tmp_path / "vocab.json"), word_delimiter_token="_")
    assert Wav2Vec2CTCTokenizer.from_pretrained(tmp_path).word_delimiter_token == "|"
    assert ours.encode("a b") == theirs("a b").input_ids == [2, 1, 3]
    assert ours.decode([2, 1, 3]) == theirs.decode([2, 1, 3]) == "a b"
    ours.save_pretrained(tmp_path / "saved")
    assert CTCTokenizer.from_pretrained(tmp_path / "saved").word_delimiter_token_id == 1


def test_an_unknown_token_outside_the_vocabulary_is_used() -> None:
    tokenizer = CTCTokenizer(numbered("<pad> | a"))
    assert tokenizer.encode("az") == [2, tokenizer.unk_token_id]
    silent = CTCTokenizer(numbered("<pad> | a"), unk_token=None)
    with pytest.raises(UserError, match="'z' is not in the vocabulary"):
        silent.encode("az")
    with pytest.raises(UserError, match="ids must be below"):
        silent.decode([99])


def test_without_a_word_delimiter_a_space_is_a_character() -> None:
    tokenizer = CTCTokenizer({"<pad>": 0, " ": 1, "a": 2}, word_delimiter_token=None)
    assert tokenizer.word_delimiter_token_id is None
    assert tokenizer.encode("a a") == [2, 1, 2]
    assert tokenizer.decode([2, 1, 2]) == "a a"


# Files


@pytest.mark.parametrize("name", FOLDERS)
def test_saved_files_go_to_transformers_and_back(tmp_path: Path, name: str) -> None:
    ours, theirs = pair(name)
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    reloaded = Wav2Vec2CTCTokenizer.from_pretrained(tmp_path / "ours")
    reloaded.save_pretrained(tmp_path / "again")
    assert reloaded.get_vocab() == theirs.get_vocab()
    assert set(reloaded.all_special_tokens) == set(theirs.all_special_tokens)
    text, ids = " AB<s> b ä<laugh> a<music> tʃ", [1, 2, 0, 2, 5, 5, 4, 6, 7, 8, 9]
    assert reloaded(text).input_ids == theirs(text).input_ids
    assert reloaded.decode(ids) == theirs.decode(ids)
    for folder in ["ours", "theirs", "again"]:
        back = CTCTokenizer.from_pretrained(tmp_path / folder)
        assert vars(back) == vars(ours) | {"extra_special_tokens": back.extra_special_tokens}
        assert set(back.extra_special_tokens) == set(ours.extra_special_tokens)


def test_saving_over_another_tokenizer_leaves_nothing_of_it(tmp_path: Path) -> None:
    pair("fine-tuned").ours.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "added_tokens.json").read_text(encoding="utf-8")) == {
        "<s>": 8,
        "</s>": 9,
    }
    letters = pair("published").ours
    letters.save_pretrained(tmp_path)
    assert vars(CTCTokenizer.from_pretrained(tmp_path)) == vars(letters)
    assert len(Wav2Vec2CTCTokenizer.from_pretrained(tmp_path)) == 32
    assert {path.name for path in tmp_path.iterdir()} == {"vocab.json", "tokenizer_config.json"}


def test_special_tokens_repeated_by_older_recipes_are_harmless(tmp_path: Path) -> None:
    start = {"content": "<s>", "lstrip": False, "rstrip": False, "normalized": True}
    special = {**PUBLISHED["special_tokens_map.json"], "additional_special_tokens": [start] * 9}
    write(tmp_path, PUBLISHED | {"special_tokens_map.json": special})
    tokenizer = CTCTokenizer.from_pretrained(tmp_path)
    assert tokenizer.tokens == tuple(LETTERS)
    assert tokenizer.decode([1, 7], skip_special_tokens=True) == "A"


NESTED: dict[str, dict[str, Any]] = {
    "vocab.json": {
        "eng": numbered("<pad> <s> </s> <unk> | a b"),
        "fra": numbered("<pad> <s> </s> <unk> | b é a ɡʷ ch"),
    },
    "tokenizer_config.json": {"target_lang": None},
}


@pytest.mark.parametrize("language", ["eng", "fra"])
def test_a_vocabulary_a_language(tmp_path: Path, language: str) -> None:
    write(tmp_path, NESTED)
    ours = CTCTokenizer.from_pretrained(tmp_path, target_lang=language)
    theirs = Wav2Vec2CTCTokenizer.from_pretrained(tmp_path, target_lang=language)
    assert ours.languages == ("eng", "fra")
    assert ours.target_lang == theirs.target_lang == language
    assert_equal(ours, theirs)
    # saved by either, read by either
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    for folder in ("ours", "theirs"):
        saved = json.loads((tmp_path / folder / "vocab.json").read_text(encoding="utf-8"))
        assert saved == NESTED["vocab.json"]
        config = json.loads(
            (tmp_path / folder / "tokenizer_config.json").read_text(encoding="utf-8")
        )
        assert config["target_lang"] == language
        assert vars(CTCTokenizer.from_pretrained(tmp_path / folder)) == vars(ours)
        again = Wav2Vec2CTCTokenizer.from_pretrained(tmp_path / folder)
        assert again.target_lang == language
        assert_equal(ours, again)
        other = {"eng": "fra", "fra": "eng"}[language]
        changed = CTCTokenizer.from_pretrained(tmp_path / folder, target_lang=other)
        assert vars(changed) == vars(CTCTokenizer.from_pretrained(tmp_path, target_lang=other))
    # from its own files transformers would keep the first language's tokens
    assert_equal(
        CTCTokenizer.from_pretrained(tmp_path, target_lang=other),
        Wav2Vec2CTCTokenizer.from_pretrained(tmp_path / "ours", target_lang=other),
    )


def assert_equal(ours: CTCTokenizer, theirs: Wav2Vec2CTCTokenizer) -> None:
    assert ours.vocab_size == theirs.vocab_size
    assert {token: index for index, token in enumerate(ours.tokens)} == theirs.get_vocab()
    for text in ("ab é", "a<s>b chat ɡʷa", ""):
        assert ours.encode(text) == theirs(text).input_ids
    ids = list(range(12))
    assert ours.decode(ids) == theirs.decode(ids)
    assert ours.word_offsets(ids) == theirs.decode(ids, output_word_offsets=True).word_offsets


def test_the_language_can_be_changed(tmp_path: Path) -> None:
    write(tmp_path, NESTED)
    ours = CTCTokenizer.from_pretrained(tmp_path, target_lang="eng")
    theirs = Wav2Vec2CTCTokenizer.from_pretrained(tmp_path, target_lang="eng")
    english = dict(vars(ours))
    for language in ("fra", "eng", "fra"):
        ours.set_target_lang(language)
        theirs.set_target_lang(language)
        assert (ours.target_lang, theirs.target_lang) == (language, language)
        assert ours.vocab_size == theirs.vocab_size
        for text in ("ab é", "<s>ba"):
            assert ours.encode(text) == theirs(text).input_ids
        ids = list(range(len(ours)))
        assert ours.decode(ids) == theirs.decode(ids)
        assert vars(ours) == vars(CTCTokenizer.from_pretrained(tmp_path, target_lang=language))
    ours.set_target_lang("eng")
    assert vars(ours) == english


def test_an_invalid_change_changes_nothing(tmp_path: Path) -> None:
    broken = {"": 0, "x": 2}
    write(tmp_path, NESTED | {"vocab.json": {**NESTED["vocab.json"], "deu": broken}})
    tokenizer = CTCTokenizer.from_pretrained(tmp_path, target_lang="eng")
    before = dict(vars(tokenizer))
    with pytest.raises(UserError, match="'fr' is not among them; pass target_lang=, as 'fra'"):
        tokenizer.set_target_lang("fr")
    with pytest.raises(UserError, match="no token has id 1"):
        tokenizer.set_target_lang("deu")
    with pytest.raises(UserError, match="languages, and none is chosen"):
        tokenizer.set_target_lang(None)
    assert vars(tokenizer) == before
    single = CTCTokenizer(PUBLISHED["vocab.json"])
    assert (single.languages, single.target_lang) == ((), None)
    with pytest.raises(UserError, match="no language can be chosen"):
        single.set_target_lang("eng")


def test_a_thousand_languages_are_not_listed(tmp_path: Path) -> None:
    languages = {f"l{index:03}": {"<pad>": 0} for index in range(1000)} | {"zul": {"<pad>": 0}}
    with pytest.raises(UserError, match=r"of 1001 languages, and 'zu' .*, as 'zul'") as raised:
        CTCTokenizer(languages, target_lang="zu")
    assert len(str(raised.value)) < 200


def test_the_language_of_the_config_is_the_default(tmp_path: Path) -> None:
    write(tmp_path, NESTED | {"tokenizer_config.json": {"target_lang": "fra"}})
    assert CTCTokenizer.from_pretrained(tmp_path).tokens[6] == "é"
    assert CTCTokenizer.from_pretrained(tmp_path, target_lang="eng").tokens[6] == "b"


def test_a_language_must_be_chosen_and_known(tmp_path: Path) -> None:
    write(tmp_path, NESTED)
    with pytest.raises(
        UserError, match=r"vocab\.json .*2 languages.*target_lang=, as 'eng', 'fra'"
    ):
        CTCTokenizer.from_pretrained(tmp_path)
    with pytest.raises(UserError, match="'fr' is not among them; pass target_lang=, as 'fra'"):
        CTCTokenizer.from_pretrained(tmp_path, target_lang="fr")
    write(tmp_path, PUBLISHED)
    with pytest.raises(UserError, match="target_lang must not be given"):
        CTCTokenizer.from_pretrained(tmp_path, target_lang="fra")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"vocab.json": "{"}, "not readable as JSON"),
        ({"vocab.json": "[" * 100_000}, "not readable as JSON"),
        ({"vocab.json": '{"a": ' + "9" * 5000 + "}"}, "not readable as JSON"),
        ({"vocab.json": "[]"}, "a JSON object is wanted"),
        ({"vocab.json": {}}, "the vocabulary is empty"),
        ({"vocab.json": {"a": "0"}}, "the id of 'a' must be an integer, got '0'"),
        ({"vocab.json": {"a": True}}, "the id of 'a' must be an integer, got True"),
        ({"vocab.json": {"a": 0.0}}, r"must be an integer, got 0\.0"),
        ({"vocab.json": {"a": 0, "b": 0}}, "'a' and 'b' both have id 0"),
        ({"vocab.json": {"a": 0, "b": 2}}, "no token has id 1"),
        ({"vocab.json": {"a": -1, "b": 0}}, "the id of 'a' must not be negative, got -1"),
        ({"vocab.json": {"a": 0, "b": 10**30}}, "no token has id 1"),
        ({"vocab.json": '{"\\ud800": 0}'}, "half of a surrogate pair"),
        ({"vocab.json": {"a": {"b": 0}}}, "pass target_lang="),
        ({"vocab.json": {"a": {"b": 0}, "c": 1}}, "must map either tokens to ids, or languages"),
        ({"tokenizer_config.json": "nonsense"}, r"tokenizer_config\.json: not readable"),
        ({"tokenizer_config.json": {"tokenizer_class": "BertTokenizer"}}, "'BertTokenizer'"),
        ({"tokenizer_config.json": {"tokenizer_class": ["x"]}}, "tokenizer_class"),
        ({"tokenizer_config.json": {"pad_token": None}}, "it is the blank"),
        ({"tokenizer_config.json": {"pad_token": 3}}, "a token must be text, got 3"),
        ({"tokenizer_config.json": {"unk_token": {"content": 3}}}, "a token must be text, got"),
        (
            {"tokenizer_config.json": {"do_lower_case": "no"}},
            "do_lower_case must be a bool, got 'no'",
        ),
        ({"tokenizer_config.json": {"replace_word_delimiter_char": 1}}, "must be a str, got 1"),
        ({"tokenizer_config.json": {"extra_special_tokens": "x"}}, "must be a list"),
        ({"tokenizer_config.json": {"extra_special_tokens": [1]}}, "a token must be text, got 1"),
        ({"tokenizer_config.json": {"model_specific_special_tokens": 1}}, "must be an object"),
        ({"tokenizer_config.json": {"added_tokens_decoder": [1]}}, "must be an object"),
        ({"tokenizer_config.json": {"added_tokens_decoder": {"x": {}}}}, "'x'"),
        ({"tokenizer_config.json": {"added_tokens_decoder": {"40": 1}}}, "'40'"),
        (
            {"tokenizer_config.json": {"added_tokens_decoder": {"40": {"content": "x"}}}},
            "no token has id",
        ),
        (
            {"tokenizer_config.json": {"added_tokens_decoder": {"7": {"content": "x"}}}},
            "'A' and 'x' both have id 7",
        ),
        (
            {"tokenizer_config.json": {"added_tokens_decoder": {"32": {"content": "A"}}}},
            "'A' has two ids",
        ),
        (
            {
                "tokenizer_config.json": {
                    "added_tokens_decoder": {"32": {"content": "x", "single_word": True}}
                }
            },
            "single_word",
        ),
        ({"special_tokens_map.json": []}, r"special_tokens_map\.json: a JSON object"),
        ({"added_tokens.json": {"x": "y"}}, "ids must be integers, got 'y'"),
        ({"added_tokens.json": {"x": [1]}}, "ids must be integers, got"),
        ({"added_tokens.json": {"x": 32, "y": 32}}, "one id to two tokens"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    write(tmp_path, PUBLISHED | {"special_tokens_map.json": {}} | files)
    with pytest.raises(UserError, match=message) as raised:
        CTCTokenizer.from_pretrained(tmp_path)
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_config_without_a_vocabulary_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"tokenizer_config.json": {}})
    with pytest.raises(UserError, match=r"vocab\.json: no such file"):
        CTCTokenizer.from_pretrained(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
names = st.sampled_from(["pad_token", "unk_token", "do_lower_case", "added_tokens_decoder"]) | (
    st.sampled_from(["extra_special_tokens", "tokenizer_class", "target_lang", "x_token", "<pad>"])
)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([*sorted(PUBLISHED), "added_tokens.json"]),
    json_values | st.dictionaries(names, json_values),
)
def test_any_json_makes_a_tokenizer_or_an_error(name: str, contents: Any) -> None:
    with TemporaryDirectory() as folder:
        write(Path(folder), PUBLISHED | {name: contents})
        try:
            tokenizer = CTCTokenizer.from_pretrained(folder)
        except UserError:
            return
        assert tokenizer.decode([tokenizer.pad_token_id]) == ""
