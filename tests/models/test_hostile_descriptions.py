"""The text files that describe a model, from strangers: one line, in little time and memory."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convert.__main__ import main as convert
from tests.support.reference import write_tokenizer
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.export.provenance import Provenance, description_of, licence_of
from wav2vec2_tf.models.config_checks import MAX_DEPTH, MAX_EXTRA
from wav2vec2_tf.models.feature_extractor import feature_extractor
from wav2vec2_tf.models.pretrained import read_config, write_config
from wav2vec2_tf.text.ctc import Alphabet
from wav2vec2_tf.text.lexicon import read_lexicon
from wav2vec2_tf.text.tokenizer import CTCTokenizer
from wav2vec2_tf.text.vocabulary_checks import LONGEST_TOKEN
from wav2vec2_tf.utils import files
from wav2vec2_tf.utils.errors import UserError, brief

SECONDS = 2.0
"""Time of this process that a file may cost: fifty times what it does."""
CONFIG = {"model_type": "wav2vec2"}
VOCABULARY = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4}


def within_time(read: Callable[[], Any]) -> Any:
    start = time.process_time()
    result = read()
    assert time.process_time() - start < SECONDS
    return result


def refused(read: Callable[[], Any]) -> str:
    def message() -> str:
        with pytest.raises(UserError) as caught:
            read()
        return str(caught.value)

    shown = within_time(message)
    assert "\n" not in shown and len(shown) < 1000 and shown.isprintable()
    return shown


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


CONFIGS: dict[str, tuple[str, str]] = {
    "a megabyte of unknown fields": (
        json.dumps(CONFIG | {f"hidden_sizes_of_layer_{i}": i for i in range(35_000)}),
        f"must have at most {MAX_EXTRA} other fields, got 35000",
    ),
    "nested 200,000 deep": ('{"x": ' + nested(200_000) + "}", "not readable as JSON"),
    # read, but too deep to be written or compared from inside a program
    "nested 900 deep": ('{"model_type": "wav2vec2", "x": ' + nested(900) + "}", "nest at most 32"),
    "a number of a million digits": (
        '{"hidden_size": ' + "9" * 10**6 + "}",
        "not readable as JSON",
    ),
    "a number of 4,000 digits": (
        '{"model_type": "wav2vec2", "hidden_size": ' + "9" * 4000 + "}",
        "hidden_size must be at most",
    ),
    "a float beyond its range": (
        '{"model_type": "wav2vec2", "layer_norm_eps": 1' + "0" * 400 + "}",
        "too large for a float64",
    ),
    "infinity": ('{"model_type": "wav2vec2", "layer_norm_eps": 1e999}', "must be finite, got inf"),
    "NaN": ('{"model_type": "wav2vec2", "initializer_range": NaN}', "must be finite, got nan"),
    "a long value": (json.dumps(CONFIG | {"hidden_act": "x" * 10**6}), "hidden_act 'xxx"),
    "a long kind": (json.dumps({"model_type": "x" * 10**6}), "is unknown; known: wav2vec2"),
    "a kind nested 900 deep": ('{"model_type": ' + nested(900) + "}", "is unknown; known"),
    "a kind that is a list": (json.dumps({"model_type": ["x"] * 10**5}), "is unknown; known"),
    "line breaks": (json.dumps(CONFIG | {"hidden_act": "\n\r\u2028\x1b[31m"}), "hidden_act"),
    "half a surrogate pair": (json.dumps(CONFIG | {"hidden_act": "\ud800"}), "'\\ud800'"),
    "labels without end": (
        json.dumps(CONFIG | {"id2label": {str(i): "" for i in range(300_000)}}),
        "num_labels must be at most",
    ),
    "architectures": (json.dumps(CONFIG | {"architectures": [{}] * 10**5}), "architectures must"),
    "a list of a million": (json.dumps(CONFIG | {"conv_dim": [1] * 10**6}), "200 layers"),
    "a misspelled field": (
        json.dumps(CONFIG | {"hidden_sizes": 3}),
        "'hidden_sizes' is not a field",
    ),
    "no object": ("[]", "a JSON object is wanted"),
    "UTF-16": (json.dumps(CONFIG).encode("utf-16").decode("latin-1"), "not readable as JSON"),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_configs(tmp_path: Path, kind: str) -> None:
    content, message = CONFIGS[kind]
    (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    shown = refused(lambda: read_config(tmp_path))
    assert message in shown and str(tmp_path) in shown


def test_unknown_fields_within_reason_are_kept(tmp_path: Path) -> None:
    more: dict[str, Any] = {f"field_{i}": {"a": [i]} for i in range(MAX_EXTRA)}
    more["field_0"] = json.loads(nested(MAX_DEPTH - 1))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | more))
    config = within_time(lambda: read_config(tmp_path))
    write_config(tmp_path, config)
    assert read_config(tmp_path).extra == config.extra == more


def test_json_has_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_JSON_BYTES", 100)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG) + " " * 100)
    assert "must have at most 100 bytes" in refused(lambda: read_config(tmp_path))


TOKENIZERS: dict[str, tuple[str, Any, str]] = {
    "a long token": (
        "vocab.json",
        VOCABULARY | {"a" * 10**6: 5},
        f"at most {LONGEST_TOKEN} characters, got 1000000",
    ),
    "every beginning of a long token": (
        "vocab.json",
        VOCABULARY | {"a" * i: i + 4 for i in range(1, 2000)},
        f"at most {LONGEST_TOKEN} characters",
    ),
    "an id beyond all": ("vocab.json", {"<pad>": 10**4000}, "no token has id 0"),
    "more tokens than a head has": (
        "vocab.json",
        {str(i): i for i in range(2**18 + 1)},
        "at most 262144 tokens",
    ),
    "ids that are lists": ("vocab.json", {"<pad>": [1] * 10**5}, "must be an integer, got"),
    "another class": (
        "tokenizer_config.json",
        {"tokenizer_class": "x" * 10**6},
        "tokenizer_class 'xxx",
    ),
    "a class that is a list": ("tokenizer_config.json", {"tokenizer_class": [[]]}, "[[]] is not"),
    "a token inside a token": (
        "tokenizer_config.json",
        {"pad_token": {"content": {"content": "x" * 10**6}}},
        "a token must be text",
    ),
    "a token with half a pair": ("tokenizer_config.json", {"pad_token": "\ud800"}, "surrogate"),
    "a switch": ("tokenizer_config.json", {"do_lower_case": "x" * 10**6}, "must be a bool"),
    "added tokens": (
        "tokenizer_config.json",
        {"added_tokens_decoder": {"x" * 10**6: 1}},
        "map ids",
    ),
    "extra tokens": ("tokenizer_config.json", {"extra_special_tokens": 1}, "must be a list"),
}


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_tokenizers(tmp_path: Path, kind: str) -> None:
    write_tokenizer(tmp_path)
    name, content, message = TOKENIZERS[kind]
    (tmp_path / name).write_text(json.dumps(content))
    shown = refused(lambda: CTCTokenizer.from_pretrained(tmp_path))
    assert message in shown and str(tmp_path) in shown


def test_a_large_vocabulary_takes_little_time(tmp_path: Path) -> None:
    """A regular expression of all tokens took a second a megabyte to compile."""
    beginnings = {"a" * length: 3 + length for length in range(2, LONGEST_TOKEN)}
    ids = VOCABULARY | beginnings | {f"t{i}": 503 + i for i in range(20_000)}
    (tmp_path / "vocab.json").write_text(json.dumps(ids))
    tokenizer = within_time(lambda: CTCTokenizer.from_pretrained(tmp_path))
    assert tokenizer.encode("a" * 700 + "t19999 t7") == [502, 204, 20502, 510]
    text = "a" * 2000 + "b" * 2000
    assert within_time(lambda: tokenizer.speller.unknown([text])) == {"b": 2000}


PREPROCESSORS = {
    "an integer beyond floats": '{"padding_value": 1' + "0" * 400 + "}",
    "infinity": '{"padding_value": -Infinity}',
    "a rate beyond all": '{"sampling_rate": 1' + "0" * 4000 + "}",
    "a long value": json.dumps({"padding_side": "x" * 10**6}),
    "another class": json.dumps({"feature_extractor_type": ["x" * 10**6]}),
    "nested deep": '{"x": ' + nested(100_000) + "}",
}


@pytest.mark.parametrize("kind", PREPROCESSORS)
def test_preprocessors(tmp_path: Path, kind: str) -> None:
    (tmp_path / "preprocessor_config.json").write_text(PREPROCESSORS[kind])
    assert "preprocessor_config.json" in refused(lambda: feature_extractor(tmp_path))


# model cards

CARDS: dict[str, tuple[str, str, str]] = {
    "16,000 line ends": ("---" + "\n" * 16_000, "unknown", "---"),
    "a million line ends": ("---\n" + "\n" * 10**6, "unknown", "---"),
    "front matter that never ends": ("---\n" + "license:  \n" * 10**5, "unknown", "---"),
    "fences": ("---\n" * 10**5, "unknown", "---"),
    "spaces": ("---" + " " * 10**6 + "\nlicense: mit\n---\nText", "mit", "Text"),
    "a licence on the next line": ("---\nlicense:\ntags: x\n---\nText", "unknown", "Text"),
    "a licence in quotes": (
        '---\nlicense: "cc-by-4.0"\n---\n\n# Title\n\nText\n',
        "cc-by-4.0",
        "Text",
    ),
    "a long licence": ("---\nlicense: " + "x" * 10**5 + "\n---\nText", "x" * 100, "Text"),
    "Windows line ends": ("---\r\nlicense: mit\r\n---\r\n\r\nText\r\n", "mit", "Text"),
    "a long text": ("x" * 10**7, "unknown", "x" * 1000),
    "nothing": ("", "unknown", ""),
}


@pytest.mark.parametrize("kind", CARDS)
def test_model_cards(tmp_path: Path, kind: str) -> None:
    content, licence, description = CARDS[kind]
    (tmp_path / "README.md").write_bytes(content.encode())
    assert within_time(lambda: licence_of(tmp_path)) == licence
    assert within_time(lambda: description_of(tmp_path)).startswith(description)
    assert len(description_of(tmp_path)) <= 1000


@pytest.mark.parametrize(
    "content",
    [
        '{"sha256": {"a": ["b"]}, "seeded": [["x"]], "source": {}}',
        '{"sha256": 1}',
        '{"source": ' + nested(900) + ', "seeded": [' + nested(900) + "]}",
    ],
)
def test_provenance(tmp_path: Path, content: str) -> None:
    (tmp_path / "provenance.json").write_text(content)
    record = Provenance.load(tmp_path)
    record.save(tmp_path)
    assert Provenance.load(tmp_path) == record


def test_the_program_takes_a_hostile_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "model"
    shutil.copytree(BUNDLED_MODEL, source)
    (source / "README.md").write_text("---" + "\n" * 16_000)
    assert within_time(lambda: convert(["torch", str(source), str(tmp_path / "out")])) == 0
    (source / "config.json").write_text(CONFIGS["a megabyte of unknown fields"][0])
    capsys.readouterr()
    assert convert(["torch", str(source), str(tmp_path / "other")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


def test_a_lexicon_of_one_word(tmp_path: Path) -> None:
    """Spellings that a word had were compared one by one."""
    alphabet = Alphabet(("<pad>", "|", *"ABCDEFGHIJ"), 0, 1)
    spellings = [f"{number:05}" for number in range(60_000)]
    lines = (" ".join(["WORD", *("ABCDEFGHIJ"[int(d)] for d in digits)]) for digits in spellings)
    (tmp_path / "lexicon.txt").write_text("\n".join([*lines, "WORD A A A A A"]))
    found = within_time(lambda: read_lexicon(tmp_path / "lexicon.txt", alphabet))
    assert len(found["WORD"]) == 60_000
    assert found["WORD"][:2] == [(2, 2, 2, 2, 2), (2, 2, 2, 2, 3)]


def test_a_lexicon_of_long_words(tmp_path: Path) -> None:
    (tmp_path / "lexicon.txt").write_text("X" * 10**6)
    alphabet = Alphabet(("<pad>", "|", "A"), 0, 1)
    assert "can spell (such as 'XXX" in refused(
        lambda: read_lexicon(tmp_path / "lexicon.txt", alphabet)
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("é", "'é'"),
        ("a\nb", "'a\\nb'"),
        (None, "None"),
        ([1, [2, [3, [4]]]], "[1, [2, [3, [...]]]]"),
        (-1, "-1"),
    ],
)
def test_values_in_messages(value: Any, shown: str) -> None:
    assert brief(value) == shown


def test_long_values_in_messages() -> None:
    for value in ("x" * 10**6, list(range(10**6)), {i: i for i in range(10**5)}, 10**4000):
        assert len(brief(value)) < 200
