"""Text ↔ ids of a CTC vocabulary, as transformers' `Wav2Vec2CTCTokenizer` does on the same files.

Three differences, each where transformers 5.23 loses something:

- `decode(skip_special_tokens=True)` collapses repeats first and drops special tokens after; there,
  the blank of "A_A" is dropped first and the double letter with it.
- A `word_delimiter_token` in `tokenizer_config.json` counts; there, loading falls back to "|".
- An unknown character gets the unknown token also where `vocab.json` lacks it; there, None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import chain, groupby
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np

from wav2vec2_tf.utils.errors import UserError, near_languages
from wav2vec2_tf.utils.files import read_json, whole_file

VOCABULARY_FILE = "vocab.json"
CONFIG_FILE = "tokenizer_config.json"
ADDED_TOKENS_FILE = "added_tokens.json"
SPECIAL_TOKENS_FILE = "special_tokens_map.json"
TOKENIZER_CLASS = "Wav2Vec2CTCTokenizer"
READABLE_CLASSES = (TOKENIZER_CLASS, "Wav2Vec2Tokenizer", None)

# In the order in which transformers gives ids to those that the vocabulary lacks.
SPECIAL_TOKENS: dict[str, str | None] = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": None,
    "pad_token": "<pad>",
    "cls_token": None,
    "mask_token": None,
    "word_delimiter_token": "|",
}

# What `clean_up_tokenization_spaces` joins again; some published configs ask for it.
CLEAN_UP = (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're")


class WordOffset(TypedDict):
    """A word and its frames: the first, and the one after the last."""

    word: str
    start_offset: int
    end_offset: int


class CharOffset(TypedDict):
    """A token and its frames: the first, and the one after the last."""

    char: str
    start_offset: int
    end_offset: int


@dataclass(frozen=True)
class AddedToken:
    """A token that encoding never splits; with `lstrip`, `rstrip` it swallows spaces beside it."""

    content: str
    lstrip: bool = False
    rstrip: bool = False


class _Run(NamedTuple):
    token: str
    start: int
    end: int


class CTCTokenizer:
    """Characters (or longer tokens) ↔ ids.

    Attributes:
        tokens: id → token, dense: the vocabulary's, then those added to it.
        vocab_size: tokens of the vocabulary itself; `len(tokenizer)` counts the added ones as well,
            and a model's head has either size.
        languages: of a vocabulary that has one for each (MMS); else empty.
        target_lang: the one of them that counts; else None.
        special_tokens: "pad_token", "unk_token", … → token.
        pad_token_id: the CTC blank.
        unk_token_id, word_delimiter_token_id: None where there is no such token.
        do_lower_case: the vocabulary is upper case; text is read in any and written in lower case.
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int] | Mapping[str, Mapping[str, int]],
        *,
        target_lang: str | None = None,
        replace_word_delimiter_char: str = " ",
        do_lower_case: bool = False,
        clean_up_tokenization_spaces: bool = False,
        extra_special_tokens: Iterable[str] = (),
        added_tokens: Mapping[int, AddedToken] | None = None,
        **special_tokens: str | None,
    ) -> None:
        """Take a vocabulary (token → id), or one a language (language → token → id), and options.

        Special tokens that the vocabulary lacks get the ids after it, as in transformers.

        Args:
            target_lang: which of the vocabularies counts, where there is one a language.
            replace_word_delimiter_char: what the word delimiter becomes in text.
            clean_up_tokenization_spaces: drop the space before punctuation and "'s" in text.
            extra_special_tokens: dropped like the named ones by `skip_special_tokens`.
            added_tokens: id → token that is not to be split, in the vocabulary or beyond it. Not
                where there is a vocabulary a language: ids would be those of one only.
            special_tokens: `pad_token="[PAD]"`, …; None for a token that there is none of.

        Raises:
            UserError: ids that are not 0, 1, 2, …, each once; tokens that are not text; no blank;
                a language that is missing, unknown, or chosen where there is one vocabulary.
        """
        self.replace_word_delimiter_char = replace_word_delimiter_char
        self.do_lower_case = do_lower_case
        self.clean_up_tokenization_spaces = clean_up_tokenization_spaces
        self.extra_special_tokens = tuple(extra_special_tokens)
        named = SPECIAL_TOKENS | special_tokens
        self.special_tokens = {name: token for name, token in named.items() if token is not None}
        if "pad_token" not in self.special_tokens:
            raise UserError("pad_token is null, but CTC needs it: it is the blank; name one")

        _check_tokens([*self.special_tokens.values(), *self.extra_special_tokens])
        self._special = {*self.special_tokens.values(), *self.extra_special_tokens}
        self._vocabularies = {
            language: dict(ids) for language, ids in vocabulary.items() if isinstance(ids, Mapping)
        }
        self.target_lang: str | None = None
        if 0 < len(self._vocabularies) < len(vocabulary):
            raise UserError("some entries are tokens and others vocabularies of languages")
        if self._vocabularies:
            _check_tokens([*self._vocabularies, *chain(*self._vocabularies.values())])
            if added_tokens:
                raise UserError("added tokens have ids of one language; leave them out")
            self.set_target_lang(target_lang)
        elif target_lang is not None:
            raise UserError("there is one vocabulary, of no language; leave target_lang out")
        else:
            self._take(vocabulary, added_tokens or {})  # type: ignore[arg-type]

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(sorted(self._vocabularies))

    def set_target_lang(self, target_lang: str | None) -> None:
        """Change to another language's vocabulary.

        Raises:
            UserError: an unknown language, or there is one vocabulary only; nothing has changed.
        """
        if not self._vocabularies:
            raise UserError("there is one vocabulary, of no language, so there is none to choose")
        if target_lang not in self._vocabularies:
            found = (
                "none is chosen" if target_lang is None else f"{target_lang!r} is not among them"
            )
            raise UserError(
                f"has vocabularies of {len(self._vocabularies)} languages, and {found}; "
                f"pass target_lang=, as {near_languages(target_lang, self._vocabularies)}"
            )
        self._take(self._vocabularies[target_lang], {})
        self.target_lang = target_lang

    def keep_target_lang(self) -> None:
        """Forget the other languages' vocabularies: the model has no head for them."""
        self._vocabularies = {
            language: ids
            for language, ids in self._vocabularies.items()
            if language == self.target_lang
        }

    def _take(self, vocabulary: Mapping[str, int], added_tokens: Mapping[int, AddedToken]) -> None:
        """Number the tokens of a vocabulary and those beside it, and check them before any use."""
        _check_tokens(vocabulary)
        _check_ids(vocabulary)
        ids = dict(vocabulary)
        unsplit: dict[str, AddedToken] = {}
        for index, added in added_tokens.items():
            _check_tokens([added.content])
            if ids.setdefault(added.content, index) != index:
                raise UserError(f"{added.content!r} has two ids, {ids[added.content]}, {index}")
            unsplit[added.content] = added
        for token in [*self.special_tokens.values(), *self.extra_special_tokens]:
            ids.setdefault(token, len(ids))
            unsplit.setdefault(token, AddedToken(token))
        # the rule of transformers for every token longer than a character, "<pad>" among them
        for token in vocabulary:
            if len(token) > 1:
                unsplit[token] = AddedToken(token, lstrip=True, rstrip=True)
        _check_ids(ids)

        self.vocab_size = len(vocabulary)
        self.tokens = tuple(sorted(ids, key=ids.__getitem__))
        self._ids, self._unsplit = ids, unsplit
        longest_first = sorted(filter(None, unsplit), key=lambda token: (-len(token), token))
        self._cut = re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def pad_token_id(self) -> int:
        return self._ids[self.special_tokens["pad_token"]]

    @property
    def unk_token_id(self) -> int | None:
        return self._id_of("unk_token")

    @property
    def word_delimiter_token_id(self) -> int | None:
        return self._id_of("word_delimiter_token")

    def _id_of(self, name: str) -> int | None:
        token = self.special_tokens.get(name)
        return None if token is None else self._ids[token]

    @classmethod
    def from_pretrained(
        cls, folder: str | PathLike[str], *, target_lang: str | None = None
    ) -> CTCTokenizer:
        """Read `vocab.json` and, where they exist, the files beside it that transformers reads.

        Args:
            target_lang: which of the vocabularies, where `vocab.json` has one a language (MMS);
                by default the one that `tokenizer_config.json` names.

        Raises:
            UserError: no `vocab.json`, or files that do not make a tokenizer, or not of this kind.
        """
        folder = Path(folder)
        path = folder / CONFIG_FILE
        config = read_json(path) if path.is_file() else {}
        kind = config.get("tokenizer_class")
        if kind not in READABLE_CLASSES:
            raise UserError(f"{path}: tokenizer_class {kind!r} is not {TOKENIZER_CLASS!r}")
        values = read_json(folder / VOCABULARY_FILE)
        nested = any(isinstance(value, dict) for value in values.values())
        if nested and target_lang is None and isinstance(config.get("target_lang"), str):
            target_lang = config["target_lang"]
        if "added_tokens_decoder" not in config:
            special = folder / SPECIAL_TOKENS_FILE
            config |= read_json(special) if special.is_file() else {}
        try:
            # ids of added tokens are those of one language only
            added = {} if nested else _added_tokens(folder, config)
            return cls(values, target_lang=target_lang, added_tokens=added, **_options(config))
        except UserError as error:
            raise UserError(
                f"{folder / VOCABULARY_FILE} and the files beside it: {error}"
            ) from None

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write `vocab.json`, `tokenizer_config.json` and, if need be, `added_tokens.json`.

        transformers reads them. Where there is a vocabulary a language, all are written, and the
        one that counts is named.
        """
        folder = Path(folder)
        config: dict[str, Any] = {
            **dict.fromkeys(SPECIAL_TOKENS),
            **self.special_tokens,
            "additional_special_tokens": list(self.extra_special_tokens),
            "do_lower_case": self.do_lower_case,
            "replace_word_delimiter_char": self.replace_word_delimiter_char,
            "clean_up_tokenization_spaces": self.clean_up_tokenization_spaces,
            "tokenizer_class": TOKENIZER_CLASS,
        }
        written: dict[str, Any] = {CONFIG_FILE: config}
        beyond: dict[str, int] = {}
        if self._vocabularies:
            written[VOCABULARY_FILE] = self._vocabularies
            config |= {"target_lang": self.target_lang, "added_tokens_decoder": {}}
        else:
            written[VOCABULARY_FILE] = {t: i for i, t in enumerate(self.tokens[: self.vocab_size])}
            unsplit = sorted(self._unsplit.values(), key=lambda added: self._ids[added.content])
            config["added_tokens_decoder"] = {
                str(self._ids[added.content]): {
                    **asdict(added),
                    "normalized": False,
                    "single_word": False,
                    "special": added.content in self._special,
                }
                for added in unsplit
            }
            beyond = {t: i for i, t in enumerate(self.tokens) if i >= self.vocab_size}
        if beyond:
            written[ADDED_TOKENS_FILE] = beyond
        else:
            (folder / ADDED_TOKENS_FILE).unlink(missing_ok=True)  # of a tokenizer saved earlier
        for name, values in written.items():
            with whole_file(folder / name) as beside:
                text = json.dumps(values, indent=2, ensure_ascii=False)
                beside.write_text(text + "\n", encoding="utf-8")

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, spaces becoming word delimiters: transformers' `tokenizer(text)`.

        Raises:
            UserError: a character that the vocabulary lacks, where it has no unknown token either.
        """
        pieces = [piece for piece in self._cut.split(text) if piece]
        for at, piece in enumerate(pieces):
            added = self._unsplit.get(piece)
            if added and added.rstrip and at + 1 < len(pieces):
                pieces[at + 1] = pieces[at + 1].lstrip()
            if added and added.lstrip and at > 0:
                pieces[at - 1] = pieces[at - 1].rstrip()
        ids: list[int] = []
        for piece in pieces:
            if piece in self._unsplit:
                ids.append(self._ids[piece])
            else:
                ids += map(self._encode_character, piece.upper() if self.do_lower_case else piece)
        return ids

    def _encode_character(self, character: str) -> int:
        if character == " ":
            character = self.special_tokens.get("word_delimiter_token", character)
        index = self._ids.get(character, self.unk_token_id)
        if index is None:
            raise UserError(f"{character!r} is not in the vocabulary, which has no unknown token")
        return index

    def decode(
        self, ids: Any, *, skip_special_tokens: bool = False, group_tokens: bool = True
    ) -> str:
        """The text of one sequence of ids.

        Repeats collapse, then blanks (and with `skip_special_tokens` every special token but the
        word delimiter) go, and word delimiters become spaces: Graves et al. 2006, section 3.2.

        Args:
            ids: (frames,) integers: list, array or eager tensor. One that is no token's is unknown.
            group_tokens: False for labels, which have no repeats to collapse.

        Raises:
            UserError: not one sequence of integers.
        """
        runs = self._runs(ids, skip_special_tokens, group_tokens)
        text = "".join(run.token for run in runs).strip()
        if self.do_lower_case:
            text = text.lower()
        if self.clean_up_tokenization_spaces:
            for spaced in CLEAN_UP:
                text = text.replace(spaced, spaced.strip())
        return text

    def batch_decode(
        self,
        sequences: Iterable[Any],
        *,
        skip_special_tokens: bool = False,
        group_tokens: bool = True,
    ) -> list[str]:
        """`decode` of each sequence."""
        return [
            self.decode(ids, skip_special_tokens=skip_special_tokens, group_tokens=group_tokens)
            for ids in sequences
        ]

    def char_offsets(self, ids: Any, *, skip_special_tokens: bool = False) -> list[CharOffset]:
        """Each token of the text with its frames, delimiters included, as `output_char_offsets`."""
        return [
            {"char": run.token, "start_offset": run.start, "end_offset": run.end}
            for run in self._runs(ids, skip_special_tokens)
        ]

    def word_offsets(self, ids: Any, *, skip_special_tokens: bool = False) -> list[WordOffset]:
        """Each word with its frames, as `output_word_offsets`: in the vocabulary's own case."""
        words: list[WordOffset] = []
        runs = self._runs(ids, skip_special_tokens)
        for is_gap, group in groupby(
            runs, key=lambda run: run.token == self.replace_word_delimiter_char
        ):
            if not is_gap:
                letters = list(group)
                words.append(
                    {
                        "word": "".join(run.token for run in letters),
                        "start_offset": letters[0].start,
                        "end_offset": letters[-1].end,
                    }
                )
        return words

    def _runs(self, ids: Any, skip_special_tokens: bool, group_tokens: bool = True) -> list[_Run]:
        """What is left of the frames: tokens with where they start and end, delimiters replaced."""
        dropped = {self.special_tokens["pad_token"]}
        delimiter = self.special_tokens.get("word_delimiter_token")
        if skip_special_tokens:
            dropped |= self._special - {delimiter}
        runs: list[_Run] = []
        # by token and not by id: ids that are no token's are all the unknown token
        frames = enumerate(self._tokens_of(ids))
        for (token, _), run in groupby(frames, lambda f: (f[1], None if group_tokens else f[0])):
            if token not in dropped:
                positions = [position for position, _ in run]
                shown = self.replace_word_delimiter_char if token == delimiter else token
                runs.append(_Run(shown, positions[0], positions[-1] + 1))
        return runs

    def _tokens_of(self, ids: Any) -> list[str]:
        try:
            array = np.asarray(ids)
        except ValueError:  # sequences of several lengths
            array = np.zeros((1, 1), np.int64)
        if array.size and array.ndim > 1:
            raise UserError("decode takes one sequence of ids; batch_decode takes several")
        if array.size and array.dtype.kind not in "iu":
            raise UserError(f"ids must be integers, not {array.dtype}; take the argmax of logits")
        unknown = self.special_tokens.get("unk_token")
        tokens = [
            self.tokens[index] if 0 <= index < len(self.tokens) else unknown
            for index in array.reshape(-1).tolist()
        ]
        if None in tokens:
            raise UserError(
                f"ids beyond the vocabulary of {len(self.tokens)}, with no unknown token"
            )
        return tokens  # type: ignore[return-value]  # None was just excluded


