"""Forced alignment: when each word of a known text was said.

The best of all CTC paths that spell the text (Viterbi; the alignment of torchaudio's
`forced_align`), exactly, in memory that allows for hours of audio against a whole book:

1. At each frame a path costs what its token lies below the best one, in log-probability. A beam
   search finds some whole path.
2. Since no cost is negative, a beginning that costs more than that whole path is never that of the
   best one. All others are followed; of their costs, those at the first frame of each block stay.
3. From the end to the start, block by block, the costs are computed again where the best path can
   be, this time with where each came from.

The band of beginnings to follow is as wide as the audio and the text need: narrow where they
agree, and at worst the whole matrix. Nothing is lost by it.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from wav2vec2_tf.text.tokenizer import CTCTokenizer
from wav2vec2_tf.text.transcript import Character, Transcript, Word
from wav2vec2_tf.utils.errors import UserError

log = logging.getLogger(__name__)

WILDCARD = -1
"""The token that stands for whatever is said: `<star>` of torchaudio's MMS aligner."""
WILDCARD_COST = 0.01  # nats a frame: enough to leave silence to the blank, and less than any letter
BEAM = 500.0  # nats; the first search keeps what costs no more beyond the best
PRUNE_EVERY = 16  # frames
PASSES = 3  # over all frames: to find some path, to bound the best one, and to trace it
UNLIKELY = 0.5  # of what the model hears, the share that the text explains

APOSTROPHES = "'\u2019\u2018\u02bc\u0060\u00b4\uff07"
SPOKEN_MARKS = "&%@#*§‰"
"""What Unicode calls punctuation and a reader says aloud."""


@dataclass(frozen=True)
class AlignedCharacter(Character):
    """A character of the text; where `wildcard`, all that lie together, with confidence 0."""

    wildcard: bool = False
    """Not in the vocabulary: it has the time between what is beside it."""


@dataclass(frozen=True)
class AlignedWord(Word):
    """A word as the text has it, punctuation included; confidence of what is no wildcard, or 0."""

    wildcard: bool = False
    """Whether some of it is."""


def align(
    log_probabilities: np.ndarray,
    text: str,
    tokenizer: CTCTokenizer,
    seconds_per_frame: float,
    *,
    progress: Callable[[float], None] | None = None,
) -> Transcript:
    """The words of `text` with their times in a recording.

    Case is that of the vocabulary's letters, and punctuation stays with its word but has no time.
    What the vocabulary lacks otherwise (digits, foreign letters, signs) is aligned by a wildcard.
    Where less than half of what the model hears is in the text, a warning is logged.

    Args:
        log_probabilities: (frames, vocab), of the whole recording.
        text: words between white space; "*" stands for anything that was said.
        progress: as of `viterbi`.

    Returns:
        `AlignedWord`s of `AlignedCharacter`s, one for each of the text's words; a mark that stands
        alone is part of the word before it (the first: after it).

    Raises:
        UserError: no words, none that the vocabulary spells, more than there are frames for, or a
            recording in which the model hears nothing; as `viterbi` does.
    """
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    speller = Speller(tokenizer)
    words = _words(text, speller)
    if not words:
        raise UserError("the text has no words, so there is nothing to align: give what was said")
    if all(piece.wildcard for word in words for piece in word.pieces):
        raise UserError(
            f"the model's vocabulary has none of the text's letters ({words[0].text!r} …): "
            "take a model of its language"
        )
    spelt = [[token for piece in word.pieces for token in piece.tokens] for word in words]
    tokens = [*spelt[0], *(token for more in spelt[1:] for token in (*speller.gap, *more))]
    frames = len(log_probabilities)
    if (needed := frames_needed(tokens)) > frames:
        raise UserError(
            f"{len(words)} words of {len(tokens)} characters take {needed * seconds_per_frame:.2f} "
            f"s at the least, and the recording has {frames * seconds_per_frame:.2f} s: give the "
            "text of this recording alone"
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
            0.0 if piece.wildcard else float(best[at:end].mean()),
            wildcard=piece.wildcard,
        )

    aligned = []
    at = 0  # of the tokens
    for word in words:
        firsts = accumulate((len(piece.tokens) for piece in word.pieces), initial=at)
        placed = list(zip(word.pieces, firsts, strict=False))
        aligned.append(_word(word.text, [character(*place) for place in placed if place[0].text]))
        at = placed[-1][1] + len(placed[-1][0].tokens) + len(speller.gap)
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
    """Compare with what the model hears: the letters that are the best token of their frame.

    Raises `UserError` where it hears none, and warns where few are the path's.
    """
    best = log_probabilities.argmax(axis=1)
    delimiter = tokenizer.word_delimiter_token_id
    heard = (best != tokenizer.pad_token_id) & (best != (-1 if delimiter is None else delimiter))
    if not heard.any():
        raise UserError(
            "the model hears no speech in the recording, so no text can be aligned: is it silence, "
            "or not of the model's language?"
        )
    aligned = np.append(tokens, tokenizer.pad_token_id)[path]  # -1, the blank, is the last
    explained = ((aligned == best) | (aligned == WILDCARD))[heard].mean()
    if explained < UNLIKELY:
        log.warning(
            "only %.0f %% of what the model hears is in the text at that time: is it the text of "
            "this recording, of all of it, and in the model's language?",
            100 * explained,
        )


