"""Forced alignment: finds when each word of a known text was said.

Aligns by the best of all CTC paths that spell the text, as torchaudio's `forced_align`; see
`viterbi`.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from wav2vec2_tf.text.spelling import APOSTROPHES, Speller
from wav2vec2_tf.text.tokenizer import CTCTokenizer
from wav2vec2_tf.text.transcript import Character, Transcript, Word
from wav2vec2_tf.text.viterbi import WILDCARD, frames_needed, viterbi
from wav2vec2_tf.utils.errors import UserError

log = logging.getLogger(__name__)

UNLIKELY = 0.5
"""A warning is logged if the text explains less than this share of the recognized letters."""
SPOKEN_MARKS = "&%@#*§‰"
"""Characters that Unicode calls punctuation and a reader says aloud."""


@dataclass(frozen=True)
class AlignedCharacter(Character):
    """A character of the text; with `wildcard`, adjacent characters together, of confidence 0."""

    wildcard: bool = False
    """Whether the vocabulary lacks it: its time is that between its neighbours."""


@dataclass(frozen=True)
class AlignedWord(Word):
    """A word of the text with its punctuation; its confidence leaves out wildcards."""

    wildcard: bool = False
    """Whether the vocabulary lacks some of its characters."""


def align(
    log_probabilities: np.ndarray,
    text: str,
    tokenizer: CTCTokenizer,
    seconds_per_frame: float,
    *,
    progress: Callable[[float], None] | None = None,
) -> Transcript:
    """Returns the words of `text` with their times in a recording.

    The text may be in any case. Punctuation stays with its word and has no time of its own. Other
    characters that the vocabulary lacks (digits, foreign letters, signs) are aligned by a wildcard.
    Logs a warning if less than half of the letters that the model recognizes are in the text.

    Args:
        log_probabilities: `(frames, vocab)` of the whole recording.
        text: words separated by white space; "*" stands for any speech.
        tokenizer: the model's.
        seconds_per_frame: seconds from the start of a frame to that of the next.
        progress: see `viterbi`.

    Returns:
        An `AlignedWord` of `AlignedCharacter`s for each word of the text; a punctuation mark that
        stands alone is part of the word before it (or after it, at the beginning).

    Raises:
        UserError: there are no words, none that the vocabulary spells, too few frames for them, or
            no recognized letter in the recording; or as `viterbi`.
    """
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    speller = tokenizer.speller
    words = _words(text, speller)
    if not words:
        raise UserError("the text must have words: give the transcript of the recording")
    if all(piece.is_wildcard for word in words for piece in word.pieces):
        raise UserError(
            f"the model's vocabulary has none of the text's letters ({words[0].text!r} …): "
            "take a model of its language"
        )
    gap = () if speller.delimiter is None else (speller.delimiter,)
    spelled = [[token for piece in word.pieces for token in piece.tokens] for word in words]
    tokens = [*spelled[0], *(token for more in spelled[1:] for token in (*gap, *more))]
    frames = len(log_probabilities)
    if (needed := frames_needed(tokens)) > frames:
        raise UserError(
            f"{len(words)} words of {len(tokens)} characters need at least "
            f"{needed * seconds_per_frame:.2f} s, but the recording has "
            f"{frames * seconds_per_frame:.2f} s: give the text of this recording only"
        )
    path = viterbi(log_probabilities, tokens, tokenizer.pad_token_id, progress=progress)
    _check_fit(log_probabilities, path, tokens, tokenizer)
    starts, ends = _spans(path, len(tokens))
    best = _best_probabilities(log_probabilities, path, tokens)

    def character(piece: _Piece, at: int) -> AlignedCharacter:
        end = at + len(piece.tokens)
        return AlignedCharacter(
            piece.text,
            round(float(starts[at]) * seconds_per_frame, 5),
            round(float(ends[end - 1]) * seconds_per_frame, 5),
            0.0 if piece.is_wildcard else float(best[at:end].mean()),
            wildcard=piece.is_wildcard,
        )

    aligned = []
    at = 0  # of the tokens
    for word in words:
        firsts = accumulate((len(piece.tokens) for piece in word.pieces), initial=at)
        placed = list(zip(word.pieces, firsts, strict=False))
        aligned.append(_word(word.text, [character(*place) for place in placed if place[0].text]))
        at = placed[-1][1] + len(placed[-1][0].tokens) + len(gap)
    return Transcript(text, tuple(aligned))


def _word(text: str, characters: Sequence[AlignedCharacter]) -> AlignedWord:
    known = [character.confidence for character in characters if not character.wildcard]
    return AlignedWord(
        text,
        characters[0].start,
        characters[-1].end,
        sum(known) / len(known) if known else 0.0,
        tuple(characters),
        wildcard=len(known) < len(characters),
    )


def _check_fit(
    log_probabilities: np.ndarray, path: np.ndarray, tokens: Sequence[int], tokenizer: CTCTokenizer
) -> None:
    """Compares the path with the letters that the model recognizes without the text.

    Logs a warning if few of them are the path's.

    Raises:
        UserError: the model recognizes none.
    """
    best = log_probabilities.argmax(axis=1)
    delimiter = tokenizer.word_delimiter_token_id
    is_letter = (best != tokenizer.pad_token_id) & (
        best != (-1 if delimiter is None else delimiter)
    )
    if not is_letter.any():
        raise UserError(
            "no text can be aligned, since the model recognizes no speech in the recording: it may "
            "be silent, or not in the model's language"
        )
    aligned = np.append(tokens, tokenizer.pad_token_id)[path]  # index -1 is the blank
    explained = ((aligned == best) | (aligned == WILDCARD))[is_letter].mean()
    if explained < UNLIKELY:
        log.warning(
            "only %.0f %% of the letters that the model recognizes are in the text at that time: "
            "check that it is the text of this whole recording, in the model's language",
            100 * explained,
        )


# Text → tokens


class _Piece(NamedTuple):
    """A part of a word."""

    text: str
    """"" for a gap within the word."""
    tokens: tuple[int, ...]

    @property
    def is_wildcard(self) -> bool:
        return self.tokens == (WILDCARD,)


class _SpelledWord(NamedTuple):
    text: str
    pieces: tuple[_Piece, ...]


def cut_word(word: str, speller: Speller) -> tuple[_Piece, ...]:
    """Cuts a word into pieces; returns none if no part of the word is spoken.

    Punctuation within a word is a gap between words, as in twenty-one. Beside characters that a
    wildcard stands for it is one of them, as in 1,000.50.
    """
    pieces: list[_Piece] = []
    marks = ""  # punctuation since the last piece
    for text, tokens in speller.parts(word):
        if not tokens and not _is_spoken(text):
            marks += text if _separates_words(text) else ""
            continue
        is_wildcard = not tokens
        if is_wildcard and pieces and pieces[-1].is_wildcard:
            pieces[-1] = _Piece(pieces[-1].text + marks + text, (WILDCARD,))
        else:
            if marks and pieces and speller.delimiter is not None:
                pieces.append(_Piece("", (speller.delimiter,)))
            pieces.append(_Piece(text, tokens or (WILDCARD,)))
        marks = ""
    return tuple(pieces)


def _words(text: str, speller: Speller) -> list[_SpelledWord]:
    words: list[_SpelledWord] = []
    before = ""  # punctuation before the first word
    for word in text.split():
        pieces = cut_word(word, speller)
        if pieces:
            words.append(_SpelledWord(before + word, pieces))
            before = ""
        elif words:
            words[-1] = words[-1]._replace(text=f"{words[-1].text} {word}")
        else:
            before += f"{word} "
    return words


def _is_spoken(character: str) -> bool:
    """Whether it is a letter, digit or sign: not punctuation, nor an accent or joiner alone."""
    kind = unicodedata.category(character)
    return character in SPOKEN_MARKS or not (kind[0] in "PMC" or kind == "Sk")


def _separates_words(character: str) -> bool:
    """Whether it is punctuation that separates words; apostrophes do not."""
    return unicodedata.category(character)[0] == "P" and character not in APOSTROPHES


# Times and confidences


def _spans(path: np.ndarray, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first frame of each token, and the frame after its last."""
    at = np.flatnonzero(path >= 0)
    index = np.arange(tokens)
    first = np.searchsorted(path[at], index, "left")
    last = np.searchsorted(path[at], index, "right") - 1
    return at[first], at[last] + 1


def _best_probabilities(
    log_probabilities: np.ndarray, path: np.ndarray, tokens: Sequence[int]
) -> np.ndarray:
    """Returns each token's probability at its best frame; a wildcard's is meaningless."""
    at = np.flatnonzero(path >= 0)
    index = path[at]
    values = log_probabilities[at, np.array(tokens)[index]]
    first = np.searchsorted(index, np.arange(len(tokens)), "left")
    return np.exp(np.maximum.reduceat(values, first).astype(np.float64))
