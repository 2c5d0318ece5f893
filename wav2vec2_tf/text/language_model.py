"""What words are worth to a decoder: KenLM's n-grams, and bonuses for words and hotwords."""

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

from wav2vec2_tf.utils.errors import UserError, first_line

if TYPE_CHECKING:
    import kenlm

BINARY_MAGIC = b"mmap lm http://kheafield.com/code"
GZIP_MAGIC = b"\x1f\x8b"
SHORTEST_LINE = 4  # bytes of an n-gram in an ARPA file: a digit, a tab, a letter, a line's end
LONGEST_HEADER = 20  # lines of it that count n-grams, or are empty
LOWEST = -100.0  # log10; what KenLM, too, takes for as good as impossible
SAMPLE = 2000  # words of an ARPA file that are looked at

State = Any
"""`kenlm.State`: the words before, as far as the model remembers them."""


class LanguageModel:
    """An n-gram model in a file that KenLM reads: ARPA, or its own binary format.

    A word is known in whichever case the model has it: as it is written, else in lower or upper
    case, else with a capital.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        """Raises `UserError` for a file that KenLM does not read, and where it is not installed."""
        self.path = Path(path)
        self._model = _load(self.path)
        self._forms: dict[str, str | None] = {}

    def __repr__(self) -> str:
        return f"LanguageModel({str(self.path)!r})"

    @property
    def order(self) -> int:
        """Words of its longest n-grams."""
        return self._model.order

    def form(self, word: str) -> str | None:
        """How the model writes a word; None of a word that it does not know."""
        if word not in self._forms:
            forms = (word, word.lower(), word.upper(), word.capitalize())
            self._forms[word] = next((form for form in forms if form in self._model), None)
        return self._forms[word]

    def begin(self) -> State:
        """The state before a sentence's first word."""
        return self._state("BeginSentenceWrite")

    def nothing(self) -> State:
        """The state of which no word is remembered."""
        return self._state("NullContextWrite")

    def score(self, state: State, word: str | None) -> tuple[State, float]:
        """The state after a word as the model writes it, and ln p(word | state).

        None stands for any word that the model does not know.
        """
        import kenlm

        after = kenlm.State()
        score = self._model.BaseScore(state, "<unk>" if word is None else word, after)
        if not LOWEST < score < -LOWEST:  # infinite, or no number: files can hold that
            score = LOWEST
        return after, score * math.log(10)

    def end(self, state: State) -> float:
        """ln p(the sentence ends | state)."""
        return self.score(state, "</s>")[1]

    def some_words(self) -> list[str]:
        """The first words of an ARPA file's list; none of a binary file's."""
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
    """What a decoder adds to the logarithm of CTC's probability, word by word.

    A word that the model knows adds `lm_weight` · ln p(word | the words before), one that it does
    not, `unknown_score`; each word `word_score`, and each hotword `hotword_score`, and a hotword
    that the model does not know costs nothing for that. The end adds `lm_weight` · ln p(</s> | …).
    """

    model: LanguageModel | None
    hotwords: frozenset[str]
    lm_weight: float
    word_score: float
    unknown_score: float
    hotword_score: float

    def begin(self) -> State:
        return self.model.begin() if self.model else None

    def word(self, state: State, word: str) -> tuple[State, float]:
        """The state after one more word, and what it adds."""
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
        return self.lm_weight * self.model.end(state) if self.model else 0.0

    def alone(self, word: str) -> float:
        """What a word adds where none before it is known."""
        return self.word(self.model.nothing() if self.model else None, word)[1]


# Files


def _load(path: Path) -> kenlm.Model:
    """KenLM's model of a file; raises `UserError` for any that would take the process down."""
    try:
        import kenlm
    except ModuleNotFoundError:
        raise UserError(
            "a language model needs the package kenlm: pip install 'wav2vec2-tf[lm]'"
        ) from None
    wanted = "a KenLM model is wanted, ARPA or binary, as `wav2vec2-tf ngram` and lmplz make"
    if not path.is_file():
        raise UserError(f"{path}: no such file; {wanted}")
    try:
        if _starts_with(path, GZIP_MAGIC):
            raise UserError(f"{path}: is compressed; unpack it first, as with gunzip")
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
    """Refuse counts that the file has no room for: KenLM would reserve the memory, or crash."""
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
                raise UserError(f"{path}: {line.decode(errors='replace')!r} is no count")
            total += int(count[:20])
    if total * SHORTEST_LINE > path.stat().st_size:
        raise UserError(f"{path}: counts {total} n-grams, more than there is room for: it is cut")


def _probe(path: Path) -> None:
    """Load a binary file in a process of its own: KenLM trusts what is in it."""
    code = "import kenlm, sys; kenlm.Model(sys.argv[1]).score('a')"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
    if done.returncode < 0:
        raise UserError(f"{path}: KenLM crashes on it: it is damaged; make it again from its ARPA")


def _unigram_lines(file: Any) -> Iterator[str]:
    """The lines of an ARPA file that have a word each."""
    inside = False
    for line in file:
        if line.startswith("\\1-grams:"):
            inside = True
        elif inside and line.startswith("\\"):
            return
        elif inside and line.count("\t") >= 1 and line.split("\t")[1].strip():
            yield line


def _reason(error: Exception) -> str:
    """What KenLM says, without where in its source it says it."""
    text = " ".join(str(error).split())
    if "(" in text:
        text = text.partition("(")[2].rstrip(")")
    for marker in (" threw ", " because "):
        text = text.rpartition(marker)[2]
    return text[:200] or first_line(error)
