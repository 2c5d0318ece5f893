"""CTC beam search by flashlight-text: with a language model, a lexicon, hotwords, the n best.

The search maximises ln p_ctc + what `language_model.Scorer` adds, where p_ctc is that of the best
alignment, or with `log_add` of all alignments (Graves et al. 2006). With a lexicon only its words
can come out; without one, all that the vocabulary spells.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain, groupby
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wav2vec2_tf.text import ctc
from wav2vec2_tf.text.language_model import LanguageModel, Scorer, State
from wav2vec2_tf.text.transcript import Transcript
from wav2vec2_tf.utils.errors import UserError

try:
    from flashlight.lib.text import decoder as flashlight
except ModuleNotFoundError as error:
    raise UserError(
        f"beam search needs the package {error.name}: pip install 'wav2vec2-tf[lm]'"
    ) from None

log = logging.getLogger(__name__)

IMPOSSIBLE = -1e9  # a score that no alignment can have: infinities become no numbers when added
FLOOR = -1e4  # of log-probabilities
PIECE = 1500
"""Frames, 30 s of speech: longer recordings are searched piece by piece, to bound the memory."""
HALF_KNOWN = 0.5  # of a lexicon's words: below it there is a warning

Spelling = tuple[int, ...]
Lexicon = Mapping[str, Sequence[Spelling]]
"""Word → the ways it is written in tokens, without the delimiter."""


@dataclass(frozen=True)
class Hypothesis(Transcript):
    score: float
    """What the search maximises, a natural logarithm."""
    alternatives: tuple[Hypothesis, ...] = ()
    """The next best, best first, where more than one is wanted."""


class _Found(NamedTuple):
    """A hypothesis about one piece."""

    score: float
    tokens: tuple[int, ...]
    """One a frame."""
    words: tuple[str, ...]
    """Of the lexicon; empty without one."""


@dataclass(frozen=True)
class BeamSearch:
    """A decoder of log-probabilities (`transcript.Decoder`).

    Raises:
        UserError: weights that are not finite; a lexicon or hotwords where words have no delimiter;
            hotwords that cannot be spelt; a language model that knows no word that can come out.
    """

    alphabet: ctc.Alphabet
    model: LanguageModel | None = None
    lexicon: Lexicon | None = None
    hotwords: tuple[str, ...] = ()
    """Words or phrases, of which each word counts; in a lexicon they are added to it."""
    lm_weight: float = 0.5
    word_score: float = 0.0
    unknown_score: float = -10.0
    hotword_score: float = 5.0
    beam_size: int = 50
    """Hypotheses that are kept from frame to frame."""
    beam_threshold: float = 25.0
    """How far below the best one they may score."""
    beam_tokens: int = 16
    """Without a lexicon: of each frame, the likeliest that are tried …"""
    token_threshold: float = 8.0
    """… and how far below the likeliest they may be where it is blank or delimiter."""
    log_add: bool = False
    """Add up the probabilities of all alignments, not take the best one's."""
    n_best: int = 1

    def __post_init__(self) -> None:
        weights = (self.lm_weight, self.word_score, self.unknown_score, self.hotword_score)
        if not all(map(math.isfinite, weights)):
            raise UserError("the weights of a beam search must be finite numbers")
        if min(self.beam_size, self.beam_tokens, self.n_best) < 1 or not self.beam_threshold > 0:
            raise UserError("the sizes of a beam search must be above 0")
        if self.alphabet.word_delimiter < 0 and (self.lexicon is not None or self.hotwords):
            raise UserError(
                "the vocabulary has no word delimiter, so there are no words to look for: "
                "leave out the lexicon and the hotwords"
            )
        self._scorer, self._lexicon  # noqa: B018  (found out before the long work)
        self._check_model()

    def __call__(self, log_probabilities: np.ndarray, seconds_per_frame: float) -> Hypothesis:
        """Decode (frames, vocab) natural logarithms; raises `UserError` for what is no number."""
        if log_probabilities.ndim != 2 or not self._fits(log_probabilities.shape[1]):
            raise UserError(
                f"log-probabilities of shape {log_probabilities.shape} are not (frames, vocab) of "
                f"a vocabulary of {len(self.alphabet.tokens)} tokens"
            )
        if np.isnan(log_probabilities).any():
            raise UserError("the model's output has values that are not numbers")
        if not len(log_probabilities):
            return Hypothesis("", (), 0.0)
        emissions = np.maximum(log_probabilities, FLOOR, dtype=np.float32)
        context = self._scorer.begin()
        best = [_Found(0.0, (), ())]
        for piece, is_last in pieces(emissions, self._boundary):
            found = self._search(piece, context, is_last)
            pairs = (_joined(before, after) for before in best for after in found)
            best = heapq.nlargest(self.n_best, pairs, key=lambda pair: pair.score)
            if not is_last:
                context = self._after(found[0], context)
        spoken: dict[str, Hypothesis] = {}
        for candidate in best:
            hypothesis = self._hypothesis(candidate, emissions, seconds_per_frame)
            spoken.setdefault(hypothesis.text, hypothesis)
        first, *others = spoken.values()
        return replace(first, alternatives=tuple(others))

    @cached_property
    def _scorer(self) -> Scorer:
        hotwords = frozenset(
            chain.from_iterable(self._spellable(phrase) for phrase in self.hotwords)
        )
        return Scorer(
            self.model,
            hotwords,
            *(self.lm_weight, self.word_score, self.unknown_score, self.hotword_score),
        )

    def _spellable(self, phrase: str) -> list[str]:
        words = [in_letters_of(word, self.alphabet) for word in phrase.split()]
        if not words or None in words:
            raise UserError(f"the hotword {phrase!r} cannot be spelt with the model's vocabulary")
        return [word for word in words if word is not None]

    @cached_property
    def _lexicon(self) -> dict[str, Sequence[Spelling]] | None:
        if self.lexicon is None:
            return None
        added = spelt(self._scorer.hotwords - self.lexicon.keys(), self.alphabet)
        return {**self.lexicon, **added}

    @cached_property
    def _words(self) -> tuple[str, ...]:
        return tuple(self._lexicon or ())

    @cached_property
    def _trie(self) -> Any:
        """Of the lexicon's words; what they score alone is looked ahead at while they are spelt."""
        trie = flashlight.Trie(len(self.alphabet.tokens), self.alphabet.word_delimiter)
        for index, (word, spellings) in enumerate((self._lexicon or {}).items()):
            score = self._scorer.alone(word)
            for spelling in spellings:
                trie.insert([*spelling, self.alphabet.word_delimiter], index, score)
        trie.smear(flashlight.SmearingMode.MAX)
        return trie

    def _check_model(self) -> None:
        """Find out a language model of other units, another language or another spelling."""
        if self.model is None:
            return
        form = self.model.form
        if self._lexicon is not None:
            known = sum(form(word) is not None for word in self._lexicon)
            if not known:
                raise UserError(f"{self.model.path}: knows none of the lexicon's words")
            if known < HALF_KNOWN * len(self._lexicon):
                log.warning(
                    "%s: knows %d of the lexicon's %d words; the others score %g each",
                    *(self.model.path, known, len(self._lexicon), self.unknown_score),
                )
        elif self.alphabet.word_delimiter < 0:
            if not any(form(token) for token in self.alphabet.tokens):
                raise UserError(
                    f"{self.model.path}: knows none of the vocabulary's tokens, which have no word "
                    "delimiter; make one with `wav2vec2-tf ngram --characters`"
                )
        else:
            words = self.model.some_words()
            if words and not any(in_letters_of(word, self.alphabet) for word in words):
                raise UserError(
                    f"{self.model.path}: none of its words, as {words[0]!r}, can be spelt with the "
                    "model's vocabulary: is it of another language, or of other units?"
                )

    @property
    def _boundary(self) -> int:
        """The token that recordings are cut at: the delimiter of words, or else the blank."""
        delimiter = self.alphabet.word_delimiter
        return delimiter if delimiter >= 0 else self.alphabet.blank

    def _fits(self, vocabulary: int) -> bool:
        return (
            max(self.alphabet.blank, self.alphabet.word_delimiter)
            < vocabulary
            <= len(self.alphabet.tokens)
        )

    def _search(self, emissions: np.ndarray, context: State, is_last: bool) -> list[_Found]:
        """The best hypotheses about a piece, best first; `context` is what was said before it."""
        if self._lexicon is not None:
            results = self._search_words(emissions, context, is_last)
        else:
            results = self._search_tokens(emissions, context, is_last)
        # Where one lacks the end of its last word, every one does: nothing else was possible.
        if results[0].score < IMPOSSIBLE / 2:
            return [self._finished(results[0], emissions, context, is_last)]
        return [
            self._found(result, len(emissions), result.score)
            for result in results[: self.n_best]
            if result.score > IMPOSSIBLE / 2
        ]

    def _search_words(self, emissions: np.ndarray, context: State, is_last: bool) -> list[Any]:
        """flashlight's results, with the frame of the delimiter that ends the last word."""
        end = np.full((1, emissions.shape[1]), IMPOSSIBLE, np.float32)
        end[0, self.alphabet.word_delimiter] = 0.0
        emissions = np.concatenate([emissions, end])
        options = flashlight.LexiconDecoderOptions(
            self.beam_size,
            emissions.shape[1],  # tokens: the lexicon leaves few of them anyhow
            self.beam_threshold,
            *(1.0, 0.0, -math.inf, 0.0),  # weights, which `Scorer` has instead; no unknown words
            self.log_add,
            flashlight.CriterionType.CTC,
        )
        model = _WordModel(self._scorer, self._words, context, is_last)
        edges = (self.alphabet.word_delimiter, self.alphabet.blank)
        decoder = flashlight.LexiconDecoder(options, self._trie, model, *edges, -1, [], False)
        return decoder.decode(emissions.ctypes.data, *emissions.shape)

    def _search_tokens(self, emissions: np.ndarray, context: State, is_last: bool) -> list[Any]:
        """flashlight's results. Blank and delimiter are made the first tokens, so that frames in
        which nothing else is likely, and they are most, can do without the others."""
        edges = [i for i in (self.alphabet.blank, self.alphabet.word_delimiter) if i >= 0]
        order = edges + [i for i in range(emissions.shape[1]) if i not in edges]
        emissions = np.ascontiguousarray(emissions[:, order])
        likely = emissions > emissions.max(axis=1, keepdims=True) - self.token_threshold
        last = emissions.shape[1] - likely[:, ::-1].argmax(axis=1)  # 1 + the last likely token
        widths = np.where(last <= len(edges), last, emissions.shape[1])
        tokens = min(self.beam_tokens, int(likely.sum(axis=1).max(initial=1)))
        options = flashlight.LexiconFreeDecoderOptions(
            *(self.beam_size, tokens, self.beam_threshold, 1.0, 0.0, self.log_add),
            flashlight.CriterionType.CTC,
        )
        model = _TokenModel(self._scorer, self.alphabet, order, context, is_last)
        decoder = flashlight.LexiconFreeDecoder(options, model, len(edges) - 1, 0, [])
        decoder.decode_begin()
        start = 0
        for width, frames in groupby(widths.tolist()):
            end = start + len(list(frames))
            part = np.ascontiguousarray(emissions[start:end, :width])
            decoder.decode_step(part.ctypes.data, *part.shape)
            start = end
        decoder.decode_end()
        results = decoder.get_all_final_hypothesis()
        for result in results:
            result.tokens = [order[token] for token in result.tokens]
        return results

    def _found(self, result: Any, frames: int, score: float) -> _Found:
        # before the first frame and after the last one there is a token that stands for none
        words = tuple(self._words[label] for label in result.words if label >= 0)
        return _Found(score, tuple(result.tokens[1 : frames + 1]), words)

    def _finished(
        self, result: Any, emissions: np.ndarray, context: State, is_last: bool
    ) -> _Found:
        """A result whose last word lacks its end, without that word."""
        frames = len(emissions)
        labels = result.words[1 : frames + 1]
        spoken = max((frame for frame, label in enumerate(labels) if label >= 0), default=-1) + 1
        result.tokens = [
            *result.tokens[: spoken + 1],
            *[self.alphabet.blank] * (frames - spoken),
        ]
        found = self._found(result, frames, 0.0)
        context, score = self._said(found.words, context)
        score += float(emissions[np.arange(frames), found.tokens].sum())
        return found._replace(score=score + (self._scorer.end(context) if is_last else 0.0))

    def _said(self, words: Iterable[str], context: State) -> tuple[State, float]:
        """The state after words, and what they add."""
        total = 0.0
        for word in words:
            context, score = self._scorer.word(context, word)
            total += score
        return context, total

    def _after(self, found: _Found, context: State) -> State:
        """The state after the words of a piece."""
        if self._lexicon is not None:
            return self._said(found.words, context)[0]
        spoken = ctc.transcript(_best_path(found.tokens), self.alphabet, 1.0)
        words: Iterable[str] = (word.text for word in spoken.words)
        if self.alphabet.word_delimiter < 0:
            words = (letter.text for word in spoken.words for letter in word.characters)
        return self._said(words, context)[0]

    def _hypothesis(
        self, found: _Found, emissions: np.ndarray, seconds_per_frame: float
    ) -> Hypothesis:
        path = _best_path(found.tokens, emissions)
        spoken = ctc.transcript(path, self.alphabet, seconds_per_frame)
        words, text = spoken.words, spoken.text
        if self._lexicon is not None and [word.text for word in words] != [*found.words]:
            # written otherwise than it is spelt
            words = tuple(replace(w, text=t) for w, t in zip(words, found.words, strict=True))
            text = self.alphabet.space.join(found.words)
        return Hypothesis(text, words, found.score)


