"""What the fuzzers of this folder share: settings of libFuzzer, folders, one rule for errors.

They are run by hand and need `pip install atheris` (Python 3.11 or 3.12).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import atheris

from wav2vec2_tf.utils.errors import UserError

SLOWEST, MOST_MEMORY = 5, 1024
"""Seconds and megabytes beyond which an input counts as a fault."""
LONGEST_MESSAGE = 4000

work = Path(tempfile.mkdtemp())
"""A folder for the files of a fuzzer."""


@contextmanager
def only_user_errors() -> Iterator[None]:
    """Lets a `UserError` with one short line pass, and nothing else."""
    try:
        yield
    except UserError as error:
        assert "\n" not in str(error) and len(str(error)) < LONGEST_MESSAGE


def run(
    test_one_input: Callable[[bytes], None],
    seeds: Iterable[bytes],
    words: Iterable[str],
    mutated: Callable[[bytes, int, int], bytes],
    max_bytes: int,
) -> None:
    """Runs libFuzzer for as many seconds as the first argument says.

    Args:
        test_one_input: reads an input; what it raises ends the run.
        seeds: the initial inputs.
        words: what libFuzzer may insert.
        mutated: changes an input: its content, the largest size, a random number.
        max_bytes: the largest input.
    """
    seconds, artifacts = int(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else ".")
    corpus, initial, dictionary = (work / name for name in ("corpus", "seeds", "words"))
    corpus.mkdir()
    initial.mkdir()
    for number, seed in enumerate(seeds):
        (initial / str(number)).write_bytes(seed)
    dictionary.write_text("".join(f'"{word}"\n' for word in words))
    options = {"max_total_time": seconds, "max_len": max_bytes, "timeout": SLOWEST}
    options |= {"dict": dictionary, "rss_limit_mb": 4096, "malloc_limit_mb": MOST_MEMORY}
    options |= {"print_final_stats": 1, "artifact_prefix": f"{artifacts}/", "verbosity": 1}
    flags = [f"-{name}={value}" for name, value in options.items()]
    arguments = [sys.argv[0], *flags, str(corpus), str(initial)]
    atheris.Setup(arguments, test_one_input, custom_mutator=mutated)
    atheris.Fuzz()
