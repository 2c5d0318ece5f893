"""Runs the transformers pipeline on one file, to time its cold start.

`python -m eval.speed.pipeline MODEL FILE`
"""

from __future__ import annotations

import sys


def main(model: str, file: str) -> None:
    """Prints the transcript of a file."""
    import soundfile
    import torch
    import transformers

    recognize = transformers.pipeline("automatic-speech-recognition", model=model)
    speech, rate = soundfile.read(file, dtype="float32")  # the pipeline itself would start ffmpeg
    with torch.inference_mode():
        print(recognize({"raw": speech, "sampling_rate": rate})["text"])


if __name__ == "__main__":
    main(*sys.argv[1:])
