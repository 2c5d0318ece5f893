"""Compares an export with the outputs of the Keras model, in a fresh process.

`python -m wav2vec2_tf.export.check FOLDER|FILE EXPECTED.npz` prints the differences as JSON.
"""

from __future__ import annotations

import difflib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wav2vec2_tf.utils.errors import UserError

TOLERANCE = 1e-4
"""Largest |Δ| of an output that passes."""
TRANSCRIBE, QUANTIZED = "transcribe", "quantized"
OUTPUT, FRAMES, WORDS = "output", "best tokens", "words"
SHARES = {
    TRANSCRIBE: "of the characters",
    QUANTIZED: "of the frames",
    FRAMES: "of the frames",
    WORDS: "of the words",
}
"""Comparisons by the share of choices that differ: where two choices tie, either may be made."""
SHARE_TOLERANCE = 0.01
"""Largest share that passes."""


def in_fresh_process(
    made: Path, expected: Path, limits: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Compares an export with expected outputs in a fresh process.

    Args:
        made: a SavedModel, or a file for another runtime.
        expected: the calls to make and their outputs: a file of `save_calls`, or for a SavedModel
            the arrays that `convert.saved_model` writes.
        limits: the largest difference that passes, by the name of the comparison, in place of
            `TOLERANCE` and `SHARE_TOLERANCE`.

    Returns:
        Largest |Δ|, or share that differs (`SHARES`), by the name of the comparison.

    Raises:
        UserError: the export fails to load, or differs by more than the limits.
    """
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, made, expected]
    done = subprocess.run(command, capture_output=True, text=True)  # type: ignore[arg-type]
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UserError(f"{made}: does not load in a fresh process: {last}")
    differences: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    known = {**dict.fromkeys(SHARES, SHARE_TOLERANCE), **(limits or {})}
    off = {n: value for n, value in differences.items() if not value <= known.get(n, TOLERANCE)}
    if off:
        raise UserError(f"{made}: differs from the model that was exported: {off}")
    return differences


def differences(made: str, expected: str) -> dict[str, float]:
    """Returns the largest |Δ|, or share that differs, of each way to call an export."""
    with np.load(expected) as arrays:
        if Path(made).is_dir():
            return _saved_model_differences(made, arrays)
        return _file_differences(Path(made), arrays)


def save_calls(path: Path, calls: Sequence[Mapping[str, np.ndarray]]) -> None:
    """Writes the calls to make of a file: `speech`, `lengths` and the expected `output` of each."""
    arrays = {f"{place}/{name}": a for place, call in enumerate(calls) for name, a in call.items()}
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _file_differences(path: Path, arrays: Any) -> dict[str, float]:
    """Compares the output of a file everywhere, and tokens and words at its valid frames."""
    from wav2vec2_tf.export.loading import load_export

    exported = load_export(path)
    config, tokenizer = exported.config, exported.processor.tokenizer
    largest, frames, flips = 0.0, 0, 0
    wanted_words: list[str] = []
    words: list[str] = []
    for place in range(len({name.partition("/")[0] for name in arrays})):
        speech, lengths = arrays[f"{place}/speech"], arrays[f"{place}/lengths"]
        wanted = arrays[f"{place}/output"]
        (got,) = exported(speech, lengths).values()
        if got.shape != wanted.shape:
            raise UserError(f"output must be of shape {wanted.shape}, got {got.shape}")
        largest = float(np.maximum(largest, np.abs(got - wanted).max(initial=0)))  # keeps a NaN
        for row, length in enumerate(lengths if wanted.ndim == 3 else ()):
            count = config.frame_length(int(length))
            best = [values[row, :count].argmax(-1) for values in (wanted, got)]
            frames, flips = frames + count, flips + int((best[0] != best[1]).sum())
            if tokenizer is not None:
                wanted_words += tokenizer.decode(best[0], skip_special_tokens=True).split()
                words += tokenizer.decode(best[1], skip_special_tokens=True).split()
    result = {OUTPUT: largest}
    if frames:
        result[FRAMES] = flips / frames
    if tokenizer is not None:
        result[WORDS] = (
            1 - difflib.SequenceMatcher(None, wanted_words, words, autojunk=False).ratio()
        )
    return result


def _saved_model_differences(folder: str, arrays: Any) -> dict[str, float]:
    """Compares the outputs of each way to call a SavedModel.

    Args:
        folder: the SavedModel.
        arrays: the inputs, `speech` and `lengths` (for Wav2Vec2-BERT also `input_features` and
            `frames`; where text is expected also `raw` speech), and the expected outputs:
            `plain/NAME`, `masked/NAME` and `features/NAME` for each output; `text`.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    signatures = loaded.signatures
    result: dict[str, float] = {}

    def note(name: str, value: np.floating) -> None:
        result[name] = float(np.maximum(result.get(name, 0.0), value))  # keeps a NaN

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
        text = b" ".join(got.numpy()).decode()
        matcher = difflib.SequenceMatcher(None, wanted, text, autojunk=False)
        result[TRANSCRIBE] = 1 - matcher.ratio()
    return result


if __name__ == "__main__":
    print(json.dumps(differences(*sys.argv[1:])))
