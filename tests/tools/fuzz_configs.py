"""Coverage-guided fuzzing of the text files that describe a model.

`python -m tests.tools.fuzz_configs SECONDS [FOLDER]`

See `fuzzing`, and `fuzz_checkpoints` for what ends a run. The first byte of an input is the file
that the rest is written to, beside valid ones. What is read is also written and read again.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from typing import Any

import atheris

with atheris.instrument_imports(
    include=[
        *("wav2vec2_tf.models.config", "wav2vec2_tf.models.config_checks"),
        *("wav2vec2_tf.models.preprocessor_files", "wav2vec2_tf.text", "wav2vec2_tf.export"),
    ]
):
    from wav2vec2_tf.export.provenance import (
        PROVENANCE_FILE,
        Provenance,
        description_of,
        licence_of,
    )
    from wav2vec2_tf.models.feature_extractor import feature_extractor
    from wav2vec2_tf.models.pretrained import read_config, write_config
    from wav2vec2_tf.text.ctc import Alphabet
    from wav2vec2_tf.text.decoding import language_model_in
    from wav2vec2_tf.text.lexicon import read_lexicon
    from wav2vec2_tf.text.tokenizer import CTCTokenizer

from tests.tools.fuzzing import only_user_errors, run, work
from wav2vec2_tf.data.bundled import BUNDLED_MODEL

MAX_BYTES = 20_000
CARD, LEXICON, ATTRIBUTES = "README.md", "lexicon.txt", "language_model/attrs.json"
FILES: dict[str, str] = {
    "config.json": "",
    "vocab.json": "",
    "tokenizer_config.json": "{}",
    "special_tokens_map.json": '{"unk_token": {"content": "<unk>", "lstrip": true}}',
    "added_tokens.json": '{"<more>": 32}',
    "preprocessor_config.json": "",
    "processor_config.json": '{"feature_extractor": {"do_normalize": false}}',
    PROVENANCE_FILE: '{"source": "a", "sha256": {"b": "c"}, "seeded": ["d"]}',
    ATTRIBUTES: '{"alpha": 0.5, "beta": 1.5}',
    CARD: "---\nlicense: mit\ntags:\n- a\n---\n# Title\n\nFirst paragraph.\n",
    LEXICON: "THE T H E |\nA\n",
}
"""Content of each file, by default the bundled model's."""
TEXT = "THE <unk> \u00e9\u00df|A"

folder, again = work / "model", work / "again"


def content_of(name: str) -> bytes:
    """Returns the valid content of a file."""
    path = BUNDLED_MODEL / name
    return path.read_bytes() if path.exists() and not FILES[name] else FILES[name].encode()


def test_one_input(data: bytes) -> None:
    """Reads a folder in which one file is the input; only `UserError` may be raised."""
    if not data:
        return
    name = list(FILES)[data[0] % len(FILES)]
    path = folder / name
    path.write_bytes(data[1:])
    optional = name in ("special_tokens_map.json", "added_tokens.json", "processor_config.json")
    try:
        with only_user_errors():
            read_all(name)
    finally:
        if optional:
            path.unlink()
        else:
            path.write_bytes(content_of(name))


def read_all(name: str) -> None:
    """Reads what depends on a file."""
    if name == "config.json":
        config = read_config(folder)
        write_config(again, config)
        assert read_config(again) == config
    elif name in ("preprocessor_config.json", "processor_config.json"):
        extractor = feature_extractor(folder)
        extractor.save_pretrained(again)
        assert feature_extractor(again) == extractor
    elif name == CARD:
        assert "\n" not in licence_of(folder) + description_of(folder)
    elif name == PROVENANCE_FILE:
        provenance = Provenance.load(folder)
        provenance.save(again)
        assert Provenance.load(again) == provenance
    elif name == ATTRIBUTES:
        assert "\n" not in (language_model_in(folder) or "")
    else:
        tokenizer = CTCTokenizer.from_pretrained(folder)
        if name == LEXICON:
            read_lexicon(folder / LEXICON, Alphabet.of(tokenizer))
            return
        tokenizer.save_pretrained(again)
        assert CTCTokenizer.from_pretrained(again).tokens == tokenizer.tokens
        ids = tokenizer.encode(TEXT)
        tokenizer.decode([index for index in ids for _ in range(2)], skip_special_tokens=True)
        tokenizer.speller.unknown([TEXT])


def mutated(data: bytes, max_size: int, seed: int) -> bytes:
    """Changes values inside half of the JSON, and all other inputs as libFuzzer does."""
    chance = random.Random(seed)
    try:
        value = json.loads(data[1:]) if chance.random() < 0.5 else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not value:
        return atheris.Mutate(data, max_size)
    for _ in range(chance.randint(1, 3)):
        change(value, chance)
    return (data[:1] + json.dumps(value).encode())[:max_size]


def change(values: dict[str, Any], chance: random.Random) -> None:
    """Changes one entry of an object, which may be nested."""
    key = chance.choice([*values, "more"])
    inner = values.get(key)
    if isinstance(inner, dict) and inner and chance.random() < 0.7:
        change(inner, chance)
    elif chance.random() < 0.2:
        values.pop(key, None)
    elif chance.random() < 0.2:
        values[chance.choice(["", "a" * 600, "\ud800", "\n", key + "x"])] = inner
    else:
        values[key] = chance.choice(
            [
                None,
                True,
                -1,
                0,
                10**20,
                1e308,
                float("nan"),
                "",
                "\n",
                "\ud800",
                [],
                [[]],
                {},
                inner,
            ]
        )


def seeds() -> Iterator[bytes]:
    """Yields each file as it should be."""
    for number, name in enumerate(FILES):
        yield bytes([number]) + content_of(name)


def words() -> Iterator[str]:
    """Yields the fields of the files."""
    for name in FILES:
        if name.endswith(".json"):
            yield from (key for key in json.loads(content_of(name)) if key.isidentifier())
    yield from ("NaN", "Infinity", "null", "license", "added_tokens_decoder", "content")


def main() -> None:
    """Writes the folder and runs libFuzzer."""
    (folder / "language_model").mkdir(parents=True)
    again.mkdir()
    for name in FILES:
        if name not in ("special_tokens_map.json", "added_tokens.json", "processor_config.json"):
            (folder / name).write_bytes(content_of(name))
    shutil.copy(folder / "vocab.json", again)
    run(test_one_input, seeds(), words(), mutated, MAX_BYTES)


if __name__ == "__main__":
    main()