def pieces(emissions: np.ndarray, boundary: int) -> Iterator[tuple[np.ndarray, bool]]:
    """Yields pieces of (frames, vocab) log-probabilities, and whether each is the last.

    They are cut at the surest token `boundary` of the second half of `PIECE` frames, which from
    then on is taken for certain.
    """
    start = 0
    while len(emissions) - start > PIECE:
        middle = start + PIECE // 2
        cut = middle + int(emissions[middle : start + PIECE, boundary].argmax())
        piece = emissions[start : cut + 1].copy()
        piece[-1, np.arange(piece.shape[1]) != boundary] = IMPOSSIBLE
        yield piece, False
        start = cut + 1
    yield emissions[start:], True


class _WordModel(flashlight.LM):
    """What flashlight asks of words of the lexicon. A state is a history of words."""

    def __init__(self, scorer: Scorer, words: Sequence[str], context: State, is_last: bool) -> None:
        super().__init__()
        self._scorer, self._words, self._is_last = scorer, words, is_last
        self._first = flashlight.LMState()
        # It holds the states that flashlight gives back, which else were new objects each time.
        self._known: dict[Any, tuple[State, float]] = {self._first: (context, 0.0)}

    def start(self, start_with_nothing: bool) -> Any:
        return self._first

    def score(self, state: Any, word: int) -> tuple[Any, float]:
        after = state.child(word)
        if after not in self._known:
            self._known[after] = self._scorer.word(self._known[state][0], self._words[word])
        return after, self._known[after][1]

    def finish(self, state: Any) -> tuple[Any, float]:
        return state, self._scorer.end(self._known[state][0]) if self._is_last else 0.0


