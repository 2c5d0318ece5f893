"""The flags of every program that can decode by beam search, and the decoder they ask for."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.utils.errors import UserError

if TYPE_CHECKING:
    from wav2vec2_tf.text.beam_search import BeamSearch
    from wav2vec2_tf.text.ctc import Alphabet

OPTIONS = (
    *("lm_weight", "word_score", "unknown_score", "hotword_score"),
    *("beam_size", "n_best"),
)
"""Fields of `BeamSearch` that are flags of the same name."""


def add_arguments(parser: argparse.ArgumentParser, *, n_best: bool = True) -> None:
    """Add them; without `n_best` where only the best hypothesis counts."""
    group = parser.add_argument_group(
        "beam search", "any of the first ones takes the place of greedy decoding (extra: lm)"
    )
    group.add_argument("--lm", metavar="FILE", help="KenLM n-gram of words: ARPA or binary")
    group.add_argument(
        "--lexicon",
        metavar="FILE",
        help="only words of this file come out: a word a line, and its tokens, if need be",
    )
    group.add_argument(
        "--hotword",
        action="append",
        default=[],
        metavar="WORD",
        help="word or phrase to favour; may be given more than once",
    )
    group.add_argument("--beam-size", type=positive, metavar="N", help="hypotheses (default 50)")
    if n_best:
        group.add_argument("--n-best", type=positive, metavar="N", help="give the next best, too")
    weights = (
        ("--lm-weight", "of ln p(word | words before) (default 0.5)"),
        ("--word-score", "added for each word (default 0)"),
        ("--unknown-score", "added for a word the model does not know (default -10)"),
        ("--hotword-score", "added for each hotword (default 5)"),
    )
    for name, summary in weights:
        group.add_argument(name, type=number, metavar="X", help=summary)


def wants_beam_search(args: argparse.Namespace) -> bool:
    """Whether a flag is given that greedy decoding has no use for."""
    sizes = (args.beam_size, getattr(args, "n_best", None))
    return bool(args.lm or args.lexicon or args.hotword or any(sizes))


def decoder_of(args: argparse.Namespace, alphabet: Alphabet) -> BeamSearch | None:
    """The beam search that the flags ask for; None where greedy decoding will do.

    Raises:
        UserError: files that cannot be used with this vocabulary, or an extra is not installed.
    """
    check_weights(args)
    if not wants_beam_search(args):
        return None
    from wav2vec2_tf.text.beam_search import BeamSearch, read_lexicon
    from wav2vec2_tf.text.language_model import LanguageModel

    options = {name: getattr(args, name, None) for name in OPTIONS}
    return BeamSearch(
        alphabet,
        LanguageModel(args.lm) if args.lm else None,
        read_lexicon(args.lexicon, alphabet) if args.lexicon else None,
        tuple(args.hotword),
        **{name: value for name, value in options.items() if value is not None},
    )


def identity(args: argparse.Namespace) -> dict[str, Any] | None:
    """What a beam search was told, with the content of its files; None of greedy decoding."""
    if not wants_beam_search(args):
        return None
    from wav2vec2_tf.data.corpora import files_identity

    files = [Path(file) for file in (args.lm, args.lexicon) if file]
    told = {name: getattr(args, name, None) for name in ("lm", "lexicon", "hotword", *OPTIONS)}
    return told | {"content of the files": files_identity(files)}


def check_weights(args: argparse.Namespace) -> None:
    """Refuse weights of what is not there: they would be forgotten silently."""
    needs = {
        "lm_weight": ("--lm", args.lm),
        "unknown_score": ("--lm", args.lm),
        "hotword_score": ("--hotword", args.hotword),
        "word_score": ("--lm or --lexicon", args.lm or args.lexicon),
    }
    for name, (flag, given) in needs.items():
        if getattr(args, name) is not None and not given:
            raise UserError(f"--{name.replace('_', '-')} is a weight of what {flag} gives: add it")


def positive(text: str) -> int:
    """For argparse: a whole number."""
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 100000")
    return int(text)


def number(text: str) -> float:
    """For argparse: a finite number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number
