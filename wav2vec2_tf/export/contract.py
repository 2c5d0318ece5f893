"""The tensors that a file for another runtime takes and gives: the same in every format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from wav2vec2_tf.models.config import Config

SPEECH, FEATURES, LENGTHS = "speech", "input_features", "lengths"
MODEL_ZOO_SPEECH, MODEL_ZOO_LENGTH = "inputs", 30_480
"""Name and number of samples of the input of wav2vec2-base in OpenVINO's model zoo."""

NamedArrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Contract:
    """Names and shapes of the tensors that an exported file takes and gives."""

    length: int | None = None
    """Samples of each row; None for any."""
    rows: int | None = None
    """Rows of each batch; None for any."""
    log_softmax: bool = False
    """Whether the output is log-probabilities in place of logits."""
    speech: str = SPEECH
    """Name of the input for speech."""
    takes_lengths: bool = True
    """Whether lengths are an input; without them, padding counts as speech."""

    @classmethod
    def model_zoo(cls, length: int | None = None) -> Contract:
        """Returns the contract of wav2vec2-base in OpenVINO's model zoo."""
        return cls(length or MODEL_ZOO_LENGTH, 1, True, MODEL_ZOO_SPEECH, takes_lengths=False)

    def named_inputs(self, config: Config, speech: np.ndarray, lengths: np.ndarray) -> NamedArrays:
        """Returns the inputs of a file by name.

        Args:
            config: the model's; it says whether the input is log-mel features in place of speech.
            speech: (batch, samples) float.
            lengths: (batch,) samples of each row that are not padding.
        """
        first = speech.astype(np.float32, copy=False)
        if config.log_mel_input:
            first, lengths = _features(config, first, lengths)
            return {FEATURES: first, LENGTHS: lengths}
        named = {self.speech: first}
        return named | {LENGTHS: lengths.astype(np.int32)} if self.takes_lengths else named


def _features(
    config: Config, speech: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (batch, frames, channels) log-mel features of each row, and their lengths."""
    from wav2vec2_tf.models.log_mel import log_mel  # and TensorFlow

    frames = config.encoder_frames(speech.shape[1])
    features = np.zeros((len(speech), frames, config.feature_channels), np.float32)
    counts = np.zeros(len(speech), np.int32)
    for row, (samples, length) in enumerate(zip(speech, lengths, strict=True)):
        row_features = log_mel(samples[:length])
        features[row, : len(row_features)], counts[row] = row_features, len(row_features)
    return features, counts