class _TokenModel(flashlight.LM):
    """What flashlight asks of tokens: words count where they end, or else every token is a word.

    A state is a history of tokens, in which delimiters that end no word do not count. flashlight
    numbers the tokens by `order`: first the blank, then the delimiter, if there is one.
    """

    def __init__(
        self,
        scorer: Scorer,
        alphabet: ctc.Alphabet,
        order: Sequence[int],
        context: State,
        is_last: bool,
    ) -> None:
        super().__init__()
        self._scorer, self._is_last = scorer, is_last
        self._tokens = [alphabet.tokens[index] for index in order]
        self._delimiter = 1 if alphabet.word_delimiter >= 0 else None
        self._first = flashlight.LMState()
        # Every state that was reached, lest flashlight make a new object of it each time: what came
        # before, the letters of the word it is in, and the states after it with their scores.
        self._known: dict[Any, tuple[State, str, dict[int, tuple[Any, float]]]] = {
            self._first: (context, "", {})
        }

    def start(self, start_with_nothing: bool) -> Any:
        return self._first

    def score(self, state: Any, token: int) -> tuple[Any, float]:
        context, word, children = self._known[state]
        found = children.get(token)
        if found is None:  # this is called some ten thousand times a second of speech
            found = children[token] = self._extended(state, context, word, token)
        return found

    def _extended(self, state: Any, context: State, word: str, token: int) -> tuple[Any, float]:
        if token == self._delimiter and not word:
            return state, 0.0
        after = state.child(token)
        score, letters = 0.0, word
        if token != self._delimiter:
            letters += self._tokens[token]
        if token == self._delimiter or self._delimiter is None:
            context, score = self._scorer.word(context, letters)
            letters = ""
        self._known[after] = context, letters, {}
        return after, score

    def finish(self, state: Any) -> tuple[Any, float]:
        score = 0.0
        if self._delimiter is not None:
            state, score = self.score(state, self._delimiter)
        return state, score + self._scorer.end(self._known[state][0]) if self._is_last else score


