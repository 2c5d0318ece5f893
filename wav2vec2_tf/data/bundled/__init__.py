"""Files in the package: a small model, its outputs in PyTorch, and a sample of speech."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
BUNDLED_MODEL = FOLDER / "model"
BUNDLED_REFERENCE = FOLDER / "pytorch_outputs.safetensors"
BUNDLED_SPEECH = FOLDER / "librispeech_sample.flac"
