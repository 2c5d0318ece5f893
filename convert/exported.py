"""What `convert litert`, `onnx` and `openvino` have in common: a model → a file, checked."""

from __future__ import annotations

import argparse
import importlib.util
import io
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

from .options import add_export_options, export_options, print_differences

if TYPE_CHECKING:
    import keras
    import numpy as np

    from wav2vec2_tf.export.form import Form, Sample
    from wav2vec2_tf.models.processor import Processor

QUANTIZATIONS = ("float32", "fp16", "int8", "int8-static")
STATIC = "int8-static"
UTTERANCES = 32
"""Of a corpus, for ranges to be seen on; more change little and take time."""
LONGEST = 15 * SAMPLE_RATE
"""Samples of each of them that are looked at."""
MODEL_ZOO_LENGTH = 30_480
LIMITS: dict[str, dict[str, float]] = {
    "float32": {"output": 5e-4, "best tokens": 0.01, "words": 0.05},
    "fp16": {"output": 0.2, "best tokens": 0.02, "words": 1.0},
    "int8": {"output": float("inf"), "best tokens": 0.2, "words": 1.0},
    "int8-static": {"output": float("inf"), "best tokens": 0.3, "words": 1.0},
}
"""Beyond which a file is refused. Runtimes sum float32 in orders of their own: logits of up to 30
are off by up to 1e-4. Weights in float16 are off by up to 5e-4 of themselves, which may turn a word
of a model that is not sure of it. What int8 changes depends on the model and is reported; more than
this is no rounding any more."""


def add_arguments(parser: argparse.ArgumentParser, name: str) -> None:
    """The options of `convert NAME`."""
    add_export_options(parser, "file to write")
    parser.add_argument(
        "--quantize",
        choices=QUANTIZATIONS,
        default=QUANTIZATIONS[0],
        help="fp16: weights in half the bytes; int8: weights in a quarter; int8-static: what goes "
        "between layers too, by --calibration (default: %(default)s)",
    )
    parser.add_argument(
        "--calibration",
        metavar="CORPUS",
        help=f"for int8-static: speech of which the first {UTTERANCES} utterances show the ranges "
        "of values; a folder of audio, LibriSpeech folder, manifest or dataset",
    )
    if name == "openvino":
        parser.add_argument(
            "--model-zoo",
            action="store_true",
            help="the contract of wav2vec2-base in OpenVINO's model zoo: `inputs`, one row of "
            f"{MODEL_ZOO_LENGTH} samples (or --length), to log-probabilities, without lengths",
        )


def run(args: argparse.Namespace, name: str) -> int:
    differences = convert(
        args.model,
        args.out,
        name,
        quantize=args.quantize,
        calibration=args.calibration,
        model_zoo=getattr(args, "model_zoo", False),
        **export_options(args),
    )
    print_differences(args.out, differences)
    return 0


def convert(
    source: str,
    out: Path,
    name: str,
    *,
    length: int | None = None,
    log_softmax: bool = False,
    quantize: str = "float32",
    calibration: str | None = None,
    model_zoo: bool = False,
    head: str | None = None,
    dictionary: Path | None = None,
    target_lang: str | None = None,
    force: bool = False,
    **hub: Any,
) -> dict[str, float]:
    """Export, check and put in place; returns what `check.differences` does.

    Args:
        name: a key of `runtimes.FORMATS`.

    Raises:
        UserError: bad input, all of it found before weights are read; or the file is not the model.
    """
    from wav2vec2_tf.export import check, frozen, runtimes
    from wav2vec2_tf.export.form import MODEL_ZOO_SPEECH, Form, facts_of

    from .source import head_to_export, open_source

    module = runtimes.FORMATS[name]
    _check_options(out, module, quantize, calibration, force)
    form = Form(length, log_softmax=log_softmax)
    if model_zoo:
        form = Form(length or MODEL_ZOO_LENGTH, 1, True, MODEL_ZOO_SPEECH, takes_lengths=False)
    elif name == "litert" and length is not None:
        form = replace(form, rows=1)  # static shapes, which is what its fastest kernels take
    head = head or head_to_export(source, **hub)
    opened = open_source(source, out, head, dictionary=dictionary, target_lang=target_lang, **hub)
    config, processor = opened.config, opened.processor
    frozen.check(config, opened.kind.head, opened.parameters, form)
    samples = (
        []
        if calibration is None
        else list(calibration_samples(calibration, config, processor, form))
    )
    with (
        _file_in_place(out, module) as made,
        tempfile.TemporaryDirectory() as scratch,
        ProgressBar(f"convert {name}", 3, "step", leave=False) as bar,
    ):
        model = opened.load()
        bar.update(note="weights loaded")
        facts = facts_of(config, opened.kind.head, processor, opened.provenance)
        with _progress_alone():
            module.write(frozen.freeze(model, form), facts, made, quantize, samples)
        bar.update(note="file written")
        expected = Path(scratch) / "expected.npz"
        check.save_calls(expected, _calls(model, processor, form))
        return check.in_fresh_process(made, expected, LIMITS[quantize])