def _joined(before: _Found, after: _Found) -> _Found:
    return _Found(
        before.score + after.score, before.tokens + after.tokens, before.words + after.words
    )


def _best_path(tokens: Sequence[int], emissions: np.ndarray | None = None) -> ctc.BestPath:
    """An alignment as greedy decoding has one, with the probabilities of its tokens."""
    path = np.array(tokens, np.int32)
    if emissions is None:
        return ctc.BestPath(path, np.ones(len(path), np.float32))
    return ctc.BestPath(path, np.exp(emissions[np.arange(len(path)), path]))


# Spelling


def in_letters_of(word: str, alphabet: ctc.Alphabet) -> str | None:
    """A word in the case that the vocabulary can spell it in; None of one that it cannot."""
    letters = _letters(alphabet)
    forms = (word, word.upper(), word.lower())
    return next((form for form in forms if form and letters.issuperset(form)), None)


def spelt(words: Iterable[str], alphabet: ctc.Alphabet) -> dict[str, list[Spelling]]:
    """A lexicon of words in the vocabulary's letters; those that it cannot spell are left out."""
    ids = {token: index for index, token in enumerate(alphabet.tokens)}
    forms = (in_letters_of(word, alphabet) for word in words)
    return {form: [tuple(ids[letter] for letter in form)] for form in forms if form}


