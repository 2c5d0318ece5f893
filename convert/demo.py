"""Shows the main steps from end to end on bundled data: `python -m convert.demo OUT`.

A PyTorch checkpoint is converted, compared with PyTorch's outputs, exported at the published length
and loaded through TensorFlow Hub. Its word error rate is measured on a corpus in three modes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from eval.__main__ import main as evaluate
from wav2vec2_tf.cli.programs import run_program
from wav2vec2_tf.data.bundled import BUNDLED_MODEL, BUNDLED_REFERENCE
from wav2vec2_tf.utils.errors import UserError

from .__main__ import main as convert

CORPUS = Path(__file__).resolve().parent.parent / "tests" / "data" / "corpus"

RESULTS = (
    "model",
    "saved-model",
    "parity.json",
    "wer.json",
    "wer.json.partial.jsonl",
    "report.html",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the demonstration."""
    parser.add_argument("out", type=Path, help="folder for the results")


def run(args: argparse.Namespace) -> int:
    """Runs the demonstration."""
    out: Path = args.out
    for name in RESULTS:
        shutil.rmtree(out / name, ignore_errors=True)
        if (out / name).exists():
            (out / name).unlink()
    model, saved = out / "model", out / "saved-model"
    step(convert, "convert", "torch", BUNDLED_MODEL, model)
    recorded = ("--reference", BUNDLED_REFERENCE, "--json", out / "parity.json")
    step(convert, "convert", "verify", BUNDLED_MODEL, model, *recorded)
    step(convert, "convert", "saved-model", model, saved)
    through_the_hub(saved, sorted(CORPUS.rglob("*.flac"))[0])
    figures, report = out / "wer.json", out / "report.html"
    wanted = ("--model", model, "--data", CORPUS, "--json", figures, "--report", report)
    step(evaluate, "eval", "wer", *wanted)
    modes = json.loads(figures.read_text(encoding="utf-8"))["modes"]
    padded, variable, masked = (modes[mode] for mode in ("padded", "variable", "masked"))
    if masked["fitting"] != variable["fitting"] or not padded["wer"] > variable["wer"]:
        raise UserError(
            f"{figures}: padding must raise the WER without lengths, and leave it with them"
        )
    print(
        f"\nWER: {padded['wer']:.1%} padded as published, {variable['wer']:.1%} at variable length."
        f"\nOf the utterances that fit: {masked['fitting']['wer']:.2%} padded with lengths, "
        f"{variable['fitting']['wer']:.2%} at variable length, the same to the word.\n"
        f"Look at {report}"
    )
    return 0


def step(program: Callable[[list[str]], int], name: str, *arguments: object) -> None:
    """Runs a program as a user would; raises `UserError` if it fails."""
    words = [str(argument) for argument in arguments]
    print(f"\n$ wav2vec2-tf {name} {' '.join(words)}", flush=True)
    if program(words):
        raise UserError(f"the demonstration stopped at wav2vec2-tf {name} {words[0]}")


def through_the_hub(saved: Path, audio_file: Path) -> None:
    """Calls a SavedModel as the published page does, and compares with its signature."""
    import numpy as np
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
        import tensorflow_hub as hub

    from wav2vec2_tf import audio
    from wav2vec2_tf.export.loading import load_export
    from wav2vec2_tf.transcription.recognizer import Recognizer

    print(f'\n>>> model = tf.function(hub.KerasLayer("{saved}"), jit_compile=True)', flush=True)
    model = tf.function(hub.KerasLayer(str(saved)), jit_compile=True)
    recognizer = Recognizer.load(saved)
    speech = audio.load(audio_file)
    padded = np.zeros((1, recognizer.fixed_length or len(speech)), np.float32)
    padded[0, : len(speech)] = audio.normalize(speech)
    logits = model(tf.constant(padded))
    difference = float(np.abs(logits - load_export(saved)(padded)["logits"]).max())
    if not difference <= 1e-4:
        raise UserError(f"{saved}: through the hub the logits differ by {difference:.2g}")
    (transcript,) = recognizer.transcribe([speech])
    print(f"logits {tuple(logits.shape)}, max |Δ| to tf.saved_model.load {difference:.1e}")
    print(f"{audio_file.name}: {transcript.text}")


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of this program."""
    parser = argparse.ArgumentParser(prog="python -m convert.demo", description=__doc__)
    add_arguments(parser)
    parser.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    sys.exit(run_program(make_parser, None))
