"""Letter case, and what the tokens of a vocabulary can spell."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

UPPER, LOWER, UNCHANGED = "upper", "lower", "unchanged"

APOSTROPHES = "'\u2019\u2018\u02bc\u0060\u00b4\uff07"
"""Characters that a vocabulary writes as "'"."""


def to_case(text: str, case: str) -> str:
    """Returns `text` in upper or lower case; unchanged for any other `case`."""
    if case == UPPER:
        return text.upper()
    return text.lower() if case == LOWER else text


def letter_case(characters: Iterable[str]) -> str:
    """Returns the case of a vocabulary's letters: `UNCHANGED` if it has both cases or neither."""
    characters = list(characters)
    upper = any(character != character.lower() for character in characters)
    lower = any(character != character.upper() for character in characters)
    if upper == lower:
        return UNCHANGED
    return UPPER if upper else LOWER


def case_variants(text: str) -> tuple[str, ...]:
    """Returns the ways in which a vocabulary or a language model may write `text`, likeliest first.

    They are the text itself, in lower case, in upper case, and with a capital.
    """
    return tuple(dict.fromkeys((text, text.lower(), text.upper(), text.capitalize())))


@dataclass(frozen=True)
class Cutter:
    """Cuts tokens out of texts: the leftmost first, and of several the longest."""

    tokens: frozenset[str]
    """The tokens to cut out, none of them empty."""

    @cached_property
    def _lengths(self) -> list[int]:
        return sorted({len(token) for token in self.tokens}, reverse=True)

    @cached_property
    def _first(self) -> frozenset[str]:
        return frozenset(token[0] for token in self.tokens)

    def cut(self, text: str) -> list[str]:
        """Returns the tokens and the text between them, in order; they join to `text`."""
        pieces: list[str] = []
        start = at = 0
        while at < len(text):
            token = self._token_at(text, at) if text[at] in self._first else ""
            if token:
                pieces += [text[start:at], token] if start < at else [token]
                start = at + len(token)
            at += len(token) or 1
        return [*pieces, text[start:]] if start < at else pieces

    def _token_at(self, text: str, at: int) -> str:
        candidates = (text[at : at + length] for length in self._lengths)
        return next((part for part in candidates if part in self.tokens), "")


class Speller:
    """The tokens of a vocabulary that stand for text, and what they can spell.

    Args:
        tokens: token → id, without the blank, the word delimiter and other special tokens.
        special: special tokens.
        delimiter: id of the word delimiter; None if there is none.
        upper_case: whether text is turned into upper case before it is encoded.

    Attributes:
        characters: all characters in tokens.
    """

    def __init__(
        self,
        tokens: Mapping[str, int],
        special: Iterable[str] = (),
        delimiter: int | None = None,
        *,
        upper_case: bool = False,
    ) -> None:
        self._ids = {token: index for token, index in tokens.items() if token}
        self._special = frozenset(filter(None, special))
        self._letters = frozenset(token for token in self._ids if len(token) == 1)
        self._longest = max(map(len, self._ids), default=0)
        self._upper_case = upper_case
        self._parts: dict[str, tuple[int, ...]] = {}  # texts repeat their letters
        self.delimiter = delimiter
        self.characters = frozenset("".join(self._ids))

    def word(self, word: str) -> str | None:
        """Returns a word in the case in which single-character tokens spell it, None if none do."""
        variants = case_variants(word)
        return next((form for form in variants if form and self._letters.issuperset(form)), None)

    def ids(self, word: str) -> tuple[int, ...]:
        """Returns the id of each character of a word as `word` returned it."""
        return tuple(self._ids[letter] for letter in word)

    def parts(self, word: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Cuts a word into the longest parts that are tokens, in whatever case or Unicode form.

        Yields:
            Each part and its ids: one, or for a single character those that together stand for it
            ("ß", "ﬁ"); none for a character that cannot be spelled.
        """
        at = 0
        while at < len(word):
            for length in range(min(self._longest, len(word) - at), 0, -1):
                part = word[at : at + length]
                if ids := self._part_ids(part):
                    break
            else:
                part, ids = word[at], ()
            yield part, ids
            at += len(part)

    def _part_ids(self, part: str) -> tuple[int, ...]:
        if part not in self._parts:
            self._parts[part] = self._find_part(part)
        return self._parts[part]

    def _find_part(self, part: str) -> tuple[int, ...]:
        for form in _written_forms(part):
            if form in self._ids:
                return (self._ids[form],)
            if len(part) == 1 and form and all(letter in self._ids for letter in form):
                return self.ids(form)
        return ()

    def unknown(self, texts: Iterable[str]) -> Counter[str]:
        """Counts the characters of texts that cannot be encoded.

        Special tokens are not text: one that stands in a text is counted as a whole.
        """
        known = {*self._ids} | ({" "} if self.delimiter is not None else set())
        cutter = Cutter(frozenset(t for t in (*self._special, *known) if len(t) > 1))
        unknown: Counter[str] = Counter()
        for text in texts:
            for piece in cutter.cut(text):
                if piece in cutter.tokens:
                    unknown[piece] += piece not in known
                    continue
                for letter in piece:
                    letters = letter.upper() if self._upper_case else letter
                    unknown[letter] += not known.issuperset(letters)
        return +unknown


def _written_forms(part: str) -> Iterator[str]:
    """Yields the ways in which a vocabulary may write a part of a word."""
    if part in APOSTROPHES:
        yield "'"
    for form in (part, unicodedata.normalize("NFD", part), unicodedata.normalize("NFKC", part)):
        yield from case_variants(form)
