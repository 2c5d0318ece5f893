"""A SavedModel against what the Keras model gave, in a process that knows nothing else of ours.

`python -m wav2vec2_tf.export.check FOLDER EXPECTED.npz` prints the largest differences as JSON.
"""

from __future__ import annotations

import difflib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from wav2vec2_tf.errors import UserError

TOLERANCE = 1e-4
"""Largest |Δ| of an output."""
TEXT_TOLERANCE = 0.01
"""Largest share of characters; frames whose two best tokens tie may fall either way."""
TRANSCRIBE = "transcribe"


def in_fresh_process(folder: Path, expected: Path) -> dict[str, float]:
    """Largest |Δ| by name; `UserError` where the SavedModel does not load or differs."""
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, folder, expected]
    done = subprocess.run(command, capture_output=True, text=True)  # type: ignore[arg-type]
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise UserError(f"{folder}: does not load again: {last}")
    differences: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    off = {
        name: value
        for name, value in differences.items()
        if not value <= (TEXT_TOLERANCE if name == TRANSCRIBE else TOLERANCE)
    }
    if off:
        raise UserError(f"{folder}: differs from the model it was made of: {off}")
    return differences


def differences(folder: str, expected: str) -> dict[str, float]:
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    result = {}
    with np.load(expected) as arrays:
        speech, lengths = tf.constant(arrays["speech"]), tf.constant(arrays["lengths"])
        plain = loaded.signatures["serving_default"](speech=speech)
        (name,) = plain
        masked = loaded.signatures["with_lengths"](speech=speech, lengths=lengths)[name]
        for key, got in {
            "serving_default": plain[name],
            "with_lengths": masked,
            "__call__": loaded(speech),
            "__call__ with lengths": loaded({"speech": speech, "lengths": lengths}),
        }.items():
            wanted = arrays["masked" if "lengths" in key else "plain"]
            result[key] = float(np.abs(got.numpy() - wanted).max(initial=0))
        if "text" in arrays:
            transcribe = loaded.signatures[TRANSCRIBE]
            got = transcribe(speech=tf.constant(arrays["raw"]), lengths=lengths)["text"].numpy()
            wanted = b" ".join(arrays["text"]).decode()
            alike = difflib.SequenceMatcher(None, wanted, b" ".join(got).decode(), autojunk=False)
            result[TRANSCRIBE] = 1 - alike.ratio()
    return result


if __name__ == "__main__":
    print(json.dumps(differences(*sys.argv[1:])))
