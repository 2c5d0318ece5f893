"""Exports a model as a file for another runtime: LiteRT, ONNX Runtime or OpenVINO.

The file is compared with the Keras model in a fresh process before it appears.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.export.quantization import (
    FLOAT16,
    FLOAT32,
    INT8,
    INT8_STATIC,
    QUANTIZATIONS,
)
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.options import OptionError, option
from wav2vec2_tf.utils.progress import ProgressBar

from .options import ExportOptions, add_convert_flags, convert_options, print_differences

if TYPE_CHECKING:
    import keras
    import numpy as np

    from wav2vec2_tf.export.contract import Contract, NamedArrays
    from wav2vec2_tf.models.config import Config
    from wav2vec2_tf.models.processor import Processor

CALIBRATION_UTTERANCES = 32
"""Utterances that ranges are measured on; more change little and take time."""
CALIBRATION_SECONDS = 15
"""Longest part of each of these utterances."""
LIMITS: dict[str, dict[str, float]] = {
    FLOAT32: {"output": 5e-4, "best tokens": 0.01, "words": 0.05},
    FLOAT16: {"output": 0.2, "best tokens": 0.02, "words": 1.0},
    INT8: {"output": float("inf"), "best tokens": 0.2, "words": 1.0},
    INT8_STATIC: {"output": float("inf"), "best tokens": 0.3, "words": 1.0},
}
"""Largest differences of a file that passes, by its quantization.

Runtimes sum float32 in different orders, which changes logits of up to 30 by up to 1e-4. Weights in
float16 are off by up to 5e-4 of themselves, which can change a word where two tokens nearly tie.
What int8 changes depends on the model and is reported; the limits here only exclude faults."""


@dataclass(frozen=True, kw_only=True)
class RuntimeFileOptions(ExportOptions):
    """How a model is exported as a file for another runtime."""

    length: int | None = option(None, minimum=1, help="samples of each row; None for any number")
    quantize: str = option(
        FLOAT32,
        choices=QUANTIZATIONS,
        help="fp16: weights in half the bytes; int8: weights in a quarter; int8-static: "
        "activations too, with ranges measured on --calibration",
    )
    calibration: str | None = option(
        None,
        metavar="CORPUS",
        help="for int8-static: speech to measure the ranges of values on, the first "
        f"{CALIBRATION_UTTERANCES} utterances of a folder of audio, LibriSpeech folder, manifest "
        "or dataset",
    )
    model_zoo: bool = option(
        False,
        help="the contract of wav2vec2-base in OpenVINO's model zoo: `inputs`, one row of 30480 "
        "samples (or --length), to log-probabilities, without lengths",
    )

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed, or options that exclude others."""
        super().__post_init__()
        if self.quantize == INT8_STATIC and self.calibration is None:
            raise OptionError(
                "{quantize} int8-static needs speech: name a corpus with {calibration}"
            )
        if self.quantize != INT8_STATIC and self.calibration is not None:
            raise OptionError(
                "{calibration} is for {quantize} int8-static, got {found}: leave it out",
                found=self.quantize,
            )


class RuntimeFileProgram:
    """The program `convert FORMAT`.

    Args:
        format: a key of `export.runtimes.FORMATS`.
        example: a command line, shown at the end of the help.
    """

    def __init__(self, format: str, example: str) -> None:
        self.format, self.example = format, example
        self.__doc__ = __doc__

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the program's arguments."""
        without = () if self.format == "openvino" else ("model_zoo",)
        add_convert_flags(
            parser, RuntimeFileOptions, "file to write", self.example, without=without
        )

    def run(self, args: argparse.Namespace) -> int:
        """Runs the program."""
        options = convert_options(RuntimeFileOptions, args)
        print_differences(args.out, convert(args.model, args.out, self.format, options))
        return 0


LITERT = RuntimeFileProgram(
    "litert", "wav2vec2-tf convert litert build/base-960h build/base.tflite --quantize int8"
)
ONNX = RuntimeFileProgram("onnx", "wav2vec2-tf convert onnx build/base-960h build/base.onnx")
OPENVINO = RuntimeFileProgram(
    "openvino",
    "wav2vec2-tf convert openvino build/base-960h build/base.xml --quantize int8-static "
    "--calibration LibriSpeech/dev-clean",
)


def convert(
    source: str, out: Path, format: str, options: RuntimeFileOptions | None = None
) -> dict[str, float]:
    """Exports a model as a file for another runtime; writes the whole file or nothing.

        from wav2vec2_tf.convert.runtime_file import RuntimeFileOptions, convert

        convert("build/base-960h", Path("base.onnx"), "onnx", RuntimeFileOptions(quantize="int8"))

    Args:
        source: a folder, an id on the Hugging Face Hub or fairseq's `.pt` file.
        out: the file to write, with the format's suffix.
        format: "litert", "onnx" or "openvino" (`export.runtimes.FORMATS`).
        options: see `RuntimeFileOptions`.

    Returns:
        The differences from the Keras model, as `export.check.in_fresh_process` returns them.

    Raises:
        UserError: the input is invalid, which is found before weights are read; or the file differs
            from the Keras model by more than `LIMITS`.
    """
    from wav2vec2_tf.export import check, frozen, runtimes
    from wav2vec2_tf.export.exported_file import model_files

    from .source import open_source

    options = options or RuntimeFileOptions()
    module = runtimes.FORMATS[format]
    _check_before_opening(out, format, module, options)
    contract = _contract(format, options)
    opened = open_source(source, out, options, pre_training=False)
    config, processor = opened.config, opened.processor
    frozen.check_exportable(config, opened.kind.head, opened.parameters, contract)
    calibration: list[NamedArrays] = []
    if options.calibration is not None:
        calibration += calibration_inputs(options.calibration, config, processor, contract)
    with (
        _file_in_place(out, module) as made,
        tempfile.TemporaryDirectory() as scratch,
        ProgressBar(f"convert {format}", 3, "step", leave=False) as bar,
    ):
        model = opened.load()
        bar.update(note="weights loaded")
        files = model_files(config, opened.kind.head, processor, opened.provenance)
        with _converters_silenced():
            graph = frozen.freeze(model, contract)
            module.write(graph, files, made, options.quantize, calibration)
        bar.update(note="file written")
        expected = Path(scratch) / "expected.npz"
        check.save_calls(expected, _expected_calls(model, processor, contract))
        return check.in_fresh_process(made, expected, LIMITS[options.quantize])


