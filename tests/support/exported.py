"""Small models and inputs for the tests of exports."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.support import reference
from tests.support.paths import AUDIO
from wav2vec2_tf.audio import load
from wav2vec2_tf.audio.normalization import normalize
from wav2vec2_tf.export.saved_model import Structure
from wav2vec2_tf.models import families
from wav2vec2_tf.models.config import Wav2Vec2BertConfig

FIXED = 8000  # samples
SHALLOW: dict[str, Any] = {  # two convolutions with the frame length and step of the usual seven
    "conv_dim": (16,) * 2,
    "conv_kernel": (80, 9),
    "conv_stride": (40, 8),
}
DETERMINISTIC = {
    **dict.fromkeys(("hidden_dropout", "attention_dropout", "activation_dropout"), 0.0),
    **dict.fromkeys(("feat_proj_dropout", "final_dropout", "layerdrop"), 0.0),
    "mask_time_prob": 0.0,
}
"""Config without randomness: training computes the same as inference."""
LAYER = (Structure(dict), Structure(dict, "lengths"))
"""The structures that `SavedModelLayer` needs."""
FEW = (Structure(), *LAYER, Structure(tuple, "attention_mask"))
"""`LAYER`, the structures that `convert saved-model` checks, and one with a mask."""
HEADED = {
    families.PRE_TRAINING: "wav2vec2-group",
    families.SEQUENCE: "hubert-batch-norm",
    families.FRAME: "conformer-relative",
    families.X_VECTOR: "bert",
}
"""A variant for each head except CTC."""


@dataclass(frozen=True)
class SavedModel:
    """A model and its export."""

    source: Path
    """The checkpoint, in Hugging Face's format."""
    model: Any
    """The Keras model."""
    folder: Path

    @functools.cached_property
    def loaded(self) -> Any:
        """The export, loaded by TensorFlow."""
        return tf.saved_model.load(self.folder)

    @property
    def takes_features(self) -> bool:
        """Whether the model accepts log-mel features."""
        return isinstance(self.model.config, Wav2Vec2BertConfig)


def checkpoint(folder: Path, variant: str, head: str = families.CTC, **changes: Any) -> Path:
    """Writes a model of one layer by transformers; with a CTC head it outputs some words."""
    sizes = {"num_hidden_layers": 1, "tdnn_kernel": (2, 1, 1), "num_labels": 5, **changes}
    if not variant.startswith("bert"):
        sizes = SHALLOW | sizes
    model = reference.perturbed_model(reference.tiny_config(variant, **sizes), head=head)
    if head == families.CTC:
        model.lm_head.bias.data[0] -= 3  # few blanks, so that there are tokens
        if not variant.startswith("bert"):
            _add_words(model)
    return reference.save_checkpoint(model, folder)


def _add_words(model: Any) -> None:
    """Makes the word delimiter the best token of every third frame of speech."""
    speech = normalize(load(AUDIO / "librispeech_sample.flac")[:80_000])
    delimiter = reference.TOKENS.index("|")
    logits = reference.run(model, speech[np.newaxis])[0]
    behind = np.delete(logits, delimiter, axis=-1).max(axis=-1) - logits[:, delimiter]
    model.lm_head.bias.data[delimiter] += float(np.quantile(behind, 1 / 3))


def mask_of(lengths: np.ndarray, samples: int, dtype: Any) -> np.ndarray:
    """Returns a (batch, samples) mask, 1 up to each length."""
    return (np.arange(samples) < lengths[:, np.newaxis]).astype(dtype)


def padded_batch(fill: float, lengths: Sequence[int] = (FIXED, 2345, 399)) -> tf.Tensor:
    """Returns (batch, FIXED) noise with `fill` in the padding."""
    speeches = [reference.noise(samples, seed=1 + samples) for samples in lengths]
    return tf.constant(reference.padded(speeches, FIXED, fill))
