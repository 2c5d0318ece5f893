"""Transcripts: rules that bring texts to one form, and the vocabulary that spells them."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from wav2vec2_tf.text.spelling import to_case
from wav2vec2_tf.text.tokenizer import CTCTokenizer
from wav2vec2_tf.utils.errors import UserError, did_you_mean

UNICODE_FORMS = ("NFC", "NFKC", "NFD", "NFKD")
LETTER_CASES = ("keep", "upper", "lower")
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "|")  # <pad> is the blank, | stands between words
LISTED = 12  # of many unknown characters, how many a message names


@dataclass(frozen=True)
class TextRules:
    """How transcripts are brought to one form, as data; called with a text, it returns the form.

    In this order: Unicode form; `replace`; `remove`; letter case; Unicode form again, since what
    has come together may compose; white space. So `replace` and `remove` see the letters as the
    corpus has them: `{"İ": "i", "I": "ı"}` with lower case is Turkish. White space of any kind
    becomes one space between words and none around them. Nothing else goes that is not named:
    zero-width joiners, which tell Devanagari words apart, stay.

    Raises `UserError` for values that make no sense.
    """

    unicode_form: str | None = "NFC"
    """One of `UNICODE_FORMS`, or None."""
    letter_case: str = "keep"
    """One of `LETTER_CASES`."""
    replace: Mapping[str, str] = field(default_factory=dict)
    """What becomes what, all at once and the longest first; none of it is replaced again."""
    remove: str = ""
    """Characters (code points) to drop."""

    def __post_init__(self) -> None:
        if self.unicode_form is not None and self.unicode_form not in UNICODE_FORMS:
            raise _no_choice("unicode_form", self.unicode_form, UNICODE_FORMS)
        if self.letter_case not in LETTER_CASES:
            raise _no_choice("letter_case", self.letter_case, LETTER_CASES)
        if not isinstance(self.replace, Mapping) or not all(
            isinstance(old, str) and isinstance(new, str) and old
            for old, new in self.replace.items()
        ):
            raise UserError(f"text rules: replace must map text to text, got {self.replace!r}")
        if not isinstance(self.remove, str):
            raise UserError(f"text rules: remove must be text, got {self.remove!r}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what `to_dict` gave; raises `UserError` for another field, naming the nearest."""
        known = [field.name for field in fields(cls)]
        if not isinstance(values, Mapping):
            raise UserError(f"text rules: a mapping is wanted, got {values!r}")
        for name in values:
            if name not in known:
                near = did_you_mean(str(name), known) or f"; known: {', '.join(known)}"
                raise UserError(f"text rules: {name!r} is no field{near}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "replace": dict(self.replace)}

    def __call__(self, text: str) -> str:
        text = self._formed(text)
        if self.replace:
            pattern, new = self._replacements
            text = pattern.sub(lambda match: new[match[0]], text)
        text = text.translate(self._removal)
        return " ".join(self._formed(to_case(text, self.letter_case)).split())

    def _formed(self, text: str) -> str:
        form = self.unicode_form
        return text if form is None else unicodedata.normalize(form, text)  # type: ignore[arg-type]

    @functools.cached_property
    def _replacements(self) -> tuple[re.Pattern[str], dict[str, str]]:
        """What to look for, in the form that texts have by then, and what it becomes."""
        new = {self._formed(old): text for old, text in self.replace.items()}
        longest_first = sorted(new, key=lambda old: (-len(old), old))
        return re.compile("|".join(map(re.escape, longest_first))), new

    @functools.cached_property
    def _removal(self) -> dict[int, None]:
        return dict.fromkeys(map(ord, self.remove))


def build_vocabulary(texts: Iterable[str]) -> CTCTokenizer:
    """A tokenizer of all characters in `texts`, which have gone through `TextRules`.

    Ids: the blank `<pad>`, `<s>`, `</s>`, `<unk>`, the word delimiter `|`, and then the characters
    in the order of their code points: the same characters give the same ids.

    Raises `UserError` if there are none, or if a special token stands in the texts.
    """
    found: set[str] = set()
    special: Counter[str] = Counter()
    for text in texts:
        found.update(text)
        special.update({token: text.count(token) for token in SPECIAL if token in text})
    if special:
        raise UserError(
            f"in the transcripts stand tokens that mean something else: {describe(special)}; "
            "replace or remove them by the text rules"
        )
    characters = sorted(found - {" "})
    if not characters:
        raise UserError("the transcripts have no text to build a vocabulary from")
    return CTCTokenizer({token: index for index, token in enumerate((*SPECIAL, *characters))})


def unknown_characters(texts: Iterable[str], tokenizer: CTCTokenizer) -> Counter[str]:
    """What of `texts` the vocabulary cannot spell, and how often it stands there.

    Special tokens are no text, so one that stands in a transcript counts as well, whole.
    """
    return tokenizer.speller.unknown(texts)


def describe(characters: Counter[str], listed: int = LISTED) -> str:
    """Characters with their code points, names and counts, the commonest first, on one line.

    `U+0964 DEVANAGARI DANDA ×12, …`; beyond `listed` of them, how many more there are.
    """
    most = sorted(characters.items(), key=lambda entry: (-entry[1], entry[0]))
    named = [f"{_name(character)} ×{count}" for character, count in most[:listed]]
    if len(most) > listed:
        named.append(f"and {len(most) - listed} more")
    return ", ".join(named)


def _name(character: str) -> str:
    if len(character) > 1:
        return repr(character)
    return f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"


def _no_choice(name: str, value: object, choices: tuple[str, ...]) -> UserError:
    return UserError(f"text rules: {name} {value!r} is unknown; known: {', '.join(choices)}")