def _check_before_opening(
    out: Path, format: str, module: ModuleType, options: RuntimeFileOptions
) -> None:
    """Raises `UserError` for what is invalid whatever the model is."""
    if out.suffix != module.SUFFIX:
        raise UserError(f"{out}: the file's name must end in {module.SUFFIX}")
    if out.is_dir():
        raise UserError(f"{out}: is a folder; name a file")
    if out.exists() and not options.force:
        raise UserError(f"{out} exists already: name another, or replace it with --force")
    if options.model_zoo and format != "openvino":
        raise UserError(f"--model-zoo is for OpenVINO, got {format}: leave it out")
    needed = [*module.WRITTEN_WITH, *(module.QUANTIZED_WITH if "int8" in options.quantize else ())]
    for package in needed:
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"{package} writes {module.SUFFIX} files: pip install 'wav2vec2-tf[{format}]'"
            )


def _contract(format: str, options: RuntimeFileOptions) -> Contract:
    from wav2vec2_tf.export.contract import Contract

    if options.model_zoo:
        return Contract.model_zoo(options.length)
    contract = Contract(options.length, log_softmax=options.log_softmax)
    if format == "litert" and options.length is not None:
        return replace(contract, rows=1)  # LiteRT's fastest kernels need static shapes
    return contract


@contextmanager
def _converters_silenced() -> Iterator[None]:
    """Shows what the converters print on a terminal only, and drops what they log."""
    shown = sys.stderr if sys.stderr.isatty() else io.StringIO()
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(shown), redirect_stderr(shown):
            yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def _file_in_place(out: Path, module: ModuleType) -> Iterator[Path]:
    """Yields a path to write to, and moves the file (and its weights) to `out` at the end."""
    from wav2vec2_tf.utils.files import whole_file

    out = out.expanduser().absolute()
    with ExitStack() as stack:
        # closed in reverse order: a file appears after its weights
        places = [
            (suffix, stack.enter_context(whole_file(out.with_suffix(suffix))))
            for suffix in module.SUFFIXES
        ]
        (_, made), *others = places
        yield made  # what belongs to it is written beside it
        for suffix, place in others:
            made.with_suffix(suffix).replace(place)


def calibration_inputs(
    corpus: str,
    config: Config,
    processor: Processor,
    contract: Contract,
    count: int = CALIBRATION_UTTERANCES,
) -> Iterator[NamedArrays]:
    """Yields the first `count` utterances of a corpus as inputs of a file.

    Raises:
        UserError: no utterance is long enough.
    """
    from wav2vec2_tf.audio import SAMPLE_RATE
    from wav2vec2_tf.data.corpus import open_corpus
    from wav2vec2_tf.transcription.recognizer import batch_of

    longest = contract.length or CALIBRATION_SECONDS * SAMPLE_RATE
    usable = 0
    for utterance in open_corpus(corpus, transcribed=False):
        speech = utterance.load()[:longest]
        if len(speech) < config.samples_of(config.fewest_frames):
            continue
        padded, lengths = batch_of([speech], contract.length or len(speech), processor.normalizes)
        yield contract.named_inputs(config, padded, lengths)
        usable += 1
        if usable == count:
            return
    if not usable:
        raise UserError(f"{corpus}: no utterance is as long as one frame of speech")


def _expected_calls(
    model: keras.Model, processor: Processor, contract: Contract
) -> Sequence[dict[str, np.ndarray]]:
    """Returns the Keras model's outputs of speech, and of noise that is padded with NaN."""
    import numpy as np
    import tensorflow as tf

    from wav2vec2_tf import audio
    from wav2vec2_tf.data.bundled import BUNDLED_SPEECH
    from wav2vec2_tf.export.saved_model import ONLY_OUTPUT, outputs
    from wav2vec2_tf.transcription.recognizer import batch_of

    config, random = model.config, np.random.default_rng(0)
    shortest = config.samples_of(config.fewest_frames)
    speech = audio.load(BUNDLED_SPEECH)
    batches = [batch_of([speech], contract.length or len(speech), processor.normalizes)]
    if contract.takes_lengths:
        longest = contract.length or 12_000
        counts = np.maximum(np.array([longest, longest // 2, shortest], np.int32), shortest)
        noise = random.normal(size=(3, counts[0])).astype(np.float32)
        noise[np.arange(counts[0]) >= counts[:, np.newaxis]] = np.nan
        batches.append((noise, counts))
    calls: list[dict[str, Any]] = []
    for padded, lengths in batches:
        given = tf.constant(lengths) if contract.takes_lengths else None
        results = outputs(model, tf.constant(padded), given, log_softmax=contract.log_softmax)
        values = results[ONLY_OUTPUT[model.head]].numpy()
        lengths = lengths if contract.takes_lengths else np.full_like(lengths, padded.shape[1])
        calls.append({"speech": padded, "lengths": lengths, "output": values})
    return calls
