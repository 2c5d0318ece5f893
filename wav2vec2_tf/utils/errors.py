"""What a user can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Bad input: the message is one line that says what is wrong and what to do about it.

    Programs print it on standard error and exit with status 1; nothing else is printed.
    """


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, or its type's name if the message is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def did_you_mean(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """To end a message with: the known word that `word` is most like, or nothing."""
    near = difflib.get_close_matches(word, list(known), 1, likeness)
    return f"; did you mean {near[0]}?" if near else ""


def near_languages(language: str | None, languages: Iterable[str]) -> str:
    """To end a message with: up to five languages, those spelt most alike, or else the first."""
    known = sorted(languages)
    near = difflib.get_close_matches(str(language), known, 5, cutoff=0.3) or known[:5]
    return ", ".join(map(repr, near))
