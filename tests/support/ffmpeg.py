"""Makes tests run with and without ffmpeg, whether or not the machine has it.

A test whose result depends on ffmpeg chooses one of the two:

    @pytest.mark.parametrize("ffmpeg", [without_ffmpeg, fake_ffmpeg])
    def test_bad_audio(ffmpeg, monkeypatch, tmp_path):
        ffmpeg(monkeypatch, tmp_path)
"""

from __future__ import annotations

import os
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = f"""#!{sys.executable} -SE
import pathlib, shutil, sys
folder = pathlib.Path(__file__).parent
(folder / "arguments").write_text("\\n".join(sys.argv[1:]))
if (folder / "answer").exists():
    shutil.copyfileobj((folder / "answer").open("rb"), sys.stdout.buffer)
    sys.exit(0)
error = "[mov @ 0x5581] moov atom not found\\nInvalid data"
if (folder / "error").exists():
    error = (folder / "error").read_text()
sys.stderr.write(error)
sys.exit(1)
"""


def without_ffmpeg(monkeypatch: pytest.MonkeyPatch, folder: Path | None = None) -> None:
    """Removes every folder that holds ffmpeg from the path."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    left = [each for each in folders if shutil.which("ffmpeg", path=each) is None]
    monkeypatch.setenv("PATH", os.pathsep.join(left))
    assert shutil.which("ffmpeg") is None


def fake_ffmpeg(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Puts a stand-in first on the path; returns its folder, `bin` in the given one.

    It writes its arguments to the file `arguments` there, then prints the file `answer`. Where
    there is no such file it fails, with the lines of the file `error`, or "moov atom not found".
    """
    program = folder / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return program.parent


def au(samples: np.ndarray, rate: int) -> bytes:
    """Returns ffmpeg's streamed output: Sun's AU, float32, unknown length, with an annotation."""
    channels = samples.shape[1]
    header = struct.pack(">4sIIIII", b".snd", 32, 0xFFFFFFFF, 6, rate, channels) + b"Lavf63.0"
    return header + samples.astype(">f4").tobytes()
