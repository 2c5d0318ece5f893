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
TRANSCRIBE, QUANTIZED = "transcribe", "quantized"
SHARES = {TRANSCRIBE: "of the characters", QUANTIZED: "of the frames"}
"""What is compared by the share that differs: of two choices that tie, either may be made."""
SHARE_TOLERANCE = 0.01


def in_fresh_process(folder: Path, expected: Path) -> dict[str, float]:
    """Largest |Δ|, or share, by name; `UserError` where the SavedModel fails to load or differs."""
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, folder, expected]
    done = subprocess.run(command, capture_output=True, text=True)  # type: ignore[arg-type]
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise UserError(f"{folder}: does not load again: {last}")
    differences: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    off = {
        name: value
        for name, value in differences.items()
        if not value <= (SHARE_TOLERANCE if name in SHARES else TOLERANCE)
    }
    if off:
        raise UserError(f"{folder}: differs from the model it was made of: {off}")
    return differences


def differences(folder: str, expected: str) -> dict[str, float]:
    """Largest |Δ|, or share, of each way to call the SavedModel.

    Args:
        expected: npz file of what to call it with, `speech` and `lengths` (of Wav2Vec2-BERT also
            `input_features` and `frames`; where text is expected also `raw` speech), and of what
            is to come: `plain/NAME`, `masked/NAME` and `features/NAME` for each output; `text`.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    signatures = loaded.signatures
    result: dict[str, float] = {}

    def note(name: str, value: np.floating) -> None:
        result[name] = float(np.maximum(result.get(name, 0.0), value))  # which keeps a NaN

    with np.load(expected) as arrays:
        speech, lengths = tf.constant(arrays["speech"]), tf.constant(arrays["lengths"])
        inputs = {"speech": speech, "lengths": lengths}
        ways = {
            "serving_default": ("plain", signatures["serving_default"](speech=speech)),
            "with_lengths": ("masked", signatures["with_lengths"](**inputs)),
            "__call__": ("plain", loaded(speech)),
            "__call__ with lengths": ("masked", loaded(inputs)),
        }
        if "input_features" in arrays:
            features, frames = tf.constant(arrays["input_features"]), tf.constant(arrays["frames"])
            inputs = {"input_features": features, "lengths": frames}
            ways["from_features"] = ("features", signatures["from_features"](**inputs))
            ways["__call__ of features"] = ("features", loaded(inputs))
        for way, (kind, got) in ways.items():
            prefix = f"{kind}/"
            names = [key.removeprefix(prefix) for key in arrays if key.startswith(prefix)]
            for name in names:
                values = (got[name] if isinstance(got, dict) else got).numpy()
                wanted = arrays[prefix + name]
                off = np.abs(values - wanted)
                if name == "projected_quantized_states":
                    note(QUANTIZED, np.mean(~(off <= TOLERANCE).all(axis=-1)))
                elif name == "codevector_perplexity":
                    note(QUANTIZED, off / wanted)
                else:
                    note(way, off.max(initial=0))
        if "text" in arrays:
            got = signatures[TRANSCRIBE](speech=tf.constant(arrays["raw"]), lengths=lengths)["text"]
            wanted = b" ".join(arrays["text"]).decode()
            said = b" ".join(got.numpy()).decode()
            alike = difflib.SequenceMatcher(None, wanted, said, autojunk=False)
            result[TRANSCRIBE] = 1 - alike.ratio()
    return result


if __name__ == "__main__":
    print(json.dumps(differences(*sys.argv[1:])))
