"""Finds the time of each word of the bundled corpus with CMU Flite, which synthesized it.

Flite prints the end of each phone. The number of phones in a word is that of the word synthesized
alone. Prints `data/word_times.tsv`: utterance, start and end in seconds, word. Needs Debian's
`flite`, as `make small-model` does.

`python -m tests.tools.flite_word_times > tests/data/word_times.tsv`
"""

from __future__ import annotations

import functools
import subprocess
import sys

from tests.support.paths import CORPUS

VOICES = {"1001": "slt", "1002": "rms", "1003": "awb"}
PAUSE = "pau"


def phones(voice: str, text: str) -> list[tuple[float, float]]:
    """Returns start and end of each phone in seconds, without the pauses."""
    command = ["flite", "-voice", voice, "-psdur", "-t", text.lower(), "-o", "none"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result, start = [], 0.0
    for phone, end in (pair.split(":") for pair in printed.split()):
        if phone != PAUSE:
            result.append((start, float(end)))
        start = float(end)
    return result


@functools.cache
def length(voice: str, word: str) -> int:
    """Returns the number of phones in a word."""
    return len(phones(voice, word))


def main() -> int:
    """Prints the table."""
    for file in sorted(CORPUS.rglob("*.trans.txt")):
        for line in file.read_text().splitlines():
            utterance, text = line.split(" ", 1)
            voice = VOICES[utterance[:4]]
            spoken = phones(voice, text)
            lengths = [length(voice, word) for word in text.split()]
            if sum(lengths) != len(spoken):
                raise RuntimeError(f"{utterance}: the words alone have other phones")
            at = 0
            for word, count in zip(text.split(), lengths, strict=True):
                start, end = spoken[at][0], spoken[at + count - 1][1]
                print(f"{utterance}\t{start:.3f}\t{end:.3f}\t{word}")
                at += count
    return 0


if __name__ == "__main__":
    sys.exit(main())