# Text → tokens


class _Piece(NamedTuple):
    text: str
    """Of the word; "" of a gap within it."""
    tokens: tuple[int, ...]

    @property
    def wildcard(self) -> bool:
        return self.tokens == (WILDCARD,)


class _Spelt(NamedTuple):
    text: str
    pieces: tuple[_Piece, ...]


class Speller:
    """Words → tokens of a vocabulary."""

    def __init__(self, tokenizer: CTCTokenizer) -> None:
        special = {*tokenizer.special_tokens.values(), *tokenizer.extra_special_tokens, ""}
        tokens = enumerate(tokenizer.tokens)
        self._ids = {token: index for index, token in tokens if token not in special}
        self._longest = max(map(len, self._ids), default=0)
        delimiter = tokenizer.word_delimiter_token_id
        self.gap = () if delimiter is None else (delimiter,)
        """What stands between words."""

    def __call__(self, word: str) -> tuple[_Piece, ...]:
        """Nothing where no part of the word is spoken.

        Punctuation within a word is a gap between words, as in twenty-one, and next to characters
        that a wildcard takes it is one of them, as in 1,000.50.
        """
        pieces: list[_Piece] = []
        marks = ""  # since the last piece
        for text, tokens in self._cut(word):
            if not tokens:
                marks += text if _parts_words(text) else ""
                continue
            if tokens == (WILDCARD,) and pieces and pieces[-1].wildcard:
                pieces[-1] = _Piece(pieces[-1].text + marks + text, tokens)
            else:
                if marks and pieces and self.gap:
                    pieces.append(_Piece("", self.gap))
                pieces.append(_Piece(text, tokens))
            marks = ""
        return tuple(pieces)

    def _cut(self, word: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The longest parts that the vocabulary has, and single characters with what they are."""
        at = 0
        while at < len(word):
            for length in range(min(self._longest, len(word) - at), 0, -1):
                part = word[at : at + length]
                if tokens := self._tokens_of(part):
                    break
            else:
                part = word[at]
                tokens = (WILDCARD,) if _is_spoken(part) else ()
            yield part, tokens
            at += len(part)

    def _tokens_of(self, part: str) -> tuple[int, ...]:
        """One token for the part, or for a single character those of its letters: "ß", "ﬁ"."""
        for form in _forms(part):
            if form in self._ids:
                return (self._ids[form],)
            if len(part) == 1 and form and all(letter in self._ids for letter in form):
                return tuple(self._ids[letter] for letter in form)
        return ()


def _words(text: str, spell: Callable[[str], tuple[_Piece, ...]]) -> list[_Spelt]:
    words: list[_Spelt] = []
    before = ""  # marks before the first word
    for word in text.split():
        pieces = spell(word)
        if pieces:
            words.append(_Spelt(before + word, pieces))
            before = ""
        elif words:
            words[-1] = words[-1]._replace(text=f"{words[-1].text} {word}")
        else:
            before += f"{word} "
    return words


def _forms(part: str) -> Iterator[str]:
    """How a vocabulary may write the same."""
    if part in APOSTROPHES:
        yield "'"
    for form in (part, unicodedata.normalize("NFD", part), unicodedata.normalize("NFKC", part)):
        yield from (form, form.upper(), form.lower())


def _is_spoken(character: str) -> bool:
    """Letters, digits and signs; not punctuation, nor accents and joiners without a letter."""
    kind = unicodedata.category(character)
    return character in SPOKEN_MARKS or not (kind[0] in "PMC" or kind == "Sk")


def _parts_words(character: str) -> bool:
    """Punctuation, but for apostrophes."""
    return unicodedata.category(character)[0] == "P" and character not in APOSTROPHES


# Tokens → frames


def frames_needed(tokens: Sequence[int]) -> int:
    """One a token, and one for the blank between two that are the same."""
    return len(tokens) + sum(a == b for a, b in pairwise(tokens))


def viterbi(
    log_probabilities: np.ndarray,
    tokens: Sequence[int],
    blank: int,
    *,
    block: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """The best CTC path that spells `tokens`: Graves et al. 2006, of all paths in equation 3.

    Args:
        log_probabilities: (frames, vocab) of any float type; -inf is no path.
        tokens: ids, or `WILDCARD`, which scores as the best token of each frame.
        block: frames between the costs that are kept, on which the result does not depend; by
            default what takes the least memory, at worst 8 × (frames × tokens)^⅔ bytes.
        progress: told now and then how much of the work is done, up to 1.

    Returns:
        int32 (frames,): which of `tokens` each frame is, or -1 for the blank.

    Raises:
        UserError: tokens that are not in the vocabulary or are the blank, too few frames, values
            that are NaN or +inf, or no path with a probability above 0.
    """
    frames, vocabulary = log_probabilities.shape
    if not len(tokens):
        raise UserError("no tokens, so there is nothing to align")
    spelt = set(range(vocabulary)) - {blank} | {WILDCARD}
    if wrong := [token for token in tokens if token not in spelt]:
        raise UserError(f"token {wrong[0]} is the blank or not one of {vocabulary}: mend the text")
    if frames_needed(tokens) > frames:
        raise UserError(
            f"{len(tokens)} tokens take {frames_needed(tokens)} frames, and there are {frames}"
        )
    # at worst all positions, of 16 bytes, at each block, and block² moves, of 2 bits, of one
    block = block or max(64, round((20 * frames * len(tokens)) ** (1 / 3)))
    trellis = Trellis(log_probabilities, tokens, blank, progress)
    some_path = trellis.forward(block, np.inf, BEAM)
    bound = np.inf if some_path is None else some_path.cost
    found = trellis.forward(block, bound, np.inf)
    if found is None:
        raise UserError("the text has no path: some token has probability 0 wherever it could be")
    return trellis.trace(found, block)


@dataclass
class _Front:
    """What the best path into each state costs, up to some frame: all of Viterbi's memory.

    At position p, the p-th token was the last to begin; position 0 is the start. Positions from
    `low` to before `high` are those that a path is followed to.
    """

    in_token: np.ndarray
    """(positions,) float64 costs of paths that are still in the token; inf where there is none."""
    in_blank: np.ndarray
    """(positions,) float64 costs of paths that are in the blank after it."""
    low: int
    high: int

    @classmethod
    def start(cls, positions: int) -> _Front:
        costs = np.full((2, positions), np.inf)
        costs[1, 0] = 0.0  # no token has begun
        return cls(costs[0], costs[1], 0, 1)

    def part(self, low: int, high: int) -> _Front:
        """A copy of the positions from `low`, and infinity beyond those that are followed."""
        costs = np.full((2, high - low), np.inf)
        end = min(self.high, high)
        costs[0, : end - low] = self.in_token[low:end]
        costs[1, : end - low] = self.in_blank[low:end]
        return _Front(costs[0], costs[1], 0, end - low)

    def step(
        self,
        columns: np.ndarray,
        costs: np.ndarray,
        scratch: np.ndarray,
        moves: np.ndarray | None = None,
    ) -> None:
        """Go on by one frame.

        Args:
            columns: (positions,) which of the costs is that of each position's token.
            costs: of this frame; the first is the blank's.
            scratch: (2, positions + 1) to work in.
            moves: (2, positions) of bool to write to, where the best paths came from: that a token
                was entered and not stayed in; that before, each position was in its token and not
                in its blank. Of equals, the former is the one that stays.
        """
        low, high, end = self.low, self.high, min(self.high + 1, len(columns))
        token, blank = self.in_token[low:high], self.in_blank[low:high]
        entering = scratch[0, : high - low + 1]
        entering[0] = np.inf  # nothing is followed below
        here = np.minimum(token, blank, out=entering[1:])
        if moves is not None:
            np.less(token, blank, out=moves[1, low:high])
            np.less(entering[: end - low], self.in_token[low:end], out=moves[0, low:end])
        np.add(here, costs[0], out=blank)
        token = self.in_token[low:end]
        np.minimum(token, entering[: end - low], out=token)
        token += np.take(costs, columns[low:end], out=scratch[1, : end - low], mode="clip")
        self.high = end

    def prune(self, bound: float, beam: float) -> None:
        """Follow no more what costs more than `bound`, or than `beam` beyond the cheapest.

        From both ends inwards: what lies between positions that are followed is followed too.
        """
        low, high = self.low, self.high
        cost = np.minimum(self.in_token[low:high], self.in_blank[low:high])
        bound = min(bound, float(cost.min()) + beam)
        if bound < np.inf:
            alive = np.flatnonzero(cost <= bound)
            self.low, self.high = low + int(alive[0]), low + int(alive[-1]) + 1
            self.in_token[self.high : high] = self.in_blank[self.high : high] = np.inf


class _Found(NamedTuple):
    """The best path's cost and end, and the front before each block with its lowest position."""

    cost: float
    in_token: bool
    fronts: list[tuple[int, _Front]]


class Trellis:
    """Positions of the text × frames.

    Between two tokens that are the same, the blank that CTC asks for is a position of its own, so
    that from any position to the next no rule is needed.
    """

    def __init__(
        self,
        log_probabilities: np.ndarray,
        tokens: Sequence[int],
        blank: int,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self._log_probabilities = log_probabilities
        self._progress, self._passed = progress, 0  # frames
        self._frames = len(log_probabilities)
        used = sorted(set(tokens) - {WILDCARD})
        self._used = [blank, *used]
        self._wildcard = WILDCARD in tokens
        column = {token: at for at, token in enumerate([*self._used, WILDCARD])}
        columns, token_at = [0], [-1]
        for index, token in enumerate(tokens):
            if index and token == tokens[index - 1]:
                columns.append(0)
                token_at.append(-1)
            columns.append(column[token])
            token_at.append(index)
        self._columns = np.array(columns)
        """Of each position, which of the costs is its token's; the blank's is the first."""
        self._token_at = np.array(token_at, np.int32)
        """Of each position, which token it is; -1 for a blank."""

    def _costs(self, start: int, stop: int) -> np.ndarray:
        """What each token of the text costs at each frame: (frames, columns) float64, 0 or more."""
        rows = self._log_probabilities[start:stop]
        if self._progress is not None:
            self._progress(self._passed / (PASSES * self._frames))
        self._passed += len(rows)
        best = rows.max(axis=1, keepdims=True).astype(np.float64)
        if not np.isfinite(best).all():
            raise UserError("the model's output has values that are not numbers: is it damaged?")
        scores = rows[:, self._used].astype(np.float64)
        if self._wildcard:
            scores = np.concatenate([scores, best - WILDCARD_COST], axis=1)
        return scores.max(axis=1, keepdims=True) - scores

    def forward(self, block: int, bound: float, beam: float) -> _Found | None:
        """Follow all paths that cost no more than `bound`, and than `beam` beyond the cheapest.

        None where none of them reaches the end.
        """
        last = len(self._columns) - 1
        front = _Front.start(last + 1)
        scratch = np.empty((2, last + 2))
        kept = []
        for start in range(0, self._frames, block):
            kept.append((front.low, front.part(front.low, front.high)))
            for frame, costs in enumerate(self._costs(start, start + block), start):
                front.step(self._columns, costs, scratch)
                # one frame for each of the tokens to come
                front.low = max(front.low, last - (self._frames - 1 - frame))
                if front.low >= front.high:
                    return None
                if frame % PRUNE_EVERY == 0:
                    front.prune(bound, beam)
        in_token, in_blank = front.in_token[last], front.in_blank[last]
        cost = float(min(in_token, in_blank))
        return None if np.isinf(cost) else _Found(cost, bool(in_token <= in_blank), kept)

    def trace(self, found: _Found, block: int) -> np.ndarray:
        """The best path, (frames,) of tokens, from its end: each block is computed again."""
        path = np.empty(self._frames, np.int32)
        position, in_token, cost = len(self._columns) - 1, found.in_token, found.cost
        starts = range(0, self._frames, block)
        for start, (low, kept) in zip(reversed(starts), reversed(found.fronts), strict=True):
            costs = self._costs(start, start + block)
            # nothing lower can come to this position within the block
            left = max(low, position - len(costs))
            front = kept.part(left - low, position + 1 - low)
            columns = self._columns[left : position + 1]
            scratch = np.empty((2, len(columns) + 1))
            moves = _Moves(len(costs), len(columns))
            for frame, row in enumerate(costs):
                if frame % PRUNE_EVERY == 0:
                    front.prune(cost, np.inf)
                front.step(columns, row, scratch, moves.buffer)
                moves.keep(frame)
                front.low = max(front.low, len(columns) - (len(costs) - frame))
            for frame in reversed(range(len(costs))):
                path[start + frame] = self._token_at[position] if in_token else -1
                if in_token:
                    if not moves.entered(frame, position - left):
                        continue
                    position -= 1
                in_token = moves.from_token(frame, position - left)
            before = kept.in_token if in_token else kept.in_blank
            cost = float(before[position - low])
        return path


class _Moves:
    """Where the best paths of a block came from: 2 bits for each frame and position."""

    def __init__(self, frames: int, positions: int) -> None:
        self._positions = positions
        self._bits = np.zeros((frames, (2 * positions + 7) // 8), np.uint8)
        self.buffer = np.zeros((2, positions), bool)
        """Of one frame, for `_Front.step`."""

    def keep(self, frame: int) -> None:
        """What stands in the buffer."""
        self._bits[frame] = np.packbits(self.buffer)

    def entered(self, frame: int, position: int) -> bool:
        return self._bit(frame, position)

    def from_token(self, frame: int, position: int) -> bool:
        return self._bit(frame, self._positions + position)

    def _bit(self, frame: int, at: int) -> bool:
        return bool(self._bits[frame, at >> 3] >> (7 - (at & 7)) & 1)


def _spans(path: np.ndarray, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each token the first frame and the one after the last."""
    at = np.flatnonzero(path >= 0)
    index = np.arange(tokens)
    first = np.searchsorted(path[at], index, "left")
    last = np.searchsorted(path[at], index, "right") - 1
    return at[first], at[last] + 1


def _best_probabilities(
    log_probabilities: np.ndarray, path: np.ndarray, tokens: Sequence[int]
) -> np.ndarray:
    """Of each token the probability at its best frame; a wildcard's means nothing."""
    at = np.flatnonzero(path >= 0)
    index = path[at]
    values = log_probabilities[at, np.array(tokens)[index]]
    first = np.searchsorted(index, np.arange(len(tokens)), "left")
    return np.exp(np.maximum.reduceat(values, first).astype(np.float64))
