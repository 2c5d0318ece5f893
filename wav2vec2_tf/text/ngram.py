"""Text → an n-gram language model in ARPA format: `wav2vec2-tf ngram TEXT… OUT.arpa`.

Interpolated modified Kneser-Ney smoothing (Chen and Goodman 1998, section 3; Heafield et al. 2013),
with the conventions of KenLM's `lmplz` and its numbers. All is held in memory: text beyond a few
million words is for `lmplz` itself.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import whole_file

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
ORDERS = range(2, 7)
"""KenLM reads no model below 2, and its Python package none above 6."""
NEVER = -99.0  # the customary log10 probability of <s>, which is never predicted
FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where a text is too small to estimate them, as of `lmplz --discount_fallback`."""

NGram = tuple[str, ...]


class Entry(NamedTuple):
    probability: float
    """log10 of the last word's, after the words before it."""
    backoff: float
    """log10 of the weight that shorter n-grams have where this is the context."""


def estimate(sentences: Iterable[Sequence[str]], order: int) -> list[dict[NGram, Entry]]:
    """The n-grams of 1, 2, … `order` words of a text, a sentence without words counting nothing.

    Raises:
        UserError: an order that KenLM does not read, no words, a word that only models may have,
            or no sentence long enough for one n-gram of that order.
    """
    if order not in ORDERS:
        raise UserError(f"order {order}: one from {ORDERS[0]} to {ORDERS[-1]} is wanted")
    counts = _adjusted(_counted(sentences, order))
    if not counts[0]:
        raise UserError("there is no word in the text, so there is nothing to count")
    if not counts[-1]:
        raise UserError(
            f"no line has the {order - 2} words that an n-gram of order {order} takes: "
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
    backoffs = [*backoffs[1:], {}]  # that of n words is estimated with n + 1
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
    """How often each n-gram of 1 … `order` words occurs; "<s>" is only ever the first of them."""
    counts: list[Counter[NGram]] = [Counter() for _ in range(order)]
    for sentence in sentences:
        if not sentence:
            continue
        for word in sentence:
            if word in (BEGIN, END, UNKNOWN):
                raise UserError(f"the word {word} has a meaning of its own in models: take it out")
        padded = (BEGIN, *sentence, END)
        for length, ngrams in enumerate(counts, start=1):
            ngrams.update(padded[i : i + length] for i in range(len(padded) - length + 1))
    counts[0].pop((BEGIN,), None)
    return counts


def _adjusted(counts: Sequence[Counter[NGram]]) -> list[Counter[NGram]]:
    """Below the highest order, the number of words that an n-gram is seen after.

    Nothing precedes a sentence's beginning: what starts with it keeps its count.
    """
    adjusted = [Counter({n: c for n, c in order.items() if n[0] == BEGIN}) for order in counts[:-1]]
    for lower, higher in zip(adjusted, counts[1:], strict=True):
        lower.update(ngram[1:] for ngram in higher)
    return [*adjusted, counts[-1]]


def _smoothed(
    counts: Counter[NGram], shorter: dict[NGram, float], length: int
) -> tuple[dict[NGram, float], dict[NGram, float]]:
    """Probabilities of n-grams, and the weight each context leaves to the shorter ones."""
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
    if length == 1:  # what is left over is spread evenly, and all that an unknown word has
        probabilities[UNKNOWN,] = weights[()] * shorter[UNKNOWN,]
    return probabilities, weights


def _discounts(counts: Counter[NGram]) -> tuple[float, float, float]:
    """Of n-grams counted once, twice, and three times or more (Chen and Goodman's equation 26)."""
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
    """The lines of an ARPA file."""
    yield "\\data\\\n"
    for length, ngrams in enumerate(model, start=1):
        yield f"ngram {length}={len(ngrams)}\n"
    for length, ngrams in enumerate(model, start=1):
        yield f"\n\\{length}-grams:\n"
        for ngram in sorted(ngrams):
            probability, backoff = ngrams[ngram]
            line = f"{probability:.7g}\t{' '.join(ngram)}"
            # none that ends a sentence is a context, nor is one of the highest order
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
    """The words of each line."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line in file:
                words = line.replace("\0", " ").split()  # KenLM, too, splits words there
                yield [getattr(word, letters)() for word in words] if letters else words
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; convert it first, as with iconv") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
