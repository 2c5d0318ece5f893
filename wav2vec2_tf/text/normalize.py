"""Transcripts for training: rules that normalize them, and vocabularies built from them."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wav2vec2_tf.text.spelling import to_case
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.options import check, option

if TYPE_CHECKING:
    from wav2vec2_tf.text.tokenizer import CTCTokenizer

UNICODE_FORMS = ("NFC", "NFKC", "NFD", "NFKD")
LETTER_CASES = ("keep", "upper", "lower")
SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>", "|")
"""First tokens of a built vocabulary: <pad> is the CTC blank, | is the word delimiter."""
LISTED = 12
"""Number of unknown characters that a message names."""


@dataclass(frozen=True)
class TextRules:
    """Rules that normalize a transcript; an instance is called with a text.

    Applied in this order: Unicode form; `replace`; `remove`; letter case; Unicode form again, since
    characters that have become adjacent may compose; white space. So `replace` and `remove` match
    the letters of the corpus: `{"İ": "i", "I": "ı"}` with lower case is Turkish. Any white space
    becomes one space between words and is stripped at both ends. No other character is removed:
    zero-width joiners, which distinguish Devanagari words, are kept.

    Raises:
        UserError: if a rule has an invalid value.
    """

    unicode_form: str | None = option(
        "NFC", choices=UNICODE_FORMS, help="Unicode normalization form, or None"
    )
    letter_case: str = option("keep", choices=LETTER_CASES, help="letter case")
    replace: Mapping[str, str] = option(
        default_factory=dict,
        help="text to its replacement; applied all at once, the longest first, and replacements "
        "are not replaced again",
    )
    remove: str = option("", help="characters (code points) to remove")

    def __post_init__(self) -> None:
        check(self)
        if not isinstance(self.replace, Mapping) or not all(
            isinstance(old, str) and isinstance(new, str) and old
            for old, new in self.replace.items()
        ):
            raise UserError(f"replace must map text to text, got {self.replace!r}")
        if not isinstance(self.remove, str):
            raise UserError(f"remove must be text, got {self.remove!r}")

    def __call__(self, text: str) -> str:
        """Returns the normalized text."""
        text = self._unicode_normalized(text)
        if self.replace:
            pattern, replacements = self._replacements
            text = pattern.sub(lambda match: replacements[match[0]], text)
        text = to_case(text.translate(self._removal_table), self.letter_case)
        return " ".join(self._unicode_normalized(text).split())

    def _unicode_normalized(self, text: str) -> str:
        form = self.unicode_form
        return text if form is None else unicodedata.normalize(form, text)  # type: ignore[arg-type]

    @functools.cached_property
    def _replacements(self) -> tuple[re.Pattern[str], dict[str, str]]:
        """Returns a pattern of the replaced texts in their Unicode form, and the replacements."""
        replacements = {self._unicode_normalized(old): new for old, new in self.replace.items()}
        longest_first = sorted(replacements, key=lambda old: (-len(old), old))
        return re.compile("|".join(map(re.escape, longest_first))), replacements

    @functools.cached_property
    def _removal_table(self) -> dict[int, None]:
        return dict.fromkeys(map(ord, self.remove))


def build_vocabulary(texts: Iterable[str]) -> CTCTokenizer:
    """Returns a tokenizer of all characters in texts that `TextRules` have normalized.

    Ids: the blank `<pad>`, `<s>`, `</s>`, `<unk>`, the word delimiter `|`, and then the characters
    in the order of their code points: the same characters give the same ids.

    Raises:
        UserError: if the texts are empty or contain a special token.
    """
    from wav2vec2_tf.text.tokenizer import CTCTokenizer

    found: set[str] = set()
    special: Counter[str] = Counter()
    for text in texts:
        found.update(text)
        special.update({token: text.count(token) for token in SPECIAL_TOKENS if token in text})
    if special:
        raise UserError(
            f"the transcripts contain special tokens of the vocabulary: {describe(special)}; "
            "replace or remove them by the text rules"
        )
    characters = sorted(found - {" "})
    if not characters:
        raise UserError("the transcripts have no text to build a vocabulary from")
    return CTCTokenizer({token: i for i, token in enumerate((*SPECIAL_TOKENS, *characters))})


def unknown_characters(texts: Iterable[str], tokenizer: CTCTokenizer) -> Counter[str]:
    """Counts the parts of texts that the vocabulary cannot encode.

    Special tokens are not text: one in a transcript is counted as a whole.
    """
    return tokenizer.speller.unknown(texts)


def describe(characters: Counter[str], listed: int = LISTED) -> str:
    """Describes characters by code point, name and count on one line, the most frequent first.

    For example `U+0964 DEVANAGARI DANDA ×12, …`; beyond `listed`, the number of the others.
    """
    most_frequent = sorted(characters.items(), key=lambda entry: (-entry[1], entry[0]))
    described = [f"{_name(character)} ×{count}" for character, count in most_frequent[:listed]]
    if len(most_frequent) > listed:
        described.append(f"and {len(most_frequent) - listed} more")
    return ", ".join(described)


def _name(character: str) -> str:
    if len(character) > 1:
        return repr(character)
    return f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"
