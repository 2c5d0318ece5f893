"""The main job from end to end on bundled data: `python -m convert.demo OUT`.

A PyTorch checkpoint is converted, proven equal to PyTorch, exported at the published length, loaded
back through TensorFlow Hub, and scored on a corpus three ways.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from wav2vec2_tf.errors import UserError
from wav2vec2_tf.transcribe import BUNDLED_MODEL, Recognizer

REPOSITORY = Path(__file__).resolve().parent.parent
CORPUS = REPOSITORY / "tests" / "data" / "corpus"


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 1:
        print("usage: python -m convert.demo OUT", file=sys.stderr)
        return 2
    out = Path(arguments[0])
    for made in ("model", "saved-model", "parity.json", "wer.json", "report.html"):
        shutil.rmtree(out / made, ignore_errors=True)
        if not (out / made).is_dir():
            (out / made).unlink(missing_ok=True)
    model, saved = out / "model", out / "saved-model"
    step("convert", "torch", BUNDLED_MODEL, model)
    step("convert", "verify", BUNDLED_MODEL, model, "--json", out / "parity.json")
    step("convert", "saved-model", model, saved)
    through_the_hub(saved, sorted(CORPUS.rglob("*.flac"))[0])
    step(
        *("eval", "wer", "--model", model, "--data", CORPUS),
        *("--json", out / "wer.json", "--report", out / "report.html"),
    )
    modes = json.loads((out / "wer.json").read_text())["modes"]
    print(f"\nWER padded as published {modes['padded']['wer']:.1%}, ", end="")
    print(f"variable length {modes['variable']['wer']:.1%}; where they fit, ", end="")
    print(f"padded with lengths {modes['masked']['fitting']['wer']:.2%}", end="")
    print(f" = variable {modes['variable']['fitting']['wer']:.2%}. Look at {out / 'report.html'}")
    return 0


def step(program: str, *arguments: object) -> None:
    """Run a program as a user would; stop the demonstration where it fails."""
    from eval.__main__ import main as evaluate

    from .__main__ import main as convert

    words = [str(argument) for argument in arguments]
    print(f"\n$ wav2vec2-tf {program} {' '.join(words)}", flush=True)
    status = (convert if program == "convert" else evaluate)(words)
    if status:
        sys.exit(status)


def through_the_hub(saved: Path, audio_file: Path) -> None:
    """Call the SavedModel as the published page does, and compare with its own signature."""
    import numpy as np
    import tensorflow as tf
    import tensorflow_hub as hub

    from wav2vec2_tf import audio

    print(f'\n>>> model = tf.function(hub.KerasLayer("{saved}"), jit_compile=True)', flush=True)
    model = tf.function(hub.KerasLayer(str(saved)), jit_compile=True)
    recognizer = Recognizer.load(saved)
    speech = audio.load(audio_file)
    padded = np.zeros((1, recognizer.fixed_length or len(speech)), np.float32)
    padded[0, : len(speech)] = audio.normalize(speech)
    logits = model(tf.constant(padded))
    difference = float(np.abs(logits - recognizer.logits(tf.constant(padded), None)).max())
    if not difference <= 1e-4:
        raise UserError(f"{saved}: through the hub the logits differ by {difference:.2g}")
    (transcript,) = recognizer.transcribe([speech])
    print(f"logits {tuple(logits.shape)}, max |Δ| to tf.saved_model.load {difference:.1e}")
    print(f"{audio_file.name}: {transcript.text}")


if __name__ == "__main__":
    sys.exit(main())
