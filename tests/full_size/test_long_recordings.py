"""Transcribing takes at most 1.5 GB beyond the weights of base, however long the recording."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from eval.speed.artefacts import random_model
from wav2vec2_tf import audio
from wav2vec2_tf.data.bundled import BUNDLED_SPEECH

pytestmark = pytest.mark.full_size

MINUTES = (3, 20)
TRANSCRIPTION = """
import re, sys
from pathlib import Path
from wav2vec2_tf.cli.main import main

assert main(["transcribe", sys.argv[1], "--model", sys.argv[2], "-o", sys.argv[3]]) == 0
print(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1)))
"""


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    random_model(tmp_path / "model")
    weights = (tmp_path / "model" / "model.safetensors").stat().st_size
    minute = np.resize(audio.load(BUNDLED_SPEECH), 60 * 16_000)
    beyond = {}
    for minutes in MINUTES:
        file = tmp_path / f"{minutes}.wav"
        soundfile.write(file, np.tile(minute, minutes), 16_000)
        out = file.with_suffix(".json")
        arguments = [str(file), str(tmp_path / "model"), str(out)]
        command = [sys.executable, "-c", TRANSCRIPTION, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        assert out.stat().st_size > 0
        beyond[minutes] = int(done.stdout.splitlines()[-1]) - weights
        print(f"{minutes} minutes: {beyond[minutes] / 1e6:.0f} MB beyond the weights")
    shorter, longer = beyond.values()
    assert longer <= 1.5e9
    assert longer - shorter <= 150e6  # allocators differ
