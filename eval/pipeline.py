"""The transformers pipeline on one file, to time its cold start: `python -m eval.pipeline MODEL
FILE`."""

from __future__ import annotations

import sys


def main(model: str, file: str) -> None:
    import soundfile
    import torch
    import transformers

    recognise = transformers.pipeline("automatic-speech-recognition", model=model)
    speech, rate = soundfile.read(file, dtype="float32")  # what the pipeline starts ffmpeg for
    with torch.inference_mode():
        print(recognise({"raw": speech, "sampling_rate": rate})["text"])


if __name__ == "__main__":
    main(*sys.argv[1:])
