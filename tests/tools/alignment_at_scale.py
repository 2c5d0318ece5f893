"""Measures time, memory and misplaced words of the alignment of hours of the bundled corpus.

`python -m tests.tools.alignment_at_scale [HOURS]`
"""

from __future__ import annotations

import sys
import time
import tracemalloc

import numpy as np

from tests.support.paths import CORPUS
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.text.forced_alignment import align
from wav2vec2_tf.transcription.long_form import log_probabilities
from wav2vec2_tf.transcription.recognizer import Recognizer


def main(hours: float = 3.0) -> int:
    """Aligns a recording of this length with its text and prints the figures."""
    recognizer = Recognizer.load(BUNDLED_MODEL)
    seconds = recognizer.seconds_per_frame
    utterances = []
    for file in sorted(CORPUS.rglob("*.trans.txt")):
        for line in file.read_text().splitlines():
            name, text = line.split(" ", 1)
            utterances.append((log_probabilities(recognizer, file.parent / f"{name}.flac"), text))
    # each repetition of the corpus has another order, so that no two stretches are alike
    rounds = round(hours * 3600 / (sum(len(frames) for frames, _ in utterances) * seconds))
    generator = np.random.default_rng(0)
    order = [i for _ in range(rounds) for i in generator.permutation(len(utterances))]
    log_probs = np.concatenate([utterances[i][0] for i in order])
    text = " ".join(utterances[i][1] for i in order)

    tracemalloc.start()
    started = time.process_time()
    words = iter(align(log_probs, text, recognizer.tokenizer, seconds).words)
    spent = time.process_time() - started
    _, peak = tracemalloc.get_traced_memory()
    misplaced = at = 0
    for i in order:
        start, at = at, at + len(utterances[i][0])
        own = [next(words) for _ in utterances[i][1].split()]
        misplaced += sum(
            word.start < start * seconds - 1e-4 or word.end > at * seconds + 1e-4 for word in own
        )
    length = at * seconds / 3600
    print(
        f"{length:.2f} hours × {len(text.split())} words: {spent / length:.0f} s an hour, "
        f"{peak / 1e6:.0f} MB beside the {log_probs.nbytes / 1e6:.0f} MB of log-probabilities; "
        f"{misplaced} words outside their utterance"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
