"""What a file for another runtime takes, gives and says of itself: the same in every format."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wav2vec2_tf.export.provenance import Provenance
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.log_mel import log_mel
from wav2vec2_tf.models.pretrained import CONFIG_FILE, write_config
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.utils.errors import UserError, first_line

FLOAT32, FLOAT16, INT8, INT8_STATIC = "float32", "fp16", "int8", "int8-static"
SPEECH, FEATURES, LENGTHS = "speech", "input_features", "lengths"
MODEL_ZOO_SPEECH = "inputs"
INPUTS = (SPEECH, FEATURES, MODEL_ZOO_SPEECH, LENGTHS)
FACT = "wav2vec2_tf/"
"""How the names of our entries in a file's metadata begin; the name of a file follows."""
STATISTICS = "conv_layers_0"
"""In names of the nodes of a layer that stays as it is: with group norm, it takes statistics."""
FEATURE_ENCODER = "feature_encoder"
"""In names of its nodes. Its values range so widely that one scale for all frames costs 6 to 10
points of WER: where a runtime has no scale for each frame, it stays as it is."""
LARGEST = 2**31 - 1
"""Bytes that protocol buffers (ONNX, and the graphs that converters read) and FlatBuffers hold."""

Call = Callable[[dict[str, np.ndarray]], np.ndarray]
Sample = dict[str, np.ndarray]


@dataclass(frozen=True)
class Form:
    """Of the tensors that go in and come out."""

    length: int | None = None
    """Samples of each row; None for any."""
    rows: int | None = None
    """Of each batch; None for any."""
    log_softmax: bool = False
    """Log-probabilities in place of logits."""
    speech: str = SPEECH
    """Name of the input."""
    takes_lengths: bool = True


def facts_of(
    config: Config, head: str, processor: Processor, provenance: Provenance
) -> dict[str, str]:
    """What a SavedModel has in files beside it, text by name: config, vocabulary, origin, …"""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_config(folder, config, head)
        processor.save_pretrained(folder)
        provenance.save(folder)
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


def entries(facts: Mapping[str, str]) -> dict[str, str]:
    """Facts by the names that they have in a file's metadata."""
    return {FACT + name: text for name, text in facts.items()}


def facts_in(path: Path, metadata: Mapping[str, str]) -> dict[str, str]:
    """The facts among a file's metadata; `UserError` where it has none."""
    facts = {
        name.removeprefix(FACT): text for name, text in metadata.items() if name.startswith(FACT)
    }
    if CONFIG_FILE not in facts or any(Path(name).name != name for name in facts):
        raise UserError(f"{path}: has no metadata of a model that this project wrote")
    return facts


def missing(path: Path, runtime: str, extra: str) -> UserError:
    """What to say where a file's runtime is not installed."""
    return UserError(f"{path}: is run by {runtime}: pip install 'wav2vec2-tf[{extra}]'")


@dataclass(frozen=True)
class Exported:
    """A file, run by its own runtime."""

    path: Path
    facts: Mapping[str, str]
    """The files of a model folder but for its weights: text by name."""
    form: Form
    call: Call
    """Inputs by name → what the model gives."""

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """The facts as files, for as long as it is open."""
        with tempfile.TemporaryDirectory() as scratch:
            for name, text in self.facts.items():
                (Path(scratch) / name).write_text(text, encoding="utf-8")
            yield Path(scratch)

    def __call__(
        self, config: Config, speech: np.ndarray, lengths: np.ndarray | None
    ) -> np.ndarray:
        """(batch, samples) speech, (batch,) lengths → (batch, frames, vocab).

        Rows go one by one where the file has a fixed number of them.
        """
        if lengths is None:
            lengths = np.full(len(speech), speech.shape[1], np.int32)
        sample = inputs(config, self.form, speech, lengths)
        rows = self.form.rows or len(speech)
        try:
            parts = [
                self.call({name: values[start : start + rows] for name, values in sample.items()})
                for start in range(0, len(speech), rows)
            ]
        except Exception as error:  # each runtime has kinds of its own, some right under it
            raise UserError(
                f"{self.path}: its runtime cannot compute it ({first_line(error)})"
            ) from None
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def inputs(config: Config, form: Form, speech: np.ndarray, lengths: np.ndarray) -> Sample:
    """What a file takes: speech as it is, or for Wav2Vec2-BERT log-mel features of its rows."""
    first = speech.astype(np.float32, copy=False)
    if config.log_mel_input:
        first, lengths = _features(config, first, lengths)
        return {FEATURES: first, LENGTHS: lengths}
    sample = {form.speech: first}
    return sample | {LENGTHS: lengths.astype(np.int32)} if form.takes_lengths else sample


def _features(
    config: Config, speech: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    frames = config.encoder_frames(speech.shape[1])
    features = np.zeros((len(speech), frames, config.feature_channels), np.float32)
    counts = np.zeros(len(speech), np.int32)
    for row, (samples, length) in enumerate(zip(speech, lengths, strict=True)):
        own = log_mel(samples[:length])
        features[row, : len(own)], counts[row] = own, len(own)
    return features, counts
