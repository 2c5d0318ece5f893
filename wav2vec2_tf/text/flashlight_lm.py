"""A `Scorer` as flashlight's language model, for searches over words and over tokens.

flashlight calls `score` with a state and what follows it, and `finish` at the end of the search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wav2vec2_tf.text import ctc
from wav2vec2_tf.text.language_model import Scorer, State
from wav2vec2_tf.utils.errors import UserError

try:
    from flashlight.lib.text import decoder as flashlight
except ModuleNotFoundError as error:
    raise UserError(
        f"beam search needs the package {error.name}: pip install 'wav2vec2-tf[lm]'"
    ) from None


class WordModel(flashlight.LM):
    """Scores words of a lexicon. A state is a history of words.

    Args:
        scorer: scores a word after others.
        words: the lexicon's words, by flashlight's index.
        context: state before the first word.
        is_last: whether the recording ends where the search does.
    """

    def __init__(self, scorer: Scorer, words: Sequence[str], context: State, is_last: bool) -> None:
        super().__init__()
        self._scorer, self._words, self._is_last = scorer, words, is_last
        self._first = flashlight.LMState()
        # Keeps flashlight's states alive, which would otherwise be new objects each time.
        self._known: dict[Any, tuple[State, float]] = {self._first: (context, 0.0)}

    def start(self, start_with_nothing: bool) -> Any:
        """Returns the state before the first word."""
        return self._first

    def score(self, state: Any, word: int) -> tuple[Any, float]:
        """Returns the state after a word, and the word's score."""
        after = state.child(word)
        if after not in self._known:
            self._known[after] = self._scorer.word(self._known[state][0], self._words[word])
        return after, self._known[after][1]

    def finish(self, state: Any) -> tuple[Any, float]:
        """Returns the state at the end of the search, and what the end adds to the score."""
        return state, self._scorer.end(self._known[state][0]) if self._is_last else 0.0


class TokenModel(flashlight.LM):
    """Scores tokens: a word when it ends, or every token if words have no delimiter.

    A state is a history of tokens, without delimiters that end no word.

    Args:
        scorer: scores a word after others.
        alphabet: the vocabulary.
        order: the ids in flashlight's order: the blank, the delimiter if there is one, the others.
        context: state before the first token.
        is_last: whether the recording ends where the search does.
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
        # Keeps all states alive, which would otherwise be new objects each time. Each has the
        # scorer's state, the letters of the unfinished word, and next states with their scores.
        self._known: dict[Any, tuple[State, str, dict[int, tuple[Any, float]]]] = {
            self._first: (context, "", {})
        }

    def start(self, start_with_nothing: bool) -> Any:
        """Returns the state before the first word."""
        return self._first

    def score(self, state: Any, token: int) -> tuple[Any, float]:
        """Returns the state after a token, and what the token adds to the score."""
        context, word, children = self._known[state]
        found = children.get(token)
        if found is None:  # called some ten thousand times for a second of speech
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
        """Returns the state at the end of the search, and what the end adds to the score."""
        score = 0.0
        if self._delimiter is not None:
            state, score = self.score(state, self._delimiter)
        return state, score + self._scorer.end(self._known[state][0]) if self._is_last else score
