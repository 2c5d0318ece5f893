"""The utterances on which PyTorch and this library are compared."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.data.bundled import BUNDLED_SPEECH
from wav2vec2_tf.models import families
from wav2vec2_tf.models.config import PUBLISHED_LENGTH, Config


@dataclass(frozen=True, eq=False)
class Utterance:
    """An input of the comparison."""

    name: str
    speech: np.ndarray
    """(samples,) float32 at 16 kHz, normalized where the family takes it so."""
    origin: dict[str, str | int]
    """How to reproduce it: a file or a seed, and the SHA-256 of the file or the drawn samples."""

    @property
    def description(self) -> dict[str, str | int]:
        """The entry in the certificate."""
        return {"name": self.name, "samples": len(self.speech), **self.origin}

    @cached_property
    def log_mel(self) -> np.ndarray:
        """(frames, 160) log-mel features, as this library computes them for Wav2Vec2-BERT."""
        from wav2vec2_tf.models.log_mel import log_mel

        return log_mel(self.speech)


def utterances(config: Config, head: str, length: int | None = None) -> list[Utterance]:
    """Returns speech, and noise from the shortest input of the model to the published length.

    Args:
        config: the model's config.
        head: suffix of the transformers class, such as "ForCTC".
        length: the samples that a SavedModel is fixed to: its longest input, and the only one
            that it takes without lengths.
    """
    longest = length or PUBLISHED_LENGTH
    shortest = shortest_of(config, head)
    sizes = {n for n in (shortest, SAMPLE_RATE, longest) if shortest <= n <= longest}
    return [bundled_speech(config, longest), *(noise(config, size) for size in sorted(sizes))]


def bundled_speech(config: Config, longest: int | None = None) -> Utterance:
    """Returns the bundled utterance, cut to `longest` samples."""
    from wav2vec2_tf import audio

    speech = audio.load(BUNDLED_SPEECH)[:longest]
    digest = hashlib.sha256(BUNDLED_SPEECH.read_bytes()).hexdigest()
    name = f"speech {len(speech) / SAMPLE_RATE:.1f} s"
    return Utterance(
        name, _normalized(config, speech), {"file": BUNDLED_SPEECH.name, "sha256": digest}
    )


def noise(config: Config, samples: int) -> Utterance:
    """Returns white noise, whose seed is the number of samples."""
    values = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    # The digest is of the samples before normalization, which differs in the last bit between
    # processors.
    digest = hashlib.sha256(values.tobytes()).hexdigest()
    origin: dict[str, str | int] = {"seed": samples, "sha256": digest}
    return Utterance(f"noise {samples} samples", _normalized(config, values), origin)


def shortest_of(config: Config, head: str) -> int:
    """Returns the samples of the shortest input of a model.

    It is one frame, or for an x-vector two frames after its convolutions, as the deviation needs.
    """
    span = 0
    if head == families.X_VECTOR:
        sizes = zip(config.tdnn_kernel, config.tdnn_dilation, strict=True)
        span = 1 + sum((kernel - 1) * dilation for kernel, dilation in sizes)
    enough = (n for n in itertools.count(1) if config.adapted_frames(n) > span)
    return config.samples_of(next(enough))


def _normalized(config: Config, speech: np.ndarray) -> np.ndarray:
    from wav2vec2_tf import audio

    return speech if config.log_mel_input else audio.normalize(speech)
