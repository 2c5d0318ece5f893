"""Exports a model as SavedModel, which is compared with the model in a fresh process."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.utils.options import option
from wav2vec2_tf.utils.progress import ProgressBar

from .options import ExportOptions, add_convert_flags, convert_options, print_differences

if TYPE_CHECKING:
    import keras
    import numpy as np

    from wav2vec2_tf.models.processor import Processor

EXAMPLE = "wav2vec2-tf convert saved-model build/base-960h build/saved-model --length any"


@dataclass(frozen=True, kw_only=True)
class SavedModelOptions(ExportOptions):
    """How a model is exported as SavedModel."""

    inference: bool = option(
        False,
        help="leave out what training needs: the SavedModel computes the same and loads in less "
        "time, but not with training=True",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `convert saved-model`."""
    add_convert_flags(parser, SavedModelOptions, "folder to make", EXAMPLE)


def run(args: argparse.Namespace) -> int:
    """Runs `convert saved-model`."""
    options = convert_options(SavedModelOptions, args)
    print_differences(args.out, convert(args.model, args.out, options))
    return 0


def convert(source: str, out: Path, options: ExportOptions | None = None) -> dict[str, float]:
    """Exports a model as SavedModel; writes all of it or nothing.

        from wav2vec2_tf.convert.saved_model import SavedModelOptions, convert

        convert("build/base-960h", Path("build/saved-model"), SavedModelOptions(length=None))

    Args:
        source: a folder, an id on the Hugging Face Hub or fairseq's `.pt` file.
        out: the folder to make.
        options: see `SavedModelOptions`.

    Returns:
        The differences from the Keras model, as `export.check.in_fresh_process` returns them.

    Raises:
        UserError: the checkpoint does not fit its config, `out` exists, or the SavedModel differs
            from the Keras model.
    """
    from wav2vec2_tf.export import check, saved_model
    from wav2vec2_tf.export.frozen import check_length
    from wav2vec2_tf.models.saved_model_folder import SAVED_MODEL_FACTS
    from wav2vec2_tf.utils.files import whole_folder

    from .source import open_source

    options = options or SavedModelOptions()
    length, log_softmax = options.length, options.log_softmax
    trainable = not (isinstance(options, SavedModelOptions) and options.inference)
    with (
        whole_folder(out, replace=options.force) as beside,
        tempfile.TemporaryDirectory() as scratch,
        ProgressBar("convert saved-model", 3, "step", leave=False) as bar,
    ):
        opened = open_source(source, out, options, pre_training=False)
        check_length(length, opened.config.samples_of(1))
        model, processor = opened.load(), opened.processor
        bar.update(note="weights loaded")
        saved_model.export(
            model,
            processor,
            beside,
            length=length,
            log_softmax=log_softmax,
            trainable=trainable,
        )
        opened.provenance.save(beside / SAVED_MODEL_FACTS)
        bar.update(note="SavedModel written")
        expected = Path(scratch) / "expected.npz"
        write_expected(model, processor, length, log_softmax, expected)
        return check.in_fresh_process(beside, expected)


def write_expected(
    model: keras.Model, processor: Processor, length: int | None, log_softmax: bool, path: Path
) -> None:
    """Writes the Keras model's outputs of two rows, the second half of one of which is padding.

    The padding is noise. `export.check.differences` reads the file.
    """
    import numpy as np
    import tensorflow as tf

    from wav2vec2_tf.audio import SAMPLE_RATE
    from wav2vec2_tf.export.saved_model import outputs
    from wav2vec2_tf.models.families import CTC
    from wav2vec2_tf.transcription.recognizer import Recognizer, TensorFlowLogits

    config, random = model.config, np.random.default_rng(0)
    samples = length or 3 * SAMPLE_RATE
    raw = random.normal(0, 0.1, (2, samples)).astype(np.float32)
    lengths = np.array([samples, max(samples // 2, config.samples_of(1))], np.int32)
    arrays: dict[str, Any] = {"speech": raw, "lengths": lengths}

    def expect(kind: str, inputs: np.ndarray, lengths: np.ndarray | None) -> None:
        results = outputs(model, tf.constant(inputs), lengths, log_softmax=log_softmax)
        arrays.update({f"{kind}/{name}": values.numpy() for name, values in results.items()})

    expect("plain", raw, None)
    expect("masked", raw, lengths)
    if config.log_mel_input:
        frames = config.encoder_frames(samples)
        shape = (2, frames, config.feature_channels)
        arrays["input_features"] = random.normal(size=shape).astype(np.float32)
        arrays["frames"] = np.array([frames, (frames + 1) // 2], np.int32)
        expect("features", arrays["input_features"], arrays["frames"])
    if model.head == CTC and processor.tokenizer is not None:
        recognizer = Recognizer(
            config, processor.tokenizer, processor.normalizes, TensorFlowLogits(model)
        )
        cut = [row[:count] for row, count in zip(raw, lengths, strict=True)]
        texts = [transcript.text for transcript in recognizer.transcribe(cut, length=samples)]
        arrays["raw"], arrays["text"] = raw, np.char.encode(texts, "utf-8")
    with path.open("wb") as file:
        np.savez(file, **arrays)
