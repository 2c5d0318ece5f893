"""CTC beam search by flashlight-text, with a language model, a lexicon, hotwords and n-best lists.

The search maximizes ln p_ctc plus the scores of `language_model.Scorer`, where p_ctc is the
probability of the best alignment, or with `log_add` of all alignments (Graves et al. 2006). With a
lexicon the output has words of the lexicon only; without one, any that the vocabulary spells.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, groupby
from typing import Any, NamedTuple

import numpy as np

from wav2vec2_tf.text import ctc
from wav2vec2_tf.text.flashlight_lm import TokenModel, WordModel, flashlight
from wav2vec2_tf.text.language_model import LanguageModel, Scorer, State
from wav2vec2_tf.text.lexicon import Lexicon, Spelling, spell_words
from wav2vec2_tf.text.transcript import Transcript
from wav2vec2_tf.utils.errors import UserError

log = logging.getLogger(__name__)

IMPOSSIBLE = -1e9
"""Stands for -inf, whose sums could be NaN: a score that no alignment can have."""
FLOOR = -1e4
"""Least log-probability."""
PIECE = 1500
"""Frames, 30 s of speech: longer recordings are searched piece by piece, to bound the memory."""
HALF_KNOWN = 0.5
"""A warning is logged if the language model knows less than this share of the lexicon."""


@dataclass(frozen=True)
class Hypothesis(Transcript):
    """A transcript that a beam search found."""

    score: float
    """The natural logarithm that the search maximizes."""
    alternatives: tuple[Hypothesis, ...] = ()
    """The next best, best first, with `n_best` above 1."""


class _PieceResult(NamedTuple):
    """A hypothesis about one piece of a recording."""

    score: float
    tokens: tuple[int, ...]
    """One for each frame."""
    words: tuple[str, ...]
    """Words of the lexicon; empty without one."""


@dataclass(frozen=True)
class BeamSearch:
    """A decoder of log-probabilities (`transcript.Decoder`).

    Raises:
        UserError: weights are not finite; there is a lexicon or a hotword although words have no
            delimiter; a hotword cannot be spelled; the language model knows no possible word.
    """

    alphabet: ctc.Alphabet
    """The vocabulary."""
    model: LanguageModel | None = None
    """Scores words."""
    lexicon: Lexicon | None = None
    """The only words that may come out, with the hotwords."""
    hotwords: tuple[str, ...] = ()
    """Words, or phrases of which each word is favoured."""
    lm_weight: float = 0.5
    """Weight of ln p(word | preceding words)."""
    word_score: float = 0.0
    """Added for each word."""
    unknown_score: float = -10.0
    """Added for a word that the language model lacks."""
    hotword_score: float = 5.0
    """Added for each hotword."""
    beam_size: int = 50
    """Hypotheses kept from frame to frame."""
    beam_threshold: float = 25.0
    """Hypotheses that score this much less than the best one are dropped."""
    beam_tokens: int = 16
    """Without a lexicon: number of likeliest tokens tried at each frame."""
    token_threshold: float = 8.0
    """Without a lexicon: tokens this much less likely than the blank or the delimiter, where one of
    them is likeliest, are not tried."""
    log_add: bool = False
    """Sum the probabilities of all alignments instead of using the best one's."""
    n_best: int = 1
    """Hypotheses returned."""

    def __post_init__(self) -> None:
        weights = (self.lm_weight, self.word_score, self.unknown_score, self.hotword_score)
        if not all(map(math.isfinite, weights)):
            raise UserError("the weights of a beam search must be finite numbers")
        if min(self.beam_size, self.beam_tokens, self.n_best) < 1 or not self.beam_threshold > 0:
            raise UserError("the sizes of a beam search must be above 0")
        if self.alphabet.word_delimiter < 0 and (self.lexicon is not None or self.hotwords):
            raise UserError(
                "the vocabulary has no word delimiter, so there are no words to search for: "
                "leave out the lexicon and the hotwords"
            )
        self._scorer, self._lexicon  # noqa: B018  (their errors are raised now)
        self._check_model()

    def __call__(self, log_probabilities: np.ndarray, seconds_per_frame: float) -> Hypothesis:
        """Decodes natural logarithms `(frames, vocab)`.

        Raises:
            UserError: the shape is not that of the vocabulary, or values are NaN.
        """
        if log_probabilities.ndim != 2 or not self._fits(log_probabilities.shape[1]):
            raise UserError(
                "log-probabilities must be (frames, vocab) for a vocabulary of "
                f"{len(self.alphabet.tokens)} tokens, got shape {log_probabilities.shape}"
            )
        if np.isnan(log_probabilities).any():
            raise UserError("the model's output has NaN: its weights may be damaged")
        if not len(log_probabilities):
            return Hypothesis("", (), 0.0)
        emissions = self._emissions(log_probabilities)
        context = self._scorer.begin()
        best = [_PieceResult(0.0, (), ())]
        for piece, is_last in pieces(emissions, self._boundary):
            found = self._search(piece, context, is_last)
            pairs = (_joined(before, after) for before in best for after in found)
            best = heapq.nlargest(self.n_best, pairs, key=lambda pair: pair.score)
            if not is_last:
                context = self._after(found[0], context)
        by_text: dict[str, Hypothesis] = {}
        for candidate in best:
            hypothesis = self._hypothesis(candidate, emissions, seconds_per_frame)
            by_text.setdefault(hypothesis.text, hypothesis)
        first, *others = by_text.values()
        return replace(first, alternatives=tuple(others))

    def _emissions(self, log_probabilities: np.ndarray) -> np.ndarray:
        """Returns bounded scores of frames; a hidden token counts as the blank.

        It adds nothing to the text either, so that greedy decoding leaves out the same.
        """
        emissions = np.maximum(log_probabilities, FLOOR, dtype=np.float32)
        hidden = [token for token in self.alphabet.hidden if token < emissions.shape[1]]
        if hidden:
            combine = np.logaddexp if self.log_add else np.maximum
            silent = emissions[:, [self.alphabet.blank, *hidden]]
            emissions[:, hidden] = IMPOSSIBLE
            emissions[:, self.alphabet.blank] = combine.reduce(silent, axis=1)
        return emissions

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
        words = list(map(self.alphabet.speller.word, phrase.split()))
        if not words or None in words:
            raise UserError(f"the model's vocabulary cannot spell the hotword {phrase!r}")
        return [word for word in words if word is not None]

    @cached_property
    def _lexicon(self) -> dict[str, Sequence[Spelling]] | None:
        if self.lexicon is None:
            return None
        added = spell_words(self._scorer.hotwords - self.lexicon.keys(), self.alphabet)
        return {**self.lexicon, **added}

    @cached_property
    def _words(self) -> tuple[str, ...]:
        return tuple(self._lexicon or ())

    @cached_property
    def _trie(self) -> Any:
        """The lexicon as a trie; scores of words without context guide the search within them."""
        trie = flashlight.Trie(len(self.alphabet.tokens), self.alphabet.word_delimiter)
        for index, (word, spellings) in enumerate((self._lexicon or {}).items()):
            score = self._scorer.alone(word)
            for spelling in spellings:
                trie.insert([*spelling, self.alphabet.word_delimiter], index, score)
        trie.smear(flashlight.SmearingMode.MAX)
        return trie

    def _check_model(self) -> None:
        """Raises `UserError` if the language model has other units or another language."""
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
            if words and not any(map(self.alphabet.speller.word, words)):
                raise UserError(
                    f"{self.model.path}: the model's vocabulary can spell none of its words, such "
                    f"as {words[0]!r}: it may be of another language, or not a model of words"
                )

    @property
    def _boundary(self) -> int:
        """The token that recordings are cut at: the word delimiter, or the blank without one."""
        delimiter = self.alphabet.word_delimiter
        return delimiter if delimiter >= 0 else self.alphabet.blank

    def _fits(self, vocabulary: int) -> bool:
        return (
            max(self.alphabet.blank, self.alphabet.word_delimiter)
            < vocabulary
            <= len(self.alphabet.tokens)
        )

    def _search(self, emissions: np.ndarray, context: State, is_last: bool) -> list[_PieceResult]:
        """Returns the best hypotheses about a piece, best first, given the words before it."""
        if self._lexicon is not None:
            results = self._search_words(emissions, context, is_last)
        else:
            results = self._search_tokens(emissions, context, is_last)
        # If the best one lacks the end of its last word, all do: nothing else was possible.
        if results[0].score < IMPOSSIBLE / 2:
            return [self._without_last_word(results[0], emissions, context, is_last)]
        return [
            self._piece_result(result, len(emissions), result.score)
            for result in results[: self.n_best]
            if result.score > IMPOSSIBLE / 2
        ]

    def _search_words(self, emissions: np.ndarray, context: State, is_last: bool) -> list[Any]:
        """Returns flashlight's results, with a frame for the delimiter after the last word."""
        end = np.full((1, emissions.shape[1]), IMPOSSIBLE, np.float32)
        end[0, self.alphabet.word_delimiter] = 0.0
        emissions = np.concatenate([emissions, end])
        options = flashlight.LexiconDecoderOptions(
            self.beam_size,
            emissions.shape[1],  # all tokens: the lexicon allows few of them
            self.beam_threshold,
            *(1.0, 0.0, -math.inf, 0.0),  # no unknown words; other weights are in `Scorer`
            self.log_add,
            flashlight.CriterionType.CTC,
        )
        model = WordModel(self._scorer, self._words, context, is_last)
        edges = (self.alphabet.word_delimiter, self.alphabet.blank)
        decoder = flashlight.LexiconDecoder(options, self._trie, model, *edges, -1, [], False)
        return decoder.decode(emissions.ctypes.data, *emissions.shape)

    def _search_tokens(self, emissions: np.ndarray, context: State, is_last: bool) -> list[Any]:
        """Returns flashlight's results.

        Blank and delimiter become the first tokens, so that the many frames in which nothing else
        is likely are searched without the others.
        """
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
        model = TokenModel(self._scorer, self.alphabet, order, context, is_last)
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

    def _piece_result(self, result: Any, frames: int, score: float) -> _PieceResult:
        # flashlight has a token before the first frame and one after the last
        words = tuple(self._words[label] for label in result.words if label >= 0)
        return _PieceResult(score, tuple(result.tokens[1 : frames + 1]), words)

    def _without_last_word(
        self, result: Any, emissions: np.ndarray, context: State, is_last: bool
    ) -> _PieceResult:
        """Returns a result without its last word, which lacks its end."""
        frames = len(emissions)
        labels = result.words[1 : frames + 1]
        kept = max((frame for frame, label in enumerate(labels) if label >= 0), default=-1) + 1
        result.tokens = [
            *result.tokens[: kept + 1],
            *[self.alphabet.blank] * (frames - kept),
        ]
        found = self._piece_result(result, frames, 0.0)
        context, score = self._score_words(found.words, context)
        score += float(emissions[np.arange(frames), found.tokens].sum())
        return found._replace(score=score + (self._scorer.end(context) if is_last else 0.0))

    def _score_words(self, words: Iterable[str], context: State) -> tuple[State, float]:
        """Returns the state after words, and their score."""
        total = 0.0
        for word in words:
            context, score = self._scorer.word(context, word)
            total += score
        return context, total

    def _after(self, found: _PieceResult, context: State) -> State:
        """Returns the state after the words of a piece."""
        if self._lexicon is not None:
            return self._score_words(found.words, context)[0]
        decoded = ctc.transcript(_best_path(found.tokens), self.alphabet, 1.0)
        words: Iterable[str] = (word.text for word in decoded.words)
        if self.alphabet.word_delimiter < 0:
            words = (letter.text for word in decoded.words for letter in word.characters)
        return self._score_words(words, context)[0]

    def _hypothesis(
        self, found: _PieceResult, emissions: np.ndarray, seconds_per_frame: float
    ) -> Hypothesis:
        path = _best_path(found.tokens, emissions)
        decoded = ctc.transcript(path, self.alphabet, seconds_per_frame)
        words, text = decoded.words, decoded.text
        if self._lexicon is not None and [word.text for word in words] != [*found.words]:
            # the lexicon spells the word with other characters than it is written with
            words = tuple(replace(w, text=t) for w, t in zip(words, found.words, strict=True))
            text = self.alphabet.space.join(found.words)
        return Hypothesis(text, words, found.score)


def pieces(emissions: np.ndarray, boundary: int) -> Iterator[tuple[np.ndarray, bool]]:
    """Yields pieces of `(frames, vocab)` log-probabilities, and whether each is the last.

    They are cut where the token `boundary` is likeliest in the second half of `PIECE` frames; the
    frame is then fixed to that token.
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


def _joined(before: _PieceResult, after: _PieceResult) -> _PieceResult:
    return _PieceResult(
        before.score + after.score, before.tokens + after.tokens, before.words + after.words
    )


def _best_path(tokens: Sequence[int], emissions: np.ndarray | None = None) -> ctc.BestPath:
    """Returns an alignment in the form of greedy decoding, with its tokens' probabilities."""
    path = np.array(tokens, np.int32)
    if emissions is None:
        return ctc.BestPath(path, np.ones(len(path), np.float32))
    return ctc.BestPath(path, np.exp(emissions[np.arange(len(path)), path]))
