"""What was exported against what the Keras model gave, in a process that knows nothing else of it.

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
"""Largest |Δ| of an output."""
TRANSCRIBE, QUANTIZED = "transcribe", "quantized"
OUTPUT, FRAMES, WORDS = "output", "best tokens", "words"
SHARES = {
    TRANSCRIBE: "of the characters",
    QUANTIZED: "of the frames",
    FRAMES: "of the frames",
    WORDS: "of the words",
}
"""What is compared by the share that differs: of two choices that tie, either may be made."""
SHARE_TOLERANCE = 0.01


def in_fresh_process(
    made: Path, expected: Path, limits: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Largest |Δ|, or share, by name.

    Args:
        made: a SavedModel, or a file for another runtime.
        limits: by name, in place of `TOLERANCE` and `SHARE_TOLERANCE`.

    Raises:
        UserError: it fails to load or differs.
    """
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, made, expected]
    done = subprocess.run(command, capture_output=True, text=True)  # type: ignore[arg-type]
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise UserError(f"{made}: does not load again: {last}")
    differences: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    known = {**dict.fromkeys(SHARES, SHARE_TOLERANCE), **(limits or {})}
    off = {n: value for n, value in differences.items() if not value <= known.get(n, TOLERANCE)}
    if off:
        raise UserError(f"{made}: differs from the model it was made of: {off}")
    return differences


def differences(made: str, expected: str) -> dict[str, float]:
    """Largest |Δ|, or share, of each way to call what was exported."""
    with np.load(expected) as arrays:
        if Path(made).is_dir():
            return _of_saved_model(made, arrays)
        return _of_file(Path(made), arrays)


def save_calls(path: Path, calls: Sequence[Mapping[str, np.ndarray]]) -> None:
    """Write what `_of_file` expects: of each call `speech`, `lengths` and the `output` to come."""
    arrays = {f"{place}/{name}": a for place, call in enumerate(calls) for name, a in call.items()}
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _of_file(path: Path, arrays: Any) -> dict[str, float]:
    """Of a file for another runtime: the output everywhere, and what its valid frames say."""
    from wav2vec2_tf.export import runtimes
    from wav2vec2_tf.models.pretrained import read_config
    from wav2vec2_tf.models.processor import Processor

    exported = runtimes.load(path)
    with exported.folder() as facts:
        config, tokenizer = read_config(facts), Processor.from_pretrained(facts).tokenizer
    largest, frames, flips = 0.0, 0, 0
    wanted_words: list[str] = []
    words: list[str] = []
    for place in range(len({name.partition("/")[0] for name in arrays})):
        speech, lengths = arrays[f"{place}/speech"], arrays[f"{place}/lengths"]
        wanted = arrays[f"{place}/output"]
        got = exported(config, speech, lengths)
        if got.shape != wanted.shape:
            raise UserError(f"gives {got.shape} in place of {wanted.shape}")
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


def _of_saved_model(folder: str, arrays: Any) -> dict[str, float]:
    """Of each way to call a SavedModel.

    Args:
        arrays: what to call it with, `speech` and `lengths` (of Wav2Vec2-BERT also
            `input_features` and `frames`; where text is expected also `raw` speech), and what
            is to come: `plain/NAME`, `masked/NAME` and `features/NAME` for each output; `text`.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    signatures = loaded.signatures
    result: dict[str, float] = {}

    def note(name: str, value: np.floating) -> None:
        result[name] = float(np.maximum(result.get(name, 0.0), value))  # which keeps a NaN

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
