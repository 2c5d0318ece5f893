"""The files that describe a `CTCTokenizer`, as transformers writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2vec2_tf.utils.errors import UserError, brief
from wav2vec2_tf.utils.files import read_json

VOCABULARY_FILE = "vocab.json"
CONFIG_FILE = "tokenizer_config.json"
ADDED_TOKENS_FILE = "added_tokens.json"
SPECIAL_TOKENS_FILE = "special_tokens_map.json"
TOKENIZER_CLASS = "Wav2Vec2CTCTokenizer"
READABLE_CLASSES = (TOKENIZER_CLASS, "Wav2Vec2Tokenizer", None)


@dataclass(frozen=True)
class AddedToken:
    """A token that encoding never splits; `lstrip` and `rstrip` drop the spaces beside it."""

    content: str
    lstrip: bool = False
    rstrip: bool = False


def read_files(
    folder: Path, target_lang: str | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads `vocab.json` and, where they exist, the files beside it that transformers reads.

    Args:
        folder: where the files are.
        target_lang: overrides the language that `tokenizer_config.json` names, if `vocab.json` has
            a vocabulary for each language.

    Returns:
        The vocabulary, and the keyword arguments of `CTCTokenizer`.

    Raises:
        UserError: there is no `vocab.json`, or the files are invalid or of another tokenizer.
    """
    path = folder / CONFIG_FILE
    config = read_json(path) if path.is_file() else {}
    kind = config.get("tokenizer_class")
    if kind not in READABLE_CLASSES:
        raise UserError(f"{path}: tokenizer_class {brief(kind)} is not {TOKENIZER_CLASS!r}")
    vocabulary = read_json(folder / VOCABULARY_FILE)
    has_languages = any(isinstance(value, dict) for value in vocabulary.values())
    if has_languages and target_lang is None and isinstance(config.get("target_lang"), str):
        target_lang = config["target_lang"]
    if "added_tokens_decoder" not in config:
        special = folder / SPECIAL_TOKENS_FILE
        config |= read_json(special) if special.is_file() else {}
    with naming_files(folder):
        # ids of added tokens are those of one language only
        added = {} if has_languages else _added_tokens(folder, config)
        options = _options(config)
    return vocabulary, {"target_lang": target_lang, "added_tokens": added, **options}


@contextmanager
def naming_files(folder: Path) -> Iterator[None]:
    """Adds the names of a tokenizer's files to a `UserError`."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{folder / VOCABULARY_FILE} and the files beside it: {error}") from None


def _options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the constructor's arguments that `tokenizer_config.json` and older files give."""
    config = {**_object(config, "model_specific_special_tokens"), **config}
    extra = config.get("extra_special_tokens") or config.get("additional_special_tokens") or []
    if isinstance(extra, dict):
        config, extra = {**extra, **config}, []
    if not isinstance(extra, list):
        raise UserError("extra_special_tokens must be a list of tokens")
    options: dict[str, Any] = {
        name: _content(value) if value is not None else None
        for name, value in config.items()
        if name.endswith("_token") and not isinstance(value, bool)
    }
    options["extra_special_tokens"] = tuple(dict.fromkeys(map(_content, extra)))
    switches = {
        "do_lower_case": bool,
        "clean_up_tokenization_spaces": bool,
        "replace_word_delimiter_char": str,
    }
    for name, kind in switches.items():
        if config.get(name) is not None:
            if not isinstance(config[name], kind):
                raise UserError(f"{name} must be a {kind.__name__}, got {brief(config[name])}")
            options[name] = config[name]
    return options


def _added_tokens(folder: Path, config: Mapping[str, Any]) -> dict[int, AddedToken]:
    """Returns the tokens that files add to `vocab.json`, by id."""
    if "added_tokens_decoder" not in config:
        path = folder / ADDED_TOKENS_FILE
        older = read_json(path) if path.is_file() else {}
        _check_integers(older.values())
        if len(set(older.values())) < len(older):
            raise UserError(f"{ADDED_TOKENS_FILE} gives one id to two tokens")
        return {index: AddedToken(token) for token, index in older.items()}
    added = {}
    for key, value in _object(config, "added_tokens_decoder").items():
        if not re.fullmatch(r"\d{1,9}", key, re.ASCII) or not isinstance(value, dict):
            raise UserError(f"added_tokens_decoder must map ids to objects, got {brief(key)}")
        if value.get("single_word"):
            raise UserError(f"added_tokens_decoder: {brief(key)}: single_word is not supported")
        strip = {name: value.get(name) is True for name in ("lstrip", "rstrip")}
        added[int(key)] = AddedToken(_content(value), **strip)
    return added


def _check_integers(values: Iterable[Any]) -> None:
    for value in values:
        if type(value) is not int:
            raise UserError(f"{ADDED_TOKENS_FILE}: ids must be integers, got {brief(value)}")


def _object(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = config.get(name) or {}
    if not isinstance(value, dict):
        raise UserError(f"{name} must be an object, got {brief(value)}")
    return value


def _content(value: Any) -> str:
    """Returns a token from its form in files: text, or an object with the text."""
    content = value.get("content") if isinstance(value, dict) else value
    if not isinstance(content, str):
        raise UserError(f"a token must be text, got {brief(value)}")
    return content