def read_lexicon(path: str | PathLike[str], alphabet: ctc.Alphabet) -> dict[str, list[Spelling]]:
    """A lexicon in a file: a word a line, and behind it, if need be, the tokens it is spelt in.

    That is the format of torchaudio and flashlight, whose delimiter at the end may be there or not.

    Raises:
        UserError: no such file, no text, or no word that can be spelt.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; a word a line is wanted") from None
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); a word a line is wanted"
        ) from None
    ids = {token: index for index, token in enumerate(alphabet.tokens)}
    lexicon: dict[str, list[Spelling]] = {}
    left_out: list[str] = []
    for word, *tokens in filter(None, map(str.split, lines)):
        if tokens and ids.get(tokens[-1]) == alphabet.word_delimiter:
            tokens.pop()
        if not tokens:
            entry = spelt([word], alphabet)
        elif all(token in ids and ids[token] != alphabet.blank for token in tokens):
            entry = {word: [tuple(ids[token] for token in tokens)]}
        else:
            entry = {}
        for form, spellings in entry.items():
            known = lexicon.setdefault(form, [])
            known += [spelling for spelling in spellings if spelling not in known]
        if not entry:
            left_out.append(word)
    if not lexicon:
        reason = f"as {left_out[0]!r}" if left_out else "since it is empty"
        raise UserError(f"{path}: has no word that the model's vocabulary can spell, {reason}")
    if left_out:
        log.warning(
            "%s: left out %d words that the model's vocabulary cannot spell, as %s",
            *(path, len(left_out), ", ".join(map(repr, left_out[:5]))),
        )
    return lexicon


@lru_cache
def _letters(alphabet: ctc.Alphabet) -> frozenset[str]:
    special = {alphabet.blank, alphabet.word_delimiter}
    return frozenset(
        token
        for index, token in enumerate(alphabet.tokens)
        if len(token) == 1 and index not in special
    )
