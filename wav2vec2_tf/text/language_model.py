"""Scores of words in a beam search: KenLM's n-grams, and bonuses for words and hotwords."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.text.spelling import case_variants
from wav2vec2_tf.utils.errors import UserError, first_line

if TYPE_CHECKING:
    import kenlm

BINARY_MAGIC = b"mmap lm http://kheafield.com/code"
GZIP_MAGIC = b"\x1f\x8b"
SHORTEST_LINE = 4
"""Bytes of the shortest n-gram in an ARPA file: a digit, a tab, a letter, and a line end."""
LONGEST_HEADER = 20
"""Lines of an ARPA file's header that are read."""
LOWEST = -100.0
"""Least log10 probability, which KenLM, too, takes for impossible."""
SAMPLE = 2000
"""Words of an ARPA file that are looked at."""

State = Any
"""`kenlm.State`: the preceding words, up to the order of the model."""


class LanguageModel:
    """An n-gram model in a file that KenLM reads: ARPA, or its own binary format.

    A word is looked up as it is written, then in lower case, in upper case and with a capital.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        """Loads a file.

        Raises:
            UserError: KenLM cannot read the file, or is not installed.
        """
        self.path = Path(path)
        self._model = _load(self.path)
        self._forms: dict[str, str | None] = {}

    def __repr__(self) -> str:
        return f"LanguageModel({str(self.path)!r})"

    @property
    def order(self) -> int:
        """Number of words in the longest n-grams."""
        return self._model.order

    def form(self, word: str) -> str | None:
        """Returns a word as the model writes it; None if it does not know the word."""
        if word not in self._forms:
            forms = case_variants(word)
            self._forms[word] = next((form for form in forms if form in self._model), None)
        return self._forms[word]

    def begin(self) -> State:
        """Returns the state before a sentence's first word."""
        return self._state("BeginSentenceWrite")

    def nothing(self) -> State:
        """Returns the state without preceding words."""
        return self._state("NullContextWrite")

    def score(self, state: State, word: str | None) -> tuple[State, float]:
        """Returns the state after a word as the model writes it, and ln p(word | state).

        None stands for any word that the model does not know.
        """
        import kenlm

        after = kenlm.State()
        score = self._model.BaseScore(state, "<unk>" if word is None else word, after)
        if not LOWEST < score < -LOWEST:  # infinite or NaN, which files can contain
            score = LOWEST
        return after, score * math.log(10)

    def end(self, state: State) -> float:
        """Returns ln p(the sentence ends | state)."""
        return self.score(state, "</s>")[1]

    def some_words(self) -> list[str]:
        """Returns the first words of an ARPA file; none for a binary file."""
        if _starts_with(self.path, BINARY_MAGIC):
            return []
        with self.path.open(encoding="utf-8", errors="replace") as file:
            words = (line.split("\t")[1].split()[0] for line in _unigram_lines(file))
            return [word for word in islice(words, SAMPLE) if not word.startswith("<")]

    def _state(self, write: str) -> State:
        import kenlm

        state = kenlm.State()
        getattr(self._model, write)(state)
        return state


@dataclass(frozen=True)
class Scorer:
    """The scores that a decoder adds to the logarithm of CTC's probability, word by word.

    A word that the model knows adds `lm_weight` · ln p(word | preceding words), any other
    `unknown_score` unless it is a hotword. Each word also adds `word_score`, and each hotword
    `hotword_score`. The end adds `lm_weight` · ln p(</s> | …).
    """

    model: LanguageModel | None
    hotwords: frozenset[str]
    lm_weight: float
    word_score: float
    unknown_score: float
    hotword_score: float

    def begin(self) -> State:
        """Returns the state before the first word."""
        return self.model.begin() if self.model else None

    def word(self, state: State, word: str) -> tuple[State, float]:
        """Returns the state after one more word, and its score."""
        is_hotword = word in self.hotwords
        bonus = self.word_score + self.hotword_score * is_hotword
        if self.model is None:
            return None, bonus
        form = self.model.form(word)
        after, score = self.model.score(state, form)
        if form is not None:
            return after, self.lm_weight * score + bonus
        return after, bonus if is_hotword else self.unknown_score + bonus

    def end(self, state: State) -> float:
        """Returns the score of the end."""
        return self.lm_weight * self.model.end(state) if self.model else 0.0

    def alone(self, word: str) -> float:
        """Returns the score of a word without preceding words."""
        return self.word(self.model.nothing() if self.model else None, word)[1]


# Files


def _load(path: Path) -> kenlm.Model:
    """Returns KenLM's model of a file; raises `UserError` for a file that would crash KenLM."""
    try:
        import kenlm
    except ModuleNotFoundError:
        raise UserError(
            "a language model needs the package kenlm: pip install 'wav2vec2-tf[lm]'"
        ) from None
    wanted = "give a KenLM model, ARPA or binary, as `wav2vec2-tf ngram` and lmplz write it"
    if not path.is_file():
        raise UserError(f"{path}: no such file; {wanted}")
    try:
        if _starts_with(path, GZIP_MAGIC):
            raise UserError(f"{path}: is compressed; decompress it first, for example with gunzip")
        if _starts_with(path, BINARY_MAGIC):
            _probe(path)
        else:
            _check_header(path, wanted)
        config = kenlm.Config()
        config.show_progress = False
        config.arpa_complain = kenlm.ARPALoadComplain.NONE
        return kenlm.Model(str(path), config)
    except UserError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{path}: KenLM cannot read it ({_reason(error)}); {wanted}") from None


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _check_header(path: Path, wanted: str) -> None:
    """Raises `UserError` for counts beyond the file's size: KenLM would allocate them, or crash."""
    with path.open("rb") as file:
        lines = (file.readline(1000).strip() for _ in range(LONGEST_HEADER))
        if next((line for line in lines if line), b"") != b"\\data\\":
            raise UserError(f"{path}: its first line is not \\data\\; {wanted}")
        total = 0
        for line in lines:
            if not line:
                continue
            if not line.startswith(b"ngram "):
                break
            _, _, count = line.partition(b"=")
            if not count.strip().isdigit():
                raise UserError(f"{path}: invalid count {line.decode(errors='replace')!r}")
            total += int(count[:20])
    if total * SHORTEST_LINE > path.stat().st_size:
        raise UserError(
            f"{path}: states {total} n-grams, which do not fit in the file: it is truncated"
        )


def _probe(path: Path) -> None:
    """Loads a binary file in another process first, since KenLM trusts its content."""
    code = "import kenlm, sys; kenlm.Model(sys.argv[1]).score('a')"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
    if done.returncode < 0:
        raise UserError(f"{path}: damaged, KenLM crashes on it; make it again from its ARPA file")


def _unigram_lines(file: Any) -> Iterator[str]:
    """Yields the lines of an ARPA file's unigrams, which have one word each."""
    inside = False
    for line in file:
        if line.startswith("\\1-grams:"):
            inside = True
        elif inside and line.startswith("\\"):
            return
        elif inside and line.count("\t") >= 1 and line.split("\t")[1].strip():
            yield line


def _reason(error: Exception) -> str:
    """Returns KenLM's message without the position in its source."""
    text = " ".join(str(error).split())
    if "(" in text:
        text = text.partition("(")[2].rstrip(")")
    for marker in (" threw ", " because "):
        text = text.rpartition(marker)[2]
    return text[:200] or first_line(error)
