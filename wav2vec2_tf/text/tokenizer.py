"""Converts text to ids of a CTC vocabulary and back, as transformers' `Wav2Vec2CTCTokenizer`.

Three differences, each where transformers 5.23 loses something:

- `decode(skip_special_tokens=True)` collapses repeats before it drops special tokens; transformers
  first drops the blank of "A_A", and the double letter with it.
- A `word_delimiter_token` in `tokenizer_config.json` is used; transformers falls back to "|".
- An unknown character becomes the unknown token even if `vocab.json` lacks that; in transformers
  its id is None.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import chain, groupby
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np

from wav2vec2_tf.text.spelling import Cutter, Speller
from wav2vec2_tf.text.tokenizer_files import (
    ADDED_TOKENS_FILE,
    CONFIG_FILE,
    TOKENIZER_CLASS,
    VOCABULARY_FILE,
    AddedToken,
    naming_files,
    read_files,
)
from wav2vec2_tf.text.vocabulary_checks import check_ids, check_tokens
from wav2vec2_tf.utils.errors import UserError, brief, near_languages
from wav2vec2_tf.utils.files import whole_file

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
"""In the order in which transformers gives ids to those that the vocabulary lacks."""

CLEAN_UP = (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're")
"""Strings that lose their spaces with `clean_up_tokenization_spaces`."""


class WordOffset(TypedDict):
    """A word, its first frame, and the frame after its last."""

    word: str
    start_offset: int
    end_offset: int


class CharOffset(TypedDict):
    """A token, its first frame, and the frame after its last."""

    char: str
    start_offset: int
    end_offset: int


class _Run(NamedTuple):
    token: str
    start: int
    end: int


class CTCTokenizer:
    """Converts characters (or longer tokens) to ids and back.

    Attributes:
        tokens: the token of each id: the vocabulary's, then those added to it.
        vocab_size: number of tokens in the vocabulary itself; `len(tokenizer)` includes the added
            ones, and a model's head has either size.
        target_lang: the language whose vocabulary is used, if there is one for each language (MMS);
            otherwise None.
        special_tokens: "pad_token", "unk_token", … → token.
        do_lower_case: the vocabulary is upper case; text is read in any case and written in lower
            case.
        replace_word_delimiter_char: written in place of the word delimiter.
        clean_up_tokenization_spaces: whether `decode` drops the space before punctuation and "'s".
        extra_special_tokens: further tokens that `skip_special_tokens` drops.
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
        """Makes a tokenizer of one vocabulary, or of one for each language.

        Special tokens that the vocabulary lacks get the ids after it, as in transformers.

        Args:
            vocabulary: token → id, or language → token → id.
            target_lang: the language whose vocabulary is used, if there is one for each.
            replace_word_delimiter_char: written in place of the word delimiter.
            do_lower_case: the vocabulary is upper case; text is read in any case and written in
                lower case.
            clean_up_tokenization_spaces: drop the space before punctuation and "'s" in text.
            extra_special_tokens: further tokens that `skip_special_tokens` drops.
            added_tokens: id → token that is never split, in the vocabulary or beyond it. Not
                allowed with a vocabulary for each language: ids differ between languages.
            **special_tokens: `pad_token="[PAD]"`, …; None for a token that does not exist.

        Raises:
            UserError: ids are not 0, 1, 2, …, each once; tokens are not text; there is no blank; a
                language is missing, unknown, or given although there is one vocabulary.
        """
        self.replace_word_delimiter_char = replace_word_delimiter_char
        self.do_lower_case = do_lower_case
        self.clean_up_tokenization_spaces = clean_up_tokenization_spaces
        self.extra_special_tokens = tuple(extra_special_tokens)
        named = SPECIAL_TOKENS | special_tokens
        self.special_tokens = {name: token for name, token in named.items() if token is not None}
        if "pad_token" not in self.special_tokens:
            raise UserError("pad_token must not be null: it is the blank of CTC")

        check_tokens([*self.special_tokens.values(), *self.extra_special_tokens])
        self._special = {*self.special_tokens.values(), *self.extra_special_tokens}
        self._vocabularies = {
            language: dict(ids) for language, ids in vocabulary.items() if isinstance(ids, Mapping)
        }
        self.target_lang: str | None = None
        if 0 < len(self._vocabularies) < len(vocabulary):
            raise UserError(
                "the vocabulary must map either tokens to ids, or languages to vocabularies"
            )
        if self._vocabularies:
            check_tokens([*self._vocabularies, *chain(*self._vocabularies.values())])
            if added_tokens:
                raise UserError("added tokens must be left out: their ids differ between languages")
            self.set_target_lang(target_lang)
        elif target_lang is not None:
            raise UserError(
                "target_lang must not be given: there is one vocabulary, without a language"
            )
        else:
            self._take(vocabulary, added_tokens or {})  # type: ignore[arg-type]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that have a vocabulary each (MMS); otherwise empty."""
        return tuple(sorted(self._vocabularies))

    def set_target_lang(self, target_lang: str | None) -> None:
        """Changes to another language's vocabulary.

        Raises:
            UserError: the language is unknown, or there is one vocabulary only; nothing changes.
        """
        if not self._vocabularies:
            raise UserError(
                "no language can be chosen: there is one vocabulary, without a language"
            )
        if target_lang not in self._vocabularies:
            found = (
                "none is chosen"
                if target_lang is None
                else f"{brief(target_lang)} is not among them"
            )
            raise UserError(
                f"has vocabularies of {len(self._vocabularies)} languages, and {found}; "
                f"pass target_lang=, as {near_languages(target_lang, self._vocabularies)}"
            )
        self._take(self._vocabularies[target_lang], {})
        self.target_lang = target_lang

    def keep_target_lang(self) -> None:
        """Drops the other languages' vocabularies: the model has no head for them."""
        self._vocabularies = {
            language: ids
            for language, ids in self._vocabularies.items()
            if language == self.target_lang
        }

    def _take(self, vocabulary: Mapping[str, int], added_tokens: Mapping[int, AddedToken]) -> None:
        """Checks the tokens of a vocabulary and those added to it, then numbers and uses them."""
        check_tokens(vocabulary)
        check_ids(vocabulary)
        ids = dict(vocabulary)
        unsplit: dict[str, AddedToken] = {}
        for index, added in added_tokens.items():
            check_tokens([added.content])
            if ids.setdefault(added.content, index) != index:
                raise UserError(
                    f"{brief(added.content)} has two ids, {ids[added.content]} and {index}"
                )
            unsplit[added.content] = added
        for token in [*self.special_tokens.values(), *self.extra_special_tokens]:
            ids.setdefault(token, len(ids))
            unsplit.setdefault(token, AddedToken(token))
        # transformers' rule for every token longer than a character, including "<pad>"
        for token in vocabulary:
            if len(token) > 1:
                unsplit[token] = AddedToken(token, lstrip=True, rstrip=True)
        check_ids(ids)

        self.vocab_size = len(vocabulary)
        self.tokens = tuple(sorted(ids, key=ids.__getitem__))
        self._ids, self._unsplit = ids, unsplit
        self._cutter = Cutter(frozenset(filter(None, unsplit)))

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def pad_token_id(self) -> int:
        """Id of the CTC blank."""
        return self._ids[self.special_tokens["pad_token"]]

    @property
    def unk_token_id(self) -> int | None:
        """Id of the unknown token; None if there is none."""
        return self._id_of("unk_token")

    @property
    def word_delimiter_token_id(self) -> int | None:
        """Id of the token between words; None if there is none."""
        return self._id_of("word_delimiter_token")

    @property
    def hidden_ids(self) -> frozenset[int]:
        """Ids of the tokens that `skip_special_tokens` drops, but for the blank."""
        return frozenset(map(self._ids.__getitem__, self._hidden)) - {self.pad_token_id}

    @property
    def _hidden(self) -> set[str]:
        """The special tokens but for the word delimiter, which is text."""
        return self._special - {self.special_tokens.get("word_delimiter_token", "")}

    @property
    def speller(self) -> Speller:
        """What the current vocabulary can spell."""
        return Speller(
            {token: id for id, token in enumerate(self.tokens) if token not in self._special},
            self._special,
            self.word_delimiter_token_id,
            upper_case=self.do_lower_case,
        )

    def _id_of(self, name: str) -> int | None:
        token = self.special_tokens.get(name)
        return None if token is None else self._ids[token]

    @classmethod
    def from_pretrained(
        cls, folder: str | PathLike[str], *, target_lang: str | None = None
    ) -> CTCTokenizer:
        """Reads `vocab.json` and, where they exist, the files beside it that transformers reads.

        Args:
            folder: where the files are.
            target_lang: the language whose vocabulary is used, if `vocab.json` has one for each
                (MMS); by default the one that `tokenizer_config.json` names.

        Raises:
            UserError: there is no `vocab.json`, or the files are invalid or of another tokenizer.
        """
        folder = Path(folder)
        vocabulary, options = read_files(folder, target_lang)
        with naming_files(folder):
            return cls(vocabulary, **options)

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Writes `vocab.json`, `tokenizer_config.json` and, if needed, `added_tokens.json`.

        transformers reads them. If there is a vocabulary for each language, all are written, and
        `target_lang` is named.
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
            (folder / ADDED_TOKENS_FILE).unlink(missing_ok=True)  # left by an earlier tokenizer
        for name, values in written.items():
            with whole_file(folder / name) as beside:
                text = json.dumps(values, indent=2, ensure_ascii=False)
                beside.write_text(text + "\n", encoding="utf-8")

    def encode(self, text: str) -> list[int]:
        """Returns the ids of `text`, like transformers' `tokenizer(text)`.

        Spaces become word delimiters.

        Raises:
            UserError: a character is not in the vocabulary, and neither is an unknown token.
        """
        pieces = self._cutter.cut(text)
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
        """Returns the text of one sequence of ids.

        Collapses repeats, drops blanks, and writes word delimiters as spaces: Graves et al. 2006,
        section 3.2.

        Args:
            ids: `(frames,)` integers: list, array or eager tensor. An id without a token is
                unknown.
            skip_special_tokens: also drop every other special token but the word delimiter.
            group_tokens: False for labels, which have no repeats to collapse.

        Raises:
            UserError: `ids` is not one sequence of integers.
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
        """Returns the text of each sequence; see `decode`."""
        return [
            self.decode(ids, skip_special_tokens=skip_special_tokens, group_tokens=group_tokens)
            for ids in sequences
        ]

    def char_offsets(self, ids: Any, *, skip_special_tokens: bool = False) -> list[CharOffset]:
        """Returns each token with its frames, delimiters included, as `output_char_offsets`."""
        return [
            {"char": run.token, "start_offset": run.start, "end_offset": run.end}
            for run in self._runs(ids, skip_special_tokens)
        ]

    def word_offsets(self, ids: Any, *, skip_special_tokens: bool = False) -> list[WordOffset]:
        """Returns each word with its frames, in the vocabulary's case, as `output_word_offsets`."""
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
        """Returns the tokens of the text, delimiters replaced, with first and last frame + 1."""
        dropped = {self.special_tokens["pad_token"]}
        delimiter = self.special_tokens.get("word_delimiter_token")
        if skip_special_tokens:
            dropped |= self._hidden
        runs: list[_Run] = []
        # by token and not by id: all ids without a token are the unknown token
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
        if array.size and array.dtype.kind not in "iu":
            raise UserError(
                f"ids must be integers, got {array.dtype}: give logits.argmax(-1), not the logits"
            )
        if array.size and array.ndim > 1:
            raise UserError("decode takes one sequence of ids; batch_decode takes several")
        unknown = self.special_tokens.get("unk_token")
        tokens = [
            self.tokens[index] if 0 <= index < len(self.tokens) else unknown
            for index in array.reshape(-1).tolist()
        ]
        if None in tokens:
            raise UserError(
                f"ids must be below {len(self.tokens)}, the size of the vocabulary, which has no "
                "unknown token"
            )
        return tokens  # type: ignore[return-value]  # None was just excluded
