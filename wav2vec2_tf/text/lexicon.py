"""Lexicons: the words that a beam search may output, and how each is spelled in tokens."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path

from wav2vec2_tf.text import ctc
from wav2vec2_tf.utils.errors import UserError, brief

log = logging.getLogger(__name__)

Spelling = tuple[int, ...]
"""The tokens of a word, without the delimiter."""
Lexicon = Mapping[str, Sequence[Spelling]]
"""Word → its spellings."""


def spell_words(words: Iterable[str], alphabet: ctc.Alphabet) -> dict[str, list[Spelling]]:
    """Returns a lexicon of words in the vocabulary's case, without those that it cannot spell."""
    speller = alphabet.speller
    forms = map(speller.word, words)
    return {form: [speller.ids(form)] for form in forms if form}


def read_lexicon(path: str | PathLike[str], alphabet: ctc.Alphabet) -> dict[str, list[Spelling]]:
    """Reads a lexicon from a file with one word a line, optionally followed by its tokens.

    That is the format of torchaudio and flashlight; the delimiter at the end is optional. Logs a
    warning about words that the vocabulary cannot spell.

    Raises:
        UserError: the file cannot be read, is not text, or has no word that can be spelled.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path}: must be UTF-8 text with one word a line") from None
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); give a file with one word a line"
        ) from None
    ids = {token: index for index, token in enumerate(alphabet.tokens)}
    lexicon: dict[str, dict[Spelling, None]] = {}  # without doubles, in order
    skipped: list[str] = []
    for word, *tokens in filter(None, map(str.split, lines)):
        if tokens and ids.get(tokens[-1]) == alphabet.word_delimiter:
            tokens.pop()
        if not tokens:
            entry = spell_words([word], alphabet)
        elif all(token in ids and ids[token] not in alphabet.silent for token in tokens):
            entry = {word: [tuple(ids[token] for token in tokens)]}
        else:
            entry = {}
        for form, spellings in entry.items():
            lexicon.setdefault(form, {}).update(dict.fromkeys(spellings))
        if not entry:
            skipped.append(word)
    if not lexicon:
        reason = f"such as {brief(skipped[0])}" if skipped else "it is empty"
        raise UserError(f"{path}: has no word that the model's vocabulary can spell ({reason})")
    if skipped:
        log.warning(
            "%s: skipped %d words that the model's vocabulary cannot spell: %s",
            *(path, len(skipped), ", ".join(map(brief, skipped[:5]))),
        )
    return {form: list(spellings) for form, spellings in lexicon.items()}
