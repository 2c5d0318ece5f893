"""Makes an n-gram language model in ARPA format from text, for `--lm`.

Smoothing, conventions and numbers are those of KenLM's `lmplz`: interpolated modified Kneser-Ney.
All is held in memory: use `lmplz` itself for text beyond a few million words.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `ngram`."""
    parser.epilog = "example: wav2vec2-tf ngram sentences.txt words.arpa --order 4 --letters upper"
    parser.add_argument(
        "text", nargs="+", type=Path, help="UTF-8 files, a sentence a line, without punctuation"
    )
    parser.add_argument("out", type=Path, metavar="OUT.arpa", help="the file to write")
    parser.add_argument(
        "--order",
        type=int,
        default=3,
        metavar="N",
        help="words of the longest n-grams, from 2 to 6 (default: %(default)s)",
    )
    parser.add_argument(
        "--letters", choices=("upper", "lower"), help="convert all letters to this case"
    )
    parser.add_argument(
        "--characters",
        action="store_true",
        help="count characters, not words: for models whose vocabulary has no word delimiter",
    )


def run(args: argparse.Namespace) -> int:
    """Runs `ngram` and returns 0."""
    from wav2vec2_tf.text.ngram import write_arpa

    counts = write_arpa(
        args.text, args.out, args.order, letters=args.letters, characters=args.characters
    )
    shown = (f"{count} {length}-grams" for length, count in enumerate(counts, start=1))
    print(f"{args.out}: {', '.join(shown)}")
    return 0
