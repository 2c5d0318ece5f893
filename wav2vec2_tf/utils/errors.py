"""Errors that a user can fix, and hints for their messages."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100
_SHORT.maxlevel = 3


class UserError(ValueError):
    """Invalid input, with a message of one line: what is wrong and what to do about it.

    Programs print the message on standard error, without a traceback, and exit with status 1.
    """

    _keras_call_info_injected = True
    """Keeps Keras from listing the arguments of the layer around the message; a name of Keras,
    pinned in `tests/utils/test_keras_internals.py`."""


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, or its type's name if the message is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def brief(value: object) -> str:
    """Returns a value from a file as messages show it: one printable line of bounded length."""
    return _SHORT.repr(value)


def did_you_mean(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Returns the end of a message: "; did you mean …?" with the known word nearest to `word`.

    Args:
        word: an unknown word.
        known: the words that are allowed.
        likeness: from 0 to 1; the result is "" if no word is as similar as this.
    """
    near = difflib.get_close_matches(word, list(known), 1, likeness)
    return f"; did you mean {near[0]}?" if near else ""


def near_languages(language: str | None, languages: Iterable[str]) -> str:
    """Returns up to five of `languages` for a message: the most similar ones, or else the first."""
    known = sorted(languages)
    near = difflib.get_close_matches(str(language), known, 5, cutoff=0.3) or known[:5]
    return ", ".join(map(repr, near))
