"""Paths of the repository and of the tests' data."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
AUDIO = DATA / "audio"
"""Real speech: `librispeech_sample.flac` and `jfk.flac`."""
CORPUS = DATA / "corpus"
"""The bundled corpus in LibriSpeech's layout: speakers 1001, 1002 and 1003."""
FAIRSEQ = DATA / "fairseq"
TEXT = DATA / "text"