def _check_options(
    out: Path, module: ModuleType, quantize: str, calibration: str | None, force: bool
) -> None:
    """What can be said before anything is opened."""
    if out.suffix != module.SUFFIX:
        raise UserError(f"{out}: the name of such a file ends in {module.SUFFIX}")
    if out.is_dir():
        raise UserError(f"{out}: is a folder; name a file")
    if out.exists() and not force:
        raise UserError(f"{out} exists already: name another, or replace it with --force")
    if (quantize == STATIC) != (calibration is not None):
        raise UserError(
            "--quantize int8-static takes ranges from speech: name a corpus with --calibration"
            if calibration is None
            else f"--calibration is for --quantize int8-static, not {quantize}: leave it out"
        )
    needed = [*module.WRITTEN_WITH, *(module.QUANTIZED_WITH if "int8" in quantize else ())]
    for package in needed:
        if importlib.util.find_spec(package) is None:
            extra = module.__name__.rpartition(".")[2]
            raise UserError(
                f"{module.SUFFIX} files are written with {package}: "
                f"pip install 'wav2vec2-tf[{extra}]'"
            )


@contextmanager
def _progress_alone() -> Iterator[None]:
    """What the quantisers draw goes to a terminal, if there is one; what they log goes nowhere."""
    shown = sys.stderr if sys.stderr.isatty() else io.StringIO()
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(shown), redirect_stderr(shown):
            yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def _file_in_place(out: Path, module: ModuleType) -> Iterator[Path]:
    """A path of the same name in a folder beside; moved to `out` at the end, with its weights."""
    from wav2vec2_tf.utils.files import whole_file

    out = out.expanduser().absolute()
    with ExitStack() as stack:
        # closed in turn, the last first: a file appears after what it needs
        places = [
            (suffix, stack.enter_context(whole_file(out.with_suffix(suffix))))
            for suffix in module.SUFFIXES
        ]
        scratch = stack.enter_context(tempfile.TemporaryDirectory(dir=out.parent, prefix="."))
        made = Path(scratch) / out.name
        yield made
        for suffix, place in places:
            made.with_suffix(suffix).replace(place)


def calibration_samples(
    corpus: str, config: Any, processor: Processor, form: Form, count: int = UTTERANCES
) -> Iterator[Sample]:
    """Yields a corpus's first `count` utterances as the file takes them.

    Raises:
        UserError: no utterance is long enough.
    """
    from wav2vec2_tf.data.corpus import open_corpus
    from wav2vec2_tf.export.form import inputs
    from wav2vec2_tf.transcription.recognizer import batch_of

    usable = 0
    for utterance in open_corpus(corpus, transcribed=False):
        speech = utterance.load()[: form.length or LONGEST]
        if len(speech) < config.samples_of(config.fewest_frames):
            continue
        padded, lengths = batch_of([speech], form.length or len(speech), processor.normalizes)
        yield inputs(config, form, padded, lengths)
        usable += 1
        if usable == count:
            return
    if not usable:
        raise UserError(f"{corpus}: no utterance is as long as one frame of speech")


def _calls(model: keras.Model, processor: Processor, form: Form) -> Sequence[dict[str, np.ndarray]]:
    """What the Keras model makes of noise, padded with NaN, and of speech."""
    import numpy as np
    import tensorflow as tf

    from wav2vec2_tf import audio
    from wav2vec2_tf.data.bundled import BUNDLED_SPEECH
    from wav2vec2_tf.export.saved_model import ONLY_OUTPUT, outputs
    from wav2vec2_tf.transcription.recognizer import batch_of

    config, random = model.config, np.random.default_rng(0)
    shortest = config.samples_of(config.fewest_frames)
    speech = audio.load(BUNDLED_SPEECH)
    batches = [batch_of([speech], form.length or len(speech), processor.normalizes)]
    if form.takes_lengths:
        counts = np.array([form.length or 12_000, (form.length or 12_000) // 2, shortest], np.int32)
        counts = np.maximum(counts, shortest)
        noise = random.normal(size=(3, counts[0])).astype(np.float32)
        noise[np.arange(counts[0]) >= counts[:, np.newaxis]] = np.nan
        batches.append((noise, counts))
    calls = []
    for padded, lengths in batches:
        given = tf.constant(lengths) if form.takes_lengths else None
        results = outputs(model, tf.constant(padded), given, log_softmax=form.log_softmax)
        values = results[ONLY_OUTPUT[model.head]].numpy()
        lengths = lengths if form.takes_lengths else np.full_like(lengths, padded.shape[1])
        calls.append({"speech": padded, "lengths": lengths, "output": values})
    return calls
