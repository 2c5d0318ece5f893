"""When each word of the bundled corpus is said, by the synthesiser that said it.

CMU Flite prints the end of each sound that it makes; how many sounds a word has, it tells when it
says the word alone. Writes `data/word_times.tsv`: utterance, start and end in seconds, word. Needs
Debian's `flite`, as `make small-model` does.

    python -m tests.tools.flite_word_times > tests/data/word_times.tsv
"""

from __future__ import annotations

import functools
import subprocess
import sys

from tests.support.paths import CORPUS

VOICES = {"1001": "slt", "1002": "rms", "1003": "awb"}
PAUSE = "pau"


def sounds(voice: str, text: str) -> list[tuple[float, float]]:
    """Starts and ends, without the pauses."""
    command = ["flite", "-voice", voice, "-psdur", "-t", text.lower(), "-o", "none"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result, start = [], 0.0
    for sound, end in (pair.split(":") for pair in printed.split()):
        if sound != PAUSE:
            result.append((start, float(end)))
        start = float(end)
    return result


@functools.cache
def length(voice: str, word: str) -> int:
    return len(sounds(voice, word))


def main() -> int:
    for file in sorted(CORPUS.rglob("*.trans.txt")):
        for line in file.read_text().splitlines():
            utterance, text = line.split(" ", 1)
            voice = VOICES[utterance[:4]]
            said = sounds(voice, text)
            lengths = [length(voice, word) for word in text.split()]
            if sum(lengths) != len(said):
                raise RuntimeError(f"{utterance}: words have other sounds alone than here")
            at = 0
            for word, count in zip(text.split(), lengths, strict=True):
                start, end = said[at][0], said[at + count - 1][1]
                print(f"{utterance}\t{start:.3f}\t{end:.3f}\t{word}")
                at += count
    return 0


if __name__ == "__main__":
    sys.exit(main())
