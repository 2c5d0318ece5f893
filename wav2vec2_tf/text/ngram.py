"""Estimates n-gram language models from text, and writes them in ARPA format.

Uses interpolated modified Kneser-Ney smoothing (Chen and Goodman 1998, section 3; Heafield et al.
2013) with the conventions of KenLM's `lmplz`, and gives the same numbers. Everything is held in
memory: use `lmplz` itself for text beyond a few million words.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from wav2vec2_tf.text.spelling import to_case
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import whole_file

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
ORDERS = range(2, 7)
"""KenLM reads no model below 2, and its Python package none above 6."""
NEVER = -99.0
"""The customary log10 probability of <s>, which is never predicted."""
FALLBACK = (0.5, 1.0, 1.5)
"""Discounts if a text is too small to estimate them, as of `lmplz --discount_fallback`."""

NGram = tuple[str, ...]


class Entry(NamedTuple):
    """The numbers of an n-gram."""

    probability: float
    """log10 p(last word | the words before it)."""
    backoff: float
    """log10 of the weight of shorter n-grams after this context."""


def estimate(sentences: Iterable[Sequence[str]], order: int) -> list[dict[NGram, Entry]]:
    """Returns the n-grams of 1, 2, … `order` words of a text; empty sentences are ignored.

    Raises:
        UserError: KenLM does not read the order; there are no words, a reserved word, or no
            sentence long enough for one n-gram of that order.
    """
    if order not in ORDERS:
        raise UserError(f"order must be from {ORDERS[0]} to {ORDERS[-1]}, got {order}")
    counts = _adjusted(_counted(sentences, order))
    if not counts[0]:
        raise UserError("the text must have words")
    if not counts[-1]:
        raise UserError(
            f"no line has the {order - 2} words that an n-gram of order {order} needs: "
            "give more text, or a lower --order"
        )
    words = {word for (word,) in counts[0]} | {UNKNOWN}
    shorter: dict[NGram, float] = dict.fromkeys([(word,) for word in words], 1 / len(words))
    probabilities: list[dict[NGram, float]] = []
    backoffs: list[dict[NGram, float]] = []
    for length, ngrams in enumerate(counts, start=1):
        known, weights = _smoothed(ngrams, shorter, length)
        probabilities.append(known)
        backoffs.append(weights)
        shorter = known
    backoffs = [*backoffs[1:], {}]  # the backoff of n words is estimated with n + 1
    model = [
        {
            ngram: Entry(math.log10(p), math.log10(weights.get(ngram, 1.0)))
            for ngram, p in known.items()
        }
        for known, weights in zip(probabilities, backoffs, strict=True)
    ]
    model[0][BEGIN,] = Entry(NEVER, math.log10(backoffs[0].get((BEGIN,), 1.0)))
    return model


def _counted(sentences: Iterable[Sequence[str]], order: int) -> list[Counter[NGram]]:
    """Counts the n-grams of 1 … `order` words; "<s>" can only be their first word."""
    counts: list[Counter[NGram]] = [Counter() for _ in range(order)]
    for sentence in sentences:
        if not sentence:
            continue
        for word in sentence:
            if word in (BEGIN, END, UNKNOWN):
                raise UserError(f"the word {word} is reserved in language models: remove it")
        padded = (BEGIN, *sentence, END)
        for length, ngrams in enumerate(counts, start=1):
            ngrams.update(padded[i : i + length] for i in range(len(padded) - length + 1))
    counts[0].pop((BEGIN,), None)
    return counts


def _adjusted(counts: Sequence[Counter[NGram]]) -> list[Counter[NGram]]:
    """Replaces counts below the highest order by the number of different preceding words.

    Nothing precedes the beginning of a sentence: n-grams that start with it keep their counts.
    """
    adjusted = [Counter({n: c for n, c in order.items() if n[0] == BEGIN}) for order in counts[:-1]]
    for lower, higher in zip(adjusted, counts[1:], strict=True):
        lower.update(ngram[1:] for ngram in higher)
    return [*adjusted, counts[-1]]


def _smoothed(
    counts: Counter[NGram], shorter: dict[NGram, float], length: int
) -> tuple[dict[NGram, float], dict[NGram, float]]:
    """Returns probabilities of n-grams, and the weight that each context leaves to shorter ones."""
    discounts = (0.0, *_discounts(counts))
    total: dict[NGram, int] = defaultdict(int)
    kept_back: dict[NGram, float] = defaultdict(float)
    for ngram, count in counts.items():
        total[ngram[:-1]] += count
        kept_back[ngram[:-1]] += discounts[min(count, 3)]
    weights = {context: kept_back[context] / total[context] for context in total}
    probabilities = {
        ngram: (count - discounts[min(count, 3)]) / total[ngram[:-1]]
        + weights[ngram[:-1]] * shorter[ngram[1:] if length > 1 else ngram]
        for ngram, count in counts.items()
    }
    if length == 1:  # the rest is spread evenly; an unknown word has nothing else
        probabilities[UNKNOWN,] = weights[()] * shorter[UNKNOWN,]
    return probabilities, weights


def _discounts(counts: Counter[NGram]) -> tuple[float, float, float]:
    """Returns discounts for counts of 1, 2, and 3 or more (Chen and Goodman's equation 26)."""
    once, twice, thrice, four_times = map(Counter(counts.values()).__getitem__, (1, 2, 3, 4))
    if not (once and twice and thrice and four_times):
        return FALLBACK
    base = once / (once + 2 * twice)
    discounts = (
        1 - 2 * base * twice / once,
        2 - 3 * base * thrice / twice,
        3 - 4 * base * four_times / thrice,
    )
    inside = all(0 < discount <= k for k, discount in enumerate(discounts, start=1))
    return discounts if inside else FALLBACK


def arpa_lines(model: Sequence[dict[NGram, Entry]]) -> Iterator[str]:
    """Yields the lines of an ARPA file."""
    yield "\\data\\\n"
    for length, ngrams in enumerate(model, start=1):
        yield f"ngram {length}={len(ngrams)}\n"
    for length, ngrams in enumerate(model, start=1):
        yield f"\n\\{length}-grams:\n"
        for ngram in sorted(ngrams):
            probability, backoff = ngrams[ngram]
            line = f"{probability:.7g}\t{' '.join(ngram)}"
            # neither the end of a sentence nor an n-gram of the highest order is a context
            is_context = length < len(model) and ngram[-1] != END
            yield f"{line}\t{backoff:.7g}\n" if is_context else f"{line}\n"
    yield "\n\\end\\\n"


def write_arpa(
    texts: Sequence[Path],
    out: Path,
    order: int = 3,
    *,
    letters: str | None = None,
    characters: bool = False,
) -> list[int]:
    """Estimates a model from text files and writes it to a file in ARPA format.

    Args:
        texts: UTF-8 files with a sentence a line, without punctuation.
        out: the file to write.
        order: words of the longest n-grams.
        letters: "upper" or "lower" converts all letters to this case.
        characters: count characters instead of words, for models without a word delimiter.

    Returns:
        The number of n-grams of 1, 2, … `order` words.

    Raises:
        UserError: see `estimate`; a text that cannot be read, or `out` is a text or a folder.
    """
    for path in texts:
        if path.resolve() == out.resolve():
            raise UserError(f"{path}: would be read and overwritten: name the file to write last")
    if out.is_dir():
        raise UserError(f"{out}: is a folder; name a file")
    sentences = (
        tuple("".join(words)) if characters else words
        for path in texts
        for words in _sentences(path, letters)
    )
    model = estimate(sentences, order)
    with whole_file(out) as beside, beside.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(arpa_lines(model))
    return [len(ngrams) for ngrams in model]


def _sentences(path: Path, letters: str | None) -> Iterator[list[str]]:
    """Yields the words of each line."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line in file:
                words = line.replace("\0", " ").split()  # KenLM splits words there, too
                yield [to_case(word, letters) for word in words] if letters else words
    except UnicodeDecodeError:
        raise UserError(f"{path}: must be UTF-8 text; convert it, for example with iconv") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