def _check_tokens(tokens: Iterable[Any]) -> None:
    for token in tokens:
        if not isinstance(token, str):
            raise UserError(f"the token {token!r} is not text")
        try:
            token.encode()
        except UnicodeEncodeError:
            raise UserError(f"the token {token!r} is half a character; mend the file") from None


def _check_ids(ids: Mapping[str, Any]) -> None:
    if not ids:
        raise UserError("the vocabulary is empty")
    for token, index in ids.items():
        if type(index) is not int:
            raise UserError(f"the id of {token!r} is {index!r}; an integer is wanted")
    in_order = sorted(ids, key=ids.__getitem__)
    for index, token in enumerate(in_order):
        if ids[token] != index:
            problem = f"no token has id {index}"
            if index and ids[token] == ids[in_order[index - 1]]:
                problem = f"{in_order[index - 1]!r} and {token!r} both have id {ids[token]}"
            raise UserError(f"{problem}, but {len(ids)} tokens need ids 0 to {len(ids) - 1}")


def _options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The constructor's arguments in `tokenizer_config.json`, over those of the older files."""
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
                raise UserError(f"{name} is {config[name]!r}; a {kind.__name__} is wanted")
            options[name] = config[name]
    return options


def _added_tokens(folder: Path, config: Mapping[str, Any]) -> dict[int, AddedToken]:
    """Tokens with ids that files name beside `vocab.json`: the newer form, or else the older."""
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
            raise UserError(f"added_tokens_decoder: {key!r}: an id and an object are wanted")
        if value.get("single_word"):
            raise UserError(f"added_tokens_decoder: {key!r}: single_word is not supported")
        strip = {name: value.get(name) is True for name in ("lstrip", "rstrip")}
        added[int(key)] = AddedToken(_content(value), **strip)
    return added


def _check_integers(values: Iterable[Any]) -> None:
    for value in values:
        if type(value) is not int:
            raise UserError(f"{ADDED_TOKENS_FILE}: {value!r} is no id; an integer is wanted")


def _object(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = config.get(name) or {}
    if not isinstance(value, dict):
        raise UserError(f"{name} must be an object")
    return value


def _content(value: Any) -> str:
    """A token as files give it: text, or an object that holds it."""
    content = value.get("content") if isinstance(value, dict) else value
    if not isinstance(content, str):
        raise UserError(f"{value!r} is no token; text is wanted")
    return content
